"""What a build fetches, where it goes, what checks it and what runs it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockproof.facts.dockerfile import parse
from dockproof.facts.downloads import Download, added, downloads
from dockproof.facts.shell import script


def fetched(text: str) -> tuple[Download, ...]:
    """Read the downloads of a RUN."""
    return downloads(script(parse(f"FROM a\nRUN {text}").instructions[1]))


@pytest.mark.parametrize(
    ("text", "url", "output"),
    [
        ("curl -fsSL https://x/a -o /tmp/a", "https://x/a", "/tmp/a"),
        ("curl -fsSLo /tmp/a https://x/a", "https://x/a", "/tmp/a"),
        ("curl -LO https://x/y/a.tgz?z=1", "https://x/y/a.tgz?z=1", "a.tgz"),
        ("curl --output-dir /opt -O https://x/a", "https://x/a", "/opt/a"),
        ("curl -H 'A: b' --retry 3 --url https://x/a > b", "https://x/a", "b"),
        ("curl https://x/a", "https://x/a", None),
        ("curl -o - https://x/a", "https://x/a", None),
        ("wget https://x/a.tgz", "https://x/a.tgz", "a.tgz"),
        ("wget -qO- https://x/a", "https://x/a", None),
        ("wget -q -O /tmp/b https://x/a", "https://x/a", "/tmp/b"),
        ("wget --progress dot https://x/a", "https://x/a", "a"),
        ("wget -nv -P /opt https://x/a", "https://x/a", "/opt/a"),
        ("wget --output-document=b https://x/a", "https://x/a", "b"),
        ("wget -O - https://x/a > c", "https://x/a", "c"),
        ("git clone --depth 1 -b v1 https://x/y.git", "https://x/y.git", "y"),
        ("git -c http.sslVerify=false clone https://x/y /opt/y", "https://x/y", "/opt/y"),
        ("aria2c -d /opt -o b https://x/a", "https://x/a", "/opt/b"),
        ('sudo curl -o a "https://x/$V/a"', "https://x/$V/a", "a"),
        ("python3 -c \"import urllib.request as r; r.urlretrieve('https://x/a', 'b')\"", "https://x/a", None),
    ],
)
def test_tells_address_and_output(text: str, url: str, output: str | None) -> None:
    """The address and the file that it goes to are told apart from options and their values."""
    (found,) = fetched(text)
    assert (found.url.text, found.output) == (url, output)


def test_matches_outputs_to_addresses() -> None:
    """Several addresses of one curl have their outputs in order."""
    found = fetched("curl -o a https://x/1 -o b https://x/2")
    assert [(one.url.text, one.output) for one in found] == [("https://x/1", "a"), ("https://x/2", "b")]


@pytest.mark.parametrize(
    "text", ["curl -I https://x", "curl --version", "wget --spider https://x", "git status", "echo curl x"]
)
def test_ignores_what_fetches_nothing(text: str) -> None:
    """A command that gets no content is no download."""
    assert fetched(text) == ()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('curl -O https://x/a.tgz && echo "$SUM  a.tgz" | sha256sum -c -', "sha256sum"),
        ("curl -o /tmp/a https://x/b && echo 'abc /tmp/a' | sha512sum --check --status", "sha512sum"),
        ("curl -O https://x/a.tgz && sha256sum -c a.tgz.sha256", "sha256sum"),
        ("curl -O https://x/a.tgz && sha256sum -c SHA256SUMS --ignore-missing", "sha256sum"),
        ("curl -O https://x/a.tgz && grep ' a.tgz$' SHASUMS256.txt | sha256sum -c -", "sha256sum"),
        ('curl -O https://x/a-$V.tgz && echo "$S a-${V}.tgz" | shasum -a 256 -c', "shasum"),
        ('curl -O https://x/a.tgz && sha256sum -c <<< "abc a.tgz"', "sha256sum"),
        ('curl -O https://x/a && [ "$(sha256sum a | cut -c1-64)" = abc ]', "sha256sum"),
        ("wget https://x/a && gpg --batch --verify a.asc a", "gpg"),
        ("wget https://x/a && gpgv --keyring k a.sig a", "gpgv"),
        ("wget https://x/a && cosign verify-blob --key k a", "cosign"),
        ("git clone https://x/y && cd y && git checkout 0123456789012345678901234567890123456789", "git"),
    ],
)
def test_finds_the_check(text: str, name: str) -> None:
    """A later command that names the file, or a list of sums, checks the download."""
    found = fetched(text)[0]
    assert found.checked_by is not None
    assert found.checked_by.name == name
    assert found.checked


@pytest.mark.parametrize(
    "text",
    [
        "curl -O https://x/a.tgz && tar xf a.tgz",
        "echo 'abc a.tgz' | sha256sum -c && curl -O https://x/a.tgz",
        "curl -O https://x/a.tgz && echo 'abc b.tgz' | sha256sum -c",
        "curl -O https://x/a.tgz && sha256sum a.tgz",
        "wget https://x/a && gpg --import k",
        "git clone -b v1 https://x/y && cd y && git checkout main",
    ],
)
def test_finds_no_check(text: str) -> None:
    """A check before the download, of another file, or that only prints, is none."""
    assert not fetched(text)[0].checked


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("curl https://x | sh", "sh"),
        ("curl https://x | sudo -E bash -s -- --yes", "bash"),
        ("curl https://x | bash -euo pipefail", "bash"),
        ("wget -qO- https://x | gunzip | bash -", "bash"),
        ("curl https://x | python3 -", "python3"),
        ("(curl https://x; echo) | sh", "sh"),
        ('bash -c "$(curl -fsSL https://x)"', "bash"),
        ("bash <(curl https://x)", "bash"),
        ('eval "$(wget -O- https://x)"', "eval"),
        ("sh -c 'curl https://x | sh'", "sh"),
        ("{ curl https://x | sh; }", "sh"),
    ],
)
def test_finds_what_runs_it(text: str, name: str) -> None:
    """A download that a shell or interpreter runs without a file is told, through filters and substitutions."""
    found = fetched(text)[0]
    assert found.run_by is not None
    assert found.run_by.name == name


@pytest.mark.parametrize(
    "text",
    [
        "curl https://x | tar xz",
        "curl https://x | gpg --dearmor -o k",
        "V=$(curl https://x)",
        "curl https://x | python3 -m json.tool",
        "curl https://x | sh script.sh",
    ],
)
def test_does_not_call_data_a_script(text: str) -> None:
    """What is unpacked, stored or read by a script of its own is not run."""
    assert fetched(text)[0].run_by is None


@pytest.mark.parametrize(
    ("text", "insecure"),
    [
        ("curl -k https://x", ("-k",)),
        ("curl -fsSLk https://x", ("-k",)),
        ("curl --insecure https://x", ("--insecure",)),
        ("wget --no-check-certificate https://x", ("--no-check-certificate",)),
        ("git -c http.sslVerify=false clone https://x/y", ("http.sslVerify=false",)),
        ("curl -H '-k' https://x", ()),
    ],
)
def test_tells_insecure_options(text: str, insecure: tuple[str, ...]) -> None:
    """Options that switch certificate checks off are told from values that look like them."""
    assert fetched(text)[0].insecure == insecure


def test_knows_scheme_host_and_local() -> None:
    """An address gives scheme and host; a health check's own machine is local."""
    plain, local, variable = fetched("curl example.org/x; curl http://localhost:8000/health; curl $URL/x")
    assert (plain.scheme, plain.host, plain.local) == ("http", "example.org", False)
    assert local.local
    assert variable.scheme == ""


def test_reads_add() -> None:
    """ADD fetches addresses, checked by --checksum or a whole commit id; local files are none."""
    file = parse(
        "FROM a\nADD https://x/a https://x/b /opt/\nADD --checksum=sha256:aa https://x/c /c\nADD ./d /d\n"
        f"ADD https://x/y.git#{'a' * 40} /y\nADD https://x/y.git#v1 /y\n"
    )
    found = [[(one.tool, one.url.text, one.checked) for one in added(each)] for each in file.instructions[1:]]
    assert found == [
        [("ADD", "https://x/a", False), ("ADD", "https://x/b", False)],
        [("ADD", "https://x/c", True)],
        [],
        [("git", f"https://x/y.git#{'a' * 40}", True)],
        [("git", "https://x/y.git#v1", False)],
    ]
    assert added(file.instructions[1])[1].url.span.column == 17


_WORDS = [
    *(
        "curl",
        "wget",
        "git",
        "clone",
        "-o",
        "-O",
        "-k",
        "-c",
        "https://x/a",
        "a.tgz",
        "sh",
        "sha256sum",
        "echo",
    ),
    *("|", "&&", "(", ")", "$(", "'", '"', "<(", "-"),
]


@given(st.lists(st.sampled_from(_WORDS), max_size=14).map(" ".join) | st.text(max_size=60))
def test_never_raises(text: str) -> None:
    """Any text is read, and every answer about a download is given."""
    for found in fetched(text):
        assert isinstance((found.scheme, found.host, found.local, found.checked, found.run_by), tuple)
