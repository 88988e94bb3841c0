"""The kill matrix: every mutant against every policy.

A policy whose mutants do not turn it red is not a policy (design.md, "Rules of proof"). A row says what went wrong
in words; an empty `faults` is a kill.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockproof.errors import NothingToCheckError
from dockproof.finding import Probe
from dockproof.policy import EditMutant, ImageMutant, RuntimeMutant, SourceMutant
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dockproof.config import Config
    from dockproof.finding import Finding, Severity
    from dockproof.gate import Answers
    from dockproof.policy import Mutant, Policy

KINDS: Mapping[type[Mutant], Probe] = {
    SourceMutant: Probe.SOURCE,
    EditMutant: Probe.SOURCE,
    ImageMutant: Probe.IMAGE,
    RuntimeMutant: Probe.RUNTIME,
}


class Owner(NamedTuple):
    """A policy, and those of its mutants that are made."""

    policy: Policy
    mutants: tuple[Mutant, ...]


def owners(policies: Mapping[str, Policy], config: Config) -> dict[str, Owner]:
    """Return the policies whose mutants are made: those that are selected and not ignored, clause by clause.

    Raises:
        NothingToCheckError: there is none.
    """
    found = {}
    for name, policy in policies.items():
        mutants = tuple(mutant for mutant in policy.mutants if _is_chosen(name, mutant.clause, config))
        if mutants or (not config.select and name not in config.ignore):
            found[name] = Owner(policy, mutants)
    if not found:
        chosen = f"--select {','.join(sorted(config.select))}" if config.select else "the configuration"
        ignored = f" and --ignore {','.join(sorted(config.ignore))}" if config.ignore else ""
        raise NothingToCheckError(
            f"nothing to prove: {chosen}{ignored} leave no mutant; `dockproof policies` lists the policies"
        )
    return found


def _is_chosen(policy: str, clause: str | None, config: Config) -> bool:
    """Whether a mutant is made; one that names no clause is made when any of its policy is selected."""
    if {policy, f"{policy}/{clause}"} & config.ignore:
        return False
    if not config.select or {policy, f"{policy}/{clause}"} & config.select:
        return True
    return clause is None and any(name.startswith(f"{policy}/") for name in config.select)


class Row(NamedTuple):
    """One mutant and what became of it.

    Attributes:
        policy: the owner's id.
        mutant: the mutant's name.
        probe: the level it was made at.
        red: ids of all policies that turned red.
        faults: why it does not count as killed; empty = killed.
        file: the Dockerfile that was edited; "" for what is built or run.
    """

    policy: str
    mutant: str
    probe: Probe
    red: tuple[str, ...]
    faults: tuple[str, ...]
    file: str = ""

    @property
    def killed(self) -> bool:
        """Whether the owner noticed, and nobody did who should not."""
        return not self.faults


class NotMade(NamedTuple):
    """A policy, or one of its mutants, that nothing can be shown of on a file.

    Attributes:
        policy: its id.
        mutant: the mutant's name, None for the whole policy.
        file: the Dockerfile.
        kind: `red already`, `not applicable`, `waived` or `off`.
        reason: one sentence.
        severity: of what is red already, None elsewhere.
    """

    policy: str
    mutant: str | None
    file: str
    kind: str
    reason: str
    severity: Severity | None = None


class Proof:
    """What a proof showed.

    Attributes:
        wrong: sentences about what is wrong before any mutant.
        rows: a row a mutant that was made.
        not_made: what could not be made, with the reason.
        not_looked: sentences about what could not be read or asked.
        of_users: whether it is one of users' files.
    """

    def __init__(self, *, of_users: bool = False) -> None:
        """Start a proof of nothing yet."""
        self.wrong: list[str] = []
        self.rows: list[Row] = []
        self.not_made: list[NotMade] = []
        self.not_looked: list[str] = []
        self.of_users = of_users

    def add(self, found: Iterable[Row | NotMade]) -> None:
        """Sort rows and what could not be made."""
        for one in found:
            if isinstance(one, Row):
                self.rows.append(one)
            else:
                self.not_made.append(one)

    def merge(self, other: Proof) -> None:
        """Add all of another proof."""
        self.wrong += other.wrong
        self.rows += other.rows
        self.not_made += other.not_made
        self.not_looked += other.not_looked


def edited(text: str, mutant: SourceMutant) -> tuple[str, frozenset[int]]:
    """Apply an edit; return the new text and the lines on which the finding must sit.

    Raises:
        ValueError: the edit is stale (its text does not stand exactly once), or `at` does not stand in the result.
    """
    count = text.count(mutant.old)
    if count != 1:
        raise ValueError(f"stale: {mutant.old!r} stands {count} times in {mutant.file}, not once")
    result = text.replace(mutant.old, mutant.new)
    if mutant.at:
        return result, _lines_of(result, mutant.at)
    if not mutant.new.strip():
        raise ValueError("a deletion must say with `at` where the finding sits")
    start = text.index(mutant.old)
    first = text.count("\n", 0, start) + 1
    return result, frozenset(range(first, first + mutant.new.rstrip("\n").count("\n") + 1))


def _lines_of(text: str, part: str) -> frozenset[int]:
    lines = frozenset(number for number, line in enumerate(text.splitlines(), 1) if part in line)
    if not lines:
        raise ValueError(f"stale: {part!r} stands nowhere in the edited file")
    return lines


def judge(
    policy: Policy,
    mutant: Mutant,
    answers: Answers,
    lines: frozenset[int] | None = None,
    file: str = "",
    *,
    alone: bool = False,
) -> Row:
    """Compare what the probes said of a mutant with what its owner declared.

    Args:
        policy: the owner.
        mutant: the mutant.
        answers: what all policies said of the mutant at its level.
        lines: lines on which the owner's finding must sit, None where lines are not judged.
        file: the Dockerfile that was edited.
        alone: whether only the owner is judged: nobody can declare what else an edit of a user's file brings.
    """
    red = tuple(sorted({f.policy for f in answers.findings if not f.waived}))
    faults = [f"{missed.what} could not look: {missed.reason}" for missed in answers.not_looked]
    faults += _owner_faults(policy, mutant, answers.findings, lines)
    faults += [] if alone else _others_faults(policy, mutant, frozenset(red))
    return Row(policy.id, mutant.name, KINDS[type(mutant)], red, tuple(faults), file)


def _others_faults(policy: Policy, mutant: Mutant, red: frozenset[str]) -> Iterator[str]:
    undeclared = red - {policy.id} - mutant.also
    if undeclared:
        yield f"also turned red, undeclared: {', '.join(sorted(undeclared))}"
    silent = mutant.also - red
    if silent and not isinstance(mutant, EditMutant):  # what an edit brings along depends on the file
        yield f"declared to turn red too, but did not: {', '.join(sorted(silent))}"


def _owner_faults(
    policy: Policy, mutant: Mutant, findings: Sequence[Finding], lines: frozenset[int] | None
) -> Iterator[str]:
    own = [f for f in findings if f.policy == policy.id and mutant.clause in {None, f.clause}]
    if not own:
        others = sorted({f.clause or "" for f in findings if f.policy == policy.id})
        instead = f" (it said {', '.join(others)} instead of {mutant.clause})" if others else ""
        yield f"survived: {policy.id} did not turn red{instead}"
    elif lines is not None and not any(f.place.line in lines for f in own):
        where = sorted({f.place.line for f in own})
        yield f"misplaced: found on line {where}, edited {sorted(lines)}"


def failed(policy: Policy, mutant: Mutant, fault: str, file: str = "") -> Row:
    """Return the row of a mutant that could not even be made."""
    return Row(policy.id, mutant.name, KINDS[type(mutant)], (), (fault,), file)


def unproven(policies: Iterable[Policy]) -> Iterator[str]:
    """Yield a sentence for every overridden probe without a mutant of its own kind, and every unproven clause."""
    for policy in policies:
        kinds = {KINDS[type(mutant)] for mutant in policy.mutants}
        yield from (f"{policy.id}: the {p} probe has no mutant" for p in policy.probes if p not in kinds)
        yield from _unproven_clauses(policy)
        names = [(type(mutant), mutant.name) for mutant in policy.mutants]
        yield from (
            f"{policy.id}: two mutants are called {n}" for t, n in set(names) if names.count((t, n)) > 1
        )


def _unproven_clauses(policy: Policy) -> Iterator[str]:
    declared = {clause.name for clause in policy.clauses}
    proven = {mutant.clause for mutant in policy.mutants}
    yield from (f"{policy.id}: clause {name} has no mutant" for name in sorted(declared - proven))
    for mutant in policy.mutants:
        if mutant.clause is None and declared and not isinstance(mutant, EditMutant):
            yield f"{policy.id}: mutant {mutant.name} names no clause"
        elif mutant.clause is not None and mutant.clause not in declared:
            yield f"{policy.id}: mutant {mutant.name} names clause {mutant.clause}, which the policy has not"
