"""Who brought what into an image: the base or the own Dockerfile, with which step of its history and which line.

BuildKit and the older builder record one step for every instruction but FROM (BuildKit none for ONBUILD either). The
instructions of the shipped stage, its lineage and triggers included, therefore stand in the history as one unbroken
run, in order; where that run is not found, the Dockerfile is not this image's, and no line is told.
"""

from __future__ import annotations

import re
from functools import cached_property

from dockproof.finding import BASE, OWN
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dockproof.facts.dockerfile import Instruction
    from dockproof.facts.image import HistoryEntry, ImageFacts
    from dockproof.facts.stages import Stage
    from dockproof.finding import Place

KEYWORDS = frozenset(
    {
        "ADD",
        "ARG",
        "CMD",
        "COPY",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "HEALTHCHECK",
        "LABEL",
        "MAINTAINER",
        "ONBUILD",
    }
    | {"RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}
)
"""Instructions that builders record."""

FIELDS: Mapping[str, str] = {
    "Config.User": "USER",
    "Config.Env": "ENV",
    "Config.Cmd": "CMD",
    "Config.Entrypoint": "ENTRYPOINT",
    "Config.Healthcheck": "HEALTHCHECK",
    "Config.WorkingDir": "WORKDIR",
    "Config.Labels": "LABEL",
    "Config.ExposedPorts": "EXPOSE",
    "Config.Volumes": "VOLUME",
    "Config.StopSignal": "STOPSIGNAL",
    "Config.Shell": "SHELL",
    "Config.OnBuild": "ONBUILD",
}
"""The instruction that sets a field of the config."""

COMPARED = 60
"""Characters of a command that must agree, blanks aside."""


class Recorded(NamedTuple):
    """An instruction as a builder wrote it down.

    Attributes:
        keyword: upper case, "" for a step that no Dockerfile made (an import, another build tool).
        text: what follows it; of RUN the command, without build arguments and without a POSIX shell in front of it.
    """

    keyword: str
    text: str


_NOP = pattern(r"^.*?#\(nop\)\s+", re.DOTALL)
_ARGUMENTS = pattern(r"^\|\d+ .*? (?=/bin/\w*sh )", re.DOTALL)
_SHELL = pattern(r"^(?:/\S*/)?(?:ba|da|a|k|z)?sh (?:\S+ ){0,6}?-\S*c ")


def recorded(created_by: str) -> Recorded:
    """Read a step of BuildKit (`RUN /bin/sh -c … # buildkit`), the builder before it or Buildah (`#(nop) CMD …`)."""
    text = created_by.removesuffix(" # buildkit")
    if "#(nop)" in text:
        keyword, _, rest = _NOP.sub("", text, count=1).partition(" ")
        keyword = keyword.upper()  # Buildah keeps it as it was written
        return Recorded(keyword if keyword in KEYWORDS else "", rest.strip())
    keyword, _, rest = text.partition(" ")
    if keyword not in KEYWORDS:
        is_command = text.startswith("|") or bool(_SHELL.match(text))
        return Recorded("RUN", _command(text)) if is_command else Recorded("", text)
    return Recorded(keyword, _command(rest) if keyword == "RUN" else rest.strip())


def _command(text: str) -> str:
    return _SHELL.sub("", _ARGUMENTS.sub("", text, count=1), count=1).strip()


class Inherited(NamedTuple):
    """How much of an image is its base's.

    Attributes:
        layers: how many of the lowest ones.
        steps: how many of the first ones of the history.
        told_by: `layers` (the base is at hand and its layers are these), `Dockerfile`, `history` (a guess), or "" where
            nothing tells; then all counts as own.
    """

    layers: int
    steps: int
    told_by: str


class Blame:
    """Where the parts of one image come from.

    Attributes:
        image: the image.
        base: its base, None where it is not at hand.
        stage: the shipped stage of its Dockerfile, None where that is not at hand.
    """

    def __init__(self, image: ImageFacts, base: ImageFacts | None = None, stage: Stage | None = None) -> None:
        """Take what is at hand; everything is worked out when it is asked for."""
        self.image, self.base, self.stage = image, base, stage

    @cached_property
    def _steps(self) -> tuple[Recorded, ...]:
        return tuple(recorded(entry.created_by) for entry in self.image.history)

    @cached_property
    def instructions(self) -> Mapping[int, Instruction]:
        """The instruction behind each step of the history, by the step's number; empty for another's Dockerfile."""
        if self.stage is None:
            return {}
        wanted = [one for stage in reversed(self.stage.lineage) for one in stage.sequence]
        kept = [one for one in wanted if one.keyword != "ONBUILD"]
        return self._run_of(kept) or self._run_of(wanted)

    def _run_of(self, wanted: Sequence[Instruction]) -> Mapping[int, Instruction]:
        """Return the last place in the history where the instructions stand one after the other; empty for none."""
        for start in range(len(self._steps) - len(wanted), -1, -1):
            part = self._steps[start : start + len(wanted)]
            if wanted and all(_made(one, step) for one, step in zip(wanted, part, strict=True)):
                return dict(enumerate(wanted, start))
        return {}

    @cached_property
    def inherited(self) -> Inherited:
        """How much is the base's, as far as anything tells."""
        image, base = self.image, self.base
        if base is not None and base.layers and image.is_based_on(base):
            return Inherited(len(base.layers), min(len(base.history), len(image.history)), "layers")
        if self.instructions:
            steps, told_by = min(self.instructions), "Dockerfile"
        else:
            steps, told_by = _guess(image.history, self._steps), "history"
        layers = sum(not step.empty for step in image.history[:steps])
        # A history of more or fewer layers than there are tells of none; a file that starts from nothing has no base.
        whole = sum(not step.empty for step in image.history) == len(image.layers)
        known = whole and (steps or told_by == "Dockerfile")
        return Inherited(layers, steps, told_by) if known else Inherited(0, 0, "")

    def origin(self, layer: int) -> str:
        """Return `own` or `base` for a layer's number, "" where nothing tells."""
        if not self.inherited.told_by:
            return ""
        return BASE if layer < self.inherited.layers else OWN

    def line(self, step: int) -> tuple[int, int]:
        """Return first and last line of the instruction behind a step; FROM's for the base, 0 where none is known."""
        instruction = self.instructions.get(step)
        if (
            instruction is None
            and self.stage is not None
            and self.instructions
            and step < self.inherited.steps
        ):
            instruction = self.stage.lineage[-1].instruction
        return (instruction.span.line, instruction.span.end_line) if instruction else (0, 0)

    def located(self, place: Place) -> Place:
        """Complete the place of a finding: layer, own or base, and the Dockerfile's lines, as far as they are known."""
        index = self._layer(place)
        step = self._step(place, index)
        if index is not None:
            place = place._replace(
                layer=self.image.layers[index].diff_id, layer_index=index, origin=self.origin(index)
            )
        elif step is not None:
            whose = BASE if step < self.inherited.steps else OWN
            place = place._replace(origin=whose if self.inherited.told_by else "")
        line, end = self._lines(place, step)
        return place._replace(line=line, end_line=end) if line else place

    def _lines(self, place: Place, step: int | None) -> tuple[int, int]:
        if place.field == "RootFS.Layers" and self.stage is not None and self.instructions:
            span = self.stage.lineage[-1].instruction.span  # what the image stands on is FROM's matter
            return span.line, span.end_line
        if step is None and place.field.partition(" ")[0] in FIELDS and self.stage and self.instructions:
            span = self.stage.instruction.span  # what nobody sets is missing in the stage that is shipped
            return span.line, span.end_line
        return (0, 0) if step is None or place.line else self.line(step)

    def _layer(self, place: Place) -> int | None:
        if place.layer_index >= 0:
            return place.layer_index
        if place.layer:
            # Equal layers have equal files: any of them will do, and the last is the one that shows.
            return max((one.index for one in self.image.layers if one.diff_id == place.layer), default=None)
        entry = self.image.files.get(place.path) if place.path else None
        return entry.layer if entry else None

    def _step(self, place: Place, layer: int | None) -> int | None:
        """Return the number of the step that made a layer, or that set a field last."""
        if layer is not None:
            return next((at for at, step in enumerate(self.image.history) if step.layer == layer), None)
        if place.field.startswith("History["):
            return int(place.field[len("History[") : -1])
        field, _, name = place.field.partition(" ")
        keyword = FIELDS.get(field)
        made = (at for at, step in enumerate(self._steps) if step.keyword == keyword and name in step.text)
        return max(made, default=None) if keyword else None


def _made(instruction: Instruction, step: Recorded) -> bool:
    """Tell whether a step can be an instruction's: by the keyword, and of a RUN by how its command begins."""
    if instruction.keyword != step.keyword:
        return False
    if instruction.keyword != "RUN" or instruction.heredocs:
        return True
    # Of an exec form BuildKit records the words, Buildah the line.
    written = [" ".join(instruction.json), instruction.value] if instruction.json else [instruction.value]
    return any(_squeezed(_SHELL.sub("", one, count=1))[:COMPARED] in _squeezed(step.text) for one in written)


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _guess(history: Sequence[HistoryEntry], steps: Sequence[Recorded]) -> int:
    """Guess how many steps are the base's: those up to the last that no Dockerfile made, or to the CMD of a base.

    Base images end with CMD, and what is built on them adds layers behind it.
    """
    foreign = max((at + 1 for at, step in enumerate(steps) if not step.keyword), default=0)
    filled = max((at for at, entry in enumerate(history) if not entry.empty), default=0)
    ended = max((at + 1 for at, step in enumerate(steps[:filled]) if step.keyword == "CMD"), default=0)
    return max(foreign, ended) if max(foreign, ended) < len(steps) else 0
