"""`dockproof merge`: the results of the parts of one run (`verify --shard`) as one verdict, and as one evidence."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockproof.errors import Exit, NotLookedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dockproof.report.evidence import Document

SAME = ("schema", "manifest", "images", "inputs", "fail_level")
"""What the parts of one run agree on: they looked at the same files, with the same demands."""

LISTS = ("stand_ins", "lacks", "phases", "not_removed", "services")


def read(path: Path) -> Document:
    """Read the results of one part.

    Args:
        path: results.json, or the folder that holds it.

    Raises:
        NotLookedError: it is not there: a part that did not come is not clean.
        UsageError: it is no such file.
    """
    file = path / "results.json" if path.is_dir() else path
    try:
        results: Document = json.loads(file.read_text(encoding="utf-8"))
        if (
            results["schema"] != 1
            or {*SAME, *LISTS, "exit", "seconds", "tools", "shard", "created"} - results.keys()
        ):
            raise UsageError(f"{file}: written by another version of dockproof; run `dockproof verify` again")
    except OSError as error:
        raise NotLookedError(f"{file}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{file} is no results.json of `dockproof verify`: {error!r}") from None
    return results


def merge(parts: Mapping[str, Document]) -> Document:
    """Return the results of the whole.

    Args:
        parts: results by the name of their file.

    Raises:
        UsageError: the parts are not of one run, or one service is in two of them.
        NotLookedError: a service is in none of them.
    """
    names = list(parts)
    first = parts[names[0]]
    for name in names[1:]:
        _must_agree(names[0], first, name, parts[name])
    services = _services(parts)
    missing = [image for image in first["images"] if image not in services]
    if missing:
        raise NotLookedError(
            f"no part looked at {', '.join(missing)}; given are {', '.join(services)}: add what is missing"
        )
    joined: Document = {key: _distinct(one for part in parts.values() for one in part[key]) for key in LISTS}
    # Of an interrupted part not all was looked at.
    exits = [Exit.NOT_LOOKED if part.get("interrupted") else Exit(part["exit"]) for part in parts.values()]
    return {
        **first,
        **joined,
        "tools": _tools(part["tools"] for part in parts.values()),
        "services": [services[image] for image in first["images"]],
        "created": max(part["created"] for part in parts.values()),
        "exit": int(Exit.NOT_LOOKED if Exit.NOT_LOOKED in exits else max(exits)),
        "seconds": max(part["seconds"] for part in parts.values()),
        "shard": None,
        "interrupted": any(part.get("interrupted", False) for part in parts.values()),
    }


def _must_agree(one: str, first: Document, other: str, second: Document) -> None:
    versions = [part["tools"].get("dockproof") for part in (first, second)]
    if versions[0] != versions[1]:
        raise UsageError(
            f"{one} is of dockproof {versions[0]}, {other} of {versions[1]}: verify both with one version"
        )
    for key in SAME:
        if first[key] != second[key]:
            what = ", ".join(_differing(first[key], second[key])) or key
            raise UsageError(f"{one} and {other} are not of one state: {what} differs")


def _differing(one: object, other: object) -> list[str]:
    """Return the keys in which two mappings differ, none where they are no mappings."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return []
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))


def _services(parts: Mapping[str, Document]) -> dict[str, Document]:
    services: dict[str, Document] = {}
    owner: dict[str, str] = {}
    for name, part in parts.items():
        for service in part["services"]:
            known = service["service"]
            if known in services:
                raise UsageError(f"{owner[known]} and {name} both hold {known}: give each part once")
            services[known], owner[known] = service, name
    return services


def _tools(parts: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the versions of all parts; where machines differ, each version once."""
    found: dict[str, dict[str, None]] = {}
    for tools in parts:
        for name, version in tools.items():
            found.setdefault(name, {})[version] = None
    return {name: ", ".join(versions) for name, versions in found.items()}


def _distinct(entries: Any) -> list[Any]:
    """Return entries without repetitions, in order; they are JSON, which no set holds."""
    return list({json.dumps(entry, sort_keys=True): entry for entry in entries}.values())


def main(arguments: Sequence[str]) -> int:
    """Run `dockproof merge` with the arguments behind its name."""
    from dockproof import cli  # noqa: PLC0415 - see `dockproof.cli`
    from dockproof.report import evidence  # noqa: PLC0415 - as above

    parser = cli.parser_for("merge")
    parser.add_argument("parts", nargs="+", metavar="PATH", help="results.json of each part, or its folder")
    parser.add_argument("--output", metavar="FOLDER", default="build/verify", help="where the evidence goes")
    options = parser.parse_args(list(arguments))
    parts = {os.fspath(path): read(Path(path)) for path in options.parts}
    if len(parts) < len(options.parts):
        raise UsageError("a part is named twice")
    results = merge(parts)
    print(evidence.text(results), end="")  # noqa: T201 - the report
    for path in evidence.write(results, Path(options.output)):
        print(f"evidence: {path}")  # noqa: T201 - the report
    return int(results["exit"])
