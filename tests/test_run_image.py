"""`dockproof image --run`: an image that nobody builds here, run as shipped with what it is given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dockproof import cli
from dockproof.collect import build, compose
from dockproof.errors import Exit, UsageError
from dockproof.run_image import SERVICE, Terms, manifest_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockproof.collect.engine import Engine
    from dockproof.collect.standins import StandIns

FOLDER = Path(__file__).parent / "run_image"
ASKED = ("declared-ports", "graceful-stop", "hardened-run", "healthcheck", "non-root")


def image_command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run the command; return its exit code, what its JSON says of the first image, and its errors."""
    select = [f"--select={policy}" for policy in ASKED]
    code = cli.main(["image", "--no-config", "--format=json", *select, *arguments])
    out, err = capsys.readouterr()
    return code, json.loads(out)["files"][0] if out else {}, err


# ---------------------------------------------------------------------------------------------- without an engine


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["x:1", "--env", "A=1"], "--env says how an image is run: give --run too"),
        (["x:1", "--no-network"], "--no-network says how an image is run"),
        (["./x.tar", "--run"], "./x.tar is a file; `docker load` it"),
        (["x:1", "--run", "--without", "frost"], "--without frost: there are arbitrary-uid, cost"),
    ],
)
def test_terms_that_mean_nothing_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    """Exit 2, and what to write instead."""
    code, _, err = image_command(capsys, *arguments)
    assert code == Exit.USAGE
    assert words in err


def test_command_line_is_compose_of_one_service() -> None:
    """A dollar sign means itself; a variable without a value is this process's own."""
    terms = Terms(environment={"A": "$x", "B": None}, command=("sh", "$y"), tmpfs=("/run",))
    manifest, name = manifest_of("redis:8", terms)
    assert name == SERVICE
    assert manifest.services[name].raw == {
        "image": "redis:8",
        "environment": {"A": "$$x", "B": None},
        "command": ["sh", "$$y"],
        "tmpfs": ["/run"],
    }


# ------------------------------------------------------------------------------------------------- with an engine


@pytest.fixture(scope="module")
def picky(engine: Engine, stand_ins: StandIns) -> Iterator[str]:
    """The name of an image that wants a variable and a folder to write to."""
    service = compose.load(FOLDER / "build.yaml").services["picky"]
    name = f"dockproof.localhost/picky:{engine.lease.id}"
    engine.docker("tag", build.build(engine, service, stand_ins, keep=False), name)
    yield name
    engine.docker("image", "rm", name, check=False)


@pytest.mark.engine
def test_image_that_wants_more_than_it_is_given_is_4(capsys: pytest.CaptureFixture[str], picky: str) -> None:
    """As shipped it ends at once: not looked at, with its last words, and what its config says is told all the same."""
    code, file, _ = image_command(capsys, picky, "--run")
    assert code == Exit.NOT_LOOKED
    (missed,) = file["not_looked"]
    assert "ended with exit code 1" in missed["reason"]
    assert "TOKEN is not set" in missed["log"]
    assert [finding["probe"] for finding in file["findings"]] == ["image"]


@pytest.mark.engine
def test_image_is_run_with_what_the_command_line_gives(
    engine: Engine, capsys: pytest.CaptureFixture[str], picky: str
) -> None:
    """Now it is healthy, is asked every runtime probe, and leaves nothing."""
    code, file, _ = image_command(
        capsys, picky, "--run", "--env", "TOKEN=$HOME", "--tmpfs", "/data:mode=1777", "--without", "death"
    )
    assert code == Exit.FINDINGS
    found = {(f["policy"], f["clause"], f["probe"]) for f in file["findings"]}
    assert found == {
        ("non-root", "root-group", "image"),
        ("non-root", "root-group", "runtime"),
        ("declared-ports", "undeclared", "runtime"),
        ("contradiction", "declared-ports", "runtime"),
    }
    assert file["not_looked"] == []
    assert [one["reason"] for one in file["not_applicable"]] == [
        "death was not tried: it is switched off for this run"
    ]
    here = ["ps", "--all", "--quiet", "--filter", f"ancestor={picky}"]
    assert engine.docker(*here).stdout == ""


@pytest.mark.engine
def test_image_is_run_as_a_compose_service_says(
    capsys: pytest.CaptureFixture[str], picky: str, tmp_path: Path
) -> None:
    """Its environment and its `x-dockproof` count; the service is found by its image."""
    service = {
        "image": picky,
        "environment": {"TOKEN": "x"},
        "tmpfs": ["/data:mode=1777"],
        "user": "10001:10001",
        "x-dockproof": {"experiments": {"death": False, "freeze": False, "cost": False}},
    }
    file = tmp_path / "compose.yaml"
    file.write_text(json.dumps({"services": {"it": service}}))
    code, seen, err = image_command(capsys, picky, "--run", "--compose", str(file))
    assert code == Exit.FINDINGS, err
    assert ("non-root", "runtime") not in {(f["policy"], f["probe"]) for f in seen["findings"]}
    assert len(seen["not_applicable"]) == 3
    code, _, err = image_command(capsys, "redis:8", "--run", "--compose", str(file))
    assert code == Exit.NOT_LOOKED or "0 services have `image: redis:8`" in err
    with pytest.raises(UsageError, match="0 services have `image: redis:8`; one must say how it is run: it "):
        manifest_of("redis:8", Terms(compose=file))
