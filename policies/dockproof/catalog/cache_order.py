"""What changes often is copied after what changes seldom, so that a change of the code installs nothing again.

What it holds
-------------
No installation stands behind something that changes with every commit and that it does not need, in the order in which
a stage is built, those that it is built FROM first:

- `code-first`: a COPY or ADD of code from the build context, or a bind mount of the whole context. Code is the whole
  context (`.`, `*`), a folder with a name for code (`src`, `app`, `cmd` …), files of a programming language, or what
  a build outside made of them (`dist`, `target/*.jar`).
- `built-first`: a COPY from a stage that holds such code, before an installation of named packages.
- `unread-manifest`: a requirement file for development (`requirements-dev.txt`) that is copied by its name, while the
  RUN instructions name another one and never it: it is read by nothing, and its changes install everything again.
- `changing-value`: an ARG or ENV whose value is another one at every build: by its name (`GIT_COMMIT`, `BUILD_DATE`),
  or because a label for version, revision or date is made of it, and nothing else. BuildKit runs every later RUN of
  the stage again when it changes, used or not. A LABEL itself costs nothing, nor does an ARG before the first FROM.

An installation is a RUN that only installs: packages that it names (apt-get, apk, dnf, `gem install`, `go install x@v`
…), or what a manifest or lock file names (pip `-r`, poetry, uv, pipenv, npm, yarn, pnpm, bun, bundler, composer,
downloads of go and cargo, maven's `dependency:` goals, gradle's `dependencies`, `dotnet restore`, conda).

Silent is it about a RUN that also builds or installs the project, because that needs the code; about an installation
from a manifest that an earlier command may have written, or whose dependencies the same tool has installed before the
copy; and about one that uses the value. `poetry install`, `uv sync` and `composer install` install dependencies and
project: they count when nothing has installed the dependencies before. `COPY --link` is a COPY like any other, for a
RUN behind it sees its files. Where no POSIX shell reads a RUN, it is not judged.

Why it matters
--------------
A layer is built again when anything before it changed. `COPY . .` in front of `npm ci` turns a build of seconds into
one of minutes, at every commit, and every node that runs the image pulls the same packages again as a new layer.

How to fix it
-------------
Copy the manifest and the lock file, install, then copy the code:

    COPY package.json package-lock.json ./
    RUN npm ci
    COPY . .

Install system packages before any COPY. Declare ARG VERSION, REVISION and CREATED at the end of the stage, in front of
the LABEL that uses them.

References
----------
- https://docs.docker.com/build/cache/optimize/
- https://docs.docker.com/build/building/best-practices/#leverage-build-cache
"""

from __future__ import annotations

import posixpath
from functools import lru_cache, partial

from dockproof.catalog._installs import Needs, installs, prepares, touches, words
from dockproof.catalog._rights import joined
from dockproof.catalog._runs import unread
from dockproof.facts.mounts import mounts
from dockproof.facts.shell import script
from dockproof.finding import Severity
from dockproof.patterns import pattern
from dockproof.policy import Clause, EditMutant, Example, Family, Policy, SourceMutant
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from dockproof.catalog._installs import Install
    from dockproof.facts.dockerfile import Instruction, Pair
    from dockproof.facts.shell import Script
    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding, NotApplicable
    from dockproof.policy import HasSpan, Mutant, SourceTarget

_WHOLE = frozenset({"", ".", "*", "**"})
_CODE_FOLDERS = words(
    "api app application apps backend client cmd code components frontend internal lib libs pages pkg public server"
    " source sources spec src static templates test tests views web www"
)
_CODE_ENDINGS = frozenset(
    (
        *(
            "py",
            "js",
            "jsx",
            "ts",
            "tsx",
            "mjs",
            "cjs",
            "go",
            "rs",
            "rb",
            "php",
            "java",
            "kt",
            "scala",
            "cs",
            "fs",
            "c",
        ),
        *("c", "cc", "cpp", "h", "hpp", "swift", "ex", "erl", "hs", "html", "css", "vue", "svelte"),
    )
)
# What a build outside has made of the code.
_BUILT = pattern(r"(?:.*/)?(?:dist|publish|(?:target|build/libs)/[^/]*\.[jw]ar)(?:/\*)?")
_SETUP_FILE = pattern(
    r"(?:setup|conanfile|noxfile|build)\.\w+|__version__\.py|\.?pnp\..*|\.?pnpmfile\..*|.*\.config\.\w+|.*rc\.\w+",
    needs=("setup.", "conanfile.", "noxfile.", "build.", "__version__", "pnp", ".config.", "rc."),
)
# What a stage gives that is not its code: lists of packages, and the packages themselves.
_DEPENDENCIES = pattern(
    r"(?:.*/)?(?:node_modules|wheels|wheelhouse|\.?venv|vendor|site-packages|[^/]*\.(?:txt|json|lock|toml))/?"
)
_CHANGING = pattern(
    r"(?:(?:APP|BUILD|CI|DOCKER|GIT|IMAGE|SOURCE|SRC|VCS)_)*(?:REVISION|COMMIT(?:_(?:SHA|HASH|ID|REF|DATE|TIME))?|SHORT_SHA"
    r"|GIT_(?:SHA1?|HASH|REF|BRANCH|TAG|DESCRIBE)|VCS_REF|CREATED|BUILD_?(?:DATE|TIME|TIMESTAMP|NUMBER|NUM|ID|SHA|REF)"
    r"|PIPELINE_ID)",
    needs=("revision", "commit", "sha", "git_", "vcs_ref", "created", "build", "pipeline_id"),
)
_MANIFEST = pattern(r"(?:-r|--requirements?)[ =]?\S+", needs=("-r",))
_ALL_MANIFESTS = pattern(
    r"[\w./-]*[*?][\w.-]*\.(?:txt|in)\b|requirements[\w./-]*\*|\$\{?\w+\}?[\w.-]*\.(?:txt|in)\b",
    needs=("*", "?", "$"),
)
_DEV_MANIFEST = pattern(
    r"requirements?[-_.](?:dev\w*|tests?|testing|lint\w*|docs?|local)\.(?:txt|in)|(?:dev|tests?)[-_]requirements\.(?:txt|in)"
)
_PIN = pattern(r"[\"']?[0-9a-f]{7,64}[\"']?")
_CHANGING_LABEL = pattern(
    r"org\.opencontainers\.image\.(?:version|revision|created)|org\.label-schema\.(?:version|vcs-ref|build-date)",
    needs=("version", "revision", "created", "vcs-ref", "build-date"),
)
_NAME = pattern(r"\$\{?(\w+)")
_UNKNOWN = "/{workdir}"
_LIMIT = 100
_SHOWN = 50  # characters of an instruction that a sentence can hold
_ADD = "COPY dockerfiles/backend/bytecode.py /build/bytecode.py\n"
_REQUIREMENTS = "COPY requirements/runtime.txt /build/runtime.txt"


class _Copied(NamedTuple):
    """Something that changes often and stands before the RUNs that follow.

    Attributes:
        clause: which kind.
        where: its place.
        text: what the report calls it.
        target: the folder that it fills, absolute.
        at: its number among what was seen.
        installed: the tools that had installed from a manifest before it.
        stage: the stage that it stands in.
    """

    clause: str
    where: HasSpan
    text: str
    target: str
    at: int
    installed: frozenset[str]
    stage: Stage


class _Seen:
    """What was seen so far in the order of the build; a stage goes on where the one it is built FROM ended."""

    def __init__(self, before: _Seen | None = None) -> None:
        self.copied: list[_Copied] = list(before.copied) if before else []
        self.values: dict[str, tuple[Pair, Stage]] = dict(before.values) if before else {}
        self.installed: frozenset[str] = before.installed if before else frozenset()
        self.obscured: int = before.obscured if before else -1
        """Number of the last RUN that may have written a manifest."""
        self.prepared: int = before.prepared if before else -1
        """Number of the last RUN that may have set up a package repository."""
        self.holds_code: bool = before.holds_code if before else False
        self.workdir: str = before.workdir if before else _UNKNOWN
        self.at: int = before.at if before else 0

    def add(self, copied: _Copied) -> None:
        """Remember what stands before the RUNs that follow; of very many the first are enough to tell."""
        self.holds_code = True
        if len(self.copied) < _LIMIT:
            self.copied.append(copied)

    def enter(self, folder: str | None) -> None:
        """Change the folder, as WORKDIR does."""
        self.workdir = self.path(folder)

    def path(self, text: str | None) -> str:
        """Give a path as an absolute one, below a name that nothing else has where it is not known."""
        return joined(self.workdir, text or _UNKNOWN)


class CacheOrder(Policy):
    """The cache of the build survives a change of the code."""

    title = "what changes often is copied after what changes seldom"
    family = Family.STAGES
    production = Severity.WARNING
    development = Severity.INFO
    builder = Severity.WARNING
    clauses = (
        Clause("code-first", "dependencies are installed before the code is copied"),
        Clause("built-first", "packages are installed before what another stage built of the code is copied"),
        Clause("unread-manifest", "no requirement file is copied that nothing reads"),
        Clause("changing-value", "values that change at every build are declared after what is installed"),
    )
    references = (
        "https://docs.docker.com/build/cache/optimize/",
        "https://docs.docker.com/build/building/best-practices/#leverage-build-cache",
    )

    def source(self, target: SourceTarget) -> Iterator[Finding | NotApplicable]:
        """Go through every stage in the order of its build."""
        yield from unread(self, target.dockerfile)
        ends: dict[Stage, _Seen] = {}
        named = _named_by_labels(target)
        told: set[tuple[str, int]] = set()
        for stage in target.dockerfile.stages:
            ends[stage] = seen = _Seen(ends.get(stage.base.stage) if stage.base.stage else None)
            yield from self._sequence(stage, stage.sequence, seen, ends, named, told)
            yield from self._unread(stage)
            triggered = _Seen(seen)  # what its own triggers do happens in another build, or a later stage
            yield from self._sequence(stage, stage.triggers, triggered, ends, named, told)

    def _sequence(
        self,
        stage: Stage,
        instructions: tuple[Instruction, ...],
        seen: _Seen,
        ends: dict[Stage, _Seen],
        named: frozenset[str],
        told: set[tuple[str, int]],
    ) -> Iterator[Finding]:
        for instruction in instructions:
            seen.at += 1
            if instruction.keyword in {"COPY", "ADD"}:
                _see_copy(seen, stage, instruction, ends)
            elif instruction.keyword == "WORKDIR":
                seen.enter(stage.expand(instruction, instruction.value).text)
            elif instruction.keyword in {"ARG", "ENV"}:
                _see_values(seen, stage, instruction, named)
            elif instruction.keyword == "RUN":
                for finding in self._run(seen, stage, instruction):
                    key = finding.clause or "", finding.place.line
                    if key not in told:
                        told.add(key)
                        yield finding

    def _unread(self, stage: Stage) -> Iterator[Finding]:
        """Find requirement files for development that no RUN behind them reads, where one reads another."""
        copies = list(_dev_manifests(stage))
        if not copies:
            return
        reads = [one for one in stage.instructions if one.keyword == "RUN"]
        text = "\n".join("\n".join([one.value, *(doc.text for doc in one.heredocs)]) for one in reads)
        if not _MANIFEST.search(text) or _ALL_MANIFESTS.search(text):
            return
        for copy, source in copies:
            if source not in text:
                message = f"{source} is copied, and no RUN of this stage reads it"
                yield self.at(copy, message, stage=stage, clause="unread-manifest", help="leave it out")

    def _run(self, seen: _Seen, stage: Stage, instruction: Instruction) -> Iterator[Finding]:
        """Judge one RUN, and remember what it did."""
        commands = script(instruction, stage.shell_at(instruction))
        standing = [*_mounted(seen, stage, instruction), *seen.copied]
        folders = [one.target for one in standing]
        needs, made = installs(commands, partial(touches, folders=folders, workdir=seen.workdir))
        if made and needs is not Needs.CODE:
            yield from self._late_copy(seen, needs, made, standing)
            yield from self._late_value(seen, needs, made[0], commands)
        if needs is Needs.CODE:
            seen.obscured = seen.at
        if seen.copied and prepares(commands):
            seen.prepared = seen.at
        seen.installed |= {one.tool for one in made if one.needs in {Needs.MANIFEST, Needs.PROJECT}}

    def _late_copy(
        self, seen: _Seen, needs: Needs, made: tuple[Install, ...], standing: list[_Copied]
    ) -> Iterator[Finding]:
        late = next((one for one in standing if _stands_before(one, seen, needs, made)), None)
        if late is not None:
            seen.copied = []
            what = "needs none of it" if needs is Needs.NOTHING else "needs only the manifest and the lock"
            message = f"{late.text} stands before {_named(made[0])}, which {what}"
            yield self.at(late.where, message, stage=late.stage, clause=late.clause)

    def _late_value(self, seen: _Seen, needs: Needs, first: Install, commands: Script) -> Iterator[Finding]:
        if needs is Needs.PROJECT or not seen.values:
            return
        used = set(_NAME.findall(commands.text))
        for name in [name for name in seen.values if name not in used]:
            pair, stage = seen.values.pop(name)
            message = (
                f"{name} changes at every build and stands before {_named(first)}, which then runs again"
            )
            yield self.at(pair, message, stage=stage, clause="changing-value")

    example = Example(
        """
        FROM node:24
        WORKDIR /app
        COPY . .
        RUN npm ci
        """,
        """
        FROM node:24
        WORKDIR /app
        COPY package.json package-lock.json ./
        RUN npm ci
        COPY . .
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant(
            "code-then-packages",
            "COPY src /src\nRUN apk add --no-cache tini=0.19.0-r3",
            "begin",
            clause="code-first",
        ),
        EditMutant(
            "commit-then-packages",
            "ARG GIT_COMMIT\nRUN apk add --no-cache tini=0.19.0-r3",
            "begin",
            clause="changing-value",
        ),
        # of generated files
        SourceMutant(
            "node",
            "COPY package.json package-lock.json ./\n"
            "RUN --mount=type=cache,target=/var/cache/npm npm ci --omit=dev --ignore-scripts --cache=/var/cache/npm",
            "COPY . ./\n"
            "RUN --mount=type=cache,target=/var/cache/npm npm ci --omit=dev --ignore-scripts --cache=/var/cache/npm",
            "good/node",
            clause="code-first",
            at="COPY . ./",
        ),
        SourceMutant(
            "python", "COPY requirements.txt /build/", "COPY . /build/", "good/python", clause="code-first"
        ),
        SourceMutant("java", "COPY mvnw pom.xml ./", "COPY . .", "good/java", clause="code-first"),
        SourceMutant(
            "go",
            "RUN --mount=type=cache,target=/go/pkg/mod \\\n",
            "COPY . .\nRUN --mount=type=cache,target=/go/pkg/mod \\\n",
            "good/go",
            clause="code-first",
            at="COPY . .",
        ),
        SourceMutant(
            "rust",
            "COPY --from=planner /recipe.json recipe.json\n",
            "COPY . .\nCOPY --from=planner /recipe.json recipe.json\n",
            "good/rust",
            clause="code-first",
            at="COPY . .",
        ),
        SourceMutant(
            "alpine",
            "RUN apk add --no-cache gcc",
            "COPY src /src\nRUN apk add --no-cache gcc",
            "good/alpine",
            clause="code-first",
        ),
        SourceMutant(
            "ubi", "RUN dnf install", "COPY src /src\nRUN dnf install", "good/ubi", clause="code-first"
        ),
        SourceMutant(
            "debian-heredoc",
            "RUN <<EOF\n",
            "ARG GIT_COMMIT\nRUN <<EOF\n",
            "good/debian",
            clause="changing-value",
        ),
        # of the shipped files
        SourceMutant(
            "code-before-lock",
            _REQUIREMENTS,
            f"COPY app /build/app\n{_REQUIREMENTS}",
            clause="code-first",
            at="COPY app /build",
        ),
        SourceMutant(
            "whole-context",
            _REQUIREMENTS,
            f"COPY . /build/\n{_REQUIREMENTS}",
            "Dockerfile.worker",
            clause="code-first",
            at="COPY . /build",
        ),
        SourceMutant(
            "bound-context",
            _ADD,
            f"RUN --mount=type=bind,target=/src apk add --no-cache binutils=2.45-r0\n{_ADD}",
            clause="code-first",
            at="--mount=type=bind",
        ),
        SourceMutant(
            "built-first",
            "COPY --link --from=code /rootfs/ /",
            "COPY --link --from=code /rootfs/app/ /app/\nRUN apk add --no-cache tini=0.19.0-r3",
            clause="built-first",
            at="--from=code",
        ),
        SourceMutant(
            "unread-manifest",
            _REQUIREMENTS,
            f"COPY requirements/requirements-dev.txt /build/\n{_REQUIREMENTS}",
            clause="unread-manifest",
            also=frozenset({"context-excludes"}),
            at="requirements-dev",
        ),
        SourceMutant(
            "revision-first",
            _REQUIREMENTS,
            f"ARG REVISION=unknown\n{_REQUIREMENTS}",
            clause="changing-value",
            at="REVISION=unknown",
        ),
        SourceMutant(
            "version-of-the-label",
            "FROM upstream AS builder",
            "FROM upstream AS builder\nARG VERSION=0.1.0",
            clause="changing-value",
            at="VERSION=0.1.0",
        ),
        SourceMutant(
            "date-in-environment",
            _REQUIREMENTS,
            f"ENV BUILD_DATE=2026-06-01\n{_REQUIREMENTS}",
            "Dockerfile.worker",
            clause="changing-value",
            at="BUILD_DATE",
        ),
    )


def _stands_before(one: _Copied, seen: _Seen, needs: Needs, made: tuple[Install, ...]) -> bool:
    """Whether an installation that follows a copy could stand before it."""
    if one.clause == "built-first" or needs is Needs.NOTHING:
        return needs is Needs.NOTHING and seen.prepared < one.at and one.target != "/"
    tools = {made_by.tool for made_by in made if made_by.needs in {Needs.MANIFEST, Needs.PROJECT}}
    return seen.obscured < one.at and not tools <= one.installed


def _see_copy(seen: _Seen, stage: Stage, instruction: Instruction, ends: dict[Stage, _Seen]) -> None:
    source = instruction.flag("from")
    if not instruction.words:
        return
    if source is None:
        if not _is_code(stage, instruction):
            return
        clause, text = "code-first", "the code"
    else:
        giver = stage.sibling(stage.expand(instruction, source).text or "")
        if (
            giver is None
            or giver not in ends
            or not ends[giver].holds_code
            or _gives_dependencies(instruction)
        ):
            return
        clause, text = "built-first", f"what stage {giver.name or giver.index} built of the code"
    words = " ".join([instruction.keyword, *instruction.words])
    copied = f"`{words}` ({text})" if len(words) <= _SHOWN else f"{instruction.keyword} of {text}"
    target = seen.path(stage.expand(instruction, instruction.words[-1]).text)
    seen.add(_Copied(clause, instruction, copied, target, seen.at, seen.installed, stage))


def _dev_manifests(stage: Stage) -> Iterator[tuple[Instruction, str]]:
    """Give the requirement files for development that a stage copies from the build context."""
    for copy in stage.instructions:
        if copy.keyword == "COPY" and copy.flag("from") is None:
            for word in copy.words[:-1]:
                if "requirement" in word and _DEV_MANIFEST.fullmatch(source := posixpath.basename(word)):
                    yield copy, source


def _mounted(seen: _Seen, stage: Stage, instruction: Instruction) -> Iterator[_Copied]:
    """Give the bind mounts of the whole context: their RUN sees every change, and no later one does."""
    for mount in mounts(instruction):
        from_context = mount.type == "bind" and mount.from_ is None
        if from_context and posixpath.normpath(mount.source or ".") in {".", "/"}:
            seen.holds_code = True
            text, target = "the mount of the whole context", seen.path(mount.target)
            yield _Copied("code-first", mount, text, target, seen.at, seen.installed, stage)


def _see_values(seen: _Seen, stage: Stage, instruction: Instruction, named: frozenset[str]) -> None:
    for pair in instruction.pairs:
        changes = _CHANGING.fullmatch(pair.name.upper()) and not _PIN.fullmatch(pair.value or "")
        if (changes or pair.name in named) and pair.name not in seen.values and len(seen.values) < _LIMIT:
            seen.values[pair.name] = (pair, stage)


def _named_by_labels(target: SourceTarget) -> frozenset[str]:
    """Find the variables that labels for version, revision and date are made of, and that nothing else uses."""
    whole = [one.effective for stage in target.dockerfile.stages for one in stage.instructions]
    pairs = (pair for one in whole if one.keyword == "LABEL" for pair in one.pairs)
    values = (pair.value or "" for pair in pairs if _CHANGING_LABEL.fullmatch(pair.name.strip("\"'")))
    labelled = frozenset(name for value in values for name in _NAME.findall(value))
    if not labelled:
        return labelled
    using = [one for one in whole if one.keyword in {"RUN", "COPY", "ADD"}]
    used = (text for one in using for text in (one.value, *(doc.text for doc in one.heredocs)))
    return labelled.difference(*map(_NAME.findall, used))


def _is_code(stage: Stage, instruction: Instruction) -> bool:
    """Whether a COPY or ADD takes code from the build context."""
    sources = (stage.expand(instruction, word).text for word in instruction.words[:-1])
    return any(_names_code(source) for source in sources if source and "://" not in source)


@lru_cache(maxsize=1024)  # the same sources stand in many files
def _names_code(source: str) -> bool:
    path = posixpath.normpath(source).strip("/")
    name = posixpath.basename(path)
    if path in _WHOLE or name in {"*", "**"}:
        return True
    if _BUILT.fullmatch(path):
        return True
    return name.lower() in _CODE_FOLDERS or bool(_is_code_file(name) and not _SETUP_FILE.fullmatch(name))


def _is_code_file(name: str) -> bool:
    _, dot, ending = name.rpartition(".")
    return bool(dot) and ending in _CODE_ENDINGS


def _gives_dependencies(instruction: Instruction) -> bool:
    return all(_DEPENDENCIES.fullmatch(source) for source in instruction.words[:-1])


def _named(install: Install) -> str:
    return f"`{install}` (line {install.command.span.line})"
