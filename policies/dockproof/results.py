"""What our source probes said of a file, kept between runs under everything that it hangs on.

That is the file's content and name, the profile, what is shipped, the configuration and the waivers in force, the
program itself and the project's own policies, the day, and of the build context what was looked at: each look is
repeated and must show the same. An answer with anything not looked at in it is not kept.
"""

from __future__ import annotations

import hashlib
import os
import sys
from importlib.machinery import PathFinder

from dockproof import __version__, own, waiver
from dockproof.cache import Cache
from dockproof.facts.span import Edit, Span
from dockproof.finding import Finding, NotApplicable, Place, Probe, Severity, Waiver
from dockproof.gate import Answers, Probed
from dockproof.waiver import Exemption

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from dockproof.check import _Asked
    from dockproof.config import Config
    from dockproof.facts.context import BuildContext
    from dockproof.policy import Policy

KIND = "check"
_LIBRARIES = ("dockerfile_parse", "packaging")
"""Packages that probes read a file with."""


class Results:
    """The answers of earlier runs with the same program, policies and configuration, on the same day."""

    def __init__(self, policies: Mapping[str, Policy], config: Config) -> None:
        """Open them.

        Raises:
            OSError: the program's own files cannot be looked at.
            ValueError: a policy's module is not known, so that nobody can say whether it changed.
        """
        everything = (
            _program(),
            _own(policies, config),
            waiver.today(),
            canonical(config._replace(files=())),
        )
        self._cache = Cache(KIND, repr(everything).encode("utf-8", "surrogatepass"))

    def get(self, asked: _Asked) -> tuple[Probed, dict[int, str]] | None:
        """Return what was said, and the lines of the findings; None where it is not known, or may have changed."""
        found = self._cache.get(self._key(asked))
        if not isinstance(found, dict) or _seen(asked.context, found["looks"]) != found["seen"]:
            return None
        return _probed(found["probed"]), {int(number): line for number, line in found["excerpt"].items()}

    def put(self, asked: _Asked, probed: Probed, excerpt: Mapping[int, str]) -> None:
        """Keep what was said, unless something was not looked at."""
        if probed.answers.not_looked:
            return
        looks = list(asked.context.looks) if asked.context else []
        answer = {
            "looks": looks,
            "seen": _seen(asked.context, looks),
            "probed": probed,
            "excerpt": excerpt,
        }
        self._cache.put({self._key(asked): answer})

    def _key(self, asked: _Asked) -> str:
        context = asked.context
        around = (context.root, context.ignore_path, context.ignore_data) if context else None
        said = repr((canonical(asked.settings), around))
        return self._cache.key(asked.content, said.encode("utf-8", "surrogatepass"))


def canonical(value: Any) -> Any:
    """Return a value whose `repr` is the same in every process: sets and tables in order, with their kinds."""
    if isinstance(value, dict):
        return ("dict", sorted((repr(key), canonical(one)) for key, one in value.items()))
    if isinstance(value, (set, frozenset)):
        return ("set", sorted(repr(canonical(one)) for one in value))
    if isinstance(value, (tuple, list)):
        return (type(value).__name__, [canonical(one) for one in value])
    return value


def _seen(context: BuildContext | None, looks: Iterable[Iterable[str]]) -> str:
    """Return the digest of what each look at the build context shows."""
    shown = [context.look(what, path) for what, path in looks] if context else []
    if context and (context.errors or context.truncated):
        return ""  # never equal to one that was kept
    return hashlib.sha256(repr(shown).encode("utf-8", "surrogatepass")).hexdigest()


# ------------------------------------------------------------------------------------------------------- identity


def _program() -> tuple[Any, ...]:
    """Return what tells this program from any other: Python, ours and the libraries' files by size and time."""
    package = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - text
    folders = [package, *(os.path.join(package, name) for name in ("catalog", "facts", "data"))]  # noqa: PTH118 - as above
    for name in _LIBRARIES:
        spec = PathFinder.find_spec(name)
        folders += list(spec.submodule_search_locations or ()) if spec else []
    return __version__, sys.version, [_listed(folder) for folder in folders]


def _listed(folder: str) -> list[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        files = [
            (entry.name, entry.stat()) for entry in entries if entry.name.endswith((".py", ".json", ".toml"))
        ]
    return sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in files)


def _own(policies: Mapping[str, Policy], config: Config) -> list[tuple[str, str]]:
    """Return the ids of all policies, and the digests of the project's own files."""
    names = [(name, type(policy).__module__) for name, policy in policies.items()]
    for name, module in names:
        if not module.startswith(("dockproof.catalog.", f"{own.PREFIX}.")):
            raise ValueError(f"{name} comes from {module}")
    if config.policies is None:
        return names
    files = sorted(entry.path for entry in os.scandir(config.policies) if entry.name.endswith(".py"))
    return names + [(path, _digest(path)) for path in files]


def _digest(path: str) -> str:
    with open(path, "rb") as file:  # noqa: PTH123 - as text
        return hashlib.sha256(file.read()).hexdigest()


# ---------------------------------------------------------------------------------------------------- from JSON


def _probed(found: Any) -> Probed:
    (findings, skipped, _), exemptions, asked, starts = found
    answers = Answers(tuple(map(_finding, findings)), tuple(map(_skipped, skipped)))
    lines = {int(line): start for line, start in starts.items()}
    return Probed(answers, tuple(map(_exemption, exemptions)), tuple(asked), lines)


def _finding(found: Any) -> Finding:
    made = Finding(*found)
    return made._replace(
        place=Place(*made.place),
        probe=Probe(made.probe),
        severity=Severity(made.severity),
        waived=Waiver(*made.waived) if made.waived else None,
        edits=tuple(Edit(Span(*span), old, new) for span, old, new in made.edits),
    )


def _skipped(found: Any) -> NotApplicable:
    policy, probe, reason = found
    return NotApplicable(policy, Probe(probe), reason)


def _exemption(found: Any) -> Exemption:
    made = Exemption(*found)
    return made._replace(policies=tuple(made.policies), waiver=Waiver(*made.waiver))
