"""The standards as text, JSON, Markdown and HTML; docs/compliance.md is the Markdown without any configuration."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from html import escape
from typing import TYPE_CHECKING, Any

import dockproof
from dockproof.verdict import MARKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dockproof.compliance import Check, Evidence, Standard, Standing

    Views = Mapping[Standard, Sequence[Standing]]

SCHEMA = 1
WIDTH = 100
STATUSES = ("checked", "waived", "not applicable")


def render(views: Views, name: str, evidence: Evidence | None = None) -> Iterator[str]:
    """Yield the view in one of the formats of `dockproof.compliance`."""
    formats: Mapping[str, Callable[[Views, Evidence | None], Iterator[str]]] = {
        "text": _text,
        "json": _json,
        "markdown": _markdown,
        "html": _html,
    }
    return formats[name](views, evidence)


def page(views: Views) -> str:
    """Return docs/compliance.md."""
    head = (
        "# Standards\n\n"
        "Every item is checked, by the policies and probes named, or not applicable, with the reason. "
        "`dockproof compliance` says the same for your own configuration and compose file, with what is waived; "
        "`dockproof compliance --evidence build/verify/results.json` adds what `dockproof verify` saw of each "
        "service, and exits with 1 where an item is broken and with 4 where it could not be looked at.\n"
    )
    return head + "".join(_markdown(views, None))


def _count(view: Sequence[Standing]) -> str:
    count = Counter(one.status for one in view)
    return ", ".join(f"{count[status]} {status}" for status in STATUSES)


def _checked(check: Check) -> str:
    return f"{check.name}[{'/'.join(check.probes)}]"


def _notes(one: Standing) -> Iterator[str]:
    """Yield what is said of an item beside its checks: what people lifted, and what is left to others."""
    yield from (f"{lifted.check} is waived for {lifted.where}: {lifted.reason}" for lifted in one.lifted)
    if one.item.note:
        yield f"{'note' if one.item.checks else 'reason'}: {one.item.note}"


def _results(one: Standing) -> str:
    return "  ".join(f"{service}: {MARKS[verdict]}" for service, verdict in (one.results or {}).items())


def _text(views: Views, evidence: Evidence | None) -> Iterator[str]:
    for standard, view in views.items():
        yield f"{standard.title}\n{'-' * len(standard.title)}\n"
        for one in view:
            yield from _text_of(one)
        yield f"\n{len(view)} items: {_count(view)}\n\n"
    if evidence:
        yield f"seen by `dockproof verify` on {evidence.created} ({evidence.path})\n"


def _text_of(one: Standing) -> Iterator[str]:
    indent = " " * 7
    yield f"{one.item.id:<6} {one.status}: {one.item.title}\n"
    if one.item.checks:
        yield _wrapped(", ".join(map(_checked, one.item.checks)), f"{indent}by ")
    for note in _notes(one):
        yield _wrapped(note, indent)
    if one.results:
        yield f"{indent}{_results(one)}\n"


def _wrapped(text: str, indent: str) -> str:
    further = " " * len(indent)
    lines = textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=further, break_on_hyphens=False
    )
    return "\n".join(lines) + "\n"


def _json(views: Views, evidence: Evidence | None) -> Iterator[str]:
    count = Counter(one.status for view in views.values() for one in view)
    document = {
        "schema": SCHEMA,
        "tool": {"name": "dockproof", "version": dockproof.__version__},
        "evidence": {"path": str(evidence.path), "created": evidence.created} if evidence else None,
        "standards": [_standard(standard, view) for standard, view in views.items()],
        "summary": {status.replace(" ", "_"): count[status] for status in STATUSES},
    }
    yield json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _standard(standard: Standard, view: Sequence[Standing]) -> dict[str, Any]:
    return {
        "id": standard.id,
        "title": standard.title,
        "source": standard.source,
        "items": [_item(one) for one in view],
    }


def _item(one: Standing) -> dict[str, Any]:
    return {
        "id": one.item.id,
        "title": one.item.title,
        "status": one.status,
        "note": one.item.note or None,
        "checks": [{**check._asdict(), "probes": list(check.probes)} for check in one.item.checks],
        "waived": [lifted._asdict() for lifted in one.lifted],
        "results": one.results,
    }


def _markdown(views: Views, evidence: Evidence | None) -> Iterator[str]:
    for standard, view in views.items():
        yield f"\n## {standard.title}\n\n<{standard.source}>\n\n{len(view)} items: {_count(view)}.\n\n"
        seen = " seen |" if evidence else ""
        yield f"| item | asks | status | by |{seen}\n|---|---|---|---|{'---|' if evidence else ''}\n"
        for one in view:
            by = "<br>".join([*map(_checked, one.item.checks), *_notes(one)])
            results = f" {_results(one)} |" if evidence else ""
            yield f"| {one.item.id} | {one.item.title} | {one.status} | {by} |{results}\n".replace("#", "\\#")


_STYLE = """
:root { color-scheme: light dark; --line: #8884; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; } td, th { border-bottom: 1px solid var(--line); text-align: left;
vertical-align: top; padding: .25rem .5rem; } th { white-space: nowrap; }
""".strip()


def _html(views: Views, evidence: Evidence | None) -> Iterator[str]:
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield '<meta name="viewport" content="width=device-width">\n'
    yield f"<title>dockproof: standards</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n<h1>Standards</h1>\n"
    for standard, view in views.items():
        link = f'<a href="{escape(standard.source)}">{escape(standard.title)}</a>'
        yield f"<section>\n<h2>{link}</h2>\n<p>{len(view)} items: {_count(view)}.</p>\n<table>\n<tbody>\n"
        yield from (_row(one) for one in view)
        yield "</tbody>\n</table>\n</section>\n"
    if evidence:
        yield f"<p>Seen by <code>dockproof verify</code> on {escape(evidence.created)}.</p>\n"
    yield f"<footer><p>dockproof {dockproof.__version__}</p></footer>\n</body>\n</html>\n"


def _row(one: Standing) -> str:
    lines = [*map(_checked, one.item.checks), *_notes(one), _results(one)]
    by = "<br>".join(escape(line) for line in lines if line)
    head = f'<tr><th scope="row">{escape(one.item.id)}</th>'
    return f"{head}<td>{escape(one.item.title)}</td><td>{one.status}</td><td>{by}</td></tr>\n"
