"""The shape of an image's own JSON (OCI image specification, "Image Configuration"; Docker's additions).

An engine refuses an image whose fields are of other types, and so do we: what reads the fields need not ask again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import EllipsisType

_CHECK = {
    "Test": [str],
    "Interval": int,
    "Timeout": int,
    "StartPeriod": int,
    "StartInterval": int,
    "Retries": int,
}
_CONFIG = {
    "User": str,
    "WorkingDir": str,
    "StopSignal": str,
    "StopTimeout": int,
    "ArgsEscaped": bool,
    "Env": [str],
    "Cmd": [str],
    "Entrypoint": [str],
    "Shell": [str],
    "OnBuild": [str],
    "Volumes": {...: object},
    "ExposedPorts": {...: object},
    "Labels": {...: str},
    "Healthcheck": _CHECK,
}
_STEP = {"created": str, "created_by": str, "comment": str, "author": str, "empty_layer": bool}
IMAGE = {
    "os": str,
    "architecture": str,
    "variant": str,
    "created": str,
    "author": str,
    "config": _CONFIG,
    "history": [_STEP],
    "rootfs": {"diff_ids": [str]},
}
"""Each field's type: a list of one, a mapping of known keys, or of any (`...`). null stands for what is not there."""

_WORDS = {str: "text", int: "a number", bool: "true or false"}


def problem(document: Any) -> str:
    """Say what is of another type than it must be, "" for nothing.

    Docker takes one text for a command of one word; it becomes a list here.
    """
    settings: Any = document.get("config") if isinstance(document, dict) else None
    for name in ("Cmd", "Entrypoint", "Shell") if isinstance(settings, dict) else ():
        if isinstance(settings.get(name), str):
            settings[name] = [settings[name]]
    return next(_problems(document, IMAGE, ""), "")


def _problems(value: Any, shape: Any, where: str) -> Iterator[str]:
    if value is None or shape is object:
        return
    if isinstance(shape, list):
        yield from _of_list(value, shape[0], where)
    elif isinstance(shape, dict):
        yield from _of_mapping(value, shape, where)
    elif not isinstance(value, shape) or (shape is int and isinstance(value, bool)):
        yield f"{where} is not {_WORDS[shape]}"


def _of_list(value: Any, shape: Any, where: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{where} is no list"
        return
    for at, one in enumerate(value):
        if one is None:
            yield f"{where}[{at}] is null"
        yield from _problems(one, shape, f"{where}[{at}]")


def _of_mapping(value: Any, shape: dict[str | EllipsisType, Any], where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where or 'it'} is no mapping"
        return
    rest = shape.get(...)
    for name, one in value.items():
        yield from _problems(one, shape.get(name, rest or object), f"{where}.{name}".lstrip("."))
