"""`dockproof fix`: mends what can be mended without a decision, and proves each mend before it is written.

A mend is a handful of edits of single words. It counts only if afterwards the finding is gone, no other finding has
come, and BuildKit would still accept the file; everything else of the file, comments and bytes that are no UTF-8 too,
stays as it is. What needs somebody who knows the service (a user, a health check, a digest) is left to people.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shlex
import sys
from collections import Counter
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from dockproof import baseline, check, gate
from dockproof.errors import Exit, NotLookedError
from dockproof.facts.dockerfile import parse
from dockproof.facts.packages import package_calls
from dockproof.facts.shell import script
from dockproof.facts.span import Span
from dockproof.gate import is_red
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from dockproof.collect.discover import Found
    from dockproof.config import Config
    from dockproof.facts.dockerfile import Dockerfile, Instruction
    from dockproof.facts.packages import PackageCall
    from dockproof.facts.shell_words import Word
    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding
    from dockproof.gate import Answers
    from dockproof.policy import Policy

AUTHORS = "org.opencontainers.image.authors"


class Edit(NamedTuple):
    """One change of a text.

    Attributes:
        span: what is replaced; an empty one is a place to insert at.
        old: the text that stands there, so that an edit of another text is noticed.
        new: what replaces it.
    """

    span: Span
    old: str
    new: str


class Spot(NamedTuple):
    """A finding with the facts around it.

    Attributes:
        file: the file.
        written: the instruction that the finding sits on, as it stands in the file.
        stage: its stage, None before the first one.
        finding: the finding.
        root: the build context's folder, None where there is none at hand.
    """

    file: Dockerfile
    written: Instruction
    stage: Stage | None
    finding: Finding
    root: Path | None

    @property
    def instruction(self) -> Instruction:
        """The instruction that is judged: the inner one of ONBUILD."""
        return self.written.effective

    def replace(self, span: Span, new: str) -> Edit:
        """Return the edit that puts a text in the place of another."""
        return Edit(span, self.file.source(span), new)

    def insert(self, after: Span, new: str) -> Edit:
        """Return the edit that puts a text behind another."""
        return Edit(Span(after.end_line, after.end_column, after.end_line, after.end_column), "", new)


# ---------------------------------------------------------------------------------------------- what can be mended


def _keyword(spot: Spot, new: str) -> Edit:
    """Put another keyword in the place of the instruction's, cased like it."""
    one = spot.instruction
    span = Span(one.span.line, one.span.column, one.span.line, one.span.column + len(one.keyword_text))
    return spot.replace(span, new.lower() if one.keyword_text.islower() else new)


_COPYING = frozenset({"chown", "chmod", "link", "exclude"})
_UNPACKED = pattern(r"://|^git@|\.git(#|$)|\.(tar|t?[gx]z|bz2?|tbz2?|zst|lzma|lz4|z)(\.|$)", re.IGNORECASE)
_MAGIC = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
_TAR_AT, _TAR = 257, b"ustar"


def _add(spot: Spot) -> Iterator[Edit]:
    """ADD of files that it would not unpack is COPY; what a file is is seen in the build context alone."""
    one = spot.instruction
    root = spot.root
    plain = root is not None and not any(_may_unpack(source, root) for source in one.words[:-1])
    if plain and {flag.name for flag in one.flags} <= _COPYING:
        yield _keyword(spot, "COPY")


def _may_unpack(source: str, root: Path) -> bool:
    if "$" in source or "\0" in source or _UNPACKED.search(source):
        return True
    below = source.lstrip("/")
    return any(map(is_archive, root.glob(below) if set(below) & set("*?[") else [root / below]))


def is_archive(path: Path) -> bool:
    """Whether a file is an archive that ADD would unpack, by its first bytes; a file that cannot be read may be."""
    try:
        with path.open("rb") as file:
            head = file.read(_TAR_AT + len(_TAR))
    except IsADirectoryError:
        return False
    except OSError:
        return path.exists()
    return head.startswith(_MAGIC) or head[_TAR_AT:] == _TAR


def _maintainer(spot: Spot) -> Iterator[Edit]:
    """MAINTAINER is a label with the same text."""
    one = spot.written
    text = one.value.strip()
    if text[:1] == text[-1:] == '"' and len(text) > 1:
        text = text[1:-1]
    if one is spot.instruction and one.span.line == one.span.end_line and spot.file.escape not in text:
        escape = spot.file.escape
        quoted = "".join(escape + char if char in '"$' else char for char in text)
        keyword = "label" if one.keyword_text.islower() else "LABEL"
        yield spot.replace(one.span, f'{keyword} {AUTHORS}="{quoted}"')


_WORD = pattern(r"[\w./:@%+,=~^${}-]+")
_WORDS = pattern(r"[\w./:@%+,=~^${} -]+")
_QUOTED = pattern(r'"[^"\\`\']*"')


def _key_value(spot: Spot) -> Iterator[Edit]:
    """`ENV name value` is `ENV name=value`, quoted where it holds a blank."""
    one = spot.instruction
    if one.keyword == "ARG" or len(one.pairs) != 1 or one.span.line != one.span.end_line:
        return
    pair = one.pairs[0]
    value = (pair.value or "").strip()
    if _WORD.fullmatch(value) or _QUOTED.fullmatch(value):
        yield spot.replace(pair.span, f"{pair.name}={value}")
    elif _WORDS.fullmatch(value):
        yield spot.replace(pair.span, f'{pair.name}="{value}"')


def _casing(spot: Spot) -> Iterator[Edit]:
    """The keyword as the finding's help says it."""
    wanted = spot.finding.help.removeprefix("write ")
    one = spot.written
    if wanted.upper() == one.keyword:
        span = Span(one.span.line, one.span.column, one.span.line, one.span.column + len(one.keyword_text))
        yield spot.replace(span, wanted)


def _from_as(spot: Spot) -> Iterator[Edit]:
    """AS is cased as its FROM; a FROM of mixed case is mended first."""
    keyword = spot.written.keyword_text
    if keyword.isupper() or keyword.islower():
        yield spot.replace(spot.written.word_spans[1], "AS" if keyword.isupper() else "as")


def _stage_name(spot: Spot) -> Iterator[Edit]:
    """The stage's name in lower case: Docker compares it so, wherever it is written otherwise."""
    yield spot.replace(spot.written.word_spans[2], spot.written.words[2].lower())


def _empty_lines(spot: Spot) -> Iterator[Edit]:
    """The empty lines inside an instruction go."""
    for line in spot.written.blank_lines:
        yield spot.replace(Span(line, 1, line + 1, 1), "")


_SIMPLE = pattern(r"[\w./:@%+,=\"' -]+")
_BUILTINS = pattern(
    r"\.|:|\[|alias|bg|break|case|cd|command|continue|echo|eval|exec|exit|export|false|fg|for|getopts|hash|if|jobs|kill|"
    r"let|local|printf|pwd|read|readonly|return|set|shift|source|test|time|times|trap|true|type|ulimit|umask|unalias|"
    r"unset|until|wait|while"
)


def _exec_form(spot: Spot) -> Iterator[Edit]:
    """A command of plain words starts its program itself; one that a shell has to read stays."""
    one = spot.instruction
    start = re.match(r"\s*CMD\s+", one.value, re.IGNORECASE) if one.keyword == "HEALTHCHECK" else None
    begin = start.end() if start else 0
    text = one.value[begin:].strip()
    span = one.span_of(begin, begin + len(one.value[begin:].rstrip()))
    words = _plain_words(text.removeprefix("exec "))
    if words and span.line == span.end_line and not _takes_over(spot):
        yield spot.replace(span, json.dumps(words, ensure_ascii=False))


def _plain_words(text: str) -> list[str]:
    """Return the words of a command that needs no shell; none for one that does."""
    if not _SIMPLE.fullmatch(text):
        return []
    try:
        words = shlex.split(text)
    except ValueError:
        return []
    first = words[0] if words else ""
    return [] if "=" in first or _BUILTINS.fullmatch(first) or not first else words


def _takes_over(spot: Spot) -> bool:
    """Whether the exec form would change what runs: an ENTRYPOINT in exec form gets CMD's words as arguments."""
    stage = spot.stage
    lineage = stage.lineage if stage else ()
    found = {one.effective.keyword for each in lineage for one in each.instructions}
    other = {"ENTRYPOINT": "CMD", "CMD": "ENTRYPOINT"}.get(spot.instruction.keyword, "")
    return other in found


def _calls(spot: Spot) -> Iterator[PackageCall]:
    """Yield the calls of package managers that stand where the finding sits."""
    stage, place = spot.stage, spot.finding.place
    if stage is None or spot.instruction.keyword != "RUN":
        return
    for call in package_calls(script(spot.instruction, stage.shell_at(spot.written))):
        span = call.command.span
        if span.line == place.line and place.column in {span.column, spot.instruction.span.column}:
            yield call


_SAID = ("--install-recommends", "-o", "--option")  # whoever says something of it means it
_YES = ("-y", "--yes", "--assume-yes", "--assumeyes")


def _verb(spot: Spot, call: PackageCall) -> Word | None:
    """Return the word of a call that says what is done, as `install`; None where it does not stand there as such."""
    verb = call.verb.rpartition(" ")[2]
    word = next((one for one in call.command.words[1:] if one.text == verb and one.raw == verb), None)
    return word if word is not None and spot.file.source(word.span) == verb else None


def _option(
    option: str, verbs: str, managers: str, spares: Sequence[str] = ()
) -> Callable[[Spot], Iterator[Edit]]:
    """Return a fixer that puts an option behind the verb.

    Args:
        option: the option.
        verbs: the verbs that it belongs to.
        managers: the package managers that know it.
        spares: options that mean the same; a call with one of them is left alone.
    """

    def fixer(spot: Spot) -> Iterator[Edit]:
        for call in _calls(spot):
            word = _verb(spot, call)
            verb = call.verb.rpartition(" ")[2]
            wanted = (
                call.manager in managers.split() and verb in verbs.split() and not call.has(option, *spares)
            )
            if wanted and word is not None:
                yield spot.insert(word.span, f" {option}")

    return fixer


_ASKING = "install upgrade remove purge autoremove dist-upgrade full-upgrade reinstall"
_APT_GET = frozenset({"install", "update", "upgrade", "remove", "purge", "autoremove", "clean", "autoclean"})


def _apt(spot: Spot) -> Iterator[Edit]:
    """apt-get knows the same words as apt, where it does; it is told yes in the same breath."""
    for call in _calls(spot):
        word: Word = call.command.words[0]
        verb = _verb(spot, call)
        if (
            word.raw == "apt"
            and call.verb in _APT_GET
            and verb is not None
            and spot.file.source(word.span) == "apt"
        ):
            yield spot.replace(word.span, "apt-get")
            if call.verb in _ASKING.split() and not call.has(*_YES):
                yield spot.insert(verb.span, " --yes")


def _lower_protocol(spot: Spot) -> Iterator[Edit]:
    """EXPOSE's protocol in lower case."""
    one = spot.instruction
    for word, span in zip(one.words, one.word_spans, strict=True):
        if "$" not in word and word != word.lower():
            yield spot.replace(span, word.lower())


def _default_platform(spot: Spot) -> Iterator[Edit]:
    """The platform that is the default need not be said."""
    one = spot.written
    flag = next((flag for flag in one.flags if flag.name == "platform"), None)
    if flag is not None and flag.span.line == flag.span.end_line:
        line, column, _, end = flag.span
        following = spot.file.lines[line - 1][end - 1 :]
        blanks = len(following) - len(following.lstrip())
        yield spot.replace(Span(line, column, line, end + blanks), "")


FIXERS: Mapping[tuple[str, str | None], Callable[[Spot], Iterable[Edit]]] = {
    ("copy-not-add", "plain-file"): _add,
    ("current-syntax", "maintainer"): _maintainer,
    ("current-syntax", "key-value"): _key_value,
    ("current-syntax", "casing"): _casing,
    ("current-syntax", "from-as"): _from_as,
    ("current-syntax", "stage-name"): _stage_name,
    ("current-syntax", "empty-continuation"): _empty_lines,
    ("exec-form", "shell-form"): _exec_form,
    ("exec-form", "health-form"): _exec_form,
    ("unattended-install", "apt"): _apt,
    ("unattended-install", "apt-get"): _option("--yes", _ASKING, "apt-get", _YES),
    ("unattended-install", "yum"): _option("-y", _ASKING, "yum microdnf", _YES),
    ("unattended-install", "dnf"): _option("-y", _ASKING, "dnf microdnf", _YES),
    ("no-recommends", None): _option("--no-install-recommends", "install", "apt apt-get", _SAID),
    ("clean-package-caches", "pip-cache"): _option("--no-cache-dir", "install", "pip"),
    ("clean-package-caches", "apk-cache"): _option("--no-cache", "add", "apk"),
    ("declared-ports", "lower-case"): _lower_protocol,
    ("portable-platform", "redundant"): _default_platform,
}
"""What can be mended, by policy and clause."""


def edits(file: Dockerfile, finding: Finding, root: Path | None = None) -> tuple[Edit, ...]:
    """Return the edits that mend a finding; none where nobody but a person can.

    Args:
        file: the file.
        finding: what was found in it.
        root: the build context's folder, None where there is none at hand.
    """
    fixer = FIXERS.get((finding.policy, finding.clause))
    line = finding.place.line
    written = next((one for one in file.instructions if one.span.line <= line <= one.span.end_line), None)
    if fixer is None or written is None or finding.waived:
        return ()
    stage = next((one for one in reversed(file.stages) if one.instruction.span.line <= line), None)
    found = tuple(dict.fromkeys(fixer(Spot(file, written, stage, finding, root))))
    return found if all(edit.old != edit.new for edit in found) else ()


_HIDING = frozenset({"exec-form"})
"""Policies whose mend may bring to light what another one could not see: edits alone do not say that it holds."""


def stamped(text: str, file: Dockerfile, findings: Iterable[Finding], ask: Asker) -> tuple[Finding, ...]:
    """Return the findings, those marked that `fix` can mend.

    Args:
        text: the text, bytes that are no UTF-8 as Python's surrogate escapes.
        file: its facts.
        findings: what the source probes found in it.
        ask: asks them again about another text.
    """
    answers = lru_cache(1)(lambda: ask(file))

    def mends(finding: Finding) -> bool:
        if finding.policy in _HIDING and edits(file, finding, ask.root):
            return _tried(text, file, answers(), finding, ask=ask, root=ask.root) is not None
        return bool(edits(file, finding, ask.root))

    return tuple(one._replace(fixable=True) if mends(one) else one for one in findings)


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


def mend(text: str, ask: Callable[[Dockerfile], Answers], root: Path | None = None) -> Mended:
    """Mend a text, finding by finding; each mend is proven before the next.

    Args:
        text: the text, bytes that are no UTF-8 as Python's surrogate escapes.
        ask: asks every source probe about a file, waivers stamped.
        root: the build context's folder, None where there is none at hand.
    """
    done: list[Finding] = []
    file = _parsed(text)
    answers, refused = ask(file), set[tuple[str, ...]]()
    while (step := _step(text, file, answers, partial(_tried, ask=ask, root=root), refused)) is not None:
        text, file, answers, finding = step
        done.append(finding)
    return Mended(text, tuple(done), answers)


def _parsed(text: str) -> Dockerfile:
    return parse(text.encode("utf-8", "surrogateescape"))


def _step(
    text: str,
    file: Dockerfile,
    answers: Answers,
    attempt: Callable[[str, Dockerfile, Answers, Finding], tuple[str, Dockerfile, Answers] | None],
    refused: set[tuple[str, ...]],
) -> tuple[str, Dockerfile, Answers, Finding] | None:
    """Make the first mend that holds; what does not is remembered, so that it is not tried again."""
    for finding in answers.findings:
        if (finding.policy, finding.clause) not in FIXERS:
            continue
        key = (finding.policy, finding.clause or "", finding.message, file.lines[finding.place.line - 1])
        if key in refused:
            continue
        found = attempt(text, file, answers, finding)
        if found is not None:
            return (*found, finding)
        refused.add(key)
    return None


def _tried(
    text: str,
    file: Dockerfile,
    answers: Answers,
    finding: Finding,
    *,
    ask: Callable[[Dockerfile], Answers],
    root: Path | None,
) -> tuple[str, Dockerfile, Answers] | None:
    """Make one mend and prove it; None where it has no edits, or does not hold."""
    edited = apply(text, file, edits(file, finding, root))
    if edited == text:
        return None
    after = _parsed(edited)
    said = ask(after)
    return (edited, after, said) if _holds(finding, (file, answers), (after, said)) else None


def apply(text: str, file: Dockerfile, some: Sequence[Edit]) -> str:
    """Make some edits of a text, the last one first; the text as it was where one of them does not fit.

    Args:
        text: the text that the facts were read from, bytes that are no UTF-8 as surrogate escapes.
        file: its facts.
        some: edits that do not overlap.
    """
    if len(text) != len(file.text):
        return text
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    starts.append(len(text))
    for edit in sorted(some, reverse=True):
        span = edit.span
        start = starts[span.line - 1] + span.column - 1
        end = starts[span.end_line - 1] + span.end_column - 1
        if file.text[start:end] != edit.old:
            return text
        text = text[:start] + edit.new + text[end:]
    return text


def _holds(finding: Finding, before: tuple[Dockerfile, Answers], after: tuple[Dockerfile, Answers]) -> bool:
    """Whether a finding is gone, no policy has more than before, and the file is no worse to BuildKit."""
    was, now = (Counter((f.policy, f.clause) for f in answers.findings) for _, answers in (before, after))
    all_was, all_now = (Counter(f.policy for f in answers.findings) for _, answers in (before, after))
    key = (finding.policy, finding.clause)
    gone = now[key] < was[key] and all(all_now[policy] <= all_was[policy] for policy in all_now)
    sound = len(after[0].problems) <= len(before[0].problems)
    return gone and sound and len(after[1].not_looked) <= len(before[1].not_looked)


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
        path: Path | None,
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
        self.root = None if path is None else Path(context) if context else path.parent

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
    from dockproof import catalog, cli  # noqa: PLC0415 - see `dockproof.cli`

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
    options = parser.parse_args(arguments)
    paths = options.paths or ["."]
    config = cli.configuration(options, catalog.load(), cli._start_of(paths, options.stdin_filename))  # noqa: SLF001
    policies = cli.with_own(catalog.load(), config)
    jobs, missed = _jobs(paths, options.stdin_filename, policies, config)
    said = list(_diffs(jobs) if options.diff else _with_baseline(jobs, policies, config))
    cli._print([*said, *(f"dockproof: not looked at: {one}\n" for one in missed)])  # noqa: SLF001 - the one way to print
    if missed or any(job.mended.answers.not_looked for job in jobs):
        return Exit.NOT_LOOKED
    return _result(jobs, config, diff=options.diff)


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
        ask = Asker(name, None if name == "-" else Path(name), policies, config)
        jobs.append(Job(found.path, text, mend(text, ask, ask.root)))
    return jobs, missed


def _content(found: Found) -> bytes:
    from dockproof.collect import discover  # noqa: PLC0415 - as above

    if found.error:
        raise OSError
    return sys.stdin.buffer.read() if found.path == discover.STDIN else discover.read(found.path)


def _diffs(jobs: Iterable[Job]) -> Iterator[str]:
    for job in jobs:
        before, after = (text.splitlines(keepends=True) for text in (job.before, job.mended.text))
        for line in difflib.unified_diff(before, after, f"a/{job.path}", f"b/{job.path}"):
            whole = line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            yield whole.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _with_baseline(jobs: Sequence[Job], policies: Mapping[str, Policy], config: Config) -> Iterator[str]:
    """Write what changed, and let the configuration's baseline follow, so that what it knows of a mended line stays."""
    changed = [job.path for job in jobs if job.mended.done and job.path != "-"]
    if config.baseline is None or not changed:
        yield from _written(jobs)
        return
    settings = check.Settings(fingerprints=True)
    before = check.run(changed, policies, config, settings)
    yield from _written(jobs)
    baseline.carry(before, check.run(changed, policies, config, settings), Path(config.baseline))


def _written(jobs: Sequence[Job]) -> Iterator[str]:
    """Write what changed and yield what was mended; the text of standard input goes to standard output alone."""
    for job in jobs:
        if job.path == "-":
            sys.stdout.buffer.write(job.mended.text.encode("utf-8", "surrogateescape"))
            return
        if job.mended.text != job.before:
            baseline.write_whole(Path(job.path), job.mended.text.encode("utf-8", "surrogateescape"))
        for finding in job.mended.done:
            name = f"{finding.policy}/{finding.clause}" if finding.clause else finding.policy
            yield f"{os.path.relpath(job.path)}:{finding.place.line}: mended {name}: {finding.message}\n"
    done = sum(len(job.mended.done) for job in jobs)
    left = sum(not f.waived for job in jobs for f in job.mended.answers.findings)
    yield f"{done} finding{'' if done == 1 else 's'} mended, {left} left for people: `dockproof check` shows them\n"
