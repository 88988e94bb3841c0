"""What can be mended without a decision: for a finding, the edits of single words that take it away.

Each fixer is cautious: what hangs on a variable, what a shell has to read and what ADD alone does has no edits. Whether
the edits hold is for `dockproof.fix` to prove.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

from dockproof.facts.packages import package_calls
from dockproof.facts.shell import script
from dockproof.facts.span import Edit, Span
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from dockproof.facts.dockerfile import Dockerfile, Instruction
    from dockproof.facts.packages import PackageCall
    from dockproof.facts.shell_words import Word
    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding

AUTHORS = "org.opencontainers.image.authors"


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
    root: str | None

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


def _may_unpack(source: str, root: str) -> bool:
    if "$" in source or "\0" in source or _UNPACKED.search(source):
        return True
    below = source.lstrip("/")
    if set(below) & set("*?["):
        from pathlib import Path  # noqa: PLC0415 - few sources are patterns

        try:
            return any(is_archive(str(path)) for path in Path(root).glob(below))
        except (ValueError, NotImplementedError):  # a pattern of Docker's that is none of Python's
            return True
    return is_archive(f"{root}/{below}")


def is_archive(path: str) -> bool:
    """Whether a file is an archive that ADD would unpack, by its first bytes; a file that cannot be read may be."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib would cost the start 3 ms
            head = file.read(_TAR_AT + len(_TAR))
    except IsADirectoryError:
        return False
    except OSError:
        return os.path.lexists(path)
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
    """The keyword as the finding's help says it, and the AS of a FROM with it."""
    wanted = spot.finding.help.removeprefix("write ")
    one = spot.written
    if wanted.upper() == one.keyword:
        span = Span(one.span.line, one.span.column, one.span.line, one.span.column + len(one.keyword_text))
        yield spot.replace(span, wanted)
        if one.keyword == "FROM" and len(one.words) == 3 and one.words[1].isupper() != wanted.isupper():  # noqa: PLR2004 - FROM x AS y
            yield spot.replace(one.word_spans[1], "AS" if wanted.isupper() else "as")


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
    import shlex  # noqa: PLC0415 - few files have such a command

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


def _calls(spot: Spot, *, whole_run: bool = False) -> Iterator[PackageCall]:
    """Yield the calls of package managers that stand where the finding sits, or in all of its RUN."""
    stage, place = spot.stage, spot.finding.place
    if stage is None or spot.instruction.keyword != "RUN":
        return
    for call in package_calls(script(spot.instruction, stage.shell_at(spot.written))):
        span = call.command.span
        here = span.line == place.line and place.column in {span.column, spot.instruction.span.column}
        if here or whole_run:
            yield call


_SAID = ("--install-recommends", "-o", "--option")  # whoever says something of it means it
_YES = ("-y", "--yes", "--assume-yes", "--assumeyes")


def _verb(spot: Spot, call: PackageCall) -> Word | None:
    """Return the word of a call that says what is done, as `install`; None where it does not stand there as such."""
    verb = call.verb.rpartition(" ")[2]
    word = next((one for one in call.command.words[1:] if one.text == verb and one.raw == verb), None)
    return word if word is not None and spot.file.source(word.span) == verb else None


def _option(
    option: str, verbs: str, managers: str, spares: Sequence[str] = (), *, whole_run: bool = False
) -> Callable[[Spot], Iterator[Edit]]:
    """Return a fixer that puts an option behind the verb.

    Args:
        option: the option.
        verbs: the verbs that it belongs to.
        managers: the package managers that know it.
        spares: options that mean the same; a call with one of them is left alone.
        whole_run: the finding is about all calls of its RUN.
    """

    def fixer(spot: Spot) -> Iterator[Edit]:
        for call in _calls(spot, whole_run=whole_run):
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
    ("clean-package-caches", "pip-cache"): _option("--no-cache-dir", "install", "pip", whole_run=True),
    ("clean-package-caches", "apk-cache"): _option("--no-cache", "add", "apk", whole_run=True),
    ("declared-ports", "lower-case"): _lower_protocol,
    ("portable-platform", "redundant"): _default_platform,
}
"""What can be mended, by policy and clause."""


def edits(file: Dockerfile, finding: Finding, root: str | None = None) -> tuple[Edit, ...]:
    """Return the edits that mend a finding; none where nobody but a person can.

    Args:
        file: the file.
        finding: what was found in it.
        root: the build context's folder, None where there is none at hand.
    """
    fixer = FIXERS.get((finding.policy, finding.clause))
    if fixer is None or finding.waived:
        return ()
    line = finding.place.line
    written = next((one for one in file.instructions if one.span.line <= line <= one.span.end_line), None)
    if written is None:
        return ()
    stage = next((one for one in reversed(file.stages) if one.instruction.span.line <= line), None)
    found = tuple(dict.fromkeys(fixer(Spot(file, written, stage, finding, root))))
    return found if all(edit.old != edit.new for edit in found) else ()
