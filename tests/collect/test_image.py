"""Image facts from archives and from the engine: complete, cached, and never half of one."""

import gzip
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockproof.collect import build, image, layer, process
from dockproof.collect.engine import Engine
from dockproof.errors import NotLookedError
from dockproof.facts.image import ImageFacts
from tests.collect import archives

BASE = archives.layer(
    {
        "etc/": None,
        "etc/passwd": b"root:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/false\n",
        "bin/tool": b"\x7fELF\0binary",
        "tmp/secret": b"token=1",
        "lib": "usr/lib",
        "var/cache/a": b"1",
    }
)
TOP = archives.layer({"./srv/app.py": b"print()", "tmp/.wh.secret": b"", "var/cache/.wh..wh..opq": b""})

Writer = Callable[..., Path]


def compressed(path: Path, layers: list[bytes], **settings: object) -> Path:
    """Write an OCI archive whose layers are compressed."""
    return archives.oci_archive(path, layers, pack=gzip.compress, **settings)


@pytest.fixture(params=[archives.docker_archive, archives.oci_archive, compressed])
def facts(request: pytest.FixtureRequest, tmp_path: Path) -> ImageFacts:
    """Return the facts of one image, read from each form of archive."""
    writer: Writer = request.param
    return image.from_archive(writer(tmp_path / "image.tar", [BASE, TOP, BASE], User="app"))


def test_reads_config_layers_files_and_texts(facts: ImageFacts) -> None:
    """Every form of archive gives the same facts."""
    assert facts.config.user == "app"
    assert [step.created_by for step in facts.history] == ["step 0", "step 1", "step 2"]
    assert [each.diff_id for each in facts.layers] == [archives.digest(each) for each in (BASE, TOP, BASE)]
    assert facts.layers[1].history == facts.history[1]
    assert facts.files["/srv/app.py"].size == 7
    assert facts.files["/lib"].link == "usr/lib"
    assert facts.read("/etc/passwd") == b"root:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/false\n"
    assert facts.resolve_user().uid == 1000


def test_binary_files_are_listed_and_not_kept(facts: ImageFacts) -> None:
    """What holds a NUL byte is no text."""
    assert facts.files["/bin/tool"].size == 11
    assert facts.read("/bin/tool") is None


def test_whiteouts_are_told_and_deleted_texts_kept(tmp_path: Path) -> None:
    """A deleted secret is out of the view, and still shown as what its layer holds."""
    facts = image.from_archive(archives.docker_archive(tmp_path / "image.tar", [BASE, TOP]))
    assert facts.layers[1].whiteouts == ("/tmp/secret",)
    assert facts.layers[1].opaque == ("/var/cache",)
    assert "/tmp/secret" not in facts.files
    assert "/var/cache/a" not in facts.files
    assert (0, "/tmp/secret", b"token=1") in [
        (each.layer, each.path, text) for each, text in facts.contents()
    ]


@given(st.lists(st.binary(max_size=300_000), max_size=8))
def test_every_kept_text_reads_back(bodies: list[bytes]) -> None:
    """Texts come back from their compressed blocks as they were, whatever their sizes."""
    file, spans = io.BytesIO(), dict[str, layer.Span]()
    pack = layer.Pack(file)
    for number, body in enumerate(bodies):
        pack.add(spans, f"/f{number}", body)
    pack.flush()
    texts = layer.Texts(lambda offset, length: file.getvalue()[offset : offset + length], [spans])
    assert [texts[0, f"/f{number}"] for number in range(len(bodies))] == bodies


def test_layer_with_odd_names_is_read_from_the_root(tmp_path: Path) -> None:
    """Doubled slashes and dots say nothing."""
    content = archives.layer({"./a//b/./c": b"x"})
    assert "/a/b/c" in image.from_archive(archives.docker_archive(tmp_path / "image.tar", [content])).files


def test_scratch_image_has_no_files(tmp_path: Path) -> None:
    """An image without layers is an image."""
    facts = image.from_archive(archives.docker_archive(tmp_path / "image.tar", []))
    assert (facts.files, facts.users, facts.packages) == ({}, {}, ())


# ----------------------------------------------------------------------------------------- bad archives


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/../../b", "/../x", ".."])
def test_path_that_leaves_the_root_is_refused(name: str, tmp_path: Path) -> None:
    """No path of a layer may climb."""
    path = archives.docker_archive(tmp_path / "image.tar", [archives.layer({name: b"x"})])
    with pytest.raises(NotLookedError, match="leaves its folder"):
        image.from_archive(path)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.999])
def test_cut_off_archive_is_refused(part: float, tmp_path: Path) -> None:
    """An archive that ends before its last blob does is never taken for a small image."""
    path = archives.docker_archive(tmp_path / "image.tar", [BASE, TOP])
    end = path.read_bytes().rindex(b"layer.tar")
    os.truncate(path, int(end * part))
    with pytest.raises(NotLookedError, match=r"cut off|no image archive|lacks a blob"):
        image.from_archive(path)


@pytest.mark.parametrize(
    ("blobs", "words"),
    [
        ({}, "no image archive"),
        ({"manifest.json": b"{"}, "is no JSON"),
        ({"manifest.json": b"[{}]"}, "no image archive: its manifest has no 'Config'"),
        ({"manifest.json": b'[{"Config": "c", "Layers": []}]'}, "lacks c, which"),
        (
            {
                "manifest.json": b'[{"Config": "a.json", "Layers": []}, {"Config": "b.json", "Layers": []}]',
                "a.json": b"{}",
                "b.json": b"{}",
            },
            "holds 2 images",
        ),
        ({"index.json": b'{"manifests": []}'}, "holds no image"),
    ],
    ids=["empty", "json", "config", "blob", "several", "none"],
)
def test_archive_that_is_no_image_is_refused(blobs: dict[str, bytes], words: str, tmp_path: Path) -> None:
    """Each error says what is missing."""
    with pytest.raises(NotLookedError, match=words):
        image.from_archive(archives.write(tmp_path / "image.tar", blobs))


def test_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    """No archive, no facts."""
    with pytest.raises(NotLookedError, match=r"nothing\.tar: cannot be read"):
        image.from_archive(tmp_path / "nothing.tar")


def test_config_that_names_other_layers_is_refused(tmp_path: Path) -> None:
    """The list of layers must be the one that the config was made for."""
    configuration = json.loads(archives.config([BASE]))
    configuration["rootfs"]["diff_ids"].append("sha256:0")
    manifest = [{"Config": "c.json", "Layers": ["l.tar"]}]
    blobs = {
        "c.json": json.dumps(configuration).encode(),
        "l.tar": BASE,
        "manifest.json": json.dumps(manifest).encode(),
    }
    with pytest.raises(NotLookedError, match="names 2 layers, its archive 1"):
        image.from_archive(archives.write(tmp_path / "image.tar", blobs))


# ------------------------------------------------------------------------------------------- with an engine


@pytest.mark.engine
def test_facts_agree_with_the_files_in_a_container(engine: Engine, web: str, tmp_path: Path) -> None:
    """Path, type, mode, owner and size of every file are what `docker export` of a container has."""
    facts = image.facts(engine, web)
    container = engine.docker("create", *engine.lease.arguments, web).stdout.strip()
    engine.docker("export", "--output", str(tmp_path / "root.tar"), container, timeout=120)
    with tarfile.open(tmp_path / "root.tar") as reader:
        exported = {f"/{each.name.strip('/')}": each for each in reader}
    mine = {path: each for path, each in facts.files.items() if not _made_by_engine(path)}
    theirs = {path: each for path, each in exported.items() if not _made_by_engine(path)}
    assert mine.keys() == theirs.keys()
    for path, one in theirs.items():
        # Which name of a hardlinked file is the file, and which the link, is the archiver's choice.
        if not one.islnk() and (other := mine[path]).type != "hardlink":
            size = one.size if one.isreg() else 0
            assert (other.mode, other.uid, other.gid, other.size) == (one.mode, one.uid, one.gid, size), path


def _made_by_engine(path: str) -> bool:
    """Tell what the engine puts into every container, whatever the image holds there."""
    files = {f"/etc/{name}" for name in ("hostname", "hosts", "resolv.conf", "mtab")}
    return path in {"/", "/.dockerenv", "/dev", "/proc", "/sys", *files} or path.startswith("/dev/")


@pytest.mark.engine
def test_config_and_id_are_the_engines(engine: Engine, web: str) -> None:
    """User, command, health check and id agree with what the Dockerfile says and the engine knows."""
    facts = image.facts(engine, web)
    assert facts.id == web
    assert (facts.config.user, facts.config.ports) == ("1000:1000", ("8000/tcp",))
    assert facts.config.healthcheck is not None
    assert facts.config.healthcheck.start_interval == 0.5
    assert facts.size == engine.inspect_image(web)["Size"]
    assert facts.packages


@pytest.mark.engine
def test_second_look_comes_from_the_cache_and_fast(
    engine: Engine, web: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archive is streamed once; the cached answer is the same and takes a fraction of a second."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = image.facts(engine, web)
    began = time.monotonic()
    second = image.facts(engine, web)
    list(second.files)
    assert time.monotonic() - began < 1
    assert second.files == first.files
    assert second.read("/etc/passwd") == first.read("/etc/passwd")


@pytest.mark.engine
@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_damaged_cache_file_is_made_anew(
    damage: str, engine: Engine, web: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is cut off or changed is not believed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    expected = image.facts(engine, web).files
    (file,) = (tmp_path / "dockproof" / "images").glob("*.v*")
    data = bytearray(file.read_bytes())
    data[-100] ^= 0xFF
    file.write_bytes({"cut": file.read_bytes()[:-50], "flip": bytes(data), "empty": b""}[damage])
    assert image.facts(engine, web).files == expected


@pytest.mark.engine
def test_missing_image_is_an_error_that_says_what_to_do(engine: Engine) -> None:
    """No image, no facts, and the way out."""
    with pytest.raises(NotLookedError, match=r"no image no-such-image.*docker pull"):
        image.facts(engine, "no-such-image")


@pytest.mark.engine
def test_several_images_are_got_from_one_stream(
    engine: Engine, web: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Facts of images that were fetched together are those of images that were fetched alone."""
    other = build.build_on(engine, web, "RUN echo new > /tmp/new\nUSER 7", name="other")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "alone"))
    alone = [image.facts(engine, each) for each in (web, other)]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "together"))
    image.prefetch(engine, [web, other])
    monkeypatch.setattr(image, "_save", None)
    together = [image.facts(engine, each) for each in (web, other)]
    for one, two in zip(alone, together, strict=True):
        assert (one.id, one.config, one.history, one.layers) == (two.id, two.config, two.history, two.layers)
        assert dict(one.texts) == dict(two.texts)
    assert together[1].read("/tmp/new") == b"new\n"
    assert together[0].read("/tmp/new") is None


@pytest.mark.engine
def test_threads_that_ask_at_once_share_streams(
    engine: Engine, web: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for a stream goes along with the next; every thread gets its own image."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ids = [
        web,
        *(build.build_on(engine, web, f"USER {number}", name=f"user-{number}") for number in range(4)),
    ]
    streams: list[list[str]] = []
    save = image._save  # noqa: SLF001 - what is counted is the product's own step

    def counted(ids: list[str], timeout: float) -> None:
        streams.append(ids)
        save(ids, timeout)

    monkeypatch.setattr(image, "_save", counted)
    found = process.parallel(lambda identity: image.facts(engine, identity), ids, len(ids))
    assert [facts.id for facts in found] == ids
    assert [facts.config.user for facts in found] == ["1000:1000", "0", "1", "2", "3"]
    assert len(streams) < len(ids)


def test_cache_file_of_other_code_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An update of dockproof may write another layout: it makes its own file beside the old one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = archives.docker_archive(tmp_path / "image.tar", [archives.layer({"app/main.py": b"print()"})])
    facts = image.from_archive(path)
    monkeypatch.setattr(image, "_format", lambda: "other")
    assert image.from_archive(path).files == facts.files
    assert len(list((tmp_path / "dockproof" / "images").glob("*.v*"))) == 2


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """An archive, and the file in which its facts are kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(image, "_spare", [])
    files: archives.Layer = {"app/main.py": b"print()", "etc/passwd": b"root:x:0:0::/:/bin/sh\n"}
    path = archives.docker_archive(tmp_path / "image.tar", [archives.layer(files)])
    image.from_archive(path)
    (file,) = (tmp_path / "cache" / "dockproof" / "images").glob("*.v*")
    return path, file


@pytest.mark.parametrize("at", [0, 3, 40, -1, -20, -60, -90])
@pytest.mark.parametrize("harm", ["cut", "flip", "garbage"])
def test_any_damage_of_a_cache_file_is_noticed(kept: tuple[Path, Path], harm: str, at: int) -> None:
    """Texts too: whatever byte is not as it was written, the file is made anew."""
    path, file = kept
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[at] ^= 0x40
    file.write_bytes({"cut": whole[:at], "flip": bytes(flipped), "garbage": whole[:at] + bytes(70)}[harm])
    facts = image.from_archive(path)
    assert facts.read("/app/main.py") == b"print()"
    assert facts.read("/etc/passwd") == b"root:x:0:0::/:/bin/sh\n"
    assert file.read_bytes() == whole


@pytest.mark.parametrize(
    "header",
    [
        {},
        [],
        None,
        7,
        {"images": {}, "layers": []},
        {"images": {"sha256:1": {"config": {}, "layers": [0]}}, "layers": [{}]},
        {"images": {"sha256:1": {"config": {}, "layers": [9]}}, "layers": []},
        # the layout of an older release: rows too short, no word of what was replaced
        {
            "images": {"sha256:1": {"config": {"rootfs": {"diff_ids": ["sha256:0"]}}, "layers": [0]}},
            "layers": [{"rows": [["/a", "file"]], "whiteouts": [], "opaque": [], "texts": {}}],
        },
    ],
)
def test_sound_cache_file_of_another_layout_is_made_anew(kept: tuple[Path, Path], header: object) -> None:
    """Whatever its list of files says: no crash, and the right facts."""
    path, file = kept
    with file.open("w+b") as stream:
        stream.write(image.MAGIC)
        image._finish(stream, header)  # type: ignore[arg-type] # noqa: SLF001 - a file whose digest is right
    assert image.from_archive(path).read("/app/main.py") == b"print()"


def test_cache_file_of_another_user_is_not_believed(
    kept: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could say that an image is clean. Where no file is ours, as on some network disks, the way out is named."""
    path, _ = kept
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(NotLookedError, match=r"cannot be read back.*another user's.*XDG_CACHE_HOME"):
        image.from_archive(path)


def test_folder_that_cannot_be_written_costs_nothing_but_time(kept: tuple[Path, Path]) -> None:
    """A folder stands where the file belongs: this run keeps its facts in a folder of its own."""
    path, file = kept
    file.unlink()
    (file / "in the way").mkdir(parents=True)
    for _ in range(2):
        assert image.from_archive(path).read("/app/main.py") == b"print()"
    assert (file / "in the way").exists()


def test_no_room_anywhere_is_said(kept: tuple[Path, Path]) -> None:
    """Neither the cache nor a folder for the run takes a file of that size: a sentence, exit code 4, no leftovers."""
    path, file = kept
    file.unlink()
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); "
        "from dockproof import cli; sys.exit(cli.main(['image', sys.argv[1]]))"
    )
    command = [sys.executable, "-B", "-c", program, str(path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 4, done.stderr
    assert re.search(r"image facts could not be written to \S+: File too large", done.stdout)
    assert "Traceback" not in done.stdout + done.stderr
    assert not list(file.parent.iterdir())


def test_cache_drops_what_was_not_used_for_longest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache keeps to its size; files that share their content count once."""
    monkeypatch.setattr(image, "CACHE_LIMIT", 250)
    for number in range(4):
        (tmp_path / f"{number}.v2").write_bytes(bytes(100))
        os.utime(tmp_path / f"{number}.v2", (number, number))
    os.link(tmp_path / "3.v2", tmp_path / "twin.v2")
    image.evict(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["2.v2", "3.v2", "twin.v2"]
