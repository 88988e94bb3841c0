"""The command line: arguments to core to exit code. Each command imports what it needs and nothing else."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
from types import SimpleNamespace

from dockproof.errors import DockproofError, Exit, NotLookedError, UsageError
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from dockproof.check import Settings
    from dockproof.config import Config
    from dockproof.gate import CheckReport
    from dockproof.policy import Policy

FORMATS = ("text", "json", "sarif", "junit", "github", "gitlab", "html")
PROFILES = ("production", "development", "builder")
LEVELS = ("error", "warning", "info")
MARKED = ("sarif", "gitlab")


class _Command(NamedTuple):
    """A command of the program.

    Attributes:
        help: one line for the list of commands.
        module: where its `main(arguments) -> int` is; "" = this module.
    """

    help: str
    module: str = ""


COMMANDS = {
    "check": _Command("source probes and hadolint on Dockerfiles"),
    "verify": _Command("the whole gate on the images of compose.yaml", "dockproof.verify"),
    "image": _Command("image probes on any image or archive", "dockproof.image_command"),
    "merge": _Command("join the results of `verify --shard` of several machines", "dockproof.merge"),
    "prove": _Command("run every mutant and print the kill matrix", "dockproof.proof.command"),
    "policies": _Command("list the policies"),
    "explain": _Command("show a policy's page"),
    "fix": _Command("mend what can be mended without a decision", "dockproof.fix"),
    "lsp": _Command("a language server for editors: our own probes, hadolint apart", "dockproof.lsp"),
    "init": _Command("write a first configuration, the pre-commit hook and the CI step", "dockproof.init"),
    "compliance": _Command(
        "CIS, NIST and OWASP: what is checked, waived or not applicable", "dockproof.compliance"
    ),
}


def program() -> int:
    """Run the command of this process; what is in memory then is left to the operating system, which costs nothing.

    Python would take every object down one by one, which is a twentieth of a whole `check` of one file.
    """
    code = 1  # Python's own for an exception that nobody caught

    def leave() -> None:
        with contextlib.suppress(OSError, ValueError):  # whoever reads us may have gone
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)

    atexit.register(leave)  # first in, last out: all other handlers have run by then
    try:
        code = main()
    except SystemExit as stop:  # argparse, after --help
        code = stop.code if isinstance(stop.code, int) else Exit.CLEAN
    return code


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code (design.md, "Command line").

    Args:
        argv: the arguments behind the program's name; None = those of this process.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    # What is imported stays; looking for garbage in it costs every start 5 ms.
    gc.set_threshold(50_000, 20, 100)
    try:
        code = _run(arguments)
        _output(sys.stdout.flush)
    except DockproofError as error:
        return _failed(error)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # Whoever reads our output has seen enough; Python must not complain when it closes the pipe at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.NOT_LOOKED
    except Exception as error:  # noqa: BLE001 - Python's own exit code for a crash is 1, which means findings here
        return _crashed(error)
    return code


def _crashed(error: Exception) -> int:
    import traceback  # noqa: PLC0415 - only a crash pays for it

    traceback.print_exception(error)
    return _failed(
        DockproofError(f"dockproof itself crashed: {error!r}; please report it with the lines above")
    )


def _failed(error: DockproofError) -> int:
    print(f"dockproof: error: {error}", file=sys.stderr)  # noqa: T201 - this is what the command line is for
    log = getattr(error, "log", "")
    for line in log.strip().splitlines():
        print(f"  | {line}", file=sys.stderr)  # noqa: T201 - as above
    return error.exit


def _refuse_lost_folder() -> None:
    """Refuse to work in a folder that was removed, where no relative path means anything.

    Raises:
        UsageError: so it is.
    """
    try:
        os.getcwd()  # noqa: PTH109 - fast start
    except FileNotFoundError:
        raise UsageError("the working folder was removed: go to one that is there, as `cd ..`") from None


def _run(arguments: list[str]) -> int:
    name = arguments[0] if arguments else "--help"
    if name in COMMANDS:
        _refuse_lost_folder()
        return _command(name)(arguments[1:])
    if name in {"-h", "--help", "help"}:
        _print([_usage()])
        return Exit.CLEAN if arguments else Exit.USAGE
    if name in {"-V", "--version"}:
        from dockproof import __version__  # noqa: PLC0415 - as every import below: the start must not pay for it

        _print([f"dockproof {__version__}\n"])
        return Exit.CLEAN
    from dockproof.strict_table import nearest  # noqa: PLC0415 - as above

    raise UsageError(f"no command {name!r}{nearest(name, COMMANDS)}; `dockproof --help` lists them")


def _command(name: str) -> Callable[[list[str]], int]:
    module = COMMANDS[name].module
    if not module:
        own: Mapping[str, Callable[[list[str]], int]] = {
            "check": _check,
            "policies": _policies,
            "explain": _explain,
        }
        return own[name]
    import importlib  # noqa: PLC0415 - as above

    command: Callable[[list[str]], int] = importlib.import_module(module).main
    return command


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = "".join(f"  {name:<{width}}  {command.help}\n" for name, command in COMMANDS.items())
    return (
        "usage: dockproof COMMAND [OPTION…]\n\n"
        "One policy, asked of the Dockerfile, the built image and the running container.\n\n"
        f"commands:\n{lines}\n"
        "`dockproof COMMAND --help` shows a command's options.\n"
        "exit codes: 0 clean, 1 findings, 2 usage or configuration, 3 nothing to check, 4 something not looked at\n"
    )


def parser_for(command: str) -> argparse.ArgumentParser:
    """Return an argument parser for a command; its errors are ours: one line, exit code 2."""
    from dockproof.arguments import Parser  # noqa: PLC0415 - see the module's docstring

    return Parser(f"dockproof {command}", COMMANDS[command].help)


def add_common(parser: argparse.ArgumentParser, *, hadolint: bool = True) -> None:
    """Add the options that `check`, `verify` and `prove` share: profile, selection and configuration."""
    parser.add_argument(
        "--profile", choices=PROFILES, help="what the images are for; wins over the configuration"
    )
    parser.add_argument(
        "--select", action="append", default=[], metavar="ID", help="ask these policies alone"
    )
    parser.add_argument(
        "--ignore", action="append", default=[], metavar="ID", help="do not ask these policies"
    )
    parser.add_argument(
        "--fail-level", choices=LEVELS, help="the lowest severity that fails (default: error)"
    )
    if hadolint:
        parser.add_argument("--no-hadolint", action="store_true", help="leave hadolint out")
    else:
        parser.set_defaults(no_hadolint=True)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--config", metavar="FILE", help="the configuration, instead of the nearest one")
    which.add_argument("--no-config", action="store_true", help="built-in defaults alone")


def check_parser() -> argparse.ArgumentParser:
    """Return the parser of `check`."""
    parser = parser_for("check")
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="Dockerfile, folder, or - for standard input"
    )
    add_common(parser)
    parser.add_argument(
        "--target", action="append", default=[], metavar="STAGE", help="stage that is shipped"
    )
    add_report(parser)
    parser.add_argument("--baseline", metavar="FILE", help="what is recorded there is shown as waived")
    parser.add_argument("--write-baseline", action="store_true", help="record what is found, in --baseline")
    parser.add_argument("--stdin-filename", metavar="NAME", help="what - is called in reports and by rules")
    parser.add_argument("--no-cache", action="store_true", help="ask everything anew, and keep no answer")
    return parser


_SWITCHES = ("no_hadolint", "no_config", "no_cache", "show_waived", "write_baseline")
_VALUES = ("profile", "fail_level", "config", "output", "baseline", "stdin_filename")


def plain(arguments: Sequence[str]) -> argparse.Namespace | None:
    """Read arguments of `check` that are switches and paths, as the parser does, which takes 4 ms for it.

    None for any other: the parser knows what to say of them.
    """
    switches = {f"--{name.replace('_', '-')}": name for name in _SWITCHES}
    named = [at for at, argument in enumerate(arguments) if argument not in switches]
    paths = [arguments[at] for at in named]
    if any(path.startswith("-") for path in paths) or (named and named[-1] - named[0] >= len(named)):
        return None  # an option, standard input, or paths on both sides of a switch
    given = {switches[argument] for argument in arguments if argument in switches}
    options: Any = SimpleNamespace(
        paths=paths, select=[], ignore=[], target=[], format="text", **dict.fromkeys(_VALUES)
    )
    vars(options).update({name: name in given for name in _SWITCHES})
    return options  # type: ignore[no-any-return]  # it has what the parser's has


def _check(arguments: list[str]) -> int:
    options = plain(arguments) or check_parser().parse_args(arguments)
    from dockproof import check  # noqa: PLC0415 - see the module's docstring

    paths = options.paths or ["."]
    config, policies = configuration(options, start_of(paths, options.stdin_filename))
    record = _baseline_path(options, config)
    settings = _settings(options, marked=record is not None)
    report = check.run(paths, policies, config, settings)
    if options.write_baseline and record:
        return _write_baseline(report, record)
    gone = 0
    if record:
        from dockproof import baseline  # noqa: PLC0415 - as above

        report, gone = baseline.apply(report, record)
    write(options.output, rendered(report, options, config, policies, gone))
    return report.exit(config.fail_level)


def start_of(paths: Sequence[str], stdin_filename: str | None) -> str:
    """Return the folder from which the configuration is searched: the deepest one that holds all paths.

    Raises:
        UsageError: standard input is named, and is not among the paths.
    """
    if stdin_filename and "-" not in paths:
        raise UsageError("--stdin-filename names what `-` stands for: add `-` to the paths, or leave it out")
    named = [stdin_filename or "." if path == "-" else path for path in paths]
    common = os.path.commonpath([os.path.abspath(path) for path in named])  # noqa: PTH100 - links stay as written
    return common if os.path.isdir(common) else os.path.dirname(common)  # noqa: PTH112, PTH120 - fast start


def configuration(
    options: argparse.Namespace, start: str | os.PathLike[str]
) -> tuple[Config, Mapping[str, Policy]]:
    """Return the configuration that the options ask for, with the options that win over it, and all policies by id.

    Args:
        options: parsed with `add_common`.
        start: the folder from which upward the configuration is searched.

    Raises:
        UsageError: the configuration, a policy of the project's own or an id is wrong.
    """
    from dockproof import config as files  # noqa: PLC0415 - see the module's docstring
    from dockproof.finding import Severity  # noqa: PLC0415 - as above

    config, policies = _configured(options, start)
    if options.profile:
        config = files.with_profile(config, options.profile)
    config = config._replace(
        select=_ids(options.select, policies, "--select") or config.select,
        ignore=config.ignore | _ids(options.ignore, policies, "--ignore"),
        fail_level=Severity(options.fail_level) if options.fail_level else config.fail_level,
        hadolint=config.hadolint and not options.no_hadolint,
    )
    return config, policies


def _configured(
    options: argparse.Namespace, start: str | os.PathLike[str]
) -> tuple[Config, Mapping[str, Policy]]:
    """Return the configuration as it is written, and the policies, the project's own and installed ones among them."""
    from dockproof import catalog, own  # noqa: PLC0415 - see the module's docstring
    from dockproof import config as files  # noqa: PLC0415 - as above

    policies = catalog.load()
    path = None if options.no_config else options.config or files.find(start)
    config = files.load(path, policies) if path else files.Config(installed=not options.no_config)
    return config, own.with_own(policies, config)


def _ids(values: Iterable[str], policies: Mapping[str, Policy], option: str) -> frozenset[str]:
    from dockproof.strict_table import unknown_policy  # noqa: PLC0415 - see the module's docstring

    ids = frozenset(name.strip() for value in values for name in value.split(",") if name.strip())
    for name in sorted(ids):
        problem = unknown_policy(name, policies)
        if problem:
            raise UsageError(f"{option}: {problem}")
    return ids


def _baseline_path(options: argparse.Namespace, config: Config) -> Path | None:
    if not (options.baseline or options.write_baseline or config.baseline):
        return None
    from pathlib import Path  # noqa: PLC0415 - see the module's docstring

    from dockproof.baseline import DEFAULT  # noqa: PLC0415 - as above

    return Path(options.baseline or config.baseline or os.path.join(config.folder, DEFAULT))  # noqa: PTH118 - text


def _settings(options: argparse.Namespace, *, marked: bool) -> Settings:
    from dockproof.check import Settings, Standard  # noqa: PLC0415 - see the module's docstring

    standard = Standard(b"")
    if "-" in options.paths:
        standard = Standard(sys.stdin.buffer.read(), options.stdin_filename or "-")
    fingerprints = marked or options.format in MARKED
    return Settings(
        tuple(options.target),
        standard,
        fingerprints,
        options.no_config,
        fixes=options.format in {"json", "sarif"},
        cache=not options.no_cache,
    )


def _write_baseline(report: CheckReport, path: Path) -> int:
    from dockproof import baseline  # noqa: PLC0415 - see the module's docstring

    count = baseline.write(report, path)
    _print([f"{path}: {count} findings recorded\n"])
    return Exit.NOT_LOOKED if report.incomplete else Exit.CLEAN


def add_report(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how `rendered` shows a report, and where `write` puts it."""
    parser.add_argument("--format", choices=FORMATS, default="text")
    parser.add_argument("--output", metavar="FILE", help="write the report there, whole or not at all")
    parser.add_argument("--show-waived", action="store_true", help="show waived findings too (text)")


def rendered(
    report: CheckReport,
    options: argparse.Namespace,
    config: Config,
    policies: Mapping[str, Policy],
    gone: int = 0,
) -> Iterator[str]:
    """Yield a report in the format that the options ask for; `gone` entries of a baseline occur no more."""
    import importlib  # noqa: PLC0415 - see the module's docstring

    from dockproof.report.view import View  # noqa: PLC0415 - as above

    view = View(policies, config.fail_level, options.show_waived, _colors(options), gone)
    pieces: Iterator[str] = importlib.import_module(f"dockproof.report.{options.format}").render(report, view)
    return pieces


def _colors(options: argparse.Namespace) -> bool:
    """Whether to use colours: on a terminal, unless NO_COLOR; FORCE_COLOR wins (no-color.org, force-color.org)."""
    if os.environ.get("FORCE_COLOR"):
        return True
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return not options.output and sys.stdout.isatty()


def write(output: str | None, pieces: Iterable[str]) -> None:
    """Write a report to a file, whole or not at all, or to standard output."""
    if output is None:
        _print(pieces)
        return
    from pathlib import Path  # noqa: PLC0415 - see the module's docstring

    from dockproof.baseline import write_whole  # noqa: PLC0415 - as above

    write_whole(Path(output), pieces)


def _print(pieces: Iterable[str]) -> None:
    """Print text as UTF-8 whatever the locale is; a file name that is no UTF-8 is shown with escapes."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)  # what stands in for it in a test may have none
    if reconfigure:
        reconfigure(encoding="utf-8", errors="backslashreplace")
    for piece in pieces:
        _output(sys.stdout.write, piece)


def _output(action: Callable[..., object], *arguments: str) -> None:
    """Say in one sentence that standard output takes no more; a reader that has gone stays `BrokenPipeError`."""
    try:
        action(*arguments)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise NotLookedError(f"standard output cannot be written: {error.strerror}") from None


def _policies(arguments: list[str]) -> int:
    parser = parser_for("policies")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    options = _with_configuration(parser, arguments)
    from dockproof.report import policies as listing  # noqa: PLC0415 - see the module's docstring

    _, known = _configured(options, os.curdir)
    _print(listing.as_json(known) if options.format == "json" else listing.as_text(known))
    return Exit.CLEAN


def _explain(arguments: list[str]) -> int:
    parser = parser_for("explain")
    parser.add_argument("id", metavar="ID", help="a policy's id, as non-root or hadolint:DL3008")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    options = _with_configuration(parser, arguments)
    from dockproof.report import policies as listing  # noqa: PLC0415 - see the module's docstring

    _, known = _configured(options, os.curdir)
    _print(listing.explain(options.id, known, as_json=options.format == "json"))
    return Exit.CLEAN


def _with_configuration(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--config", metavar="FILE", help="the configuration, for the project's own policies")
    which.add_argument("--no-config", action="store_true", help="built-in policies alone")
    return parser.parse_args(arguments)
