"""Two builds of one folder are compared file by file."""

from pathlib import Path

import pytest

from dockproof.collect import image, reproduce
from dockproof.collect.compose import Build, Service
from dockproof.collect.engine import Engine
from dockproof.collect.standins import StandIns
from dockproof.errors import NotLookedError
from dockproof.facts.reproduction import (
    CONTENT,
    ONE,
    RIGHTS,
    TIME,
    Difference,
    Trace,
    compare,
    fields,
    unequal,
)
from tests.collect import archives

A = Trace("file", 0o644, 0, 0, "aa", 1)


@pytest.mark.parametrize(
    ("other", "how"),
    [
        (A, ""),
        (A._replace(mtime=2), TIME),
        (A._replace(mode=0o600, mtime=2), RIGHTS),
        (A._replace(uid=1), RIGHTS),
        (A._replace(digest="bb", mode=0o600), CONTENT),
        (A._replace(kind="link"), CONTENT),
    ],
)
def test_a_file_differs_by_the_worst_that_can_be_said(other: Trace, how: str) -> None:
    """Other content makes another date go without saying."""
    assert A.differs(other) == how


def test_compares_what_stands_at_each_path() -> None:
    """What one build alone has is a difference too."""
    found = list(compare({"/a": A, "/b": A}, {"/a": A, "/c": A}, 3))
    assert found == [Difference(3, "/b", ONE), Difference(3, "/c", ONE)]


def test_names_the_fields_of_the_config_but_not_layers_and_history() -> None:
    """Those are told by their files."""
    first = {"created": "1", "history": [1], "rootfs": 1, "config": {"Env": ["A=1"], "Labels": {"a": "1"}}}
    second = {"created": "2", "history": [2], "rootfs": 2, "config": {"Env": ["A=1"], "Labels": {"a": "2"}}}
    assert list(fields(first, second)) == ["config.Labels.a", "created"]
    assert unequal(["a", "b"], ["a", "c", "d"]) == [1, 2]


def _service(folder: Path, name: str = "one", dockerfile: str = "Dockerfile") -> Service:
    build = Build(folder, folder / dockerfile, "", {}, {"context": str(folder)})
    return Service(name, "", build, {}, {}, {}, (), (), {}, {})


def test_the_copy_has_other_modes_and_times_and_nothing_that_is_ignored(tmp_path: Path) -> None:
    """A checkout by another person, elsewhere and on another day."""
    source = tmp_path / "source"
    (source / "bin").mkdir(parents=True)
    for name, mode in {"Dockerfile": 0o644, "bin/run": 0o755, "secret": 0o644}.items():
        (source / name).write_text(name)
        (source / name).chmod(mode)
    (source / ".dockerignore").write_text("secret\n")
    (source / "link").symlink_to("bin/run")
    build = _service(source).build
    assert build
    copy = reproduce.elsewhere(build, tmp_path / "copy")
    files = {
        str(path.relative_to(copy.context)): path for path in copy.context.rglob("*") if not path.is_dir()
    }
    assert files.keys() == {"Dockerfile", ".dockerignore", "bin/run", "link"}
    assert files["bin/run"].stat().st_mode & 0o777 == 0o700
    assert {path.lstat().st_mtime for path in copy.context.rglob("*")} == {reproduce.OTHER_TIME}
    assert files["link"].is_symlink()
    assert copy.dockerfile == copy.context / "Dockerfile"


def test_refuses_a_context_that_is_no_folder_here() -> None:
    """There is nothing to copy."""
    engine = object.__new__(Engine)
    service = _service(Path("/nowhere"))._replace(build=None)
    with pytest.raises(NotLookedError, match="no folder here"):
        reproduce.reproduce(engine, service)


def test_files_rights_times_and_deletions_of_a_layer_are_compared(tmp_path: Path) -> None:
    """All that the facts of two images say of a layer; a layer that one build alone has is all difference."""

    def tree(name: str, files: archives.Layer, at: int = 0) -> dict[str, Trace]:
        path = archives.docker_archive(tmp_path / name, [archives.layer(files)])
        return reproduce._tree(image.from_archive(path).layers, at)  # noqa: SLF001 - the engine's part is apart

    first = tree(
        "1.tar", {"same": b"s", "text": b"a", "link": "same", "gone/.wh.x": b"", "d/.wh..wh..opq": b""}
    )
    second = tree("2.tar", {"same": b"s", "text": b"b", "link": "text", "new": b""})
    found = {(one.path, one.how) for one in compare(first, second, 0)}
    assert found == {
        ("/text", CONTENT),
        ("/link", CONTENT),
        ("/new", ONE),
        ("/gone/.wh.x", ONE),
        ("/d/.wh..wh..opq", ONE),
    }
    assert tree("3.tar", {"same": b"s"}, at=1) == {}


# ------------------------------------------------------------------------------------------- on an engine


DIFFERENT = """
FROM python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285
RUN date +%s%N > /content && mkdir /folder && touch --date=@0 /folder
COPY Dockerfile /copied
"""


@pytest.mark.engine
def test_names_what_differs_and_the_instruction(engine: Engine, stand_ins: StandIns, tmp_path: Path) -> None:
    """A stored time, the time of a folder, and the mode that a COPY takes from the checkout."""
    (tmp_path / "Dockerfile").write_text(DIFFERENT)
    found = reproduce.reproduce(engine, _service(tmp_path), stand_ins)
    groups = {(found.steps[layer].split()[0], how): paths for layer, how, paths in found.groups()}
    assert not found.identical
    assert groups["RUN", CONTENT] == ("/content",)
    assert groups["COPY", RIGHTS] == ("/copied",)
    assert found.config == ()
