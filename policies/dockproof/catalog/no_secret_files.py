"""No file that holds secrets is copied into the image.

What it holds
-------------
Source: no COPY or ADD, in any stage, takes an environment file (`.env`), a private key (`id_rsa`, `*.key`, `*.p12`,
`*-key.pem`) or the credentials of a program (`.npmrc`, `.netrc`, `.aws/credentials`, `kubeconfig`, service accounts),
neither by name nor within a folder of the build context; and no variable points a program at a credentials file that
the image itself holds (`GOOGLE_APPLICATION_CREDENTIALS=/app/key.json`). Image: no layer holds such a file, deleted
ones included. Templates such as `.env.example`, public keys and the keys of package archives are no finding, nor are
files of installed packages.

Why it matters
--------------
A file in a layer is read by whoever can pull the image, and deleting it in a later layer takes nothing away. A
`COPY . .` takes whatever lies about on the machine that builds.

How to fix it
-------------
Name what is copied, or keep the files out with an ignore file. For the build, mount it: `RUN
--mount=type=secret,id=npmrc,target=/home/app/.npmrc npm ci`. For the program, mount it at run time.

References
----------
- CIS Docker Benchmark 1.6, 4.10
- https://docs.docker.com/build/building/secrets/
- https://docs.docker.com/build/concepts/context/#dockerignore-files
"""

from __future__ import annotations

import posixpath
import re

from dockproof import secret_files, secrets
from dockproof.finding import Place, Severity
from dockproof.patterns import pattern
from dockproof.policy import BY_SOURCE, Clause, EditMutant, Example, Family, ImageMutant, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import ClassVar

    from dockproof.facts.context import BuildContext
    from dockproof.facts.dockerfile import Instruction
    from dockproof.facts.image import ImageFacts, Layer
    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding
    from dockproof.policy import ImageTarget, Mutant, SourceTarget

_URL = pattern(r"[a-z][a-z0-9+]*://|git@", re.IGNORECASE, ("://", "git@"))
_VARIABLE = pattern(r"\$\{?(\w+)\}?", needs=("$",))
_SHOWN = 3
_WORDS = {
    secret_files.ENVIRONMENT: "an environment file",
    secret_files.KEY: "a private key",
    secret_files.CREDENTIALS: "a credentials file",
}


class NoSecretFiles(Policy):
    """Environment files, keys and credentials stay outside."""

    title = "no file that holds secrets is copied in"
    family = Family.SECRETS
    production = Severity.ERROR
    development = Severity.ERROR
    builder = Severity.ERROR
    clauses = (
        Clause(secret_files.ENVIRONMENT, "no environment file is copied in", claimed_by=BY_SOURCE),
        Clause(secret_files.KEY, "no private key is copied in", claimed_by=BY_SOURCE),
        Clause(
            secret_files.CREDENTIALS,
            "no credentials of a program are copied in",
            covers=("trivy:DS-0031",),
            claimed_by=BY_SOURCE,
        ),
        Clause("pointer", "no variable points at credentials in the image", covers=("trivy:DS-0031",)),
    )
    references = ("cis:4.10", "https://docs.docker.com/build/building/secrets/")

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge what every COPY and ADD takes, and what variables point at."""
        for stage in target.dockerfile.stages:
            copies = stage.these("COPY", "ADD")
            for instruction in copies:
                yield from self._copied(instruction, stage, target.context)
            yield from self._pointers(stage, copies)

    def _copied(
        self, instruction: Instruction, stage: Stage, context: BuildContext | None
    ) -> Iterator[Finding]:
        sources = _sources(instruction, stage)
        kinds = [(path, _kind(path)) for path in sources]
        named = [(path, kind) for path, kind in kinds if kind]
        for path, kind in named:
            message = f"{instruction.keyword} takes {_WORDS[kind]}: {path}"
            yield self.at(instruction, message, stage=stage, clause=kind)
        pointer = _VARIABLE.fullmatch(instruction.words[-1]) if instruction.words else None
        if pointer and pointer[1] in secret_files.POINTERS and not named:
            message = f"{instruction.keyword} writes the credentials file that {pointer[1]} names"
            yield self.at(instruction, message, stage=stage, clause=secret_files.CREDENTIALS)
        if context is not None and instruction.flag("from") is None:
            yield from self._within(instruction, stage, context, [path for path, kind in kinds if not kind])

    def _within(
        self, instruction: Instruction, stage: Stage, context: BuildContext, sources: list[str]
    ) -> Iterator[Finding]:
        """Look through what folders and patterns take from the build context."""
        found: dict[str, list[str]] = {}
        exclude = [flag.value for flag in instruction.flags if flag.name == "exclude" and flag.value]
        parents = instruction.flag("parents") is not None
        for path in context.taken_by(sources, exclude=exclude, parents=parents):
            if kind := secret_files.kind(path):
                found.setdefault(kind, []).append(path)
        for kind, paths in found.items():
            more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
            message = (
                f"{instruction.keyword} takes {_WORDS[kind]} with the rest: {', '.join(paths[:_SHOWN])}{more}"
            )
            yield self.at(instruction, message, stage=stage, clause=kind)

    def _pointers(self, stage: Stage, copies: Sequence[Instruction]) -> Iterator[Finding]:
        """Judge ENV and ARG that name a credentials file in a folder that a COPY of the stage fills."""
        for instruction in stage.these("ARG", "ENV"):
            for pair in instruction.pairs:
                if pair.name not in secret_files.POINTERS:
                    continue
                path = stage.expand(instruction, pair.value or "").text
                copied = [_destination(one, stage) for one in copies]
                if path and _is_copied(_absolute(path, stage), copied):
                    message = f"{pair.name} points at {path}, which the image itself holds"
                    yield self.at(pair, message, stage=stage, clause="pointer")

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Look for such files in every layer."""
        for layer in target.image.layers:
            for path, kind in _in_layer(target.image, layer):
                whose, gone = target.told_of(layer, path)
                message = f"the layer{whose} holds {_WORDS[kind]}{gone}"
                yield self.in_image(message, Place(layer=layer.diff_id, path=path), clause=kind)

    example = Example(
        """
        FROM node:24
        COPY .env server.js /app/
        """,
        """
        FROM node:24
        COPY server.js /app/
        RUN --mount=type=secret,id=env,target=/run/secrets/env node /app/server.js --check
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant(
            "environment-file", "COPY .env /app/.env", clause="env-file", also=frozenset({"context-excludes"})
        ),
        # of the shipped files
        SourceMutant(
            "env-file-of-stage",
            "COPY --link --from=code /rootfs/ /",
            "COPY --link --from=code /rootfs/ /\nCOPY --from=builder /build/.env /app/",
            clause="env-file",
        ),
        SourceMutant(
            "ssh-key",
            "COPY --link --from=code /rootfs/ /",
            "COPY --link --from=code /rootfs/ /\nCOPY --from=builder /home/app/.ssh/id_ed25519 /app/",
            "Dockerfile.worker",
            clause="credentials",
        ),
        SourceMutant(
            "tls-key",
            "COPY --link --from=code /rootfs/ /",
            'COPY --link --from=code /rootfs/ /\nCOPY --from=builder ["/build/server.key", "/app/"]',
            clause="key",
        ),
        SourceMutant(
            "pointer",
            "HOME=/tmp",
            "HOME=/tmp GOOGLE_APPLICATION_CREDENTIALS=/app/account.json",
            clause="pointer",
        ),
        ImageMutant("env-file", "COPY <<E /app/.env\nDEBUG=0\nE", clause="env-file"),
        ImageMutant("key-store", "COPY <<E /app/tls/store.p12\nx\nE", clause="key"),
        ImageMutant(
            "deleted-credentials",
            "USER 0\nCOPY <<E /srv/.npmrc\nregistry=https://example.com\nE\nRUN rm /srv/.npmrc\nUSER 10001:10001",
            clause="credentials",
        ),
    )


def _kind(path: str) -> str | None:
    """The kind of a file, or of what a pattern with a star at its end takes: `.env*` is `.env` if it is there."""
    return secret_files.kind(path.rstrip("*")) if path.rstrip("*")[-1:] not in {"", "/"} else None


def _sources(instruction: Instruction, stage: Stage) -> list[str]:
    """Return the paths that a COPY or ADD names, variables expanded; not its URLs and heredocs."""
    words = [stage.expand(instruction, word).text or word for word in instruction.words[:-1]]
    return [word for word in words if not _URL.match(word) and not word.startswith("<<")]


def _destination(instruction: Instruction, stage: Stage) -> str:
    word = instruction.words[-1] if instruction.words else "/"
    return _absolute(stage.expand(instruction, word).text or word, stage)


def _absolute(path: str, stage: Stage) -> str:
    folder = (stage.workdir.value.text if stage.workdir else None) or "/"
    return posixpath.normpath(posixpath.join(folder, path))


# Where platforms mount secrets: what an image copies to its root does not lie there.
_MOUNTED = ("/run/", "/var/run/", "/mnt/", "/secrets/", "/vault/", "/tmp/", "/etc/secrets/")  # noqa: S108 - names alone


def _is_copied(path: str, copied: list[str]) -> bool:
    """Tell whether a path is, or lies below, where a COPY writes."""
    if "/" in copied and not path.startswith(_MOUNTED):
        return True
    return any(path == place or path.startswith(f"{place}/") for place in copied if place != "/")


def _in_layer(image: ImageFacts, layer: Layer) -> Iterator[tuple[str, str]]:
    """Yield the files of a layer that hold secrets by their path, with their kind."""
    for entry in layer.entries:
        if entry.type != "file" or not entry.size or secrets.is_vendored(entry.path):
            continue
        kind = secret_files.kind(entry.path)
        if kind and not (kind == secret_files.KEY and _is_public(image.texts.get((layer.index, entry.path)))):
            yield entry.path, kind


def _is_public(text: bytes | None) -> bool:
    """Whether what is called a key is a certificate or the public half of one."""
    return text is not None and b"PRIVATE" not in text and (b"PUBLIC KEY" in text or b"CERTIFICATE" in text)
