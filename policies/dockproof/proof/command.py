"""`dockproof prove`: make every mutant and print who noticed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockproof.errors import Exit, NothingToCheckError
from dockproof.proof import matrix, source
from dockproof.proof.source import Good

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dockproof.config import Config
    from dockproof.policy import Policy
    from dockproof.proof.matrix import Row
    from dockproof.session import Session

SCHEMA = 1
SHIPPED = ("Dockerfile", "Dockerfile.worker", "Dockerfile.dev")


def goods(folder: Path, config: Config) -> dict[str, Good]:
    """Read the shipped Dockerfiles that source mutants edit, each with its profile and build context.

    Args:
        folder: the folder that holds them, `dockerfiles/backend`.
        config: gives each its profile.

    Raises:
        NothingToCheckError: there is none of them.
    """
    from dockproof.facts.context import BuildContext  # noqa: PLC0415 - only a proof reads it here

    found = {}
    for name in SHIPPED:
        path = folder / name
        if path.is_file():
            rules = config.rules_for(path)
            profile = next((rule.profile for rule in rules if rule.profile), config.profile)
            root = next((rule.context for rule in rules if rule.context), folder)
            found[name] = Good(name, path.read_text(encoding="utf-8"), profile, BuildContext.open(root, path))
    if not found:
        raise NothingToCheckError(
            f"{folder}: no Dockerfile to mutate; name the folder that holds {SHIPPED[0]}"
        )
    return found


def prove(
    folder: Path, policies: Mapping[str, Policy], config: Config, session: Session | None = None
) -> tuple[list[str], list[Row]]:
    """Make every mutant that can be made here.

    Args:
        folder: the folder of the shipped Dockerfiles.
        policies: all policies by id.
        config: the configuration.
        session: the gate on the manifest, for image and runtime mutants; None = source mutants alone.

    Returns:
        What is wrong before any mutant, and a row a mutant.
    """
    files, owners = goods(folder, config), matrix.owners(policies, config)
    config = config._replace(select=frozenset())  # whose mutants are made is one thing, who is asked another
    wrong = [*matrix.unproven(owners.values()), *source.baseline(files, policies, config, owners)]
    rows = list(source.rows(files, policies, config, owners))
    if session is not None:
        from dockproof.proof import engine  # noqa: PLC0415 - source mutants need no engine

        wrong += engine.baseline(session)
        rows += engine.image_rows(session, owners)
        rows += engine.runtime_rows(session, owners)
    return wrong, rows


def result(wrong: Sequence[str], rows: Sequence[Row]) -> Exit:
    """Return the exit code: everything killed, or not."""
    return Exit.CLEAN if rows and not wrong and all(row.killed for row in rows) else Exit.FINDINGS


def document(wrong: Sequence[str], rows: Sequence[Row]) -> dict[str, Any]:
    """Return the matrix as JSON."""
    return {
        "schema": SCHEMA,
        "wrong": list(wrong),
        "mutants": [row._asdict() | {"killed": row.killed} for row in rows],
        "summary": {"mutants": len(rows), "killed": sum(row.killed for row in rows)},
    }


def to_json(wrong: Sequence[str], rows: Sequence[Row]) -> str:
    """Return the matrix as JSON text."""
    return json.dumps(document(wrong, rows), indent=2) + "\n"


def text(wrong: Sequence[str], rows: Sequence[Row], *, engine: bool) -> str:
    """Return the matrix for people: a line a policy, then what survived."""
    lines = [*_matrix(rows), *_survivors(rows), *(f"wrong: {sentence}" for sentence in wrong)]
    killed = sum(row.killed for row in rows)
    scope = "" if engine else "; image and runtime mutants were not made: no engine was asked for (--engine)"
    return "\n".join([*lines, "", f"{killed} of {len(rows)} mutants killed{scope}", ""])


def _matrix(rows: Sequence[Row]) -> Iterator[str]:
    width = max((len(row.policy) for row in rows), default=0)
    for policy in dict.fromkeys(row.policy for row in rows):
        own = [row for row in rows if row.policy == policy]
        marks = "  ".join(
            f"{'killed' if row.killed else 'SURVIVED'} {row.mutant}[{row.probe}]" for row in own
        )
        yield f"{policy:<{width}}  {sum(row.killed for row in own)}/{len(own)}  {marks}"


def _survivors(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        for fault in row.faults:
            yield f"{row.policy}: {row.mutant}[{row.probe}]: {fault}"


def main(arguments: list[str]) -> int:
    """Run `dockproof prove` with the arguments behind its name."""
    from dockproof import catalog, cli  # noqa: PLC0415 - see `dockproof.cli`

    parser = cli.parser_for("prove")
    parser.add_argument(
        "folder",
        nargs="?",
        default="dockerfiles/backend",
        help="the Dockerfiles to mutate (default: %(default)s)",
    )
    cli.add_common(parser)
    parser.add_argument(
        "--engine", action="store_true", help="make image and runtime mutants too, with compose.yaml"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")
    options = parser.parse_args(arguments)
    policies = catalog.load()
    config = cli.configuration(options, policies, Path.cwd())
    policies = cli.with_own(policies, config)
    wrong, rows = _prove(Path(options.folder), policies, config, engine=options.engine)
    report = to_json(wrong, rows) if options.format == "json" else text(wrong, rows, engine=options.engine)
    print(report, end="")  # noqa: T201 - the report
    return result(wrong, rows)


def _prove(
    folder: Path, policies: Mapping[str, Policy], config: Config, *, engine: bool
) -> tuple[list[str], list[Row]]:
    if not engine:
        return prove(folder, policies, config)
    from dockproof.collect import compose, process  # noqa: PLC0415 - only image and runtime mutants need them
    from dockproof.session import Session  # noqa: PLC0415 - as above

    everything = config._replace(select=frozenset())
    with process.interruptible(), Session.open(compose.find(Path()), policies, everything) as session:
        return prove(folder, policies, config, session)
