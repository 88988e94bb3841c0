"""How fast image facts and image probes are, on an image of 250 MB and 15,000 entries that is built for it.

Run it with `python -m bench images` from the repository's root, where an engine answers. Three figures, each the best
of three rounds in which the measurements take turns: facts from a cold cache as a ratio to `docker save IMAGE | cat`,
facts from the cache, and all image probes together.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dockproof import catalog, gate
from dockproof.catalog import no_secrets
from dockproof.collect import build, image, standins
from dockproof.collect.engine import Engine
from dockproof.config import Config
from dockproof.facts.dockerfile import parse
from dockproof.finding import Probe
from dockproof.policy import ImageTarget, Profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dockproof.facts.image import ImageFacts

ROUNDS = 3
RATIO, CACHED, PROBES = 1.5, 0.3, 2.0
"""The bars: times `docker save`, seconds, seconds."""

DOCKERFILE = Path("dockerfiles/backend/Dockerfile")

# Packages made of the base's own standard library, and shared objects that are no text, in two layers.
LAYER = """RUN ["python", "-c", "
import os, pathlib, random, sys
generator = random.Random({seed})
library = pathlib.Path(os.__file__).parent
texts = [path.read_bytes() for path in sorted(library.rglob('*.py'))[:1600]]
root = pathlib.Path('/opt/venv/lib/python3.13/site-packages')
left = {size}
for number in range({files}):
    folder = root / f'package{seed}_{{number // 40}}'
    folder.mkdir(parents=True, exist_ok=True)
    text = generator.choice(texts)[:20000]
    folder.joinpath(f'module{{number}}.py').write_bytes(text)
    left -= len(text)
for number in range(20):
    root.joinpath(f'package{seed}_{{number}}', 'native.so').write_bytes(generator.randbytes(left // 20))
"]
"""


def instructions() -> str:
    """Return what is built on top of the base."""
    return "".join(
        LAYER.format(seed=seed, size=72_000_000, files=4_750).replace("\n", "\\n").replace('"]\\n', '"]\n')
        for seed in (1, 2)
    )


def base() -> str:
    """Return the base of the shipped images, or what stands in for it here."""
    stage = parse(DOCKERFILE.read_bytes(), str(DOCKERFILE)).stages[0]
    reference = stage.base.ref.text if stage.base.ref else ""
    return standins.load().image_for(reference) or reference


def seconds(action: Callable[[], object]) -> float:
    """Return the wall time of an action."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def save(identity: str) -> None:
    """Do what the cold figure is compared with."""
    subprocess.run(f"docker save {identity} | cat >/dev/null", shell=True, check=True, timeout=300)  # noqa: S602 - ours


@contextmanager
def empty_cache() -> Iterator[None]:
    """Let facts be kept in a folder of their own, which goes at the end."""
    before = os.environ.get("XDG_CACHE_HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        yield
        os.environ.pop("XDG_CACHE_HOME") if before is None else os.environ.update(XDG_CACHE_HOME=before)


def probe(facts: ImageFacts) -> None:
    """Ask every image probe; a probe that crashes is no measurement."""
    no_secrets.forget()
    policies, config = catalog.load(), Config()
    asked = gate.asked(policies, config, Profile.PRODUCTION, Probe.IMAGE)
    answers = gate.ask(asked, Probe.IMAGE, ImageTarget(facts), config)
    if answers.not_looked:
        raise RuntimeError(answers.not_looked[0].log)


def look(engine: Engine, identity: str) -> ImageFacts:
    """Return the facts, with the merged view that nearly every question needs."""
    facts = image.facts(engine, identity)
    facts.files  # noqa: B018 - it is worked out when it is first asked for
    return facts


def measure(engine: Engine, identity: str) -> dict[str, float]:
    """Return the best seconds of each measurement."""
    best: dict[str, float] = {}

    def note(name: str, action: Callable[[], object]) -> None:
        best[name] = min(best.get(name, float("inf")), seconds(action))

    for _ in range(ROUNDS):
        note("docker save | cat", lambda: save(identity))
        with empty_cache():
            note("facts, cold", lambda: look(engine, identity))
            note("facts, cached", lambda: look(engine, identity))
            facts = look(engine, identity)
            note("image probes", lambda facts=facts: probe(facts))  # type: ignore[misc]
    return best


def main() -> int:
    """Print the figures; 1 where a bar is missed."""
    with Engine.connect() as engine:
        identity = build.build_on(
            engine, base(), instructions(), name="bench-images", stand_ins=standins.load()
        )
        facts = look(engine, identity)
        entries = sum(len(layer.entries) for layer in facts.layers)
        print(
            f"  {sum(layer.size for layer in facts.layers) / 1e6:.0f} MB, {entries} entries, {len(facts.layers)} layers"
        )
        best = measure(engine, identity)
    for name, spent in best.items():
        print(f"  {name:20} {spent:6.2f} s")
    ratio = best["facts, cold"] / best["docker save | cat"]
    bars = [
        ("cold, times docker save", ratio, RATIO),
        ("from the cache, s", best["facts, cached"], CACHED),
        ("all image probes, s", best["image probes"], PROBES),
    ]
    for name, figure, bar in bars:
        print(f"  {name:26} {figure:5.2f}, wanted at most {bar}: {'ok' if figure <= bar else 'missed'}")
    return 1 if any(figure > bar for _, figure, bar in bars) else 0


if __name__ == "__main__":
    sys.exit(main())
