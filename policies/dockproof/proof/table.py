"""The kill matrix as text for people and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dockproof.proof.source import GENERATED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dockproof.proof.matrix import Proof, Row

SCHEMA = 1


def document(proof: Proof) -> dict[str, Any]:
    """Return the matrix as JSON: what is wrong, a row a mutant, and what could not be made with the reason."""
    return {
        "schema": SCHEMA,
        "wrong": [*proof.wrong, *proof.not_looked],
        "mutants": [row._asdict() | {"killed": row.killed} for row in proof.rows],
        "not_made": [one._asdict() for one in proof.not_made],
        "summary": {"mutants": len(proof.rows), "killed": sum(row.killed for row in proof.rows)},
    }


def to_json(proof: Proof) -> str:
    """Return the matrix as JSON text."""
    return json.dumps(document(proof), indent=2) + "\n"


def to_text(proof: Proof, *, engine: bool) -> str:
    """Return the matrix for people: what was made, what could not be made and why, then what survived."""
    lines = list(_of_users(proof) if proof.of_users else _of_ours(proof.rows))
    lines += [*_survivors(proof.rows), *(f"wrong: {one}" for one in (*proof.wrong, *proof.not_looked))]
    killed = sum(row.killed for row in proof.rows)
    missing = not engine and not proof.of_users
    scope = "; image and runtime mutants were not made: no engine was asked for (--engine)" if missing else ""
    red = sum(one.severity is not None for one in proof.not_made)
    already = f"; {red} not made: red already" if red else ""
    return "\n".join([*lines, "", f"{killed} of {len(proof.rows)} mutants killed{already}{scope}", ""])


def _of_ours(rows: Sequence[Row]) -> Iterator[str]:
    """Give a line a policy, and the edits of generated files, of which there are hundreds, as a table."""
    yield from _by_policy([row for row in rows if not _is_edit(row)])
    yield from _by_ecosystem([row for row in rows if _is_edit(row)])


def _is_edit(row: Row) -> bool:
    return row.file.startswith(GENERATED)


def _of_users(proof: Proof) -> Iterator[str]:
    """Give a block a file: the mutants that were made, then what could not be made and why."""
    files = [*(row.file for row in proof.rows), *(one.file for one in proof.not_made)]
    for file in dict.fromkeys(files):
        yield f"{file}:"
        yield from (f"  {line}" for line in _by_policy([row for row in proof.rows if row.file == file]))
        for one in (one for one in proof.not_made if one.file == file):
            what = one.policy if one.mutant is None else f"{one.policy} {one.mutant}"
            yield f"  {one.kind}: {what}: {one.reason}"


def _by_policy(rows: Sequence[Row]) -> Iterator[str]:
    """Give a line a policy."""
    width = max((len(row.policy) for row in rows), default=0)
    for policy in dict.fromkeys(row.policy for row in rows):
        own = [row for row in rows if row.policy == policy]
        marks = "  ".join(
            f"{'killed' if row.killed else 'SURVIVED'} {row.mutant}[{row.probe}]" for row in own
        )
        yield f"{policy:<{width}}  {sum(row.killed for row in own)}/{len(own)}  {marks}"


def _by_ecosystem(rows: Sequence[Row]) -> Iterator[str]:
    """Give a table: policies down, generated files across, killed mutants of those made in each cell."""
    if not rows:
        return
    files = list(dict.fromkeys(row.file for row in rows))
    width = max(len(row.policy) for row in rows)
    yield ""
    names = [file.removeprefix(GENERATED) for file in files]
    yield f"{'generated good Dockerfiles':<{width}}  " + "  ".join(f"{name:>6}" for name in names)
    for policy in sorted({row.policy for row in rows}):
        own = [row for row in rows if row.policy == policy]
        cells = [[row.killed for row in own if row.file == file] for file in files]
        shown = (f"{sum(cell)}/{len(cell)}" if cell else "-" for cell in cells)
        yield f"{policy:<{width}}  " + "  ".join(f"{cell:>6}" for cell in shown)


def _survivors(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        where = f"{row.file}: " if row.file else ""
        for fault in row.faults:
            yield f"{where}{row.policy}: {row.mutant}[{row.probe}]: {fault}"
