"""The command line of scripts/engine."""

from __future__ import annotations

import argparse
import json
import os
import shlex
from typing import TYPE_CHECKING

from scripts.provision import cli, engine, host

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run scripts/engine and return its exit code: 0 done, 2 wrong usage, 4 no engine can be had."""
    options = _parser().parse_args(arguments)
    return cli.run(engine.WHO, options.action, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/engine", description="The container engine that the gate uses."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, action: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(action=action)
        return command

    add("up", _up, "decide which engine to use and make it answer")
    env = add("env", _env, "the same, then print shell lines for eval that lead a client to it")
    env.add_argument("--json", action="store_true", help="print a JSON object instead; null means unset")
    run = add("run", _run, "the same, then run a command with that environment")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD…")
    status = add("status", _status, "tell which engine there is, changing nothing; exit 4 where none answers")
    status.add_argument("--json", action="store_true", help="print a JSON object instead")
    add("down", _down, "stop the private engine")
    add("clean", _clean, "remove the private engine, its processes and all that it made")
    return parser


def _up(_: argparse.Namespace) -> int:
    choice = engine.up()
    whose = "private" if choice.private else "your"
    host.say(engine.WHO, f"{whose} Docker {choice.version} because {choice.why}")
    return 0


def shell_lines(variables: Mapping[str, str | None]) -> str:
    """Return lines for a POSIX shell's eval; None unsets."""
    lines = [
        f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}"
        for name, value in variables.items()
    ]  # fmt: skip
    return "\n".join(lines)


def _env(options: argparse.Namespace) -> int:
    variables = engine.up().variables
    print(json.dumps(variables, indent=1) if options.json else shell_lines(variables))
    return 0


def _run(options: argparse.Namespace) -> int:
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        host.say(engine.WHO, "run needs a command: scripts/engine run -- CMD…")
        return USAGE
    env = engine.up().applied(os.environ)
    try:
        os.execvpe(command[0], command, env)  # noqa: S606 - its arguments are a list, there is no shell
    except OSError as error:
        raise host.ProvisionError(f"cannot run {command[0]}: {error.strerror}") from error


def _status(options: argparse.Namespace) -> int:
    found = engine.status()
    if options.json:
        print(json.dumps(found, indent=1))
    elif found["engine"]:
        print(f"{found['engine']} engine, Docker {found['version']}")
    else:
        print(f"no engine: {found['user']}")
    return 0 if found["engine"] else cli.COULD_NOT


def _down(_: argparse.Namespace) -> int:
    host.say(engine.WHO, "the private engine is stopped" if engine.down() else "no private engine runs")
    return 0


def _clean(_: argparse.Namespace) -> int:
    host.say(engine.WHO, "the private engine is removed" if engine.clean() else "there is no private engine")
    return 0
