"""What BuildKit refuses behind its parser: each instruction's own rules, and how instructions fit together.

Of each instruction the first refusal is told, as BuildKit stops there; of the file all of them.
"""

from __future__ import annotations

from dockproof.facts.durations import parse_duration
from dockproof.facts.heredoc import read_word
from dockproof.facts.images import ImageRef
from dockproof.facts.lexer import ExpansionError
from dockproof.facts.mount_rules import refusal as mount_refusal
from dockproof.facts.signals import is_signal
from dockproof.facts.span import Problem, Span
from dockproof.facts.stages import TRIGGER_LIMIT
from dockproof.facts.suggest import near
from dockproof.facts.values import expand
from dockproof.facts.words import KEYWORDS
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dockproof.facts.dockerfile import Dockerfile, Flag, Instruction
    from dockproof.facts.stages import Base, External, Stage
    from dockproof.facts.values import Value


class Refusal(NamedTuple):
    """A reason, the kind of mistake, and the place where it is narrower than the instruction."""

    message: str
    clause: str
    span: Span | None = None


class _FlagKind(NamedTuple):
    switch: bool = False
    repeats: bool = False


_TEXT, _SWITCH, _TEXTS = _FlagKind(), _FlagKind(switch=True), _FlagKind(repeats=True)
_FLAGS: dict[str, dict[str, _FlagKind]] = {
    "ADD": {
        "chown": _TEXT,
        "chmod": _TEXT,
        "link": _SWITCH,
        "keep-git-dir": _SWITCH,
        "checksum": _TEXT,
        "unpack": _SWITCH,
        "exclude": _TEXTS,
    },
    "COPY": {
        "chown": _TEXT,
        "chmod": _TEXT,
        "from": _TEXT,
        "link": _SWITCH,
        "parents": _SWITCH,
        "exclude": _TEXTS,
    },
    "FROM": {"platform": _TEXT},
    "HEALTHCHECK": {
        "interval": _TEXT,
        "timeout": _TEXT,
        "start-period": _TEXT,
        "start-interval": _TEXT,
        "retries": _TEXT,
    },
    "RUN": {"mount": _TEXTS, "network": _TEXT, "security": _TEXT, "device": _TEXTS},
}
_UNREAD_FLAGS = frozenset({"ARG", "STOPSIGNAL"})  # BuildKit never looks at theirs


def validate(file: Dockerfile) -> Iterator[Problem]:
    """The problems of all instructions and stages of a file, in no special order."""
    yield from _order(file)
    yield from _arguments(file)
    for instruction in file.instructions:
        refusal = judge(instruction)
        if refusal:
            yield _problem(instruction, refusal)
    for stage in file.stages:
        for instruction, refusal in _judge_stage(stage, file):
            yield _problem(instruction, refusal)


_MESSAGE_LIMIT = 300


def _problem(instruction: Instruction, refusal: Refusal) -> Problem:
    span = instruction.span
    place = refusal.span or span
    message = (
        refusal.message
        if len(refusal.message) <= _MESSAGE_LIMIT
        else refusal.message[:_MESSAGE_LIMIT] + "\u2026"
    )
    return Problem(place.line, span.end_line, place.column, message, refusal.clause)


def _order(file: Dockerfile) -> Iterator[Problem]:
    """FROM must be there, and nothing but ARG may stand before it."""
    for instruction in file.instructions:
        if instruction.keyword == "FROM":
            return
        if instruction.keyword in KEYWORDS and instruction.keyword != "ARG":
            message = f"{instruction.keyword} stands before the first FROM, where only ARG may"
            yield _problem(instruction, Refusal(message, "instruction"))
            return
    if file.instructions and all(one.keyword == "ARG" for one in file.instructions):
        yield _problem(file.instructions[-1], Refusal("the file has no FROM", "instruction"))


def _arguments(file: Dockerfile) -> Iterator[Problem]:
    """The defaults of ARG before the first FROM."""
    for position, instruction in enumerate(file.arguments):
        scope = file.scope._replace(position=position)
        for pair in instruction.pairs:
            error = expand(pair.value or "", scope, file.escape).error
            if error:
                message = f"{pair.value!r} cannot be expanded: {error}"
                yield _problem(instruction, Refusal(message, "value", pair.span))


def judge(instruction: Instruction) -> Refusal | None:
    """The first reason for which BuildKit refuses one instruction by itself, None where it takes it."""
    keyword = instruction.keyword
    if keyword not in KEYWORDS:
        hint = near(keyword, KEYWORDS)
        return Refusal(f"there is no instruction {instruction.keyword_text!r}{hint}", "instruction")
    if instruction.json_refused:
        return Refusal("a JSON array here may hold strings only", "json")
    if keyword == "HEALTHCHECK" and instruction.value[:4].upper() == "NONE" and _is_none(instruction):
        return _health_none(instruction)
    rule = _RULES.get(keyword)
    if not instruction.has_flags:
        return _count(instruction) or (rule(instruction) if rule else None)
    return _count(instruction) or _judge_flags(instruction) or (rule(instruction) if rule else None)


_ONE = frozenset({"MAINTAINER", "STOPSIGNAL", "USER", "WORKDIR"})
_SOME = frozenset({"ARG", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "SHELL", "VOLUME"})


def _count(instruction: Instruction) -> Refusal | None:
    keyword, empty = instruction.keyword, not instruction.value
    if keyword in _ONE and empty:
        return Refusal(f"{keyword} takes exactly one argument", "arguments")
    if keyword in _SOME and (empty or instruction.json == ()):
        return Refusal(f"{keyword} takes at least one argument", "arguments")
    if keyword in {"ADD", "COPY"} and len(instruction.words) < 2:  # noqa: PLR2004  # a source and a destination
        return Refusal(f"{keyword} takes at least a source and a destination", "arguments")
    return None


def _judge_flags(instruction: Instruction) -> Refusal | None:
    if not instruction.flags or instruction.keyword in _UNREAD_FLAGS:
        return None
    kinds = _FLAGS.get(instruction.keyword, {})
    seen: set[str] = set()
    for flag in instruction.flags:
        message = _flag_refusal(instruction.keyword, flag, kinds, seen)
        if message:
            return Refusal(message, "flag", flag.span)
        seen.add(flag.name)
    return None


def _flag_refusal(keyword: str, flag: Flag, kinds: dict[str, _FlagKind], seen: set[str]) -> str:
    kind = kinds.get(flag.name)
    if kind is None:
        return f"{keyword} has no flag --{flag.name}{near(flag.name, kinds)}"
    if flag.name in seen and not kind.repeats:
        return f"the flag --{flag.name} stands twice"
    if kind.switch:
        if flag.value == "" or (flag.value or "true").lower() not in {"true", "false"}:
            return f"the flag --{flag.name} is true or false, not {flag.value!r}"
    elif flag.value is None:
        return f"the flag --{flag.name} needs a value"
    return ""


def _names(instruction: Instruction) -> Refusal | None:
    """ENV, LABEL and ARG: what has no name or, but for ARG, no value."""
    keyword = instruction.keyword
    if keyword != "ARG" and not instruction.pairs:
        return Refusal(f"{keyword} takes a name and a value", "arguments")
    if (
        keyword != "ARG"
        and not instruction.pairs[0].legacy
        and len(instruction.words) != len(instruction.pairs)
    ):
        at = next(at for at, word in enumerate(instruction.words) if "=" not in word)
        message = f"{keyword} takes name=value, and {instruction.words[at]!r} has no ="
        return Refusal(message, "arguments", instruction.word_spans[at])
    for pair in instruction.pairs:
        if not pair.name:
            return Refusal(f"{keyword} takes name=value, and a name is empty", "arguments", pair.span)
    return None


_STAGE_NAME = pattern("[a-z][a-z0-9-_.]*")


def _is_word(text: str) -> bool:
    """Whether it is letters alone, as most names of stages are: no pattern is needed for these."""
    return text.isalpha() and text.isascii()


def _from(instruction: Instruction) -> Refusal | None:
    words = instruction.words
    if len(words) != 1 and not (len(words) == 3 and words[1].lower() == "as"):  # noqa: PLR2004  # FROM x AS y
        return Refusal("FROM takes an image, or an image, AS and a stage name", "arguments")
    if len(words) > 1 and not (_is_word(words[2]) or _STAGE_NAME.fullmatch(words[2].lower())):
        message = (
            f"the stage name {words[2]!r} must begin with a letter and hold letters, digits, - _ . alone"
        )
        return Refusal(message, "stage", instruction.word_spans[2])
    return None


def _onbuild(instruction: Instruction) -> Refusal | None:
    inner = instruction.trigger
    if inner is None:
        return None
    if inner.keyword in {"ONBUILD", "FROM", "MAINTAINER"}:
        return Refusal(f"ONBUILD may not trigger {inner.keyword}", "onbuild")
    refusal = judge(inner)
    if refusal is None:
        return None
    clause = "onbuild" if refusal.clause == "instruction" else refusal.clause
    return Refusal(f"ONBUILD triggers what is refused: {refusal.message}", clause, refusal.span)


def _copied(instruction: Instruction) -> Refusal | None:
    """ADD and COPY: the destination may be no here-document."""
    if "<<" not in instruction.value or instruction.json is not None:
        return None
    try:
        heredoc = read_word(instruction.words[-1])
    except ExpansionError as error:
        return Refusal(f"the here-document's name cannot be read: {error}", "heredoc")
    if heredoc:
        return Refusal(f"{instruction.keyword} cannot write to a here-document", "heredoc")
    return None


def _volume(instruction: Instruction) -> Refusal | None:
    if any(not word.strip() for word in instruction.words):
        return Refusal("VOLUME takes no empty path", "arguments")
    return None


def _shell(instruction: Instruction) -> Refusal | None:
    return None if instruction.json else Refusal("SHELL takes the JSON form alone", "json")


_NETWORKS = frozenset({"default", "none", "host"})
_SECURITIES = frozenset({"sandbox", "insecure"})


def _run(instruction: Instruction) -> Refusal | None:
    for flag in instruction.flags:
        value = flag.value or ""
        message = ""
        if flag.name == "mount":
            message = mount_refusal(value)
        elif flag.name == "network" and value not in _NETWORKS:
            message = f"--network is default, none or host, not {value!r}"
        elif flag.name == "security" and value not in _SECURITIES:
            message = f"--security is sandbox or insecure, not {value!r}"
        if message:
            return Refusal(message, "flag", flag.span)
    return None


def _is_none(instruction: Instruction) -> bool:
    return instruction.words[0].upper() == "NONE"


def _health_none(instruction: Instruction) -> Refusal | None:
    if len(instruction.words) > 1:
        return Refusal("HEALTHCHECK NONE takes no argument", "arguments")
    return None


def _health(instruction: Instruction) -> Refusal | None:
    kind, *command = instruction.words
    if kind.upper() != "CMD":
        return Refusal(f"HEALTHCHECK is followed by CMD or NONE, not {kind!r}", "arguments")
    if not command:
        return Refusal("HEALTHCHECK CMD takes a command", "arguments")
    for flag in instruction.flags:
        message = (
            _retries(flag.value or "") if flag.name == "retries" else _interval(flag.name, flag.value or "")
        )
        if message:
            return Refusal(message, "value", flag.span)
    return None


_SHORTEST = 0.001
_RETRIES = pattern(r"\+?[0-9]{1,10}|-0+")


def _interval(name: str, text: str) -> str:
    if not text:
        return ""
    seconds = parse_duration(text)
    if seconds is None:
        return f"--{name} takes a duration as 30s or 1m30s, not {text!r}"
    if seconds and seconds < _SHORTEST:
        return f"--{name} takes at least 1ms, not {text}"
    return ""


def _is_digit(text: str) -> bool:
    return len(text) == 1 and text.isascii() and text.isdigit()


def _retries(text: str) -> str:
    if not text or _is_digit(text) or (_RETRIES.fullmatch(text) and int(text) < 1 << 31):
        return ""
    return f"--retries takes a whole number of at least 0, not {text!r}"


_RULES: dict[str, Callable[[Instruction], Refusal | None]] = {
    "ADD": _copied,
    "ARG": _names,
    "COPY": _copied,
    "ENV": _names,
    "FROM": _from,
    "HEALTHCHECK": _health,
    "LABEL": _names,
    "ONBUILD": _onbuild,
    "RUN": _run,
    "SHELL": _shell,
    "VOLUME": _volume,
}


_JUDGED_LATE = frozenset({"ADD", "COPY", "STOPSIGNAL"})


def _judge_stage(stage: Stage, file: Dockerfile) -> Iterator[tuple[Instruction, Refusal]]:
    """What shows only with the values and the other stages at hand."""
    refusal = _base(stage)
    if refusal:
        yield stage.instruction, refusal
    if stage.triggers_cut and stage.base.stage and stage.base.stage.triggers:
        yield (
            stage.instruction,
            Refusal(f"the ONBUILD triggers run more than {TRIGGER_LIMIT} times", "onbuild"),
        )
    taken: dict[int, list[External]] = {}
    for external in stage.externals:
        taken.setdefault(id(external.instruction), []).append(external)
    failed = stage.failed
    for instruction in stage.instructions:
        key = id(instruction)
        if key not in taken and key not in failed and instruction.keyword not in _JUDGED_LATE:
            continue
        externals = taken.get(key, [])
        refusal = _reference(stage, instruction, externals, file) or _expansion(stage, instruction)
        if refusal:
            yield instruction, refusal


def _base(stage: Stage) -> Refusal | None:
    words = stage.instruction.words
    message, clause = _base_message(stage.base, words[0]) if words else ("", "")
    if message:
        return Refusal(message, clause, stage.instruction.word_spans[0])
    return _platform(stage)


def _base_message(base: Base, written: str) -> tuple[str, str]:
    value = base.value
    if value.error:
        return f"the base {written!r} cannot be expanded: {value.error}", "value"
    if value.text == "":
        return f"the base {written!r} is empty when expanded", "stage"
    if base.kind == "invalid":
        return f"the base {value.text!r} is no image: {_image_refusal(value)}", "stage"
    return "", ""


def _image_refusal(value: Value) -> str:
    try:
        ImageRef.parse(value.text or "")
    except ValueError as error:
        return str(error)
    return ""


_PLATFORM_PART = pattern(r"[A-Za-z0-9_.-]+(?:\([^()]*\))?")


def _platform(stage: Stage) -> Refusal | None:
    if stage.platform is None or (stage.platform.text is None and not stage.platform.error):
        return None
    text = stage.platform.text or ""
    parts = text.split("/")
    if len(parts) <= 3 and all(_PLATFORM_PART.fullmatch(part) for part in parts):  # noqa: PLR2004  # os/arch/variant
        return None
    span = next(flag.span for flag in stage.instruction.flags if flag.name == "platform")
    return Refusal(f"{text!r} is no platform (as linux/arm64)", "value", span)


def _reference(
    stage: Stage, instruction: Instruction, externals: list[External], file: Dockerfile
) -> Refusal | None:
    """COPY --from and mounts: an earlier stage or an image."""
    if instruction.keyword == "COPY" and instruction.has_flags:
        refusal = _copy_source(instruction, file)
        if refusal:
            return refusal
    for external in externals:
        text = external.value.text or ""
        if external.stage and external.stage.index >= stage.index:
            return Refusal(f"{text!r} is no stage before this one", "reference", external.span)
        if external.stage is None and external.ref is None:
            message = f"{text!r} is no stage and no image: {_image_refusal(external.value)}"
            return Refusal(message, "reference", external.span)
    return None


_NUMBER = pattern("[+-]?[0-9]+")


def _copy_source(instruction: Instruction, file: Dockerfile) -> Refusal | None:
    flag = next((flag for flag in instruction.flags if flag.name == "from"), None)
    text = flag.value if flag else None
    if flag is None or not text:
        return None
    if "$" in text[:-1]:
        return Refusal(
            "COPY --from takes no variable; name a stage built FROM it instead", "reference", flag.span
        )
    if text[-1].isdigit() and _NUMBER.fullmatch(text) and not _is_stage(text, file):
        return Refusal(f"there is no stage number {text}", "reference", flag.span)
    return None


def _is_stage(number: str, file: Dockerfile) -> bool:
    return len(number) < 10 and 0 <= int(number) < len(file.stages)  # noqa: PLR2004  # no int of any length


_PATHS = frozenset({"ADD", "COPY"})
_EXPANDED_FLAGS = frozenset({"chown", "chmod", "checksum"})
_TELLING = frozenset("$'\"")


def _expansion(stage: Stage, instruction: Instruction) -> Refusal | None:
    """Variables that cannot be expanded, and values that are refused once they are."""
    failed = stage.failed.get(id(instruction))
    if failed:
        return Refusal(f"{failed[0]!r} cannot be expanded: {failed[1]}", "value")
    if instruction.keyword == "STOPSIGNAL":
        return _signal(stage, instruction)
    if instruction.keyword not in _PATHS or not (
        instruction.has_flags or not _TELLING.isdisjoint(instruction.value)
    ):
        return None
    for text, span in _paths(instruction):
        value = stage.expand(instruction, text)
        if value.error:
            return Refusal(f"{text!r} cannot be expanded: {value.error}", "value", span)
    return _checksum(stage, instruction) if instruction.keyword == "ADD" else None


def _paths(instruction: Instruction) -> Iterator[tuple[str, Span]]:
    """The texts of ADD and COPY that BuildKit expands, where there is anything to expand."""
    if not _TELLING.isdisjoint(instruction.value):
        yield from zip(instruction.words, instruction.word_spans, strict=True)
    for flag in instruction.flags:
        if flag.name in _EXPANDED_FLAGS and not _TELLING.isdisjoint(flag.value or ""):
            yield flag.value or "", flag.span


def _signal(stage: Stage, instruction: Instruction) -> Refusal | None:
    text = stage.expand(instruction, instruction.value).text
    if text is None or is_signal(text):
        return None
    return Refusal(f"{text!r} is no signal", "value", instruction.span_of(0, len(instruction.value)))


_DIGEST = pattern("sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128}")
_GIT_COMMIT = pattern("[a-f0-9]{40}|[a-f0-9]{64}")


def _checksum(stage: Stage, instruction: Instruction) -> Refusal | None:
    flag = next((flag for flag in instruction.flags if flag.name == "checksum" and flag.value), None)
    text = stage.expand(instruction, flag.value or "").text if flag else None
    if flag is None or not text:
        return None
    if not (_DIGEST.fullmatch(text) or _GIT_COMMIT.fullmatch(text)):
        return Refusal(f"{text!r} is no checksum (as sha256: and 64 hexadecimal digits)", "value", flag.span)
    if len(instruction.words) > 2:  # noqa: PLR2004  # a source and a destination
        return Refusal("ADD --checksum takes a single source", "flag", flag.span)
    return None
