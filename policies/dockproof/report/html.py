"""One HTML page that needs nothing beside itself: no script, no network, readable in print and by screen readers."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import dockproof
from dockproof.finding import Probe
from dockproof.report.text import clean, summary_line
from dockproof.report.view import View, help_of, link_of, name_of, where_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockproof.finding import Finding
    from dockproof.gate import CheckReport, FileReport

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --error: #c62828; --warning: #b26a00; --info: #0277bd; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
article { border-left: 4px solid var(--line); padding: 0 1rem; margin: 1rem 0; }
article.error { border-color: var(--error); } article.warning { border-color: var(--warning); }
article.info { border-color: var(--info); } article.waived { opacity: .7; }
h3 { font-size: 1rem; margin: 0; } .error h3 b { color: var(--error); }
.warning h3 b { color: var(--warning); } .info h3 b { color: var(--info); }
pre { background: #8881; padding: .5rem; overflow-x: auto; } p { margin: .25rem 0; }
""".strip()


def render(report: CheckReport, view: View) -> Iterator[str]:
    """Yield the page in pieces."""
    verdict = _text(summary_line(report, view._replace(color=False)).strip())
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield '<meta name="viewport" content="width=device-width">\n'
    yield f"<title>dockproof: {verdict}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n"
    yield f"<h1>dockproof</h1>\n<p>{verdict}</p>\n"
    yield from _missed(report)
    for file in report.files:
        yield from _file(file, view)
    yield f"<footer><p>dockproof {dockproof.__version__}</p></footer>\n</body>\n</html>\n"


def _text(text: str) -> str:
    return escape(clean(text))


def _missed(report: CheckReport) -> Iterator[str]:
    rows = [(path, "file", error) for path, error in report.tally.unreadable]
    rows += [(path, one.what, one.reason) for path, one in report.tally.missed]
    if rows:
        items = "".join(
            f"<li>{_text(path)} {_text(what)}: {_text(reason)}</li>\n" for path, what, reason in rows
        )
        yield f"<section>\n<h2>Not looked at</h2>\n<ul>\n{items}</ul>\n</section>\n"


def _file(file: FileReport, view: View) -> Iterator[str]:
    if file.error is not None:
        return
    yield f"<section>\n<h2>{_text(file.path)}</h2>\n<p>Held to the {file.profile.value} profile.</p>\n"
    for finding in file.answers.findings:
        yield _finding(file, finding, view)
    if not file.answers.findings:
        yield "<p>No findings.</p>\n"
    yield from _not_applicable(file)
    yield "</section>\n"


def _finding(file: FileReport, finding: Finding, view: View) -> str:
    word = "waived" if finding.waived else finding.severity.value
    place = finding.place
    where = f"line {place.line}" if finding.probe is Probe.SOURCE else where_of(file, finding)
    line = file.excerpt.get(place.line)
    code = (
        f"<pre><code>{place.line:5} | {_text(line.expandtabs(4))}</code></pre>\n" if line is not None else ""
    )
    return (
        f'<article class="{word}">\n<h3><b>{word}</b> {_text(name_of(finding))}, {_text(where)}</h3>\n'
        f"<p>{_text(finding.message)}</p>\n{code}{_note(finding, view)}</article>\n"
    )


def _note(finding: Finding, view: View) -> str:
    if finding.waived:
        until = f", until {finding.waived.until}" if finding.waived.until else ""
        return f"<p>Waived: {_text(finding.waived.reason + until)}</p>\n"
    mend = help_of(finding, view.policies)
    link = link_of(finding)
    text = f"<p>{_text(mend)}</p>\n" if mend else ""
    return text + (f'<p><a href="{escape(link)}">{escape(link)}</a></p>\n' if link else "")


def _not_applicable(file: FileReport) -> Iterator[str]:
    if file.answers.not_applicable:
        items = "".join(
            f"<li>{_text(n.policy)}: {_text(n.reason)}</li>\n" for n in file.answers.not_applicable
        )
        yield f"<details>\n<summary>Not applicable</summary>\n<ul>\n{items}</ul>\n</details>\n"
