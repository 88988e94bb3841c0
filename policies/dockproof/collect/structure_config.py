"""Read structure test files so strictly that a mistake in one is a message, never a test that is not there.

container-structure-test passes a misspelt key in a JSON file and an empty file beside a full one. Here unknown keys,
values of the wrong type, keys that stand twice, expressions that Go refuses, files without a test and tests of one name
are all usage errors, for the tests that the facts answer and for those that the tool runs.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from dockproof.errors import UsageError
from dockproof.facts import golang
from dockproof.facts.durations import parse_duration
from dockproof.facts.structure import BITS
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

SCHEMA = "2.0.0"
OWN = "x-dockproof"


class Wrong(ValueError):  # noqa: N818 - a sentence on its way to a UsageError
    """A value is not of the schema; the message says what it must be."""


class Document(NamedTuple):
    """A structure test file, checked.

    Attributes:
        config: the file.
        tests: its content, without what is ours.
        image: the assertions of `x-dockproof: image:`.
        names: of all tests, as they are reported.
    """

    config: Path
    tests: Mapping[str, Any]
    image: Mapping[str, Any]
    names: tuple[str, ...]


# ------------------------------------------------------------------------------------------------- types


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    written = getattr(value, "written", None)
    if written is None:
        raise Wrong(f"must be a text, not {value!r}; put it in quotes")
    return str(written)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Wrong(f"must be true or false, not {value!r}")
    return value


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Wrong(f"must be a whole number, not {value!r}")
    return int(value)


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise Wrong("must be a list")
    return [_text(one) for one in value]


def _commands(value: Any) -> list[list[str]]:
    if not isinstance(value, list):
        raise Wrong("must be a list of commands")
    return [_texts(one) for one in value]


def _regex(value: Any) -> str:
    text = _text(value)
    try:
        golang.matches(text, "")
    except golang.BadRegexError as error:
        raise Wrong(f"{text!r} is no regular expression to Go: {error}") from None
    except golang.NoEngine:
        pass  # then the tool has to read it
    return text


def _regexes(value: Any) -> list[str]:
    return [_regex(one) for one in _texts(value)]


def _ports(value: Any) -> list[str]:
    """Read ports; one with a protocol is in no image to the tool, so `unexposedPorts: [22/tcp]` would always pass."""
    for port in (texts := _texts(value)):
        if not (port.isascii() and port.isdigit()):
            raise Wrong(f"{port!r} is no port's number; write it without a protocol, as 8000")
    return texts


def _some(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a reader that refuses what is empty: the tool asks nothing then, whatever its author meant."""

    def checked_some(value: Any) -> Any:
        found = read(value)
        if not found:
            raise Wrong(
                "is empty and asserts nothing; fields of `x-dockproof: image:` can assert that there is none"
            )
        return found

    return checked_some


def _who(value: Any) -> str:
    if value not in {*BITS, ""}:
        raise Wrong(f"must be one of {', '.join(BITS)}, not {value!r}")
    return _text(value)


def _seconds(value: Any) -> float:
    seconds = parse_duration(value) if isinstance(value, str) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise Wrong(f"must be a duration as 5s, not {value!r}")
    return float(seconds)


def _wanted(value: Any) -> Any:
    """Read a text that must be equal, or `{matches: REGEX}`."""
    if not isinstance(value, dict):
        return _text(value)
    if set(value) != {"matches"}:
        raise Wrong("must be a text, or {matches: a regular expression}")
    return {"matches": _regex(value["matches"])}


def _wanted_by_key(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Wrong("must be a mapping")
    return {_text(key): _wanted(one) for key, one in value.items()}


_PAIR = {"key": _text, "value": _text, "isRegex": _flag}
KEYS: Mapping[str, Any] = {
    "schemaVersion": _text,
    "globalEnvVars": [_PAIR],
    "commandTests": [
        {
            "name": _text,
            "setup": _commands,
            "teardown": _commands,
            "exitCode": _number,
            "command": _text,
            "args": _texts,
            **dict.fromkeys(("expectedOutput", "excludedOutput", "expectedError", "excludedError"), _regexes),
            "envVars": [_PAIR],
        }
    ],
    "fileExistenceTests": [
        {
            "name": _text,
            "path": _text,
            "shouldExist": _flag,
            "permissions": _text,
            "uid": _number,
            "gid": _number,
            "isExecutableBy": _who,
        }
    ],
    "fileContentTests": [
        {"name": _text, "path": _text, "expectedContents": _regexes, "excludedContents": _regexes}
    ],
    "metadataTest": {
        **dict.fromkeys(("exposedPorts", "unexposedPorts"), _some(_ports)),
        **dict.fromkeys(("volumes", "unmountedVolumes"), _some(_texts)),
        **dict.fromkeys(("workdir", "user"), _some(_text)),
        "entrypoint": _texts,
        "cmd": _texts,
        "envVars": [_PAIR],
        "unboundEnvVars": [_PAIR],
        "labels": [_PAIR],
    },
    "licenseTests": [{"debian": _flag, "files": _texts}],
    "containerRunOptions": {
        "user": _text,
        "privileged": _flag,
        "allocateTty": _flag,
        "envFile": _text,
        "capabilities": _texts,
        "bindMounts": _texts,
        "envVars": _texts,
    },
    OWN: {
        "image": {
            **dict.fromkeys(("user", "workdir", "stop_signal", "created", "author", "platform"), _wanted),
            **dict.fromkeys(("os", "architecture", "variant", "id"), _wanted),
            **dict.fromkeys(("command", "entrypoint", "shell", "on_build", "ports", "volumes"), _texts),
            **dict.fromkeys(("env", "labels"), _wanted_by_key),
            "healthcheck": {
                "test": _texts,
                **dict.fromkeys(("interval", "timeout", "start_period", "start_interval"), _seconds),
                "retries": _number,
            },
            **dict.fromkeys(("stop_timeout", "layers"), _number),
            "args_escaped": _flag,
        }
    },
}
"""What schema 2.0.0 and `x-dockproof` know: a mapping has these keys, a list such entries; functions read the rest."""

NULLABLE = frozenset({"healthcheck", "stop_signal", "stop_timeout"})
"""Fields of `x-dockproof: image:` for which null says that the image must have none."""

_NAME_AND = dict.fromkeys(("fileExistenceTests", "fileContentTests"), ("name", "path"))
_KEY = dict.fromkeys(("envVars", "unboundEnvVars", "labels", "globalEnvVars"), ("key",))
_REQUIRED: Mapping[str, tuple[str, ...]] = {**_NAME_AND, **_KEY, "commandTests": ("name", "command")}


def checked(value: Any, shape: Any, where: str = "") -> Any:
    """Return a value with its parts read as the schema says.

    Raises:
        Wrong: a key is not known, or a part is not of its type.
    """
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise Wrong(f"{where} must be a list")
        return [checked(one, shape[0], f"{where}[{at}]") for at, one in enumerate(value, 1)]
    if isinstance(shape, dict):
        return _checked_mapping(value, shape, where)
    return _expect(lambda: shape(value), where)


def _expect(read: Callable[[], Any], where: str) -> Any:
    """Read a value; what is wrong with it is said with its place."""
    try:
        return read()
    except Wrong as wrong:
        raise Wrong(f"{where} {wrong}") from None


def _checked_mapping(value: Any, shape: Mapping[str, Any], where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Wrong(f"{where} must be a mapping")
    found = {}
    for key, inner in value.items():
        path = f"{where}.{key}" if where else str(key)
        if key not in shape:
            near = difflib.get_close_matches(str(key), shape, 1)
            raise Wrong(f"unknown key {path}" + (f"; did you mean {near[0]}?" if near else ""))
        if inner is not None:
            found[key] = checked(inner, shape[key], path)
        elif key in NULLABLE and where.endswith(".image"):
            found[key] = None
    if found.get("isRegex"):
        _expect(lambda: _regex(found.get("value", "")), f"{where}.value")
    for key in _REQUIRED.get(where.rpartition(".")[2].partition("[")[0], ()):
        if not found.get(key):
            raise Wrong(f"{where} has no {key}")
    return found


# --------------------------------------------------------------------------------------------------- files


def read(config: Path) -> Document:
    """Read and check a file.

    Raises:
        UsageError: the file is missing, no mapping, empty, of another schema, holds an unknown key or a value of the
            wrong type, a test without a name, or two of one name.
    """
    raw = _raw(config)
    if raw.get("schemaVersion") != SCHEMA:
        raise UsageError(f'{config}: schemaVersion must be "{SCHEMA}", it is {raw.get("schemaVersion")!r}')
    try:
        whole = checked(raw, KEYS)
    except Wrong as wrong:
        raise UsageError(f"{config}: {wrong}") from None
    image = whole.pop(OWN, {}).get("image", {})
    names = tuple(_names(whole, image, config))
    _complain(config, names)
    return Document(config, whole, image, names)


def _complain(config: Path, names: Sequence[str]) -> None:
    if not names:
        raise UsageError(f"{config} holds no test, so it would pass on any image")
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{config}: two tests are called {name!r}; give each its own name")


NAMED = {
    "commandTests": "Command Test: ",
    "fileContentTests": "File Content Test: ",
    "fileExistenceTests": "File Existence Test: ",
}
"""Lists of named tests, and what the tool puts before their names."""

SINGLE = {"licenseTests": "License Test", "metadataTest": "Metadata Test"}
"""Tests without a name, and what the tool calls them."""


def _names(tests: Mapping[str, Any], image: Mapping[str, Any], config: Path) -> Iterator[str]:
    for kind, prefix in NAMED.items():
        yield from (f"{prefix}{test['name']}" for test in tests.get(kind) or ())
    if len(tests.get("licenseTests") or ()) > 1:
        raise UsageError(f"{config}: put all files into one licenseTests entry; the tool gives them one name")
    yield from (name for kind, name in SINGLE.items() if tests.get(kind))
    yield from (f"Image Test: {field}" for field in image)


def _raw(config: Path) -> dict[str, Any]:
    import yaml  # noqa: PLC0415 - 35 ms that `check` need not pay

    try:
        text = config.read_text(encoding="utf-8")  # JSON is YAML
        document = yaml.load(text, _loader())  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise UsageError(f"{config}: no structure tests there: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{config} is no YAML: {error}") from error
    if not isinstance(document, dict):
        raise UsageError(f"{config} is empty or no mapping, so it would test nothing")
    return document


class _Written(int):
    """A whole number that knows how it was written: the tool reads `08` and `0x1F` as texts where it wants one."""

    written: str


def _loader() -> Any:
    """Return a safe loader that refuses a key that stands twice, and keeps how numbers were written."""
    import yaml  # noqa: PLC0415 - as above

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyYAML's own
            keys = [key.value for key, _ in node.value if isinstance(key.value, str) and key.value != "<<"]
            for key in keys:
                if keys.count(key) > 1:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key} stands twice", node.start_mark
                    )
            return super().construct_mapping(node, deep)

        def construct_number(self, node: Any) -> _Written:
            number = _Written(self.construct_yaml_int(node))
            number.written = node.value
            return number

    construct: Callable[[Any, Any], Any] = Loader.construct_number
    Loader.add_constructor("tag:yaml.org,2002:int", construct)
    return Loader
