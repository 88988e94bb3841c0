"""The language server, spoken to by a real client over a real pipe."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from lsprotocol import types
from pygls.lsp.client import LanguageClient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

TEXT = "FROM debian:13 as x\n# ü𝄞\nMAINTAINER 𝄞 x\nCMD npm start\n"
WAIT = 30


class Editor:
    """A client that opens one Dockerfile and remembers what the server says of it."""

    def __init__(self, path: Path) -> None:
        self.uri, self.path = path.as_uri(), path
        self.client = LanguageClient("test", "1")
        self.said: asyncio.Queue[types.PublishDiagnosticsParams] = asyncio.Queue()

        @self.client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)  # type: ignore[untyped-decorator]
        def published(params: types.PublishDiagnosticsParams) -> None:
            self.said.put_nowait(params)

    async def open(self, text: str) -> list[types.Diagnostic]:
        """Start the server, open the file with a text; return the diagnostics."""
        await self.client.start_io(sys.executable, "-m", "dockproof", "lsp")
        capabilities = types.ClientCapabilities()
        started = await self.client.initialize_async(
            types.InitializeParams(capabilities, root_uri=self.path.parent.as_uri())
        )
        assert started.server_info
        assert started.server_info.name == "dockproof"
        self.client.initialized(types.InitializedParams())
        item = types.TextDocumentItem(self.uri, types.LanguageKind.Dockerfile, 1, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return await self.next()

    async def next(self) -> list[types.Diagnostic]:
        """Return the next diagnostics."""
        params = await asyncio.wait_for(self.said.get(), WAIT)
        assert params.uri == self.uri
        return list(params.diagnostics)

    async def write(self, text: str, version: int) -> None:
        """Replace the whole text."""
        document = types.VersionedTextDocumentIdentifier(version, self.uri)
        change = types.TextDocumentContentChangeWholeDocument(text)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))

    async def actions(self, line: int) -> dict[str, types.CodeAction]:
        """Return the code actions of a line by title."""
        at = types.Range(types.Position(line, 0), types.Position(line, 1))
        params = types.CodeActionParams(
            types.TextDocumentIdentifier(self.uri), at, types.CodeActionContext([])
        )
        found: Any = await self.client.text_document_code_action_async(params)
        return {one.title: one for one in found}

    async def close(self) -> int:
        """End the server; return its exit code."""
        await self.client.shutdown_async(None)
        self.client.exit(None)
        server: Any = self.client._server  # noqa: SLF001 - the client hides its process
        code: int = await asyncio.wait_for(server.wait(), WAIT)
        await self.client.stop()  # type: ignore[no-untyped-call]
        return code


def session(path: Path, talk: Callable[[Editor], Awaitable[None]]) -> None:
    """Talk to a server, and end it whatever happens."""

    async def run() -> None:
        editor = Editor(path)
        try:
            await asyncio.wait_for(talk(editor), WAIT)
        finally:
            assert await editor.close() == 0

    asyncio.run(run())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A Dockerfile in a folder with a configuration."""
    (tmp_path / ".dockproof.toml").write_text('select = ["current-syntax", "exec-form"]\n')
    (tmp_path / "Dockerfile").write_text(TEXT)
    return tmp_path / "Dockerfile"


def test_findings_are_diagnostics_where_they_sit(path: Path) -> None:
    """Code, severity and place; columns count as the client counts, so that no sign is cut in two."""

    async def talk(editor: Editor) -> None:
        found = {str(one.code): one for one in await editor.open(TEXT)}
        assert set(found) == {"current-syntax/from-as", "current-syntax/maintainer", "exec-form/shell-form"}
        author = found["current-syntax/maintainer"]
        assert author.range == types.Range(types.Position(2, 0), types.Position(2, 15)), (
            "𝄞 is two units of UTF-16"
        )
        assert author.severity == types.DiagnosticSeverity.Information
        assert author.source == "dockproof"
        assert found["exec-form/shell-form"].severity == types.DiagnosticSeverity.Error

    session(path, talk)


def test_diagnostics_follow_the_text_and_go_with_it(path: Path) -> None:
    """What is mended is gone at once, what is closed says nothing."""

    async def talk(editor: Editor) -> None:
        assert len(await editor.open(TEXT)) == 3
        for version in range(2, 6):
            await editor.write(TEXT + "# more\n" * version, version)
        await editor.write("FROM debian:13 AS x\n", 6)
        assert await editor.next() == [], "one answer for the last of many changes"
        closing = types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(editor.uri))
        await editor.write(TEXT, 7)
        editor.client.text_document_did_close(closing)
        assert await editor.next() == []

    session(path, talk)


def test_code_actions_mend_and_waive(path: Path) -> None:
    """The edits of `dockproof fix`, and a waiver whose reason is for the writer to give."""

    async def talk(editor: Editor) -> None:
        await editor.open(TEXT)
        actions = await editor.actions(0)
        assert set(actions) == {"Mend current-syntax/from-as", "Waive current-syntax/from-as here"}
        (edit,) = _edits(actions["Mend current-syntax/from-as"], editor.uri)
        assert (edit.range, edit.new_text) == (_range(0, 15, 0, 17), "AS")
        actions = await editor.actions(3)
        (edit,) = _edits(actions["Waive exec-form/shell-form here"], editor.uri)
        assert edit.range == _range(3, 0, 3, 0)
        assert edit.new_text == '# dockproof: ignore=exec-form/shell-form reason=""\n'
        waived = TEXT.replace("CMD", edit.new_text + "CMD")
        await editor.write(waived, 2)
        assert "waiver/malformed" in {one.code for one in await editor.next()}, "the reason is asked for"
        await editor.write(waived.replace('""', '"a test"'), 3)
        assert {one.code for one in await editor.next()} == {
            "current-syntax/from-as",
            "current-syntax/maintainer",
        }

    session(path, talk)


def _edits(action: types.CodeAction, uri: str) -> list[types.TextEdit]:
    assert action.edit
    assert action.edit.changes
    return list(action.edit.changes[uri])


def _range(line: int, column: int, end_line: int, end_column: int) -> types.Range:
    return types.Range(types.Position(line, column), types.Position(end_line, end_column))


def test_hover_shows_the_page(path: Path) -> None:
    """Why it matters and how to mend it, beside the line; nothing beside a good one."""

    async def talk(editor: Editor) -> None:
        await editor.open(TEXT)
        document = types.TextDocumentIdentifier(editor.uri)
        hover: Any = await editor.client.text_document_hover_async(
            types.HoverParams(document, types.Position(3, 1))
        )
        assert hover.contents.value.startswith("### exec-form: ")
        assert "**How to fix it**" in hover.contents.value
        none = await editor.client.text_document_hover_async(
            types.HoverParams(document, types.Position(1, 1))
        )
        assert none is None

    session(path, talk)


def test_wrong_configuration_is_a_diagnostic(path: Path) -> None:
    """An editor has no exit code: the sentence stands at the head of the file."""
    path.with_name(".dockproof.toml").write_text("profil = 1\n")

    async def talk(editor: Editor) -> None:
        (only,) = await editor.open(TEXT)
        assert 'did you mean "profile"?' in only.message
        assert only.severity == types.DiagnosticSeverity.Error

    session(path, talk)


def test_missing_package_is_said_with_the_way_to_get_it(tmp_path: Path) -> None:
    """Without the extra the command says how to install it, and exits 2."""
    (tmp_path / "lsprotocol.py").write_text("raise ImportError\n")
    done = subprocess.run(
        [sys.executable, "-m", "dockproof", "lsp"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "pip install 'dockproof[lsp]'" in done.stderr
