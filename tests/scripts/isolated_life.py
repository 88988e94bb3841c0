"""Lives through a private engine's life in a network of its own and prints what was there at each step, as JSON.

Run under `unshare --net --mount`: two daemons in one network would fight over the bridge and the firewall.
Arguments: the repository, and a cache folder with the unpacked programs in dockproof/engine/root and an image.tar.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from scripts.provision import daemon, unpacked

REPOSITORY, CACHE = (Path(argument) for argument in sys.argv[1:3])
ENGINE = CACHE / "dockproof" / "engine"
KEPT = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}
ENVIRONMENT = {**KEPT, "XDG_CACHE_HOME": str(CACHE)}


def script(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run scripts/engine."""
    command = [sys.executable, str(REPOSITORY / "scripts" / "engine"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=120, check=False)


def docker(*arguments: str) -> str:
    """Run the docker client against the engine."""
    done = script("run", "--", "docker", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def pid() -> int:
    """Return the daemon's process id."""
    return int((ENGINE / "run" / "dockerd.pid").read_text())


def save_tables() -> list[str]:
    """Return the packet filter's rules; the program is a copy, as the engine's own goes away with it."""
    libraries = unpacked.library_environment(CACHE / "copy")
    command = [str(CACHE / "copy/usr/sbin/iptables-save")]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, env=libraries
    ).stdout.splitlines()


def traces() -> dict[str, Any]:
    """Return what an engine could leave behind."""
    programs = [
        str(daemon.program(int(path.name))) for path in Path("/proc").iterdir() if path.name.isdigit()
    ]
    rules = save_tables()
    return {
        "interfaces": sorted(name for _, name in socket.if_nameindex()),
        "processes": [program for program in programs if program.startswith(str(CACHE))],
        "mounts": [line for line in Path("/proc/mounts").read_text().splitlines() if f" {CACHE}/" in line],
        "rules": [line for line in rules if line.startswith(("-A", ":DOCKER", ":FORWARD DROP"))],
        "forwarding": Path("/proc/sys/net/ipv4/ip_forward").read_text().strip(),
    }


def main() -> None:
    """Start, use, kill, start again, race, kill and clean."""
    for part in ("usr/lib", "usr/sbin"):
        shutil.copytree(ENGINE / "root" / part, CACHE / "copy" / part, symlinks=True, copy_function=os.link)
    seen: dict[str, Any] = {"before": traces()}
    first = script("up")
    seen["up"] = [first.returncode, first.stderr]
    docker("load", "--quiet", "--input", str(CACHE / "image.tar"))
    image = json.loads(docker("image", "ls", "--format", "json").splitlines()[0])["ID"]
    docker("network", "create", "own")
    # More than Docker's own pools hold.
    many = "for n in $(seq 40); do docker network create --label=dockproof.run=dead dead$n || exit; done"
    seen["many"] = script("run", "--", "sh", "-c", many).returncode
    docker("run", "--detach", "--label=dockproof.test=dead", "--volume=/data", image, "sleep", "1000")
    docker("tag", image, "dockproof.localhost/host/name:0123456789")
    docker("run", "--detach", "--network", "own", "--publish", "9000:9000", image, "sleep", "1000")
    seen["running"] = traces()
    os.kill(pid(), signal.SIGKILL)
    seen["dead"] = script("status").returncode
    again = script("up")
    seen["again"] = [again.returncode, again.stderr, docker("ps", "--all", "--format", "{{.State}}")]
    seen |= {f"{kind}s": docker(kind, "ls", "--format", "{{.Name}}") for kind in ("network", "volume")}
    seen["images"] = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
    script("down")
    race = [sys.executable, str(REPOSITORY / "scripts" / "engine"), "up"]
    runs = [subprocess.Popen(race, env=ENVIRONMENT, stderr=subprocess.DEVNULL) for _ in range(3)]
    seen["race"] = [run.wait(timeout=120) for run in runs]
    os.kill(pid(), signal.SIGKILL)
    seen["clean"] = script("clean").returncode
    seen["after"] = traces()
    seen["left"] = sorted(path.name for path in (CACHE / "dockproof").iterdir())
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main()
