"""Images on disk: every form gives the same facts, the right platform is chosen, hostile ones touch nothing."""

from __future__ import annotations

import functools
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockproof import catalog, image_command
from dockproof.collect import archive, image, tar
from dockproof.collect import layer as layers
from dockproof.collect.tar import ArchiveError
from dockproof.config import Config
from dockproof.errors import NotLookedError
from tests.collect import archives

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LAYER = archives.layer({"etc/passwd": b"root:x:0:0::/:/bin/sh\n", "app": b"x"})


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep facts in a folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def unpacked(path: Path) -> Path:
    """Unpack an archive into a folder beside it, as `tar x` does."""
    folder = path.with_suffix(".d")
    with tarfile.open(path) as reader:
        reader.extractall(folder, filter="data")
    return folder


def zipped(path: Path) -> Path:
    """Compress a whole archive, as `docker save | gzip` does."""
    target = path.with_suffix(".tar.gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    return target


def zstandard(path: Path) -> Path:
    """Compress a whole archive with zstd."""
    target = path.with_suffix(".tar.zst")
    target.write_bytes(layers.compress(path.read_bytes()))
    return target


FORMS: dict[str, Callable[[Path], Path]] = {
    "docker-archive": lambda path: archives.docker_archive(path, [LAYER, LAYER], User="7"),
    "oci-archive": lambda path: archives.oci_archive(path, [LAYER, LAYER], User="7"),
    "oci-archive-gzip": lambda path: archives.oci_archive(path, [LAYER, LAYER], pack=gzip.compress, User="7"),
    "oci-archive-zstd": lambda path: archives.oci_archive(
        path, [LAYER, LAYER], pack=layers.compress, User="7"
    ),
    "oci-folder": lambda path: unpacked(archives.oci_archive(path, [LAYER, LAYER], User="7")),
    "oci-folder-zstd": lambda path: unpacked(
        archives.oci_archive(path, [LAYER, LAYER], pack=layers.compress, User="7")
    ),
    "docker-folder": lambda path: unpacked(archives.docker_archive(path, [LAYER, LAYER], User="7")),
    "gzip": lambda path: zipped(archives.docker_archive(path, [LAYER, LAYER], User="7")),
    "zstd": lambda path: zstandard(archives.docker_archive(path, [LAYER, LAYER], User="7")),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_facts(form: str, tmp_path: Path) -> None:
    """Archive or folder, plain, gzip or zstd: the same config, files and texts; from the cache too."""
    path = FORMS[form](tmp_path / "image.tar")
    for _ in range(2):
        facts = image.from_archive(path)
        assert facts.id == archives.digest(archives.config([LAYER, LAYER], User="7"))
        assert [one.diff_id for one in facts.layers] == [archives.digest(LAYER)] * 2
        assert facts.config.user == "7"
        assert facts.files["/app"].digest == archives.digest(b"x").removeprefix("sha256:")
        assert facts.read("/etc/passwd") == b"root:x:0:0::/:/bin/sh\n"


def test_layer_that_begins_like_json_is_a_layer(tmp_path: Path) -> None:
    """A file may be named as web frameworks name theirs."""
    content = archives.layer({"[id].js": b"x", "{a}": b"y"})
    path = archives.docker_archive(tmp_path / "image.tar", [content])
    for one in (path, zipped(path)):
        assert set(image.from_archive(one).files) == {"/[id].js", "/{a}"}


def test_changed_archive_is_read_again(tmp_path: Path) -> None:
    """The cache knows an archive by its size and times."""
    path = archives.docker_archive(tmp_path / "image.tar", [LAYER], User="1")
    assert image.from_archive(path).config.user == "1"
    archives.docker_archive(path, [LAYER], User="2")
    assert image.from_archive(path).config.user == "2"


def test_metadata_of_files_is_complete(tmp_path: Path) -> None:
    """Mode, owner, link, device, digest and extended attributes come back."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as writer:
        one = tarfile.TarInfo("bin/ping")
        one.mode, one.uid, one.gid, one.mtime, one.size = 0o4755, 1, 2, 3, 2
        value = bytes.fromhex("0100000200200000000000000000000000000000")
        one.pax_headers = {"SCHILY.xattr.security.capability": value.decode("utf-8", "surrogateescape")}
        writer.addfile(one, io.BytesIO(b"ab"))
        two = tarfile.TarInfo("bin/ping6")
        two.type, two.linkname = tarfile.LNKTYPE, "bin/ping"
        writer.addfile(two)
    path = archives.docker_archive(tmp_path / "image.tar", [file.getvalue()])
    first, second = image.from_archive(path).layers[0].entries
    assert (first.mode, first.uid, first.gid, first.mtime, first.size) == (0o4755, 1, 2, 3, 2)
    assert first.digest == archives.digest(b"ab").removeprefix("sha256:")
    assert first.capabilities == ("cap_net_raw",)
    assert (second.type, second.link, second.digest) == ("hardlink", "/bin/ping", "")


# ------------------------------------------------------------------------------------------------ platforms


def several(path: Path, *platforms: str) -> Path:
    """Write an OCI archive of images for several platforms; each has its platform as user."""
    blobs, entries = {"oci-layout": b"{}"}, []
    for platform in platforms:
        system, architecture, *variant = platform.split("/")
        configuration = json.dumps(
            {
                "os": system,
                "architecture": architecture,
                "variant": "".join(variant),
                "config": {"User": platform},
                "rootfs": {"diff_ids": [archives.digest(LAYER)]},
            }
        ).encode()
        manifest = json.dumps(
            {
                "config": {"digest": archives.digest(configuration)},
                "layers": [{"digest": archives.digest(LAYER)}],
            }
        ).encode()
        for blob in (configuration, manifest, LAYER):
            blobs[archives.blob_name(blob)] = blob
        entries.append({"digest": archives.digest(manifest)})
    return archives.write(path, {**blobs, "index.json": json.dumps({"manifests": entries}).encode()})


@pytest.mark.parametrize(
    ("there", "wanted", "found"),
    [
        (("linux/arm64/v8", "linux/amd64"), "linux/arm64", "linux/arm64/v8"),
        (("linux/arm64", "linux/amd64"), "linux/arm64/v8", "linux/arm64"),
        (("linux/arm/v6", "linux/arm/v7"), "linux/arm/v7", "linux/arm/v7"),
        (("windows/amd64", archive.host_platform()), "", archive.host_platform()),
        (("linux/s390x",), "", "linux/s390x"),
        (("linux/amd64",), "linux/amd64", "linux/amd64"),
    ],
)
def test_platform_is_chosen(there: tuple[str, ...], wanted: str, found: str, tmp_path: Path) -> None:
    """The one that was asked for, else the machine's own, else the only one."""
    facts = image.from_archive(several(tmp_path / "image.tar", *there), wanted)
    assert facts.config.user == found
    assert facts.config.platform == found


@pytest.mark.parametrize(
    ("there", "wanted"),
    [(("linux/amd64", "linux/arm64"), "linux/s390x"), (("linux/s390x", "linux/ppc64le"), "")],
)
def test_missing_platform_names_those_that_are_there(
    there: tuple[str, ...], wanted: str, tmp_path: Path
) -> None:
    """Nobody has to open the archive to know what to ask for."""
    with pytest.raises(NotLookedError, match="but for " + ", ".join(sorted(there))):
        image.from_archive(several(tmp_path / "image.tar", *there), wanted)


CONFIG_TYPE, LAYER_TYPE = "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"


def descriptor(blobs: dict[str, bytes], content: bytes, **more: object) -> dict[str, object]:
    """Keep a blob and return what names it."""
    blobs[archives.blob_name(content)] = content
    return {"digest": archives.digest(content), "size": len(content), **more}


def document(**parts: object) -> bytes:
    """Write a manifest or index."""
    return json.dumps({"schemaVersion": 2, **parts}).encode()


def of_containerd(path: Path, *, manifest: bool) -> Path:
    """Write what `docker save` of a containerd image store writes, and a signature and a chart beside it.

    That is an index in the index: two platforms of which one's blobs were pulled, and an attestation.
    """
    blobs: dict[str, bytes] = {"oci-layout": b"{}"}
    configuration = archives.config([LAYER], User="7")
    config = descriptor(blobs, configuration, mediaType=CONFIG_TYPE)
    layer = descriptor(blobs, LAYER, mediaType=LAYER_TYPE)
    image_manifest = descriptor(blobs, document(config=config, layers=[layer]), platform={"os": "linux"})
    empty = descriptor(blobs, archives.config([]), mediaType=CONFIG_TYPE)
    proof = descriptor(blobs, b'{"predicate": 1}', mediaType="application/vnd.in-toto+json")
    notes = {"vnd.docker.reference.type": "attestation-manifest"}
    attestation = descriptor(blobs, document(config=empty, layers=[proof]), annotations=notes)
    gone = {"digest": archives.digest(b"not pulled"), "platform": {"os": "linux", "architecture": "arm64"}}
    inner = descriptor(blobs, document(manifests=[image_manifest, gone, attestation]), mediaType=INDEX_TYPE)
    signature = descriptor(
        blobs,
        document(
            config=empty, layers=[{**proof, "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json"}]
        ),
    )
    helm = {**config, "mediaType": "application/vnd.cncf.helm.config.v1+json"}
    chart = descriptor(blobs, document(config=helm, layers=[layer]))
    if manifest:
        names = [archives.blob_name(LAYER)]
        entry = {"Config": archives.blob_name(configuration), "RepoTags": None, "Layers": names}
        blobs["manifest.json"] = json.dumps([entry]).encode()
    return archives.write(path, {**blobs, "index.json": document(manifests=[inner, signature, chart])})


@pytest.mark.parametrize("manifest", [False, True], ids=["oci", "docker-save"])
@pytest.mark.parametrize("packed", [False, True], ids=["disk", "stream"])
def test_artifacts_beside_the_image_are_skipped_and_said(
    tmp_path: Path, *, manifest: bool, packed: bool
) -> None:
    """Attestations, signatures and charts are no images and no platforms; nobody is left to think they were read."""
    path = of_containerd(tmp_path / "image.tar", manifest=manifest)
    facts = image.from_archive(zipped(path) if packed else path)
    assert facts.config.user == "7"
    assert len(facts.layers) == 1
    said = "the archive holds 3 artifacts that are no images (attestation, signature or the like)"
    assert facts.beside == (said,)


def test_platforms_that_are_not_looked_at_are_said(tmp_path: Path) -> None:
    """One image of several is no word about the others; the cache says it too."""
    path = several(tmp_path / "image.tar", "linux/arm64", "linux/amd64", "linux/s390x")
    for _ in range(2):
        (said,) = image.from_archive(path, "linux/amd64").beside
        assert (
            said
            == "only linux/amd64 was looked at; the archive is for linux/arm64, linux/s390x too (--platform)"
        )
    assert image.from_archive(several(tmp_path / "one.tar", "linux/arm64")).beside == ()


@pytest.mark.parametrize(
    "history",
    [
        None,
        [],
        [{"created_by": "a"}, {"created_by": "b"}],  # no word of what is empty
        [{"created_by": "a", "empty_layer": True}],
        [{}],
        [{"comment": "FROM docker.io/library/x", "created_by": "/bin/sh -c #(nop) ADD file:1 in / "}],
    ],
)
def test_any_history_gives_the_layers(history: object, tmp_path: Path) -> None:
    """Some builders write none, or one that tells of other layers: then no step is told of any, and all else is."""
    settings = json.loads(archives.config([LAYER], User="7"))
    settings["history"] = history
    if history is None:
        del settings["history"]
    blobs = {"c.json": json.dumps(settings).encode(), "l.tar": LAYER}
    manifest = [{"Config": "c.json", "RepoTags": None, "Layers": ["l.tar"]}]
    path = archives.write(tmp_path / "x.tar", {**blobs, "manifest.json": json.dumps(manifest).encode()})
    facts = image.from_archive(path)
    (layer,) = facts.layers
    assert facts.config.user == "7"
    assert layer.entries
    told = isinstance(history, list) and len(history) == 1 and not history[0].get("empty_layer")
    assert (layer.history is not None) == told


ODD: list[object] = [7, -1, "x", [], [1], [None], [["a"]], {}, {"a": 1}, True, 0.5]
TOP = ("config", "history", "rootfs", "os", "architecture", "variant", "created", "author")
CONFIG = ("User", "Env", "Cmd", "Entrypoint", "Healthcheck", "StopSignal", "StopTimeout", "Shell", "OnBuild")
PARTS = [
    *((name,) for name in TOP),
    *(("config", name) for name in (*CONFIG, "Volumes", "ExposedPorts", "Labels", "WorkingDir")),
    *(("config", "Healthcheck", name) for name in ("Test", "Interval", "Retries", "StartPeriod")),
    *(("history", name) for name in ("created", "created_by", "empty_layer", "comment")),
]


@pytest.mark.parametrize("part", PARTS, ids=".".join)
def test_config_of_any_shape_is_judged_or_an_error(part: tuple[str, ...], tmp_path: Path) -> None:
    """Whatever an image says of itself, in whatever type: every probe looks at it, or one sentence refuses it."""
    refused = 0
    for number, value in enumerate(ODD):
        settings = json.loads(archives.config([LAYER], User="7", Healthcheck={"Test": ["CMD", "x"]}))
        at = settings
        for name in part[:-1]:
            at = at[name][0] if name == "history" else at[name]
        at[part[-1]] = value
        blobs = {"c.json": json.dumps(settings).encode(), "l.tar": LAYER}
        manifest = [{"Config": "c.json", "RepoTags": None, "Layers": ["l.tar"]}]
        path = tmp_path / f"{number}.tar"
        archives.write(path, {**blobs, "manifest.json": json.dumps(manifest).encode()})
        (file,) = image_command.run([str(path)], catalog.load(), Config()).files
        assert not [one for one in file.answers.not_looked if "crashed" in one.reason], value
        refused += file.error is not None
    assert refused >= len(ODD) - 5


def test_command_that_is_one_text_is_one_word(tmp_path: Path) -> None:
    """Docker reads it so, from images of its first years."""
    facts = image.from_archive(archives.docker_archive(tmp_path / "x.tar", [LAYER], Cmd="/bin/sh"))
    assert facts.config.argv == ("/bin/sh",)


def test_damage_of_another_platform_does_not_matter(tmp_path: Path) -> None:
    """On disk only the chosen image is read."""
    good, other = json.loads(archives.config([LAYER])), b"no tar at all" * 100
    path = archives.oci_archive(tmp_path / "image.tar", [LAYER])
    with tarfile.open(path, "a") as writer:
        info = tarfile.TarInfo(archives.blob_name(other))
        info.size = len(other)
        writer.addfile(info, io.BytesIO(other))
    assert len(image.from_archive(path).layers) == len(good["rootfs"]["diff_ids"])
    assert len(image.from_archive(zipped(path)).layers) == 1


# -------------------------------------------------------------------------------------------------- hostile


def raw(*infos: tuple[str, bytes, bytes, str]) -> bytes:
    """Write a tar of entries given as name, type, content and link."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as writer:
        for name, kind, content, link in infos:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(content), link
            writer.addfile(info, io.BytesIO(content))
    return file.getvalue()


@pytest.mark.parametrize("form", ["oci", "docker"])
def test_blob_with_another_content_is_refused(form: str, tmp_path: Path) -> None:
    """A layer that is not the one that its config names is damage, or worse."""
    writer = archives.oci_archive if form == "oci" else archives.docker_archive
    path = writer(tmp_path / "image.tar", [LAYER])
    data = path.read_bytes()
    assert data.count(b"root:x:0:0::/:/bin/sh") == 1
    path.write_bytes(data.replace(b"root:x:0:0::/:/bin/sh", b"root:x:0:0::/:/bin/no"))
    with pytest.raises(NotLookedError, match="is damaged"):
        image.from_archive(path)


def test_config_with_another_content_is_refused(tmp_path: Path) -> None:
    """The image's id is the digest of its config."""
    path = archives.oci_archive(tmp_path / "image.tar", [LAYER], User="1234")
    path.write_bytes(path.read_bytes().replace(b'"User": "1234"', b'"User": "0000"'))
    with pytest.raises(NotLookedError, match="is damaged"):
        image.from_archive(path)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "blobs/../../etc/passwd"])
def test_manifest_that_points_outside_finds_nothing(name: str, tmp_path: Path) -> None:
    """Names are looked up in the archive or folder alone."""
    manifest = json.dumps([{"Config": name, "Layers": [name]}]).encode()
    path = archives.write(tmp_path / "image.tar", {"manifest.json": manifest})
    for one in (path, unpacked(path)):
        with pytest.raises(NotLookedError, match="lacks"):
            image.from_archive(one)


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../secret", "/dev/zero"])
def test_folder_with_a_link_that_leads_out_is_refused(target: str, tmp_path: Path) -> None:
    """A link in a folder is followed inside it, and nowhere else."""
    folder = unpacked(archives.oci_archive(tmp_path / "image.tar", [LAYER]))
    (tmp_path / "secret").write_bytes(LAYER)
    blob = folder / archives.blob_name(LAYER)
    blob.unlink()
    blob.symlink_to(target)
    with pytest.raises(NotLookedError, match=r"leads out of the image's folder|lacks"):
        image.from_archive(folder)


def test_pipe_in_place_of_a_blob_does_not_hang(tmp_path: Path) -> None:
    """Only regular files are read."""
    folder = unpacked(archives.oci_archive(tmp_path / "image.tar", [LAYER]))
    blob = folder / archives.blob_name(LAYER)
    blob.unlink()
    os.mkfifo(blob)
    os.mkfifo(tmp_path / "pipe.tar")
    for path in (folder, tmp_path / "pipe.tar"):
        with pytest.raises(NotLookedError, match="no file but a device, pipe or folder"):
            image.from_archive(path)


@pytest.mark.parametrize("digest", ["sha256:../../../etc/passwd", "md5:1", "", "sha256:" + "A" * 64])
def test_descriptor_without_a_digest_is_refused(digest: str, tmp_path: Path) -> None:
    """A digest becomes a file's name, so it must be one."""
    index = json.dumps({"manifests": [{"digest": digest}]}).encode()
    with pytest.raises(NotLookedError, match="is no digest"):
        image.from_archive(archives.write(tmp_path / "image.tar", {"index.json": index}))


@pytest.mark.parametrize("pack", [gzip.compress, layers.compress], ids=["gzip", "zstd"])
@pytest.mark.parametrize("whole", [False, True], ids=["layer", "archive"])
def test_bomb_is_refused_before_it_is_unpacked(
    pack: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, whole: bool
) -> None:
    """What grows a hundredfold and beyond the floor is no layer; the floor is lowered, so that the test is quick."""
    monkeypatch.setattr(layers, "GROWTH_FLOOR", 1 << 20)
    bomb = raw(("zeros", tarfile.REGTYPE, bytes(64 << 20), ""))
    if whole:
        path = tmp_path / "image.tar.packed"
        path.write_bytes(pack(archives.docker_archive(tmp_path / "image.tar", [bomb]).read_bytes()))
    else:
        path = archives.oci_archive(tmp_path / "image.tar", [bomb], pack=pack)
    with pytest.raises(NotLookedError, match="grows beyond"):
        image.from_archive(path)


def test_damaged_compression_is_refused(tmp_path: Path) -> None:
    """Cut off or garbled data is an error with a sentence, in both forms."""
    for pack in (gzip.compress, layers.compress):
        content = pack(LAYER)
        for damaged in (content[:-10], content[:20] + b"garbage" + content[30:]):
            path = archives.oci_archive(
                tmp_path / "image.tar", [LAYER], pack=functools.partial(_instead, damaged)
            )
            with pytest.raises(NotLookedError, match=r"damaged|cut off"):
                image.from_archive(path)


def _instead(content: bytes, _layer: bytes) -> bytes:
    return content


@pytest.mark.parametrize("magic", [b"BZh91AY", b"\xfd7zXZ\0"])
def test_other_compression_is_named(magic: bytes, tmp_path: Path) -> None:
    """An error says what would be read."""
    path = archives.oci_archive(tmp_path / "image.tar", [LAYER], pack=lambda _: magic + bytes(600))
    with pytest.raises(NotLookedError, match="plain, gzip or zstd"):
        image.from_archive(path)


def test_data_behind_the_end_of_a_layer_is_refused(tmp_path: Path) -> None:
    """Engines stop at the end of the tar; what a scanner does not see must not be shipped there."""
    content = LAYER + os.urandom(layers.TRAILER + 10_000)
    with pytest.raises(NotLookedError, match="goes on behind the end"):
        image.from_archive(archives.docker_archive(tmp_path / "image.tar", [content]))


@pytest.mark.parametrize("size", [1 << 21, 1 << 62, (1 << 88) - 1])
def test_size_beyond_the_end_is_refused(size: int, tmp_path: Path) -> None:
    """An entry that claims more than there is, up to more than any file system holds."""
    info = tarfile.TarInfo("blob")
    info.size = size
    path = tmp_path / "image.tar"
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    with pytest.raises(NotLookedError, match="cut off"):
        image.from_archive(path)
    with pytest.raises(NotLookedError, match="cut off"):
        image.from_archive(zipped(path))


def test_entries_behind_an_empty_block_are_refused(tmp_path: Path) -> None:
    """One empty block is no end: engines refuse it, and so do we."""
    content = raw(("a", tarfile.REGTYPE, b"", ""))[:512] + bytes(512) + raw(("b", tarfile.REGTYPE, b"", ""))
    with pytest.raises(NotLookedError, match="empty block"):
        image.from_archive(archives.docker_archive(tmp_path / "image.tar", [content]))


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_are_facts_and_nothing_is_made(kind: bytes, tmp_path: Path) -> None:
    """A device is listed; no device appears anywhere."""
    content = raw(("dev/x", kind, b"", ""))
    facts = image.from_archive(archives.docker_archive(tmp_path / "image.tar", [content]))
    assert facts.files["/dev/x"].type in {"char", "block", "fifo"}
    assert not any((path / "x").exists() for path in (tmp_path, tmp_path / "dev"))


def test_content_of_a_folder_or_link_is_no_content(tmp_path: Path) -> None:
    """Engines take no bytes after a header without a body, so a size there hides no entry from us."""
    header = bytearray(raw(("d/", tarfile.DIRTYPE, b"", ""))[:512])
    header[124:136] = b"00000001000\0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    content = bytes(header) + raw(("hidden", tarfile.REGTYPE, b"x", ""))
    facts = image.from_archive(archives.docker_archive(tmp_path / "image.tar", [content]))
    assert set(facts.files) == {"/d", "/hidden"}


def test_later_entry_of_a_path_wins(tmp_path: Path) -> None:
    """An engine that unpacks both keeps the second."""
    content = raw(("a", tarfile.REGTYPE, b"first", ""), ("a", tarfile.REGTYPE, b"second", ""))
    facts = image.from_archive(archives.docker_archive(tmp_path / "image.tar", [content]))
    assert facts.files["/a"].size == len(b"second")
    assert facts.read("/a") == b"second"
    assert {text for _, text in facts.contents()} == {b"first", b"second"}
    assert facts.layers[0].size == len(b"first" + b"second")


def test_links_out_of_the_root_lead_nowhere(tmp_path: Path) -> None:
    """A link is a text; following it stays inside the image."""
    content = raw(
        ("a", tarfile.SYMTYPE, b"", "../../../../etc/passwd"), ("b", tarfile.SYMTYPE, b"", "/etc/shadow")
    )
    facts = image.from_archive(archives.docker_archive(tmp_path / "image.tar", [content]))
    assert facts.read("/a") is None
    assert facts.read("/b") is None
    bad = archives.docker_archive(
        tmp_path / "bad.tar", [raw(("a", tarfile.LNKTYPE, b"", "../../etc/passwd"))]
    )
    with pytest.raises(NotLookedError, match="leaves its folder"):
        image.from_archive(bad)


def test_huge_headers_are_refused() -> None:
    """Neither one long header nor many short ones may fill the memory."""
    one = raw(("x" * (tar.MAX_HEADER + 10), tarfile.REGTYPE, b"", ""))
    with pytest.raises(ArchiveError, match="header of more than"):
        list(tar.members(io.BytesIO(one)))
    info = tarfile.TarInfo("a")
    info.type, info.size = tarfile.XHDTYPE, 1 << 19
    block = info.tobuf(tarfile.USTAR_FORMAT)
    record = b"524288 a=" + b"x" * ((1 << 19) - 10) + b"\n"
    with pytest.raises(ArchiveError, match="header of more than"):
        list(tar.members(io.BytesIO((block + record) * 10)))


def test_names_without_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million long names would fill the memory; the bound is lowered, so that the test is quick."""
    monkeypatch.setattr(layers, "NAMES_LIMIT", 10_000)
    content = archives.layer({f"{number:03}" + "x" * 200: b"" for number in range(100)})
    with pytest.raises(NotLookedError, match="names of the image's files"):
        image.from_archive(archives.docker_archive(tmp_path / "image.tar", [content]))


def test_image_of_500_layers_is_read(tmp_path: Path) -> None:
    """No engine makes so many; reading them costs no more than their files."""
    many = [archives.layer({f"f{number}": b"x"}) for number in range(500)]
    facts = image.from_archive(archives.docker_archive(tmp_path / "image.tar", many))
    assert len(facts.layers) == len(facts.files) == 500


def test_more_layers_than_anybody_has_are_refused(tmp_path: Path) -> None:
    """One small layer that is named a million times is a bomb too."""
    manifest = json.dumps([{"Config": "c", "Layers": ["l"] * 100_000}]).encode()
    blobs = {"c": b"{}", "l": LAYER, "manifest.json": manifest}
    with pytest.raises(NotLookedError, match="has 100000 layers"):
        image.from_archive(archives.write(tmp_path / "image.tar", blobs))


@pytest.mark.parametrize(
    "document",
    [
        b"[" * 100_000,
        b"[1]",
        b'[{"Config": {}, "Layers": [1]}]',
        b'[{"Config": "a", "Layers": 5}]',
        b"null",
        b'"x"',
    ],
)
def test_manifest_of_any_shape_is_an_error(document: bytes, tmp_path: Path) -> None:
    """Deep, short or odd: one sentence, no crash."""
    for name in ("manifest.json", "index.json"):
        path = archives.write(tmp_path / "image.tar", {name: document, "a": b"{}"})
        with pytest.raises(NotLookedError):
            image.from_archive(path)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "Config",
                    "Layers",
                    "manifests",
                    "digest",
                    "config",
                    "layers",
                    "rootfs",
                    "diff_ids",
                    "platform",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(_JSON, st.sampled_from(["manifest.json", "index.json"]), _JSON)
def test_any_manifest_gives_facts_or_an_error(document: object, name: str, configuration: object) -> None:
    """Whatever an archive's JSON says, reading it ends in drafts or in a sentence."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as writer:
        for each, content in ((name, document), ("a", configuration)):
            data = json.dumps(content).encode()
            info = tarfile.TarInfo(each)
            info.size = len(data)
            writer.addfile(info, io.BytesIO(data))
    file.seek(0)
    try:
        drafts = archive.read_stream(file, layers.Pack(io.BytesIO()))
    except ArchiveError:
        return
    assert all(draft.id.startswith("sha256:") for draft in drafts)


@given(st.binary(max_size=400), st.integers(0, 4000))
def test_any_damage_of_an_archive_gives_the_same_facts_or_an_error(noise: bytes, at: int) -> None:
    """Bytes that are overwritten are noticed, or did not matter: a digest covers all that facts are made of."""
    name = archives.blob_name(LAYER)
    configuration = archives.config([LAYER])
    manifest = json.dumps([{"Config": archives.blob_name(configuration), "Layers": [name]}]).encode()
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as writer:
        for each, content in ((name, LAYER), (archives.blob_name(configuration), configuration)):
            info = tarfile.TarInfo(each)
            info.size = len(content)
            writer.addfile(info, io.BytesIO(content))
        info = tarfile.TarInfo("manifest.json")
        info.size = len(manifest)
        writer.addfile(info, io.BytesIO(manifest))
    data = bytearray(file.getvalue())
    data[at : at + len(noise)] = noise
    try:
        (draft,) = archive.read_stream(io.BytesIO(bytes(data)), layers.Pack(io.BytesIO()))
    except ArchiveError:
        return
    assert draft.config == json.loads(configuration)
    assert [row[0] for row in draft.layers[0].rows] == ["/etc/passwd", "/app"]


# --------------------------------------------------------------------------------------------------- memory

# Not getrusage: what a process is told there counts its parent's memory too, from between fork and exec.
_PEAK = """
import re, sys
from pathlib import Path
from dockproof.collect import image
facts = image.from_archive(Path(sys.argv[1]))
assert len(facts.files) == int(sys.argv[2]), len(facts.files)
print(int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.slow
def test_memory_stays_under_300_mb_for_an_image_of_2_gb(tmp_path: Path, cache: Path) -> None:
    """Sixty thousand files and two gigabytes: what is kept is the list of files."""
    if shutil.disk_usage(tmp_path).free < 3 << 30:
        pytest.fail("the test needs 3 GB of disk")
    path, count = big(tmp_path / "image.tar")
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, str(path), str(count)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
    )
    assert path.stat().st_size > 2 * 10**9
    assert int(done.stdout) < 300


def big(path: Path) -> tuple[Path, int]:
    """Write an archive of 2 GB in four layers, with holes where the zeros are; return it and the number of files."""
    import hashlib  # noqa: PLC0415 - this maker alone

    zeros, number, names, diff_ids = bytes(1 << 20), 0, [], []
    with path.open("wb") as file:
        for at in range(4):
            header = file.tell()
            file.seek(512, os.SEEK_CUR)
            start, sha = file.tell(), hashlib.sha256()
            for _ in range(15_000):
                text = f"print({number})\n".encode() * 40
                entry = tarfile.TarInfo(f"opt/package{number // 50}/some_module_of_it_{number}.py")
                entry.size = len(text)
                block = entry.tobuf() + text + bytes(-len(text) % 512)
                sha.update(block)
                file.write(block)
                number += 1
            entry = tarfile.TarInfo(f"opt/data{at}")
            entry.size = 500 << 20
            sha.update(entry.tobuf())
            file.write(entry.tobuf())
            for _ in range(500):
                sha.update(zeros)
            file.seek(500 << 20, os.SEEK_CUR)
            sha.update(bytes(1024))
            file.write(bytes(1024))
            size = file.tell() - start
            outer = tarfile.TarInfo(f"blobs/sha256/{sha.hexdigest()}")
            outer.size = size
            file.seek(header)
            file.write(outer.tobuf())
            file.seek(start + size + -size % 512)
            names.append(outer.name)
            diff_ids.append("sha256:" + sha.hexdigest())
        configuration = json.dumps({"rootfs": {"diff_ids": diff_ids}}).encode()
        manifest = json.dumps([{"Config": "config.json", "Layers": names}]).encode()
        for name, content in (("config.json", configuration), ("manifest.json", manifest)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.write(info.tobuf() + content + bytes(-len(content) % 512))
        file.write(bytes(1024))
    return path, number + 4
