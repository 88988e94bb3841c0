"""Builds a stand-in: mmdebstrap makes the root, an archive with a fixed date makes it an image.

The same packages give the same bytes, so the same image id: times are clamped to EPOCH, the archive is written in a
fixed order, and `docker load` keeps ids (`docker import` stamps the time of day on them).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import re
import shlex
import shutil
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.provision import host
from scripts.provision.debs import PackageSource, source_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scripts.provision.stand_in.recipes import Recipe

EPOCH = 1767225600  # 2026-01-01T00:00:00Z
CREATED = "2026-01-01T00:00:00Z"
RECIPE_LABEL = "dockproof.stand-in.recipe"
BUILD_SECONDS = 600
PERL_MODULES = ("Digest::SHA", "File::Find", "Math::BigInt", "Pod::Usage", "Term::ANSIColor", "Time::HiRes")
IMAGE_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
EXCLUDED = (
    "/usr/share/man/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/lintian/*",
    "/usr/share/doc/*",
)
# What Debian's own images set, so that a layer with an apt-get costs its packages and no more.
APT_SETTINGS = r"""
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb || true"; };
APT::Update::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::GzipIndexes "true";
Acquire::Languages "none";
Apt::AutoRemove::SuggestsImportant "false";
"""
# Nothing of the machine that built it, nor of the moment, may stay in the image.
TIDY = """
    rm -f /etc/hostname /etc/resolv.conf /etc/machine-id /var/lib/dbus/machine-id /etc/apt/sources.list
    rm -f /etc/apt/sources.list.d/0000sources.list /var/cache/ldconfig/aux-cache
    rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb /var/cache/apt/*.bin
    rm -rf /var/log/apt /var/log/*.log /var/log/btmp /var/log/wtmp /var/log/lastlog /var/cache/debconf/*-old /tmp/*
"""
POLICY = "#!/bin/sh\nexit 101\n"  # no package starts its service while it is installed


@dataclass(frozen=True)
class Workshop:
    """What every build shares: Debian's packages, the tools, and a folder for what is in the making."""

    packages: PackageSource
    tools: Path
    scratch: Path
    perl: Mapping[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """The variables that mmdebstrap runs with."""
        path = os.pathsep.join(
            [str(self.tools / "usr/bin"), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]
        )
        fixed = {
            "PATH": path,
            "SOURCE_DATE_EPOCH": str(EPOCH),
            "TMPDIR": str(self.scratch),
            "LC_ALL": "C.UTF-8",
        }
        return {**os.environ, **self.perl, **fixed}


@dataclass(frozen=True)
class Built:
    """A stand-in's archive, ready for `docker load`."""

    archive: Path
    image: str
    version: str
    seconds: float
    megabytes: float


def open_workshop(cache: Path, suite: str) -> Workshop:
    """Make ready what the builds need: package lists, mmdebstrap, and Perl's modules where the machine lacks them.

    Raises:
        ProvisionError: this machine cannot build Debian roots, with what to do instead.
    """
    release = host.this_release()
    if release.distribution != "debian" or os.geteuid() != 0:
        raise host.ProvisionError(
            "stand-in images need Debian and root; make a registry reachable or load the images"
        )
    own = host.mirrors(release.codename)
    packages = PackageSource(cache / "apt" / suite, suite, own)
    packages.update()
    tools = cache / "tools"
    if not (tools / "usr/bin/mmdebstrap").is_file():
        packages.unpack(["mmdebstrap"], tools)
    scratch = cache / "scratch"
    host.remove(scratch)  # an interrupted run's; the lock is ours
    scratch.mkdir(parents=True)
    return Workshop(packages, tools, scratch, _perl(cache, release, own))


def _perl(cache: Path, release: host.Release, own: Mapping[str, str]) -> dict[str, str]:
    """Return what Perl needs to find mmdebstrap's modules: a minimal system has perl-base alone."""
    try:
        host.run(["perl", *(f"-M{name}" for name in PERL_MODULES), "-e1"], "look for Perl's modules")
    except host.ProvisionError:
        series = host.run(["perl", "-e", 'printf "%vd", $^V'], "find Perl's version").rpartition(".")[0]
    else:
        return {}
    target = cache / "perl"
    source = PackageSource(cache / "apt" / release.codename, release.codename, own)
    source.update()
    source.unpack([f"perl-modules-{series}", f"libperl{series}"], target)
    folders = [target / f"usr/share/perl/{series}", *target.glob(f"usr/lib/*/perl/{series}")]
    return {"PERL5LIB": os.pathsep.join(map(str, folders))}


def build(recipe: Recipe, names: Sequence[str], workshop: Workshop) -> Built:
    """Build one stand-in's archive, which gives the image its names; the caller removes it."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=workshop.scratch, prefix=f"{recipe.repository}-") as folder:
        scratch = Path(folder)
        scratch.chmod(0o755)  # apt reads its sources as another user
        version = _overlay(recipe, workshop, scratch)
        _bootstrap(recipe, workshop, scratch)
        archive = workshop.scratch / f"{recipe.repository}.tar"
        layer = scratch / "layer.tar"
        image = write_archive(archive, layer, image_config(recipe, version), names)
        size = layer.stat().st_size / 1e6
    return Built(archive, image, version, time.monotonic() - began, size)


def upstream_version(package_version: str) -> str:
    """Return upstream's part of a Debian version: "5:8.0.2-3+deb13u3" is 8.0.2."""
    return re.split(r"[-+~]", package_version.rpartition(":")[2])[0]


def _overlay(recipe: Recipe, workshop: Workshop, scratch: Path) -> str:
    """Gather the files that do not come with apt; return the main package's Debian version."""
    unpacked, root = scratch / "unpacked", scratch / "overlay"
    workshop.packages.unpack(recipe.unpack, unpacked)
    if recipe.arrange:
        root.mkdir()
        recipe.arrange(unpacked, root)
    else:
        unpacked.rename(root)
    for program in recipe.programs:
        _install(program, root / "usr/local/bin" / program.name)
    names = [path.name for path in workshop.packages.download([recipe.main])]
    return names[0].split("_")[1].replace("%3a", ":")


def _install(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755)


def _bootstrap(recipe: Recipe, workshop: Workshop, scratch: Path) -> None:
    packages = workshop.packages
    setup = scratch / "setup.sh"
    setup.write_text(f"set -eu\n{recipe.setup}\n{TIDY}", encoding="utf-8")
    _settings(scratch / "settings", packages)
    hooks = [
        # With dereferenced links /bin would become a folder: the root's /bin and /lib are links into /usr.
        f'tar -C {_quote(scratch / "overlay")} --owner=0 --group=0 -c . | tar -C "$1" --keep-directory-symlink -x',
        f'chroot "$1" /bin/sh < {_quote(setup)}',
        f'cp -R {_quote(scratch / "settings")}/. "$1"',
    ]
    command = [
        "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--format=tar",
        "--include=usr-is-merged," + ",".join(recipe.include),
        f"--hook-dir={workshop.tools / 'usr/share/mmdebstrap/hooks/merged-usr'}",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED),
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        *(f"--customize-hook={hook}" for hook in hooks),
        packages.codename, str(scratch / "layer.tar"), str(packages.sources),
    ]  # fmt: skip
    host.run(
        command, f"build the root of {recipe.repository}", timeout=BUILD_SECONDS, env=workshop.environment
    )


def _quote(path: Path) -> str:
    return shlex.quote(str(path))


def _settings(folder: Path, packages: PackageSource) -> None:
    """Write apt's settings for builds on the stand-in: its sources are the ones that this machine reaches."""
    sources = source_lines(packages.codename, packages.mirrors, "main", IMAGE_KEYRING)
    for name, text in {
        "etc/apt/apt.conf.d/docker-clean": APT_SETTINGS,
        "etc/apt/sources.list.d/debian.list": sources,
        "usr/sbin/policy-rc.d": POLICY,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755 if "sbin" in name else 0o644)


def image_config(recipe: Recipe, version: str) -> dict[str, Any]:
    """Return the configuration of the recipe's image, without its layers."""
    config = dict(recipe.config)
    config["Env"] = [entry.format(version=upstream_version(version)) for entry in config["Env"]]
    config["Labels"] = {RECIPE_LABEL: recipe.fingerprint()}
    machine = platform.machine()
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    return {"architecture": architecture, "os": "linux", "created": CREATED, "config": config}


def write_archive(archive: Path, layer: Path, config: dict[str, Any], names: Sequence[str]) -> str:
    """Write an archive for `docker load` with one layer, and return the image's id ("sha256:…")."""
    with layer.open("rb") as handle:
        diff_id = "sha256:" + hashlib.file_digest(handle, "sha256").hexdigest()
    history = [{"created": CREATED, "created_by": "dockproof stand-in from Debian packages"}]
    whole = {**config, "rootfs": {"type": "layers", "diff_ids": [diff_id]}, "history": history}
    blob = json.dumps(whole, sort_keys=True).encode()
    digest = hashlib.sha256(blob).hexdigest()
    manifest = [{"Config": f"{digest}.json", "RepoTags": list(names), "Layers": ["layer.tar"]}]
    with tarfile.open(archive, "w") as tar:
        _add(tar, f"{digest}.json", blob)
        _add(tar, "manifest.json", json.dumps(manifest).encode())
        tar.add(layer, "layer.tar")
    return f"sha256:{digest}"


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))
