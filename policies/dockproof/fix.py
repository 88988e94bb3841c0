"""`dockproof fix`: mends what can be mended without a decision, and proves each mend before it is written.

A mend is a handful of edits of single words. It counts only if afterwards the finding is gone, no other finding has
come, and BuildKit would still accept the file; everything else of the file, comments and bytes that are no UTF-8 too,
stays as it is. What needs somebody who knows the service (a user, a health check, a digest) is left to people.
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from typing import TYPE_CHECKING

from dockproof import gate
from dockproof.errors import Exit, NotLookedError
from dockproof.facts.dockerfile import parse
from dockproof.gate import is_red
from dockproof.mends import edits
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from dockproof.collect.discover import Found
    from dockproof.config import Config
    from dockproof.facts.dockerfile import Dockerfile
    from dockproof.facts.span import Edit
    from dockproof.finding import Finding
    from dockproof.gate import Answers
    from dockproof.policy import Policy


def stamped(text: str, file: Dockerfile, findings: Iterable[Finding], ask: Asker) -> tuple[Finding, ...]:
    """Return the findings, those that `fix` can mend with their edits; each set of edits was proven.

    Args:
        text: the text, bytes that are no UTF-8 as Python's surrogate escapes.
        file: its facts.
        findings: what the source probes found in it.
        ask: asks them again about another text.
    """
    some = {one: found for one in findings if (found := edits(file, one, ask.root))}
    held = _held(_State(text, file, ask(file)), list(some), ask) if some else frozenset()
    return tuple(one._replace(fixable=True, edits=some[one]) if one in held else one for one in findings)


def _held(now: _State, findings: Sequence[Finding], ask: Asker) -> frozenset[Finding]:
    """Return the findings whose mends hold: all together, which is quick to see, or else each alone."""
    if _tried(now, findings, ask, ask.root):
        return frozenset(findings)
    return frozenset(one for one in findings if _tried(now, [one], ask, ask.root))


# ------------------------------------------------------------------------------------------------------- the proof


class Mended(NamedTuple):
    """A text after its mends.

    Attributes:
        text: the text, bytes that are no UTF-8 as Python's surrogate escapes.
        done: the findings that are gone, as they were found.
        answers: what the probes say of the text now.
    """

    text: str
    done: tuple[Finding, ...]
    answers: Answers


class _State(NamedTuple):
    """A text, its facts and what the probes say of it."""

    text: str
    file: Dockerfile
    answers: Answers


_PASSES = 20
"""How often a text is looked through: a mend can make way for another one, and few do."""


def mend(text: str, ask: Callable[[Dockerfile], Answers], root: str | None = None) -> Mended:
    """Mend a text; each mend is proven, together with others where they hold together, alone where they do not.

    Args:
        text: the text, bytes that are no UTF-8 as Python's surrogate escapes.
        ask: asks every source probe about a file, waivers stamped.
        root: the build context's folder, None where there is none at hand.
    """
    file = _parsed(text)
    now = _State(text, file, ask(file))
    done: list[Finding] = []
    refused: set[tuple[str, ...]] = set()
    for _ in range(_PASSES):
        wanted = [
            f for f in now.answers.findings if _key(f, now.file) not in refused and edits(now.file, f, root)
        ]
        refused |= {_key(finding, now.file) for finding in wanted}
        now, mended = _mended(now, wanted, ask, root)
        done += mended
        if not mended:
            break
    return Mended(now.text, tuple(sorted(done, key=lambda finding: finding.place.line)), now.answers)


def _parsed(text: str) -> Dockerfile:
    return parse(text.encode("utf-8", "surrogateescape"))


def _key(finding: Finding, file: Dockerfile) -> tuple[str, ...]:
    """Return what tells a finding from others while lines move, so that a mend is not tried twice on the same text."""
    line = file.lines[finding.place.line - 1] if 0 < finding.place.line <= len(file.lines) else ""
    return finding.policy, finding.clause or "", finding.message, line


def _mended(
    now: _State, findings: Sequence[Finding], ask: Callable[[Dockerfile], Answers], root: str | None
) -> tuple[_State, list[Finding]]:
    """Make all mends that hold: all at once, or the later lines first, so that the places of the others stay."""
    after = _tried(now, findings, ask, root) if findings else None
    if after is not None:
        return after, list(findings)
    if len(findings) <= 1:
        return now, []
    middle = findings[len(findings) // 2].place.line
    later = [finding for finding in findings if finding.place.line >= middle]
    if len(later) == len(
        findings
    ):  # all on one line, or it stands first: one of them, and the next pass the others
        middle = max(finding.place.line for finding in findings)
        later = [finding for finding in findings if finding.place.line == middle]
    if len(later) == len(findings):
        return _first(now, findings, ask, root)
    now, done = _mended(now, later, ask, root)
    now, more = _mended(now, [one for one in findings if one not in later], ask, root)
    return now, [*more, *done]


def _first(
    now: _State, findings: Sequence[Finding], ask: Callable[[Dockerfile], Answers], root: str | None
) -> tuple[_State, list[Finding]]:
    """Make the first mend of one line that holds; it may move the places of the others."""
    for finding in findings:
        after = _tried(now, [finding], ask, root)
        if after is not None:
            return after, [finding]
    return now, []


def _tried(
    now: _State, findings: Sequence[Finding], ask: Callable[[Dockerfile], Answers], root: str | None
) -> _State | None:
    """Make some mends together and prove them; None where they have no edits, or do not hold."""
    wanted = dict.fromkeys(edit for finding in findings for edit in edits(now.file, finding, root))
    edited = apply(now.text, now.file, list(wanted))
    if edited == now.text:
        return None
    file = _parsed(edited)
    after = _State(edited, file, ask(file))
    return after if _hold(findings, now, after) else None


def apply(text: str, file: Dockerfile, some: Sequence[Edit]) -> str:
    """Make some edits of a text, the last one first; the text as it was where they do not fit, or meet one another.

    Args:
        text: the text that the facts were read from, bytes that are no UTF-8 as surrogate escapes.
        file: its facts.
        some: the edits, in any order.
    """
    if len(text) != len(file.text):
        return text
    starts = [0, *(match.end() for match in re.finditer("\n", text)), len(text)]
    edited, limit = text, len(text)
    ordered = sorted(
        some, key=lambda edit: edit.new
    )  # of two insertions at one place: --yes before the others
    for edit in sorted(ordered, key=lambda edit: edit.span, reverse=True):
        span = edit.span
        start = starts[span.line - 1] + span.column - 1
        end = starts[span.end_line - 1] + span.end_column - 1
        if file.text[start:end] != edit.old or end > limit:
            return text
        edited, limit = edited[:start] + edit.new + edited[end:], start
    return edited


def _hold(findings: Iterable[Finding], before: _State, after: _State) -> bool:
    """Whether findings are gone, no policy has more than before, and the file is no worse to BuildKit."""
    was, now = (Counter((f.policy, f.clause) for f in state.answers.findings) for state in (before, after))
    all_was, all_now = (Counter(f.policy for f in state.answers.findings) for state in (before, after))
    mended = Counter((finding.policy, finding.clause) for finding in findings)
    gone = all(now[key] <= was[key] - count for key, count in mended.items())
    no_new = all(count <= all_was[policy] for policy, count in all_now.items())
    sound = len(after.file.problems) <= len(before.file.problems)
    return gone and no_new and sound and len(after.answers.not_looked) <= len(before.answers.not_looked)


# ----------------------------------------------------------------------------------------------------- the command


class Job(NamedTuple):
    """One file of the command.

    Attributes:
        path: as the user named it.
        before: its text.
        mended: what came of it.
    """

    path: str
    before: str
    mended: Mended


class Asker:
    """Asks the source probes about a text in the place of a file, as `check` would.

    Attributes:
        root: the build context's folder, None where there is none at hand.
    """

    def __init__(
        self,
        name: str,
        path: str | None,
        policies: Mapping[str, Policy],
        config: Config,
        targets: Sequence[str] = (),
    ) -> None:
        """Read what the configuration says of the file.

        Args:
            name: what the configuration's rules know it by.
            path: where it lies, or would lie; None for standard input without a name.
            policies: all policies by id.
            config: the configuration in force.
            targets: stages that are shipped; empty = what the rules say.
        """
        rules = config.rules_for(name)
        self._profile = next((rule.profile for rule in rules if rule.profile), config.profile)
        self._targets = targets or next((rule.targets for rule in rules if rule.targets), ())
        self._waivers = [waiver for rule in rules for waiver in rule.waivers]
        self._name, self._path, self._policies, self._config = name, path, policies, config
        context = next((rule.context for rule in rules if rule.context), None)
        self.root = None if path is None else context or os.path.dirname(path) or os.curdir  # noqa: PTH120 - fast start

    def __call__(self, file: Dockerfile) -> Answers:
        """Return what the probes say, waivers stamped.

        Raises:
            NotLookedError: the configuration names a target that is no stage of the file.
        """
        context = None
        if self._path is not None and self.root is not None:
            from dockproof.facts.context import BuildContext  # noqa: PLC0415 - standard input has none

            context = BuildContext.open(self.root, self._path)
        try:
            target = gate.target_of(file, self._profile, self._targets, context)
        except KeyError as error:
            raise NotLookedError(f"{self._name}: {error.args[0]}") from None
        return gate.check_source(target, self._policies, self._config, self._waivers)


def main(arguments: list[str]) -> int:
    """Run `dockproof fix` with the arguments behind its name."""
    from dockproof import cli  # noqa: PLC0415 - see `dockproof.cli`

    options = _parser().parse_args(arguments)
    paths = options.paths or ["."]
    config, policies = cli.configuration(options, cli.start_of(paths, options.stdin_filename))
    jobs, missed = _jobs(paths, options.stdin_filename, policies, config)
    if options.diff:
        said = list(_diffs(jobs))
        if not said:
            sys.stderr.write("dockproof: nothing to change: no finding here can be mended by itself\n")
    else:
        _write(jobs, policies, config)
        jobs = [_known(job, config) for job in jobs]
        said = list(_said(jobs))
    cli.write(None, [*said, *(f"dockproof: not looked at: {one}\n" for one in missed)])
    if missed or any(job.mended.answers.not_looked for job in jobs):
        return Exit.NOT_LOOKED
    return _result(jobs, config, diff=options.diff)


def _parser() -> ArgumentParser:
    from dockproof import cli  # noqa: PLC0415 - as above

    parser = cli.parser_for("fix")
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="Dockerfile, folder, or - for standard input"
    )
    parser.add_argument(
        "--diff", action="store_true", help="write nothing, show what would change; 1 if something would"
    )
    parser.add_argument(
        "--stdin-filename", metavar="NAME", help="what - is called by the configuration's rules"
    )
    cli.add_common(parser)
    return parser


def _result(jobs: Sequence[Job], config: Config, *, diff: bool) -> int:
    left = (finding for job in jobs for finding in job.mended.answers.findings)
    red = any(job.mended.done for job in jobs) if diff else any(is_red(f, config.fail_level) for f in left)
    return Exit.FINDINGS if red else Exit.CLEAN


def _jobs(
    paths: Sequence[str], standard: str | None, policies: Mapping[str, Policy], config: Config
) -> tuple[list[Job], list[str]]:
    """Mend every file in memory; return what came of it, and what could not be read."""
    from dockproof.collect import discover  # noqa: PLC0415 - the editor's server needs none

    jobs, missed = [], []
    for found in discover.discover(paths):
        name = (standard or "-") if found.path == discover.STDIN else found.path
        try:
            text = _content(found).decode("utf-8", "surrogateescape")
        except OSError as error:
            missed.append(f"{found.path}: {found.error or error.strerror}")
            continue
        ask = Asker(name, None if name == "-" else name, policies, config)
        jobs.append(Job(found.path, text, mend(text, ask, ask.root)))
    return jobs, missed


def _content(found: Found) -> bytes:
    from dockproof.collect import discover  # noqa: PLC0415 - as above

    if found.error:
        raise OSError
    return sys.stdin.buffer.read() if found.path == discover.STDIN else discover.read(found.path)


def _diffs(jobs: Iterable[Job]) -> Iterator[str]:
    import difflib  # noqa: PLC0415 - what marks findings for JSON does not need it

    for job in jobs:
        before, after = (text.splitlines(keepends=True) for text in (job.before, job.mended.text))
        for line in difflib.unified_diff(before, after, f"a/{job.path}", f"b/{job.path}"):
            whole = line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            yield whole.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _write(jobs: Sequence[Job], policies: Mapping[str, Policy], config: Config) -> None:
    """Write what changed; the configuration's baseline follows, so that what it knows of a mended line stays."""
    from pathlib import Path  # noqa: PLC0415 - as in `_diffs`

    from dockproof import baseline, check  # noqa: PLC0415 - as in `_diffs`

    changed = [job for job in jobs if job.mended.done and job.path != "-"]
    paths, settings = [job.path for job in changed], check.Settings(fingerprints=True)
    record = Path(config.baseline) if config.baseline and changed else None
    before = check.run(paths, policies, config, settings) if record else None
    for job in changed:
        baseline.write_whole(Path(job.path), job.mended.text.encode("utf-8", "surrogateescape"))
    if before and record:
        baseline.carry(before, check.run(paths, policies, config, settings), record)


def _known(job: Job, config: Config) -> Job:
    """Return a job whose findings that the baseline knows are waived."""
    from dockproof import baseline  # noqa: PLC0415 - as in `_diffs`

    answers, lines = job.mended.answers, _parsed(job.mended.text).lines
    findings = (
        baseline.waive(answers.findings, job.path, lines, config) if job.path != "-" else answers.findings
    )
    return job._replace(mended=job.mended._replace(answers=answers._replace(findings=findings)))


def _said(jobs: Sequence[Job]) -> Iterator[str]:
    """Yield what was mended; the text of standard input goes to standard output, and nothing beside it."""
    from dockproof.report.view import name_of  # noqa: PLC0415 - as in `_diffs`

    if any(job.path == "-" for job in jobs):
        sys.stdout.buffer.write(b"".join(job.mended.text.encode("utf-8", "surrogateescape") for job in jobs))
        return
    for job in jobs:
        for finding in job.mended.done:
            where = f"{os.path.relpath(job.path)}:{finding.place.line}"
            yield f"{where}: mended {name_of(finding)}: {finding.message}\n"
    done = sum(len(job.mended.done) for job in jobs)
    left = sum(not f.waived for job in jobs for f in job.mended.answers.findings)
    rest = f"{left} left for people: `dockproof check` shows them" if left else "none left for people"
    yield f"{done} finding{'' if done == 1 else 's'} mended, {rest}\n"
