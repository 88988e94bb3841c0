"""Two short words for policy tests: `red(policy, text)` gives (line, clause) of each finding of a Dockerfile."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

from dockproof import catalog, gate
from dockproof.config import Config
from dockproof.facts.dockerfile import parse
from dockproof.finding import Probe
from dockproof.policy import Profile

if TYPE_CHECKING:
    from dockproof.finding import Finding


def findings(
    policy: str,
    text: str,
    *,
    targets: tuple[str, ...] = (),
    profile: Profile = Profile.PRODUCTION,
    **options: object,
) -> list[Finding]:
    """Return what a policy's source probe says of a Dockerfile; a crash or a refusal to look fails the test."""
    config = Config(options={policy: options})
    target = gate.target_of(parse(dedent(text)), profile, targets)
    answers = gate.ask([catalog.load()[policy]], Probe.SOURCE, target, config)
    assert not answers.not_looked, answers.not_looked[0].log
    return list(answers.findings)


def red(policy: str, text: str, **how: object) -> list[tuple[int, str | None]]:
    """Return line and clause of each finding, in order."""
    found = findings(policy, text, **how)  # type: ignore[arg-type]
    return sorted((f.place.line, f.clause) for f in found)
