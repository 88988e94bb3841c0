"""Where the parts of an image come from: steps read back, joined to instructions, base told from own."""

from __future__ import annotations

import pytest

from dockproof.facts.blame import Recorded, recorded
from dockproof.facts.capabilities import of_attribute
from dockproof.facts.dockerfile import parse
from dockproof.facts.image import (
    FileEntry,
    ImageConfig,
    ImageFacts,
    Layer,
    parse_history,
)
from dockproof.facts.installed import layer_of
from dockproof.finding import Place

DOCKERFILE = b"""FROM python:3.13 AS base
ARG V=1
ENV A=1
WORKDIR /app
RUN pip install \\
    # why
    --no-deps x
ONBUILD RUN echo triggered
FROM base
COPY --chown=1 src .
RUN ["python", "-m", "compileall"]
RUN <<E
echo a
E
USER 1
CMD ["x"]
"""

BASE_STEPS = (
    ("/bin/sh -c #(nop) ADD file:1 in / ", False),
    ('/bin/sh -c #(nop)  CMD ["bash"]', True),
)
OWN_STEPS = (
    ("ARG V=1", True),
    ("ENV A=1", True),
    ("WORKDIR /app", False),
    ("RUN |1 V=1 /bin/sh -c pip install     --no-deps x # buildkit", False),
    ("ONBUILD RUN echo triggered", True),
    ("RUN |1 V=1 /bin/sh -c echo triggered # buildkit", False),
    ("COPY --chown=1 src . # buildkit", False),
    ("RUN |1 V=1 python -m compileall # buildkit", False),
    ("RUN |1 V=1 /bin/sh -c echo a # buildkit", False),
    ("USER 1", True),
    ('CMD ["x"]', True),
)
LINES = (2, 3, 4, 5, 8, 8, 10, 11, 12, 15, 16)
ONBUILD = 4
"""Number of the step that BuildKit leaves out."""


def image(*steps: tuple[str, bool]) -> ImageFacts:
    """Return an image with a history, and a layer with a file of its own for each step that made one."""
    history = parse_history([{"created_by": text, "empty_layer": empty} for text, empty in steps])
    layers = [
        Layer(at, f"sha256:{at}", 1, step, (FileEntry(f"/{at}", "file", 0, 0, 0, 1, 0, "", at),))
        for at, step in enumerate(step for step in history if not step.empty)
    ]
    return ImageFacts(reference="x", id="x", config=ImageConfig(), history=history, layers=tuple(layers))


@pytest.mark.parametrize(
    ("created_by", "expected"),
    [
        ("RUN /bin/sh -c echo hi # buildkit", Recorded("RUN", "echo hi")),
        ("RUN |2 A=1 B=x y /bin/bash -eo pipefail -c echo hi # buildkit", Recorded("RUN", "echo hi")),
        ("/bin/sh -c apt-get update", Recorded("RUN", "apt-get update")),
        ("|1 A=1 /bin/sh -c make", Recorded("RUN", "make")),
        ('/bin/sh -c #(nop)  CMD ["bash"]', Recorded("CMD", '["bash"]')),
        ("/bin/sh -c #(nop) COPY dir:1 in /app ", Recorded("COPY", "dir:1 in /app")),
        ("COPY a b # buildkit", Recorded("COPY", "a b")),
        ("bazel build ...", Recorded("", "bazel build ...")),
        ("", Recorded("", "")),
    ],
)
def test_reads_steps_of_both_builders(created_by: str, expected: Recorded) -> None:
    """Keyword and command come back; what no Dockerfile made has no keyword."""
    assert recorded(created_by) == expected


@pytest.mark.parametrize("left_out", [(), (ONBUILD,)], ids=["older-builder", "buildkit"])
def test_joins_every_step_to_its_line(left_out: tuple[int, ...]) -> None:
    """Lineage, triggers, empty layers, exec form and here-documents: one step, one instruction, one line."""
    steps = [step for at, step in enumerate(OWN_STEPS) if at not in left_out]
    facts = image(*BASE_STEPS, *steps)
    blame = facts.blame(None, parse(DOCKERFILE, "Dockerfile").stages[-1])
    expected = [line for at, line in enumerate(LINES) if at not in left_out]
    assert [blame.line(2 + at)[0] for at in range(len(steps))] == expected
    assert [blame.line(at)[0] for at in (0, 1)] == [1, 1]
    assert (blame.inherited.layers, blame.inherited.steps, blame.inherited.told_by) == (1, 2, "Dockerfile")


def test_joins_the_steps_of_buildah() -> None:
    """It writes `#(nop)` and the line as it stands, exec forms and flags included, with build arguments in front."""
    text = b"""FROM python:3.13
ARG V=1
env A=1
RUN --mount=type=cache,target=/c pip install --no-cache-dir x
RUN ["python", "-m", "compileall"]
COPY --chown=1 src /srv/
USER 1
HEALTHCHECK CMD ["true"]
CMD ["x"]
"""
    steps = [
        ("/bin/sh -c #(nop) ARG V=1", True),
        ("/bin/sh -c #(nop) env A=1", True),
        ("|1 V=1 /bin/sh -c --mount=type=cache,target=/c pip install --no-cache-dir x", False),
        ('|1 V=1 /bin/sh -c ["python", "-m", "compileall"]', False),
        ("/bin/sh -c #(nop) COPY dir:0af1 in /srv/ ", False),
        ("/bin/sh -c #(nop) USER 1", True),
        ('/bin/sh -c #(nop) HEALTHCHECK CMD ["true"]', True),
        ('/bin/sh -c #(nop) CMD ["x"]', True),
    ]
    blame = image(*BASE_STEPS, *steps).blame(None, parse(text, "Containerfile").stages[-1])
    assert [blame.line(len(BASE_STEPS) + at)[0] for at in range(len(steps))] == [2, 3, 4, 5, 6, 7, 8, 9]
    assert blame.inherited.told_by == "Dockerfile"


def test_steps_above_the_dockerfile_leave_its_lines_alone() -> None:
    """What was built on top of the image has no line here."""
    facts = image(*BASE_STEPS, *OWN_STEPS, ("RUN /bin/sh -c more", False))
    blame = facts.blame(None, parse(DOCKERFILE, "Dockerfile").stages[-1])
    assert blame.line(len(BASE_STEPS) + len(OWN_STEPS)) == (0, 0)
    assert blame.line(2)[0] == 2


def test_another_dockerfile_tells_no_line() -> None:
    """A wrong line is worse than none."""
    other = DOCKERFILE.replace(b"--no-deps x", b"y")
    blame = image(*BASE_STEPS, *OWN_STEPS).blame(None, parse(other, "Dockerfile").stages[-1])
    assert blame.instructions == {}
    assert blame.inherited.told_by == "history"


@pytest.mark.parametrize(
    ("steps", "layers", "told_by"),
    [
        ((*BASE_STEPS, ("COPY a b", False), ("CMD x", True)), 1, "history"),
        ((*BASE_STEPS, ("CMD x", True)), 0, ""),
        ((("", False), ("RUN /bin/sh -c x", False)), 1, "history"),
        ((("bazel build", False), ("bazel build", False)), 0, ""),
        ((("COPY a b", False), ("RUN /bin/sh -c x", False)), 0, ""),
        ((), 0, ""),
    ],
    ids=["cmd", "only-settings", "import", "no-dockerfile", "scratch", "no-history"],
)
def test_history_tells_the_base(steps: tuple[tuple[str, bool], ...], layers: int, told_by: str) -> None:
    """A base ends with its CMD, or with the last step that no Dockerfile made; else nothing is guessed."""
    inherited = image(*steps).blame().inherited
    assert (inherited.layers, inherited.told_by) == (layers, told_by)


def test_base_at_hand_wins_over_any_guess() -> None:
    """The base's own layers are the truth."""
    base = image(*BASE_STEPS, ("COPY a b", False))
    inherited = image(*BASE_STEPS, ("COPY a b", False), ("RUN x", False)).blame(base).inherited
    assert (inherited.layers, inherited.steps, inherited.told_by) == (2, 3, "layers")


@pytest.mark.parametrize(
    ("place", "layer", "origin", "line"),
    [
        (Place(path="/0"), 0, "base", 1),
        (Place(path="/2"), 2, "own", 5),
        (Place(layer="sha256:2"), 2, "own", 5),
        (Place(field="Config.User"), -1, "own", 15),
        (Place(field="Config.Env A"), -1, "own", 3),
        (Place(field="Config.Env B"), -1, "", 9),  # what is set nowhere is missing in the shipped stage
        (Place(field="Config.Healthcheck"), -1, "", 9),
        (Place(field="History[3]"), -1, "own", 3),
        (Place(field="RootFS.Layers"), -1, "", 1),
    ],
)
def test_places_are_completed(place: Place, layer: int, origin: str, line: int) -> None:
    """A file, a layer or a field is enough to know layer, origin and line."""
    blame = image(*BASE_STEPS, *OWN_STEPS).blame(None, parse(DOCKERFILE, "Dockerfile").stages[-1])
    found = blame.located(place)
    assert (found.layer_index, found.origin, found.line) == (layer, origin, line)


def test_what_later_layers_hide_is_told_with_its_cause() -> None:
    """Replaced, deleted, opaque and covered: each with the layer that did it."""

    def file(path: str, layer: int, kind: str = "file") -> FileEntry:
        return FileEntry(path, kind, 0o644, 0, 0, 1, 0, "", layer)

    low = [file("/a", 0), file("/b", 0), file("/c", 0, "dir"), file("/c/x", 0), file("/d", 0, "dir")]
    low += [file("/d/y", 0), file("/e", 0, "dir")]
    layers = (
        Layer(0, "0", 6, None, tuple(low)),
        Layer(1, "1", 1, None, (file("/a", 1), file("/e", 1, "dir")), whiteouts=("/b",), opaque=("/c",)),
        Layer(2, "2", 1, None, (file("/d", 2),)),
    )
    facts = ImageFacts(reference="x", id="x", config=ImageConfig(), layers=layers)
    assert {(one.entry.path, one.layer, one.how) for one in facts.hidden} == {
        ("/a", 1, "replaced"),
        ("/b", 1, "deleted"),
        ("/c/x", 1, "opaque"),
        ("/d", 2, "covered"),
        ("/d/y", 2, "covered"),
    }


def test_package_belongs_to_the_layer_that_brought_it() -> None:
    """The database is written again by each layer; the package is still the first one's."""
    path = "/var/lib/dpkg/status"
    texts = {
        (0, path): b"Package: a\nVersion: 1\n",
        (1, path): b"Package: a\nVersion: 2\n\nPackage: b\nVersion: 1\n",
        (2, path): b"Package: a\nVersion: 2\n\nPackage: b\nVersion: 1\n\nPackage: c\nVersion: 1\n",
    }
    layers = tuple(
        Layer(at, f"{at}", 1, None, (FileEntry(path, "file", 0o644, 0, 0, 1, 0, "", at),)) for at in range(3)
    )
    facts = ImageFacts(reference="x", id="x", config=ImageConfig(), layers=layers, texts=texts)
    assert {one.name: layer_of(facts, one) for one in facts.packages} == {"a": 0, "b": 1, "c": 2}


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("0100000200200000000000000000000000000000", ("cap_net_raw",)),
        ("010000030004000000000000000000000000000000000000", ("cap_net_bind_service",)),
        ("0100000200000000000000008000000000000000", ("cap_bpf",)),
        ("", ("unknown",)),
        ("ff", ("unknown",)),
        ("0100000900000000", ("unknown",)),
    ],
)
def test_capabilities_are_read_by_name(value: str, names: tuple[str, ...]) -> None:
    """Both words of the permitted set count; a damaged value is not taken for none."""
    assert of_attribute(bytes.fromhex(value)) == names
