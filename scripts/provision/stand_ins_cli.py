"""The command line of scripts/stand-ins."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.provision import build_secrets, cli, compose_override, engine, host, references, stand_ins
from scripts.provision.stand_in import differences

if TYPE_CHECKING:
    from collections.abc import Sequence

REPOSITORY = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run scripts/stand-ins and return its exit code: 0 done, 2 wrong usage, 4 an image cannot be had."""
    options = _parser().parse_args(arguments)
    return cli.run(stand_ins.WHO, options.action, options)


def _parser() -> argparse.ArgumentParser:
    text = "Images that stand in for a registry's where none is reachable."
    parser = argparse.ArgumentParser(prog="scripts/stand-ins", description=text)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    ensure = commands.add_parser("ensure", help="build what is missing")
    ensure.add_argument(
        "sources", nargs="*", metavar="SOURCE",
        help="a compose file, a Dockerfile or an image's name (default: the repository's compose.yaml)",
    )  # fmt: skip
    ensure.add_argument("--json", action="store_true", help="print the result")
    ensure.add_argument("--output", type=Path, metavar="FILE", help="write the result to a file")
    ensure.set_defaults(action=_ensure)
    ensure.add_argument(
        "--override", type=Path, metavar="FILE", help="write what `docker compose -f` needs over compose.yaml"
    )
    secrets = commands.add_parser("build-secrets", help="write the build secrets that this machine needs")
    secrets.add_argument(
        "--json", action="store_true", help="print {id: file} instead of docker build's arguments"
    )
    secrets.set_defaults(action=_build_secrets)
    compare = commands.add_parser(
        "differences", help="show where the stand-in for python:slim differs from the official image"
    )
    compare.set_defaults(action=_differences)
    return parser


def _ensure(options: argparse.Namespace) -> int:
    env = engine.up().applied(os.environ)
    sources = options.sources or stand_ins.default_sources(REPOSITORY)
    wanted = references.collect(sources, env)
    if not wanted:
        raise host.ProvisionError("no image is named: give a compose file, a Dockerfile or an image's name")
    report = stand_ins.ensure(wanted, stand_ins.Engine(env), host.cache_folder())
    text = json.dumps(report, indent=1)
    if options.output:
        _write(options.output, text)
    if options.override:
        project = references.read_compose(REPOSITORY / "compose.yaml", env)
        _write(options.override, json.dumps(compose_override.override(project, report), indent=1))
    if options.json or not options.output:
        print(text)
    return 0


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")


def _build_secrets(options: argparse.Namespace) -> int:
    secrets = build_secrets.write(host.cache_folder() / "secrets")
    if options.json:
        print(json.dumps(secrets, indent=1))
    else:
        print(" ".join(f"--secret id={name},src={path}" for name, path in secrets.items()))
    return 0


def _differences(_: argparse.Namespace) -> int:
    env = engine.up().applied(os.environ)
    image = stand_ins.local_name(references.parse("python:3.13-slim-trixie"))
    if not stand_ins.Engine(env).inspect(image)[0]:
        raise host.ProvisionError(f"there is no {image}: make it with scripts/stand-ins ensure")
    config = json.loads(
        host.run(
            ["docker", "image", "inspect", "--format", "{{json .Config}}", image], f"inspect {image}", env=env
        )
    )
    command = differences.arguments(image, config["Env"], config["Cmd"])
    for line in differences.lines(host.run(["docker", *command], f"look into {image}", env=env)):
        print(line)
    return 0
