from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

GOOD = f"""\
FROM alpine:3.22@sha256:{"a" * 64}
USER 10001:10001
HEALTHCHECK --interval=5s --timeout=3s CMD ["/app", "check"]
CMD ["/app"]
"""
COMPOSE = """\
services:
  web:
    build: .
    x-dockproof: {structure_tests: [structure.yaml]}
"""
STRUCTURE = """\
schemaVersion: 2.0.0
fileExistenceTests:
  - {name: the root is there, path: /, shouldExist: true}
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Return an empty project on a machine where no engine answers and none is required."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:cacheprovider -W error")
    return pytester


def write(project: pytest.Pytester, **files: str) -> None:
    """Write files into the project; `__` in a name stands for a dot."""
    for name, text in files.items():
        path: Path = project.path / name.replace("__", ".")
        path.write_text(dedent(text), encoding="utf-8")


def test_good_dockerfile_passes_item_by_item(project: pytest.Pytester) -> None:
    """Each source policy is an item of its own, named as users name it."""
    write(project, Dockerfile=GOOD)
    result = project.runpytest_subprocess("-v", "Dockerfile")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["Dockerfile::non-root?source? PASSED*", "Dockerfile::hadolint PASSED*"])


def test_finding_fails_its_item_alone_with_its_sentence(project: pytest.Pytester) -> None:
    """A broken promise fails one item, and shows the line, the policy and what is wrong."""
    write(project, Dockerfile=GOOD.replace("USER 10001:10001", "USER 00"))
    result = project.runpytest_subprocess("Dockerfile")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["*line 2: non-root/root-user: USER 00 is root*", "FAILED Dockerfile::non-root?source?*"]
    )
    assert "Traceback" not in result.stdout.str()
    assert result.parseoutcomes()["failed"] == 1


def test_select_by_keyword_and_marker(project: pytest.Pytester) -> None:
    """-k and -m work as on any test."""
    write(project, Dockerfile=GOOD)
    assert project.runpytest_subprocess("-k", "non-root", "Dockerfile").parseoutcomes()["passed"] == 1
    assert "passed" not in project.runpytest_subprocess("-m", "image", "Dockerfile").parseoutcomes()


def test_without_an_engine_items_are_named_and_skip_with_the_reason(project: pytest.Pytester) -> None:
    """Image, runtime and structure items are known without an engine, and say why they skip."""
    write(project, Dockerfile=GOOD, compose__yaml=COMPOSE, structure__yaml=STRUCTURE)
    result = project.runpytest_subprocess("-v", "-rs")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        [
            "compose.yaml::web::non-root?image? SKIPPED*",
            "compose.yaml::web::healthcheck?runtime? SKIPPED*",
            "structure.yaml::web::*the root is there SKIPPED*",
            "SKIPPED*no container engine answers*",
        ]
    )


@pytest.mark.parametrize("how", ["option", "ci"])
def test_engine_that_is_required_fails_what_it_would_skip(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """--require-engine, and CI=true, turn every such skip into a failure."""
    write(project, Dockerfile=GOOD, compose__yaml=COMPOSE, structure__yaml=STRUCTURE)
    if how == "ci":
        monkeypatch.setenv("CI", "true")
    result = project.runpytest_subprocess(*(["--require-engine"] if how == "option" else []), "compose.yaml")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert set(result.parseoutcomes()) == {"failed"}


def test_structure_test_that_no_service_names_fails(project: pytest.Pytester) -> None:
    """A structure test that nothing would ever run must not look as if it did."""
    write(project, Dockerfile=GOOD, compose__yaml=COMPOSE, lonely__yaml=STRUCTURE)
    result = project.runpytest_subprocess("lonely.yaml")
    result.stdout.fnmatch_lines(["*no service of a compose file names lonely.yaml*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_unknown_key_of_x_dockproof_is_an_error_with_the_nearest_name(project: pytest.Pytester) -> None:
    """A misspelt key never passes silently."""
    write(
        project,
        Dockerfile=GOOD,
        compose__yaml="services: {web: {build: ., x-dockproof: {profil: production}}}\n",
    )
    result = project.runpytest_subprocess("compose.yaml")
    assert result.ret != pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*profil*profile*"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("services: [\n", "cannot be read: while parsing a flow node*line 2, column 1"),
        ("services: 3\n", "no compose file: it has no table `services` of tables"),
        ("", "no compose file: it has no table `services` of tables"),
    ],
)
def test_broken_compose_file_is_said_in_one_line(project: pytest.Pytester, text: str, said: str) -> None:
    """It is the user's file that is wrong: no traceback of ours stands before the sentence."""
    write(project, Dockerfile=GOOD, compose__yaml=text)
    result = project.runpytest_subprocess("compose.yaml")
    result.stdout.fnmatch_lines([f"*compose.yaml: {said}*"])
    result.stdout.no_fnmatch_line("*plugin.py*")
    assert result.ret == pytest.ExitCode.INTERRUPTED


def test_repository_without_dockerfiles_collects_nothing(project: pytest.Pytester) -> None:
    """The plugin leaves other projects alone, YAML files of theirs included."""
    write(project, notes__yaml="a: 1\n", test_one__py="def test_one() -> None: pass\n")
    assert project.runpytest_subprocess().parseoutcomes() == {"passed": 1}


def test_works_across_xdist_workers(project: pytest.Pytester) -> None:
    """Items can be spread over processes."""
    write(project, Dockerfile=GOOD)
    assert project.runpytest_subprocess("-n", "2", "Dockerfile").ret == pytest.ExitCode.OK
