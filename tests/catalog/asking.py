"""Two short words for policy tests: `red(policy, text)` gives (line, clause) of each finding of a Dockerfile."""

from __future__ import annotations

from textwrap import dedent
from types import MappingProxyType
from typing import TYPE_CHECKING

from dockproof import catalog, gate
from dockproof.config import Config
from dockproof.facts.dockerfile import parse
from dockproof.finding import Probe
from dockproof.policy import Profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockproof.finding import Finding
    from dockproof.gate import Answers


def findings(
    policy: str,
    text: str,
    *,
    targets: tuple[str, ...] = (),
    profile: Profile = Profile.PRODUCTION,
    **options: object,
) -> list[Finding]:
    """Return what a policy's source probe finds in a Dockerfile."""
    return list(ask(policy, text, options, targets, profile).findings)


def ask(
    policy: str,
    text: str,
    options: Mapping[str, object] = MappingProxyType({}),
    targets: tuple[str, ...] = (),
    profile: Profile = Profile.PRODUCTION,
) -> Answers:
    """Ask a policy's source probe about a Dockerfile; a crash or a refusal to look fails the test."""
    target = gate.target_of(parse(dedent(text)), profile, targets)
    found = gate.ask([catalog.load()[policy]], Probe.SOURCE, target, Config(options={policy: options}))
    assert not found.not_looked, found.not_looked[0].log
    return found


def red(policy: str, text: str, **how: object) -> list[tuple[int, str | None]]:
    """Return line and clause of each finding, in order."""
    found = findings(policy, text, **how)  # type: ignore[arg-type]
    return sorted((f.place.line, f.clause) for f in found)
