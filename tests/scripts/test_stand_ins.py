from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from scripts.provision import references, stand_ins
from scripts.provision.host import ProvisionError
from scripts.provision.stand_in import build, python_layout, recipes

if TYPE_CHECKING:
    from pathlib import Path

OFFLINE = 'ERROR: failed to do request: Head "https://r/v2/x/manifests/1": dial tcp: lookup r: no such host'


def test_unreachable_registry_is_no_error() -> None:
    """A network without a registry is what stand-ins are for."""
    found = stand_ins.judge("redis:8", 1, OFFLINE)
    assert found.word == "unreachable"
    assert found.said.startswith("failed to do request")


def test_registry_that_answers_is_used() -> None:
    """Nothing stands in for what can be pulled."""
    assert stand_ins.judge("redis:8", 0, "").word == "reachable"


@pytest.mark.parametrize(
    "said",
    [
        "ERROR: docker.io/library/redis:99: not found",
        "ERROR: unexpected status: 429 Too Many Requests",
        "ERROR: pull access denied, repository does not exist or may require authorization",
    ],
)
def test_registry_that_refuses_is_an_error(said: str) -> None:
    """A wrong digest or a used-up quota must not turn into a stand-in in silence."""
    with pytest.raises(ProvisionError, match="does not give redis:99"):
        stand_ins.judge("redis:99", 1, said)


@pytest.mark.parametrize(
    ("text", "repository"),
    [
        ("python:3.13-slim-trixie", "python"),
        ("postgres:17-alpine", "postgres"),
        ("postgres:17.6", "postgres"),
        ("rabbitmq:4-management-alpine", "rabbitmq"),
        ("docker.io/library/redis:8-alpine", "redis"),
    ],
)
def test_finds_recipe_of_tag_family(text: str, repository: str) -> None:
    """A recipe is keyed by repository and family of tags; the digest does not matter."""
    assert recipes.recipe_for(references.parse(text)).repository == repository


@pytest.mark.parametrize(
    "text",
    [
        "python:3.13-slim-bookworm",
        "python:3.13",
        "python:3.12-slim",
        "redis:7",
        "redis",
        "postgres:170",
        "me/redis:8",
    ],
)
def test_refuses_reference_without_recipe(text: str) -> None:
    """Another version or maker is another program."""
    with pytest.raises(ProvisionError, match=f"{text} has no stand-in"):
        recipes.recipe_for(references.parse(text))


@pytest.mark.parametrize("recipe", recipes.RECIPES, ids=lambda recipe: recipe.repository)
def test_recipe_is_whole(recipe: recipes.Recipe) -> None:
    """Each recipe unpacks the package it is told by, and has the entrypoint that its configuration names."""
    assert recipe.main in recipe.unpack
    names = [path.name for path in recipe.programs]
    assert ("docker-entrypoint.sh" in names) == ("Entrypoint" in recipe.config)


def test_fingerprint_changes_with_content() -> None:
    """A changed recipe is built again."""
    assert len({recipe.fingerprint() for recipe in recipes.RECIPES}) == len(recipes.RECIPES)
    assert recipes.REDIS.fingerprint() == recipes.REDIS.fingerprint()


@pytest.mark.parametrize(
    ("version", "upstream"),
    [
        ("3.13.5-2+deb13u5", "3.13.5"),
        ("5:8.0.2-3+deb13u3", "8.0.2"),
        ("17.12-0+deb13u1", "17.12"),
        ("1.2~rc1-1", "1.2"),
    ],
)
def test_tells_upstream_version(version: str, upstream: str) -> None:
    """Epoch and Debian's revision are no part of it."""
    assert build.upstream_version(version) == upstream


def test_same_layer_gives_same_archive(tmp_path: Path) -> None:
    """The image's id depends on its content and nothing else."""
    layer = tmp_path / "layer.tar"
    with tarfile.open(layer, "w") as tar:
        tar.addfile(tarfile.TarInfo("a"), io.BytesIO())
    config = build.image_config(recipes.REDIS, "5:8.0.2-3")
    first = build.write_archive(tmp_path / "1.tar", layer, config, ["localhost/x:1"])
    assert first == build.write_archive(tmp_path / "2.tar", layer, config, ["localhost/x:2"])
    with tarfile.open(tmp_path / "1.tar") as tar:
        content = tar.extractfile("manifest.json")
        assert content is not None
        assert json.load(content)[0] == {
            "Config": f"{first.removeprefix('sha256:')}.json",
            "RepoTags": ["localhost/x:1"],
            "Layers": ["layer.tar"],
        }


def test_config_tells_version_and_recipe() -> None:
    """The environment names upstream's version as the official image does."""
    config = build.image_config(recipes.PYTHON, "3.13.5-2+deb13u5")["config"]
    assert "PYTHON_VERSION=3.13.5" in config["Env"]
    assert config["Labels"] == {build.RECIPE_LABEL: recipes.PYTHON.fingerprint()}


def test_layout_fails_loudly_when_debian_changes_its_edits(tmp_path: Path) -> None:
    """An edit that fits nowhere would leave pip installing where nobody looks."""
    (tmp_path / "sysconfig").mkdir()
    (tmp_path / "site.py").write_text("nothing to edit\n")
    with pytest.raises(ProvisionError, match=r"Debian's site\.py has changed"):
        python_layout.restore(tmp_path)


def test_registry_answer_is_remembered_for_a_while(tmp_path: Path) -> None:
    """A second run asks nobody; another engine or image is asked afresh."""
    memory = tmp_path / "registry.json"
    memory.write_text(json.dumps({"key": "k", "at": 0, "reachable": False, "said": "x"}))
    assert stand_ins._recall(memory, "k") is None  # noqa: SLF001 - what it remembers is the behaviour
    memory.write_text("broken")
    assert stand_ins._recall(memory, "k") is None  # noqa: SLF001 - its memory is the behaviour
