"""Distribution packages, downloaded and unpacked into a folder of our own; the system's apt stays untouched."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.provision import host

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEYRINGS = Path("/usr/share/keyrings")
# Lists of screenshots and translations are configured on desktops; nothing here reads them.
LEAN = (
    "-oAPT::Sandbox::User=root",
    "-oAcquire::Languages=none",
    "-oAcquire::Retries=3",
    "-oAcquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false",
    "-oAcquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
    "-oDir::Etc::sourceparts=/dev/null",
)


def source_lines(codename: str, mirrors: Mapping[str, str], components: str, keyring: Path | None) -> str:
    """Return a sources.list for a release: one line for each pocket that the machine has a mirror of."""
    signed = f"[signed-by={keyring}] " if keyring else ""
    lines = [f"deb {signed}{mirror} {codename}{pocket} {components}" for pocket, mirror in mirrors.items()]
    return "\n".join(lines) + "\n"


def keyring(distribution: str) -> Path | None:
    """Return the distribution's archive keyring, or None where apt's trusted keys must do."""
    path = KEYRINGS / f"{distribution}-archive-keyring.gpg"
    return path if path.is_file() else None


@dataclass(frozen=True)
class PackageSource:
    """One release's packages behind a private apt root, `folder`, that holds its lists and downloads."""

    folder: Path
    codename: str
    mirrors: Mapping[str, str]
    distribution: str = "debian"

    @property
    def sources(self) -> Path:
        """The sources.list, as apt and mmdebstrap read it."""
        return self.folder / "sources.list"

    @property
    def archives(self) -> Path:
        """Where the .deb files are kept for the next run."""
        return self.folder / "archives"

    def update(self) -> None:
        """Write the sources and fetch the package lists."""
        for name in ("lists/partial", "archives/partial"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        components = "main universe" if self.distribution == "ubuntu" else "main"
        text = source_lines(self.codename, self.mirrors, components, keyring(self.distribution))
        self.sources.write_text(text, encoding="utf-8")
        self._apt("update", "-qq", "--error-on=any", purpose=f"read the package lists of {self.codename}")

    def unpack(self, packages: Sequence[str], target: Path) -> None:
        """Download packages (no dependencies) and unpack them into `target`."""
        target.mkdir(parents=True, exist_ok=True)
        for deb in self.download(packages):
            host.run(["dpkg", "-x", deb, target], f"unpack {deb.name}")

    def download(self, packages: Sequence[str]) -> list[Path]:
        """Download packages (no dependencies) and return their files; one that is here already is not fetched."""
        # apt leaves out what lies in its working folder already, so it is asked in another one.
        said = self._apt(
            "download", "--print-uris", *packages, purpose=f"find {' '.join(packages)}", cwd=self.folder
        )
        names = [line.split()[1] for line in said.splitlines() if line.startswith("'")]
        if missing := [name for name in names if not (self.archives / name).is_file()]:
            self._apt("download", "-qq", *packages, purpose=f"download {len(missing)} packages")
        return [self.archives / name for name in names]

    def _apt(self, command: str, *arguments: str, purpose: str, cwd: Path | None = None) -> str:
        options = (
            f"-oDir::Etc::sourcelist={self.sources}",
            f"-oDir::State::lists={self.folder / 'lists'}",
            f"-oDir::Cache={self.folder}",
            f"-oDir::Cache::archives={self.archives}",
        )
        return host.run(["apt-get", *LEAN, *options, command, *arguments], purpose, cwd=cwd or self.archives)

    def forget(self) -> None:
        """Remove the lists and downloads."""
        shutil.rmtree(self.folder, ignore_errors=True)
