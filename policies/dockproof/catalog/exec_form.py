"""CMD, ENTRYPOINT and the health check start the program itself, not a shell.

What it holds
-------------
CMD and ENTRYPOINT (clause `shell-form`) and HEALTHCHECK CMD (`health-form`) are in exec form, a valid JSON array of
strings (`invalid-json`). A shell form below a SHELL instruction is deliberate and passes; an exec form that names a
shell with `-c` is a shell form in disguise where the shell stays (`shell-in-disguise`): `sh -c 'exec program'`
passes. The first string is the program without its arguments (`one-string`: `["serve --port 80"]` is no program), and
no string holds a variable for a shell that is not there (`no-expansion`: `["serve", "$PORT"]`). Image: neither
command of the config goes through a shell. Runtime: PID 1, or under an init its first child, is the program, not a
shell that waits for it, by its arguments and by the file that it runs.

Why it matters
--------------
A shell as PID 1 does not pass signals on: `docker stop` waits its ten seconds and kills, work in hand is lost. A
text in single quotes looks like JSON, is none, and is run by a shell as a command of that odd name.

How to fix it
-------------
Write `CMD ["uvicorn", "app.main:app"]`. What needs variables belongs in a small launcher that ends in exec.

References
----------
- https://docs.docker.com/reference/dockerfile/#shell-and-exec-form
- https://docs.docker.com/reference/build-checks/json-args-recommended/
"""

from __future__ import annotations

import json
from functools import lru_cache

from dockproof.facts.dockerfile import parse
from dockproof.facts.shell import script
from dockproof.facts.stages import DEFAULT_SHELL, WINDOWS_SHELL
from dockproof.finding import Place, Severity
from dockproof.patterns import pattern
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

    from dockproof.facts.container import Process
    from dockproof.facts.dockerfile import Instruction
    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding
    from dockproof.policy import ImageTarget, Mutant, RuntimeTarget, SourceTarget

SHELLS = frozenset({"sh", "ash", "bash", "dash", "ksh", "zsh", "busybox"})
_VARIABLE = pattern(r"\$(?:[A-Z][A-Z0-9_]+|\{[A-Z][A-Z0-9_]+(?::?[-+][^{}]*)?\})")
# They expand variables in their arguments themselves, or read a text in which `$` means something else.
_EXPANDING = frozenset({"awk", "cmd", "envsubst", "gomplate", "perl", "powershell", "pwsh"})
_INITS = frozenset({"tini", "dumb-init", "catatonit"})
_CMD = 'CMD ["python", "-m", "app"]'
_PEERS = ("hadolint:DL3025", "buildkit:JSONArgsRecommended")
_FIELDS = {"CMD": "Config.Cmd", "ENTRYPOINT": "Config.Entrypoint"}


class ExecForm(Policy):
    """No shell between the engine and the program."""

    title = "commands start the program itself, without a shell"
    family = Family.OPERATION
    production = Severity.ERROR
    development = Severity.WARNING
    clauses = (
        Clause("shell-form", "CMD and ENTRYPOINT are JSON arrays", same_as=_PEERS, claimed_by=BY_BUILD),
        Clause("health-form", "HEALTHCHECK is a JSON array", same_as=_PEERS[:1], claimed_by=BY_BUILD),
        Clause("invalid-json", "what looks like an exec form is one", same_as=_PEERS),
        Clause(
            "shell-in-disguise",
            "an exec form does not name a shell that stays",
            claimed_by=BY_BUILD,
            question="shell-form",
        ),
        Clause("one-string", "an exec form's first string is a program, without its arguments"),
        Clause("no-expansion", "an exec form holds no variable, which nobody would expand"),
    )
    references = ("https://docs.docker.com/reference/dockerfile/#shell-and-exec-form",)

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge the three commands of every stage."""
        for stage in target.dockerfile.stages:
            for instruction in stage.these("CMD", "ENTRYPOINT", "HEALTHCHECK"):
                yield from self._judge(instruction, stage)

    def _judge(self, instruction: Instruction, stage: Stage) -> Iterator[Finding]:
        command = _command(instruction)
        if command is None:
            return
        keyword, text, argv = command
        if argv is not None:
            if _stays_a_shell(argv):
                message = f"{keyword} starts a shell that stays between the engine and the program"
                yield self.at(instruction, message, stage=stage, clause="shell-in-disguise")
            elif keyword == "CMD" and _is_handed_on(stage):
                return
            elif _holds_arguments(argv, stage):
                message = f"{keyword} starts a program of the name {argv[0]!r}: each argument is a string of its own"
                yield self.at(instruction, message, stage=stage, clause="one-string")
            elif variable := _variable(argv):
                message = f"{keyword} hands on {variable} as it stands: without a shell nobody expands it"
                yield self.at(instruction, message, stage=stage, clause="no-expansion")
        elif text.lstrip().startswith("["):
            message = (
                f"{keyword} looks like an exec form but is no valid JSON array of strings: a shell runs it"
            )
            yield self.at(instruction, message, stage=stage, clause="invalid-json")
        elif any(stage.shell_at(instruction) is one for one in (DEFAULT_SHELL, WINDOWS_SHELL)):
            clause = "shell-form" if keyword in _FIELDS else "health-form"
            why = "a shell stands between the engine and the program"
            if clause == "health-form":
                why = "what the shell started outlives a check that times out"
            message = f"{keyword} is in shell form: {why}"
            yield self.at(instruction, message, stage=stage, clause=clause)

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Look for a shell in the config's commands and its health check."""
        config = target.image.config
        for keyword, argv in (("ENTRYPOINT", config.entrypoint), ("CMD", config.command)):
            if _stays_a_shell(argv):
                message = f"{keyword} is {list(argv)}: a shell stands between the engine and the program"
                yield self.in_image(message, Place(field=_FIELDS[keyword]), clause="shell-form")
        health = config.healthcheck
        if health is not None and health.test[:1] == ("CMD-SHELL",):
            message = "the health check runs in a shell, whose children outlive a timeout"
            yield self.in_image(message, Place(field="Config.Healthcheck"), clause="health-form")

    def runtime(self, target: RuntimeTarget) -> Iterator[Finding]:
        """PID 1 is the program."""
        for process in target.container.processes:
            if process is target.container.main and _runs_a_shell(process):
                message = f"PID {process.pid} is a shell: `{' '.join(process.argv)}`"
                yield self.in_container(message, Place(pid=process.pid), clause="shell-form")

    example = Example(
        """
        FROM debian:13-slim
        CMD service --listen 8080
        """,
        """
        FROM debian:13-slim
        CMD ["service", "--listen", "8080"]
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant(
            "command-of-a-shell",
            keyword="CMD",
            old=r"\[.*\]",
            new="exec {shell}",
            clause="shell-form",
            also=frozenset({"graceful-stop"}),
        ),
        EditMutant(
            "entrypoint-of-a-shell",
            keyword="ENTRYPOINT",
            old=r"\[.*\]",
            new="{shell}",
            clause="shell-form",
            also=frozenset({"graceful-stop"}),
        ),
        EditMutant(
            "check-of-a-shell", keyword="HEALTHCHECK", old=r"\[.*\]", new="{shell}", clause="health-form"
        ),
        EditMutant(
            "single-quotes",
            keyword="CMD",
            old=r"\[.*\]",
            new="['app']",
            clause="invalid-json",
            also=frozenset({"graceful-stop"}),
        ),
        EditMutant(
            "one-string",
            keyword="CMD",
            old=r"\[.*\]",
            new='["app --listen 8080"]',
            clause="one-string",
            also=frozenset({"graceful-stop"}),
            requires=("no-entrypoint", "posix"),
        ),
        EditMutant(
            "variable",
            keyword="CMD",
            old=r"\[.*\]",
            new='["app", "--listen", "$PORT"]',
            clause="no-expansion",
            also=frozenset({"graceful-stop"}),
            requires=("no-entrypoint", "posix"),
        ),
        # of the shipped files
        SourceMutant("variable", _CMD, 'CMD ["python", "-m", "$APP_MODULE"]', clause="no-expansion"),
        SourceMutant("one-string", _CMD, 'CMD ["python -m app"]', clause="one-string"),
        SourceMutant("shell-form", _CMD, "CMD python -m app", clause="shell-form"),
        SourceMutant("single-quotes", _CMD, "CMD ['python', '-m', 'app']", clause="invalid-json"),
        SourceMutant("entrypoint", _CMD, "ENTRYPOINT python -m app", clause="shell-form"),
        SourceMutant(
            "disguise",
            _CMD,
            'CMD ["sh", "-c", "python -m app"]',
            clause="shell-in-disguise",
            also=frozenset({"graceful-stop"}),
        ),
        SourceMutant(
            "health-in-shell",
            'CMD ["python", "-I", "-S", "/app/healthcheck.py", "api"]',
            "CMD python /app/healthcheck.py api",
            clause="health-form",
            at="HEALTHCHECK --interval",
        ),
        ImageMutant("shell-form", "CMD python -m app", clause="shell-form"),
        ImageMutant(
            "health-in-shell", "HEALTHCHECK CMD python /app/healthcheck.py api", clause="health-form"
        ),
        RuntimeMutant(
            "shell-as-pid-1", {"command": ["sh", "-c", "python -m app; exit 0"]}, clause="shell-form"
        ),
        RuntimeMutant(
            "shell-under-init",
            {"init": True, "command": ["sh", "-c", "python -m app; exit 0"]},
            clause="shell-form",
        ),
    )


def _command(instruction: Instruction) -> tuple[str, str, tuple[str, ...] | None] | None:
    """Return keyword, text and exec form of an instruction that starts something, else None."""
    if instruction.keyword in _FIELDS:
        return instruction.keyword, instruction.value, instruction.json
    if instruction.keyword == "HEALTHCHECK" and instruction.value[:4].upper() == "CMD ":
        return "HEALTHCHECK", instruction.value[4:], instruction.json
    return None


def _is_handed_on(stage: Stage) -> bool:
    """Whether CMD is what an entrypoint makes of it, as `sh -c` does: not where that is an init."""
    entrypoint = stage.entrypoint
    if entrypoint is None:
        return False
    argv = entrypoint.value.json or ("",)
    return argv[0].rpartition("/")[2] not in _INITS or bool(
        SHELLS & {word.rpartition("/")[2] for word in argv}
    )


def _holds_arguments(argv: Sequence[str], stage: Stage) -> bool:
    """Whether the first string is a whole command line; a path may have a blank in it, above all on Windows."""
    program, blank, rest = argv[0].partition(" ") if argv else ("", "", "")
    is_path = "/" in program and not rest.startswith("-")
    return bool(blank and program and rest.strip()) and not is_path and not stage.root_base.is_windows


def _variable(argv: Sequence[str]) -> str:
    """Find an environment variable in the arguments of a program that is no shell and reads no program text."""
    if (
        not argv
        or argv[0].rpartition("/")[2] in SHELLS | _EXPANDING
        or {"-c", "-e", "-lc", "-ec"} & set(argv)
    ):
        return ""
    return next((found[0] for text in argv if (found := _VARIABLE.search(text))), "")


def _runs_a_shell(process: Process) -> bool:
    """Whether a process is a shell by its arguments or by the file that it runs: either may be dressed up."""
    return _is_shell(process.argv) or process.exe.rpartition("/")[2] in SHELLS - {"busybox"}


def _is_shell(argv: Sequence[str]) -> bool:
    return bool(argv) and argv[0].rpartition("/")[2] in SHELLS


def _stays_a_shell(argv: Sequence[str]) -> bool:
    """Whether a command is `sh -c TEXT` and the text does not hand over with exec."""
    if not _is_shell(argv):
        return False
    flags = [word for word in argv[1:] if word.startswith("-") and word.endswith("c")]
    return bool(flags) and not hands_over(argv)


def hands_over(argv: Sequence[str]) -> bool:
    """Whether the text of a `sh -c TEXT` replaces the shell by a program with exec."""
    return _hands_over(json.dumps(list(argv)))


@lru_cache(64)  # two policies ask, and many files have the same command
def _hands_over(command: str) -> bool:
    instruction = parse(f"FROM scratch\nCMD {command}\n").instructions[-1]
    return any("exec" in each.wrappers for each in script(instruction).commands)
