"""What hardened-run and arbitrary-uid share: how a container under harder terms is judged."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockproof.facts.container import ContainerFacts, Trial
    from dockproof.facts.image import ImageFacts

GOOD = frozenset({"healthy", "running"})
WORDS = 300
"""Characters of a container's last words that a message shows."""


def of_trial(trial: Trial) -> str:
    """Return what is wrong with a container that ran under harder terms, "" where it became healthy."""
    if trial.status in GOOD:
        return ""
    said = trial.log.strip()[-WORDS:]
    how = {"exited": "it ended", "not started": "it did not start"}.get(
        trial.status, f"it was {trial.status}"
    )
    return f"with {trial.terms} {how} after {trial.seconds:.0f} s: {said!r}"


def missing_ports(image: ImageFacts, facts: ContainerFacts) -> Iterator[str]:
    """Yield the exposed ports on which nothing listens."""
    listening = {f"{socket.port}/{socket.protocol.rstrip('6')}" for socket in facts.listening}
    yield from (port for port in image.config.ports if port not in listening)
