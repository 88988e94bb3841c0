"""Builds image archives for tests, in the forms that engines and tools write."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Layer = Mapping[str, bytes | str | None]
"""Path to content of a file, to a link's target (text), or to None for a folder; names in the archive's own form."""


def layer(files: Layer) -> bytes:
    """Write a layer's tar."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as writer:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            writer.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return file.getvalue()


def config(
    layers: Sequence[bytes], *, history: Sequence[Mapping[str, object]] = (), **settings: object
) -> bytes:
    """Write the image's own JSON for these layers; without a history each is a step of its own."""
    document = {
        "os": "linux",
        "architecture": "amd64",
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [digest(each) for each in layers]},
        "history": history or [{"created_by": f"step {number}"} for number, _ in enumerate(layers)],
    }
    return json.dumps(document).encode()


def digest(data: bytes) -> str:
    """Return the digest of a blob."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def blob_name(data: bytes) -> str:
    """Return where a blob lies in an OCI layout."""
    return f"blobs/{digest(data).replace(':', '/')}"


def write(path: Path, blobs: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> Path:
    """Write blobs, and links between them, into an archive."""
    with tarfile.open(path, "w") as writer:
        for name, content in blobs.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            writer.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            writer.addfile(info)
    return path


def docker_archive(path: Path, layers: Sequence[bytes], **settings: Any) -> Path:
    """Write what engines before 25 write: a folder a layer, equal layers as links."""
    blobs, links, names = {"config.json": config(layers, **settings)}, {}, []
    for number, content in enumerate(layers):
        name, first = f"{number}/layer.tar", layers.index(content)
        names.append(name)
        if first < number:
            links[name] = f"../{first}/layer.tar"
        else:
            blobs[name] = content
    manifest = [{"Config": "config.json", "RepoTags": None, "Layers": names}]
    return write(path, {**blobs, "manifest.json": json.dumps(manifest).encode()}, links)


def oci_archive(
    path: Path, layers: Sequence[bytes], *, pack: Callable[[bytes], bytes] = bytes, **settings: Any
) -> Path:
    """Write an OCI layout as an archive, with an attestation beside the image; `pack` compresses its layers."""
    packed = [pack(each) for each in layers]
    configuration = config(layers, **settings)
    image = json.dumps(
        {"config": {"digest": digest(configuration)}, "layers": [{"digest": digest(each)} for each in packed]}
    ).encode()
    attestation = b'{"layers": []}'
    index = {
        "manifests": [
            {"digest": digest(attestation), "platform": {"os": "unknown", "architecture": "unknown"}},
            {"digest": digest(image), "platform": {"os": "linux", "architecture": "amd64"}},
        ]
    }
    blobs = {blob_name(each): each for each in (*packed, configuration, image, attestation)}
    return write(path, {"oci-layout": b"{}", **blobs, "index.json": json.dumps(index).encode()})
