"""What a package manager's operand names: a package with its version, an address, or a local file.

Each reader takes one word and gives None for a local file or folder.
"""

from __future__ import annotations

import re

from dockproof.patterns import pattern
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dockproof.facts.shell_words import Word

_EXACT = pattern(r"v?[0-9][^*<>=~^ |,]*\.[^*<>=~^ |,]*|[0-9][^*<>=~^ |,.]*-[^*<>=~^ |,]*|[0-9a-f]{40}")
_APT = pattern(r"([^=/]+)(?:=(.*)|/(.*))?")
_APK = pattern(r"(!?[^=<>~@]+)(?:@[^=<>~]+)?(?:=(?!=)|==)?(.*?)(?:@.*)?", re.DOTALL)
_RPM_VERSION = pattern(r"(.+?)-((?:[0-9]+:)?[0-9][^-]*[.*][^-]*(?:-[0-9][^-]*)?|[0-9][^-]*-[0-9][^-]*)")
_RPM_RANGE = pattern(r"([^<>=\s]+)\s*(<=|>=|<|>|==?)\s*(.+)")
_REQUIREMENT = pattern(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(.*)", re.DOTALL)
_URL = pattern(r"(?:https?|ftp|file)://", re.IGNORECASE)
_VCS = pattern(r"(?:git|hg|svn|bzr)(?:\+[a-z]+)?://|git@|(?:github|gitlab|bitbucket|gist):")
_VCS_REVISION = pattern(r"://[^#]*?/[^#]*?@([^#/]+)|[^:]#(?:semver:)?([^&=]+)$")
_ARCHIVES = (
    ".deb",
    ".rpm",
    ".apk",
    ".whl",
    ".tar.gz",
    ".tgz",
    ".zip",
    ".gem",
    ".tar.bz2",
    ".tar",
    ".pkg.tar.zst",
    ".crate",
)


class Package(NamedTuple):
    """A package that a call names.

    Attributes:
        name: without version, extras and architecture; a variable stays as written, as `$PACKAGES`.
        version: as given: `1.0` for `x==1.0`, `x=1.0` and `x@1.0`; other operators stay, as `>=1,<2`; None without.
        word: the word that names it; not literal when it holds a variable.
        kind: `index` for a name to be looked up, `url` for an archive from the net, `vcs` for a repository.
    """

    name: str
    version: str | None
    word: Word
    kind: str = "index"

    @property
    def exact(self) -> bool:
        """Whether the version is one version: no range, no wildcard, no tag such as latest."""
        return self.version is not None and bool(_EXACT.fullmatch(self.version))


def _is_path(text: str) -> bool:
    """Whether the text names a local file or folder."""
    return text.startswith((".", "/", "~/", "file:")) or (text.endswith(_ARCHIVES) and not _URL.match(text))


def _remote(word: Word) -> Package | None:
    """Read an address; None where it is none."""
    text = word.text
    if _VCS.match(text):
        revision = _VCS_REVISION.search(text)
        return Package(text, (revision[1] or revision[2]) if revision else None, word, "vcs")
    return Package(text, None, word, "url") if _URL.match(text) else None


def read_plain(word: Word) -> Package | None:
    """Read a name that carries no version."""
    return None if _is_path(word.text) else _remote(word) or Package(word.text, None, word)


def read_apt(word: Word) -> Package | None:
    """Read `name`, `name=version`, `name/release` or `name:architecture`."""
    if _is_path(word.text):
        return None
    if word.text.isalnum():
        return Package(word.text, None, word)
    found = _APT.fullmatch(word.text)
    if found is None or word.text.startswith("$"):
        return Package(word.text, None, word)
    name = found[1].partition(":")[0]
    return Package(name, found[2] or found[3], word)


def read_apk(word: Word) -> Package | None:
    """Read `name`, `name=version`, `name~=version`, `name>version` or `name@repository`."""
    if word.text.endswith(".apk") or word.text.startswith(("/", "./")):
        return None
    found = _APK.fullmatch(word.text)
    return Package(found[1], found[2] or None, word) if found else Package(word.text, None, word)


def read_rpm(word: Word) -> Package | None:
    """Read `name`, `name-version`, `name-version-release`, `name = version` or `@module:stream`."""
    text = word.text
    if (
        text.startswith(("/", "./"))
        and not text.endswith(".rpm")
        and text.startswith(("/usr", "/bin", "/etc", "/sbin"))
    ):
        return Package(text, None, word)  # dnf finds the package that provides the file
    if _is_path(text):
        return None
    remote = _remote(word)
    if remote:
        return remote
    if text.startswith("@"):
        name, _, stream = text.partition(":")
        return Package(name, stream or None, word)
    found = _RPM_RANGE.fullmatch(text)
    if found:
        return Package(found[1], found[3] if found[2].startswith("=") else found[2] + found[3], word)
    found = _RPM_VERSION.fullmatch(text)
    return Package(found[1], found[2], word) if found else Package(text, None, word)


def read_pip(word: Word) -> Package | None:
    """Read a requirement as pip does: a name with conditions, an address, or a local path."""
    text = word.text
    remote = _remote(word)
    if remote:
        return remote
    name, at, address = text.partition("@")
    if at and (_URL.match(address.strip()) or _VCS.match(address.strip())):
        revision = _VCS_REVISION.search(address)
        kind = "vcs" if _VCS.match(address.strip()) else "url"
        return Package(name.strip().partition("[")[0], revision[1] if revision else None, word, kind)
    if _is_path(text):
        return None
    found = _REQUIREMENT.fullmatch(text)
    if found is None:
        return Package(text, None, word)
    return Package(found[1], _specifier(found[2]), word)


def _specifier(text: str) -> str | None:
    """Give the version of a requirement: that of `==` alone, or all of its conditions."""
    text = text.partition(";")[0].replace(" ", "").strip("()").removeprefix("@")
    if text.startswith("==") and "," not in text:
        return text.lstrip("=") or None
    return text or None


def read_npm(word: Word) -> Package | None:
    """Read `name`, `name@version`, `@scope/name@version`, an alias, an address or a local path."""
    text = word.text
    if _is_path(text):
        return None
    remote = _remote(word)
    if remote:
        return remote
    name, _, version = text[1:].partition("@")
    name = text[0] + name if text else ""
    if not version and text.count("/") == 1 and not text.startswith(("@", "$")):
        return Package(text, None, word, "vcs")  # npm's short form of a GitHub repository
    if version.startswith("npm:"):
        version = version.rpartition("@")[2] if "@" in version[5:] else ""
    return Package(name, version or None, word)


def read_gem(word: Word) -> Package | None:
    """Read `name` or `name:version`."""
    if _is_path(word.text):
        return None
    name, _, version = word.text.partition(":")
    return Package(name, version or None, word)


def read_go(word: Word) -> Package | None:
    """Read `module@version` or a local pattern."""
    text = word.text
    if text.startswith((".", "/")) or text == "all":
        return None
    name, _, version = text.partition("@")
    return Package(name, version or None, word)


def read_cargo(word: Word) -> Package | None:
    """Read `name` or `name@version`."""
    name, _, version = word.text.partition("@")
    return Package(name, version or None, word)
