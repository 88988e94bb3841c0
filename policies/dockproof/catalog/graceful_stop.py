"""The program gets its stop signal, and ends its work within the grace time.

What it holds
-------------
Source and image: the command in exec form is no shell that stays in front of the program (`["sh", "-c", "app"]`
without `exec`, clause `shell`; the shell form itself is the business of exec-form) and no package manager that starts
it (`npm`, `yarn`, `pnpm`, clause `wrapper`); the stop signal is not SIGKILL (`signal`); uvicorn and dramatiq, started
directly, have a limit for what is in hand (`grace`): `--timeout-graceful-shutdown`, without which uvicorn waits for
open connections without end, and `--worker-shutdown-timeout`, without which dramatiq waits ten minutes for its tasks.
Words that are not known say nothing. Runtime: the container is stopped as the engine does it. It ends before its grace
time (`in-time`), with 0, with 143, or with 128 and the number of its own stop signal (`exit-code`), and what it had in
hand is answered, or finished exactly once by itself or by another (`work`). What that is stands under `x-dockproof`,
both parts optional:

    stop:
      requests:
        - {port: 8000, method: POST, path: /articles, body: '{"title": "one"}', status: 201,
           headers: {content-type: application/json}}
      work: {service: worker, command: [python, -c], script: dockerfiles/backend/work_in_hand.py}

A request's last byte is sent after the stop signal. A script runs in a container of that `service`, as the last
argument of `command`, knows the addresses of the container that is stopped from `DOCKPROOF_TARGET`, prints the line
`in hand` once that container works for it, and ends with 0 when all of its work was done exactly once.

Why it matters
--------------
A shell as PID 1 hands no signal on: the engine waits out the grace time and kills the program with its work in hand.
The same happens where one open connection keeps a server from ending.

How to fix it
-------------
Start the program itself in exec form, or `exec` it at the end of the shell's script, and give its server a limit
below the grace time (ten seconds by default).

References
----------
- https://docs.docker.com/reference/dockerfile/#stopsignal
- https://docs.docker.com/reference/dockerfile/#entrypoint
- https://www.uvicorn.org/settings/#timeouts
"""

from __future__ import annotations

from dockproof.catalog.exec_form import hands_over
from dockproof.finding import Place, Severity
from dockproof.policy import (
    BY_BUILD,
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

    from dockproof.finding import Answer, Finding
    from dockproof.policy import ImageTarget, Mutant, RuntimeTarget, SourceTarget

_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh"})
_WRAPPERS = frozenset({"npm", "yarn", "pnpm"})
_LIMITS = {
    "uvicorn": ("--timeout-graceful-shutdown", "for open connections without end"),
    "dramatiq": ("--worker-shutdown-timeout", "600 s for tasks in hand"),
    "dramatiq-gevent": ("--worker-shutdown-timeout", "600 s for tasks in hand"),
}
_KILL = frozenset({"SIGKILL", "KILL", "9"})
_RUN = 'CMD ["python", "-m", "app"]'
_KILLED = 128 + 9
_SERVE = "import os, runpy, sys; sys.exit = lambda *_: None; runpy.run_module('app', run_name='__main__')"
_TWICE = """\
COPY <<module /app/app/twice.py
from uuid import UUID
from sqlalchemy import func, update
from app.models import Article
from app.workers import tasks

broker, once = tasks.broker, tasks.process_article.fn

def twice(article_id):
    once(article_id)
    with tasks.sessions.begin() as session:
        session.execute(update(Article).where(Article.id == UUID(article_id)).values(processed_at=func.now()))

tasks.process_article.fn = twice
module
"""
_UVICORN = ("python", "-m", "uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8000")  # noqa: S104 - of the container


class GracefulStop(Policy):
    """A stop loses nothing."""

    title = "the program gets its stop signal and ends in time"
    family = Family.OPERATION
    production = Severity.ERROR
    development = None
    clauses = (
        Clause("shell", "no shell stays in front of the program", claimed_by=BY_BUILD),
        Clause("wrapper", "no package manager stands in front of it", claimed_by=BY_BUILD),
        Clause("signal", "the stop signal can be answered", claimed_by=BY_BUILD),
        Clause("grace", "the server has a limit for what is in hand", claimed_by=BY_BUILD),
        Clause("in-time", "it ends before it is killed"),
        Clause("exit-code", "it ends with 0, or with what its stop signal gives"),
        Clause("work", "what it has in hand is answered, or done exactly once"),
    )
    experiments = frozenset({"stop"})
    references = (
        "https://docs.docker.com/reference/dockerfile/#stopsignal",
        "https://docs.docker.com/reference/dockerfile/#entrypoint",
        "https://www.uvicorn.org/settings/#timeouts",
    )

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge what the engine starts, and the signal that it sends."""
        for stage in target.shipped:
            setting = stage.stop_signal
            if setting and (setting.value.text or "").upper() in _KILL:
                message = f"STOPSIGNAL {setting.value.text} cannot be answered"
                yield self.at(setting.instruction, message, stage=stage, clause="signal")
            parts = [one.value for one in (stage.entrypoint, stage.command) if one]
            if parts and all(one.json is not None for one in parts):
                for clause, message in _complaints([word for one in parts for word in one.json or ()]):
                    yield self.at(parts[0], message, stage=stage, clause=clause)

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Judge the config's command and stop signal."""
        config = target.image.config
        if (config.stop_signal or "").upper() in _KILL:
            message = f"the stop signal {config.stop_signal} cannot be answered"
            yield self.in_image(message, Place(field="Config.StopSignal"), clause="signal")
        # What the builder makes of a shell form is exec-form's business here too.
        if config.argv[:2] != ("/bin/sh", "-c"):
            for clause, message in _complaints(config.argv):
                yield self.in_image(message, Place(field="Config.Cmd"), clause=clause)

    def runtime(self, target: RuntimeTarget) -> Iterator[Answer]:
        """Judge how the container was stopped."""
        stop = target.container.stop
        if stop is None:
            yield from self.untried(target.container, "stop")
            return
        place = Place(field="State.ExitCode")
        if stop.exit_code == _KILLED and stop.seconds >= stop.grace:
            message = f"{stop.signal} did not end it within {stop.grace:g} s, so it was killed"
            yield self.in_container(message, place, clause="in-time")
        elif stop.exit_code not in _good_codes(stop.signal):
            memory = ", out of memory" if stop.oom_killed else ""
            message = f"it ended with {stop.exit_code}{memory} {stop.seconds:.1f} s after {stop.signal}"
            yield self.in_container(message, place, clause="exit-code")
        for work in stop.work:
            if not work.done:
                message = f"{work.name}, in hand at {stop.signal}: {work.output or 'not done'}"
                yield self.in_container(message, Place(field="stop"), clause="work")

    example = Example(
        """
        FROM node:24
        CMD ["npm", "start"]
        """,
        """
        FROM node:24
        CMD ["node", "server.js"]
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("kill", "STOPSIGNAL SIGKILL", clause="signal"),
        # of generated files
        SourceMutant(
            "npm-in-node",
            'CMD ["node", "dist/server.js"]',
            'CMD ["npm", "start"]',
            "good/node",
            clause="wrapper",
        ),
        # of the shipped files
        SourceMutant(
            "shell", _RUN, 'CMD ["sh", "-c", "python -m app"]', clause="shell", also=frozenset({"exec-form"})
        ),
        SourceMutant("wrapper", _RUN, 'CMD ["npm", "start"]', clause="wrapper"),
        SourceMutant("kill", "STOPSIGNAL SIGTERM", "STOPSIGNAL SIGKILL", clause="signal"),
        SourceMutant(
            "worker-no-limit",
            'CMD ["python", "-m", "app.workers"]',
            'CMD ["dramatiq", "app.workers.tasks"]',
            "Dockerfile.worker",
            "grace",
        ),
        SourceMutant("no-limit", _RUN, 'CMD ["python", "-m", "uvicorn", "app.main:app"]', clause="grace"),
        ImageMutant("kill", "STOPSIGNAL SIGKILL", clause="signal"),
        ImageMutant("no-limit", 'CMD ["uvicorn", "app.main:app"]', clause="grace"),
        RuntimeMutant("deaf", {"stop_signal": "SIGWINCH", "stop_grace_period": "2s"}, clause="in-time"),
        RuntimeMutant(
            "wrong-code", {"command": ["python", "-c", f"{_SERVE}; os._exit(3)"]}, clause="exit-code"
        ),
        RuntimeMutant(
            "drops-requests",
            {"command": [*_UVICORN, "--timeout-graceful-shutdown", "0"]},
            clause="work",
        ),
        RuntimeMutant(
            "does-tasks-twice",
            {"command": ["python", "-m", "dramatiq", "app.twice", "--processes", "4", "--threads", "8"]},
            "worker",
            clause="work",
            instructions=_TWICE,
        ),
    )


def _good_codes(name: str) -> set[int]:
    """0, what SIGTERM gives, and what its own stop signal gives."""
    import signal  # noqa: PLC0415 - only what a container did is judged by numbers

    own = getattr(signal, name, signal.SIGTERM)
    return {0, 128 + signal.SIGTERM, 128 + own}


def _complaints(argv: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield clause and sentence for what is wrong with an exec form."""
    words = [word.rpartition("/")[2] for word in argv]
    if not words:
        return
    if words[0] in _SHELLS and "-c" in words:
        if not hands_over(argv):
            yield "shell", f"`{words[0]} -c` stays in front of the program and hands no signal on"
    elif words[0] in _WRAPPERS:
        yield "wrapper", f"`{words[0]}` stands in front of the program: start the program itself"
    server = words[0]
    if server.startswith("python") and "-m" in words[:-1]:
        server = words[words.index("-m") + 1]
    limit, waits = _LIMITS.get(server, ("", ""))
    if limit and not any("$" in word or word.partition("=")[0] == limit for word in argv):
        yield "grace", f"{server} waits {waits}: it has no {limit}"
