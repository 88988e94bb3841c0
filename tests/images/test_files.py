"""What must agree across the Dockerfiles, their ignore files, compose.yaml and the structure tests."""

import re
from pathlib import Path

import pytest
import yaml

from dockproof.collect import structure_config
from dockproof.facts.dockerfile import parse

DOCKERFILES = ("Dockerfile", "Dockerfile.worker", "Dockerfile.dev")
PINNED = re.compile(r"(?P<name>[a-z./]+):(?P<tag>[\w.-]+)@(?P<digest>sha256:[0-9a-f]{64})")


def _backend(repository: Path, name: str) -> str:
    return (repository / "dockerfiles" / "backend" / name).read_text(encoding="utf-8")


def test_pins_every_image_of_one_tag_by_one_digest(repository: Path) -> None:
    """A renewed digest that was forgotten in one file would give two bases."""
    texts = [_backend(repository, name) for name in DOCKERFILES]
    texts.append((repository / "compose.yaml").read_text(encoding="utf-8"))
    pins = {
        (match["name"], match["tag"], match["digest"]) for text in texts for match in PINNED.finditer(text)
    }
    assert len(pins) == len({pin[:2] for pin in pins}) == 4


@pytest.mark.parametrize("name", DOCKERFILES)
def test_labels_the_base_that_it_is_built_on(repository: Path, name: str) -> None:
    """The label that names the base says what FROM says."""
    text = _backend(repository, name)
    base = PINNED.search(text)
    assert base
    assert f'image.base.name="docker.io/library/{base["name"]}:{base["tag"]}"' in text
    assert f'image.base.digest="{base["digest"]}"' in text


def test_api_and_worker_share_their_stages_word_for_word(repository: Path) -> None:
    """One difference, even in a comment's place, and nothing is shared any more."""
    shared = [re.search(r"^FROM .*?(?=^WORKDIR /app$)", _backend(repository, name), re.DOTALL | re.MULTILINE)
              for name in DOCKERFILES[:2]]  # fmt: skip
    assert shared[0]
    assert shared[1]
    assert shared[0][0] == shared[1][0]
    assert shared[0][0].count("\nFROM ") == 4


@pytest.mark.parametrize("name", DOCKERFILES)
def test_lets_in_what_is_copied_and_no_more(repository: Path, name: str) -> None:
    """An ignore file that starts from nothing has no forgotten secret."""
    rules = [
        rule for rule in _backend(repository, f"{name}.dockerignore").splitlines() if rule and rule[0] != "#"
    ]
    instructions = parse(_backend(repository, name), name).instructions
    copies = [copy for copy in instructions if copy.keyword == "COPY" and copy.flag("from") is None]
    sources = {word for copy in copies for word in copy.words[:-1]}
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == sources
    assert {"**/__pycache__", "**/*.py[cod]", "**/.*"} <= set(rules)


def test_every_structure_test_file_is_run_on_some_image(repository: Path) -> None:
    """A file that no service names tests nothing."""
    services = yaml.safe_load((repository / "compose.yaml").read_text(encoding="utf-8"))["services"]
    named = {
        file
        for service in services.values()
        for file in service.get("x-dockproof", {}).get("structure_tests", ())
    }
    files = sorted((repository / "structure-tests").glob("*.yaml"))
    assert named == {f"structure-tests/{file.name}" for file in files}
    assert all(structure_config.read(file).names for file in files)


def test_compose_holds_no_password(repository: Path) -> None:
    """Passwords are made at the first start; the file has nothing to leak."""
    services = yaml.safe_load((repository / "compose.yaml").read_text(encoding="utf-8"))["services"]
    settings = {
        f"{name}: {key}" for name, service in services.items() for key in service.get("environment", {})
    }
    assert not [
        name for name in settings if re.search("PASS|SECRET|URL", name) and not name.endswith("_FILE")
    ]
    assert "postgres: POSTGRES_PASSWORD_FILE" in settings


def test_gives_a_reason_for_every_rule_that_hadolint_ignores(repository: Path) -> None:
    """A rule is switched off in sight of its reason, or not at all."""
    lines = (repository / ".hadolint.yaml").read_text(encoding="utf-8").splitlines()
    ignored = [number for number, line in enumerate(lines) if re.match(r"\s*- DL", line)]
    assert ignored
    assert all(lines[number - 1].lstrip().startswith("#") for number in ignored)
