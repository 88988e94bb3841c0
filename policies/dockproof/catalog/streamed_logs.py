"""Logs reach standard output at once, and none goes to a file in the container.

What it holds
-------------
Source and image: where the shipped image's command is a Python program (`python`, `uvicorn`, `gunicorn`, `celery`,
`dramatiq` and their like), Python does not hold its output back: PYTHONUNBUFFERED has a value, or python is called with
`-u` (`unbuffered`). The command names no log file: no redirection and no option such as `--access-logfile=/var/log/x`
points at anything but /dev (`log-file`). A command or value that cannot be known says nothing. Runtime: the same of the
processes' real arguments and environment, and every one that Python runs is asked.

Why it matters
--------------
Python fills a buffer of some kilobytes before it writes to a pipe: the last lines before a crash, the ones that matter,
are lost. A log file in a container fills its disk, fails on a read-only one, and no collector ever reads it.

How to fix it
-------------
`ENV PYTHONUNBUFFERED=1`, and let the program log to standard output: `--access-logfile -`.

References
----------
- https://docs.python.org/3/using/cmdline.html#envvar-PYTHONUNBUFFERED
- https://12factor.net/logs
"""

from __future__ import annotations

from itertools import pairwise

from dockproof.facts.shell import script
from dockproof.finding import Place, Severity
from dockproof.patterns import pattern
from dockproof.policy import (
    BY_BUILD,
    BY_SOURCE,
    Clause,
    EditMutant,
    Example,
    Family,
    ImageMutant,
    Policy,
    RuntimeMutant,
    SourceMutant,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import ClassVar

    from dockproof.facts.shell import Command
    from dockproof.finding import Answer, Finding
    from dockproof.policy import ImageTarget, Mutant, RuntimeTarget, SourceTarget

_PYTHON = pattern(r"(?:python|pypy)[0-9.]*")
_PROGRAMS = frozenset(
    [
        "uvicorn",
        "gunicorn",
        "hypercorn",
        "daphne",
        "celery",
        "dramatiq",
        "flask",
        "django-admin",
        "fastapi",
        "granian",
        "waitress-serve",
    ]
)
_UNBUFFERED = pattern(r"-[bBdEhiIOqsSvVPx]*u[A-Za-z]*")
_LOG_OPTION = pattern(r"--?(?:access-|error-)?log-?(?:file|path|to)", needs=("log",))
_OF_VALUE = frozenset({"-X", "-W"})
_HELP = "ENV PYTHONUNBUFFERED=1"
_FILE_HELP = "log to standard output"
# What they put into a file is its content, as a configuration made of a template.
_WRITERS = frozenset(
    ("awk", "cat", "echo", "env", "envsubst", "gomplate", "jq", "printf", "sed", "sort", "tr")
)


class StreamedLogs(Policy):
    """What is logged is seen."""

    title = "logs reach standard output at once"
    family = Family.OPERATION
    production = Severity.WARNING
    development = Severity.INFO
    clauses = (
        Clause("unbuffered", "Python writes its output at once", claimed_by=BY_SOURCE),
        Clause("log-file", "the command logs to no file", claimed_by=BY_BUILD),
    )
    references = (
        "https://docs.python.org/3/using/cmdline.html#envvar-PYTHONUNBUFFERED",
        "https://12factor.net/logs",
    )

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge the command of each shipped stage with the environment that it gets."""
        for stage in target.shipped:
            setting = stage.environment.get("PYTHONUNBUFFERED")
            streamed = setting is not None and setting.value.text != ""
            for at in (stage.entrypoint, stage.command):
                if at is None:
                    continue
                for command in script(at.value, stage.shell_at(at.value)).commands:
                    argv = [word.text for word in command.words]
                    if (
                        not streamed
                        and "PYTHONUNBUFFERED" not in dict(command.assignments)
                        and _holds_back(argv)
                    ):
                        message = f"`{command.name}` holds its output back: PYTHONUNBUFFERED is not set"
                        yield self.at(command, message, stage=stage, clause="unbuffered", help=_HELP)
                    for path in _written(command, argv):
                        message = f"`{command.name}` logs to the file {path}"
                        yield self.at(command, message, stage=stage, clause="log-file", help=_FILE_HELP)

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Judge the config's command and environment."""
        config = target.image.config
        place = Place(field="Config.Cmd")
        if not config.env.get("PYTHONUNBUFFERED") and _holds_back(config.argv):
            emptied = "PYTHONUNBUFFERED" in config.env
            where = Place(field="Config.Env PYTHONUNBUFFERED") if emptied else place
            state = "empty" if emptied else "not set"
            message = f"`{config.argv[0]}` holds its output back: PYTHONUNBUFFERED is {state}"
            yield self.in_image(message, where, clause="unbuffered", help=_HELP)
        for path in _log_files(config.argv):
            message = f"`{config.argv[0]}` logs to the file {path}"
            yield self.in_image(message, place, clause="log-file", help=_FILE_HELP)

    def runtime(self, target: RuntimeTarget) -> Iterator[Answer]:
        """Judge the processes' real arguments and environment."""
        yield from self.unread(target.container)
        for process in target.container.processes:
            name, place = " ".join(process.argv[:3]), Place(pid=process.pid)
            environ = process.environ
            if environ is not None and not environ.get("PYTHONUNBUFFERED") and _holds_back(process.argv):
                message = f"`{name}` holds its output back: PYTHONUNBUFFERED is not set"
                yield self.in_container(message, place, clause="unbuffered", help=_HELP)
            for path in _log_files(process.argv):
                message = f"`{name}` logs to the file {path}"
                yield self.in_container(message, place, clause="log-file", help=_FILE_HELP)

    example = Example(
        """
        FROM python:3.13-slim
        CMD ["python", "-m", "service"]
        """,
        """
        FROM python:3.13-slim
        ENV PYTHONUNBUFFERED=1
        CMD ["python", "-m", "service"]
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant(
            "log-file",
            'CMD ["service", "--log-file", "/var/log/service.log"]',
            clause="log-file",
            also=frozenset({"single-command"}),
        ),
        # of generated files
        SourceMutant(
            "python",
            " \\\n    PYTHONUNBUFFERED=1",
            "",
            "good/python",
            clause="unbuffered",
            at='CMD ["python", "-m", "service"]',
        ),
        # of the shipped files
        SourceMutant(
            "buffered",
            "PYTHONUNBUFFERED=1",
            "PYTHONUNBUFFERED=",
            clause="unbuffered",
            at='CMD ["python", "-m"',
        ),
        SourceMutant(
            "worker-buffered",
            "    PYTHONUNBUFFERED=1 \\\n",
            "",
            "Dockerfile.worker",
            clause="unbuffered",
            at='CMD ["python", "-m"',
        ),
        SourceMutant(
            "log-file", '"-m", "app"]', '"-m", "app", "--log-file", "/var/log/app.log"]', clause="log-file"
        ),
        ImageMutant("buffered", "ENV PYTHONUNBUFFERED=", clause="unbuffered"),
        ImageMutant("log-file", 'CMD ["python", "-m", "app", "--log-file=/tmp/log"]', clause="log-file"),
        RuntimeMutant("buffered", {"environment": {"PYTHONUNBUFFERED": ""}}, clause="unbuffered"),
    )


def _name(argv: Sequence[str]) -> str:
    return argv[0].rpartition("/")[2] if argv else ""


def _holds_back(argv: Sequence[str]) -> bool:
    """Whether a command is a Python program without `-u`; `python --version` and its like write nothing that counts."""
    name = _name(argv)
    if name in _PROGRAMS:
        return True
    if not _PYTHON.fullmatch(name):
        return False
    return not any(_UNBUFFERED.fullmatch(option) for option in _options(argv[1:]))


def _options(words: Sequence[str]) -> Iterator[str]:
    """Yield Python's own options: those before the script, `-m` or `-c`."""
    before = ""
    for word in words:
        if before not in _OF_VALUE:
            if word in {"-m", "-c"} or not word.startswith("-"):
                return
            yield word
        before = word if before not in _OF_VALUE else ""


def _log_files(argv: Sequence[str]) -> Iterator[str]:
    """Yield the files that options of a command log to."""
    for word, following in pairwise([*argv, ""]):
        option, equals, value = word.partition("=")
        path = value if equals else following
        if _LOG_OPTION.fullmatch(option) and _is_file(path):
            yield path


def _written(command: Command, argv: Sequence[str]) -> Iterator[str]:
    yield from _log_files(argv)
    for redirect in command.redirects:
        path = redirect.target.text
        writes = command.name in _WRITERS and "log" not in path
        if redirect.operator in {">", ">>", "&>", "&>>", ">|"} and _is_file(path) and not writes:
            yield path


def _is_file(path: str) -> bool:
    return not path.startswith(("/dev/", "/proc/", "-", "$", "&")) and ("/" in path or path.endswith(".log"))
