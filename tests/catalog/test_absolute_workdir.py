from __future__ import annotations

import pytest

from dockproof import catalog
from dockproof.facts.image import FileEntry, ImageConfig, ImageFacts, Layer
from dockproof.policy import ImageTarget
from tests.catalog.asking import red

POLICY = "absolute-workdir"


@pytest.mark.parametrize(
    "line",
    [
        "WORKDIR app",
        "WORKDIR ./app",
        'WORKDIR "app"',
        "WORKDIR ~/app",
        "ONBUILD WORKDIR app",
        "WORKDIR a$NOBODY_KNOWS/b",
    ],
)
def test_flags_a_relative_workdir(line: str) -> None:
    """Only the base image knows to what."""
    assert red(POLICY, f"FROM a\n{line}\n") == [(2, "absolute")]


@pytest.mark.parametrize(
    "lines",
    [
        "WORKDIR /app",
        'WORKDIR "/app"',
        "WORKDIR C:\\\\app",
        "WORKDIR c:/app",
        "WORKDIR $NOBODY_KNOWS",
        "ENV HOME=/home/app\nWORKDIR $HOME/x",
        "WORKDIR /app\nWORKDIR src",
        "WORKDIR /app\nONBUILD WORKDIR src",
    ],
)
def test_passes_an_absolute_workdir(lines: str) -> None:
    """Absolute, or relative to an absolute one of the file."""
    assert red(POLICY, f"FROM a\n{lines}\n") == []


def test_follows_variables() -> None:
    """ARG and ENV are followed to their value."""
    assert red(POLICY, "FROM a\nARG D=app\nWORKDIR $D\n") == [(3, "absolute")]


def test_inherits_a_workdir_through_from() -> None:
    """A stage begins where the one that it is built FROM ends, its triggers included."""
    assert red(POLICY, "FROM a AS b\nWORKDIR /x\nFROM b AS c\nFROM c\nWORKDIR y\nCOPY a .\n") == []
    assert red(POLICY, "FROM a AS b\nONBUILD WORKDIR /x\nFROM b\nCOPY a .\n") == []
    assert red(POLICY, "FROM a AS b\nWORKDIR /x\nFROM c\nCOPY --from=b a .\n") == [(4, "copy")]


@pytest.mark.parametrize(
    "run",
    [
        "cd /app",
        "ls && cd /app && make",
        "(cd a; make)",
        "sh -c 'cd a && make'",
        "if x; then cd a; fi; cd b",
        '["cd", "/a"]',
    ],
)
def test_flags_cd(run: str) -> None:
    """Once for each RUN."""
    assert red(POLICY, f"FROM a\nRUN {run}\n") == [(2, "cd")]


@pytest.mark.parametrize("run", ["make -C /app", "echo cd /app", "apt-get install -y cd-discid", "./cd"])
def test_passes_without_cd(run: str) -> None:
    """Another word, or another program's option."""
    assert red(POLICY, f"FROM a\nRUN {run}\n") == []


@pytest.mark.parametrize(
    "line",
    [
        "COPY a b",
        "COPY a .",
        'COPY ["a", "./b"]',
        "ADD a b",
        "COPY a ~/b",
        "ONBUILD COPY a b",
        "COPY <<E b\nx\nE",
    ],
)
def test_flags_a_relative_copy_without_workdir(line: str) -> None:
    """Where it goes cannot be read in the file."""
    assert red(POLICY, f"FROM a\n{line}\n") == [(2, "copy")]


def test_flags_a_copy_before_its_workdir() -> None:
    """What comes later says nothing."""
    assert red(POLICY, "FROM a\nCOPY a b\nWORKDIR /late\n") == [(2, "copy")]


@pytest.mark.parametrize(
    "lines",
    [
        "COPY a /b",
        'COPY ["a", "/b"]',
        "COPY a C:\\\\b",
        "COPY a $NOBODY_KNOWS",
        "WORKDIR /a\nCOPY a b",
        "WORKDIR $NOBODY_KNOWS\nCOPY a b",
        "ONBUILD COPY a b\nWORKDIR /a",
        "ONBUILD WORKDIR /a\nONBUILD COPY a b",
    ],
)
def test_passes_a_copy_whose_place_is_said(lines: str) -> None:
    """Absolute, or below a WORKDIR."""
    assert red(POLICY, f"FROM a\n{lines}\n") == []


@pytest.mark.parametrize(
    ("workdir", "kind", "found"), [("/app", "dir", 0), ("/app", "file", 1), ("/b", "dir", 1), ("/", "dir", 0)]
)
def test_looks_for_the_folder_in_the_image(workdir: str, kind: str, found: int) -> None:
    """The engine would have to make it."""
    entry = FileEntry("/app", kind, 0o755, 0, 0, 0, 0, "", 0)
    image = ImageFacts(
        reference="a",
        id="b",
        config=ImageConfig(workdir=workdir),
        layers=(Layer(0, "sha256:a", 0, None, (entry,)),),
    )
    assert len(list(catalog.load()[POLICY].image(ImageTarget(image)))) == found
