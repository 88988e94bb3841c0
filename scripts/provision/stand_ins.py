"""Decides which images need a stand-in on this machine, and makes the ones that are missing."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from scripts.provision import build_secrets, host
from scripts.provision.stand_in import build
from scripts.provision.stand_in.recipes import SUITE, Recipe, recipe_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from scripts.provision.references import Reference

WHO = "stand-ins"
PREFIX = "localhost/dockproof-stand-in"
CHECK_SECONDS = 20.0
REMEMBERED_SECONDS = 900.0
UNREACHABLE = "no registry reachable"
# A registry that refuses is reachable: the user must hear what it said.
REFUSALS = re.compile(
    r"not found|unauthorized|denied|forbidden|too ?many ?requests|manifest unknown", re.IGNORECASE
)
NETWORK = re.compile(r"dial tcp|no such host|timeout|TLS handshake|connection refused|x509", re.IGNORECASE)


@dataclass(frozen=True)
class StandIn:
    """One stand-in: which reference it stands for, its local name and id, why it was needed and how it was made."""

    reference: str
    image: str
    id: str
    why: str
    how: str

    def as_json(self) -> dict[str, str]:
        """Return the record of the report's JSON."""
        record = asdict(self)
        return {"for": record.pop("reference"), **record}


@dataclass(frozen=True)
class Registry:
    """Whether a registry is reachable, and what was said about it."""

    reachable: bool
    said: str

    @property
    def word(self) -> str:
        """The word of the report's JSON."""
        return "reachable" if self.reachable else "unreachable"


class Engine:
    """The few things asked of the engine, through its client with the environment `env`."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = dict(env)

    def inspect(self, name: str) -> tuple[str, str]:
        """Return (id, recipe label) of a local image; empty strings where it is absent."""
        form = '{{.Id}} {{index .Config.Labels "' + build.RECIPE_LABEL + '"}}'
        command = ["docker", "image", "inspect", "--format", form, name]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=self.env, timeout=60)
        identity, _, label = done.stdout.strip().partition(" ")
        return (identity, label) if done.returncode == 0 else ("", "")

    def load(self, archive: Path) -> None:
        """Load an archive."""
        host.run(["docker", "load", "--quiet", "--input", archive], f"load {archive.name}", env=self.env)

    def tag(self, source: str, name: str) -> None:
        """Give an image another name."""
        host.run(["docker", "tag", source, name], f"tag {name}", env=self.env)

    def remove(self, image: str) -> None:
        """Remove an image that nothing uses; one that is in use stays."""
        subprocess.run(["docker", "rmi", image], capture_output=True, check=False, env=self.env, timeout=60)

    def ask_registry(self, reference: str) -> Registry:
        """Ask a reference's registry for it, in CHECK_SECONDS at most."""
        command = ["docker", "buildx", "imagetools", "inspect", "--raw", reference]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, env=self.env, timeout=CHECK_SECONDS
            )
        except subprocess.TimeoutExpired:
            return Registry(reachable=False, said=f"no answer within {CHECK_SECONDS:.0f} s")
        return judge(reference, done.returncode, done.stderr)


def judge(reference: str, code: int, stderr: str) -> Registry:
    """Tell a registry that cannot be reached from one that refuses.

    Raises:
        ProvisionError: the registry answered, and has or gives no such image.
    """
    said = (stderr.strip().splitlines() or [""])[-1].removeprefix("ERROR: ")
    if code == 0:
        return Registry(reachable=True, said="")
    if REFUSALS.search(said) and not NETWORK.search(said):
        raise host.ProvisionError(f"the registry answers, but does not give {reference}: {said}")
    return Registry(reachable=False, said=said)


def local_name(reference: Reference) -> str:
    """Return the local name of a reference's stand-in."""
    return f"{PREFIX}/{reference.repository}:{reference.tag}"


def registry(references: Sequence[Reference], engine: Engine, memory: Path) -> Registry:
    """Find out whether the references can be pulled; the answer is remembered for REMEMBERED_SECONDS.

    An image that the engine already holds needs no registry.
    """
    wanted = [reference.text for reference in references if not engine.inspect(reference.text)[0]]
    if not wanted:
        return Registry(reachable=True, said="")
    key = f"{engine.env.get('DOCKER_HOST', '')} {wanted[0]}"
    known = _recall(memory, key)
    if known is None:
        known = engine.ask_registry(wanted[0])
        memory.parent.mkdir(parents=True, exist_ok=True)
        memory.write_text(json.dumps({"key": key, "at": time.time(), **asdict(known)}), encoding="utf-8")
    return known


def _recall(memory: Path, key: str) -> Registry | None:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        record = json.loads(memory.read_text(encoding="utf-8"))
        if record["key"] == key and 0 <= time.time() - record["at"] < REMEMBERED_SECONDS:
            return Registry(bool(record["reachable"]), str(record["said"]))
    return None


def ensure(references: Sequence[Reference], engine: Engine, cache: Path) -> dict[str, object]:
    """Make sure that every reference can be had, by a registry or by a stand-in; return the report's JSON.

    Raises:
        ProvisionError: a stand-in is needed that nobody wrote or that this machine cannot build.
    """
    found = registry(references, engine, cache / "registry.json")
    made: list[StandIn] = []
    if not found.reachable:
        host.say(WHO, f"{UNREACHABLE} ({found.said}): images from Debian's packages stand in")
        with host.lock(cache / "stand-ins.lock", WHO):
            made = _stand_ins(references, engine, cache)
    elif references:
        host.say(WHO, "the images can be pulled: nothing stands in")
    secrets = build_secrets.write(cache / "secrets")
    return {
        "stand_ins": [stand_in.as_json() for stand_in in made],
        "registry": found.word,
        "build": {"secrets": secrets, "network": "host" if secrets or not found.reachable else None},
    }


def _stand_ins(references: Sequence[Reference], engine: Engine, cache: Path) -> list[StandIn]:
    recipes = {reference: recipe_for(reference) for reference in references}
    missing: dict[str, list[Reference]] = {}
    for reference, recipe in recipes.items():
        if engine.inspect(_main_name(recipe))[1] != recipe.fingerprint():  # absent, or made by another recipe
            missing.setdefault(recipe.repository, []).append(reference)
    if missing:
        _build_all(list(missing.values()), engine, cache)
    return [_describe(reference, recipe, engine) for reference, recipe in recipes.items()]


def _main_name(recipe: Recipe) -> str:
    return f"{PREFIX}/{recipe.repository}:{recipe.tags[0]}"


def _build_all(groups: Sequence[Sequence[Reference]], engine: Engine, cache: Path) -> None:
    """Build one image for each group of references with the same recipe, as many at once as there are cores."""
    workshop = build.open_workshop(cache, SUITE)
    with ThreadPoolExecutor(max_workers=min(len(groups), os.cpu_count() or 1)) as pool:
        # All are waited for; the first error is raised after the others are loaded.
        jobs = [pool.submit(_build_one, group, workshop, engine) for group in groups]
    for job in jobs:
        job.result()


def _build_one(references: Sequence[Reference], workshop: build.Workshop, engine: Engine) -> None:
    recipe = recipe_for(references[0])
    host.say(WHO, f"building {recipe.repository} from Debian {workshop.packages.codename}'s packages")
    before, _ = engine.inspect(_main_name(recipe))
    built = build.build(recipe, [_main_name(recipe), *map(local_name, references)], workshop)
    try:
        engine.load(built.archive)
    finally:
        built.archive.unlink()
    if before not in {"", built.image}:
        engine.remove(before)
    facts = f"{recipe.main} {built.version}, {built.seconds:.0f} s, {built.megabytes:.0f} MB"
    host.say(WHO, f"{recipe.repository} is ready ({facts})")


def _describe(reference: Reference, recipe: Recipe, engine: Engine) -> StandIn:
    name, (identity, _) = local_name(reference), engine.inspect(_main_name(recipe))
    if engine.inspect(name)[0] != identity:
        engine.tag(_main_name(recipe), name)
    how = f"Debian {SUITE} packages with {recipe.main}, recipe {recipe.fingerprint()}"
    return StandIn(reference.text, name, identity, UNREACHABLE, how)


def default_sources(folder: Path) -> Iterable[str]:
    """Return the files of a repository that name images: its compose file, else its Dockerfiles."""
    compose = folder / "compose.yaml"
    if compose.is_file():
        return [str(compose)]
    return sorted(
        str(path)
        for path in (folder / "dockerfiles").glob("**/Dockerfile*")
        if path.suffix != ".dockerignore"
    )
