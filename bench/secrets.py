"""How well secrets are found: recall and precision on 200 planted secrets and 200 look-alikes.

Run it with `python -m bench.secrets` from the repository's root. Lines of a Dockerfile are judged by the source probe
of `no-secrets`, files by what its image probe asks of each file.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from dockproof import catalog, gate, secrets
from dockproof.config import Config
from dockproof.facts.dockerfile import parse
from dockproof.finding import Probe
from dockproof.policy import Profile
from tests.secrets_corpus import look_alikes, planted

if TYPE_CHECKING:
    from tests.secrets_corpus import Case


class Score(NamedTuple):
    """What was found.

    Attributes:
        missed: planted secrets that were not found.
        wrong: look-alikes that were taken for secrets.
        planted: how many were planted.
        seconds: for all cases.
    """

    missed: tuple[Case, ...]
    wrong: tuple[Case, ...]
    planted: int
    seconds: float

    @property
    def recall(self) -> float:
        """The share of planted secrets that were found."""
        return 1 - len(self.missed) / self.planted

    @property
    def precision(self) -> float:
        """The share of findings that are secrets."""
        found = self.planted - len(self.missed)
        return found / (found + len(self.wrong))


def says(case: Case) -> list[str]:
    """Return what is said of a case, one message a finding."""
    if case.path:
        return [str(hit) for hit in secrets.find_in_file(case.path, case.text.encode())]
    target = gate.target_of(parse(f"FROM scratch\n{case.text}"), Profile.PRODUCTION)
    answers = gate.ask([catalog.load()["no-secrets"]], Probe.SOURCE, target, Config())
    if answers.not_looked:
        raise RuntimeError(answers.not_looked[0].log)
    return [finding.message for finding in answers.findings]


def measure() -> Score:
    """Judge the whole set."""
    began = time.perf_counter()
    real = planted()
    missed = tuple(case for case in real if not says(case))
    wrong = tuple(case for case in look_alikes() if says(case))
    return Score(missed, wrong, len(real), time.perf_counter() - began)


def main() -> int:
    """Print recall and precision, and each case that was judged wrongly."""
    score = measure()
    for title, cases in (("missed", score.missed), ("taken for a secret", score.wrong)):
        for name, count in Counter(case.name for case in cases).items():
            print(f"{title}: {count} x {name}")
    print(
        f"recall {score.recall:.3f}, precision {score.precision:.3f} on {score.planted} planted secrets "
        f"and {len(look_alikes())} look-alikes, {score.seconds:.2f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
