"""The private engine's programs: which packages of which release they come from, and how they are unpacked."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scripts.provision import host
from scripts.provision.debs import PackageSource

if TYPE_CHECKING:
    from pathlib import Path

# Debian's trixie is the first release with Docker >= 23. Its Go programs need only glibc >= 2.34, so they run on
# bookworm; its runc needs glibc 2.38, so runc and the C programs come from the machine's own release.
TRIXIE = (13,)
BOOKWORM = (12,)
DEBIAN_ENGINE = ("docker.io", "docker-cli", "docker-buildx", "docker-compose", "containerd", "tini")
# Ubuntu's mirror has no trixie; its own releases get new Dockers as updates.
UBUNTU_ENGINE = ("docker.io", "docker-buildx", "docker-compose-v2", "containerd", "tini")
OWN_RELEASE = (
    "runc", "libseccomp2", "iptables", "libxtables12", "libip4tc2", "libip6tc2", "libmnl0", "libnftnl11",
    "libnfnetlink0", "libnetfilter-conntrack3",
)  # fmt: skip
TABLES = ("iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore")
INSTALL_HINT = (
    "install Docker >= 23 with its buildx and compose plugins (docs.docker.com/engine/install) "
    "and start it, or set DOCKER_HOST to one that runs"
)


@dataclass(frozen=True)
class Plan:
    """Which packages to unpack from which release: the engine's, and those of the machine's own release."""

    engine_codename: str
    engine: tuple[str, ...]
    own: tuple[str, ...]


def plan(release: host.Release, *, root: bool, why: str) -> Plan:
    """Decide what to unpack on a release, where no engine can be used for the reason `why`.

    Raises:
        ProvisionError: none can be had here, with what the user can install instead.
    """
    if release.distribution not in {"debian", "ubuntu"}:
        name = release.distribution or "this system"
        raise host.ProvisionError(
            f"{why}; a private one needs Debian or Ubuntu, this is {name}; {INSTALL_HINT}"
        )
    if not root:
        raise host.ProvisionError(f"{why}; a private one needs root; {INSTALL_HINT}")
    if release.distribution == "ubuntu":
        return Plan(release.codename, UBUNTU_ENGINE, OWN_RELEASE)
    if release.version and release.version < BOOKWORM:
        raise host.ProvisionError(
            f"{why}; Debian {release.codename} is too old for a private one; {INSTALL_HINT}"
        )
    newer = not release.version or release.version >= TRIXIE  # testing has no VERSION_ID
    return Plan(release.codename if newer else "trixie", DEBIAN_ENGINE, OWN_RELEASE)


def unpack(what: Plan, release: host.Release, apt: Path, target: Path) -> None:
    """Download and unpack the plan's packages into `target`, which appears whole or not at all."""
    own_mirrors = host.mirrors(release.codename)
    fresh = target.with_name(target.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    for codename, packages in _by_release(what, release.codename).items():
        source = PackageSource(apt / codename, codename, own_mirrors, release.distribution)
        source.update()
        source.unpack(packages, fresh)
    link_tables(fresh)
    fresh.rename(target)


def _by_release(what: Plan, own: str) -> dict[str, tuple[str, ...]]:
    if what.engine_codename == own:
        return {own: what.engine + what.own}
    return {what.engine_codename: what.engine, own: what.own}


def link_tables(root: Path) -> None:
    """Link iptables and its kin to their nft programs, as the package's own script would."""
    folder = root / "usr" / "sbin"
    for name in TABLES:
        family, _, action = name.partition("-")
        program = f"{family}-nft-{action}" if action else f"{family}-nft"
        with contextlib.suppress(FileExistsError):
            (folder / name).symlink_to(program)


def search_path(root: Path) -> str:
    """Return the folders of the unpacked programs, for PATH."""
    return os.pathsep.join(str(root / part) for part in ("usr/bin", "usr/sbin"))


def library_environment(root: Path) -> dict[str, str]:
    """Return what makes unpacked C programs find their libraries and iptables its extensions."""
    folders = sorted(str(path) for path in (root / "usr" / "lib").glob("*-linux-gnu*") if path.is_dir())
    tables = [path for folder in folders for path in (f"{folder}/xtables",) if os.path.isdir(path)]  # noqa: PTH112 - the names are texts
    env = {"LD_LIBRARY_PATH": os.pathsep.join(folders)}
    return env | ({"XTABLES_LIBDIR": tables[0]} if tables else {})
