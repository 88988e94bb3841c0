"""`dockproof init`: what it writes is read by the tools that it is for, and what is there stays as it is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from dockproof import init
from dockproof.collect import discover

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
BAD = "FROM node:latest\nADD . /app\nCMD npm start\n"
GOOD = "FROM debian:13-slim@sha256:" + "0" * 64 + "\nCOPY app /app\n"


class Ran(NamedTuple):
    """What a program left."""

    code: int
    out: str


def run(folder: Path, *argv: str) -> Ran:
    """Run a program as a user with the package installed does."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    home = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / ".git" / "cache"), "PATH": path}
    identity = {
        f"GIT_{who}_{what}": "x@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    done = subprocess.run(
        argv, cwd=folder, env={**home, **identity}, capture_output=True, text=True, check=False, timeout=120
    )
    return Ran(done.returncode, done.stdout + done.stderr)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with two bad Dockerfiles and a compose file."""
    assert run(tmp_path, "git", "init", "--quiet").code == 0
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "Dockerfile").write_text(BAD)
    (tmp_path / "Dockerfile.dev").write_text(BAD)
    (tmp_path / "compose.yaml").write_text(
        "services:\n  web:\n    build: {context: ., dockerfile: web/Dockerfile, target: '0'}\n  db: {image: x}\n"
    )
    return tmp_path


def files(folder: Path) -> dict[str, str]:
    """Return what git would commit, path to text."""
    listed = run(folder, "git", "ls-files", "--others", "--cached").out.split()
    return {name: (folder / name).read_text() for name in listed}


def test_writes_what_is_missing_and_says_what_is_next(repository: Path) -> None:
    """A configuration that knows the repository's files, and the hook."""
    ran = run(repository, "dockproof", "init")
    assert ran.code == 0
    assert "wrote .dockproof.toml\nwrote .pre-commit-config.yaml\n\nFAILED: " in ran.out
    assert "dockproof init --baseline" in ran.out
    assert "dockproof init --ci NAME" in ran.out
    assert "dockproof verify" in ran.out
    settings = tomllib.loads((repository / ".dockproof.toml").read_text())
    assert settings == {
        "fail_level": "error",
        "files": {
            "Dockerfile.dev": {"profile": "development"},
            "web/Dockerfile": {"context": ".", "targets": ["0"]},
        },
    }


def test_file_that_compose_builds_in_several_ways_keeps_its_last_stage(repository: Path) -> None:
    """A target is a file's shipped stage only where every service builds up to one."""
    services = "a: {build: {context: ., dockerfile: web/Dockerfile, target: x}}, b: {build: web}"
    (repository / "compose.yaml").write_text(f"services: {{{services}, c: {{build: $ELSEWHERE}}}}\n")
    assert init.rules(repository) == {"Dockerfile.dev": {"profile": "development"}}


def test_second_run_changes_nothing(repository: Path) -> None:
    """Idempotent, with and without a baseline."""
    (repository / ".github").mkdir()
    for arguments in ([], ["--baseline"]):
        first = run(repository, "dockproof", "init", *arguments)
        before = files(repository)
        again = run(repository, "dockproof", "init", *arguments)
        assert (first.code, again.code) == (0, 0)
        assert files(repository) == before
        assert again.out.count("kept ") == 3 + len(arguments), again.out
        assert "wrote" not in again.out


def test_dry_run_writes_nothing_and_shows_everything(repository: Path) -> None:
    """Whoever wants to see first sees the same text."""
    before = files(repository)
    ran = run(repository, "dockproof", "init", "--dry-run", "--baseline", "--ci", "github")
    assert ran.code == 0
    assert files(repository) == before
    shown = "".join(
        f"{line.removeprefix('  | ')}\n" for line in ran.out.splitlines() if line.startswith("  | ")
    )
    run(repository, "dockproof", "init", "--baseline", "--ci", "github")
    for name in (".dockproof.toml", ".pre-commit-config.yaml", ".github/workflows/dockproof.yml"):
        for line in filter(None, (repository / name).read_text().splitlines()):
            assert line in shown


def test_baseline_lets_the_repository_pass_until_something_new_comes(repository: Path) -> None:
    """What is there is recorded; a new finding fails."""
    assert run(repository, "dockproof", "check").code == 1
    ran = run(repository, "dockproof", "init", "--baseline")
    assert "recorded what is found in .dockproof-baseline.json\n\npassed: " in ran.out
    assert run(repository, "dockproof", "check").code == 0
    assert "\n\npassed: " in run(repository, "dockproof", "init").out
    (repository / "web" / "Dockerfile").write_text(BAD + "RUN curl -k https://example.org/x | sh\n")
    assert run(repository, "dockproof", "check").code == 1


def test_pyproject_grows_by_a_table_and_keeps_every_byte(repository: Path) -> None:
    """Comments and formatting of what is there stay; so do a file's rights."""
    old = '# ours\n[project]\nname   =  "x"\n[tool.other]\na = 1'
    path = repository / "pyproject.toml"
    path.write_text(old)
    path.chmod(0o640)
    assert "added to pyproject.toml" in run(repository, "dockproof", "init").out
    text = path.read_text()
    assert text.startswith(old + "\n\n[tool.dockproof]\n")
    assert tomllib.loads(text)["tool"]["other"] == {"a": 1}
    assert path.stat().st_mode & 0o777 == 0o640
    assert "added to pyproject.toml" in run(repository, "dockproof", "init", "--baseline").out
    grown = path.read_text()
    assert grown == text.replace(
        "[tool.dockproof]\n", '[tool.dockproof]\nbaseline = ".dockproof-baseline.json"\n'
    )


def test_line_ends_of_what_is_there_stay(repository: Path) -> None:
    """A file of Windows stays one, the added lines aside."""
    path = repository / "pyproject.toml"
    path.write_bytes(b"[tool.dockproof]\r\nfail_level = 'error'\r\n")
    assert "added to pyproject.toml" in run(repository, "dockproof", "init", "--baseline").out
    added = b'baseline = ".dockproof-baseline.json"\n'
    assert path.read_bytes() == b"[tool.dockproof]\r\n" + added + b"fail_level = 'error'\r\n"


@pytest.mark.parametrize("text", ["tool = {other = 1}\n", "not = [toml\n"])
def test_pyproject_that_cannot_grow_is_left_alone(repository: Path, text: str) -> None:
    """Where a table at the end would break the file, a file of our own is written."""
    (repository / "pyproject.toml").write_text(text)
    ran = run(repository, "dockproof", "init")
    assert (repository / "pyproject.toml").read_text() == text
    assert "wrote .dockproof.toml" in ran.out


def test_what_is_there_is_never_changed_but_told(repository: Path) -> None:
    """Hooks and pipelines of others stay; the text to add is shown."""
    (repository / ".pre-commit-config.yaml").write_text("repos: []\n")
    (repository / ".gitlab-ci.yml").write_text("test: {script: [make]}\n")
    ran = run(repository, "dockproof", "init")
    assert "left .pre-commit-config.yaml as it is; add under `repos:`:\n  |   - repo: local\n" in ran.out
    assert "left .gitlab-ci.yml as it is; add the job:\n  | dockproof:\n" in ran.out
    assert (repository / ".pre-commit-config.yaml").read_text() == "repos: []\n"
    assert (repository / ".gitlab-ci.yml").read_text() == "test: {script: [make]}\n"


@pytest.mark.parametrize(
    ("remote", "written"),
    [
        ("git@github.com:acme/shop.git", ".github/workflows/dockproof.yml"),
        ("https://gitlab.com/acme/shop.git", ".gitlab-ci.yml"),
        ("https://git.example.org/acme/shop.git", None),
    ],
)
def test_ci_step_is_that_of_the_remote(repository: Path, remote: str, written: str | None) -> None:
    """The system that the repository lives on gets its step; an unknown one gets none."""
    run(repository, "git", "remote", "add", "origin", remote)
    run(repository, "dockproof", "init")
    found = {name for name in files(repository) if "ci" in name or ".github" in name} - {
        ".pre-commit-config.yaml"
    }
    assert found == ({written} if written else set())


@pytest.mark.parametrize(("system", "name"), [("github", init.WORKFLOW), ("gitlab", init.PIPELINE)])
def test_ci_step_is_valid_to_its_systems_schema(repository: Path, system: str, name: str) -> None:
    """The schema that a validator of its own brings accepts it."""
    run(repository, "dockproof", "init", "--ci", system)
    schema = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}[system]
    transform = ["--data-transform", "gitlab-ci"] if system == "gitlab" else []
    ran = run(repository, "check-jsonschema", "--builtin-schema", schema, *transform, name)
    assert ran.code == 0, ran.out


def test_steps_of_gitlab_keep_the_exit_code(repository: Path) -> None:
    """The report is written and the log is readable, and the job fails as the gate does."""
    run(repository, "dockproof", "init", "--ci", "gitlab")
    job = yaml.safe_load((repository / ".gitlab-ci.yml").read_text())["dockproof"]
    script = "set -e\n" + "\n".join(job["script"][1:])  # the first line installs the package
    ran = run(repository, "bash", "-c", script)
    assert ran.code == 1
    assert "non-root" in ran.out
    assert (repository / job["artifacts"]["reports"]["codequality"]).is_file()
    (repository / "web" / "Dockerfile").unlink()
    (repository / "Dockerfile.dev").write_text("FROM scratch\n")
    (repository / ".dockproof.toml").write_text('select = ["tagged-base"]\n')
    assert run(repository, "bash", "-c", script).code == 0


def test_hook_is_run_by_pre_commit(repository: Path) -> None:
    """The real pre-commit takes the file, and the hook stops a bad Dockerfile and lets a good one pass."""
    run(repository, "dockproof", "init")
    run(repository, "git", "add", ".")
    assert run(repository, "pre-commit", "validate-config", ".pre-commit-config.yaml").code == 0
    ran = run(repository, "pre-commit", "run", "--all-files")
    assert ran.code == 1
    assert "web/Dockerfile:1:6: error tagged-base/latest" in ran.out
    (repository / ".dockproof.toml").write_text('select = ["tagged-base"]\n')
    (repository / "web" / "Dockerfile").write_text(GOOD)
    (repository / "Dockerfile.dev").write_text(GOOD)
    run(repository, "git", "add", ".")
    ran = run(repository, "pre-commit", "run", "--all-files")
    assert ran.code == 0, ran.out
    assert "Passed" in ran.out


def test_hooks_that_we_ship_are_valid_and_name_the_same_files() -> None:
    """pre-commit reads both of our files; the pattern is the one that `init` writes."""
    for kind, name in (("config", ".pre-commit-config.yaml"), ("manifest", ".pre-commit-hooks.yaml")):
        ran = run(ROOT, "pre-commit", f"validate-{kind}", name)
        assert ran.code == 0, ran.out
        text = (ROOT / name).read_text()
        assert f"files: '{init.FILES}'" in text


@pytest.mark.parametrize(
    "name",
    [
        *("Dockerfile", "Dockerfile.dev", "a.Dockerfile", "b.dockerfile", "Containerfile", "Containerfile.x"),
        *("Dockerfile.dockerignore", "Dockerfiles", "myDockerfile", "Dockerfile-x", "x.dockerfile.bak"),
    ],
)
def test_hook_gets_the_files_that_a_search_finds(name: str) -> None:
    """The pattern and the search agree on every name."""
    hooked = re.search(init.FILES, f"a/{name}") is not None and not name.endswith(".dockerignore")
    assert hooked is discover.is_dockerfile(name)


@pytest.mark.parametrize(
    ("prepare", "code", "message"),
    [
        ("rm -r web Dockerfile.dev", 3, "no Dockerfile in"),
        ("echo 'profil = 1' > .dockproof.toml", 2, 'did you mean "profile"?'),
        ("echo 'services: [' > compose.yaml", 2, "compose.yaml cannot be read as a compose file"),
        ("printf '[tool]\\ndockproof = 3\\n' > pyproject.toml", 2, "must be a table, not a number"),
        ("mkdir .dockproof.toml", 2, ".dockproof.toml cannot be written: Is a directory"),
    ],
)
def test_what_stands_in_the_way_is_said_and_nothing_is_written(
    repository: Path, prepare: str, code: int, message: str
) -> None:
    """An error comes before the first file."""
    run(repository, "bash", "-c", prepare)
    before = files(repository)
    ran = run(repository, "dockproof", "init", "--baseline")
    assert ran.code == code, ran.out
    assert message in ran.out
    assert files(repository) == before


def test_works_from_a_folder_of_the_repository(repository: Path) -> None:
    """The files belong to the root, wherever the user stands."""
    ran = run(repository / "web", "dockproof", "init")
    assert "wrote ../.dockproof.toml" in ran.out
    assert (repository / ".dockproof.toml").is_file()
