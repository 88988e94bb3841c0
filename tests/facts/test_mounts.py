"""RUN --mount: what it mounts and what it keeps out of the layer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockproof.facts.dockerfile import parse
from dockproof.facts.mounts import Mount, keeps_out, mounts


def mounted(options: str) -> Mount:
    """Read one mount."""
    (found,) = mounts(parse(f"FROM a\nRUN --mount={options} x").instructions[1])
    return found


def test_reads_all_keys() -> None:
    """Keys and their short names are read."""
    found = mounted("type=bind,from=build,src=/out,dst=/in,rw")
    assert (found.type, found.from_, found.source, found.target, found.read_only) == (
        "bind",
        "build",
        "/out",
        "/in",
        False,
    )
    cache = mounted("type=cache,id=pip,target=/c,sharing=locked,uid=1000,mode=0755")
    assert (cache.type, cache.id, cache.sharing, cache.options["uid"], cache.options["mode"]) == (
        "cache",
        "pip",
        "locked",
        "1000",
        "0755",
    )


def test_knows_defaults() -> None:
    """A mount is a read-only bind; a secret's place follows its id."""
    assert (mounted("target=/x").type, mounted("target=/x").read_only) == ("bind", True)
    assert mounted("type=secret,id=token").target == "/run/secrets/token"
    secret = mounted("type=secret,id=token,env=TOKEN,required")
    assert (secret.target, secret.env, secret.required) == (None, "TOKEN", True)
    assert not mounted("type=secret,id=token,required=false").required


def test_reads_quoted_fields() -> None:
    """A field in quotes may hold a comma."""
    assert mounted('type=cache,\\"target=/a,b\\"').target == "/a,b"


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/home/app/.cache", True),
        ("/home/app/.cache/pip/x", True),
        ("/home/app/.cache/../.cache/y", True),
        ("/home/app", False),
        ("/home/app/.cached", False),
        (".cache", True),
    ],
)
def test_keeps_what_lies_below_out_of_the_layer(path: str, *, kept: bool) -> None:
    """What is written below a mount's target is not in the layer."""
    run = parse(
        "FROM a\nRUN --mount=type=cache,target=/home/app/.cache --mount=type=tmpfs,target=/tmp x"
    ).instructions[1]
    assert keeps_out(run, path, workdir="/home/app") is kept


def test_gives_nothing_for_other_instructions() -> None:
    """Only RUN mounts; ONBUILD RUN too."""
    file = parse("FROM a\nCOPY a b\nONBUILD RUN --mount=type=tmpfs,target=/x y")
    assert mounts(file.instructions[1]) == ()
    assert [mount.type for mount in mounts(file.instructions[2])] == ["tmpfs"]


@given(st.text(max_size=60))
def test_never_raises(text: str) -> None:
    """Any text behind --mount= is read."""
    for instruction in parse(f"FROM a\nRUN --mount={text} x").instructions:
        for mount in mounts(instruction):
            assert mount.keeps_out("/x") in (True, False)
