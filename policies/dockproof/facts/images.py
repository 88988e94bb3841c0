"""Image references by the grammar of the distribution project, as Docker normalises them."""

from __future__ import annotations

from dockproof.patterns import pattern
from dockproof.records import NamedTuple

_COMPONENT = r"[a-z0-9]++(?:(?:\.|__?|-++)[a-z0-9]++)*+"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = pattern(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_PATH = pattern(rf"{_COMPONENT}(?:/{_COMPONENT})*+")
_TAG = pattern(r"[0-9A-Za-z_][0-9A-Za-z_.-]{0,127}")
_DIGEST = pattern(r"(?:sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128})")
_IDENTIFIER = pattern(r"[a-f0-9]{64}")
_NAME_LIMIT = 255


class ImageRef(NamedTuple):
    """An image reference.

    Attributes:
        text: as written.
        registry: its host, "docker.io" where none is written.
        path: the repository, with "library/" in front of Docker's own images.
        tag: the tag, None where none is written.
        digest: as "sha256:…", None where none is written.
    """

    text: str
    registry: str
    path: str
    tag: str | None
    digest: str | None

    @classmethod
    def parse(cls, text: str) -> ImageRef:
        """Read a reference.

        Raises:
            ValueError: it is none; the message says what is wrong with it.
        """
        name, digest = _cut_digest(text)
        name, tag = _cut_tag(name)
        registry, path = _split_registry(name)
        if not _DOMAIN.fullmatch(registry):
            raise ValueError(f"{registry!r} is no registry host")
        if not _PATH.fullmatch(path):
            raise ValueError(_path_reason(path))
        if _IDENTIFIER.fullmatch(name):
            raise ValueError("64 hexadecimal digits are an image id, not a repository")
        if len(registry) + 1 + len(path) > _NAME_LIMIT:
            raise ValueError(f"the repository's name is longer than {_NAME_LIMIT} characters")
        return cls(text, registry, path, tag, digest)

    @property
    def name(self) -> str:
        """Registry and path, without tag and digest."""
        return f"{self.registry}/{self.path}"

    @property
    def familiar(self) -> str:
        """The path as people write it: without Docker's own registry and library."""
        if self.registry != "docker.io":
            return self.name
        return self.path.removeprefix("library/")


def _cut_digest(text: str) -> tuple[str, str | None]:
    name, at, digest = text.partition("@")
    if not at:
        return name, None
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest!r} is no digest (as sha256: and 64 hexadecimal digits)")
    return name, digest


def _cut_tag(text: str) -> tuple[str, str | None]:
    name, colon, tag = text.rpartition(":")
    if not colon or "/" in tag:
        return text, None
    if not _TAG.fullmatch(tag):
        raise ValueError(f"{tag!r} is no tag")
    return name, tag


def _split_registry(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if not slash or not (set(first) & {".", ":"} or first == "localhost" or first != first.lower()):
        first, rest = "docker.io", name
    if first == "index.docker.io":
        first = "docker.io"
    if first == "docker.io" and "/" not in rest:
        rest = f"library/{rest}"
    return first, rest


def _path_reason(path: str) -> str:
    shown = path.removeprefix("library/")
    if not shown:
        return "it names no repository"
    if _PATH.fullmatch(path.lower()):
        return f"the repository {shown!r} must be lower case"
    return f"{shown!r} is no repository name"
