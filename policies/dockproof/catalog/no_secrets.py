"""No secret stands in the Dockerfile, in the image or in the environment of its processes.

What it holds
-------------
Source: no ARG or ENV is declared for a secret (by its name, whatever the value: a build argument is kept in the
image's history), and no secret stands in any instruction of any stage: tokens of known formats, private keys, URLs
with a password, passwords handed to commands (options, `user:password`, headers, assignments, pipes), values that
look drawn from a generator. `RUN --mount=type=secret` is the right way and is no finding, unless a command writes the
secret to a file that stays in the layer; nor is a name that tells where the secret lies (`PASSWORD_FILE`,
`TOKEN_URL`), a public key, or a fingerprint. Image: the same in the config, in the history with its build arguments,
and in the text files (up to 1 MB) of every layer, deleted ones too. Runtime: the environment and the command line of
every process.

Messages show the public prefix of a secret and its length, never the secret. Files of installed packages are searched
for tokens and private keys alone, and their tests and manuals not at all: they are full of both, made up.

Why it matters
--------------
Whoever can pull an image can read its config, its history and every layer; a file that a later layer deletes is
still in the earlier one. Secrets in an environment are shown by `docker inspect`, inherited by every child process
and written to crash reports.

How to fix it
-------------
At build time: `RUN --mount=type=secret,id=token,env=TOKEN ...`, or read `/run/secrets/token`. At run time: let the
program read a file that the orchestrator mounts, as `DATABASE_PASSWORD_FILE=/run/secrets/db`. A secret that was in a
pushed image is known: revoke it.

References
----------
- CIS Docker Benchmark 1.6, 4.10
- https://docs.docker.com/build/building/secrets/
- https://docs.docker.com/reference/build-checks/secrets-used-in-arg-or-env/
"""

from __future__ import annotations

import itertools
import re
from functools import lru_cache

from dockproof import secret_commands, secrets
from dockproof.facts.dockerfile import parse
from dockproof.facts.mounts import keeps_out, mounts
from dockproof.facts.shell import script
from dockproof.finding import Place, Severity
from dockproof.patterns import pattern
from dockproof.policy import (
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
    from dockproof.facts.dockerfile import Heredoc, Instruction
    from dockproof.facts.image import HistoryEntry, ImageFacts, Layer
    from dockproof.facts.mounts import Mount
    from dockproof.facts.shell import Script
    from dockproof.facts.stages import Stage
    from dockproof.finding import Answer, Finding
    from dockproof.policy import ImageTarget, Mutant, RuntimeTarget, SourceTarget
    from dockproof.secret_commands import Given
    from dockproof.secrets import Hit

_COMMANDS = frozenset({"RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK"})
_CLAUSES = {
    secrets.TOKEN: "token",
    secrets.PRIVATE_KEY: "private-key",
    secrets.URL: "url",
    secrets.CREDENTIAL: "command",
}
_HELP = "give it to the build with RUN --mount=type=secret, to the program as a mounted file"

# Assembled from pieces, so that no scanner takes this repository for leaking them.
_GITHUB = "ghp" + "_" + "q8ZrT3vLx0WkYb5NcE7uJm2HsDf9Ga4PiX1o"
_STRIPE = "sk" + "_live_" + "51Hq7YtRw3ZxVbNmK8sDfGhJ"
_PASSWORD = "Vogel-" + "flug-1987"
_RANDOM = "vK8wQz2RtY7m" + "Xb4NcL9pHd3Fs6Jg"
_KEY = "-----BEGIN OPENSSH " + "PRIVATE KEY-----"
_KEY_BODY = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ" + "AAAAAAAAABAAAAMwAAAAtz"


class NoSecrets(Policy):
    """Neither by name nor by format nor by chance."""

    title = "no secret in the Dockerfile, the image or the environment"
    family = Family.SECRETS
    production = Severity.ERROR
    development = Severity.ERROR
    builder = Severity.ERROR
    clauses = (
        Clause(
            "named-secret",
            "no variable or label is there to hold a secret",
            covers=("hadolint:DL3064", "buildkit:SecretsUsedInArgOrEnv", "trivy:DS-0031"),
        ),
        Clause("token", "no token of a known format"),
        Clause("private-key", "no private key"),
        Clause("url", "no URL with a password"),
        Clause("command", "no password handed to a command or written to a file", covers=("trivy:DS-0031",)),
        Clause("left-behind", "no secret that a build mounts is written to its layer"),
        Clause("random-value", "no value that looks drawn from a generator"),
    )
    references = (
        "cis:4.10",
        "https://docs.docker.com/build/building/secrets/",
        "https://docs.docker.com/reference/build-checks/secrets-used-in-arg-or-env/",
    )

    # ---------------------------------------------------------------------------------------------- source

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge every instruction of every stage, and the ARGs before the first."""
        for instruction in target.dockerfile.arguments:
            yield from self._declared(instruction, None)
        for stage in target.dockerfile.stages:
            for outer in stage.instructions:
                instruction = outer.effective
                if instruction.keyword in {"ARG", "ENV", "LABEL"}:
                    yield from self._declared(instruction, stage)
                else:
                    yield from self._written(instruction, stage)

    def _declared(self, instruction: Instruction, stage: Stage | None) -> Iterator[Finding]:
        for pair in instruction.pairs:
            value = pair.value
            if value is not None and stage is not None:
                value = stage.expand(instruction, value).text or value
            for clause, what in _declaration(instruction.keyword, pair.name, value):
                message = f"{instruction.keyword} {pair.name} {what}"
                yield self._found(instruction, stage, message, pair.span[:2], clause)

    def _written(self, instruction: Instruction, stage: Stage) -> Iterator[Finding]:
        """Find formats in what stands in an instruction and its heredocs; then ask what its commands are handed."""
        known: set[str] = set()
        for hit, text, at in _formats(instruction):
            known.add(text[hit.start : hit.end])
            message = f"{instruction.keyword} holds a secret: {hit}"
            yield self._found(instruction, stage, message, at, _CLAUSES[hit.group])
        if instruction.keyword in _COMMANDS:
            yield from self._handed(instruction, stage, known)

    def _handed(self, instruction: Instruction, stage: Stage, known: set[str]) -> Iterator[Finding]:
        """Judge the places where commands take secrets, but those whose format was found already."""
        commands = script(instruction, stage.shell_at(instruction))
        seen = set()
        for given, message in _literal(commands, instruction, stage):
            at = given.word.span[:2]
            if given.value not in known and (at, given.value) not in seen:
                seen.add((at, given.value))
                yield self._found(instruction, stage, message, at)
        secret = [mount for mount in mounts(instruction) if mount.type == "secret"]
        if secret:
            yield from self._left_behind(instruction, stage, commands, secret)
        else:
            for command in secret_commands.set_up(commands):
                if not any(at[0] == command.span.line for at, _ in seen):
                    message = f"`{command.name}` leaves the credentials that it sets up in the layer"
                    yield self._found(instruction, stage, message, command.span[:2])

    def _left_behind(
        self, instruction: Instruction, stage: Stage, commands: Script, secret: Sequence[Mount]
    ) -> Iterator[Finding]:
        """Judge what becomes of the secrets that a RUN mounts."""
        names = [mount.target or f"/run/secrets/{mount.id}" for mount in secret]
        names += [text for mount in secret if mount.env for text in (f"${mount.env}", f"${{{mount.env}}}")]
        for command, target in secret_commands.left_behind(commands, names):
            if not keeps_out(
                instruction, target, (stage.workdir.value.text if stage.workdir else None) or "/"
            ):
                message = f"`{command.name}` writes a mounted secret to {target}, which stays in the layer"
                yield self._found(instruction, stage, message, command.span[:2], "left-behind")

    def _found(
        self,
        instruction: Instruction,
        stage: Stage | None,
        message: str,
        at: tuple[int, int],
        clause: str = "command",
    ) -> Finding:
        line, column = at
        return self.at(instruction, message, stage=stage, clause=clause, line=line, column=column, help=_HELP)

    # ----------------------------------------------------------------------------------------------- image

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Look through the config, the history and the files of every layer."""
        yield from self._of_config(target)
        yield from self._of_history(target)
        yield from self._of_layers(target)

    def _of_config(self, target: ImageTarget) -> Iterator[Finding]:
        config = target.image.config
        for field, values in (("Config.Env", config.env), ("Config.Labels", config.labels)):
            for name, value in values.items():
                for clause, what in _variable(name, value):
                    place = Place(field=f"{field} {name}")
                    yield self.in_image(f"{name} {what}", place, clause=clause, help=_HELP)
        health = config.healthcheck.test if config.healthcheck else ()
        texts = {
            "Cmd": config.command,
            "Entrypoint": config.entrypoint,
            "Healthcheck": health,
            "OnBuild": config.on_build,
        }
        for field, words in texts.items():
            for hit in secrets.find(" ".join(words)):
                place = Place(field=f"Config.{field}")
                yield self.in_image(f"holds a secret: {hit}", place, clause=_CLAUSES[hit.group], help=_HELP)

    def _of_history(self, target: ImageTarget) -> Iterator[Finding]:
        """Judge the steps, with the build arguments that the builder wrote before each command."""
        known = {*target.image.config.env.values(), *target.image.config.labels.values()}
        seen: set[tuple[str, str]] = set()
        for index, step in enumerate(target.image.history):
            for clause, what in _step(step, known):
                if (clause, what) not in seen:
                    seen.add((clause, what))
                    place = Place(field=f"History[{index}]")
                    yield self.in_image(f"{what} in the history", place, clause=clause, help=_HELP)

    def _of_layers(self, target: ImageTarget) -> Iterator[Finding]:
        for layer in target.image.layers:
            for path, hit in _in_layer(target.image, layer):
                whose, gone = target.told_of(layer, path)
                message = f"the file{whose} holds a secret: {hit}{gone}"
                place = Place(layer=layer.diff_id, path=path)
                yield self.in_image(message, place, clause=_CLAUSES[hit.group], help=_HELP)

    # --------------------------------------------------------------------------------------------- runtime

    def runtime(self, target: RuntimeTarget) -> Iterator[Answer]:
        """Look at the environment and the command line of every process."""
        seen: set[str] = set()
        for process in target.container.processes:
            hits = secrets.find(" ".join(process.argv))
            found = [(f"its command line holds a secret: {hit}", _CLAUSES[hit.group]) for hit in hits]
            for message, clause in (*_environment(process), *found):
                if message not in seen:
                    seen.add(message)
                    yield self.in_container(message, Place(pid=process.pid), clause=clause, help=_HELP)
        yield from self.unread(target.container)

    example = Example(
        """
        FROM node:24
        ARG NPM_TOKEN
        RUN npm ci
        """,
        """
        FROM node:24
        RUN --mount=type=secret,id=npm_token,env=NPM_TOKEN npm ci
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("password-in-environment", "ENV DATABASE_PASSWORD=Tr0ub4dor-and-3"),
        EditMutant("token-in-argument", "ARG API_TOKEN=9f8e7d6c5b4a39281706f5e4d3c2b1a0"),
        # of the shipped files
        SourceMutant(
            "env", "EXPOSE 8000", f"ENV DB_PASSWORD={_PASSWORD}\nEXPOSE 8000", clause="named-secret"
        ),
        SourceMutant("arg-without-value", "EXPOSE 8000", "ARG NPM_TOKEN\nEXPOSE 8000", clause="named-secret"),
        SourceMutant(
            "env-of-builder",
            "COPY app /rootfs",
            "ENV apiKey=x\nCOPY app /rootfs",
            "Dockerfile.worker",
            "named-secret",
        ),
        SourceMutant("token-in-label", 'title="reading-app-backend"', f'title="{_GITHUB}"', clause="token"),
        SourceMutant("token-under-plain-name", "HOME=/tmp", f"BUILD={_STRIPE}", clause="token"),
        SourceMutant(
            "key-in-heredoc",
            "WORKDIR /app",
            f"COPY <<E /app/k\n{_KEY}\n{_KEY_BODY}\nE\nWORKDIR /app",
            clause="private-key",
        ),
        SourceMutant(
            "url-of-index",
            "apt-get update \\",
            f"pip config set global.index-url https://ci:{_PASSWORD}@pypi.example/simple \\",
            clause="url",
            at="pip config",
        ),
        SourceMutant(
            "user-and-password",
            "apt-get update \\",
            f"curl -u ci:{_PASSWORD} https://example.com \\",
            clause="command",
        ),
        SourceMutant(
            "netrc",
            "apt-get update \\",
            f"echo 'machine example.com login ci password {_PASSWORD}' >/home/app/.netrc \\",
            clause="command",
        ),
        SourceMutant(
            "mounted-secret-kept",
            "pip --python /opt/venv/bin/python install",
            "cp /etc/pip.conf /rootfs/pip.conf && pip --python /opt/venv/bin/python install",
            clause="left-behind",
        ),
        SourceMutant("random", "HOME=/tmp", f"HANDLE={_RANDOM}", clause="random-value"),
        ImageMutant("env", f"ENV DB_PASSWORD={_PASSWORD}", clause="named-secret"),
        ImageMutant("label", f"LABEL build={_GITHUB}", clause="token", also=frozenset({"image-labels"})),
        ImageMutant("random", f"ENV HANDLE={_RANDOM}", clause="random-value"),
        ImageMutant("argument-in-history", f"ARG API_TOKEN={_PASSWORD}", clause="named-secret"),
        ImageMutant("command-in-history", f"RUN true --password={_PASSWORD}", clause="command"),
        ImageMutant("url", f'CMD ["app", "https://ci:{_PASSWORD}@example.com"]', clause="url"),
        ImageMutant("file", f"COPY <<E /app/deploy_key\n{_KEY}\n{_KEY_BODY}\nE", clause="private-key"),
        ImageMutant(
            "deleted-file",
            f"USER 0\nCOPY <<E /app/notes\n{_GITHUB}\nE\nRUN rm /app/notes\nUSER 10001:10001",
            clause="token",
        ),
        RuntimeMutant("environment", {"environment": {"SMTP_PASSWORD": _PASSWORD}}, clause="named-secret"),
        RuntimeMutant("token", {"environment": {"BUILD": _GITHUB}}, clause="token"),
        RuntimeMutant(
            "url",
            {"environment": {"MIRROR": f"https://ci:{_PASSWORD}@example.com/"}},
            clause="url",
            service="worker",
        ),
    )


# -------------------------------------------------------------------------------------------------- judging


@lru_cache(maxsize=1024)  # the same declarations stand in many files
def _declaration(keyword: str, name: str, value: str | None) -> tuple[tuple[str, str], ...]:
    """Return clauses and predicates for a declared name; ARG and ENV are judged by the name alone."""
    return tuple(_judged(keyword, name, value))


def _judged(keyword: str, name: str, value: str | None) -> Iterator[tuple[str, str]]:
    if keyword == "LABEL" or not secrets.names_secret(name, value):
        yield from _variable(name, value or "")
    elif value is None:
        yield "named-secret", "is there for a secret: its value stays in the image's history"
    else:
        yield "named-secret", f"is there for a secret{_shown(value)}"


def _shown(value: str) -> str:
    if not value.strip("\"'") or secrets.is_reference(value):
        return ""
    return f": {next(secrets.find(value), None) or secrets.redact(value)}"


def _variable(name: str, value: str) -> Iterator[tuple[str, str]]:
    """Yield clause and predicate for a name that has a value."""
    if secrets.holds_secret(name, value):
        yield "named-secret", f"holds a secret{_shown(value)}"
        return
    hits = list(secrets.find(value)) or list(secrets.assignments(value, used=True))
    yield from ((_CLAUSES[hit.group], f"holds a secret: {hit}") for hit in hits)
    if not hits and secrets.is_random(value) and not secrets.is_public_name(name):
        yield "random-value", f"looks drawn from a generator: {secrets.redact(value)}"


def _overlaps(hit: Hit, hits: Sequence[Hit]) -> bool:
    return any(hit.start < other.end and other.start < hit.end for other in hits)


def _formats(instruction: Instruction) -> Iterator[tuple[Hit, str, tuple[int, int]]]:
    """Yield hits in an instruction's text and heredocs, each with the text and its line and column."""
    for hit in secrets.find(instruction.value):
        yield hit, instruction.value, instruction.locate(hit.start)
    for heredoc in instruction.heredocs:
        hits = list(secrets.find(heredoc.text))
        if instruction.keyword in {"COPY", "ADD"}:
            written = secrets.assignments(heredoc.text, used=True)
            hits += [hit for hit in written if not _overlaps(hit, hits)]
        yield from ((hit, heredoc.text, _in_heredoc(heredoc, hit.start)) for hit in hits)


def _in_heredoc(heredoc: Heredoc, offset: int) -> tuple[int, int]:
    """Return line and column of an offset in a heredoc's text."""
    before = heredoc.text[:offset]
    return heredoc.span.line + before.count("\n"), offset - (before.rfind("\n") + 1) + 1


def _literal(commands: Script, instruction: Instruction, stage: Stage | None) -> Iterator[tuple[Given, str]]:
    """Yield the secrets that stand in commands, or come from ARG and ENV, each with its sentence.

    Left out are those from an ARG or ENV whose own name is the finding.
    """
    for given in secret_commands.given(commands):
        if given.word.literal or not secrets.is_reference(given.value):
            if given.value and not secrets.is_stand_in(given.value) and not secrets.is_path(given.value):
                yield given, f"{given.what} is a secret in the text: {secrets.redact(given.value)}"
        elif stage is not None:
            local = {name for command in commands.commands for name, _ in command.assignments}
            for name in set(given.variables) - local:
                origin = _kept(name, instruction, stage)
                if origin:
                    yield given, f"{given.what} comes from {origin}, which the image keeps"


def _kept(name: str, instruction: Instruction, stage: Stage) -> str:
    """Return the ARG or ENV that a variable comes from; "" for any other, and where its own name is the finding."""
    variable = stage.scope_at(instruction).get(name)
    origins = [
        o for o in variable.value.origins if o.kind in {"ARG", "ENV", "build-arg"} and o.line is not None
    ]
    if not variable.declared or not origins or secrets.names_secret(name):
        return ""
    return f"{origins[0].kind} {name} (line {origins[0].line})"


# Images share layers, and a layer's digest says all of its content: each is searched once in a run.
_SEARCHED: dict[tuple[str, int], tuple[tuple[str, Hit], ...]] = {}


def forget() -> None:
    """Forget what layers were searched, for those who measure."""
    _SEARCHED.clear()


def _in_layer(image: ImageFacts, layer: Layer) -> tuple[tuple[str, Hit], ...]:
    """Return the secrets in the text files of a layer, with their paths."""
    key = layer.diff_id, hash(layer.entries)
    if key not in _SEARCHED:
        _SEARCHED[key] = tuple(
            secrets.find_in_files((entry.path, data) for entry, data in image.contents([layer]))
        )
    return _SEARCHED[key]


_ARGUMENTS = pattern(r"^(?:RUN )?\|(?P<count>[0-9]+) ")
_ASSIGNED = pattern(r"(?:^| )(?P<name>[A-Za-z_]\w*)=(?P<value>.*?)(?= [A-Za-z_]\w*=| /|$)", re.DOTALL)
_DECLARED = pattern(r"^(?:/bin/sh -c #\(nop\) +)?(?:ARG|ENV|LABEL) ")
_SHELL = pattern(r"^(?:RUN )?(?:\|[0-9]+ .*? )?/bin/(?:ba)?sh(?: -[a-z]+)* -c ", re.DOTALL)


def _step(step: HistoryEntry, known: set[str]) -> Iterator[tuple[str, str]]:
    """Yield clause and predicate for one step of the history; `known` are values that the config still shows."""
    text = step.created_by.removesuffix(" # buildkit")
    declared, arguments = _DECLARED.match(text), _ARGUMENTS.match(text)
    start, count = (
        (declared.end(), None)
        if declared
        else (arguments.end(), int(arguments["count"]))
        if arguments
        else (0, 0)
    )
    for match in itertools.islice(_ASSIGNED.finditer(text[start:]), count):
        if match["value"] not in known:
            yield from (
                (clause, f"{match['name']} {what}")
                for clause, what in _variable(match["name"], match["value"])
            )
    if not declared:
        yield from ((_CLAUSES[hit.group], f"holds a secret: {hit}") for hit in secrets.find(text))
        yield from (("command", message) for _, message in _commands_of(text))


def _commands_of(text: str) -> Iterator[tuple[Given, str]]:
    """Read the command of a history step as the shell does."""
    shell = _SHELL.match(text)
    if shell and "\n" not in text and "#(nop)" not in text:
        for instruction in parse(f"FROM scratch\nRUN {text[shell.end() :]}").instructions[1:]:
            yield from _literal(script(instruction), instruction, None)


def _environment(process: Process) -> Iterator[tuple[str, str]]:
    for name, value in (process.environ or {}).items():
        for clause, what in _variable(name, value):
            yield f"{name} {what}", clause
