"""The program gets its stop signal, and ends its work within the grace time.

What it holds
-------------
Source and image: the command in exec form is no shell that stays in front of the program (`["sh", "-c", "app"]`
without `exec`, clause `shell`; the shell form itself is the business of exec-form) and no package manager that starts
it (`npm`, `yarn`, `pnpm`, clause `wrapper`); the stop signal is not SIGKILL (`signal`); uvicorn and hypercorn, started
directly, have a limit for open connections (`grace`: `--timeout-graceful-shutdown`, `--graceful-timeout`), which are
waited for without end otherwise. Words that are not known say nothing.

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

from typing import TYPE_CHECKING, ClassVar

from dockproof.catalog.exec_form import hands_over
from dockproof.finding import Place, Severity
from dockproof.policy import Clause, Family, ImageMutant, Policy, SourceMutant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dockproof.finding import Finding
    from dockproof.policy import ImageTarget, Mutant, SourceTarget

_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh"})
_WRAPPERS = frozenset({"npm", "yarn", "pnpm"})
_LIMITS = {"uvicorn": "--timeout-graceful-shutdown", "hypercorn": "--graceful-timeout"}
_KILL = frozenset({"SIGKILL", "KILL", "9"})
_RUN = 'CMD ["python", "-m", "app"]'


class GracefulStop(Policy):
    """A stop loses nothing."""

    title = "the program gets its stop signal and ends in time"
    family = Family.OPERATION
    production = Severity.ERROR
    development = None
    clauses = (
        Clause("shell", "no shell stays in front of the program"),
        Clause("wrapper", "no package manager stands in front of it"),
        Clause("signal", "the stop signal can be answered"),
        Clause("grace", "the server has a limit for open connections"),
    )
    references = (
        "https://docs.docker.com/reference/dockerfile/#stopsignal",
        "https://docs.docker.com/reference/dockerfile/#entrypoint",
        "https://www.uvicorn.org/settings/#timeouts",
    )

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge what the engine starts, and the signal that it sends."""
        for stage in target.shipped:
            signal = stage.stop_signal
            if signal and (signal.value.text or "").upper() in _KILL:
                message = f"STOPSIGNAL {signal.value.text} cannot be answered"
                yield self.at(signal.instruction, message, stage=stage, clause="signal")
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

    mutants: ClassVar[tuple[Mutant, ...]] = (
        SourceMutant(
            "shell", _RUN, 'CMD ["sh", "-c", "python -m app"]', clause="shell", also=frozenset({"exec-form"})
        ),
        SourceMutant("wrapper", _RUN, 'CMD ["npm", "start"]', clause="wrapper"),
        SourceMutant("kill", "STOPSIGNAL SIGTERM", "STOPSIGNAL SIGKILL", clause="signal"),
        SourceMutant("no-limit", _RUN, 'CMD ["python", "-m", "uvicorn", "app.main:app"]', clause="grace"),
        ImageMutant("kill", "STOPSIGNAL SIGKILL", clause="signal"),
        ImageMutant("no-limit", 'CMD ["uvicorn", "app.main:app"]', clause="grace"),
    )


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
    limit = _LIMITS.get(server)
    if limit and not any("$" in word or word.partition("=")[0] == limit for word in argv):
        yield "grace", f"{server} waits for open connections without end: it has no {limit}"
