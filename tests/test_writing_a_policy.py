"""docs/writing-a-policy.md does what it says: its files are written, its commands are run, their output is compared."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "writing-a-policy.md"
_BLOCK = re.compile(r"^```(?P<kind>[a-z]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A code block of the page."""

    kind: str
    text: str

    @property
    def file(self) -> str:
        """The path in the first line's comment; "" for commands."""
        return "" if self.kind == "console" else self.text.partition("\n")[0].removeprefix("# ")

    @property
    def commands(self) -> list[tuple[str, str]]:
        """Each command with the output that the page shows."""
        parts = re.split(r"^\$ (.*)\n", self.text, flags=re.MULTILINE)
        return list(zip(parts[1::2], parts[2::2], strict=True))


def blocks() -> list[Block]:
    """Return the page's code blocks, in order."""
    return [
        Block(match["kind"], match["text"]) for match in _BLOCK.finditer(PAGE.read_text(encoding="utf-8"))
    ]


def run(command: str, folder: Path) -> str:
    """Run a command of the page as its reader would; return all that it says."""
    site = folder / "site"
    pip = {"PIP_TARGET": str(site), "PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    quiet = {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment = {"PATH": path, "HOME": str(folder), "PIP_DISABLE_PIP_VERSION_CHECK": "1", **pip, **quiet}
    plugins = {"PYTEST_PLUGINS": "dockproof.plugin"}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**environment, **plugins},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.stdout + done.stderr


def is_as_shown(shown: str, said: str) -> bool:
    """Whether an output is what the page shows; `…` stands for anything."""
    wanted = ".*".join(re.escape(part.strip("\n")) for part in shown.split("…"))
    return re.fullmatch(wanted, said.strip("\n"), re.DOTALL) is not None


@pytest.mark.slow
def test_page_takes_a_reader_to_a_proven_policy(tmp_path: Path) -> None:
    """From an empty folder, block by block, to a policy that is asked, proven, explained and packaged."""
    commands = 0
    for block in blocks():
        if block.file:
            path = tmp_path / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        for command, shown in block.commands if block.kind == "console" else ():
            said = run(command, tmp_path)
            assert is_as_shown(shown, said), f"$ {command}\n{said}\n--- the page shows:\n{shown}"
            commands += 1
    assert commands >= 15


def test_comparison_tells_other_output() -> None:
    """The page's own proof would be worth nothing if any output passed."""
    assert is_as_shown("a\n…\nc\n", "a\nb\nc\n")
    assert is_as_shown("a\n…\n", "a\nb\n")
    assert not is_as_shown("a\n", "a\nb\n")
    assert not is_as_shown("…\nc\n", "a\nb\n")
