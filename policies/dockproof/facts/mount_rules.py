"""What BuildKit takes as options of RUN --mount."""

from __future__ import annotations

import re

from dockproof.facts.stages import mount_fields
from dockproof.facts.suggest import near
from dockproof.patterns import pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_TYPES = frozenset({"bind", "cache", "tmpfs", "secret", "ssh"})
_SHARING = frozenset({"shared", "private", "locked"})
_SWITCHES = frozenset({"readonly", "ro", "readwrite", "rw", "required"})
_KEYS = _SWITCHES | {
    "type", "from", "source", "src", "target", "dst", "destination", "size", "id", "sharing", "mode", "uid", "gid",
    "env",
}  # fmt: skip
_BOOLEANS = frozenset(["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"])
_OWNERS = frozenset({"cache", "secret", "ssh"})
_ONLY_FOR: Mapping[str, frozenset[str]] = {
    "required": frozenset({"secret", "ssh"}),
    "size": frozenset({"tmpfs"}),
}
_FORMS: Mapping[str, re.Pattern[str]] = {
    "mode": pattern("[0-7]{1,11}"),
    "uid": pattern("[0-9]{1,10}"),
    "gid": pattern("[0-9]{1,10}"),
    "size": pattern(r"[0-9]+(?:\.[0-9]+)? ?(?:[kKmMgGtTpP]?[iI]?[bB]?)"),
}


def refusal(text: str) -> str:
    """Why BuildKit refuses the options, "" where it takes them. Values with a variable are not judged."""
    kind = "bind"
    seen: dict[str, str] = {}
    for field in mount_fields(text):
        key, equals, value = field.partition("=")
        key = key.lower()
        reason = _field_refusal(field, key, value if equals else None, kind)
        if reason:
            return reason
        if key == "type":
            kind = value.lower()
        seen[key] = value
    return "" if "$" in text else _whole_refusal(kind, seen)


def _field_refusal(field: str, key: str, value: str | None, kind: str) -> str:
    if key not in _KEYS:
        return f"a mount has no option {key!r}{near(key, _KEYS)}"
    if value is None and key not in _SWITCHES:
        return f"the mount option {field!r} needs a value"
    if key == "from" and re.search(r"\$.", value or ""):
        return "from= of a mount takes no variable; name a stage built FROM it instead"
    if value is not None and "$" in value:
        return ""
    return _value_refusal(key, value, kind)


def _value_refusal(key: str, value: str | None, kind: str) -> str:
    if key == "type" and (value or "").lower() not in _TYPES:
        return f"there is no mount type {value!r}{near((value or '').lower(), _TYPES)}"
    if key == "sharing" and (value or "").lower() not in _SHARING:
        return f"sharing= of a mount is shared, private or locked, not {value!r}"
    if kind not in _ONLY_FOR.get(key, (kind,)) and "$" not in kind:
        return f"a mount of type {kind} has no option {key}"
    if key in _SWITCHES and value is not None and value not in _BOOLEANS:
        return f"{key}= of a mount is true or false, not {value!r}"
    if key in _FORMS and not _FORMS[key].fullmatch(value or ""):
        return f"{value!r} is no value for {key}= of a mount"
    return ""


def _whole_refusal(kind: str, seen: Mapping[str, str]) -> str:
    if kind not in _OWNERS and (owner := next((key for key in ("mode", "uid", "gid") if key in seen), None)):
        return f"a mount of type {kind} has no option {owner}"
    if seen.get("sharing") and kind != "cache":
        return f"a mount of type {kind} has no option sharing"
    if kind == "secret":
        return _secret_refusal(seen)
    return ""


def _secret_refusal(seen: Mapping[str, str]) -> str:
    source = seen.get("source") or seen.get("src")
    target = seen.get("target") or seen.get("dst") or seen.get("destination")
    if seen.get("from"):
        return "a mount of type secret has no option from"
    if not (source or target or seen.get("id")):
        return "a mount of type secret needs an id, a source or a target"
    if source and seen.get("id"):
        return "a mount of type secret takes an id or a source, not both"
    return ""
