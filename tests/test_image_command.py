"""`dockproof image`: any image or archive, with and without its Dockerfile; what cannot be looked at is never clean."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from junitparser import JUnitXml

from dockproof import catalog, cli, image_command
from dockproof.config import Config
from dockproof.errors import Exit
from dockproof.image_command import Settings, as_path
from tests.collect import archives

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockproof.collect.engine import Engine
    from dockproof.gate import FileReport

BASE = archives.layer({"etc/passwd": b"root:x:0:0::/:/bin/sh\n", "bin/tool": b"\x7fELF\0"})
OWN = archives.layer(
    {"app/main.py": b"print()\n", "home/app/.netrc": b"machine a login b password c0rrect-horse\n"}
)
DOCKERFILE = """FROM python:3.13
COPY . /
USER 1000
"""
HISTORY = (
    ("ADD file:1 in /", False),
    ('CMD ["bash"]', True),
    ("COPY . / # buildkit", False),
    ("USER 1000", True),
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep facts in a folder of the test's own, and the configuration of the repository out."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def saved(path: Path, layers: Sequence[bytes] = (BASE, OWN), **settings: object) -> Path:
    """Write an archive whose history is that of the Dockerfile above."""
    steps = (
        [{"created_by": text, "empty_layer": empty} for text, empty in HISTORY] if len(layers) == 2 else []
    )
    return archives.docker_archive(path, layers, history=steps, **settings)


def look(path: Path | str, settings: Settings | None = None) -> FileReport:
    """Ask every image probe."""
    (file,) = image_command.run([str(path)], catalog.load(), Config(), settings).files
    return file


def found(file: FileReport, policy: str) -> list[Any]:
    """Return the places of a policy's findings."""
    return [finding.place for finding in file.answers.findings if finding.policy == policy]


def test_archive_is_judged_without_engine_and_dockerfile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every finding has its layer and whose it is; no program is started."""
    monkeypatch.setenv("PATH", "")
    file = look(saved(tmp_path / "image.tar", User="root"))
    assert file.error is None
    (secret,) = found(file, "no-secret-files")
    assert (secret.path, secret.layer_index, secret.origin, secret.line) == ("/home/app/.netrc", 1, "own", 0)
    assert secret.layer == archives.digest(OWN)
    (user,) = found(file, "non-root")
    assert (user.field, user.origin) == ("Config.User", "own")
    assert file.image is not None
    assert [layer["origin"] for layer in file.image["layers"]] == ["base", "own"]


def test_wasted_bytes_are_told_by_layer_and_cause(tmp_path: Path) -> None:
    """Of the own layers alone; the layer that holds them has them, whoever hides them."""
    layers = [
        {"base": b"x" * 10},
        {"a": b"a" * 20, "b": b"b" * 30},
        {"base": b"", "a": b"a" * 20, ".wh.b": b""},
    ]
    history = [{"created_by": "base"}, *({"created_by": "RUN x # buildkit"} for _ in range(2))]
    path = tmp_path / "image.tar"
    archives.docker_archive(path, [archives.layer(one) for one in layers], history=history)
    about = look(path).image
    assert about is not None
    assert [layer["wasted"] for layer in about["layers"]] == [0, 50, 0]
    assert about["wasted"] == {
        "overwritten": 0,
        "rights-changed": 20,
        "hidden": 30,
        "duplicate": 0,
        "only-installed": 0,
    }


def test_dockerfile_tells_the_line(tmp_path: Path) -> None:
    """The step that made the layer, or set the field, stands in the Dockerfile."""
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(DOCKERFILE)
    file = look(saved(tmp_path / "image.tar", User="root"), Settings(dockerfile=dockerfile))
    assert [place.line for place in found(file, "no-secret-files")] == [2]
    assert [place.line for place in found(file, "non-root")] == [3]
    assert file.image is not None
    assert [layer["line"] for layer in file.image["layers"]] == [1, 2]
    assert file.excerpt[2] == "COPY . /"


def test_wrong_dockerfile_is_said_and_tells_no_line(tmp_path: Path) -> None:
    """A line of another file would be a lie."""
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM x\nRUN other\n")
    file = look(saved(tmp_path / "image.tar", User="root"), Settings(dockerfile=dockerfile))
    assert all(finding.place.line == 0 for finding in file.answers.findings)
    assert any("not those of the image" in one.reason for one in file.answers.not_looked)


def test_base_archive_tells_base_from_own(tmp_path: Path) -> None:
    """The base's own layers win over any guess; one that it does not stand on is said."""
    path, base = saved(tmp_path / "image.tar", User="7"), saved(tmp_path / "base.tar", [BASE])
    file = look(path, Settings(base=str(base)))
    assert file.image is not None
    assert file.image["base"] == {"layers": 1, "told_by": "layers"}
    other = look(path, Settings(base=str(saved(tmp_path / "other.tar", [OWN]))))
    assert "pinned-base" in {finding.policy for finding in other.answers.findings}
    assert any("does not stand on it" in one.reason for one in other.answers.not_looked)


def test_scratch_with_one_binary_is_judged(tmp_path: Path) -> None:
    """No passwd, no packages, no shell: right facts, no crash."""
    content = archives.layer({"app": b"\x7fELF\0"})
    file = look(archives.docker_archive(tmp_path / "image.tar", [content], User="65532:65532", Cmd=["/app"]))
    assert file.error is None
    assert [one for one in file.answers.not_looked if one.fatal] == []
    assert found(file, "non-root") == []


def test_empty_image_is_judged(tmp_path: Path) -> None:
    """An image without layers has no user but root."""
    file = look(archives.docker_archive(tmp_path / "image.tar", []))
    assert (file.error, len(found(file, "non-root"))) == (None, 1)


# ------------------------------------------------------------------------------------------- command line


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command line."""
    code = cli.main(["image", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize("form", cli.FORMATS)
def test_every_format_names_image_layer_and_path(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever reads the report knows where to look."""
    path = saved(tmp_path / "image.tar", User="root")
    code, out, _ = run(capsys, str(path), "--format", form, "--select", "no-secret-files")
    assert code == Exit.FINDINGS
    assert "no-secret-files" in out
    assert "image.tar" in out
    if form not in {"github", "gitlab"}:  # they have a file and a line, and no place for more
        assert "/home/app/.netrc" in out
        assert archives.digest(OWN)[7:19] in out


def test_json_has_layer_origin_path_field_and_overview(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What programs read is complete."""
    path = saved(tmp_path / "image.tar", User="root")
    _, out, _ = run(capsys, str(path), "--format", "json", "--select", "no-secret-files,non-root")
    (file,) = json.loads(out)["files"]
    by_policy = {one["policy"]: one for one in file["findings"]}
    assert by_policy["no-secret-files"]["layer"] == {"index": 1, "digest": archives.digest(OWN)}
    assert by_policy["no-secret-files"]["origin"] == "own"
    assert by_policy["no-secret-files"]["path"] == "/home/app/.netrc"
    assert by_policy["non-root"]["field"] == "Config.User"
    assert file["image"]["platform"] == "linux/amd64"
    assert [layer["files"] for layer in file["image"]["layers"]] == [2, 2]


def test_clean_image_is_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Selected policies that hold give 0."""
    path = saved(tmp_path / "image.tar", [BASE], User="1000:1000")
    assert run(capsys, str(path), "--select", "non-root,no-secrets")[0] == Exit.CLEAN


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing.tar"], "cannot be read: No such file"),
        (["./nothing"], "cannot be read: No such file"),
        (["broken.tar"], "cut off"),
        (["text.tar"], "no image archive|damaged"),
        (["image.tar", "--platform", "linux/s390x"], "no image for linux/s390x, but for linux/amd64"),
        (["image.tar", "--dockerfile", "nothing"], "nothing: cannot be read"),
        (["image.tar", "--base", "nothing.tar"], "nothing.tar: cannot be read"),
    ],
)
def test_what_cannot_be_looked_at_is_4_with_a_sentence(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing half seen is ever clean."""
    path = saved(tmp_path / "image.tar", User="1000:1000")
    (tmp_path / "broken.tar").write_bytes(path.read_bytes()[:2000])
    (tmp_path / "text.tar").write_bytes(b"this is no archive\n" * 100)
    code, out, err = run(capsys, *arguments)
    assert code == Exit.NOT_LOOKED
    assert re.search(words, out + err)
    assert f"{arguments[0]}: {arguments[0]}" not in out  # once is enough


def test_one_broken_image_costs_no_other_its_findings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was found is told, and the exit code says that something is missing."""
    saved(tmp_path / "image.tar", User="root")
    code, out, _ = run(capsys, "nothing.tar", "image.tar", "--select", "non-root")
    assert code == Exit.NOT_LOOKED
    assert "non-root" in out
    assert "nothing.tar" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "required: IMAGE"),
        (["x.tar", "--platform", "arm64"], "no os/architecture"),
        (["x.tar", "--select", "non-rot"], "non-root"),
        (["image.tar", "--dockerfile", "Dockerfile", "--target", "no"], "no"),
    ],
)
def test_wrong_usage_is_2(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The arguments are judged before anything is looked at."""
    saved(tmp_path / "image.tar")
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    code, _, err = run(capsys, *arguments)
    assert code == Exit.USAGE
    assert words in err


def test_no_engine_is_4_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name needs an engine; the way out is named."""
    monkeypatch.setenv("PATH", str(tmp_path))
    code, out, _ = run(capsys, "python:3.13")
    assert code == Exit.NOT_LOOKED
    assert "no container engine answers" in out
    assert "Install Docker" in out


def test_names_are_told_from_files(tmp_path: Path) -> None:
    """A folder of the same name is no image; a layout is, and so is whatever looks like a file."""
    (tmp_path / "python").mkdir()
    (tmp_path / "layout").mkdir()
    (tmp_path / "layout" / "index.json").write_text("{}")
    (tmp_path / "file").write_text("")
    assert [as_path(name) for name in ("python", "python:3.13", "a/b:c", "sha256:0")] == [None] * 4
    for name in ("layout", "file", "gone.tar", "./gone", "/gone", "gone.tar.gz"):
        assert as_path(name) == Path(name)


# --------------------------------------------------------------------------------------------- structure tests

FILES = """schemaVersion: "2.0.0"
fileExistenceTests:
- {name: code, path: /app/main.py, shouldExist: true, permissions: "-rw-r--r--"}
- {name: git, path: /usr/bin/git, shouldExist: true}
metadataTest: {user: "7"}
"""
COMMAND = """commandTests:
- {name: runs, command: "true"}
"""


def structure(tmp_path: Path, text: str, name: str = "tests.yaml") -> Path:
    """Write a structure test file."""
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_structure_tests_of_an_archive_need_no_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files and metadata are answered from the archive; no program is started, and a failure is a finding."""
    saved(tmp_path / "image.tar", User="7")
    structure(tmp_path, FILES)
    monkeypatch.setenv("PATH", "")
    arguments = ("image.tar", "--structure", "tests.yaml", "--select", "pipefail")
    code, out, _ = run(capsys, *arguments, "--format", "json")
    (file,) = json.loads(out)["files"]
    assert code == Exit.FINDINGS
    told = [(one["name"], one["passed"], one["by"]) for one in file["image"]["structure"]]
    assert told == [
        ("File Existence Test: code", True, "facts"),
        ("File Existence Test: git", False, "facts"),
        ("Metadata Test", True, "facts"),
    ]
    (finding,) = file["findings"]
    assert finding["policy"] == "structure:tests.yaml"
    assert finding["message"].startswith("File Existence Test: git: /usr/bin/git should exist")
    code, out, _ = run(capsys, *arguments)
    assert "structure tests: 2 of 3 passed" in out
    assert "GoogleContainerTools/container-structure-test" in out


def test_structure_tests_that_hold_are_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Several files are asked one after the other."""
    saved(tmp_path / "image.tar", User="7")
    structure(tmp_path, FILES.replace("/usr/bin/git", "/bin/tool"))
    structure(tmp_path, 'schemaVersion: "2.0.0"\nx-dockproof: {image: {os: linux}}\n', "image.yaml")
    given = ["--structure", "tests.yaml", "image.yaml", "--select", "pipefail"]
    code, out, _ = run(capsys, "image.tar", *given)
    assert code == Exit.CLEAN
    assert "structure tests: 4 of 4 passed" in out


@pytest.mark.parametrize("kind", ["text", "json", "sarif", "junit", "github", "gitlab", "html"])
def test_command_tests_of_an_archive_are_not_looked_at(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They need a container: said by name with the way out, beside what the others gave; never passed."""
    saved(tmp_path / "image.tar", User="7")
    structure(tmp_path, FILES + COMMAND)
    code, out, _ = run(capsys, "image.tar", "--structure", "tests.yaml", "--format", kind)
    assert code == Exit.NOT_LOOKED
    assert "/usr/bin/git should exist" in out
    if kind == "text":
        assert re.search(r"1 test needs a container: `docker load` .*\(Command Test: runs\)", out)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "tests.yaml"),
        ('schemaVersion: "2.0.0"\nfileExistenceTest: []\n', "fileExistenceTest"),
        ("", "tests.yaml"),
    ],
)
def test_structure_file_with_a_mistake_is_2(
    text: str | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told before any image is looked at."""
    if text is not None:
        structure(tmp_path, text)
    code, out, err = run(capsys, "nothing.tar", "--structure", "tests.yaml")
    assert code == Exit.USAGE
    assert words in err
    assert not out


# ---------------------------------------------------------------------------------------------- with an engine


@pytest.mark.engine
def test_lines_of_a_real_build(engine: Engine, tmp_path: Path) -> None:
    """BuildKit's own history: each layer and setting finds its instruction, triggers and empty layers included."""
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(
        "FROM scratch AS base\n"
        "ARG VERSION=1\n"
        "ENV DEBUG=1\n"
        "COPY <<a /etc/passwd\nroot:x:0:0::/:/\na\n"
        "ONBUILD ENV TRIGGERED=1\n"
        "FROM base\n"
        "WORKDIR /srv\n"
        "COPY --chmod=4755 <<c /srv/tool\nx\nc\n"
        "LABEL a=b\n"
        "EXPOSE 22\n"
        "USER root\n"
        'CMD ["/srv/tool"]\n'
    )
    file = look(_built(engine, dockerfile), Settings(dockerfile=dockerfile))
    lines = {(one.policy, one.place.path or one.place.field): one.place.line for one in file.answers.findings}
    text = dockerfile.read_text().splitlines()
    assert text[lines["no-setuid", "/srv/tool"] - 1].startswith("COPY --chmod=4755")
    assert text[lines["non-root", "Config.User"] - 1] == "USER root"
    assert text[lines["no-ssh", "Config.ExposedPorts"] - 1] == "EXPOSE 22"
    assert file.image is not None
    assert file.image["base"] == {"layers": 0, "told_by": "Dockerfile"}
    made = [text[layer["line"] - 1].partition(" ")[0] for layer in file.image["layers"]]
    assert made == ["COPY", "WORKDIR", "COPY"]


def _built(engine: Engine, dockerfile: Path) -> str:
    answer = engine.docker(
        "build",
        "--quiet",
        *engine.lease.arguments,
        "--file",
        str(dockerfile),
        str(dockerfile.parent),
        timeout=120,
    )
    return answer.stdout.strip()


@pytest.mark.engine
@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("pull", [False, True])
def test_image_that_nobody_has_is_4(capsys: pytest.CaptureFixture[str], *, pull: bool) -> None:
    """The engine has none and the registry refuses: said in one sentence each."""
    name = "registry.invalid/nobody/nothing:1"
    code, out, _ = run(capsys, name, *(["--pull"] if pull else []))
    assert code == Exit.NOT_LOOKED
    assert (f"docker pull {name} failed" if pull else f"no image {name}") in out


@pytest.mark.engine
def test_image_for_another_platform_is_4(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the engine has is named."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\nLABEL a=b\nCOPY <<a /a\nx\na\n")
    identity = _built(engine, tmp_path / "Dockerfile")
    code, out, _ = run(capsys, identity, "--platform", "linux/s390x")
    assert code == Exit.NOT_LOOKED
    assert "not for linux/s390x" in out


def test_start_imports_no_engine_for_an_archive(tmp_path: Path) -> None:
    """Reading an archive pays for no engine."""
    path = saved(tmp_path / "image.tar", User="7")
    program = (
        "import sys; from dockproof import cli; "
        f"cli.main(['image', {str(path)!r}, '--select', 'non-root', '--no-config']); "
        "sys.exit('dockproof.session' in sys.modules or 'pytest' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


def test_sarif_and_junit_are_what_their_readers_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Findings without a line are results all the same, with the place in words."""
    sarif: Any = importlib.import_module("sarif_pydantic")  # ships no type information
    path = saved(tmp_path / "image.tar", User="root")
    _, out, _ = run(capsys, str(path), "--format", "sarif", "--select", "no-secret-files,non-root")
    (checked,) = sarif.Sarif.model_validate_json(out).runs
    words = {one.locations[0].logical_locations[0].fully_qualified_name for one in checked.results}
    assert "Config.User" in words
    assert f"own layer 1 {archives.digest(OWN)[7:19]}, /home/app/.netrc" in words
    _, out, _ = run(capsys, str(path), "--format", "junit", "--select", "no-secret-files,non-root")
    (suite,) = JUnitXml.fromstring(out)
    assert (suite.tests, suite.failures, suite.errors) == (2, 2, 0)


def test_fingerprints_are_stable_and_tell_findings_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A service that remembers findings sees the same ones again, each once."""
    marks = []
    for name in ("image.tar", "image.tar"):
        saved(tmp_path / name, User="root")
        _, out, _ = run(capsys, name, "--format", "gitlab")
        marks.append([one["fingerprint"] for one in json.loads(out)])
    assert marks[0] == marks[1]
    assert len(set(marks[0])) == len(marks[0]) > 2
