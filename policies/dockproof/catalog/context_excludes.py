"""What is copied from the build context is chosen.

What it holds
-------------
Source: a COPY or ADD that takes the whole context (`COPY . .`) has an ignore file, `<Dockerfile>.dockerignore`
or `.dockerignore`, that keeps out the repository's history (`.git`) and `.env`, and whatever lies in the context now
of keys, caches, virtual environments and installed modules (clause `kept-out`). A path that COPY or ADD names is not
ignored (clause `copied-is-ignored`): the build would fail, or miss it. Image: the image's own layers hold no version
control folder, cache of a tool or editor's folder outside installed packages.

Why it matters
--------------
`.git` holds every secret that was ever committed, and changes with each commit, so the layer is never cached. Caches
and virtual environments of the machine that builds replace what the image installs, for another platform at times.

How to fix it
-------------
Ignore everything and let in what the image is made of, as here in `.dockerignore`.

    *
    !app
    !requirements.txt

References
----------
- https://docs.docker.com/build/concepts/context/#dockerignore-files
- https://docs.docker.com/reference/build-checks/copy-ignored-file/
"""

from __future__ import annotations

import posixpath
import re

from dockproof import secret_files, secrets
from dockproof.finding import NotApplicable, Place, Probe, Severity
from dockproof.patterns import pattern
from dockproof.policy import BY_SOURCE, Clause, EditMutant, Example, Family, ImageMutant, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import ClassVar

    from dockproof.facts.context import BuildContext
    from dockproof.facts.dockerfile import Instruction
    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding
    from dockproof.policy import ImageTarget, Mutant, SourceTarget

_URL = pattern(r"[a-z][a-z0-9+]*://|git@", re.IGNORECASE, ("://", "git@"))
_WILD = pattern(r"[*?\[\\]")
# Wanted in no context, there today or not.
_ALWAYS = (".git", ".env")
# By what they are, for the sentence; a path's part that matches says it.
_UNWANTED = (
    ("version control", pattern(r"\.(?:git|hg|svn|bzr)")),
    ("a virtual environment", pattern(r"\.?v?env|\.virtualenv|virtualenv", re.IGNORECASE)),
    ("installed modules", pattern(r"node_modules|bower_components")),
    (
        "a cache",
        pattern(
            r"__pycache__|\.(?:pytest|mypy|ruff|npm|yarn|parcel)[-_]?cache|\.(?:cache|tox|nox|hypothesis|gradle|terraform)"
        ),
    ),
    ("an editor's folder", pattern(r"\.(?:idea|vscode|vs|DS_Store)")),
)
_IN_IMAGE = pattern(
    r"/(?P<part>\.(?:git|hg|svn|bzr|idea|vscode|DS_Store|tox|nox|hypothesis|(?:pytest|mypy|ruff)_cache))(?:/|$)"
)


class ContextExcludes(Policy):
    """A chosen context, of which all is there that is named."""

    title = "the build context is chosen"
    family = Family.SECRETS
    production = Severity.ERROR
    development = Severity.WARNING
    builder = Severity.WARNING
    clauses = (
        Clause(
            "kept-out",
            "a context copied whole leaves out history, secrets, caches and environments",
            claimed_by=BY_SOURCE,
        ),
        Clause(
            "copied-is-ignored", "nothing that is copied is ignored", same_as=("buildkit:CopyIgnoredFile",)
        ),
    )
    references = (
        "https://docs.docker.com/build/concepts/context/#dockerignore-files",
        "https://docs.docker.com/reference/build-checks/copy-ignored-file/",
    )

    def source(self, target: SourceTarget) -> Iterator[Finding | NotApplicable]:
        """Judge every COPY and ADD from the build context."""
        copies = [
            (instruction, stage)
            for stage in target.dockerfile.stages
            for instruction in stage.these("COPY", "ADD")
            if instruction.flag("from") is None
        ]
        if target.context is None:
            if copies:
                yield self.skip(Probe.SOURCE, "there is no build context to look at")
            return
        for instruction, stage in copies:
            sources = _sources(instruction, stage)
            yield from self._whole(instruction, stage, sources, target.context)
            for source in sources:
                if _is_ignored(source, target.context):
                    message = f"{instruction.keyword} names {source}, which {_file(target.context)} keeps out"
                    yield self.at(instruction, message, stage=stage, clause="copied-is-ignored")

    def _whole(
        self, instruction: Instruction, stage: Stage, sources: Sequence[str], context: BuildContext
    ) -> Iterator[Finding]:
        whole = [
            source for source in sources if posixpath.normpath(posixpath.join("/", source)) in {"/", "/*"}
        ]
        if not whole:
            return
        exclude = [flag.value for flag in instruction.flags if flag.name == "exclude" and flag.value]
        if context.ignore_file is None and not exclude:
            message = f"{instruction.keyword} takes the whole context, and no ignore file keeps anything out"
            yield self.at(instruction, message, stage=stage, clause="kept-out")
            return
        found = _unwanted(context, whole, exclude)
        if found:
            message = f"{instruction.keyword} takes the whole context, with {'; '.join(found)}"
            yield self.at(instruction, message, stage=stage, clause="kept-out")

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Look for what a context brings along in the image's own layers."""
        for layer in target.own_layers:
            seen: set[str] = set()
            for entry in layer.entries:
                match = _IN_IMAGE.search(entry.path)
                path = entry.path[: match.end("part")] if match else ""
                if match and path not in seen and not secrets.is_vendored(path):
                    seen.add(path)
                    message = f"the layer holds {_what(match['part'])} of the machine that built it"
                    yield self.in_image(message, Place(layer=layer.diff_id, path=path), clause="kept-out")

    example = Example(
        """
        FROM debian:13-slim
        WORKDIR /app
        COPY . .
        """,
        """
        FROM debian:13-slim
        WORKDIR /app
        COPY . .
        """,
        ignore=".git\n.env*\n**/node_modules\n**/__pycache__",
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant(
            "copied-is-ignored",
            "COPY .git/HEAD /git-head",
            clause="copied-is-ignored",
            requires=("ignores-git",),
        ),
        EditMutant(
            "whole-context",
            "COPY . /context/",
            clause="kept-out",
            also=frozenset({"no-secret-files"}),
            requires=("no-ignore-file",),
        ),
        # of the shipped files
        SourceMutant(
            "whole-context",
            "COPY app /rootfs/app/app",
            "COPY . /rootfs/app/",
            clause="kept-out",
            ignore="**/*.md\n",
        ),
        SourceMutant(
            "all-but-history",
            "COPY app /rootfs/app/app",
            "ADD ./ /rootfs/app/",
            "Dockerfile.worker",
            clause="kept-out",
            ignore=".git\n",
            also=frozenset({"copy-not-add"}),
        ),
        SourceMutant(
            "ignored-file",
            "COPY dockerfiles/backend/bytecode.py /build/bytecode.py",
            "COPY dockerfiles/backend/bytecode.py README.md /build/",
            clause="copied-is-ignored",
        ),
        SourceMutant(
            "ignored-folder",
            "COPY app /rootfs/app/app",
            "COPY ./policies /rootfs/app/app",
            "Dockerfile.worker",
            clause="copied-is-ignored",
        ),
        ImageMutant("history", "COPY <<E /app/.git/HEAD\nref: refs/heads/main\nE", clause="kept-out"),
        ImageMutant(
            "cache", "COPY <<E /app/.pytest_cache/README.md\nx\nE", clause="kept-out", service="worker"
        ),
    )


def _sources(instruction: Instruction, stage: Stage) -> list[str]:
    """Return the paths of the context that a COPY or ADD names; not its URLs and heredocs, nor unknown ones."""
    values = [stage.expand(instruction, word).text for word in instruction.words[:-1]]
    return [text for text in values if text and not _URL.match(text) and not text.startswith("<<")]


def _file(context: BuildContext) -> str:
    return posixpath.basename(context.ignore_path) if context.ignore_path else "the ignore file"


def _is_ignored(source: str, context: BuildContext) -> bool:
    """Tell whether nothing is taken by a source because the ignore file says so."""
    if context.ignore_file is None:
        return False
    path = posixpath.normpath(posixpath.join("/", source))[1:]
    if not path or next(context.taken_by([source]), None) is not None:
        return False
    if _WILD.search(path):
        return next(context.without_ignore_file().taken_by([source]), None) is not None
    return context.ignores(path)


def _unwanted(context: BuildContext, whole: Sequence[str], exclude: Sequence[str]) -> list[str]:
    """Name what a whole context brings along: what it always must keep out, and what lies there now."""
    found = {}
    if not exclude:
        found = {_what(name): name for name in _ALWAYS if not context.ignores(name)}
    for path in context.taken_by(whole, exclude=exclude):
        part = next((part for part in path.split("/") if _what(part)), "")
        if part:
            found.setdefault(_what(part), path[: path.index(part) + len(part)])
        elif secret_files.kind(path):
            found.setdefault("a file that holds secrets", path)
    return [f"{what} ({path})" for what, path in found.items()]


def _what(part: str) -> str:
    """Say what a folder or file of this name is, "" where it may be wanted."""
    if part == ".env":
        return "an environment file"
    return next((what for what, pattern in _UNWANTED if pattern.fullmatch(part)), "")
