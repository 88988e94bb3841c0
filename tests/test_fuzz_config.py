"""No text of a configuration makes a crash: it is taken, or refused with its place."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockproof import catalog, check, config
from dockproof.errors import UsageError
from dockproof.policy import Profile

if TYPE_CHECKING:
    from pathlib import Path

    from hypothesis.strategies import SearchStrategy

FILE = """# syntax=docker/dockerfile:1
FROM debian:12 AS base
LABEL org.opencontainers.image.version="1.0" a.b=c
COPY . /app
RUN apt-get update && curl -k https://example.com | sh
FROM base
USER root
EXPOSE 22
"""
WORDS = ["", "x", "production", "error", "hadolint", "non-root", "non-root/root-user", "semver"]
WORDS += ["2027-01-31", "\0", "**"]
KEYS = ["profile", "fail_level", "fail-level", "select", "ignore", "baseline", "hadolint", "policies"]
KEYS += ["honour", "policy", "files", "targets", "context", "waivers", "reason", "until", "labels"]


def values() -> SearchStrategy[Any]:
    """Return what TOML can hold, mostly words that mean something here."""
    texts = st.sampled_from(WORDS) | st.text(max_size=5)
    plain = texts | st.booleans() | st.integers(-3, 1 << 70) | st.floats(allow_nan=False)
    return st.recursive(
        plain,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys(), inner, max_size=3),
        max_leaves=6,
    )


def keys() -> SearchStrategy[str]:
    """Return keys, mostly known ones."""
    return st.sampled_from(KEYS) | st.text(min_size=1, max_size=5)


@cache
def tables() -> SearchStrategy[dict[str, Any]]:
    """Return a whole configuration: any keys, options of real policies, rules for real files."""
    options = [(policy.id, name) for policy in catalog.load().values() for name in policy.options]
    assert options
    one = st.sampled_from(options)
    policy = st.dictionaries(one, values(), max_size=3).map(_nested)
    rule = st.dictionaries(
        st.sampled_from(["profile", "targets", "context", "waivers"]), values(), max_size=3
    )
    rules = st.dictionaries(
        st.sampled_from(["Dockerfile", "**", "*"]) | st.text(max_size=4), rule, max_size=2
    )
    known = st.fixed_dictionaries({}, optional={"policy": policy, "files": rules})
    return st.builds(lambda a, b: {**a, **b}, st.dictionaries(keys(), values(), max_size=3), known)


def _nested(flat: dict[tuple[str, str], Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for (policy, option), value in flat.items():
        found.setdefault(policy, {})[option] = value
    return found


def toml(value: object) -> str:
    """Write a value as TOML, tables inline; JSON's texts and numbers are TOML's, its `Infinity` is not."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(key)} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return _quoted(value)
    return json.dumps(value).replace("Infinity", "inf")


def _quoted(text: str) -> str:
    """Quote a text; JSON would write a character above the first plane as a pair, which TOML refuses."""
    plain = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    return plain.encode("utf-8", "replace").decode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a Dockerfile."""
    made = tmp_path_factory.mktemp("fuzz")
    (made / "Dockerfile").write_text(FILE)
    return made


def taken(path: Path) -> bool:
    """Load a configuration and check with it; whether it was taken. Nothing may crash."""
    policies = catalog.load()
    try:
        found = config.load(path, policies)
        report = check.run([str(path.parent)], policies, found._replace(hadolint=False))
    except UsageError:
        return False
    missed = [n for file in report.files for n in file.answers.not_looked]
    assert not [n for n in missed if "crash" in n.reason], (path.read_text(), missed)
    return True


@settings(deadline=None, max_examples=150)
@given(tables())
def test_no_configuration_makes_a_crash(folder: Path, table: dict[str, Any]) -> None:
    """Every key and option with any value, at any level."""
    path = folder / ".dockproof.toml"
    path.write_text(
        "\n".join(f"{_quoted(key)} = {toml(value)}" for key, value in table.items()), encoding="utf-8"
    )
    taken(path)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
def test_no_bytes_make_a_crash(folder: Path, content: bytes) -> None:
    """What is no TOML at all, in both kinds of file."""
    for name in (".dockproof.toml", "pyproject.toml"):
        (folder / name).write_bytes(content)
        taken(folder / name)
        (folder / name).unlink()


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(keys(), values(), max_size=4))
def test_no_service_makes_a_crash(mapping: dict[str, Any]) -> None:
    """`x-dockproof:` of a service, whatever YAML put there."""
    with suppress(UsageError):
        rule = config.x_dockproof(mapping, "compose.yaml: api", catalog.load())
        assert rule.profile is None or isinstance(rule.profile, Profile)


def test_the_generator_reaches_configurations_that_are_taken(folder: Path) -> None:
    """A fuzz whose every input is refused at the first key would show nothing."""
    path = folder / ".dockproof.toml"
    path.write_text(f"policy = {toml({'image-labels': {'strict': True, 'labels': {'a.b': 'semver'}}})}")
    assert taken(path)
