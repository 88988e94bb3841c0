"""`dockproof init`: a first configuration, the pre-commit hook and the CI step, for a repository that adopts the gate.

What is there is never changed: a file that is missing is written, a table that is missing is added at the end of
pyproject.toml, and for everything else it is said what to add. So a second run changes nothing.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dockproof
from dockproof import baseline, check, config
from dockproof.collect import discover
from dockproof.errors import Exit, UsageError
from dockproof.gate import is_red
from dockproof.patterns import pattern
from dockproof.records import NamedTuple
from dockproof.report.text import summary_line
from dockproof.report.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dockproof.config import Config
    from dockproof.gate import CheckReport
    from dockproof.policy import Policy

HOOKS = ".pre-commit-config.yaml"
WORKFLOW = ".github/workflows/dockproof.yml"
PIPELINE = ".gitlab-ci.yml"
CI = ("github", "gitlab", "none")

FILES = r"(^|/)(Dockerfile(\.[^/]+)?|Containerfile[^/]*|[^/]+\.[Dd]ockerfile)$"
"""What a hook hands over: the names that `dockproof check` searches for (an ignore file's is excluded)."""

_TABLE = pattern(r"^\[tool\.dockproof\][ \t]*(#.*)?\r?\n", re.MULTILINE)
_DEVELOPMENT = pattern(r"(^|[._-])(dev|devel|development|debug|local|test|tests)([._-]|$)", re.IGNORECASE)

_HOOK = f"""  - repo: local
    hooks:
      - id: dockproof
        name: dockproof
        entry: dockproof check
        language: system
        files: '{FILES}'
        exclude: '\\.dockerignore$'
        require_serial: true
"""

_GITHUB = f"""name: dockproof
on:
  push:
  pull_request:
permissions:
  contents: read
jobs:
  dockproof:
    runs-on: ubuntu-latest
    timeout-minutes: 10
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.13"
      - run: python -m pip install dockproof=={dockproof.__version__} # or the wheel, or your own index
      - run: dockproof check --format github
"""

_GITLAB = f"""dockproof:
  image: python:3.13-slim
  timeout: 10 minutes
  script:
    - python -m pip install dockproof=={dockproof.__version__} # or the wheel, or your own index
    - dockproof check --format gitlab --output dockproof.json || true
    - dockproof check
  artifacts:
    when: always
    reports:
      codequality: dockproof.json
"""


class Part(NamedTuple):
    """One thing that a repository needs.

    Attributes:
        path: the file.
        text: what is written, or added to it; what to add by hand where `done` is `told`.
        done: `written` (a new file), `added` (at the end of one), `inserted` (at `at`), `kept` (it is there) or `told`.
        reason: why it is kept, or where the text belongs.
        at: where the text is inserted, in characters.
    """

    path: Path
    text: str
    done: str
    reason: str = ""
    at: int = 0

    @property
    def whole(self) -> str | None:
        """The file's whole text afterwards; None where it stays as it is."""
        if self.done == "written":
            return self.text
        before = _text(self.path) if self.done in {"added", "inserted"} else ""
        at = len(before) if self.done == "added" else self.at
        return before[:at] + self.text + before[at:] if self.done in {"added", "inserted"} else None


# ------------------------------------------------------------------------------------------------ configuration


def configuration(root: Path, *, record: bool) -> Part:
    """Return the configuration: the one that is there, a table for pyproject.toml, or a file of its own.

    Args:
        root: the repository's root.
        record: whether a baseline is wanted.
    """
    found = config.find(root)
    if found is not None:
        there = Path(found)
        return _with_baseline(there) if record else Part(there, "", "kept", "it configures dockproof already")
    pyproject = root / "pyproject.toml"
    if pyproject.is_file():
        addition = "\n" + _settings(root, "tool.dockproof", record=record)
        if _is_toml(_text(pyproject) + addition):
            return Part(pyproject, addition, "added")
    return Part(root / ".dockproof.toml", _settings(root, "", record=record), "written")


def _with_baseline(path: Path) -> Part:
    """Return a configuration that is there with one line more; what cannot be added safely is told."""
    text, line = _text(path), f'baseline = "{baseline.DEFAULT}"\n'
    table = _TABLE.search(text) if path.name == "pyproject.toml" else None
    at = table.end() if table else 0
    now, then = _settings_in(path, text), _settings_in(path, text[:at] + line + text[at:])
    if "baseline" in now:
        return Part(path, "", "kept", "it names a baseline already")
    if then == {**now, "baseline": baseline.DEFAULT}:
        return Part(path, line, "inserted", at=at)
    return Part(path, line, "told", "add to dockproof's own table")


def _settings_in(path: Path, text: str) -> Mapping[str, Any]:
    """Return dockproof's own table of a text; nothing where it is no TOML."""
    if not _is_toml(text):
        return {}
    tables = tomllib.loads(text)
    found = tables.get("tool", {}).get("dockproof") if path.name == "pyproject.toml" else tables
    return found if isinstance(found, dict) else {}


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return False
    return True


def _text(path: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8")  # line ends stay as they are
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    return text if not text or text.endswith("\n") else text + "\n"


def _settings(root: Path, prefix: str, *, record: bool) -> str:
    """Return the settings as TOML: the defaults that people change, and what the repository's files tell."""
    head = f"[{prefix}]\n" if prefix else ""
    lines = [f'{head}fail_level = "error" # the lowest severity that fails: error, warning or info']
    if record:
        lines.append(
            f'baseline = "{baseline.DEFAULT}" # what was there at first; `dockproof check --write-baseline`'
        )
    dot = f"{prefix}." if prefix else ""
    for name, rule in sorted(rules(root).items()):
        keys = "\n".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in rule.items())
        lines.append(f"\n[{dot}files.{json.dumps(name, ensure_ascii=False)}]\n{keys}")
    return "\n".join(lines) + "\n"


def rules(root: Path) -> dict[str, dict[str, Any]]:
    """Return what the repository tells of its Dockerfiles: pattern to settings.

    A file named for development is held to that profile; a file that compose builds with another context than its own
    folder, or up to a target, is read so.
    """
    found: dict[str, dict[str, Any]] = {}
    for one in discover.discover([str(root)]):
        path = Path(os.path.relpath(one.path, root))
        if _DEVELOPMENT.search(path.name) or ".devcontainer" in path.parts:
            found.setdefault(path.as_posix(), {})["profile"] = "development"
    for name, builds in _of_compose(root).items():
        contexts, targets = ({getattr(one, key) for one in builds} for key in ("context", "target"))
        if len(contexts) == 1 and contexts != {Path(name).parent}:
            found.setdefault(name, {})["context"] = contexts.pop().as_posix()
        if "" not in targets:
            found.setdefault(name, {})["targets"] = sorted(targets)
    return {name: rule for name, rule in found.items() if _is_plain(name)}


def _builds(root: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the `build:` of every service of the compose file, in its long form."""
    from dockproof.collect import compose  # noqa: PLC0415 - it brings threads and processes

    for service in compose.plain(root).values():
        build = service.get("build") if isinstance(service, dict) else None
        if isinstance(build, str | dict):
            yield {"context": build} if isinstance(build, str) else build


_DEFAULTS = {"context": ".", "dockerfile": "Dockerfile", "target": ""}


class _Build(NamedTuple):
    """How compose builds a Dockerfile: the context below the root, and the stage, "" for the last one."""

    context: Path
    target: str


def _of_compose(root: Path) -> dict[str, list[_Build]]:
    """Return what compose builds of each Dockerfile; what hangs on a variable or lies elsewhere is left out."""
    found: dict[str, list[_Build]] = {}
    for build in _builds(root):
        texts = [build.get(key) or default for key, default in _DEFAULTS.items()]
        if not all(isinstance(one, str) and _is_local(one) for one in texts):
            continue
        context, file, target = texts
        path = Path(os.path.normpath(Path(context, file)))
        if (root / path).is_file():
            found.setdefault(path.as_posix(), []).append(_Build(Path(os.path.normpath(context)), target))
    return found


def _is_local(text: str) -> bool:
    """Whether a text of a compose file is a plain path or name: no variable, no address, nothing outside."""
    return not any(mark in text for mark in ("$", "://", "git@", "\0")) and not text.startswith(
        ("/", "..", "~")
    )


def _is_plain(name: str) -> bool:
    """Whether a file's name can stand in a TOML file and is no pattern by accident."""
    return name.isprintable() and not any(mark in name for mark in "*?[")


# ----------------------------------------------------------------------------------------------- hook and CI step


def hook(root: Path) -> Part:
    """Return the pre-commit hook."""
    path = root / HOOKS
    if not path.exists():
        return Part(path, f"repos:\n{_HOOK}", "written")
    if "dockproof" in _text(path):
        return Part(path, "", "kept", "it runs dockproof already")
    return Part(path, _HOOK, "told", "add under `repos:`")


def pipelines(root: Path, wanted: str | None) -> Iterator[Part]:
    """Yield the CI step of each system that the repository uses, or of the one that is asked for."""
    systems = {wanted} if wanted else _systems(root)
    if "github" in systems:
        yield _workflow(root)
    if "gitlab" in systems:
        path = root / PIPELINE
        if not path.exists():
            yield Part(path, _GITLAB, "written")
        elif "dockproof" in _text(path):
            yield Part(path, "", "kept", "it runs dockproof already")
        else:
            yield Part(path, _GITLAB, "told", "add the job")


def _systems(root: Path) -> set[str]:
    """Return the CI systems that a repository's files and remotes name."""
    found = {"github"} if (root / ".github").is_dir() else set()
    found |= {"gitlab"} if (root / PIPELINE).exists() else set()
    remotes = root / ".git" / "config"
    urls = _text(remotes) if remotes.is_file() else ""
    return found | {name for name in ("github", "gitlab") if f"{name}.com" in urls and not found}


def _workflow(root: Path) -> Part:
    path = root / WORKFLOW
    for other in sorted(path.parent.glob("*.y*ml")):
        if "dockproof" in _text(other):
            return Part(other, "", "kept", "it runs dockproof already")
    return Part(path, _GITHUB, "written")


# ------------------------------------------------------------------------------------------------------ the command


def root_of(folder: Path) -> Path:
    """Return the root of the git repository that holds a folder, or the folder where there is none."""
    folder = folder.resolve()
    return next((one for one in (folder, *folder.parents) if (one / ".git").exists()), folder)


def apply(part: Part) -> None:
    """Write what a part says; the file appears whole or stays as it was.

    Raises:
        UsageError: it cannot be written.
    """
    if part.whole is None:
        return
    try:
        part.path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{part.path.parent} cannot be made: {error.strerror}") from None
    baseline.write_whole(part.path, part.whole)


class _Look(NamedTuple):
    """What the repository is under the configuration that it has, or is to have."""

    report: CheckReport
    config: Config
    policies: Mapping[str, Policy]
    builds: bool


def look(root: Path, settings: Part, policies: Mapping[str, Policy]) -> _Look:
    """Check the repository under the configuration that it is to have.

    Raises:
        NothingToCheckError: it has no Dockerfile.
        UsageError: the configuration that is there is wrong.
    """
    from dockproof import own  # noqa: PLC0415 - as in `dockproof.cli`

    found = config.load(settings.path, policies, settings.whole)
    known = own.with_own(policies, found)
    report = check.run([os.path.relpath(root)], known, found, check.Settings(fingerprints=True))
    return _Look(report, found, known, builds=any(True for _ in _builds(root)))


def main(arguments: list[str]) -> int:
    """Run `dockproof init` with the arguments behind its name."""
    from dockproof import catalog, cli  # noqa: PLC0415 - see `dockproof.cli`

    parser = cli.parser_for("init")
    parser.add_argument("folder", nargs="?", default=".", metavar="PATH", help="a folder of the repository")
    parser.add_argument(
        "--baseline", action="store_true", help="record what is found now; only what is new fails"
    )
    parser.add_argument("--ci", choices=CI, help="the CI system (default: what the repository uses)")
    parser.add_argument("--dry-run", action="store_true", help="write nothing, say what would be written")
    options = parser.parse_args(arguments)
    folder = Path(options.folder)
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder")
    root = root_of(folder)
    settings = configuration(root, record=options.baseline)
    seen = look(root, settings, catalog.load())
    parts = [settings, hook(root), *(() if options.ci == "none" else pipelines(root, options.ci))]
    if not options.dry_run:
        for part in parts:
            apply(part)
    if options.baseline:
        seen = _recorded(seen, root, parts, write=not options.dry_run)
    elif seen.config.baseline:
        seen = _measured(seen, Path(seen.config.baseline))
    cli.write(None, [*_said(parts, dry=options.dry_run), *_end(parts, seen)])
    return Exit.NOT_LOOKED if seen.report.incomplete else Exit.CLEAN


def _recorded(seen: _Look, root: Path, parts: list[Part], *, write: bool) -> _Look:
    """Write the baseline where there is none yet, and return what is left to say of the repository."""
    path = Path(seen.config.baseline) if seen.config.baseline else root / baseline.DEFAULT
    there = path.exists()
    if write and not there:
        baseline.write(seen.report, path)
    parts.append(
        Part(path, "", "kept", "it is the baseline already") if there else Part(path, "", "recorded")
    )
    return _measured(seen, path)


def _measured(seen: _Look, path: Path) -> _Look:
    """Return what a baseline leaves to say, where there is one."""
    return seen._replace(report=baseline.apply(seen.report, path).report) if path.exists() else seen


_WORDS = {
    "written": "wrote",
    "added": "added to",
    "inserted": "added to",
    "recorded": "recorded what is found in",
}
_WOULD = {"written": "would write", "added": "would add to", "inserted": "would add to"}
_WOULD |= {"recorded": "would record what is found in"}


def _said(parts: Iterable[Part], *, dry: bool) -> Iterator[str]:
    for part in parts:
        where = os.path.relpath(part.path)
        if part.done == "kept":
            yield f"kept {where}: {part.reason}\n"
        elif part.done == "told":
            yield f"left {where} as it is; {part.reason}:\n"
        else:
            yield f"{(_WOULD if dry else _WORDS)[part.done]} {where}\n"
        if dry or part.done == "told":
            yield from (f"  | {line}".rstrip() + "\n" for line in part.text.splitlines())


def _end(parts: Sequence[Part], seen: _Look) -> Iterator[str]:
    """Yield what the gate says now, and what to do next."""
    report, found, known = seen.report, seen.config, seen.policies
    yield "\n" + summary_line(report, View(known, found.fail_level))
    yield "\nnext:\n"
    if any(is_red(f, found.fail_level) for file in report.files for f in file.answers.findings):
        yield "  dockproof check              see what is found, and mend it\n"
        if found.baseline is None:
            yield "  dockproof init --baseline    or record it: only what is new fails from then on\n"
    else:
        yield "  dockproof check              what CI will say\n"
    if any(part.path.name == HOOKS for part in parts):
        yield "  pre-commit install           check each commit\n"
    if not any(".github" in part.path.parts or part.path.name == PIPELINE for part in parts):
        yield "  dockproof init --ci NAME     the CI step, for github or gitlab\n"
    new = [os.path.relpath(part.path) for part in parts if part.done in _WORDS]
    if new:
        yield f"  git add {' '.join(map(shlex.quote, new))}\n"
    if seen.builds:
        yield "  dockproof verify             build, inspect and run the images of the compose file too\n"
