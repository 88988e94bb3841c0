"""What reads a report as its reader would: GitHub's runner, and JSON Schema for what design.md and GitLab document."""

from __future__ import annotations

import re
from typing import Any

_COMMAND = re.compile(r"::(?P<name>error|warning|notice) (?P<properties>[^:]*)::(?P<message>.*)")
_PROPERTIES = {"title", "file", "line", "endLine", "col", "endColumn"}


def annotation(line: str) -> tuple[str, dict[str, str], str]:
    """Read a workflow command as GitHub documents it: name, properties, message, escapes undone."""
    match = _COMMAND.fullmatch(line)
    assert match, line
    pairs = dict(pair.split("=", 1) for pair in match["properties"].split(","))
    assert pairs.keys() <= _PROPERTIES, line
    return match["name"], {key: _plain(value) for key, value in pairs.items()}, _plain(match["message"])


def _plain(text: str) -> str:
    for code, mark in (("%2C", ","), ("%3A", ":"), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
        text = text.replace(code, mark)
    return text


def _closed(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the schema of an object with these keys and no other."""
    properties = {**required, **(optional or {})}
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_TEXT = {"type": "string", "minLength": 1}
_COUNT = {"type": "integer", "minimum": 0}
_YES_NO = {"type": "boolean"}
_LEVEL = {"enum": ["error", "warning", "info"]}
_PROFILE = {"enum": ["production", "development", "builder"]}
_PROBE = {"enum": ["source", "image", "runtime"]}
_DAY = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
_MISSED = {"what": _TEXT, "reason": _TEXT, "log": _or_null(_TEXT), "fatal": _YES_NO}
_FINDING = _closed(
    {
        "policy": _TEXT,
        "clause": _or_null(_TEXT),
        "severity": _LEVEL,
        "probe": _PROBE,
        "line": {"type": "integer", "minimum": 1},
        "end_line": {"type": "integer", "minimum": 1},
        "column": {"type": "integer", "minimum": 1},
        "stage": _or_null(_TEXT),
        "message": _TEXT,
        "waived": _or_null(
            _closed({"reason": _TEXT, "until": _or_null(_DAY)}, {"origin": _or_null(_TEXT)}),
        ),
        "fixable": _YES_NO,
    },
    {
        "end_column": _or_null({"type": "integer", "minimum": 1}),
        "help": _or_null(_TEXT),
        "fingerprint": _TEXT,
    },
)
_FILE = _closed(
    {
        "path": _TEXT,
        "profile": _PROFILE,
        "status": {"enum": ["checked", "unreadable"]},
        "error": _or_null(_TEXT),
        "findings": _list(_FINDING),
        "not_applicable": _list(_closed({"policy": _TEXT, "reason": _TEXT}, {"probe": _PROBE})),
    },
    {"not_looked": _list(_closed(_MISSED))},
)
CHECK = _closed(
    {
        "schema": {"const": 1},
        "tool": _closed({"name": {"const": "dockproof"}, "version": _TEXT}),
        "files": _list(_FILE),
        "summary": _closed(dict.fromkeys(("files", "errors", "warnings", "infos", "waived"), _COUNT)),
    },
    {"fail_level": _LEVEL, "not_looked": _list(_closed({"path": _or_null(_TEXT), **_MISSED}))},
)
"""Schema 1 of `check` as design.md has it, with the keys that were added since; a new one belongs here too."""

GITLAB = _list(
    _closed(
        {
            "description": _TEXT,
            "check_name": _TEXT,
            "fingerprint": _TEXT,
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": _closed(
                {
                    "path": {"type": "string", "pattern": r"^(?!/|\./)[\s\S]+$"},
                    "lines": _closed({"begin": {"type": "integer", "minimum": 1}}),
                }
            ),
        }
    )
)
"""A Code Quality report, as docs.gitlab.com/ci/testing/code_quality/ documents it."""
