"""Refresh the end-of-life dates that the policy `supported-base` judges by, from endoflife.date or a copy of it.

Everything is fetched before anything is written: a product that cannot be had leaves the file as it was.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[2] / "policies/dockproof/data/end_of_life.json"
TIMEOUT = 20.0
"""Seconds that one product may take."""
LIMIT = 4 << 20
"""Bytes that one answer may have."""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class RefreshError(Exception):
    """The dates of a product could not be had; the message says why."""


def main(arguments: list[str] | None = None) -> int:
    """Refresh the file; return 0, or 4 where a product could not be had, which leaves the file as it was."""
    parser = argparse.ArgumentParser(prog="scripts/refresh-end-of-life", description=__doc__)
    parser.add_argument("--file", type=Path, default=DATA, help="the data file (default: the package's own)")
    parser.add_argument("--source", help="address of the API (default: the one that the file names)")
    options = parser.parse_args(arguments)
    document = json.loads(options.file.read_text("utf-8"))
    source = (options.source or document["source"]).rstrip("/")
    try:
        products = {name: refreshed(name, one, source) for name, one in document["products"].items()}
    except RefreshError as error:
        print(f"refresh-end-of-life: error: {error}; {options.file} is as it was", file=sys.stderr)
        return 4
    changes = list(compare(document["products"], products))
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    write(options.file, {**document, "as_of": today, "products": products})
    print("\n".join([*changes, f"{len(changes)} dates changed; all are of {today}"]))
    return 0


def refreshed(name: str, product: dict[str, Any], source: str) -> dict[str, Any]:
    """Return a product with the dates that the API gives; releases that it no longer lists keep theirs.

    Raises:
        RefreshError: no usable answer.
    """
    cycles, codenames = dict(product["cycles"]), dict(product.get("codenames", {}))
    field = product.get("end", "eol")
    for release in fetch(f"{source}/{name}.json"):
        cycle = str(release["cycle"])
        date = str(release.get(field) or release.get("eol") or "")
        if _DATE.fullmatch(date):
            cycles[cycle] = date
            if codenames and release.get("codename"):
                codenames[str(release["codename"]).split()[0].lower()] = cycle
    changed = {**product, "cycles": dict(sorted(cycles.items(), key=_by_version))}
    return {**changed, "codenames": codenames} if "codenames" in product else changed


def _by_version(item: tuple[str, str]) -> list[int]:
    return [int(part) if part.isdigit() else 0 for part in item[0].split(".")]


def fetch(url: str) -> list[dict[str, Any]]:
    """Return the releases that an address of the API gives.

    Raises:
        RefreshError: it cannot be reached, or gives something else.
    """
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310 - the caller's own address
            releases = json.loads(answer.read(LIMIT))
    except (OSError, ValueError) as error:
        raise RefreshError(f"{url}: {error}") from error
    if not isinstance(releases, list) or not releases or not all("cycle" in one for one in releases):
        raise RefreshError(f"{url}: this is no list of releases")
    return releases


def compare(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Say each date that is new or another one."""
    return [
        f"{after[name]['title']} {cycle}: {before[name]['cycles'].get(cycle, 'unknown')} -> {date}"
        for name in after
        for cycle, date in after[name]["cycles"].items()
        if before[name]["cycles"].get(cycle) != date
    ]


def write(path: Path, document: dict[str, Any]) -> None:
    """Replace the file at once, so that nobody ever reads half of it."""
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(text, "utf-8")
    draft.replace(path)
