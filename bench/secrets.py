"""How well secrets are found: recall and precision on 200 planted secrets and 200 look-alikes.

Run it with `python -m bench secrets` from the repository's root. First where they are written: a Dockerfile's lines are
judged by the source probe of `no-secrets`, files by what its image probe asks of each file. Then in images: each file
stands in a layer of its own and is deleted by the last one, each line has become history, config and layer as BuildKit
records it; the image probe judges them all, read from archives.
"""

from __future__ import annotations

import os
import posixpath
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dockproof import catalog, gate, secrets
from dockproof.collect import image
from dockproof.config import Config
from dockproof.facts.dockerfile import parse
from dockproof.finding import Probe
from dockproof.policy import ImageTarget, Profile
from tests.collect import archives
from tests.secrets_corpus import look_alikes, planted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dockproof.facts.dockerfile import Instruction
    from dockproof.finding import Finding
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
    """Judge the whole set where it is written."""
    return _score(lambda cases: [case for case in cases if says(case)])


def measure_images() -> Score:
    """Judge the whole set in images."""
    with tempfile.TemporaryDirectory() as folder, _cache(folder):
        return _score(
            lambda cases: [*_found_in_layers(cases, Path(folder)), *_found_in_steps(cases, Path(folder))]
        )


def _score(found_of: Callable[[list[Case]], list[Case]]) -> Score:
    began = time.perf_counter()
    real = planted()
    found, wrong = found_of(real), found_of(look_alikes())
    missed = tuple(case for case in real if case not in found)
    return Score(missed, tuple(wrong), len(real), time.perf_counter() - began)


def main() -> int:
    """Print recall and precision, and each case that was judged wrongly."""
    for where, score in (("where they are written", measure()), ("in images", measure_images())):
        for title, cases in (("missed", score.missed), ("taken for a secret", score.wrong)):
            for name, count in Counter(case.name for case in cases).items():
                print(f"{where}, {title}: {count} x {name}")
        print(
            f"{where}: recall {score.recall:.3f}, precision {score.precision:.3f} on {score.planted} planted secrets "
            f"and {len(look_alikes())} look-alikes, {score.seconds:.2f} s"
        )
    return 0


# --------------------------------------------------------------------------------------------------- images


@contextmanager
def _cache(folder: str) -> Iterator[None]:
    """Keep image facts in a folder that goes at the end."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = folder
    yield
    os.environ.pop("XDG_CACHE_HOME") if before is None else os.environ.update(XDG_CACHE_HOME=before)


def _asked(path: Path) -> list[Finding]:
    """Return what the image probe says of an archive."""
    answers = gate.ask(
        [catalog.load()["no-secrets"]], Probe.IMAGE, ImageTarget(image.from_archive(path)), Config()
    )
    if answers.not_looked:
        raise RuntimeError(answers.not_looked[0].log)
    return list(answers.findings)


def _found_in_layers(cases: list[Case], folder: Path) -> list[Case]:
    """Put each file into a layer of its own, delete them all in the last one, and return those that are found."""
    files = [case for case in cases if case.path]
    layers = [archives.layer({case.path.lstrip("/"): case.text.encode()}) for case in files]
    gone = {posixpath.join(*_split(case.path.lstrip("/"))): b"" for case in files}
    path = archives.docker_archive(folder / "files.tar", [*layers, archives.layer(gone)])
    found = {finding.place.layer_index for finding in _asked(path)}
    return [case for number, case in enumerate(files) if number in found]


def _split(path: str) -> tuple[str, str]:
    folder, name = posixpath.split(path)
    return folder, f".wh.{name}"


def _found_in_steps(cases: list[Case], folder: Path) -> list[Case]:
    """Make an image of each line of a Dockerfile, and return those in which something is found."""
    return [case for case in cases if not case.path and _asked(_built(case, folder / "line.tar"))]


def _built(case: Case, path: Path) -> Path:
    """Write the image that BuildKit makes of a line: its step, the config's part, and files of here-documents."""
    instruction = parse(f"FROM scratch\n{case.text}").instructions[1]
    pairs = [(pair.name, pair.value or "") for pair in instruction.pairs]
    files = {heredoc_path(instruction): one.text.encode() for one in instruction.heredocs}
    settings: dict[str, Any] = {}
    if instruction.keyword == "ENV":
        settings["Env"] = [f"{name}={value}" for name, value in pairs]
    elif instruction.keyword == "LABEL":
        settings["Labels"] = dict(pairs)
    layers = [archives.layer(files)] if files else []
    step = {"created_by": recorded(instruction, pairs), "empty_layer": not files}
    return archives.docker_archive(path, layers, history=[step], **settings)


def heredoc_path(instruction: Instruction) -> str:
    """Return where a COPY puts its here-document."""
    return instruction.words[-1].lstrip("/")


def recorded(instruction: Instruction, pairs: list[tuple[str, str]]) -> str:
    """Return a step's text as BuildKit 0.13 writes it into the history."""
    if instruction.keyword == "RUN":
        return f"RUN /bin/sh -c {instruction.value} # buildkit"
    if pairs:
        return f"{instruction.keyword} " + " ".join(f"{name}={value}" for name, value in pairs)
    return f"{instruction.keyword} {instruction.value} # buildkit"


if __name__ == "__main__":
    sys.exit(main())
