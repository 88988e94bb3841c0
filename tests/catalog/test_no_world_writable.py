from __future__ import annotations

import pytest

from tests.catalog.asking import findings, red
from tests.catalog.imaging import BASE_LAYER, entry, image_of, image_red

POLICY = "no-world-writable"


@pytest.mark.parametrize(
    "command",
    [
        "chmod 777 /app",
        "chmod -R 0777 /app",
        "chmod 666 /app/settings",
        "chmod a+w /app",
        "chmod -R ugo+rwX /app",
        "chmod o=rwx /app",
        "chmod u=rwx,go=u /app",
        "chmod a=rwx,u+s /app",
        "chmod -v 0002 /app",
        "find /app -type d -exec chmod 777 {} +",
        "find /app -type f | xargs chmod a+w",
        "mkdir -p -m 777 /app/uploads",
        "mkdir --mode=0777 /app/uploads",
        "install -d -m 777 /app/uploads",
        "sudo chmod 777 /app",
        "sh -c 'chmod 777 /app'",
        "cd /app && chmod -R 777 .",
        "mkdir /app && (chmod 777 /app)",
        "rm -rf /app && mkdir /app && chmod 777 /app",
        "chmod 755 /app && chmod 777 /app",
    ],
)
def test_flags_a_mode_that_lets_others_write(command: str) -> None:
    """Digits or letters, by whichever program."""
    assert red(POLICY, f"FROM debian\nRUN {command}\n") == [(2, "chmod")]


@pytest.mark.parametrize(
    "command",
    [
        "chmod 755 /app",
        "chmod -R u=rwX,go=rX /app",
        "chmod 1777 /scratch",
        "chmod a+rwxt /scratch",
        "chmod +t,a+w /scratch",
        "chmod 775 /app && chmod g=u /app",
        "chmod +w /app",
        "chmod +x /entrypoint.sh",
        "chmod -w /app",
        "chmod a+w,o-w /app",
        "chmod go-w /app",
        "chmod u+w,g+w /app",
        "chmod --reference=/bin/sh /app",
        "chmod 777 /app && chmod -R 755 /app",
        "chmod 777 /app && chmod o-w /app",
        "chmod -R 777 /tmp/build && rm -rf /tmp/build",
        "chmod 777 /dev/stdout",
        "chmod $MODE /app",
        "echo chmod 777 /app",
        "apt-get install -y chmod 777",
        "mkdir -p /app/777",
        "install -m 0755 tool /usr/local/bin/tool",
    ],
)
def test_passes_a_mode_that_keeps_others_out(command: str) -> None:
    """A sticky folder, a bare +w, what is closed or deleted again, and what cannot be known."""
    assert red(POLICY, f"FROM debian\nRUN {command}\n") == []


def test_flags_the_line_of_the_command_in_a_long_run() -> None:
    """The finding stands at the command, and names the value."""
    text = "FROM debian\nARG MODE=0777\nRUN mkdir /a \\\n && chmod $MODE /a\n"
    (finding,) = findings(POLICY, text)
    assert (finding.place.line, finding.message) == (4, "`chmod` with mode 0777 lets everybody write /a")


def test_flags_a_command_in_a_heredoc() -> None:
    """A heredoc is a script."""
    assert red(POLICY, "FROM debian\nRUN <<EOF\nset -e\nchmod -R 777 /app\nEOF\n") == [(4, "chmod")]


@pytest.mark.parametrize("flag", ["777", "0666", "a+w", "ugo=rwX"])
@pytest.mark.parametrize("keyword", ["COPY", "ADD"])
def test_flags_a_copy_that_lets_others_write(keyword: str, flag: str) -> None:
    """--chmod does what chmod does."""
    assert red(POLICY, f"FROM debian\n{keyword} --chmod={flag} a /a\n") == [(2, "copied")]


@pytest.mark.parametrize("flag", ["755", "u=rwX,go=rX", "1777", "$MODE"])
def test_passes_a_copy_that_does_not(flag: str) -> None:
    """A mode for the owner alone, a sticky one, an unknown one."""
    assert red(POLICY, f"FROM debian\nCOPY --chmod={flag} a /a\n") == []


@pytest.mark.parametrize("mask", ["0", "000", "0000", "001", "020"])
def test_flags_an_open_umask(mask: str) -> None:
    """All that follows is open."""
    assert red(POLICY, f"FROM debian\nRUN umask {mask} && make\n") == [(2, "umask")]


@pytest.mark.parametrize("mask", ["022", "0027", "077", "002", "-S", ""])
def test_passes_a_umask_that_keeps_others_out(mask: str) -> None:
    """The 2 of the last digit is what counts."""
    assert red(POLICY, f"FROM debian\nRUN umask {mask}\n") == []


def test_flags_a_trigger_once_and_where_it_is_written() -> None:
    """ONBUILD RUN is a RUN."""
    assert red(POLICY, "FROM debian AS a\nONBUILD RUN chmod 777 /app\nFROM a\n") == [(2, "chmod")]


def test_passes_what_lies_in_a_mount() -> None:
    """A cache mount is no layer."""
    assert red(POLICY, "FROM debian\nRUN --mount=type=cache,target=/cache chmod -R 777 /cache\n") == []


def test_image_flags_open_files_and_folders_of_own_layers() -> None:
    """One finding a layer, with the mode and the number."""
    image = image_of([*BASE_LAYER], [entry("/a", 0o666), entry("/d", 0o777, type="dir")])
    (found,) = image_red(POLICY, image, image_of([*BASE_LAYER]))
    assert found.message == "/a (0666) is writable for everybody, and 1 more with it"
    assert found.place.path == "/a"


def test_image_passes_sticky_folders_links_and_deleted_files() -> None:
    """What nobody sees, and what the sticky bit guards."""
    image = image_of(
        [entry("/old", 0o666)],
        [entry("/tmp", 0o1777, type="dir"), entry("/l", 0o777, type="link"), entry("/old", 0o644)],
    )
    assert image_red(POLICY, image) == []
