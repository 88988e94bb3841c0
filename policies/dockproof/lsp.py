"""`dockproof lsp`: the gate's source probes in an editor, over the Language Server Protocol on stdin and stdout.

While somebody writes, findings are diagnostics; a code action makes the mend of `dockproof fix` or writes the waiver's
comment, and hovering shows the policy's page. hadolint has a server of its own kind in most editors and is left out.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import dockproof
from dockproof import catalog, config, fix, mends, own
from dockproof.errors import DockproofError, Exit, UsageError
from dockproof.facts.dockerfile import parse
from dockproof.finding import Severity
from dockproof.records import NamedTuple
from dockproof.report.view import help_of, name_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator, Mapping, Sequence

    from lsprotocol import types
    from pygls.lsp.server import LanguageServer
    from pygls.workspace import TextDocument

    from dockproof.facts.dockerfile import Dockerfile
    from dockproof.facts.span import Edit
    from dockproof.finding import Finding, Place
    from dockproof.policy import Policy

SOURCE = "dockproof"
PAUSE = 0.2
"""Seconds that somebody must have stopped writing before the text is looked at."""

MISSING = "the language server needs the package pygls: pip install 'dockproof[lsp]'"


class Look(NamedTuple):
    """What the gate says of a text.

    Attributes:
        file: its facts.
        findings: without those that are waived.
        notes: what could not be looked at, as sentences.
        policies: all policies by id.
        root: the build context's folder.
    """

    file: Dockerfile
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    policies: Mapping[str, Policy]
    root: str | None


def look(path: Path, text: str) -> Look:
    """Ask the source probes about a text in the place of a file, under the configuration that holds for the file."""
    file = parse(text, str(path))
    try:
        found = config.find(path.parent)
        settings = config.load(found, catalog.load()) if found else config.Config()
        policies = own.with_own(catalog.load(), settings)
        ask = fix.Asker(str(path), str(path), policies, settings)
        answers = ask(file)
    except DockproofError as error:
        return Look(file, (), (str(error),), {}, None)
    live = tuple(finding for finding in answers.findings if finding.waived is None)
    notes = tuple(f"not looked at: {one.what}: {one.reason}" for one in answers.not_looked)
    return Look(file, live, notes, policies, ask.root)


# ----------------------------------------------------------------------------------------- in the protocol's words


class _Words:
    """Puts findings into the protocol's words for one document, whose columns count as the client counts."""

    def __init__(self, document: TextDocument) -> None:
        from lsprotocol import types  # noqa: PLC0415 - see `main`

        self.types, self.document = types, document
        self.path = Path(document.path)
        self.seen = look(self.path, document.source)
        self._lines = document.source.split("\n")

    def diagnostics(self) -> list[types.Diagnostic]:
        """Return a diagnostic for each finding, and for what could not be looked at."""
        notes = [self._note(text) for text in self.seen.notes]
        return [*notes, *map(self._diagnostic, self.seen.findings)]

    def _note(self, text: str) -> types.Diagnostic:
        severity = self.types.DiagnosticSeverity.Error
        found: types.Diagnostic = self.types.Diagnostic(
            self._client(0, 0, 0, 0), text, severity=severity, source=SOURCE
        )
        return found

    def _diagnostic(self, finding: Finding) -> types.Diagnostic:
        severity = self.types.DiagnosticSeverity
        levels = {
            Severity.ERROR: severity.Error,
            Severity.WARNING: severity.Warning,
            Severity.INFO: severity.Information,
        }
        mend = help_of(finding, self.seen.policies)
        found: types.Diagnostic = self.types.Diagnostic(
            self.range(finding.place),
            finding.message + (f"\n{mend}" if mend else ""),
            severity=levels[finding.severity],
            code=name_of(finding),
            source=SOURCE,
        )
        return found

    def range(self, place: Place) -> types.Range:
        """Return where a finding sits; one that goes on over lines is shown on its first."""
        number = min(max(place.line, 1), len(self._lines)) - 1
        ends_here = place.end_column and place.end_line <= place.line
        end = place.end_column - 1 if ends_here else len(self._lines[number].rstrip())
        return self._client(number, max(place.column, 1) - 1, number, max(end, 0))

    def _client(self, line: int, column: int, end_line: int, end_column: int) -> types.Range:
        """Return a range in the client's units from 0-based lines and columns in characters."""
        types = self.types
        span = types.Range(types.Position(line, column), types.Position(end_line, end_column))
        return self.document.position_codec.range_to_client_units(self._lines, span)

    def actions(self, wanted: types.Range) -> Iterator[types.CodeAction]:
        """Yield what can be done about the findings in a range."""
        for finding in self.seen.findings:
            at = self.range(finding.place)
            if at.start.line <= wanted.end.line and wanted.start.line <= at.end.line:
                diagnostic = self._diagnostic(finding)
                edits = mends.edits(self.seen.file, finding, self.seen.root)
                if edits:
                    yield self._action(
                        f"Mend {name_of(finding)}", [self._edit(one) for one in edits], diagnostic
                    )
                yield self._action(f"Waive {name_of(finding)} here", [self._waiver(finding)], diagnostic)

    def _edit(self, edit: Edit) -> types.TextEdit:
        line, column, end_line, end_column = edit.span
        return self.types.TextEdit(self._client(line - 1, column - 1, end_line - 1, end_column - 1), edit.new)

    def _waiver(self, finding: Finding) -> types.TextEdit:
        """Return the comment above the instruction; the gate asks for the reason until somebody writes it."""
        instructions = self.seen.file.instructions
        line = finding.place.line
        first = next(
            (one.span.line for one in instructions if one.span.line <= line <= one.span.end_line), line
        )
        return self.types.TextEdit(
            self._client(first - 1, 0, first - 1, 0), f'# dockproof: ignore={name_of(finding)} reason=""\n'
        )

    def _action(
        self, title: str, edits: Sequence[types.TextEdit], diagnostic: types.Diagnostic
    ) -> types.CodeAction:
        changes = self.types.WorkspaceEdit(changes={self.document.uri: list(edits)})
        kind = self.types.CodeActionKind.QuickFix
        return self.types.CodeAction(title, kind=kind, diagnostics=[diagnostic], edit=changes)

    def hover(self, position: types.Position) -> types.Hover | None:
        """Return the pages of the findings at a place; None where there is none."""
        here = [one for one in self.seen.findings if self.range(one.place).start.line == position.line]
        ids = [name for name in dict.fromkeys(one.policy for one in here) if name in self.seen.policies]
        if not ids:
            return None
        text = "\n\n---\n\n".join(_page(self.seen.policies[name]) for name in ids)
        return self.types.Hover(self.types.MarkupContent(self.types.MarkupKind.Markdown, text))


def _page(policy: Policy) -> str:
    page = catalog.page(policy)
    parts = [
        f"**{title}**\n\n{page[title]}" for title in ("What it holds", "Why it matters", "How to fix it")
    ]
    return f"### {policy.id}: {policy.title}\n\n" + "\n\n".join(parts)


# ------------------------------------------------------------------------------------------------------- the server


def server() -> LanguageServer:
    """Return the server with its features; `start_io` runs it."""
    from lsprotocol import types  # noqa: PLC0415 - see `main`
    from pygls.lsp.server import LanguageServer  # noqa: PLC0415 - as above

    made = LanguageServer("dockproof", dockproof.__version__)
    waiting: dict[str, asyncio.TimerHandle] = {}

    def publish(uri: str) -> None:
        waiting.pop(uri, None)
        document = made.workspace.get_text_document(uri)
        found = _Words(document).diagnostics()
        made.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, found, document.version))

    @made.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: types.DidOpenTextDocumentParams) -> None:
        publish(params.text_document.uri)

    @made.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def saved(params: types.DidSaveTextDocumentParams) -> None:
        publish(params.text_document.uri)

    @made.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(params: types.DidChangeTextDocumentParams) -> None:
        import asyncio  # noqa: PLC0415 - pygls has loaded it

        uri = params.text_document.uri
        if uri in waiting:
            waiting[uri].cancel()
        waiting[uri] = asyncio.get_running_loop().call_later(PAUSE, publish, uri)

    @made.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        if uri in waiting:
            waiting.pop(uri).cancel()
        made.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))

    @made.feature(types.TEXT_DOCUMENT_CODE_ACTION)
    def actions(params: types.CodeActionParams) -> list[types.CodeAction]:
        document = made.workspace.get_text_document(params.text_document.uri)
        return list(_Words(document).actions(params.range))

    @made.feature(types.TEXT_DOCUMENT_HOVER)
    def hover(params: types.HoverParams) -> types.Hover | None:
        document = made.workspace.get_text_document(params.text_document.uri)
        return _Words(document).hover(params.position)

    return made


def main(arguments: list[str]) -> int:
    """Run `dockproof lsp` until the client says exit.

    Raises:
        UsageError: the package for it is not installed.
    """
    from dockproof import cli  # noqa: PLC0415 - see `dockproof.cli`

    cli.parser_for("lsp").parse_args(arguments)
    try:
        made = server()
    except ImportError:
        raise UsageError(MISSING) from None
    output = os.fdopen(os.dup(sys.stdout.fileno()), "wb")  # the server closes what it is given
    made.start_io(sys.stdin.buffer, output)
    return Exit.CLEAN
