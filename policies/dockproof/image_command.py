"""`dockproof image`: every image probe on any image or archive; Dockerfile and base help where they are at hand.

An argument that is a file, or a folder with an image's layout in it, is read without any engine; all else is an image
of the engine. Structure test files are answered beside the policies. What cannot be looked at is said beside what was
found, and makes the exit code 4.
"""

from __future__ import annotations

import contextlib
import functools
import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockproof import gate, waiver
from dockproof.collect import image as collect
from dockproof.collect.archive import INDEX, MANIFEST
from dockproof.errors import NotLookedError, UsageError
from dockproof.facts import waste
from dockproof.finding import Probe
from dockproof.gate import Answers, CheckReport, FileReport, NotLooked
from dockproof.policy import ImageTarget
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator, Mapping, Sequence

    from dockproof.collect.engine import Engine
    from dockproof.collect.structure import StructureResult
    from dockproof.config import Config, FileRule
    from dockproof.facts.image import ImageFacts, Layer
    from dockproof.facts.waste import Waste
    from dockproof.image_structure import Asked
    from dockproof.policy import Policy, SourceTarget
    from dockproof.run_image import Terms

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".oci")
"""Endings by which an argument is surely meant as a file."""

PULL_TIMEOUT = 600.0


class Settings(NamedTuple):
    """How images are looked at, beside what the configuration says.

    Attributes:
        platform: `os/architecture[/variant]`, "" = whatever is there, of several the machine's own.
        base: image or archive that the images are built on, "" = what the Dockerfile names, where the engine has it.
        dockerfile: the Dockerfile that made the images, None where it is not at hand.
        target: its stage, "" = the last one.
        pull: whether the engine gets images that it has not.
        terms: how the image is run, for the runtime probes; None = it is not.
        structure: structure test files to ask of the images too.
    """

    platform: str = ""
    base: str = ""
    dockerfile: Path | None = None
    target: str = ""
    pull: bool = False
    terms: Terms | None = None
    structure: tuple[Path, ...] = ()


def run(
    references: Sequence[str],
    policies: Mapping[str, Policy],
    config: Config,
    settings: Settings | None = None,
) -> CheckReport:
    """Ask all image probes about images and archives, and the runtime probes where they are run.

    Args:
        references: names, ids, files or folders.
        policies: all policies by id.
        config: the configuration in force.
        settings: the rest; None = the defaults.

    Raises:
        UsageError: the Dockerfile has no such target, or what is to be run is an archive.
    """
    looker = _Looker(policies, config, settings or Settings())
    return CheckReport(tuple(looker.report(reference) for reference in references))


class _Looker:
    """Looks at images one by one; what they share is here."""

    def __init__(self, policies: Mapping[str, Policy], config: Config, settings: Settings) -> None:
        self.policies, self.config, self.settings = policies, config, settings
        rules = config.rules_for(settings.dockerfile) if settings.dockerfile else ()
        self.profile = next((rule.profile for rule in rules if rule.profile), config.profile)
        self.asked = gate.asked(policies, config, self.profile, Probe.IMAGE)
        self.run_asked = gate.asked(policies, config, self.profile, Probe.RUNTIME) if settings.terms else []

    def report(self, reference: str) -> FileReport:
        """Look at one image; an error of it is its own."""
        try:
            return self._looked(reference)
        except NotLookedError as error:
            last = error.log.strip().rpartition("\n")[2].strip()
            sentence = str(error).removeprefix(f"{reference}: ")  # a report says the name by itself
            return FileReport(reference, self.profile, f"{sentence}: {last}" if last else sentence, Answers())

    def _looked(self, reference: str) -> FileReport:
        source = self._source
        target = ImageTarget(self._facts(reference), self._base(reference), source, profile=self.profile)
        answers = self._answers(reference, target)
        tests = self._structure(reference, target.image)
        answers = Answers(
            (*answers.findings, *tests.answers.findings),
            answers.not_applicable,
            (*answers.not_looked, *tests.answers.not_looked),
        )
        rules = self._rules(reference)
        found = waiver.stamp(answers.findings, [one for rule in rules for one in rule.waivers])
        findings = tuple(sorted(found, key=_order))
        answers = answers._replace(
            findings=findings, not_looked=(*answers.not_looked, *_missed(target, self.settings))
        )
        lines = source.dockerfile.lines if source else ()
        return FileReport(
            reference,
            self.profile,
            None,
            answers,
            tuple(dict.fromkeys(policy.id for policy in (*self.asked, *self.run_asked))),
            excerpt={
                f.place.line: lines[f.place.line - 1] for f in findings if 0 < f.place.line <= len(lines)
            },
            fingerprints=_fingerprints(reference, answers),
            dockerfile=str(self.settings.dockerfile) if self.settings.dockerfile else "",
            image=overview(target) | _tested(tests.results),
        )

    def _structure(self, reference: str, facts: ImageFacts) -> Asked:
        """Ask the structure tests; an archive's without any engine."""
        from dockproof import image_structure  # noqa: PLC0415 - few images are asked any

        configs = self.settings.structure
        engine = None if not configs or as_path(reference) else self._engine
        return image_structure.ask(configs, facts, engine)

    def _answers(self, reference: str, target: ImageTarget) -> Answers:
        """Ask the image, and the container where it is run; where they disagree is a finding too."""
        found = gate.ask(self.asked, Probe.IMAGE, target, self.config)
        terms = self.settings.terms
        if terms is None:
            return found
        from dockproof import run_image  # noqa: PLC0415 - few images are run

        given = self.policies, self.config, self.profile
        ran = run_image.answers(self._engine, reference, target.image, terms, *given)
        disagreed = run_image.contradictions(*given, {Probe.IMAGE: found, Probe.RUNTIME: ran})
        return Answers(
            (*found.findings, *ran.findings, *disagreed),
            (*found.not_applicable, *ran.not_applicable),
            (*found.not_looked, *ran.not_looked),
        )

    def _rules(self, reference: str) -> tuple[FileRule, ...]:
        return self.config.rules_for(self.settings.dockerfile or reference)

    def _facts(self, reference: str) -> ImageFacts:
        platform = self.settings.platform
        path = as_path(reference)
        if path is not None:
            return collect.from_archive(path, platform)
        if self.settings.pull and not self._engine.has_image(reference):
            self._pull(reference)
        return collect.facts(self._engine, reference, platform=platform)

    def _pull(self, reference: str) -> None:
        platform = ["--platform", self.settings.platform] if self.settings.platform else []
        self._engine.docker(
            "pull", "--quiet", *platform, reference, timeout=PULL_TIMEOUT, what=f"docker pull {reference}"
        )

    def _base(self, reference: str) -> ImageFacts | None:
        """Return the base that was named, else the one that the Dockerfile names where this engine has it."""
        if self.settings.base:
            return self._facts(self.settings.base)
        ref = self._source.shipped[-1].root_base.ref if self._source else None
        if ref is None or as_path(reference) is not None:
            return None
        from dockproof.collect import standins  # noqa: PLC0415 - only images of an engine have them

        name = standins.load().image_for(ref.text) or ref.text
        return collect.facts(self._engine, name) if self._engine.has_image(name) else None

    @functools.cached_property
    def _engine(self) -> Engine:
        from dockproof.collect.engine import Engine  # noqa: PLC0415 - archives need none

        return Engine.connect()

    @functools.cached_property
    def _source(self) -> SourceTarget | None:
        path = self.settings.dockerfile
        if path is None:
            return None
        from dockproof.facts.dockerfile import parse  # noqa: PLC0415 - few runs have one

        try:
            dockerfile = parse(path.read_bytes(), str(path))
            return gate.target_of(
                dockerfile, self.profile, [self.settings.target] if self.settings.target else []
            )
        except OSError as error:
            raise NotLookedError(f"{path}: cannot be read: {error.strerror}") from error
        except KeyError as error:
            raise UsageError(f"{path}: {error.args[0]}") from None


def as_path(reference: str) -> Path | None:
    """Return the archive or folder that an argument means; None for the name of an engine's image."""
    path = Path(reference)
    with contextlib.suppress(OSError, ValueError):
        is_layout = path.is_dir() and any((path / name).exists() for name in (INDEX, MANIFEST))
        if is_layout or (path.exists() and not path.is_dir()):
            return path
    meant = reference.startswith(("/", "./", "../", "~")) or reference.lower().endswith(ARCHIVES)
    return path if meant else None


def _order(finding: Any) -> tuple[int, str, str, int, str]:
    return (
        -finding.severity.rank,
        finding.policy,
        finding.clause or "",
        finding.place.layer_index,
        finding.place.path or finding.place.field,
    )


def _missed(target: ImageTarget, settings: Settings) -> Iterator[NotLooked]:
    for sentence in target.image.unread:
        yield NotLooked("packages", sentence, fatal=False)
    for sentence in target.image.beside:
        yield NotLooked(target.image.reference, sentence, fatal=False)
    if settings.dockerfile and not target.blame.instructions:
        reason = "its instructions are not those of the image's history, so no finding tells a line"
        yield NotLooked(str(settings.dockerfile), reason, fatal=False)
    if settings.base and target.base and not target.image.is_based_on(target.base):
        yield NotLooked(settings.base, "the image does not stand on it", fatal=False)


def _fingerprints(reference: str, answers: Answers) -> tuple[str, ...]:
    """Return a fingerprint for each finding: an image has no lines, so its file or field and the message stand in."""
    from dockproof import baseline  # noqa: PLC0415 - reports of other commands need none

    texts = [f"{f.place.path} {f.place.field} {f.message}" for f in answers.findings]
    numbered = [f._replace(place=f.place._replace(line=at)) for at, f in enumerate(answers.findings, 1)]
    return baseline.fingerprints(reference, numbered, dict(enumerate(texts, 1)))


# ------------------------------------------------------------------------------------------------- overview


def overview(target: ImageTarget) -> dict[str, Any]:
    """Return what the reports say of the image as a whole: layers, packages, user, and what nobody sees any more."""
    image, blame = target.image, target.blame
    packages = Counter(package.manager for package in image.packages)
    user = image.resolve_user()
    hidden = [one.entry for one in image.hidden if one.entry.type == "file"]
    wastes = tuple(waste.wasted(target.own_layers))
    wasted = {cause: waste.total(one for one in wastes if one.cause == cause) for cause in waste.CAUSES[:3]}
    wasted[waste.DUPLICATE] = waste.total(waste.duplicates(target.own_layers))
    wasted[waste.INSTALLED] = waste.total(waste.package_files(target.own_layers, image))
    return {
        "id": image.id,
        "platform": image.config.platform,
        "created": image.config.created or None,
        "size": sum(layer.size for layer in image.layers),
        "user": {"text": image.config.user, "uid": user.uid, "gid": user.gid},
        "base": {"layers": blame.inherited.layers, "told_by": blame.inherited.told_by or None},
        "packages": dict(packages),
        "wasted": wasted,
        "hidden": {"files": len(hidden), "size": sum(entry.size for entry in hidden)},
        "layers": [_layer(layer, target, wastes) for layer in image.layers],
    }


def _layer(layer: Layer, target: ImageTarget, wastes: Sequence[Waste]) -> dict[str, Any]:
    """Say what one layer weighs, where it comes from and which line of the Dockerfile made it."""
    blame = target.blame
    steps = {step.layer: at for at, step in enumerate(target.image.history) if not step.empty}
    return {
        "index": layer.index,
        "digest": layer.diff_id,
        "size": layer.size,
        "files": len(layer.entries),
        "wasted": waste.total(one for one in wastes if one.entry.layer == layer.index),
        "origin": blame.origin(layer.index) or None,
        "line": (blame.line(steps[layer.index])[0] or None) if layer.history else None,
        "created_by": layer.history.created_by if layer.history else None,
    }


def _tested(results: Sequence[StructureResult]) -> dict[str, Any]:
    """Return the results of structure tests, where any were asked."""
    return {"structure": [one._asdict() | {"config": str(one.config)} for one in results]} if results else {}


# -------------------------------------------------------------------------------------------------- command


def _parser() -> ArgumentParser:
    from dockproof import cli  # noqa: PLC0415 - it imports this module

    parser = cli.parser_for("image")
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE|FILE",
        help="an image of the engine, an archive, or an OCI layout's folder",
    )
    cli.add_common(parser, hadolint=False)
    parser.add_argument(
        "--dockerfile", metavar="FILE", help="the Dockerfile that made it: findings tell their line"
    )
    parser.add_argument(
        "--target", metavar="STAGE", default="", help="the Dockerfile's stage (default: the last)"
    )
    parser.add_argument(
        "--base", metavar="IMAGE|FILE", default="", help="what it is built on: tells base from own layers"
    )
    parser.add_argument(
        "--platform", metavar="OS/ARCH", default="", help="the platform to look at, as linux/arm64"
    )
    parser.add_argument("--pull", action="store_true", help="let the engine pull an image that it has not")
    parser.add_argument(
        "--structure",
        metavar="FILE",
        nargs="+",
        action="extend",
        default=[],
        type=Path,
        help="container-structure-test files to ask too; an archive's without any container",
    )
    running = parser.add_argument_group("the running container")
    running.add_argument(
        "--run", action="store_true", help="run it too, as shipped, and ask the runtime probes"
    )
    running.add_argument(
        "--compose", metavar="FILE", help="run it as the service of this file that has it under image:"
    )
    running.add_argument(
        "--env", metavar="NAME[=VALUE]", action="append", default=[], help="give it a variable"
    )
    running.add_argument("--tmpfs", metavar="PATH", action="append", default=[], help="give it a tmpfs")
    running.add_argument("--command", metavar="WORDS", default="", help="run this in place of its CMD")
    running.add_argument(
        "--without",
        metavar="EXPERIMENT",
        action="append",
        default=[],
        help="do without: cost, freeze, stop, …",
    )
    running.add_argument("--no-network", action="store_true", help="the program needs no network")
    cli.add_report(parser)
    return parser


def main(arguments: list[str]) -> int:
    """Run `dockproof image` with the arguments behind its name."""
    from dockproof import cli  # noqa: PLC0415 - as above

    options = _parser().parse_args(arguments)
    config, policies = cli.configuration(options, Path.cwd())
    report = run(options.images, policies, config, _settings(options))
    cli.write(options.output, cli.rendered(report, options, config, policies))
    return report.exit(config.fail_level)


def _settings(options: Namespace) -> Settings:
    if options.platform and options.platform.count("/") not in {1, 2}:
        raise UsageError(f"--platform: {options.platform!r} is no os/architecture, as linux/arm64")
    dockerfile = Path(options.dockerfile) if options.dockerfile else None
    return Settings(
        options.platform,
        options.base,
        dockerfile,
        options.target,
        options.pull,
        _terms(options),
        _readable(options.structure),
    )


def _readable(configs: Sequence[Path]) -> tuple[Path, ...]:
    """Return structure test files that can be asked; a mistake in one is told before an image is looked at.

    Raises:
        UsageError: one is missing, or no sound test file.
    """
    if configs:
        from dockproof.collect import structure_config  # noqa: PLC0415 - few images are asked any

        for config in configs:
            structure_config.read(config)
    return tuple(configs)


def _terms(options: Namespace) -> Terms | None:
    """Read how the image is run.

    Raises:
        UsageError: it is not, or not like that.
    """
    given = [
        name
        for name in ("compose", "env", "tmpfs", "command", "without", "no_network")
        if getattr(options, name)
    ]
    if not options.run:
        if given:
            raise UsageError(f"--{given[0].replace('_', '-')} says how an image is run: give --run too")
        return None
    from dockproof.facts.container import Experiment  # noqa: PLC0415 - few images are run
    from dockproof.run_image import Terms as Given  # noqa: PLC0415 - as above

    for archive in (image for image in options.images if as_path(image)):
        raise UsageError(f"--run: {archive} is a file; `docker load` it and give its name")
    for name in options.without:
        if name not in Experiment.all():
            raise UsageError(f"--without {name}: there are {', '.join(sorted(Experiment.all()))}")
    return Given(
        Path(options.compose) if options.compose else None,
        {
            name: value if is_given else None
            for name, is_given, value in (one.partition("=") for one in options.env)
        },
        tuple(shlex.split(options.command)),
        tuple(options.tmpfs),
        frozenset(options.without),
        not options.no_network,
    )
