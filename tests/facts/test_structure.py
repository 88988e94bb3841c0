"""Structure tests answered from facts: each field of the schema, passing and failing, and what is left to the tool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dockproof.facts import golang, structure
from dockproof.facts.image import FileEntry, HealthConfig, ImageConfig, ImageFacts, Layer

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXTS = {"/a": b"alpha\nbeta\n", "/bad": b"b\xff\xfed\n", "/utf": "caf\u00e9\n".encode(), "/empty": b""}


def entry(path: str, mode: int, kind: str = "file", link: str = "", uid: int = 7, gid: int = 8) -> FileEntry:
    """Make a file."""
    return FileEntry(path, kind, mode, uid, gid, 1, 0, link, 0)


ENTRIES = (
    entry("/", 0o755, "dir"),
    entry("/d", 0o755, "dir"),
    entry("/d/x", 0o750),
    *(entry(path, 0o644) for path in TEXTS),
    entry("/binary", 0o644),
    entry("/suid", 0o4755),
    entry("/sgid", 0o2755),
    entry("/tmp", 0o1777, "dir"),
    entry("/null", 0o666, "char"),
    entry("/fifo", 0o644, "fifo"),
    entry("/link", 0o777, "link", "a"),
    entry("/folder", 0o777, "link", "/d"),
    entry("/dangling", 0o777, "link", "none"),
    entry("/hard", 0o644, "hardlink", "/a"),
    entry("/implied/below/file", 0o644),
)
CONFIG = ImageConfig(
    user="7:8",
    env={"A": "1", "B": "two words", "E": ""},
    command=("echo", "hi"),
    entrypoint=("/bin/sh", "-c"),
    workdir="/d",
    labels={"one": "1"},
    ports=("8000/tcp", "9000/udp"),
    volumes=("/v1",),
    stop_signal="SIGINT",
    healthcheck=HealthConfig(("CMD", "true"), interval=5.0, retries=4),
    os="linux",
    architecture="arm64",
    variant="v8",
    on_build=("RUN true",),
)
IMAGE = ImageFacts(
    reference="x",
    id="sha256:1",
    config=CONFIG,
    layers=(Layer(0, "sha256:0", 1, None, ENTRIES),),
    texts={(0, path): text for path, text in TEXTS.items()},
)


def existence(**test: Any) -> structure.Answered:
    """Answer a file existence test."""
    return structure.file_existence(IMAGE, {"name": "n", **test})


@pytest.mark.parametrize(
    "test",
    [
        {"path": "/a"},
        {"path": "a"},
        {"path": "/d/../a"},
        {"path": "/folder/x"},
        {"path": "/dangling"},
        {"path": "/none", "shouldExist": False},
        {"path": "/a/b", "shouldExist": False},
        {"path": "/a", "permissions": "-rw-r--r--", "uid": 7, "gid": 8},
        {"path": "/a", "uid": -1, "gid": -1},
        {"path": "/d", "permissions": "drwxr-xr-x"},
        {"path": "/link", "permissions": "Lrwxrwxrwx"},
        {"path": "/folder/", "permissions": "drwxr-xr-x"},
        {"path": "/suid", "permissions": "urwxr-xr-x"},
        {"path": "/sgid", "permissions": "grwxr-xr-x"},
        {"path": "/tmp", "permissions": "dtrwxrwxrwx"},
        {"path": "/null", "permissions": "Dcrw-rw-rw-"},
        {"path": "/fifo", "permissions": "prw-r--r--"},
        {"path": "/d/x", "isExecutableBy": "group"},
        {"path": "/none", "shouldExist": False, "permissions": "-rw-r--r--", "uid": 0},
    ],
)
def test_passes_what_is_as_asked(test: Mapping[str, Any]) -> None:
    """Each field, in the tool's own spelling of modes."""
    assert existence(**test) == structure.Answered("File Existence Test: n")


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ({"path": "/none"}, "should exist"),
        ({"path": "/a", "shouldExist": False}, "should not exist, but the image has it"),
        ({"path": "/dangling", "shouldExist": False}, "should not exist"),
        ({"path": "/a", "permissions": "-rwxr-xr-x"}, "has permissions -rw-r--r--, not -rwxr-xr-x"),
        ({"path": "/suid", "permissions": "-rwsr-xr-x"}, "has permissions urwxr-xr-x"),
        ({"path": "/a", "uid": 0}, "has uid 7, not 0"),
        ({"path": "/a", "gid": 0}, "has gid 8, not 0"),
        ({"path": "/d/x", "isExecutableBy": "other"}, "cannot be executed by other"),
        ({"path": "/a", "isExecutableBy": "any"}, "cannot be executed by any"),
    ],
)
def test_fails_what_is_not(test: Mapping[str, Any], words: str) -> None:
    """The sentence says what there is instead."""
    (error,) = existence(**test).errors
    assert words in error


@pytest.mark.parametrize(
    "path", ["$HOME/a", "/proc", "/etc/hosts", "/dev/null", "/.dockerenv", "/v1", "/v1/x", "/implied/below"]
)
def test_leaves_to_the_tool_what_no_layer_tells(path: str) -> None:
    """What the engine makes in each container, and names that hang on the environment."""
    answer = existence(path=path)
    assert answer.unknown
    assert not answer.errors


def content(path: str, expected: str | None = None, excluded: str | None = None) -> structure.Answered:
    """Answer a file content test."""
    test = {"name": "n", "path": path, "expectedContents": [expected] if expected is not None else None}
    return structure.file_content(
        IMAGE, {**test, "excludedContents": [excluded] if excluded is not None else None}
    )


@pytest.mark.parametrize(
    ("path", "regex", "found"),
    [
        ("/a", "alpha", True),
        ("/a", "^alpha\\nbeta$", False),  # Python's $ would match before the last newline
        ("/a", "^alpha\\nbeta\\n$", True),
        ("/a", "^beta$", False),
        ("/a", "(?m)^beta$", True),
        ("/a", "alpha.beta", False),
        ("/a", "(?s)alpha.beta", True),
        ("/a", "\\Aalpha", True),
        ("/a", "beta\\n\\z", True),
        ("/a", "(?i)ALPHA", True),
        ("/a", "[[:alpha:]]{5}", True),
        ("/a", "\\Qa.\\E", False),
        ("/a", "", True),
        ("/link", "alpha", True),
        ("/hard", "alpha", True),
        ("/bad", "b..d", True),  # two bytes that are no UTF-8 are two characters to Go
        ("/utf", "caf.\\n$", True),
        ("/utf", "\\p{L}{4}", True),
        ("/utf", "\\w{4}", False),  # Go's \w is ASCII
        ("/empty", "^$", True),
    ],
)
def test_reads_expressions_as_go_does(
    path: str,
    regex: str,
    found: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Expected and excluded are each other's opposite."""
    assert (content(path, expected=regex).errors == ()) is found
    assert (content(path, excluded=regex).errors == ()) is not found
    assert not content(path, expected=regex).unknown


@pytest.mark.parametrize("path", ["/none", "/d", "/folder", "/dangling", "/a/"])
def test_content_of_no_file_fails_also_what_must_not_be_there(path: str) -> None:
    """An absence is shown in a file that is there, or not at all."""
    (error,) = content(path, excluded="x").errors
    assert "cannot be read" in error


@pytest.mark.parametrize("path", ["/binary", "/fifo"])
def test_content_that_was_not_kept_is_left_to_the_tool(path: str) -> None:
    """Facts keep small texts alone."""
    assert content(path, excluded="x").unknown


@pytest.mark.parametrize(
    "regex", ["(", "a++", "(?=a)", "(?<=a)b", "\\C", "\\Z", "\\h", "(a)\\1", "a{1001}", "(?P=n)", "(?#c)a"]
)
def test_go_refuses_an_expression(regex: str) -> None:
    """Python's `re` would read some of them."""
    with pytest.raises(golang.BadRegexError):
        golang.matches(regex, "a")


def metadata(**test: Any) -> tuple[str, ...]:
    """Return the errors of a metadata test."""
    answer = structure.metadata(CONFIG, test)
    assert not answer.unknown
    return answer.errors


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ({"envVars": [{"key": "A", "value": "1"}]}, {"envVars": [{"key": "A", "value": "2"}]}),
        ({"envVars": [{"key": "E"}]}, {"envVars": [{"key": "Z"}]}),
        (
            {"envVars": [{"key": "B", "value": "^two", "isRegex": True}]},
            {"envVars": [{"key": "B", "value": "^two$", "isRegex": True}]},
        ),
        ({"unboundEnvVars": [{"key": "a"}]}, {"unboundEnvVars": [{"key": "E"}]}),
        ({"labels": [{"key": "one", "value": "1"}]}, {"labels": [{"key": "one", "value": "^1$"}]}),
        ({"labels": [{"key": "one", "value": "^1$", "isRegex": True}]}, {"labels": [{"key": "two"}]}),
        ({"exposedPorts": ["8000", "9000"]}, {"exposedPorts": ["22"]}),
        ({"unexposedPorts": ["22"]}, {"unexposedPorts": ["9000"]}),
        ({"volumes": ["/v1"]}, {"volumes": ["/v1/"]}),
        ({"unmountedVolumes": ["/v2"]}, {"unmountedVolumes": ["/v1"]}),
        ({"entrypoint": ["/bin/sh", "-c"]}, {"entrypoint": []}),
        ({"cmd": ["echo", "hi"]}, {"cmd": ["echo"]}),
        ({"workdir": "/d"}, {"workdir": "/"}),
        ({"user": "7:8"}, {"user": "7"}),
    ],
)
def test_metadata_field(good: Mapping[str, Any], bad: Mapping[str, Any]) -> None:
    """Each field passes as the image has it, and fails by one sentence otherwise."""
    assert metadata(**good) == ()
    assert len(metadata(**bad)) == 1


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("stop_signal", "SIGINT", "SIGTERM"),
        ("stop_signal", {"matches": "^SIG"}, None),
        ("stop_timeout", None, 10),
        ("platform", "linux/arm64/v8", "linux/arm64"),
        ("created", "", {"matches": "^2"}),
        ("on_build", ["RUN true"], []),
        ("shell", [], ["/bin/sh"]),
        ("volumes", ["/v1"], []),
        ("ports", ["8000/tcp", "9000/udp"], ["8000/tcp"]),
        ("labels", {"one": {"matches": "."}}, {}),
        ("env", {"A": "1", "B": "two words", "E": ""}, {"A": "1", "B": "two words", "E": "x"}),
        ("healthcheck", {"test": ["CMD", "true"], "interval": 5.0, "retries": 4}, {"timeout": 1.0}),
        ("healthcheck", {}, None),
        ("layers", 1, 2),
        ("args_escaped", False, True),
    ],
)
def test_image_field(field: str, good: Any, bad: Any) -> None:
    """What container-structure-test has no word for."""
    assert structure.image_field(IMAGE, field, good) == structure.Answered(f"Image Test: {field}")
    assert len(structure.image_field(IMAGE, field, bad).errors) == 1


@pytest.mark.parametrize("check", [None, HealthConfig(("NONE",))])
def test_a_missing_health_check_is_told_from_one(check: HealthConfig | None) -> None:
    """`null` asserts that there is none; anything else that there is one."""
    image = ImageFacts(reference="x", id="sha256:2", config=ImageConfig(healthcheck=check))
    assert structure.image_field(image, "healthcheck", None).errors == ()
    assert structure.image_field(image, "healthcheck", {}).errors == ("healthcheck is not set",)


def test_without_re2_only_plain_texts_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is an extra; nothing is ever given to an engine that reads it differently."""
    monkeypatch.setitem(__import__("sys").modules, "re2", None)
    golang.compiled.cache_clear()
    assert content("/a", expected="alpha") == structure.Answered("File Content Test: n")
    assert "google-re2 is not installed" in content("/a", expected="^alpha").unknown
    golang.compiled.cache_clear()
