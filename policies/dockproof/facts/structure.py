"""Answer structure tests from the facts of an image, without any container.

The tests are those of container-structure-test's schema 2.0.0 about files and metadata, read as its docker driver reads
them, and those of `x-dockproof: image:`, which its schema has no word for. What the facts do not tell (the content of a
large or binary file, a file that the engine makes when it creates a container) is `Unknown`, never a guess: then the
tool has to answer.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from dockproof.facts import golang
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dockproof.facts.image import FileEntry, ImageConfig, ImageFacts

ENGINE_MADE = (
    "/.dockerenv",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/etc/mtab",
    "/dev",
    "/proc",
    "/sys",
)
"""What an engine adds to each container, over whatever the image holds."""

BITS = {"owner": 0o100, "group": 0o010, "other": 0o001, "any": 0o111}
NOT_COMPARED = -1
"""The uid and gid that the tool takes for "not given"."""


class Unknown(Exception):  # noqa: N818 - it is no error, but an answer
    """The facts do not tell; the message says why."""


class Answered(NamedTuple):
    """What the facts say of one test.

    Attributes:
        name: the test's, as container-structure-test reports it.
        errors: a sentence for each thing that is not as asked; empty for a test that passed.
        unknown: why the facts do not tell, "" where they do.
    """

    name: str
    errors: tuple[str, ...] = ()
    unknown: str = ""


def file_existence(image: ImageFacts, test: Mapping[str, Any]) -> Answered:
    """Answer an entry of `fileExistenceTests`."""
    return _answered(f"File Existence Test: {test['name']}", lambda: _existence(image, test))


def file_content(image: ImageFacts, test: Mapping[str, Any]) -> Answered:
    """Answer an entry of `fileContentTests`."""
    return _answered(f"File Content Test: {test['name']}", lambda: _content(image, test))


def metadata(config: ImageConfig, test: Mapping[str, Any]) -> Answered:
    """Answer `metadataTest`."""
    return _answered("Metadata Test", lambda: _metadata(config, test))


def _answered(name: str, errors: Callable[[], Iterator[str]]) -> Answered:
    try:
        return Answered(name, tuple(errors()))
    except Unknown as unknown:
        return Answered(name, unknown=str(unknown))


# -------------------------------------------------------------------------------------------------- files


def _existence(image: ImageFacts, test: Mapping[str, Any]) -> Iterator[str]:
    path = test.get("path") or ""
    entry, wanted = lookup(image, path), test.get("shouldExist", True)
    if entry is None:
        if wanted:
            yield f"{path} should exist, but the image has no such file"
        return
    if not wanted:
        yield f"{path} should not exist, but the image has it ({golang.mode(entry)}, layer {entry.layer})"
    permissions, who = test.get("permissions"), test.get("isExecutableBy")
    if permissions and golang.mode(entry) != permissions:
        yield f"{path} has permissions {golang.mode(entry)}, not {permissions}"
    if who and not entry.mode & BITS[who]:
        yield f"{path} cannot be executed by {who}: its permissions are {golang.mode(entry)}"
    for word, owner in (("uid", entry.uid), ("gid", entry.gid)):
        if test.get(word, NOT_COMPARED) not in {NOT_COMPARED, owner}:
            yield f"{path} has {word} {owner}, not {test[word]}"


def _content(image: ImageFacts, test: Mapping[str, Any]) -> Iterator[str]:
    path = test.get("path") or ""
    entry = followed(image, path)
    if entry is None:
        yield f"{path} cannot be read: the image has no such file"
        return
    if entry.type == "dir":
        yield f"{path} cannot be read: it is a folder"
        return
    if path.endswith("/"):
        yield f"{path} cannot be read: it is no folder"
        return
    if entry.type not in {"file", "hardlink"}:
        raise Unknown(f"{path} is no regular file")
    text = image.read(entry.path)
    if text is None:
        raise Unknown(f"{path} is large or binary, and its content was not kept")
    content = golang.text(text)
    for regex in test.get("expectedContents") or ():
        if not _matches(regex, content):
            yield f"{path} holds nothing that {regex!r} matches"
    for regex in test.get("excludedContents") or ():
        if _matches(regex, content):
            yield f"{path} holds what {regex!r} matches, and must not"


def _matches(regex: str, text: str) -> bool:
    try:
        return golang.matches(regex, text)
    except golang.NoEngine as error:
        raise Unknown(str(error)) from None


def lookup(image: ImageFacts, path: str) -> FileEntry | None:
    """Return what stands at a path, a link itself where it is one; None for nothing.

    Raises:
        Unknown: the engine puts something there in each container, or the name depends on the environment.
    """
    resolved = _resolved(image, path)
    return None if resolved is None else _entry(image, resolved)


def _resolved(image: ImageFacts, path: str) -> str | None:
    """Follow the links of all folders of a path, not of its last part unless it ends with a slash."""
    if "$" in path:
        raise Unknown(f"{path} depends on the environment")
    folder, name = posixpath.split(path.rstrip("/") if path.strip("/") else path)
    if path.endswith(("/", "/.", "/..")) or name in {"", ".", ".."}:
        return image.resolve(path)
    above = image.resolve(folder)
    return None if above is None else posixpath.join(above, name)


def _entry(image: ImageFacts, path: str) -> FileEntry | None:
    volumes = tuple(volume.rstrip("/") for volume in image.config.volumes)
    for one in (*ENGINE_MADE, *volumes):
        if path == one or path.startswith(f"{one}/"):
            raise Unknown(f"{path} is made by the engine in each container")
    entry = image.files.get(path)
    if entry is None and (path == "/" or any(one.startswith(f"{path}/") for one in image.files)):
        raise Unknown(f"{path} stands in no layer, yet files below it do")
    return entry


def followed(image: ImageFacts, path: str) -> FileEntry | None:
    """Return what stands at a path with every link followed; None for nothing.

    Raises:
        Unknown: as for `lookup`.
    """
    entry = lookup(image, path)
    if entry is None or entry.type != "link":
        return entry
    resolved = image.resolve(path)
    return None if resolved is None else _entry(image, resolved)


# ----------------------------------------------------------------------------------------------- metadata


def _metadata(config: ImageConfig, test: Mapping[str, Any]) -> Iterator[str]:
    yield from _pairs("environment variable", config.env, test.get("envVars") or ())
    for pair in test.get("unboundEnvVars") or ():
        if pair["key"] in config.env:
            yield f"environment variable {pair['key']} should not be set, but it is"
    yield from _pairs("label", config.labels, test.get("labels") or ())
    for word, found in (("entrypoint", config.entrypoint), ("cmd", config.command)):
        wanted = test.get(word)
        if wanted is not None and tuple(wanted) != found:
            yield f"{word} is {list(found)}, not {list(wanted)}"
    for word, text in (("workdir", config.workdir), ("user", config.user)):
        if test.get(word) and test[word] != text:
            yield f"{word} is {text!r}, not {test[word]!r}"
    ports = {port.partition("/")[0] for port in config.ports}
    yield from _members("port", "exposed", ports, test.get("exposedPorts"), test.get("unexposedPorts"))
    volumes = set(config.volumes)
    yield from _members("volume", "declared", volumes, test.get("volumes"), test.get("unmountedVolumes"))


def _pairs(what: str, found: Mapping[str, str], wanted: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for pair in wanted:
        key, value = pair["key"], pair.get("value") or ""
        if key not in found:
            yield f"{what} {key} is not set"
        elif pair.get("isRegex") and not _matches(value, found[key]):
            yield f"{what} {key} is {found[key]!r}, which {value!r} does not match"
        elif not pair.get("isRegex") and found[key] != value:
            yield f"{what} {key} is {found[key]!r}, not {value!r}"


def _members(
    what: str, how: str, found: set[str], wanted: Sequence[str] | None, unwanted: Sequence[str] | None
) -> Iterator[str]:
    there = ", ".join(sorted(found)) or "none"
    yield from (f"{what} {one} is not {how}: {there}" for one in wanted or () if one not in found)
    yield from (f"{what} {one} should not be {how}, but it is" for one in unwanted or () if one in found)


# ---------------------------------------------------------------------------------- x-dockproof: image


def image_field(image: ImageFacts, field: str, wanted: Any) -> Answered:
    """Answer one assertion of `x-dockproof: image:`, a field of `ImageConfig`, or `id`, `platform`, `layers`.

    Args:
        image: the image.
        field: its name.
        wanted: a value that must be equal, `{matches: REGEX}` for a text, None for "must have none"; of the health
            check the fields that must be equal.
    """
    return _answered(f"Image Test: {field}", lambda: _image_field(image, field, wanted))


def _image_field(image: ImageFacts, field: str, wanted: Any) -> Iterator[str]:
    others: dict[str, Any] = {"id": image.id, "layers": len(image.layers), "platform": image.config.platform}
    found: Any = others[field] if field in others else getattr(image.config, field)
    if field == "healthcheck":
        yield from _health(image, wanted)
    elif field in {"env", "labels"}:
        yield from (f"{field} holds {key}, which is not asked for" for key in found if key not in wanted)
        yield from (
            line for key, one in wanted.items() for line in _field(f"{field} {key}", found.get(key), one)
        )
    else:
        yield from _field(field, list(found) if isinstance(found, tuple) else found, wanted)


def _field(name: str, found: Any, wanted: Any) -> Iterator[str]:
    shown = "not set" if found is None else repr(found)
    if isinstance(wanted, dict):
        if found is None or not _matches(wanted["matches"], found):
            yield f"{name} is {shown}, which {wanted['matches']!r} does not match"
    elif found != wanted:
        yield f"{name} is {shown}, not {'set' if wanted is None else repr(wanted)}"


def _health(image: ImageFacts, wanted: Mapping[str, Any] | None) -> Iterator[str]:
    check = image.config.healthcheck
    is_set = check is not None and not check.disabled
    if wanted is None:
        if is_set:
            yield "healthcheck is set, and must not be"
    elif check is None or not is_set:
        yield "healthcheck is not set"
    else:
        for name, value in wanted.items():
            found = getattr(check, name)
            yield from _field(
                f"healthcheck {name}", list(found) if isinstance(found, tuple) else found, value
            )
