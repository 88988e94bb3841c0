"""A real sshd on this machine's loopback, with keys of its own, so that DOCKER_HOST=ssh://… is tried as users have it.

Where none is installed, Debian's or Ubuntu's package is unpacked like the private engine's programs. The daemon runs in
a mount namespace of its own, where /run and the account file are copies: nothing of this machine's changes.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import pytest

from scripts.provision import host, unpacked
from scripts.provision.debs import PackageSource
from tests.scale.second import why_not as no_namespaces

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dockproof.collect.engine import Engine

NAME = "box"
"""What the client's own configuration calls the machine."""

PACKAGES = ("openssh-server", "libwrap0")
START_SECONDS = 10.0

SETUP = """
mount -t tmpfs none /run
mkdir /run/sshd
sed 's/^root:[^:]*:/root:*:/' /etc/shadow > "$0/shadow"
grep -v '^sshd:' /etc/passwd > "$0/passwd"
echo 'sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin' >> "$0/passwd"
mount --bind "$0/shadow" /etc/shadow
mount --bind "$0/passwd" /etc/passwd
exec "$@"
"""


class NoSshdError(Exception):
    """There is no sshd here, and none can be had; says why."""


@dataclass
class SecureShell:
    """The daemon, and a client that knows it; use it with `with`.

    Attributes:
        engine: whose address a login's `docker` talks to.
        folder: for keys and configurations.
    """

    engine: Engine
    folder: Path

    def __enter__(self) -> Self:
        """Start it and wait until it greets.

        Raises:
            NoSshdError: there is none.
        """
        with ExitStack() as stack:
            program, libraries = _program(stack)
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.port = free.getsockname()[1]
            self._keys()
            self._configure()
            command = [
                "setpriv",
                "--pdeathsig",
                "KILL",
                "unshare",
                "--mount",
                "sh",
                "-ec",
                SETUP,
                str(self.folder),
            ]
            command += [program, "-D", "-e", "-f", str(self.folder / "sshd_config")]
            log = stack.enter_context((self.folder / "sshd.log").open("wb"))
            env = {**os.environ, **libraries}
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env
            )
            stack.callback(self._end)
            self._wait()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._stack.close()

    @property
    def host(self) -> str:
        """The address of the engine behind it."""
        return f"ssh://{NAME}"

    @property
    def path(self) -> str:
        """A search path on which `ssh` reads the configuration here instead of the user's."""
        return f"{self.folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"

    @property
    def sessions(self) -> int:
        """How often a command was started over it."""
        return (self.folder / "sshd.log").read_text(encoding="utf-8").count("Starting session: command")

    def _keys(self) -> None:
        for name in ("machine", "user"):
            argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name)]
            subprocess.run(argv, check=True)
        public = (self.folder / "machine.pub").read_text(encoding="utf-8")
        (self.folder / "known").write_text(f"[127.0.0.1]:{self.port} {public}", encoding="utf-8")

    def _configure(self) -> None:
        server = f"""
            Port {self.port}
            ListenAddress 127.0.0.1
            HostKey {self.folder}/machine
            AuthorizedKeysFile {self.folder}/user.pub
            StrictModes no
            UsePAM no
            PidFile none
            LogLevel VERBOSE
            MaxStartups 100
            MaxSessions 100
            SetEnv PATH={os.environ["PATH"]} DOCKER_HOST={self.engine.host}
        """
        client = f"""
            Host {NAME}
            HostName 127.0.0.1
            Port {self.port}
            User root
            IdentityFile {self.folder}/user
            IdentitiesOnly yes
            UserKnownHostsFile {self.folder}/known
            StrictHostKeyChecking yes
            BatchMode yes
            ControlMaster auto
            ControlPath {self.folder}/c
            ControlPersist yes
        """
        (self.folder / "sshd_config").write_text(server, encoding="utf-8")
        (self.folder / "ssh_config").write_text(client, encoding="utf-8")
        program = self.folder / "bin" / "ssh"
        program.parent.mkdir()
        program.write_text(
            f'#!/bin/sh\nexec {shutil.which("ssh")} -F {self.folder}/ssh_config "$@"\n', encoding="utf-8"
        )
        program.chmod(0o755)

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as greeted:
                    assert greeted.recv(4) == b"SSH-"
                    return
            except OSError:
                log = (self.folder / "sshd.log").read_text(encoding="utf-8")
                assert self._process.poll() is None, log
                assert time.monotonic() < deadline, log
                time.sleep(0.05)

    def _end(self) -> None:
        """End the connection that the client keeps, then the daemon."""
        argv = [str(self.folder / "bin/ssh"), "-O", "exit", NAME]
        subprocess.run(argv, capture_output=True, check=False)
        self._process.terminate()
        self._process.wait(START_SECONDS)


@contextmanager
def secure_shell(engine: Engine, folder: Path) -> Iterator[SecureShell]:
    """Give a way to the engine by SSH, with a new folder for its keys; skips the test with the reason where none is."""
    folder.mkdir()
    with ExitStack() as stack:
        try:
            server = stack.enter_context(SecureShell(engine, folder))
        except NoSshdError as error:
            pytest.skip(str(error))
        yield server


def _program(stack: ExitStack) -> tuple[str, dict[str, str]]:
    """Return the program's path and what it needs in its environment; unpacks it where it is not installed."""
    if reason := no_namespaces():
        raise NoSshdError(reason)
    if missing := [name for name in ("ssh", "ssh-keygen") if shutil.which(name) is None]:
        raise NoSshdError(f"there is no {' and no '.join(missing)} here")
    if installed := shutil.which("sshd", path=f"/usr/sbin{os.pathsep}{os.environ.get('PATH', '')}"):
        return installed, {}
    root = host.cache_folder() / f"sshd-{os.getpid()}"
    stack.callback(host.remove, root)
    try:
        _unpack(root)
    except host.ProvisionError as error:
        raise NoSshdError(f"there is no sshd here, and none could be unpacked: {error}") from error
    return str(root / "usr/sbin/sshd"), unpacked.library_environment(root)


def _unpack(root: Path) -> None:
    release = host.this_release()
    mirrors = host.mirrors(release.codename)
    source = PackageSource(
        host.cache_folder() / "apt" / release.codename, release.codename, mirrors, release.distribution
    )
    try:
        source.unpack(PACKAGES, root)
    except host.ProvisionError:
        source.update()  # the lists are as old as the engine
        source.unpack(PACKAGES, root)
