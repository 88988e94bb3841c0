"""The anatomy of a policy: one property, up to three probes, and the mutants that prove it.

A policy is a module of `dockproof.catalog` with one subclass of `Policy`. The module's name is its id, the
module's docstring its page, and the set of probe methods that it overrides its coverage.
"""

from __future__ import annotations

import re
from enum import StrEnum

from dockproof.finding import Answer, Finding, NotApplicable, Place, Probe, Severity, Unseen
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, ClassVar, Protocol

    from dockproof.facts.blame import Blame
    from dockproof.facts.container import ContainerFacts
    from dockproof.facts.context import BuildContext
    from dockproof.facts.dockerfile import Dockerfile
    from dockproof.facts.image import ImageFacts, Layer, Package
    from dockproof.facts.reproduction import Reproduction
    from dockproof.facts.span import Span
    from dockproof.facts.stages import Stage

    class HasSpan(Protocol):
        """Whatever has a place in the Dockerfile: an instruction, a flag, a reference to an image."""

        @property
        def span(self) -> Span:
            """Where it stands."""


class Profile(StrEnum):
    """What an image is for; a policy says how severe it is for each."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"
    BUILDER = "builder"


class Family(StrEnum):
    """The chapters of the catalogue."""

    SUPPLY_CHAIN = "Supply chain"
    LEAST_PRIVILEGE = "Least privilege"
    SECRETS = "Secrets and build context"
    STAGES = "Stages and size"
    OPERATION = "Operation"
    SOUND = "Sound Dockerfiles"
    REPEATABLE = "Repeatable builds"


BY_SOURCE = (Probe.SOURCE,)
BY_IMAGE = (Probe.IMAGE,)
BY_BUILD = (Probe.SOURCE, Probe.IMAGE)
"""Who claims that a clause holds, see `Clause.claimed_by`."""


class Clause(NamedTuple):
    """One meaning inside a policy that gathers several peer rules.

    Attributes:
        name: kebab case, unique in its policy.
        title: the property that holds, one phrase.
        same_as: peer rules with the same verdict, as `hadolint:DL3002`.
        covers: peer rules that it fires at least as often as.
        claimed_by: the levels whose silence says that it holds: where such a level is silent and another finds it
            broken, they contradict each other. None = nobody's silence says so, as of a clause that one level asks.
        question: the clause that asks the same at another level under its own name, "" = none does.
    """

    name: str
    title: str
    same_as: tuple[str, ...] = ()
    covers: tuple[str, ...] = ()
    claimed_by: tuple[Probe, ...] = ()
    question: str = ""


class SourceTarget(NamedTuple):
    """What a source probe is asked about.

    Attributes:
        dockerfile: the facts of the file.
        shipped: the shipped stages: the last one, or the targets that compose or `--target` names.
        needed: indexes of all stages that a shipped one needs, itself included.
        context: the build context, None where there is none (standard input).
        options: this policy's own table of the configuration.
        profile: the profile in force.
    """

    dockerfile: Dockerfile
    shipped: tuple[Stage, ...]
    needed: frozenset[int]
    context: BuildContext | None = None
    options: Mapping[str, Any] = {}
    profile: Profile = Profile.PRODUCTION


class ImageTarget(NamedTuple):
    """What an image probe is asked about; `source` is there where the Dockerfile is at hand.

    A probe names a file, a layer or a field of the config; the gate completes the finding's place from `blame`.
    `again` is the comparison with a second, clean build, None where none was asked for.
    """

    image: ImageFacts
    base: ImageFacts | None = None
    source: SourceTarget | None = None
    options: Mapping[str, Any] = {}
    profile: Profile = Profile.PRODUCTION
    again: Reproduction | None = None

    @property
    def blame(self) -> Blame:
        """Where the parts of the image come from, worked out once for an image, its base and its Dockerfile."""
        stage = self.source.shipped[-1] if self.source and self.source.shipped else None
        return self.image.blame(self.base, stage)

    @property
    def own_layers(self) -> tuple[Layer, ...]:
        """The layers that stand over the base, as far as anything tells; else all."""
        return self.image.layers[self.blame.inherited.layers :]

    def told_of(self, layer: Layer, path: str) -> tuple[str, str]:
        """Say whose a file of a layer is, and that a later layer hides it; "" for our own, and for one that is seen."""
        entry = self.image.files.get(path)
        hidden = entry is None or entry.layer != layer.index
        whose = "" if layer.index >= self.blame.inherited.layers else " of the base image"
        return whose, ", which a later layer hides but does not remove" if hidden else ""

    @property
    def own_packages(self) -> Iterator[tuple[Package, Place]]:
        """The packages that the own layers brought, each with its place; all where the base is not known."""
        first = self.blame.inherited.layers
        below = {package.name for package in self.base.packages} if self.base else frozenset()
        for package in self.image.packages:
            layer = self.image.package_layer(package)
            if package.name not in below and (layer is None or layer >= first):
                diff_id = "" if layer is None else self.image.layers[layer].diff_id
                yield package, Place(layer=diff_id, path=package.path)


class RuntimeTarget(NamedTuple):
    """What a runtime probe is asked about: the container and the image it was started from."""

    container: ContainerFacts
    image: ImageFacts
    source: SourceTarget | None = None
    options: Mapping[str, Any] = {}
    profile: Profile = Profile.PRODUCTION


class Example(NamedTuple):
    """Two small Dockerfiles for a policy's page, which the tests run; indented as the code around them.

    Attributes:
        failing: the policy has exactly one thing to say of it; the page marks the line.
        passing: the same, mended; the policy is silent.
        ignore: the ignore file beside the second one, "" = none, and no build context is looked at.
        options: the policy's options for both.
    """

    failing: str
    passing: str
    ignore: str = ""
    options: Mapping[str, Any] = {}

    @property
    def files(self) -> tuple[str, str]:
        """The failing and the passing Dockerfile, without the indentation of the code around them."""
        from textwrap import dedent  # noqa: PLC0415 - few commands show examples

        return dedent(self.failing).strip("\n"), dedent(self.passing).strip("\n")


class SourceMutant(NamedTuple):
    """An edit of a good Dockerfile that takes the property away.

    Attributes:
        name: kebab case, unique in its policy.
        old: text that stands exactly once in the file; what is replaced.
        new: what replaces it.
        file: name of the good file: a shipped one (`Dockerfile`, `Dockerfile.worker`, `Dockerfile.dev`), or a
            generated one (`good/debian`).
        clause: the clause that must turn red.
        also: other policies that rightly turn red too.
        at: text that stands on the line where the finding must sit; "" = a line of `new`.
        ignore: what the build context's ignore file holds instead, None = it stays as it is.
    """

    name: str
    old: str
    new: str
    file: str = "Dockerfile"
    clause: str | None = None
    also: frozenset[str] = frozenset()
    at: str = ""
    ignore: str | None = None


class EditMutant(NamedTuple):
    """An edit that takes the property away from any Dockerfile that has it: a generated one, or a user's.

    One of three: lines are inserted (`insert`), the first instruction of `keyword` in which `old` is found gets `new`
    for it, or without `old` every `keyword` of the shipped stage is dropped.

    Attributes:
        name: kebab case, unique in its policy.
        insert: the lines; `{user}` in them is the user of the shipped stage.
        where: of an insertion: `end` of the shipped stage, `begin` behind its FROM, `before` it, or the file's `top`;
            of a replacement `shipped` = in the shipped stage and those it is built FROM alone.
        keyword: the instruction that is edited or dropped.
        old: a regular expression, searched in the instruction as written.
        new: what replaces it (`re.Match.expand`); `{shell}` in it is the exec form as a shell command.
        clause: the clause that must turn red.
        also: other policies that may rightly turn red too, depending on the file.
        requires: what must hold of the file, names of `dockproof.proof.edits.REQUIREMENTS`.
    """

    name: str
    insert: str = ""
    where: str = "end"
    keyword: str = ""
    old: str = ""
    new: str = ""
    clause: str | None = None
    also: frozenset[str] = frozenset()
    requires: tuple[str, ...] = ()


class ImageMutant(NamedTuple):
    """Instructions built really on top of the good image, that take the property away.

    Attributes:
        name: kebab case, unique in its policy.
        instructions: Dockerfile text that follows `FROM <the good image>`; with `{image}` in it the text is
            the whole Dockerfile and `{image}` the good image.
        service: the compose service whose image is the good one.
        clause: the clause that must turn red.
        also: other policies that rightly turn red too.
        twice: it is built a second time without the cache, and both images are compared.
    """

    name: str
    instructions: str
    service: str = "api"
    clause: str | None = None
    also: frozenset[str] = frozenset()
    twice: bool = False


class RuntimeMutant(NamedTuple):
    """The good image, run worse; or a worse image, really built and run.

    Attributes:
        name: kebab case, unique in its policy.
        override: what is merged over the compose service, as `{"user": "0:0"}`.
        service: the compose service that is run.
        clause: the clause that must turn red.
        also: other policies that rightly turn red too.
        instructions: what is built on top of the good image first, as for `ImageMutant`; "" = nothing.
        experiments: what is done to it; None = all that its policy asks for.
    """

    name: str
    override: Mapping[str, Any]
    service: str = "api"
    clause: str | None = None
    also: frozenset[str] = frozenset()
    instructions: str = ""
    experiments: frozenset[str] | None = None


Mutant = SourceMutant | EditMutant | ImageMutant | RuntimeMutant


class Policy:
    """One property that an image must have.

    Subclasses set the metadata and override the probes that they can answer; those they leave are documented
    no-ops. Probes are pure: facts in, answers out.

    Attributes:
        id: kebab case, the module's name; set by the catalogue.
        title: the property that holds, as "runs as a user that is not root".
        family: its chapter.
        production: severity for production images, None = off.
        development: severity for development images, None = off.
        builder: severity for images that only build others; None = off.
        same_as: peer rules with the same verdict on the same text.
        covers: peer rules that it fires at least as often as.
        clauses: named meanings; empty for a policy with one.
        references: where the rule comes from (URLs, `cis:4.1`).
        since: the version that brought it.
        options: its configuration keys with their defaults; unknown keys are errors.
        whole_file: whether a stage that nothing shipped needs counts as much as any other.
        experiments: runtime experiments it needs, names of `dockproof.facts.container.Experiment`.
        example: for its page; None where it is not asked of Dockerfiles.
        mutants: the proof.
    """

    id: ClassVar[str] = ""
    title: ClassVar[str]
    family: ClassVar[Family]
    production: ClassVar[Severity | None] = Severity.ERROR
    development: ClassVar[Severity | None] = Severity.ERROR
    builder: ClassVar[Severity | None] = None
    same_as: ClassVar[tuple[str, ...]] = ()
    covers: ClassVar[tuple[str, ...]] = ()
    clauses: ClassVar[tuple[Clause, ...]] = ()
    references: ClassVar[tuple[str, ...]] = ()
    since: ClassVar[str] = "0.1.0"
    options: ClassVar[Mapping[str, Any]] = {}
    whole_file: ClassVar[bool] = False
    experiments: ClassVar[frozenset[str]] = frozenset()
    example: ClassVar[Example | None] = None
    mutants: ClassVar[tuple[Mutant, ...]] = ()

    def source(self, target: SourceTarget) -> Iterable[Answer]:
        """Answer from the Dockerfile; no-op unless overridden."""
        return ()

    def image(self, target: ImageTarget) -> Iterable[Answer]:
        """Answer from the built image; no-op unless overridden."""
        return ()

    def runtime(self, target: RuntimeTarget) -> Iterable[Answer]:
        """Answer from the running container; no-op unless overridden."""
        return ()

    def problem_of_option(self, name: str, value: Any) -> str:
        """Say what is wrong with an option's value, which already has the type of its default; "" for nothing.

        The configuration asks it for every option that it sets, so that a value that no probe could use is an error
        of the configuration, with its place, and never a crash of a probe.
        """
        return ""

    @property
    def probes(self) -> tuple[Probe, ...]:
        """The levels at which this policy asks: those whose method it overrides."""
        return tuple(p for p in Probe if getattr(type(self), p) is not getattr(Policy, p))

    def severity(self, profile: Profile) -> Severity | None:
        """Severity under a profile; None where the policy is off."""
        severity: Severity | None = getattr(self, profile.value)
        return severity

    def at(
        self,
        where: HasSpan,
        message: str,
        *,
        stage: Stage | None = None,
        clause: str | None = None,
        column: int | None = None,
        line: int | None = None,
        help: str = "",  # noqa: A002 - the word of the report
        fixable: bool = False,
    ) -> Finding:
        """Build a source finding at an instruction, or a part of one, or at a line and column inside it."""
        span = where.span
        end = 0 if line or column else span.end_column
        place = Place(line or span.line, line or span.end_line, column or span.column, end_column=end)
        named = None if stage is None else (stage.name or str(stage.index))
        return Finding(self.id, message, place, Probe.SOURCE, clause, named, help, fixable)

    def in_image(self, message: str, place: Place, *, clause: str | None = None, help: str = "") -> Finding:  # noqa: A002 - the word of the report
        """Build an image finding."""
        return Finding(self.id, message, place, Probe.IMAGE, clause, None, help)

    def in_container(
        self,
        message: str,
        place: Place,
        *,
        clause: str | None = None,
        help: str = "",  # noqa: A002 - the word of the report
    ) -> Finding:
        """Build a runtime finding."""
        return Finding(self.id, message, place, Probe.RUNTIME, clause, None, help)

    def skip(self, probe: Probe, reason: str) -> NotApplicable:
        """Say that the question makes no sense here, and why."""
        return NotApplicable(self.id, probe, reason)

    def unseen(self, probe: Probe, reason: str) -> Unseen:
        """Say that the question could not be answered, and why: neither a pass nor a finding, and exit 4."""
        return Unseen(self.id, probe, reason)

    def untried(self, container: ContainerFacts, experiment: str) -> Iterator[NotApplicable | Unseen]:
        """Say of an experiment without a result why there is none; what nobody excused was not looked at."""
        if experiment in container.switched_off:
            yield self.skip(
                Probe.RUNTIME, f"{experiment} was not tried: {container.switched_off[experiment]}"
            )
        elif experiment not in container.not_needed:
            why = container.not_tried.get(experiment, "nobody tried")
            yield self.unseen(Probe.RUNTIME, f"{experiment} was not tried: {why}")

    def unread(self, container: ContainerFacts) -> Iterator[Unseen]:
        """Say which processes' environment could not be read, for a policy that asks for it."""
        pids = [process.pid for process in container.processes if process.environ is None]
        if pids:
            reason = f"the environment of pid {', '.join(map(str, pids))} could not be read"
            yield self.unseen(Probe.RUNTIME, reason)


_HEADING = pattern(r"^(?P<title>[A-Z][A-Za-z ]+)\n-{3,}$", re.MULTILINE)

SECTIONS = ("What it holds", "Why it matters", "How to fix it", "References")


def sections(docstring: str) -> dict[str, str]:
    """Split a policy module's docstring into its sections, title to text.

    The first line, before any heading, stands under "". Headings are underlined with dashes.
    """
    parts = _HEADING.split(docstring)
    texts = {"": parts[0].strip()}
    for title, text in zip(parts[1::2], parts[2::2], strict=True):
        texts[title] = text.strip()
    return texts
