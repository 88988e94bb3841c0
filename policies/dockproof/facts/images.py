"""Image references by the grammar of the distribution project, as Docker normalises them."""

from __future__ import annotations

from dockproof.patterns import pattern
from dockproof.records import NamedTuple

_COMPONENT = r"[a-z0-9]++(?:(?:\.|__?|-++)[a-z0-9]++)*+"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = pattern(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_PATH = pattern(rf"{_COMPONENT}(?:/{_COMPONENT})*+")
_TAG = pattern(r"[0-9A-Za-z_][0-9A-Za-z_.-]{0,127}")
_HEX = "0123456789abcdef"
_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
"""Hexadecimal digits of a digest, by its algorithm."""
_TAG_LIMIT = 128
_NAME_LIMIT = 255
_HUB = "docker.io"


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
        if registry != _HUB and not _DOMAIN.fullmatch(registry):
            raise ValueError(f"{registry!r} is no registry host")
        if not _is_path(path):
            raise ValueError(_path_reason(path))
        if len(name) == _DIGITS["sha256"] and not name.strip(_HEX):
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
        if self.registry != _HUB:
            return self.name
        return self.path.removeprefix("library/")


def _cut_digest(text: str) -> tuple[str, str | None]:
    name, at, digest = text.partition("@")
    if not at:
        return name, None
    algorithm, _, digits = digest.partition(":")
    if len(digits) != _DIGITS.get(algorithm) or digits.strip(_HEX):
        raise ValueError(f"{digest!r} is no digest (as sha256: and 64 hexadecimal digits)")
    return name, digest


def _cut_tag(text: str) -> tuple[str, str | None]:
    name, colon, tag = text.rpartition(":")
    if not colon or "/" in tag:
        return text, None
    if not (_is_plain(tag) and len(tag) <= _TAG_LIMIT) and not _TAG.fullmatch(tag):
        raise ValueError(f"{tag!r} is no tag")
    return name, tag


def _split_registry(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if not slash or not (set(first) & {".", ":"} or first == "localhost" or first != first.lower()):
        first, rest = _HUB, name
    if first == "index.docker.io":
        first = _HUB
    if first == _HUB and "/" not in rest:
        rest = f"library/{rest}"
    return first, rest


def _is_path(path: str) -> bool:
    return all(_is_plain(part) and part == part.lower() for part in path.split("/")) or bool(
        _PATH.fullmatch(path)
    )


def _is_plain(text: str) -> bool:
    """Whether it is letters and digits alone, as most names are: no pattern is needed for these."""
    return text.isalnum() and text.isascii()


def _path_reason(path: str) -> str:
    shown = path.removeprefix("library/")
    if not shown:
        return "it names no repository"
    if _is_path(path.lower()):
        return f"the repository {shown!r} must be lower case"
    return f"{shown!r} is no repository name"
