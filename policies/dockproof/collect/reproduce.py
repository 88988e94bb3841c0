"""Build a service twice and compare the images, file by file.

The first build is the usual one, from the folder and the cache as they are. The second is clean: without the cache,
from a copy of the build context in another folder, with other file times and with what umask 077 would leave of the
modes. Both get the same SOURCE_DATE_EPOCH, since no engine gives an image the same id at another time without it.
"""

from __future__ import annotations

import os
import posixpath
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockproof.collect import build, image, process
from dockproof.errors import NotLookedError
from dockproof.facts.context import BuildContext
from dockproof.facts.reproduction import Reproduction, Trace, compare, fields, unequal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dockproof.collect.compose import Build, Service
    from dockproof.collect.engine import Engine
    from dockproof.collect.standins import StandIns
    from dockproof.facts.image import Layer

EPOCH = "SOURCE_DATE_EPOCH"
OTHER_TIME = 1_000_000_000
"""Seconds since 1970 that every file of the copy was changed at."""

OWNER = 0o700
"""The bits of a file's mode that a checkout under umask 077 keeps."""


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
    image.prefetch(engine, [first, second])
    one, two = (image.facts(engine, identity).layers for identity in (first, second))
    diff_ids = [layer.diff_id for layer in one]
    differences = [
        difference
        for at in unequal(diff_ids, [layer.diff_id for layer in two])
        for difference in compare(_tree(one, at), _tree(two, at), at)
    ]
    return Reproduction(
        first,
        second,
        tuple(diff_ids),
        tuple(layer.history.created_by if layer.history else "" for layer in one),
        tuple(fields(_settings(documents[0]), _settings(documents[1]))),
        tuple(differences),
    )


def _settings(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an image's own JSON says of it, by the names that it has there."""
    names = ("Architecture", "Author", "Config", "Created", "Os", "Variant")
    return {name.lower(): document[name] for name in names if name in document}


def _tree(layers: Sequence[Layer], at: int) -> dict[str, Trace]:
    """Return what a layer holds, deletions by the names that they have in its archive; nothing where there is none."""
    if at >= len(layers):
        return {}
    layer = layers[at]
    gone = [
        posixpath.join(posixpath.dirname(path), f".wh.{posixpath.basename(path)}") for path in layer.whiteouts
    ]
    gone += [posixpath.join(path, ".wh..wh..opq") for path in layer.opaque]
    return {path: Trace("whiteout", 0, 0, 0, "", 0) for path in gone} | {
        one.path: Trace(one.type, one.mode, one.uid, one.gid, one.digest or one.link, one.mtime)
        for one in layer.entries
    }
