"""A production image holds no debugger, editor, version control or test tool, and does not start in debug mode.

What it holds
-------------
Compilers are the business of multi-stage. Source: no stage that the shipped one is built FROM installs a development
tool by a package manager, or PHP's xdebug (`tools`); the command starts no reloader, development server or debugger
(`command`: `--reload`, `flask --debug`, `nodemon`, `debugpy`, `pdb`, `node --inspect`, Java's jdwp); no variable in
force at the end switches debugging on (`setting`: `DEBUG=1`, `FLASK_DEBUG`, `NODE_ENV=development`, an agent in
`JAVA_TOOL_OPTIONS`); the port of a debugger that the file installs or starts is not exposed (`port`: debugpy's 5678,
node's 9229). Values that are not known say nothing. Image: packages and programs over the base, and the config's
command and environment. Runtime: the arguments and environment of every process.

Why it matters
--------------
A debug mode answers errors with source and variables, a debugger's port runs any code for whoever reaches it, and
each tool serves whoever breaks in.

How to fix it
-------------
Keep such tools in a stage, or a Dockerfile, of their own for development, and the switch in compose's override file.

References
----------
- CIS Docker Benchmark 1.6, 4.3
- https://docs.docker.com/build/building/best-practices/
"""

from __future__ import annotations

from dockproof.catalog._runs import removed_names, runs_of
from dockproof.facts.packages import package_calls
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

    from dockproof.facts.stages import Stage
    from dockproof.finding import Answer, Finding
    from dockproof.policy import ImageTarget, Mutant, RuntimeTarget, SourceTarget

_TOOLS = frozenset(
    [
        *("gdb", "gdbserver", "lldb", "strace", "ltrace", "valgrind", "delve"),
        *("vim", "vim-tiny", "vim-minimal", "neovim", "nano", "emacs", "emacs-nox"),
        *("git", "git-core", "mercurial", "subversion"),
        *(
            "debugpy",
            "pydevd",
            "ipdb",
            "pudb",
            "ipython",
            "pytest",
            "nose2",
            "tox",
            "nox",
            "coverage",
            "mypy",
            "ruff",
        ),
        *("pylint", "flake8", "black", "watchdog-gevent", "django-debug-toolbar"),
        *("nodemon", "ts-node-dev", "jest", "mocha", "eslint", "webpack-dev-server", "node-inspector"),
    ]
)
_PHP_INSTALLERS = (
    "pecl",
    "pickle",
    "pie",
    "docker-php-ext-enable",
    "docker-php-ext-install",
    "install-php-extensions",
)
_PROGRAMS = frozenset(
    [
        *(
            "gdb",
            "gdbserver",
            "lldb",
            "strace",
            "ltrace",
            "valgrind",
            "dlv",
            "vim",
            "vi",
            "nvim",
            "nano",
            "emacs",
        ),
        *("git", "hg", "svn", "debugpy", "ipdb", "ipdb3", "pudb", "pytest", "py.test", "tox", "nox"),
        *("nodemon", "ts-node-dev", "jest", "mocha"),
    ]
)
_STARTERS = frozenset(
    [
        "nodemon",
        "ts-node-dev",
        "debugpy",
        "debugpy-adapter",
        "ipdb",
        "ipdb3",
        "pudb",
        "gdb",
        "gdbserver",
        "dlv",
        "air",
    ]
)
_MODULES = frozenset({"debugpy", "pdb", "ipdb", "pudb", "pydevd"})
_RELOADS = pattern(r"--(?:reload|auto-?reload|debugger)(?:=(?:true|1|yes))?", needs=("reload", "debugger"))
_AGENT = pattern(r"-agentlib:jdwp\b|-Xrunjdwp\b|--inspect(?:-brk)?(?:[=\s]|$)", needs=("jdwp", "--inspect"))
_DEVELOPMENT = frozenset({"dev", "development", "debug"})
_ON = frozenset({"1", "true", "yes", "on"})
_SWITCHES = frozenset(
    [
        "DEBUG",
        "APP_DEBUG",
        "DJANGO_DEBUG",
        "FLASK_DEBUG",
        "WORDPRESS_DEBUG",
        "UVICORN_RELOAD",
        "PYTHONINSPECT",
        "PYTHONDEVMODE",
    ]
)
_MODES = frozenset(
    [
        "NODE_ENV",
        "FLASK_ENV",
        "RAILS_ENV",
        "RACK_ENV",
        "APP_ENV",
        "ASPNETCORE_ENVIRONMENT",
        "DOTNET_ENVIRONMENT",
    ]
)
_AGENTS = frozenset({"NODE_OPTIONS", "JAVA_TOOL_OPTIONS", "JAVA_OPTS", "JDK_JAVA_OPTIONS"})
_BIN = pattern(r"/(?:usr/)?(?:local/)?s?bin/(?P<name>[^/]+)|/opt/[^/]+/bin/(?P<own>[^/]+)")
_DEBUG_PORTS = {5678: "debugpy", 9229: "node"}
_USER = "USER 10001:10001"


class NoDevTools(Policy):
    """What helps to write the program does not ship with it."""

    title = "no development tool or debug mode is shipped"
    family = Family.OPERATION
    production = Severity.ERROR
    development = None
    clauses = (
        Clause(
            "tools", "no debugger, editor, version control or test tool is installed", claimed_by=BY_SOURCE
        ),
        Clause("command", "the command starts no reloader or debugger", claimed_by=BY_BUILD),
        Clause("setting", "no variable switches debugging on", claimed_by=BY_BUILD),
        Clause("port", "no debugger's port is exposed"),
    )
    references = ("cis:4.3", "https://docs.docker.com/build/building/best-practices/")

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge installations of the lineage, then the command and environment in force."""
        for shipped in target.shipped:
            for stage in shipped.lineage:
                yield from self._installed(stage)
            yield from self._started(shipped)
            yield from self._exposed(shipped)
            for name, setting in shipped.environment.items():
                value = setting.value.text
                if value is not None and _is_debug(name, value):
                    message = f"{name}={value} switches debugging on"
                    yield self.at(setting.instruction, message, stage=shipped, clause="setting")

    def _installed(self, stage: Stage) -> Iterator[Finding]:
        for run in runs_of(stage):
            calls = package_calls(run.script)
            removed = removed_names(run.script)
            for call in calls:
                names = [p.name for p in call.packages if _is_tool(p.name) and p.name not in removed]
                if call.action == "install" and names:
                    message = f"{call.manager} installs {', '.join(names)} in the shipped stage"
                    yield self.at(call.command, message, stage=stage, clause="tools")

            for command in run.script.named(*_PHP_INSTALLERS):
                if any(word.text.partition("-")[0] == "xdebug" for word in command.arguments):
                    message = f"{command.name} brings xdebug into the shipped stage"
                    yield self.at(command, message, stage=stage, clause="tools")

    def _started(self, stage: Stage) -> Iterator[Finding]:
        for at in (stage.entrypoint, stage.command):
            if at is None:
                continue
            read = script(at.value, stage.shell_at(at.value))
            # CMD in exec form continues the ENTRYPOINT, so options that open it count as well.
            for command in read.commands:
                why = _debugs([word.text for word in command.words])
                if why:
                    message = f"{at.value.keyword} starts the program for development: {why}"
                    yield self.at(command, message, stage=stage, clause="command")

    def _exposed(self, stage: Stage) -> Iterator[Finding]:
        debuggers = {name for each in stage.lineage for name in _debuggers(each)}
        for setting in stage.ports:
            number = setting.value.number
            name = _DEBUG_PORTS.get(number) if isinstance(number, int) else None
            if name in debuggers:
                message = f"port {number} is {name}'s: who reaches it runs any code"
                yield self.at(setting.instruction, message, stage=stage, clause="port")

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Judge packages and programs over the base, the config's command and environment."""
        yield from self._found(target)
        config = target.image.config
        if why := _debugs(config.argv):
            message = f"the command starts the program for development: {why}"
            yield self.in_image(message, Place(field="Config.Cmd"), clause="command")
        for name, value in config.env.items():
            if _is_debug(name, value):
                place = Place(field=f"Config.Env {name}")
                yield self.in_image(f"{name}={value} switches debugging on", place, clause="setting")

    def _found(self, target: ImageTarget) -> Iterator[Finding]:
        for package, place in target.own_packages:
            if _is_tool(package.name):
                message = f"package {package.name} {package.version} is installed"
                yield self.in_image(message, place, clause="tools")
        for layer in target.own_layers:
            for entry in target.image.layer_files(layer):
                match = _BIN.fullmatch(entry.path)
                if match and entry.type != "dir" and (match["name"] or match["own"]) in _PROGRAMS:
                    place = Place(layer=layer.diff_id, path=entry.path)
                    yield self.in_image(f"{entry.path} is a development tool", place, clause="tools")

    def runtime(self, target: RuntimeTarget) -> Iterator[Answer]:
        """Judge the arguments and environment of every process."""
        yield from self.unread(target.container)
        for process in target.container.processes:
            name, place = " ".join(process.argv[:3]), Place(pid=process.pid)
            if why := _debugs(process.argv):
                yield self.in_container(f"`{name}` runs for development: {why}", place, clause="command")
            for variable, value in (process.environ or {}).items():
                if _is_debug(variable, value):
                    message = f"`{name}` runs with {variable}={value}, which switches debugging on"
                    yield self.in_container(message, place, clause="setting")

    example = Example(
        """
        FROM python:3.13-slim
        CMD ["uvicorn", "app:app", "--reload"]
        """,
        """
        FROM python:3.13-slim
        CMD ["uvicorn", "app:app"]
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("debugger", "RUN apk add --no-cache gdb=16.3-r0", "begin", clause="tools"),
        # of generated files
        SourceMutant(
            "debugger-in-java",
            'CMD ["java", "-jar"',
            'CMD ["java", "-agentlib:jdwp=transport=dt_socket,server=y,address=*:5005", "-jar"',
            "good/java",
            clause="command",
        ),
        SourceMutant(
            "inspector-in-node",
            'CMD ["node", "dist/server.js"]',
            'CMD ["node", "--inspect", "dist/server.js"]',
            "good/node",
            clause="command",
        ),
        # of the shipped files
        SourceMutant(
            "editor",
            _USER,
            "RUN apt-get update && apt-get install -y --no-install-recommends vim=2:9.1.1230-2"
            f" && rm -rf /var/lib/apt/lists/*\n{_USER}",
            clause="tools",
            also=frozenset({"reproducible"}),
        ),
        SourceMutant(
            "reload",
            '"-m", "app"]',
            '"-m", "uvicorn", "app.main:app", "--timeout-graceful-shutdown", "5", "--reload"]',
            clause="command",
        ),
        SourceMutant(
            "debugger", '"-m", "app"]', '"-m", "debugpy", "--listen", "5678", "-m", "app"]', clause="command"
        ),
        SourceMutant(
            "debug", "PYTHONUNBUFFERED=1", "PYTHONUNBUFFERED=1 DEBUG=true", clause="setting", at="ENV PATH"
        ),
        SourceMutant(
            "debug-port",
            _USER,
            f'EXPOSE 9229\nENTRYPOINT ["node", "--inspect"]\n{_USER}',
            clause="port",
            at="EXPOSE 9229",
        ),
        ImageMutant("editor", "COPY --chmod=755 <<tool /usr/bin/vim\ntool", clause="tools"),
        ImageMutant("debug", "ENV DEBUG=1", clause="setting"),
        ImageMutant("debugger", 'CMD ["python", "-m", "pdb", "-m", "app"]', clause="command"),
        RuntimeMutant("debug", {"environment": {"DEBUG": "1"}}, clause="setting"),
    )


def _debuggers(stage: Stage) -> Iterator[str]:
    """Name what debuggers a stage installs or starts."""
    for run in runs_of(stage):
        yield from (package.name for call in package_calls(run.script) for package in call.packages)
    for at in (stage.entrypoint, stage.command):
        if at is not None:
            text = at.value.value
            yield from (
                name
                for name in ("debugpy", "node")
                if name in text and ("--inspect" in text or name != "node")
            )


def _is_debug(name: str, value: str) -> bool:
    """Whether a variable with this value switches debugging on."""
    if name in _SWITCHES:
        return value.lower() in _ON
    if name in _MODES:
        return value.lower() in _DEVELOPMENT
    return name in _AGENTS and bool(_AGENT.search(value))


def _debugs(argv: Sequence[str]) -> str:
    """Say which word of a command makes it one for development, "" for none."""
    if not argv:
        return ""
    name = argv[0].rpartition("/")[2]
    if name in _STARTERS:
        return name
    for before, word in zip(["", *argv], argv, strict=False):
        if _RELOADS.fullmatch(word) or _AGENT.match(word):
            return word
        if word in _MODULES and before == "-m" and name.startswith(("python", "pypy")):
            return f"-m {word}"
    return _serves(name, argv)


def _serves(name: str, argv: Sequence[str]) -> str:
    """Say which word starts a development server, "" for none."""
    if name == "flask" and "--debug" in argv:
        return "--debug"
    if "runserver" in argv and any(word.endswith("manage.py") for word in argv):
        return "runserver"
    return "run dev" if name in {"npm", "yarn", "pnpm", "bun"} and "dev" in argv else ""


def _is_tool(package: str) -> bool:
    """Whether a package is a tool for developers, as vim or php8.3-xdebug."""
    return package.lower() in _TOOLS or package.endswith("-xdebug")
