"""A task, for a broker that the first draft expects on localhost."""

import dramatiq


@dramatiq.actor
def measure(text: str) -> None:
    """Count the words of a text."""
    len(text.split())
