"""What our images weigh and how they run, beside the first draft's and a single stage's: `make bench-images`.

All are built here and now, on one base, with the same requirements and the same code, without a cache. Takes about
five minutes and an engine, so `python -m bench` runs it only where it is named. The yardstick of size is what the
app cannot do without: its installed packages stripped and without bytecode, the bytecode of the modules that it
loads, and its code.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench import image_lines, image_runs
from bench.image_builds import BACKEND, Yard
from dockproof.catalog.no_wasted_bytes import wasted
from dockproof.collect import image, standins
from dockproof.collect.engine import Engine
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bench.image_builds import Built
    from dockproof.facts.image import ImageFacts

ASKED_FOR = True
"""Not run unless it is named."""

ROUNDS = 5
"""Containers started for a time; the best one counts, so that other work on the machine does not."""

MEGA = 1e6
FILES = {"api": "Dockerfile", "worker": "Dockerfile.worker"}
OURS, DRAFT, SINGLE = "ours", "first draft", "single stage"


class Pair(NamedTuple):
    """The images of one way to build the app, and what building them took.

    Attributes:
        images: by service.
        changed: seconds that the first takes again after a change of the code.
    """

    images: Mapping[str, Built]
    changed: float

    @property
    def seconds(self) -> float:
        """Of the cold build of all of them."""
        return sum(built.seconds for built in self.images.values())


class Size(NamedTuple):
    """Bytes of one image: over its base, stored twice or hidden in its own layers, and in all."""

    over: int
    wasted: int
    whole: int


class Bar(NamedTuple):
    """One promise: what was measured, and the most that it may be."""

    name: str
    value: float
    most: float
    unit: str = ""
    note: str = ""

    @property
    def reached(self) -> bool:
        """Whether it is kept."""
        return self.value <= self.most


def main() -> int:
    """Build, run and print; 1 where a bar is missed."""
    stand_ins = standins.load()
    with Engine.connect() as engine, tempfile.TemporaryDirectory() as folder:
        yard = Yard(engine, stand_ins, Path(folder))
        say(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors: times want a machine at rest")
        say(f"base: {yard.reference}" + (f", for which {yard.stand_in} stands in" if yard.stand_in else ""))
        pairs = _build_all(yard)
        sizes = _sizes(yard, pairs)
        _print_images(pairs, sizes)
        bars = [*_bars_of_builds(yard, pairs, sizes)]
        ids = {service: built.id for service, built in pairs[OURS].images.items()}
        with image_runs.Hardened(engine, stand_ins, ids) as stack:
            bars += _bars_of_runs(stack)
            _print_lines(yard, stack)
            _print_probes(stack)
    for bar in bars:
        say(_line(bar))
    missed = [bar for bar in bars if not bar.reached]
    say(f"{len(bars) - len(missed)} of {len(bars)} bars met")
    return 1 if missed else 0


def _build_all(yard: Yard) -> dict[str, Pair]:
    """Build every image; the second of a pair may use what the first has just left in the cache, as users do."""
    pairs = {}
    for name, context, prefix, services in (
        (OURS, yard.ours, f"{BACKEND}/", FILES),
        (DRAFT, yard.draft, "", FILES),
        (SINGLE, yard.draft, "", {"api": "Dockerfile.single"}),
    ):
        images = {
            service: yard.build(context, prefix + file, clean=number == 0)
            for number, (service, file) in enumerate(services.items())
        }
        pairs[name] = Pair(images, yard.after_a_change(context, prefix + services["api"]))
    return pairs


def _sizes(yard: Yard, pairs: Mapping[str, Pair]) -> dict[str, Size]:
    """Read every image once; the name is that of the pair and of the service."""
    named = {
        f"{name} {service}": built for name, pair in pairs.items() for service, built in pair.images.items()
    }
    image.prefetch(yard.engine, [yard.base, *(built.id for built in named.values())])
    base = image.facts(yard.engine, yard.base)
    return {name: _size(yard.facts(built), base) for name, built in named.items()}


def _size(facts: ImageFacts, base: ImageFacts) -> Size:
    own = facts.own_layers(base)
    return Size(sum(layer.size for layer in own), wasted(own), sum(layer.size for layer in facts.layers))


def _print_images(pairs: Mapping[str, Pair], sizes: Mapping[str, Size]) -> None:
    say(f"{'':22} {'MB':>7} {'over base':>10} {'wasted':>7} {'cold build':>11} {'after a change':>15}")
    for name, pair in pairs.items():
        for service, built in pair.images.items():
            size = sizes[f"{name} {service}"]
            changed = f"{pair.changed:13.2f} s" if service == "api" else ""
            figures = f"{size.whole / MEGA:7.1f} {size.over / MEGA:10.1f} {size.wasted / MEGA:7.1f}"
            say(f"{name + ', ' + service:22} {figures} {built.seconds:9.1f} s {changed}")


def _bars_of_builds(yard: Yard, pairs: Mapping[str, Pair], sizes: Mapping[str, Size]) -> Iterator[Bar]:
    engine, ours = yard.engine, pairs[OURS]
    size, single = sizes[f"{OURS} api"], sizes[f"{SINGLE} api"]
    layers = [set(engine.inspect_image(built.id)["RootFS"]["Layers"]) for built in ours.images.values()]
    yield Bar("layers that api and worker do not share", len(layers[0] ^ layers[1]), 0)
    yield Bar("bytes wasted in own layers", max(sizes[f"{OURS} {name}"].wasted for name in FILES), 0)
    yield Bar("size to the single stage's", size.whole / single.whole, 0.40)
    least, note = _least(yard, pairs)
    yield Bar("bytes over the base to the least there can be", size.over / least, 1.10, note=note)
    both = f"{ours.seconds:.1f} to {pairs[DRAFT].seconds:.1f} s"
    yield Bar("cold build of both to the first draft's", ours.seconds / pairs[DRAFT].seconds, 0.6, note=both)
    yield Bar("build after a change of the code", ours.changed, 1.0, "s")


def _least(yard: Yard, pairs: Mapping[str, Pair]) -> tuple[int, str]:
    """Return the bytes that the app cannot do without, and what they are made of."""
    api = pairs[OURS].images["api"]
    packages = image_runs.stripped_bytes(yard.engine, pairs[SINGLE].images["api"].id)
    bytecode = sum(int(size) for size in image_runs.loaded(yard.engine, api.id).values())
    files = yard.facts(api).files.values()
    code = sum(
        file.size for file in files if file.path.startswith("/app/") and not file.path.endswith(".pyc")
    )
    parts = {"packages": packages, "bytecode": bytecode, "code": code}
    note = " + ".join(f"{name} {size / MEGA:.2f}" for name, size in parts.items())
    return sum(parts.values()), f"{note} MB"


def _bars_of_runs(stack: image_runs.Hardened) -> Iterator[Bar]:
    refused = 0 if stack.works() else 1
    yield Bar(
        "hardened runs that do not work", refused, 0, note="api, worker and migrations as uid 1000660000"
    )
    for service in FILES:
        seconds = [stack.seconds_to_healthy(service) for _ in range(ROUNDS)]
        spread = f"the best of {ROUNDS}, up to {max(seconds):.2f}"
        yield Bar(f"run to healthy, {service}", min(seconds), 2.5, "s", spread)
    for service in FILES:
        spent, bare = stack.probe_milliseconds(service)
        yield Bar(
            f"processor time of a health probe, {service}", spent, 20, "ms", f"bare start {bare:.0f} ms"
        )


def _print_lines(yard: Yard, stack: image_runs.Hardened) -> None:
    """Print what the api's image is with single lines taken away, or written the usual way."""
    dockerfile = yard.ours / BACKEND / "Dockerfile"
    base = image.facts(yard.engine, yard.base)
    say(f"{'our api, but':40} {'over base':>10} {'wasted':>7} {'to healthy':>11} {'after a change':>15}")
    whole = yard.build(yard.ours, f"{BACKEND}/Dockerfile")
    for name, built, changed in [("as it is", whole, None), *image_lines.built(yard, dockerfile)]:
        size = _size(yard.facts(built), base)
        seconds = min(stack.seconds_to_healthy("api", built.id) for _ in range(ROUNDS))
        figures = f"{size.over / MEGA:10.2f} {size.wasted / MEGA:7.2f} {seconds:9.2f} s"
        say(f"{name:40} {figures} {'' if changed is None else f'{changed:13.2f} s'}")


def _print_probes(stack: image_runs.Hardened) -> None:
    """Print what other probes of the api would cost."""
    request = "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=2)"
    for name, probe in {
        "health probe as it is": (),
        "health probe by urllib, isolated": ("-I", "-S", "-c", request),
        "health probe by urllib": ("-c", request),
    }.items():
        say(f"{name:40} {stack.probe_milliseconds('api', *probe)[0]:6.1f} ms of processor time")


def _line(bar: Bar) -> str:
    verdict = "ok" if bar.reached else "MISSED"
    value = f"{bar.value:.2f}".removesuffix(".00")
    note = f"  ({bar.note})" if bar.note else ""
    return f"{verdict:7} {bar.name:46} {value:>8} {bar.unit:2}  at most {bar.most:g}{note}"


def say(line: str) -> None:
    """Print a line of the report."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
