"""Stages: what each is built from, what it takes from elsewhere, and the settings that hold at its end."""

from __future__ import annotations

import posixpath
from fnmatch import fnmatchcase
from itertools import chain, pairwise
from operator import attrgetter
from types import MappingProxyType

from dockproof.facts.durations import parse_duration
from dockproof.facts.images import ImageRef
from dockproof.facts.lazy import lazy
from dockproof.facts.ports import Port, parse_port
from dockproof.facts.values import (
    DEFAULT_PATH,
    PLATFORM_ARGUMENTS,
    Budget,
    Origin,
    Scope,
    Table,
    Value,
    Variable,
    expand,
    expand_words,
    plain,
)
from dockproof.generic import Generic, T
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Mapping

    from dockproof.facts.dockerfile import Dockerfile, Instruction, Pair
    from dockproof.facts.span import Span


DEFAULT_SHELL = ("/bin/sh", "-c")
WINDOWS_SHELL = ("cmd", "/S", "/C")
"""What runs a shell form in an image of Windows."""
_WINDOWS = pattern(
    r".*(?:windows|nanoserver|servercore|dotnet/framework).*", needs=("windows", "server", "framework")
)
_VARIABLE = pattern(r"\$(?:(\w+)|\{(\w+)[^{}]*\})")
_AMD64 = {
    f"{side}{part}": text
    for side in ("BUILD", "TARGET")
    for part, text in (("PLATFORM", "linux/amd64"), ("OS", "linux"), ("ARCH", "amd64"), ("VARIANT", ""))
}
TRIGGER_LIMIT = 20_000
"""How often ONBUILD triggers may run in one file: stages times triggers would grow beyond all bounds."""


class Setting(NamedTuple, Generic[T]):
    """A value that holds at the end of a stage.

    Attributes:
        value: what holds.
        instruction: what set it; of an ONBUILD trigger the inner instruction.
        stage: the stage in which it was set.
        inherited: that is another stage than the one asked.
    """

    value: T
    instruction: Instruction
    stage: Stage
    inherited: bool


class Base(NamedTuple):
    """What a stage is built FROM.

    Attributes:
        kind: `image`, `stage`, `scratch`, `unknown` (a variable without a known value) or `invalid` (no image
            reference).
        value: the expanded name.
        ref: the image of kind `image`.
        stage: the stage of kind `stage`; where a variable without a known value chooses among stages, as
            `build-$TARGETARCH` does, the one for linux/amd64, or else the last.
        choices: the earlier stages that a name with a variable in it may mean.
    """

    kind: str
    value: Value
    ref: ImageRef | None = None
    stage: Stage | None = None
    choices: tuple[Stage, ...] = ()

    @property
    def is_windows(self) -> bool:
        """Whether the image's name or tag says that it is one of Windows."""
        return self.ref is not None and bool(_WINDOWS.fullmatch(f"{self.ref.path}:{self.ref.tag}"))


class External(NamedTuple):
    """An image or stage that files or a frontend are taken from.

    Attributes:
        instruction: what takes it, None for the syntax line.
        how: `from`, `copy`, `mount` or `syntax`.
        value: the name.
        ref: the image, None for a stage or what is no image reference.
        stage: the stage, None for an image.
        span: where the name stands.
    """

    instruction: Instruction | None
    how: str
    value: Value
    ref: ImageRef | None
    stage: Stage | None
    span: Span


class Health(NamedTuple):
    """A health check.

    Attributes:
        instruction: the HEALTHCHECK.
        disabled: it is HEALTHCHECK NONE.
        json: the command's exec form, None for the shell form.
        value: the command as written, behind CMD.
        interval, timeout, start_period, start_interval: seconds, None where Docker's default holds.
        retries: None where Docker's default holds.
    """

    instruction: Instruction
    disabled: bool
    json: tuple[str, ...] | None
    value: str
    interval: float | None
    timeout: float | None
    start_period: float | None
    start_interval: float | None
    retries: int | None


_IN_FILE = attrgetter("index")


class Stage:
    """One stage.

    Attributes:
        index: 0-based.
        name: in lower case, None without one.
        instruction: its FROM.
        base: what it is built from.
        root_base: what the outermost stage of its lineage is built from: never a stage.
        platform: the value of --platform, None without one.
        instructions: those behind its FROM.
        triggers: the inner instructions of its own ONBUILD lines.
        triggers_cut: the file's triggers run too often in all (`TRIGGER_LIMIT`), so that those of this stage are
            left out; a problem says so.
    """

    def __init__(
        self,
        index: int,
        instruction: Instruction,
        base: Base,
        platform: Value | None,
        settings: _FileSettings,
    ) -> None:
        """Made by `build_stages`."""
        self.index = index
        self.instruction = instruction
        self.base = base
        self.platform = platform
        self.instructions: tuple[Instruction, ...] = ()
        self.root_base: Base = base.stage.root_base if base.stage else base
        self.triggers_cut = False
        self.triggers: tuple[Instruction, ...] = ()
        self.name = _stage_name(instruction)
        self._settings = settings
        self._expanded: dict[tuple[int | None, int, str], Value] = {}

    def __repr__(self) -> str:
        return f"<Stage {self.index} {self.name or ''}>"

    def sibling(self, name: str) -> Stage | None:
        """A stage of the same file by name, in any casing, or by index."""
        return self._settings.find(name)

    @property
    def parent(self) -> Stage | None:
        """The stage it is built FROM, None where it begins with an image."""
        return self.base.stage

    @property
    def triggered(self) -> tuple[Instruction, ...]:
        """The ONBUILD triggers of the stage it is built from, which run first."""
        return self.base.stage.triggers if self.base.stage and not self.triggers_cut else ()

    @lazy
    def sequence(self) -> tuple[Instruction, ...]:
        """What is really run in it: the triggers, then its own instructions."""
        return self.triggered + self.instructions

    def these(self, *keywords: str) -> tuple[Instruction, ...]:
        """Its own instructions with one of these keywords, in order; of an ONBUILD what it triggers."""
        known = self._by_keyword
        found = [known[keyword] for keyword in keywords if keyword in known]
        return found[0] if len(found) == 1 else tuple(sorted(chain.from_iterable(found), key=_IN_FILE))

    @lazy
    def _by_keyword(self) -> Mapping[str, tuple[Instruction, ...]]:
        found: dict[str, list[Instruction]] = {}
        for one in self.instructions:
            inner = one.effective
            found.setdefault(inner.keyword, []).append(inner)
        return {keyword: tuple(some) for keyword, some in found.items()}

    @property
    def lineage(self) -> tuple[Stage, ...]:
        """Itself, the stage it is built from, and so on outward."""
        if self.base.stage is None:
            return (self,)
        found = [self]
        while found[-1].base.stage:
            found.append(found[-1].base.stage)
        return tuple(found)

    @lazy
    def _state(self) -> _State:
        """The settings; those of the stages before it are worked out first, without recursion."""
        waiting: list[Stage] = []
        stage: Stage | None = self.base.stage
        while stage and "_state" not in stage.__dict__:
            waiting.append(stage)
            stage = stage.base.stage
        for one in reversed(waiting):
            one.__dict__["_state"] = _State(one)
        return _State(self)

    def _seen_from_here(self, setting: Setting[T] | None) -> Setting[T] | None:
        if setting is None or setting.stage is self:
            return setting
        return setting._replace(inherited=True)

    @property
    def user(self) -> Setting[Value] | None:
        """The effective USER, None where the whole lineage has none."""
        return self._seen_from_here(self._state.user)

    @property
    def workdir(self) -> Setting[Value] | None:
        """The effective WORKDIR as an absolute path; unknown where it is relative to the base image's."""
        return self._seen_from_here(self._state.workdir)

    @property
    def shell(self) -> Setting[tuple[str, ...]] | None:
        """The last SHELL, None where the whole lineage has none."""
        return self._seen_from_here(self._state.shell)

    @property
    def command(self) -> Setting[Instruction] | None:
        """The effective CMD. An ENTRYPOINT in a later stage of the lineage takes an inherited one away."""
        return self._seen_from_here(self._state.command)

    @property
    def entrypoint(self) -> Setting[Instruction] | None:
        """The effective ENTRYPOINT."""
        return self._seen_from_here(self._state.entrypoint)

    @property
    def healthcheck(self) -> Setting[Health] | None:
        """The effective HEALTHCHECK; NONE is one too, with `disabled`."""
        return self._seen_from_here(self._state.healthcheck)

    @property
    def stop_signal(self) -> Setting[Value] | None:
        """The effective STOPSIGNAL."""
        return self._seen_from_here(self._state.stop_signal)

    def _gather(self, pick: Callable[[_State], Mapping[str, Setting[T]]]) -> Mapping[str, Setting[T]]:
        if self.base.stage is None:
            return MappingProxyType(pick(self._state))
        merged: dict[str, Setting[T]] = {}
        for stage in reversed(self.lineage):
            inherited = stage is not self
            for name, setting in pick(stage._state).items():  # noqa: SLF001  # another of the same class
                merged[name] = setting._replace(inherited=True) if inherited else setting
        return MappingProxyType(merged)

    @lazy
    def environment(self) -> Mapping[str, Setting[Value]]:
        """The names that ENV sets, in this stage and those it is built from."""
        return self._gather(lambda state: state.environment)

    @lazy
    def labels(self) -> Mapping[str, Setting[Value]]:
        """The labels, likewise."""
        return self._gather(lambda state: state.labels)

    @lazy
    def ports(self) -> tuple[Setting[Port], ...]:
        """The exposed ports, likewise; one for each word of EXPOSE that differs."""
        return tuple(self._gather(lambda state: state.ports).values())

    @lazy
    def volumes(self) -> tuple[Setting[Value], ...]:
        """The volumes, likewise."""
        return tuple(self._gather(lambda state: state.volumes).values())

    @property
    def arguments(self) -> Mapping[str, Value]:
        """The names that ARG declares in this stage, with what they hold at its end."""
        return MappingProxyType(self._state.arguments)

    @property
    def failed(self) -> Mapping[int, tuple[str, str]]:
        """By `id` of an instruction, the first of its texts that cannot be expanded and the reason."""
        return self._state.failed

    @lazy
    def externals(self) -> tuple[External, ...]:
        """Every image or stage it takes from: FROM, COPY --from, RUN --mount from=; `scratch` is none."""
        found = [] if self.base.kind == "scratch" else [self._from()]
        for one in self.sequence:
            inner = one.effective
            if inner.has_flags and inner.keyword in _TAKING:
                found += _taken_by(inner, self._settings)
        return tuple(found)

    def _from(self) -> External:
        words = self.instruction.words
        span = self.instruction.span_of(0, len(words[0])) if words else self.instruction.span
        return External(self.instruction, "from", self.base.value, self.base.ref, self.base.stage, span)

    @lazy
    def _positions(self) -> dict[int, int]:
        places: dict[int, int] = {}
        for position, one in enumerate(self.sequence):
            places[id(one)] = position
            if one.trigger:
                places[id(one.trigger)] = position
        return places

    def scope_at(self, instruction: Instruction) -> Scope:
        """The scope in front of an instruction of this stage; of its own FROM the scope of FROM lines."""
        if instruction is self.instruction:
            return self._settings.scope
        return Scope(self._state.table, self._positions.get(id(instruction)))

    def expand(self, instruction: Instruction, text: str) -> Value:
        """Expand a text with the scope as it is in front of that instruction."""
        known = plain(text, instruction.escape)  # nearly all are; a scope costs more than they do
        if known is not None:
            return known
        scope = self.scope_at(instruction)
        asked = (scope.position, id(scope.table), text)
        if asked not in self._expanded:  # several policies ask for the same
            self._expanded[asked] = expand(text, scope, instruction.escape)
        return self._expanded[asked]

    def shell_at(self, instruction: Instruction) -> tuple[str, ...]:
        """The shell that a shell form is run with at that instruction."""
        if not self._state.shells:
            return self._inherited_shell
        position = self._positions.get(id(instruction))
        for at, shell in reversed(self._state.shells):
            if position is None or at < position:
                return shell
        return self._inherited_shell

    @lazy
    def _inherited_shell(self) -> tuple[str, ...]:
        inherited = self.base.stage and self.base.stage.shell
        if inherited:
            return inherited.value
        return WINDOWS_SHELL if self.root_base.is_windows else DEFAULT_SHELL


class _FileSettings(NamedTuple):
    """What all stages of a file share: the scope of FROM lines, values from outside, the finished list."""

    scope: Scope
    build_arguments: Mapping[str, str]
    stages: list[Stage]
    names: dict[str, Stage]
    budget: Budget

    def find(self, name: str, *, by_index: bool = True) -> Stage | None:
        """A stage by name, in any casing, or by index; of several of one name the last, as BuildKit has it."""
        if by_index and name[-1:].isdigit() and _INDEX.fullmatch(name):
            index = int(name)
            return self.stages[index] if 0 <= index < len(self.stages) else None
        return self.names.get(name.lower())


_INDEX = pattern(r"[+-]?[0-9]{1,9}")


_TAKING = frozenset({"COPY", "RUN"})


class _State:
    """The settings at the end of one stage, worked out in one pass."""

    def __init__(self, stage: Stage) -> None:
        before = stage.base.stage._state if stage.base.stage else None  # noqa: SLF001  # worked out before
        self.stage = stage
        self.settings = stage._settings  # noqa: SLF001  # the state is the stage's own part
        self.table = _stage_table(stage, before)
        self.user: Setting[Value] | None = before.user if before else None
        self.workdir: Setting[Value] | None = before.workdir if before else None
        self.shell: Setting[tuple[str, ...]] | None = before.shell if before else None
        self.command: Setting[Instruction] | None = before.command if before else None
        self.entrypoint: Setting[Instruction] | None = before.entrypoint if before else None
        self.healthcheck: Setting[Health] | None = before.healthcheck if before else None
        self.stop_signal: Setting[Value] | None = before.stop_signal if before else None
        self.environment: dict[str, Setting[Value]] = {}
        self.labels: dict[str, Setting[Value]] = {}
        self.ports: dict[str, Setting[Port]] = {}
        self.volumes: dict[str, Setting[Value]] = {}
        self.arguments: dict[str, Value] = {}
        self.shells: list[tuple[int, tuple[str, ...]]] = []
        self.failed: dict[int, tuple[str, str]] = {}
        for position, instruction in enumerate(stage.sequence):
            handler = _HANDLERS.get(instruction.keyword)
            if handler:
                handler(self, instruction, position)

    def setting(self, value: T, instruction: Instruction) -> Setting[T]:
        return Setting(value, instruction, self.stage, False)  # noqa: FBT003  # keywords would cost, and there are many

    def expand(self, instruction: Instruction, text: str) -> Value:
        """Expand with all that stands so far."""
        return self._checked(instruction, text, expand(text, Scope(self.table), instruction.escape))

    def _checked(self, instruction: Instruction, text: str, value: Value) -> Value:
        if value.error:
            self.failed.setdefault(id(instruction), (text, value.error))
        return value

    def define(self, name: str, value: Value, is_set: bool, position: int) -> None:  # noqa: FBT001  # a variable's parts
        """Make a name visible to what follows."""
        value = self.settings.budget.take(name, value)
        self.table.define(name, Variable(value, is_set), position)

    def set_user(self, instruction: Instruction, _position: int) -> None:
        self.user = self.setting(self.expand(instruction, instruction.value), instruction)

    def set_workdir(self, instruction: Instruction, _position: int) -> None:
        value = self.expand(instruction, instruction.value)
        self.workdir = self.setting(self._absolute(value), instruction)

    def _absolute(self, value: Value) -> Value:
        if value.text is None or _is_absolute(value.text):
            clean = _clean(value.text) if value.text else value.text
            return value if clean == value.text else value._replace(text=clean)
        if self.workdir:
            before = self.workdir.value
            if before.text is None:
                return value._replace(text=None, missing=before.missing)
            return value._replace(text=_join(before.text, value.text))
        if self.stage.root_base.kind == "scratch":
            return value._replace(text=_clean(f"/{value.text}"))
        return value._replace(text=None, missing=("WORKDIR",))

    def set_shell(self, instruction: Instruction, position: int) -> None:
        if instruction.json:
            self.shell = self.setting(instruction.json, instruction)
            self.shells.append((position, instruction.json))

    def set_command(self, instruction: Instruction, _position: int) -> None:
        self.command = self.setting(instruction, instruction)

    def set_entrypoint(self, instruction: Instruction, _position: int) -> None:
        self.entrypoint = self.setting(instruction, instruction)
        if self.command and self.command.stage is not self.stage:
            self.command = None

    def set_healthcheck(self, instruction: Instruction, _position: int) -> None:
        self.healthcheck = self.setting(read_health(instruction), instruction)

    def set_stop_signal(self, instruction: Instruction, _position: int) -> None:
        self.stop_signal = self.setting(self.expand(instruction, instruction.value), instruction)

    def set_environment(self, instruction: Instruction, position: int) -> None:
        origin = Origin("ENV", instruction.line)
        pairs = instruction.pairs
        fresh = [
            (self._name(instruction, pair), self.expand(instruction, pair.value or "")) for pair in pairs
        ]
        for name, value in fresh:
            self.environment[name] = self.setting(value, instruction)
            self.define(name, value.set_by(origin), True, position)  # noqa: FBT003  # as in `define`

    def set_labels(self, instruction: Instruction, _position: int) -> None:
        for pair in instruction.pairs:
            value = self.expand(instruction, pair.value or "")
            self.labels[self._name(instruction, pair)] = self.setting(value, instruction)

    def _name(self, instruction: Instruction, pair: Pair) -> str:
        if pair.name.isidentifier():
            return pair.name
        name = self.expand(instruction, pair.name).text
        return pair.name if name is None else name

    def set_argument(self, instruction: Instruction, position: int) -> None:
        for pair in instruction.pairs:
            name = self._name(instruction, pair)
            variable = _argument(
                name, pair.value, instruction, Scope(self.table), self.settings.build_arguments
            )
            if pair.value is not None:
                self._checked(instruction, pair.value, variable.value)
            if variable.is_set is False:
                variable = _from_outside(name, self.settings.scope, self.table) or variable
            self.define(name, variable.value, bool(variable.is_set), position)
            self.arguments[name] = variable.value

    def add_ports(self, instruction: Instruction, _position: int) -> None:
        for word in instruction.words:
            for value in expand_words(word, Scope(self.table), instruction.escape):
                self._checked(instruction, word, value)
                key = value.text if value.text is not None else word
                self.ports[key] = self.setting(parse_port(value), instruction)

    def add_volumes(self, instruction: Instruction, _position: int) -> None:
        for word in instruction.words:
            value = self.expand(instruction, word)
            self.volumes[value.text if value.text is not None else word] = self.setting(value, instruction)


_HANDLERS: dict[str, Callable[[_State, Instruction, int], None]] = {
    "USER": _State.set_user,
    "WORKDIR": _State.set_workdir,
    "SHELL": _State.set_shell,
    "CMD": _State.set_command,
    "ENTRYPOINT": _State.set_entrypoint,
    "HEALTHCHECK": _State.set_healthcheck,
    "STOPSIGNAL": _State.set_stop_signal,
    "ENV": _State.set_environment,
    "LABEL": _State.set_labels,
    "ARG": _State.set_argument,
    "EXPOSE": _State.add_ports,
    "VOLUME": _State.add_volumes,
}


def _stage_table(stage: Stage, before: _State | None) -> Table:
    if before:
        return Table(before.table)
    if stage.base.kind == "scratch":
        path = Variable(Value(DEFAULT_PATH, (), (Origin("base", None),)), is_set=True)
        return Table(predefined={"PATH": path})
    return Table(open_world=True)


def _argument(
    name: str, default: str | None, instruction: Instruction, scope: Scope, given: Mapping[str, str]
) -> Variable:
    """What an ARG holds: the value from outside, else its default, else nothing."""
    if name in given:
        return Variable(Value(given[name], (), (Origin("build-arg", None),)), is_set=True)
    origin = Origin("ARG", instruction.line)
    if default is None:
        return Variable(Value(None, (name,), (origin,)), is_set=False)
    return Variable(expand(default, scope, instruction.escape).set_by(origin), is_set=True)


def _from_outside(name: str, globals_: Scope, table: Table) -> Variable | None:
    """What a bare ARG of a stage takes over: the ARG before FROM, or what stands in the stage already."""
    outer = globals_.get(name)
    if outer.is_set:
        return outer
    standing = table.get(name)
    return standing if standing.is_set else None


_DRIVE = pattern(r"[A-Za-z]:[\\/]")


def _is_absolute(path: str) -> bool:
    return path.startswith("/") or _DRIVE.match(path) is not None


_PLAIN_PATH = pattern(r"(?!\.\.?(?:/|\Z))[^/]++(?:/(?!\.\.?(?:/|\Z))[^/]++)*+")


def _join(before: str, path: str) -> str:
    """Append to a path that is clean already; what needs no cleaning costs nothing for what stands before."""
    if _PLAIN_PATH.fullmatch(path):
        return f"{before.rstrip('/')}/{path}"
    return _clean(f"{before}/{path}")


def _clean(path: str) -> str:
    if not path.startswith("/") or (_PLAIN_PATH.fullmatch(path, 1) and not path.endswith("/")):
        return path
    return "/" + posixpath.normpath(path).lstrip("/")


_RETRIES = pattern(r"\+?[0-9]{1,9}")


def read_health(instruction: Instruction) -> Health:
    """The parts of a HEALTHCHECK; what is no duration or number counts as not given."""
    words = instruction.words
    kind = words[0].upper() if words else ""
    command = instruction.value[len(words[0]) :].strip() if words else ""
    interval, timeout, start_period, start_interval = (
        parse_duration(instruction.flag(name) or "") or None for name in _HEALTH_TIMES
    )
    retries = instruction.flag("retries") or ""
    number = int(retries) or None if _RETRIES.fullmatch(retries) else None
    return Health(
        instruction,
        kind == "NONE",
        instruction.json,
        command,
        interval,
        timeout,
        start_period,
        start_interval,
        number,
    )


_HEALTH_TIMES = ("interval", "timeout", "start-period", "start-interval")


def _stage_name(instruction: Instruction) -> str | None:
    words = instruction.words
    return words[2].lower() if len(words) == 3 and words[1].lower() == "as" else None  # noqa: PLR2004  # FROM x AS y


def image_ref(value: Value) -> ImageRef | None:
    """The image that a known text names, None where it is no reference."""
    if not value.text:
        return None
    try:
        return ImageRef.parse(value.text)
    except ValueError:
        return None


def global_scope(file: Dockerfile) -> Scope:
    """The names that FROM lines see: BuildKit's own and the ARG before the first FROM."""
    given = {
        name: _predefined(name, file.build_arguments) for name in file.build_arguments if name in _PREDEFINED
    }
    table = Table(predefined={**_PREDEFINED, **given})
    for position, instruction in enumerate(file.arguments):
        for pair in instruction.pairs:
            variable = _argument(pair.name, pair.value, instruction, Scope(table), file.build_arguments)
            if variable.is_set or not table.get(pair.name).is_set:
                table.define(pair.name, variable, position)
    return Scope(table)


def _predefined(name: str, given: Mapping[str, str]) -> Variable:
    if name in given:
        return Variable(Value(given[name], (), (Origin("build-arg", None),)), is_set=True)
    return Variable(Value(None, (name,), (Origin("predefined", None),)), is_set=True)


_PREDEFINED = {name: _predefined(name, {}) for name in PLATFORM_ARGUMENTS}


def build_stages(file: Dockerfile) -> tuple[Stage, ...]:
    """The stages of a file in order."""
    settings = _FileSettings(file.scope, file.build_arguments, [], {}, Budget())
    run = 0
    starts = [one.index for one in file.instructions if one.keyword == "FROM"]
    for index, (start, stop) in enumerate(pairwise([*starts, len(file.instructions)])):
        instruction = file.instructions[start]
        stage = Stage(
            index,
            instruction,
            _base(instruction, settings),
            _platform(instruction, settings),
            settings,
        )
        stage.instructions = file.instructions[start + 1 : stop]
        stage.triggers = tuple(one.trigger for one in stage.instructions if one.trigger)
        run += len(stage.base.stage.triggers) if stage.base.stage else 0
        stage.triggers_cut = run > TRIGGER_LIMIT
        settings.stages.append(stage)
        if stage.name:
            settings.names[stage.name] = stage
    return tuple(settings.stages)


def _base(instruction: Instruction, settings: _FileSettings) -> Base:
    written = instruction.words[0] if instruction.words else ""
    value = expand(written, settings.scope, instruction.escape)
    choices = _choices(written, settings) if "$" in written else ()
    if value.text is None:
        chosen = (_chosen(written, settings) or choices[-1]) if choices else None
        return Base("stage" if chosen else "unknown", value, stage=chosen, choices=choices)
    stage = settings.names.get(value.text.lower())
    if stage:
        return Base("stage", value, stage=stage, choices=choices)
    if value.text == "scratch":
        return Base("scratch", value)
    ref = image_ref(value)
    return Base("image", value, ref) if ref else Base("invalid", value)


def _choices(written: str, settings: _FileSettings) -> tuple[Stage, ...]:
    """The stages whose names fit a name with variables; a variable alone would fit them all, and chooses none."""
    fits = _VARIABLE.sub("*", written.lower())
    if "$" in fits or not fits.strip("*"):
        return ()
    return tuple(stage for name, stage in settings.names.items() if fnmatchcase(name, fits))


def _chosen(written: str, settings: _FileSettings) -> Stage | None:
    """The stage that a build for linux/amd64 takes."""

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        return _AMD64.get(name) or settings.scope.get(name).value.text or ""

    return settings.names.get(_VARIABLE.sub(value, written).lower())


def _platform(instruction: Instruction, settings: _FileSettings) -> Value | None:
    text = instruction.flag("platform")
    return None if text is None else expand(text, settings.scope, instruction.escape)


def _taken_by(instruction: Instruction, settings: _FileSettings) -> Iterable[External]:
    """What COPY --from and RUN --mount take; a mount names stages by name alone."""
    if instruction.keyword == "COPY":
        for flag in instruction.flags:
            if flag.name == "from" and flag.value:
                yield _external(instruction, "copy", flag.value, flag.span, settings.find(flag.value))
    elif instruction.keyword == "RUN":
        for flag in instruction.flags:
            name = mount_source(flag.value) if flag.name == "mount" and flag.value else None
            if name:
                yield _external(instruction, "mount", name, flag.span, settings.find(name, by_index=False))


def _external(instruction: Instruction, how: str, name: str, span: Span, stage: Stage | None) -> External:
    value = Value(name)
    return External(instruction, how, value, None if stage else image_ref(value), stage, span)


def mount_source(text: str) -> str | None:
    """The `from=` of a mount's options, None without one."""
    if "from" not in text.lower():
        return None
    for field in mount_fields(text):
        key, equals, value = field.partition("=")
        if equals and key.lower() == "from":
            return value
    return None


def mount_fields(text: str) -> list[str]:
    """Cut a mount's options at the commas, quotes as in CSV."""
    if '"' not in text:
        return text.split(",")
    import csv  # noqa: PLC0415  # hardly ever needed

    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error:
        return text.split(",")


def syntax_of(file: Dockerfile) -> External | None:
    """The frontend image of the syntax line, None without one."""
    from dockproof.facts.span import Span  # noqa: PLC0415 - few files name a syntax

    for directive in file.directives:
        if directive.name == "syntax":
            value = Value(directive.value.split(" ", 1)[0])
            line = file.lines[directive.line - 1]
            start = max(line.find(value.text or ""), 0) + 1
            span = Span(directive.line, start, directive.line, start + len(value.text or ""))
            return External(None, "syntax", value, image_ref(value), None, span)
    return None
