"""What a probe answers: a finding at a place, or that the policy does not apply, with the reason.

Pure values. A probe builds them without severity; `dockproof.gate` stamps the severity of the profile and
the waivers, because neither is the probe's business.
"""

from __future__ import annotations

from enum import StrEnum

from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dockproof.facts.span import Edit


class Probe(StrEnum):
    """The level at which a policy asks its question."""

    SOURCE = "source"
    IMAGE = "image"
    RUNTIME = "runtime"


class Severity(StrEnum):
    """How bad a finding is, the words of every report."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """Higher is worse: info 0, warning 1, error 2."""
        return _RANKS[self]


_RANKS = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2}


OWN, BASE = "own", "base"
"""Whose a part of an image is."""


class Place(NamedTuple):
    """Where a finding sits; at least one part is given.

    Attributes:
        line: 1-based line of the Dockerfile, 0 where no Dockerfile is at hand.
        end_line: last line, inclusive; 0 as above.
        column: 1-based column, 0 where the whole line is meant.
        layer: digest (diff id) of the layer, "" where none is meant.
        path: file in the image or container, "" where none is meant.
        field: field of the image's config or of the container's state, as `User` or `State.Health`.
        pid: process in the container's own numbering, 0 where none is meant.
        layer_index: number of the layer, 0 for the lowest; -1 where none is meant.
        origin: `own` or `base` for what an image holds, "" where neither is meant.
        end_column: 1-based column after the last one on `end_line`, 0 where the place ends with that line.
    """

    line: int = 0
    end_line: int = 0
    column: int = 0
    layer: str = ""
    path: str = ""
    field: str = ""
    pid: int = 0
    layer_index: int = -1
    origin: str = ""
    end_column: int = 0

    def __str__(self) -> str:
        """Say the place in words, outermost first; the line is the report's own column."""
        parts = [
            f"{self._layer()} {self.layer.removeprefix('sha256:')[:12]}" if self.layer else "",
            self.path,
            self.field,
            f"pid {self.pid}" if self.pid else "",
        ]
        return ", ".join(part for part in parts if part)

    def _layer(self) -> str:
        number = f" {self.layer_index}" if self.layer_index >= 0 else ""
        return f"{self.origin} layer{number}".lstrip()


class Waiver(NamedTuple):
    """A finding that a person accepted.

    Attributes:
        reason: why.
        until: the last day that it holds for (ISO date), None = no end.
        origin: the configuration or baseline that holds it, None = a comment beside the instruction.
    """

    reason: str
    until: str | None = None
    origin: str | None = None


class Finding(NamedTuple):
    """A policy that does not hold, at a place.

    Attributes:
        policy: the policy's id, or `hadolint:DL3008`.
        message: one sentence: what is wrong, with the value that shows it.
        place: where.
        probe: the level that saw it.
        clause: the policy's clause, None for a policy without clauses.
        stage: name or index of the build stage, None where no stage is meant.
        help: what to do, "" where the policy's page says all.
        fixable: whether `dockproof fix` can mend it.
        severity: of the profile in force; stamped by the gate.
        waived: the waiver that holds for it; stamped by the gate.
        edits: what `dockproof fix` would change for it; stamped by `fix.stamped`, where a report tells it.
    """

    policy: str
    message: str
    place: Place
    probe: Probe
    clause: str | None = None
    stage: str | None = None
    help: str = ""
    fixable: bool = False
    severity: Severity = Severity.ERROR
    waived: Waiver | None = None
    edits: tuple[Edit, ...] = ()


class NotApplicable(NamedTuple):
    """A policy whose question makes no sense here, with the reason; not a pass and not a finding."""

    policy: str
    probe: Probe
    reason: str


class Unseen(NamedTuple):
    """A policy that a probe could not look at, with the reason: the gate fails closed."""

    policy: str
    probe: Probe
    reason: str


Answer = Finding | NotApplicable | Unseen
