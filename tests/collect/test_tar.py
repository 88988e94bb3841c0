"""The tar reader agrees with Python's own, and refuses what a layer has no reason to hold."""

import contextlib
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockproof.collect import tar
from dockproof.collect.tar import ArchiveError, Member

KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.DIRTYPE: "dir",
    tarfile.SYMTYPE: "link",
    tarfile.LNKTYPE: "hardlink",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
    tarfile.FIFOTYPE: "fifo",
}
_NAME = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=120)
_INFO = st.builds(
    lambda names, kind, mode, uid, gid, mtime, link, body: (names, kind, mode, uid, gid, mtime, link, body),
    st.lists(_NAME.filter(lambda name: name not in {".", ".."}), min_size=1, max_size=4),
    st.sampled_from(sorted(KINDS)),
    st.integers(0, 0o7777),
    st.integers(0, 2**31),
    st.integers(0, 2**31),
    st.integers(0, 2**33),
    _NAME,
    st.binary(max_size=1500),
)
Info = tuple[list[str], bytes, int, int, int, int, str, bytes]


def archive(infos: list[Info], form: int) -> bytes:
    """Write an archive with Python's tarfile."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as writer:
        for names, kind, mode, uid, gid, mtime, link, body in infos:
            info = tarfile.TarInfo("/".join(names))
            info.type, info.mode, info.uid, info.gid, info.mtime = kind, mode, uid, gid, mtime
            if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE}:
                info.linkname = link
            if kind == tarfile.REGTYPE:
                info.size = len(body)
            writer.addfile(info, io.BytesIO(body))
    return file.getvalue()


def read(data: bytes) -> list[tuple[Member, bytes]]:
    """Read an archive with the product's reader."""
    return [(member, body.content()) for member, body in tar.members(io.BytesIO(data))]


@given(st.lists(_INFO, max_size=5), st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
def test_reads_what_tarfile_writes(infos: list[Info], form: int) -> None:
    """Names of any length, numbers of any size, links and bodies come back, in both formats."""
    found = read(archive(infos, form))
    expected = [
        (
            "/".join(names),
            KINDS[kind],
            mode,
            uid,
            gid,
            len(body) if kind == tarfile.REGTYPE else 0,
            mtime,
            link if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE} else "",
        )
        for names, kind, mode, uid, gid, mtime, link, body in infos
    ]
    assert [tuple(member._replace(name=member.name.rstrip("/")))[:8] for member, _ in found] == expected
    assert [body for _, body in found] == [info[7] if info[1] == tarfile.REGTYPE else b"" for info in infos]


@given(st.lists(_INFO, min_size=1, max_size=3), st.data())
def test_skips_bodies_that_nobody_reads(infos: list[Info], data: st.DataObject) -> None:
    """The next header is found wherever the last body was left."""
    file = io.BytesIO(archive(infos, tarfile.PAX_FORMAT))
    count = 0
    for member, body in tar.members(file):
        body.read(data.draw(st.integers(0, member.size + 1)))
        count += 1
    assert count == len(infos)


@given(st.lists(_INFO, min_size=1, max_size=3), st.data())
def test_cut_off_archive_is_refused_or_reads_as_a_shorter_one(infos: list[Info], data: st.DataObject) -> None:
    """A cut inside an entry is an error; only a cut between entries looks like an end."""
    whole = archive(infos, tarfile.PAX_FORMAT)
    cut = data.draw(st.integers(0, len(whole)))
    try:
        found = read(whole[:cut])
    except ArchiveError:
        return
    assert found == read(whole)[: len(found)]
    assert cut % tar.BLOCK == 0 or len(found) == len(infos)


@given(st.binary(min_size=512, max_size=2048))
def test_any_bytes_give_entries_or_an_error(data: bytes) -> None:
    """Random bytes are never read as a layer without complaint."""
    with contextlib.suppress(ArchiveError):
        assert read(data) == []


def header(**fields: bytes) -> bytes:
    """Return one header with some fields overwritten and the checksum made good."""
    info = tarfile.TarInfo("name")
    block = bytearray(info.tobuf(tarfile.USTAR_FORMAT)[:512])
    places = {"kind": 156, "size": 124}
    for name, value in fields.items():
        block[places[name] : places[name] + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (header(kind=b"S"), "type b'S'"),
        (header(kind=b"V"), "type b'V'"),
        (header(size=b"99999999999\0"), "is no number"),
        (header(size=b"00000100000\0"), "cut off"),
        (header(kind=b"x", size=b"77777777777\0"), "header of more than"),
        (header(kind=b"x", size=b"00000000005\0") + b"99 a=" + bytes(507), "pax header cannot be read"),
        (header()[:200] + b"!" + header()[201:], "checksum"),
        (b"no tar at all" * 100, "checksum|is no number"),
    ],
    ids=["sparse", "volume", "number", "truncated", "bomb", "pax", "checksum", "text"],
)
def test_refuses_what_a_layer_does_not_hold(data: bytes, words: str) -> None:
    """Sparse files, bombs and damage are errors with a sentence."""
    with pytest.raises(ArchiveError, match=words):
        read(data)
