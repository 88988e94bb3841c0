from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from scripts.provision import daemon, engine_cli, host, network

SAVED = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
:MINE - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -m comment --comment "to docker0" -j DOCKER
-A FORWARD -i docker01 -j MINE
-A DOCKER-USER -j RETURN
-A INPUT -i eth0 -j MINE
COMMIT
"""


def engine_in(folder: Path) -> daemon.PrivateEngine:
    """Return a private engine's paths in a folder."""
    return daemon.PrivateEngine(folder / "engine")


def test_daemon_keeps_everything_in_its_folder() -> None:
    """Nothing of it lies where another engine's things are."""
    command = daemon.command_line(engine_in(Path("/cache")), lacks_resource=False)
    assert [word for word in command if word.startswith("/") and not word.startswith("/cache/engine/")] == []
    assert "--default-ulimit" not in command


def test_daemon_without_resource_capability_limits_open_files(tmp_path: Path) -> None:
    """Raising a container's limit over the daemon's own would fail."""
    command = daemon.command_line(engine_in(tmp_path), lacks_resource=True)
    assert command[-2:] == ["--default-ulimit", "nofile=1024:1024"]


def test_sockets_of_deep_folder_lie_elsewhere() -> None:
    """A socket's path has a limit, a cache folder's has none."""
    ours = daemon.PrivateEngine(Path("/" + "deep/" * 30))
    assert len(str(ours.socket)) < daemon.LONGEST_SOCKET_PATH
    assert ours.state != daemon.PrivateEngine(Path("/" + "deep/" * 31)).state


def test_pid_of_other_program_is_never_ours(tmp_path: Path) -> None:
    """A pid file may outlive its daemon, and its number may be another program's by now."""
    ours = engine_in(tmp_path)
    ours.state.mkdir(parents=True)
    ours.pidfile.write_text(str(os.getpid()))
    assert ours.pid() is None
    assert daemon.stop(ours) is False


@pytest.mark.parametrize("text", ["", "no number", "4194999"])
def test_broken_pid_file_is_no_daemon(tmp_path: Path, text: str) -> None:
    """Empty, garbled and stale files are the same as none."""
    ours = engine_in(tmp_path)
    ours.state.mkdir(parents=True)
    ours.pidfile.write_text(text)
    assert ours.pid() is None


def test_socket_without_daemon_has_no_version(tmp_path: Path) -> None:
    """No socket is an answer."""
    assert engine_in(tmp_path).version() == ""


def test_daemon_that_ends_is_told_with_its_log(tmp_path: Path) -> None:
    """Its last lines stand in the error, and nobody waits for what is dead."""
    ours = engine_in(tmp_path)
    ours.folder.mkdir()
    ours.log.write_text("failed to start daemon: no space left\n")
    process = subprocess.Popen(["false"])
    with pytest.raises(host.ProvisionError, match="ended with 1 as it started") as caught:
        daemon._wait(ours, process)  # noqa: SLF001 - the wait is the behaviour
    assert caught.value.log == "failed to start daemon: no space left"


def test_clean_leaves_folder_with_something_else_alone(tmp_path: Path) -> None:
    """A folder that holds what these scripts never put there is not removed."""
    ours = engine_in(tmp_path)
    ours.folder.mkdir()
    (ours.folder / "thesis.txt").write_text("precious")
    with pytest.raises(host.ProvisionError, match=r"thesis\.txt, which is not ours"):
        daemon.destroy(ours)
    assert (ours.folder / "thesis.txt").is_file()


def test_removes_dockers_rules_and_no_others() -> None:
    """Rules into Docker's chains or of its bridge go, then the chains; the user's own stay."""
    assert list(network.removals(SAVED)) == [
        ["-D", "FORWARD", "-j", "DOCKER-USER"],
        ["-D", "FORWARD", "-o", "docker0", "-m", "comment", "--comment", "to docker0", "-j", "DOCKER"],
        ["-F", "DOCKER"],
        ["-F", "DOCKER-USER"],
        ["-X", "DOCKER"],
        ["-X", "DOCKER-USER"],
    ]


def test_shell_lines_survive_eval() -> None:
    """A path with a space and a quote comes through a real shell; None unsets."""
    lines = engine_cli.shell_lines({"DOCKER_HOST": "unix:///it's a path", "DOCKER_CONTEXT": None})
    script = f'DOCKER_CONTEXT=x; {lines}\nprintf "%s|%s" "$DOCKER_HOST" "${{DOCKER_CONTEXT-unset}}"'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "unix:///it's a path|unset"
