"""The report that people read: where, what is wrong, the line itself, how to mend it."""

from __future__ import annotations

import sys

from dockproof.finding import Severity
from dockproof.report.view import View, help_of, link_of, name_of, where_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dockproof.finding import Finding, Place
    from dockproof.gate import CheckReport, FileReport, NotLooked, Summary, Tally

TAB = 4
"""Columns of a tab: lines are shown with blanks, so that the mark stands under its text everywhere."""

STEP = 60
"""Characters of an image's step that are shown."""

WIDEST = 160
"""Characters of the longest line that is shown whole."""

_CODES = {Severity.ERROR: "1;31", Severity.WARNING: "1;33", Severity.INFO: "1;36"}
_BOLD, _DIM, _GREEN = "1", "2", "1;32"


class _Paint:
    """Colours, or nothing where they are off."""

    def __init__(self, *, on: bool) -> None:
        self._on = on

    def __call__(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._on and text else text


def render(report: CheckReport, view: View) -> Iterator[str]:
    """Yield the report in pieces, each ending in a newline."""
    paint = _Paint(on=view.color)
    for file in report.counted():
        text = "".join(_file(file, view, paint))
        if text:
            yield text
    yield from _missed(report.tally, paint)
    yield summary_line(report, view)


def _file(file: FileReport, view: View, paint: _Paint) -> Iterator[str]:
    yield from _image(file, paint)
    for finding in file.answers.findings:
        if finding.waived is None or view.show_waived:
            yield from _finding(file, finding, view, paint)


def _finding(file: FileReport, finding: Finding, view: View, paint: _Paint) -> Iterator[str]:
    where = clean(where_of(file, finding)) + ":"
    word = "waived" if finding.waived else finding.severity.value
    severity = paint(word, _DIM if finding.waived else _CODES[finding.severity])
    stage = f" [stage {clean(finding.stage)}]" if finding.stage else ""
    yield f"{paint(where, _BOLD)} {severity} {paint(name_of(finding), _BOLD)}: {clean(finding.message)}{stage}\n"
    yield from _line(file.excerpt, finding, paint)
    for label, text in _notes(finding, view):
        yield f"{paint('  = ' + label + ':', _DIM)} {clean(text)}\n"
    yield "\n"


def _image(file: FileReport, paint: _Paint) -> Iterator[str]:
    """Show what an image consists of."""
    if file.image is None:
        return
    about = file.image
    user = about["user"]
    runs = f"uid {user['uid']}, gid {user['gid']}" if user["uid"] is not None else "nobody that it knows"
    layers = _number(len(about["layers"]), "layer")
    head = f"{about['platform']}, {_megabytes(about['size']).strip()} MB in {layers}, runs as {runs}"
    yield f"{paint(clean(file.path), _BOLD)}: {clean(head)}\n"
    yield paint("  layer        MB  wasted   files  from  line  step", _DIM) + "\n"
    for layer in about["layers"]:
        step = clean(" ".join((layer["created_by"] or "").split()))[:STEP]
        numbers = (
            f"{layer['index']:7} {_megabytes(layer['size'])} {layer['wasted'] / 1e6:7.1f} {layer['files']:7}"
        )
        yield f"{numbers}  {layer['origin'] or '?':4} {layer['line'] or '':>5}  {step}\n"
    packages = (
        ", ".join(f"{count} of {manager}" for manager, count in about["packages"].items()) or "none known"
    )
    hidden = about["hidden"]
    unseen = (
        f"{_number(hidden['files'], 'file')} hidden by later layers, {_megabytes(hidden['size']).strip()} MB"
    )
    yield f"  packages: {packages}; {unseen}\n"
    causes = ", ".join(
        f"{cause} {_megabytes(size).strip()} MB" for cause, size in about["wasted"].items() if size
    )
    yield f"  wasted by own layers: {causes or 'nothing'}\n"
    tests = about.get("structure") or ()
    if tests:
        yield f"  structure tests: {sum(one['passed'] for one in tests)} of {len(tests)} passed\n"
    yield "\n"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:9.1f}"


def _notes(finding: Finding, view: View) -> Iterator[tuple[str, str]]:
    if finding.waived:
        until = f", until {finding.waived.until}" if finding.waived.until else ""
        yield "waived", finding.waived.reason + until
        return
    mend = help_of(finding, view.policies)
    if mend:
        yield "help", mend
    yield "more", link_of(finding) or f"{view.program} explain {finding.policy}"


def _line(excerpt: Mapping[int, str], finding: Finding, paint: _Paint) -> Iterator[str]:
    """Show the line with a mark under the finding, to the end of the text where it goes on or its end is not known."""
    number = finding.place.line
    if number not in excerpt:
        return
    raw = excerpt[number]
    start = max(finding.place.column, 1) - 1
    before, text = clean(raw[:start].expandtabs(TAB)), clean(raw.expandtabs(TAB).rstrip())
    shown = text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"
    yield f"{paint(f'{number:5} |', _DIM)} {shown}\n"
    length = min(_end(raw, finding.place), len(shown)) - len(before)
    if length > 0:
        mark = paint("^" * length, _CODES[finding.severity])
        yield f"{paint('      |', _DIM)} {' ' * len(before)}{mark}\n"


def _end(raw: str, place: Place) -> int:
    """Return how many columns of the shown line the place reaches over; more than there are where it goes on."""
    on_this_line = place.end_column and place.end_line <= place.line
    return len(raw[: place.end_column - 1].expandtabs(TAB)) if on_this_line else sys.maxsize


def clean(text: str) -> str:
    """Replace control characters: a Dockerfile must not write to the terminal of its reader."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "�" for c in text)


def _missed(tally: Tally, paint: _Paint) -> Iterator[str]:
    if not tally.unreadable and not tally.missed:
        return
    yield paint("Not looked at:", _BOLD) + "\n"
    for path, error in tally.unreadable:
        yield f"  {paint('error', _CODES[Severity.ERROR])} {clean(path)}: {clean(error)}\n"
    for path, one in tally.missed:
        yield from _not_looked(path, one, paint)
    yield "\n"


def _not_looked(path: str, one: NotLooked, paint: _Paint) -> Iterator[str]:
    severity = Severity.ERROR if one.fatal else Severity.INFO
    word = "error" if one.fatal else "note"
    where = f"{clean(path)}: " if path else ""
    what = "" if one.reason.startswith("not looked at") else f"{one.what}: "
    yield f"  {paint(word, _CODES[severity])} {where}{what}{clean(one.reason)}\n"
    for line in one.log.strip().splitlines():
        yield f"      {paint('|', _DIM)} {clean(line)}\n"


def summary_line(report: CheckReport, view: View) -> str:
    """Return the last line: the verdict in one word, and the counts."""
    paint, tally = _Paint(on=view.color), report.tally
    summary = tally.summary
    red = tally.is_red(view.fail_level)
    head = paint("FAILED", _CODES[Severity.ERROR]) if red else paint("passed", _GREEN)
    if tally.incomplete:
        head = paint("INCOMPLETE", _CODES[Severity.ERROR])
    return f"{head}: {_counts(summary)} in {_number(summary.files, 'file')}{_gone(view.baseline_gone)}\n"


def _gone(count: int) -> str:
    if not count:
        return ""
    return f"; {_number(count, 'entry', 'entries')} of the baseline {'occurs' if count == 1 else 'occur'} no more"


def _counts(summary: Summary) -> str:
    parts = [
        _number(summary.errors, "error") if summary.errors else "",
        _number(summary.warnings, "warning") if summary.warnings else "",
        _number(summary.infos, "info", "infos") if summary.infos else "",
        f"{summary.waived} waived" if summary.waived else "",
    ]
    return ", ".join(filter(None, parts)) or "no findings"


def _number(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"
