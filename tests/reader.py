"""Reads a page as its reader would: writes its files, runs its commands, compares what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(r"^```(?P<kind>[a-z]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A code block of a page."""

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


def blocks(page: str) -> list[Block]:
    """Return the code blocks of a page of the repository, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [Block(match["kind"], match["text"]) for match in _BLOCK.finditer(text)]


def run(command: str, folder: Path) -> str:
    """Run a command in a shell, with our programs on the path; return all that it says.

    What it installs with pip lands in `site` of the folder, without an index.
    """
    site = folder / "site"
    pip = {"PIP_TARGET": str(site), "PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    quiet = {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    plugins = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "dockproof.plugin"}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), **pip, **quiet, **plugins},
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


def follow(some: list[Block], folder: Path) -> int:
    """Write the files and run the commands of some blocks in a folder; return how many commands were run."""
    count = 0
    for block in some:
        if block.file:
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        for command, shown in block.commands if block.kind == "console" else ():
            said = run(command, folder)
            assert is_as_shown(shown, said), f"$ {command}\n{said}\n--- the page shows:\n{shown}"
            count += 1
    return count
