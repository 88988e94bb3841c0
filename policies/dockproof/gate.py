"""The gate on Dockerfiles: files to facts, facts to probes, findings to waivers and severities.

What a probe could not look at is kept beside what it found, in the types, the reports and the exit code.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter

from dockproof import waiver
from dockproof.errors import Exit, NotLookedError
from dockproof.finding import Answer, Finding, NotApplicable, Probe, Severity, Unseen
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from dockproof.config import Config
    from dockproof.facts.dockerfile import Dockerfile
    from dockproof.policy import Policy, Profile, RuntimeTarget, SourceTarget
    from dockproof.waiver import Exemption


class NotLooked(NamedTuple):
    """Something that should have been looked at and was not: the gate fails closed.

    Attributes:
        what: the policy, tool or part.
        reason: one sentence.
        log: the last lines that the thing itself said.
        fatal: whether it makes the exit code 4; hadolint refusing a file that Docker builds does not.
    """

    what: str
    reason: str
    log: str = ""
    fatal: bool = True


class Answers(NamedTuple):
    """All that the probes of one level said of one target."""

    findings: tuple[Finding, ...] = ()
    not_applicable: tuple[NotApplicable, ...] = ()
    not_looked: tuple[NotLooked, ...] = ()


class FileReport(NamedTuple):
    """One file of `check`, or one image of `image`.

    Attributes:
        path: as the user named it, or below the folder that was named.
        profile: the profile it was held to.
        error: why it could not be read, None where it was.
        answers: what was said of it, waivers and severities stamped, in the order of the lines.
        asked: ids of the policies that were asked, and `hadolint` where it looked.
        excerpt: the lines that findings start on, by number, for reports that show them.
        fingerprints: one for each finding, in the same order, stable while lines move; () where none were asked for.
        dockerfile: of an image, the file that lines are told of; "" where it is not at hand.
        image: of an image, what `image_command.overview` says of it; None for a file.
    """

    path: str
    profile: Profile
    error: str | None
    answers: Answers
    asked: tuple[str, ...] = ()
    excerpt: Mapping[int, str] = {}
    fingerprints: tuple[str, ...] = ()
    dockerfile: str = ""
    image: Mapping[str, Any] | None = None


class Summary(NamedTuple):
    """Counts over all files; waived findings count only as waived."""

    files: int
    errors: int
    warnings: int
    infos: int
    waived: int


class Tally:
    """What is counted of files.

    Attributes:
        incomplete: whether something was not looked at that should have been.
        missed: everything that was not looked at, with the file's path, "" for what belongs to none.
        unreadable: path and error of each file that could not be read.
    """

    def __init__(self, not_looked: Iterable[NotLooked]) -> None:
        """Count what belongs to no file."""
        self.missed = [("", one) for one in not_looked]
        self.incomplete = any(one.fatal for _, one in self.missed)
        self.unreadable: list[tuple[str, str]] = []
        self._files = 0
        self._counts: Counter[Severity | None] = Counter()

    def add(self, file: FileReport) -> None:
        """Count a file."""
        self._files += 1
        self._counts.update(None if f.waived else f.severity for f in file.answers.findings)
        missed = [(file.path, one) for one in file.answers.not_looked]
        self.missed += missed
        if file.error is not None:
            self.unreadable.append((file.path, file.error))
        self.incomplete |= file.error is not None or any(one.fatal for _, one in missed)

    @property
    def summary(self) -> Summary:
        """The counts."""
        errors, warnings, infos = (self._counts[s] for s in (Severity.ERROR, Severity.WARNING, Severity.INFO))
        return Summary(self._files, errors, warnings, infos, self._counts[None])

    def is_red(self, fail_level: Severity) -> bool:
        """Whether a finding fails the gate: not waived, and at or above the level."""
        return any(count and s and s.rank >= fail_level.rank for s, count in self._counts.items())


class CheckReport:
    """What `check` says.

    Attributes:
        files: each file; those of many are read from a temporary file each time that they are asked for.
        not_looked: what belongs to no single file.
    """

    def __init__(self, files: Sequence[FileReport], not_looked: tuple[NotLooked, ...] = ()) -> None:
        """Keep what is known; nothing is counted yet."""
        self.files, self.not_looked = files, not_looked
        self._tally: Tally | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CheckReport):
            return NotImplemented
        return self.files == other.files and self.not_looked == other.not_looked

    __hash__ = None  # type: ignore[assignment]  # what it holds cannot be hashed either

    def counted(self) -> Iterator[FileReport]:
        """Yield each file and count it on the way: behind the last one, the tally costs no pass of its own."""
        tally = Tally(self.not_looked)
        for file in self.files:
            tally.add(file)
            yield file
        self._tally = tally

    @property
    def tally(self) -> Tally:
        """What is counted of everything."""
        if self._tally is None:
            for _ in self.counted():
                pass
        assert self._tally is not None  # noqa: S101 - all files have been counted
        return self._tally

    @property
    def summary(self) -> Summary:
        """Count the findings."""
        return self.tally.summary

    @property
    def incomplete(self) -> bool:
        """Whether something was not looked at that should have been."""
        return self.tally.incomplete

    def exit(self, fail_level: Severity) -> Exit:
        """Return the exit code: 4 wins over 1, so that what was not seen is never taken for clean."""
        tally = self.tally
        if tally.incomplete:
            return Exit.NOT_LOOKED
        return Exit.FINDINGS if tally.is_red(fail_level) else Exit.CLEAN


def is_red(finding: Finding, fail_level: Severity) -> bool:
    """Whether a finding fails the gate: not waived, and at or above the level."""
    return finding.waived is None and finding.severity.rank >= fail_level.rank


def asked(policies: Mapping[str, Policy], config: Config, profile: Profile, probe: Probe) -> list[Policy]:
    """Return the policies that are selected, on in the profile, and ask at this level."""
    chosen = {name.partition("/")[0] for name in config.select} or policies.keys()
    return [
        policy
        for policy in policies.values()
        if policy.id in chosen
        and policy.id not in config.ignore
        and probe in policy.probes
        and policy.severity(profile) is not None
    ]


def ask(policies: Iterable[Policy], probe: Probe, target: Any, config: Config) -> Answers:
    """Ask every policy at one level; a probe that crashes loses neither its own findings nor the others'."""
    findings: list[Finding] = []
    skipped: list[NotApplicable] = []
    missed: list[NotLooked] = []
    level = probe.value
    for policy in policies:
        method: Callable[[Any], Iterable[Answer]] = getattr(policy, level)
        has_options = policy.options or target.options or config.options  # most have none, and there are many
        try:
            for answer in method(_with_options(target, policy, config) if has_options else target):
                if isinstance(answer, NotApplicable):
                    skipped.append(answer)
                elif isinstance(answer, Unseen):
                    missed.append(NotLooked(policy.id, answer.reason))
                # What is left out of the source still stands for hadolint's finding of the same: see `settle`.
                elif probe is Probe.SOURCE or not _is_ignored(answer, config):
                    findings.append(_stamped(answer, policy, target))
        except NotLookedError as error:
            missed.append(NotLooked(policy.id, str(error), error.log))
        except Exception as error:  # noqa: BLE001 - whatever a probe raises, the gate goes on and fails closed
            missed.append(NotLooked(policy.id, f"the {probe} probe crashed: {error!r}", where(error)))
    return Answers(tuple(findings), tuple(skipped), tuple(missed))


def ask_running(policies: Iterable[Policy], target: RuntimeTarget, config: Config) -> Answers:
    """Ask every policy about a running container; of processes that nobody saw, none can say that it holds."""
    found = ask(policies, Probe.RUNTIME, target, config)
    if not target.container.truncated:
        return found
    reason = "more processes run in it than are looked at: bound them (`pids` of compose's limits)"
    return found._replace(not_looked=(*found.not_looked, NotLooked(Probe.RUNTIME.value, reason)))


def _with_options(target: Any, policy: Policy, config: Config) -> Any:
    """Give the target a policy's options."""
    changed = config.options.get(policy.id)
    options = {**policy.options, **changed} if changed else policy.options
    return target._replace(options=options) if options or target.options else target


def _stamped(finding: Finding, policy: Policy, target: Any) -> Finding:
    """Give the finding the profile's severity; no more than a warning in a stage that nothing shipped needs."""
    severity = policy.severity(target.profile)
    if severity is None:
        raise ValueError(f"{policy.id} is off under {target.profile}")
    if finding.probe is Probe.IMAGE:
        finding = finding._replace(place=target.blame.located(finding.place))
    lesser = finding.probe is Probe.SOURCE and severity is Severity.ERROR and not policy.whole_file
    if lesser and _is_aside(finding.place.line, target):
        severity = Severity.WARNING
    return finding._replace(severity=severity)


def _is_aside(line: int, target: SourceTarget) -> bool:
    """Whether a line belongs to a stage that no shipped stage needs."""
    before = [stage.index for stage in target.dockerfile.stages if stage.instruction.span.line <= line]
    return bool(before) and before[-1] not in target.needed


def where(error: Exception) -> str:
    """Return the traceback, for the log of something that crashed."""
    import traceback  # noqa: PLC0415 - only a crash pays for it

    return "".join(traceback.format_exception(error))


class Probed(NamedTuple):
    """What the source probes said of one Dockerfile, before another tool's findings and the waivers come to it.

    Attributes:
        answers: what was said.
        exemptions: the waivers of the file.
        asked: ids of the policies that were asked.
        starts: the first line of the instruction that a line with a finding belongs to, by that line.
    """

    answers: Answers
    exemptions: tuple[Exemption, ...]
    asked: tuple[str, ...]
    starts: Mapping[int, int] = {}


def check_source(
    target: SourceTarget,
    policies: Mapping[str, Policy],
    config: Config,
    waivers: Sequence[Exemption] = (),
    extra: Iterable[Finding] | None = None,
) -> Answers:
    """Ask every source probe about one Dockerfile and apply its waivers.

    Args:
        target: the file's facts and what is shipped of it.
        policies: all policies by id.
        config: selection, options and which other tools' pragmas count.
        waivers: the configuration's waivers for this file.
        extra: findings of another tool (hadolint) on it, None where it did not look.
    """
    return settle(probe_source(target, policies, config, waivers), policies, config, extra)


def probe_source(
    target: SourceTarget,
    policies: Mapping[str, Policy],
    config: Config,
    waivers: Sequence[Exemption] = (),
    chosen: Sequence[Policy] | None = None,
) -> Probed:
    """Ask every source probe about one Dockerfile and read its waivers; `settle` makes the answers of it.

    `chosen` is what `asked` returns for the profile, for those who check many files.
    """
    chosen = asked(policies, config, target.profile, Probe.SOURCE) if chosen is None else chosen
    answers = ask(chosen, Probe.SOURCE, target, config)
    answers = answers._replace(not_looked=(*answers.not_looked, *_unseen(target)))
    exemptions = (*waivers, *waiver.of_comments(target.dockerfile), *_honoured(target, policies, config))
    ids = tuple(policy.id for policy in chosen)
    return Probed(answers, exemptions, ids, _starts(target.dockerfile, answers.findings))


def _starts(dockerfile: Dockerfile, findings: Iterable[Finding]) -> dict[int, int]:
    """Return the first line of the instruction that each finding lies in, by the finding's line."""
    lines = [instruction.line for instruction in dockerfile.instructions]
    found = {}
    for finding in findings:
        at = bisect_right(lines, finding.place.line)
        found[finding.place.line] = lines[at - 1] if at else finding.place.line
    return found


def _unseen(target: SourceTarget) -> Iterator[NotLooked]:
    """Yield what the probes could not see of the build context: what is not read cannot be shown to be harmless."""
    context = target.context
    if context is None:
        return
    unread = list(dict.fromkeys(context.errors))
    if unread:
        more = f" (and {len(unread) - 1} more)" if len(unread) > 1 else ""
        yield NotLooked("build context", f"{context.root}: not all of it can be read: {unread[0]}{more}")
    if context.truncated:
        from dockproof.facts.context import MAX_ENTRIES  # noqa: PLC0415 - it is loaded where there is a context

        reason = f"{context.root} holds more than {MAX_ENTRIES:,} names, and only so many were looked at"
        yield NotLooked("build context", f"{reason}; keep out what no build needs with an ignore file")


def settle(
    probed: Probed, policies: Mapping[str, Policy], config: Config, extra: Iterable[Finding] | None = None
) -> Answers:
    """Put another tool's findings beside ours and apply the waivers to both.

    Args:
        probed: what our probes said.
        policies: all policies by id.
        config: what is ignored.
        extra: findings of another tool (hadolint), None where it did not look.
    """
    exemptions, findings = probed.exemptions, [*probed.answers.findings]
    if extra:
        findings += _unshared(extra, probed, policies)
    if config.ignore or config.select:
        findings = [finding for finding in findings if not _is_ignored(finding, config)]
    if exemptions:
        asked = names_asked(asked_whole(probed.asked, config), exemptions, hadolint=extra is not None)
        findings = waiver.apply(findings, exemptions, asked=asked, known=names_known(policies))
    return probed.answers._replace(findings=tuple(sorted(findings, key=_order)))


def asked_whole(asked: Iterable[str], config: Config) -> Iterator[str]:
    """Yield the policies with no clause left out: only of them is a waiver that nothing needs known to be unused."""
    parts = {name.partition("/")[0] for name in (*(config.select or ()), *config.ignore) if "/" in name}
    yield from (name for name in asked if name not in parts)


def _is_ignored(finding: Finding, config: Config) -> bool:
    """Whether a clause, or another tool's rule, is left out; whole policies were not even asked."""
    names = {finding.policy, f"{finding.policy}/{finding.clause}"}
    tool = finding.policy.partition(":")[0]
    return bool(names & config.ignore) or bool(config.select and not config.select & {tool, *names})


def _honoured(target: SourceTarget, policies: Mapping[str, Policy], config: Config) -> Sequence[Exemption]:
    if not config.honour:
        return ()
    from dockproof import pragmas  # noqa: PLC0415 - off by default

    return pragmas.of_peers(target.dockerfile, config.honour, policies)


def names_asked(chosen: Iterable[str], exemptions: Iterable[Exemption], *, hadolint: bool) -> frozenset[str]:
    """Return the ids that were asked; where hadolint looked, each of its rules that a waiver names is one."""
    rules = {n for e in exemptions for n in e.policies if n.startswith("hadolint:")} if hadolint else set()
    return frozenset(chosen) | rules


def names_known(policies: Mapping[str, Policy]) -> frozenset[str]:
    """Return all ids, and `id/clause` for all clauses."""
    clauses = (f"{policy.id}/{clause.name}" for policy in policies.values() for clause in policy.clauses)
    return frozenset([*policies, *clauses])


def _order(finding: Finding) -> tuple[int, int, str, str, str]:
    place = finding.place
    return place.line, place.column, finding.policy, finding.clause or "", finding.message


def _unshared(extra: Iterable[Finding], probed: Probed, policies: Mapping[str, Policy]) -> Iterator[Finding]:
    """Drop another tool's finding where one of ours says the same: it is shown once, under ours.

    hadolint reports the first line of an instruction, we the line of the command. So one of its findings is ours where
    it lies on a line of ours, or at the start of the instruction that ours lies in; there each of ours stands for one.
    """
    lines: dict[str, set[int]] = {}
    inside: Counter[tuple[str, int]] = Counter()
    for finding in probed.answers.findings:
        place = finding.place
        for peer in _peers(policies[finding.policy], finding.clause):
            lines.setdefault(peer, set()).update(range(place.line, place.end_line + 1))
            inside[peer, probed.starts.get(place.line, place.line)] += 1
    for finding in extra:
        here = finding.policy, finding.place.line
        if finding.place.line in lines.get(finding.policy, ()):
            continue
        if inside[here]:
            inside[here] -= 1
        else:
            yield finding


def _peers(policy: Policy, clause: str | None) -> tuple[str, ...]:
    for known in policy.clauses:
        if known.name == clause:
            return (*known.same_as, *known.covers)
    return (*policy.same_as, *policy.covers)


def target_of(
    dockerfile: Dockerfile,
    profile: Profile,
    targets: Sequence[str] = (),
    context: Any = None,
) -> SourceTarget:
    """Put together what source probes are asked about.

    Raises:
        KeyError: a named target is no stage of the file.
    """
    from dockproof.policy import SourceTarget as Target  # noqa: PLC0415 - policy.py is loaded with the catalogue

    shipped, needed = dockerfile.shipped(targets), dockerfile.needed(targets)
    return Target(dockerfile, shipped, needed, context, {}, profile)
