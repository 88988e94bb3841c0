"""Build a service twice and compare the images, file by file.

The first build is the usual one, from the folder and the cache as they are. The second is clean: without the cache,
from a copy of the build context in another folder, with other file times and with what umask 077 would leave of the
modes. Both get the same SOURCE_DATE_EPOCH, since no engine gives an image the same id at another time without it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import posixpath
import shutil
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from dockproof.collect import archive, build, layer, process, tar
from dockproof.errors import NotLookedError
from dockproof.facts.context import BuildContext
from dockproof.facts.reproduction import Reproduction, Trace, compare, fields, unequal
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dockproof.collect.compose import Build, Service
    from dockproof.collect.engine import Engine
    from dockproof.collect.standins import StandIns

EPOCH = "SOURCE_DATE_EPOCH"
OTHER_TIME = 1_000_000_000
"""Seconds since 1970 that every file of the copy was changed at."""

OWNER = 0o700
"""The bits of a file's mode that a checkout under umask 077 keeps."""

TIMEOUT = 300.0
CHUNK = 256 * 1024

Tree = dict[str, Trace]


def reproduce(engine: Engine, service: Service, stand_ins: StandIns | None = None) -> Reproduction:
    """Build a service's image twice and compare.

    Raises:
        NotLookedError: a build failed, or the context is not a folder on this machine.
    """
    if service.build is None or service.build.remote or service.build.inline:
        raise NotLookedError(f"{service.name}: the build context is no folder here that could be copied")
    epoch = {EPOCH: os.environ.get(EPOCH, "0")}
    first = build.build(
        engine, service._replace(name=f"{service.name}-once"), stand_ins, env=epoch, keep=False
    )
    with process.home.temporary() as folder:
        again = service._replace(
            name=f"{service.name}-again", build=elsewhere(service.build, Path(folder, "elsewhere"))
        )
        second = build.build(engine, again, stand_ins, no_cache=True, env=epoch, keep=False)
    return compared(engine, first, second)


def elsewhere(source: Build, folder: Path) -> Build:
    """Copy what a build is sent to another folder, with other modes and times, and return the build of the copy."""
    context = BuildContext.open(source.context, source.dockerfile)
    names = list(context.taken_by(["."]))
    if context.truncated or context.errors:
        reason = "it holds too many files" if context.truncated else context.errors[0]
        raise NotLookedError(f"the build context {source.context} could not be copied: {reason}")
    files = [source.dockerfile, *([Path(context.ignore_path)] if context.ignore_path else [])]
    names += [str(file.relative_to(source.context)) for file in files if file.is_relative_to(source.context)]
    for name in dict.fromkeys(names):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source.context / name, target, follow_symlinks=False)
        if not target.is_symlink():
            target.chmod((source.context / name).stat().st_mode & OWNER)
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            path.chmod(OWNER)
        os.utime(path, (OTHER_TIME, OTHER_TIME), follow_symlinks=False)
    inside = source.dockerfile.is_relative_to(source.context)
    file = folder / source.dockerfile.relative_to(source.context) if inside else source.dockerfile
    return source._replace(context=folder, dockerfile=file, raw={**source.raw, "context": str(folder)})


def compared(engine: Engine, first: str, second: str) -> Reproduction:
    """Compare two images; their files are read only where their ids differ.

    Raises:
        NotLookedError: the engine could not give them.
    """
    documents = [engine.inspect_image(identity) for identity in (first, second)]
    if documents[0]["Id"] == documents[1]["Id"]:
        return Reproduction(first, second)
    layers = [list(document["RootFS"]["Layers"] or ()) for document in documents]
    one, two = saved(first), saved(second)
    differences = [
        difference
        for at in unequal(*layers)
        for difference in compare(_at(one.trees, at), _at(two.trees, at), at)
    ]
    return Reproduction(
        first,
        second,
        tuple(layers[0]),
        _steps(one.config, len(layers[0])),
        tuple(fields(one.config, two.config)),
        tuple(differences),
    )


def _at(trees: Sequence[Tree], index: int) -> Tree:
    return trees[index] if index < len(trees) else {}


def _steps(config: Mapping[str, Any], count: int) -> tuple[str, ...]:
    """Return the instruction of each layer."""
    made = [step.get("created_by", "") for step in config.get("history") or () if not step.get("empty_layer")]
    return tuple(made) if len(made) == count else ("",) * count


# ------------------------------------------------------------------------------------------------ the files


class Saved(NamedTuple):
    """An image as its archive holds it: its config, and for each layer what stands where."""

    config: Mapping[str, Any]
    trees: tuple[Tree, ...]


def saved(identity: str) -> Saved:
    """Read an image's archive with a digest of every file.

    Raises:
        NotLookedError: the engine could not give it, or it is damaged.
    """
    documents: dict[str, Any] = {}
    layers: dict[str, Tree] = {}
    aliases: dict[str, str] = {}
    with process.stream(["docker", "save", identity], timeout=TIMEOUT) as stream:
        for member, body in tar.members(stream):
            name = posixpath.normpath(member.name)
            if member.type in {"link", "hardlink"}:
                folder = posixpath.dirname(name) if member.type == "link" else ""
                aliases[name] = posixpath.normpath(posixpath.join(folder, member.link))
            elif member.type == "file":
                _blob(name, body, documents, layers)
        while stream.read(1024 * 1024):
            pass  # the padding behind the end, so that the writer ends well
    manifest = documents["manifest.json"][0]
    trees = tuple(layers[aliases.get(name, name)] for name in manifest["Layers"] or ())
    return Saved(documents[manifest["Config"]], trees)


def _blob(name: str, body: tar.Body, documents: dict[str, Any], layers: dict[str, Tree]) -> None:
    """Read one blob as what it looks like: JSON, or a layer."""
    stream = io.BufferedReader(body, CHUNK)
    head = stream.peek(2)[:2]
    if head[:1] in {b"{", b"["}:
        documents[name] = json.loads(stream.read())
    elif head == b"\x1f\x8b":
        with gzip.GzipFile(fileobj=stream) as plain:
            layers[name] = _tree(io.BufferedReader(plain, CHUNK))
    elif posixpath.basename(name) not in archive.IGNORED:
        layers[name] = _tree(stream)
    stream.detach()


def _tree(stream: IO[bytes]) -> Tree:
    """Return what a layer's archive holds, deletions by the names that they have in it."""
    return {
        layer.absolute(member.name): Trace(
            member.type, member.mode, member.uid, member.gid, _digest(member, body), member.mtime
        )
        for member, body in tar.members(stream)
    }


def _digest(member: tar.Member, body: tar.Body) -> str:
    if member.type != "file":
        return member.link
    digest = hashlib.sha256()
    while chunk := body.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()
