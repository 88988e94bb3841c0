"""`dockproof prove`: make every mutant and print who noticed.

Without a path it proves the policies themselves: text mutants of the shipped Dockerfiles, edits of generated good ones,
and with an engine images and containers. With paths it proves the gate on a user's own files: what can be taken away
from them is taken away, in memory, and the policy must notice.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dockproof import catalog
from dockproof.errors import Exit, NothingToCheckError, UsageError
from dockproof.proof import goods as generated
from dockproof.proof import matrix, source, spellings, users
from dockproof.proof.matrix import NotMade, Proof
from dockproof.proof.table import to_json, to_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from dockproof.config import Config
    from dockproof.policy import Policy
    from dockproof.proof.matrix import Owner
    from dockproof.proof.source import Good
    from dockproof.session import Session

FOLDER = Path("dockerfiles/backend")
SHIPPED = ("Dockerfile", "Dockerfile.worker", "Dockerfile.dev")


def shipped(folder: Path, config: Config) -> dict[str, Good]:
    """Read the shipped Dockerfiles that source mutants edit, each with its profile and build context.

    Args:
        folder: the folder that holds them, `dockerfiles/backend`.
        config: gives each its profile.

    Returns:
        The files by name; empty where there is none, as in a user's repository.
    """
    paths = {name: folder / name for name in SHIPPED if (folder / name).is_file()}
    return {name: users.good(str(path), config)._replace(name=name) for name, path in paths.items()}


def prove(
    folder: Path, policies: Mapping[str, Policy], config: Config, session: Session | None = None
) -> Proof:
    """Prove the policies: make every mutant of those that are selected.

    Args:
        folder: the folder of the shipped Dockerfiles; without them only generated files are edited.
        policies: all policies by id.
        config: the configuration.
        session: the gate on the manifest, for image and runtime mutants; None = source mutants alone.

    Raises:
        NothingToCheckError: no mutant is selected, or none can be made.
    """
    owners = matrix.owners(policies, config)
    # Whose mutants are made is one thing, who is asked another.
    everyone = config._replace(select=frozenset(), ignore=frozenset())
    built_in = catalog.load()
    ours = {name: owner for name, owner in owners.items() if name in built_in}
    proof = Proof()
    proof.wrong.extend(matrix.unproven(owner.policy for owner in owners.values()))
    files = shipped(folder, config)
    if files:
        proof.wrong.extend(source.baseline(files, policies, everyone, owners))
        proof.rows.extend(source.rows(files, policies, everyone, ours))
    _prove_generated(proof, ours)
    if len(owners) > len(ours):
        _prove_own(proof, policies, config, owners)
    if session is not None:
        _prove_built(proof, session, owners)
    if not proof.rows and not proof.wrong:
        names = ", ".join(owners)
        raise NothingToCheckError(f"nothing to prove of {names} but images and runs: say --engine")
    return proof


def _prove_generated(proof: Proof, owners: Mapping[str, Owner]) -> None:
    policies, config, files = catalog.load(), generated.settings(), generated.generate()
    respelt = {one.name: one for file in files.values() for one in spellings.of(file)}
    proof.wrong.extend(source.baseline(files | respelt, policies, config, owners))
    proof.rows.extend(source.rows(files, policies, config, owners, generated=True))
    for file in files.values():
        proof.add(source.edit_rows(file, policies, config, owners))


def _prove_own(
    proof: Proof, policies: Mapping[str, Policy], config: Config, owners: Mapping[str, Owner]
) -> None:
    """Prove the project's own policies on the Dockerfiles below the working folder."""
    own = {name: owner for name, owner in owners.items() if name not in catalog.load()}
    try:
        proof.merge(users.prove(["."], policies, config, own))
    except NothingToCheckError as error:
        if not proof.rows:
            raise
        proof.wrong.append(str(error))  # what was shown of the built-in ones stays


def _prove_built(proof: Proof, session: Session, owners: Mapping[str, Owner]) -> None:
    from dockproof.proof import engine  # noqa: PLC0415 - source mutants need no engine

    proof.wrong.extend(engine.baseline(session))
    proof.rows.extend(engine.image_rows(session, owners))
    proof.rows.extend(engine.runtime_rows(session, owners))


def main(arguments: list[str]) -> int:
    """Run `dockproof prove` with the arguments behind its name."""
    from dockproof import cli  # noqa: PLC0415 - see `dockproof.cli`

    options = _parser().parse_args(arguments)
    if options.paths and options.engine:
        raise UsageError(
            "prove: --engine proves the policies themselves, on compose.yaml; leave the paths out"
        )
    config, policies = cli.configuration(options, Path.cwd())
    proof = _proof(options, policies, config)
    report = to_json(proof) if options.format == "json" else to_text(proof, engine=options.engine)
    print(report, end="")  # noqa: T201 - the report
    return exit_code(proof, config)


def _parser() -> argparse.ArgumentParser:
    from dockproof import cli  # noqa: PLC0415 - as above

    parser = cli.parser_for("prove")
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="your Dockerfile, folder or -: edited in memory, never written; none = prove the policies themselves",
    )
    cli.add_common(parser)
    parser.add_argument(
        "--engine", action="store_true", help="make image and runtime mutants too, with compose.yaml"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")
    return parser


def _proof(options: argparse.Namespace, policies: Mapping[str, Policy], config: Config) -> Proof:
    if options.paths:
        return users.prove(options.paths, policies, config, matrix.owners(policies, config))
    if not options.engine:
        return prove(FOLDER, policies, config)
    from dockproof.collect import compose, process  # noqa: PLC0415 - only image and runtime mutants need them
    from dockproof.session import Session  # noqa: PLC0415 - as above

    everything = config._replace(select=frozenset())
    with process.interruptible(), Session.open(compose.find(Path()), policies, everything) as session:
        return prove(FOLDER, policies, config, session)


def exit_code(proof: Proof, config: Config) -> Exit:
    """Return the exit code: 4 where something was not looked at, 1 where a mutant survived or a file is red already."""
    if proof.not_looked:
        return Exit.NOT_LOOKED
    survived = proof.wrong or not all(row.killed for row in proof.rows)
    red = any(_fails(one, config) for one in proof.not_made)
    return Exit.FINDINGS if survived or red else Exit.CLEAN


def _fails(one: NotMade, config: Config) -> bool:
    return one.severity is not None and one.severity.rank >= config.fail_level.rank
