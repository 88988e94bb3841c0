from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from scripts.provision import host

SAID = """\
'http://mirror.example/debian/dists/bookworm/InRelease' mirror.example_debian_dists_bookworm_InRelease 0
'http://mirror.example/debian/dists/bookworm-updates/InRelease' x 0
'https://mirror.example/security/dists/bookworm-security/InRelease' y 0
'https://other.example/node/dists/nodistro/InRelease' z 0
'http://mirror.example/debian/dists/bookworm/main/binary-amd64/Packages.xz' p 0
"""


def test_reads_mirrors_of_every_pocket() -> None:
    """Each pocket may lie on a mirror of its own; other makers' sources fall out."""
    assert host.parse_mirrors(SAID, "bookworm") == {
        "": "http://mirror.example/debian",
        "-updates": "http://mirror.example/debian",
        "-security": "https://mirror.example/security",
    }


def test_finds_no_mirror_of_other_release() -> None:
    """A release that apt has no source for has none."""
    assert host.parse_mirrors(SAID, "trixie") == {}


def test_reads_os_release() -> None:
    """Quotes of both kinds, comments and blank lines are allowed."""
    text = "# comment\nID=ubuntu\n\nVERSION_CODENAME='noble'\nVERSION_ID=\"24.04\"\n"
    assert host.parse_os_release(text) == host.Release("ubuntu", "noble", (24, 4))


def test_reads_release_without_number() -> None:
    """Debian testing has no VERSION_ID."""
    assert host.parse_os_release("ID=debian\nVERSION_CODENAME=forky\n").version == ()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_CACHE_HOME": "/c", "HOME": "/h"}, "/c/dockproof"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "/h/.cache/dockproof"),
        ({"XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache/dockproof"),
    ],
)
def test_cache_folder_follows_xdg(environ: dict[str, str], expected: str) -> None:
    """The specification has a relative or empty XDG_CACHE_HOME ignored."""
    assert host.cache_folder(environ) == Path(expected)


def test_run_tells_failure_with_last_lines() -> None:
    """The message has the purpose, the program and its code; the log its last words."""
    with pytest.raises(host.ProvisionError, match="cannot try it: sh ended with 3") as caught:
        host.run(["sh", "-c", "echo no luck >&2; exit 3"], "try it")
    assert caught.value.log == "no luck"


def test_run_tells_missing_program() -> None:
    """A program that is not there is named."""
    with pytest.raises(host.ProvisionError, match="there is no program no-such-tool"):
        host.run(["no-such-tool"], "try it")


def test_run_has_bounded_wait() -> None:
    """A program that hangs is ended."""
    began = time.monotonic()
    with pytest.raises(host.ProvisionError, match="no end within"):
        host.run(["sleep", "30"], "wait", timeout=0.2)
    assert time.monotonic() - began < 10


def test_lock_makes_second_run_wait(tmp_path: Path) -> None:
    """Two runs at once do not build the same thing."""
    order: list[str] = []

    def second() -> None:
        with host.lock(tmp_path / "l", "test"):
            order.append("second")

    with host.lock(tmp_path / "l", "test"):
        other = threading.Thread(target=second)
        other.start()
        time.sleep(0.3)
        order.append("first")
    other.join(timeout=10)
    assert order == ["first", "second"]


def test_lock_gives_up_in_bounded_time(tmp_path: Path) -> None:
    """A lock that is never released ends in a message."""
    with (
        host.lock(tmp_path / "l", "test"),
        pytest.raises(host.ProvisionError, match="another run holds"),
        host.lock(tmp_path / "l", "test", patience=0.1),
    ):
        pass


def test_counts_hard_link_once(tmp_path: Path) -> None:
    """Two names of one file are its size once."""
    (tmp_path / "a").write_bytes(b"x" * 1000)
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    assert host.megabytes(tmp_path) == pytest.approx(0.001)
