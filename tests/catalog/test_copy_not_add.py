from __future__ import annotations

import pytest

from tests.catalog.asking import findings, red

POLICY = "copy-not-add"


@pytest.mark.parametrize(
    "arguments",
    [
        "x /y",
        ". /y",
        "x y z/",
        "--chown=1 x /y",
        '["x", "/y"]',
        "x.zip /y",
        "x.jar /y",
        "ftp://x.org/a.bin /y",
        "a.tar b /z/",
        "<<end /y\nhi\nend",
        "tar /y",
        "x.tar/file /y",
    ],
)
def test_flags_add_of_plain_files(arguments: str) -> None:
    """What Docker neither unpacks nor fetches is copied."""
    assert red(POLICY, f"FROM a:1\nADD {arguments}\n") == [(2, "plain-file")]


@pytest.mark.parametrize(
    "source",
    [
        "x.tar",
        "x.tar.gz",
        "X.TAR.GZ",
        "x.tgz",
        "x.tar.zst",
        "x.txz",
        "x.tbz2",
        "x-*.tar.*",
        "x.gz",
        "x.xz",
        "a.tar b.tgz",
        "https://x.org/file",
        "HTTP://x.org/file",
        "https://github.com/a/b.git#v1",
        "git@github.com:a/b.git",
        "$unknown",
        "${unknown}/file.json",
    ],
)
def test_passes_add_of_archives_and_addresses(source: str) -> None:
    """By name, in any casing; what cannot be known is not guessed."""
    assert red(POLICY, f"FROM a:1\nADD {source} /y/\n") == []


def test_follows_variables() -> None:
    """A source is judged by its value."""
    assert red(POLICY, "FROM a:1\nARG X=a.tar\nADD $X /y\n") == []
    assert red(POLICY, "FROM a:1\nARG X=a.txt\nADD $X /y\n") == [(3, "plain-file")]


def test_judges_a_trigger_and_every_stage() -> None:
    """ONBUILD ADD is an ADD, and builder stages are read too."""
    assert red(POLICY, "FROM a:1 AS b\nONBUILD ADD x /y\nFROM a:1\nCOPY --from=b /y /y\n") == [
        (2, "plain-file")
    ]


@pytest.mark.parametrize(
    ("copy", "run"),
    [
        ("x.tar.gz /", "tar -xzf /x.tar.gz"),
        ("x.tar.gz /tmp/", "tar xzf /tmp/x.tar.gz -C /opt && rm /tmp/x.tar.gz"),
        ("x.tar /y", "tar -x -f /y"),
        ("x.tgz /tmp/z.tgz", "cd /tmp && tar --extract --gzip --file=z.tgz"),
        ("a.tgz b.tgz /tmp/", "tar -C / -xvf /tmp/b.tgz"),
        ("dist/app-*.tar.gz /tmp/", "tar xf /tmp/app-1.2.tar.gz"),
        ("x.tar.gz .", "tar xz < x.tar.gz"),
        ("x.tar.gz /", "<<end\nset -e\ntar xf /x.tar.gz\nend"),
        ("x.tar.gz /", '["tar", "xf", "/x.tar.gz"]'),
        ("x.tar.gz /", "sh -c 'tar xf /x.tar.gz'"),
    ],
)
def test_flags_an_archive_that_is_copied_and_unpacked(copy: str, run: str) -> None:
    """ADD would have unpacked it, without leaving it in a layer."""
    assert red(POLICY, f"FROM a:1\nCOPY {copy}\nRUN id\nRUN {run}\n") == [(2, "unpacked")]


@pytest.mark.parametrize(
    ("copy", "run"),
    [
        ("x.tar.gz /", "tar -xzf /other.tar.gz"),
        ("x.tar.gz /a/", "tar -xzf /b/x.tar.gz"),
        ("x.tar.gz /", "tar -czf /x.tar.gz /etc"),
        ("x.tar.gz /", "tar tf /x.tar.gz"),
        ("x.tar.gz /", "tar xf /x.tar.gz --strip-components=1"),
        ("x.tar.gz /", "tar xf /x.tar.gz -C /opt bin/tool"),
        ("x.tar.gz sums /", "sha256sum -c sums && tar xf x.tar.gz"),
        ("x.zip /", "unzip /x.zip"),
        ("x.gz /", "gunzip /x.gz"),
        (". /app/", "tar xf /app/x.tar.gz"),
        ("--from=b:1 /x.tar.gz /", "tar xf /x.tar.gz"),
    ],
)
def test_passes_what_add_cannot_do(copy: str, run: str) -> None:
    """Another file, no archive that ADD unpacks, a part of it, a check before, another stage's file."""
    assert red(POLICY, f"FROM a:1\nCOPY {copy}\nRUN {run}\n") == []


def test_passes_an_archive_unpacked_before_it_is_copied() -> None:
    """Only a later RUN can unpack it."""
    assert red(POLICY, "FROM a:1\nRUN tar xf /x.tar\nCOPY x.tar /\n") == []


@pytest.mark.parametrize(
    "arguments",
    ["a b c", "a b /c", '["a", "b", "/c"]', "--from=b:1 /a /b /c", "a b ./c/.", "<<a <<b c\n1\na\n2\nb"],
)
def test_flags_several_sources_without_a_folder(arguments: str) -> None:
    """BuildKit writes one over the other without a word."""
    assert red(POLICY, f"FROM a:1\nCOPY {arguments}\n") == [(2, "many-to-one")]


@pytest.mark.parametrize(
    "arguments",
    [
        "a b c/",
        "a b .",
        "a b ..",
        "a b ../..",
        "a b /",
        "a b ./",
        "a c",
        "a* c",
        '["a", "b", "c/"]',
        "a b $unknown",
    ],
)
def test_passes_several_sources_to_a_folder(arguments: str) -> None:
    """A slash at the end, or a folder that is there whatever happens; an unknown place is not guessed."""
    assert red(POLICY, f"FROM a:1\nCOPY {arguments}\n") == []


def test_follows_the_destination_to_its_value() -> None:
    """The slash may come out of a variable."""
    assert red(POLICY, "FROM a:1\nARG D=c/\nCOPY a b $D\n") == []
    assert red(POLICY, "FROM a:1\nARG D=c\nCOPY a b $D\n") == [(3, "many-to-one")]


def test_passes_archives_unpacked_into_one_place() -> None:
    """ADD makes the folder when it unpacks; several plain files or downloads need the slash."""
    assert red(POLICY, "FROM a:1\nADD a.tar b.tar c\n") == []
    assert (2, "many-to-one") in red(POLICY, "FROM a:1\nADD https://x.org/a https://x.org/b c\n")


def test_says_what_to_write() -> None:
    """The finding holds the fix."""
    (finding,) = findings(POLICY, "FROM a:1\nCOPY a b c\n")
    assert finding.help == "write c/"


GOOD = {
    "debian": 'ADD rootfs.tar.xz /\nCMD ["bash"]',
    "node": "WORKDIR /app\nCOPY package.json package-lock.json ./\nRUN npm ci\nCOPY . .",
    "python": "COPY requirements.txt pyproject.toml /app/\nCOPY src /app/src",
    "go": "COPY go.mod go.sum .\nRUN go mod download\nCOPY . .",
    "alpine": "ADD --checksum=sha256:"
    + "0" * 64
    + " https://x.org/s6.tar.xz /tmp/\nRUN tar -C / -Jxpf /tmp/s6.tar.xz",
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_passes_good_builds(text: str) -> None:
    """What people write every day is no finding; an archive that ADD fetched is not unpacked by it."""
    assert red(POLICY, f"FROM a:1\n{text}\n") == []
