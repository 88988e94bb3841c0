"""Ignore files against BuildKit itself: generated rules over one tree, each a named context of one build."""

from __future__ import annotations

import os
import random
import tarfile
from typing import TYPE_CHECKING

import pytest

from dockproof.facts.context import BuildContext
from dockproof.facts.ignore import parse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dockproof.collect.engine import Engine

pytestmark = pytest.mark.engine

CONTEXTS = int(os.environ.get("DOCKPROOF_FUZZ_CONTEXTS", "40"))
_NAMES = ("a", "b", "ab", "a.md", "x.py", ".git", "c d", "[z]")
_PARTS = (
    *(
        "a",
        "b",
        "ab",
        "*",
        "**",
        "?",
        "a*",
        "*b",
        "*.md",
        "*f",
        "[ab]",
        "[^a]",
        "[a-c]*",
        ".git",
        "x.py",
        "bf",
        "af",
    ),
    *("a?f", "**f", "a**", ".", "..", "", "c d", "[[]z]", "\\a", "\\?", "\\-b", "\\w*"),
)


def _files() -> Iterator[str]:
    for first in _NAMES:
        yield f"{first}f"
        for second in _NAMES[:6]:
            yield f"{first}/{second}f"
            yield from (f"{first}/{second}/{third}f" for third in _NAMES[:4])


def _rules(chance: random.Random) -> str:
    """Write an ignore file that Docker accepts."""
    while True:
        lines = []
        for _ in range(chance.randint(1, 5)):
            parts = "/".join(chance.choices(_PARTS, k=chance.randint(1, 4)))
            lines.append(
                chance.choice(["", "", "!", "/", "./", "! ", "# "])
                + parts
                + chance.choice(["", "/", " ", "\r"])
            )
        text = "\n".join(lines)
        if not parse(text).problems:
            return text


def _write(root: Path, rules: str) -> Path:
    for name in _files():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / ".dockerignore").write_text(rules, newline="")
    return root


def test_takes_what_buildkit_takes(engine: Engine, tmp_path: Path) -> None:
    """For every generated ignore file, COPY . takes the same files in a real build."""
    chance = random.Random(os.environ.get("DOCKPROOF_SEED", "dockproof"))  # noqa: S311  # no secret
    contexts = {f"c{number}": _write(tmp_path / f"c{number}", _rules(chance)) for number in range(CONTEXTS)}
    root = tmp_path / "root"
    root.mkdir()
    lines = ["FROM scratch", *(f"COPY --from={name} / /{name}/" for name in contexts)]
    (root / "Dockerfile").write_text("\n".join(lines))
    named = [f"--build-context={name}={path}" for name, path in contexts.items()]
    target = tmp_path / "out.tar"
    engine.docker(
        "buildx", "build", "--quiet", *named, f"--output=type=tar,dest={target}", str(root), timeout=300
    )
    taken: dict[str, set[str]] = {name: set() for name in contexts}
    with tarfile.open(target) as archive:
        for member in archive:
            context, _, path = member.name.partition("/")
            if not member.isdir():
                taken[context].add(path)
    for name, folder in contexts.items():
        ours = set(BuildContext.open(folder, folder / "Dockerfile").taken_by(["."]))
        assert ours == taken[name], (folder / ".dockerignore").read_text()
