"""Stages: their graph, what they take from elsewhere, and the settings that hold at their end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dockproof.facts.dockerfile import Dockerfile, parse
from dockproof.facts.values import Value

if TYPE_CHECKING:
    from dockproof.facts.stages import Stage

FILE = parse(
    """# syntax=docker/dockerfile:1
ARG BASE=debian:13
FROM ${BASE} AS Build
USER 1000
RUN make
FROM build AS test
RUN --mount=type=bind,from=tools:1,target=/t --mount=from=BUILD,target=/b t
FROM scratch AS unused
FROM build
COPY --from=0 /a /b
COPY --from=TEST /a /b
COPY --from=nginx:1 /a /b
"""
)


def last(text: str) -> Stage:
    """The last stage of a file."""
    return parse(text).stages[-1]


def test_reads_the_graph() -> None:
    """Names are lower case, bases are images, stages or empty."""
    assert [(stage.index, stage.name, stage.base.kind) for stage in FILE.stages] == [
        (0, "build", "image"),
        (1, "test", "stage"),
        (2, "unused", "scratch"),
        (3, None, "stage"),
    ]
    assert FILE.stages[3].parent is FILE.stages[0]
    assert [stage.index for stage in FILE.stages[3].lineage] == [3, 0]
    assert FILE.stages[3].root_base.ref == ("debian:13", "docker.io", "library/debian", "13", None)


def test_lists_what_comes_from_elsewhere() -> None:
    """FROM, COPY --from by name, index and image, mounts, and the syntax line, with their places."""
    assert [
        (one.how, one.value.text, one.stage.index if one.stage else one.ref and one.ref.path, one.span.line)
        for one in FILE.externals
    ] == [
        ("syntax", "docker/dockerfile:1", "docker/dockerfile", 1),
        ("from", "debian:13", "library/debian", 3),
        ("from", "build", 0, 6),
        ("mount", "tools:1", "library/tools", 7),
        ("mount", "BUILD", 0, 7),
        ("from", "build", 0, 9),
        ("copy", "0", 0, 10),
        ("copy", "TEST", 1, 11),
        ("copy", "nginx:1", "library/nginx", 12),
    ]
    assert FILE.source(FILE.externals[0].span) == "docker/dockerfile:1"
    assert FILE.source(FILE.externals[1].span) == "${BASE}"


def test_follows_what_a_target_needs() -> None:
    """A stage needs those it is built from and takes from, and nothing else."""
    assert FILE.needed() == {0, 1, 3}
    assert FILE.needed(["test"]) == {0, 1}
    assert FILE.needed(["unused"]) == {2}
    assert FILE.needed(["unused", "build"]) == {0, 2}


def test_takes_a_mount_from_a_stage_by_name_alone() -> None:
    """A number in from= of a mount is an image's name."""
    stage = last("FROM a\nFROM b\nRUN --mount=from=0,target=/x id\n")
    assert stage.externals[1].stage is None
    assert stage.externals[1].ref is not None


@pytest.mark.parametrize(
    ("base", "kind"),
    [("a", "image"), ("scratch", "scratch"), ("$X", "unknown"), ("A:", "invalid"), ("a@sha256:1", "invalid")],
)
def test_tells_kinds_of_bases(base: str, kind: str) -> None:
    """What is unknown is never guessed, what is no reference is no image."""
    assert last(f"ARG X\nFROM {base}\n").base.kind == kind


def test_finds_the_last_stage_of_a_name() -> None:
    """FROM sees the stages above it, COPY --from the last of the file."""
    file = parse("FROM a AS x\nFROM x\nFROM b AS x\nCOPY --from=x a b\n")
    assert file.stages[1].base.stage is file.stages[0]
    assert file.stages[2].externals[1].stage is file.stages[2]


def test_inherits_settings_and_says_from_where() -> None:
    """What FROM brings along is marked, with the instruction and stage that set it."""
    text = """FROM a AS base
USER app
WORKDIR /srv
SHELL ["/bin/bash", "-c"]
ENTRYPOINT ["/init"]
CMD ["run"]
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s --retries=2 CMD ["check"]
ENV A=1 B=2
LABEL l=1
EXPOSE 80
VOLUME /v
FROM base
ENV B=3
EXPOSE 81/udp
"""
    stage = last(text)
    assert stage.user
    assert (stage.user.value.text, stage.user.inherited, stage.user.stage.name) == ("app", True, "base")
    assert stage.user.instruction.span.line == 2
    assert stage.parent
    assert stage.parent.user
    assert not stage.parent.user.inherited
    assert stage.workdir
    assert stage.workdir.value.text == "/srv"
    assert stage.shell
    assert stage.shell.value == ("/bin/bash", "-c")
    assert stage.entrypoint
    assert stage.entrypoint.value.json == ("/init",)
    assert stage.command
    assert stage.command.value.json == ("run",)
    assert stage.stop_signal
    assert stage.stop_signal.value.text == "SIGINT"
    assert stage.healthcheck
    assert (stage.healthcheck.value.interval, stage.healthcheck.value.retries) == (5.0, 2)
    assert {name: (one.value.text, one.inherited) for name, one in stage.environment.items()} == {
        "A": ("1", True),
        "B": ("3", False),
    }
    assert [(port.value.number, port.inherited) for port in stage.ports] == [(80, True), (81, False)]
    assert [volume.value.text for volume in stage.volumes] == ["/v"]
    assert list(stage.labels) == ["l"]


def test_has_no_setting_that_nothing_sets() -> None:
    """None stands for what the image decides."""
    stage = last("FROM a\n")
    settings = (stage.user, stage.workdir, stage.shell, stage.command, stage.entrypoint)
    assert settings == (None,) * 5
    assert (stage.healthcheck, stage.stop_signal, stage.platform) == (None,) * 3


def test_drops_an_inherited_command_with_a_new_entrypoint() -> None:
    """ENTRYPOINT takes away the CMD of the base, not one of its own stage."""
    base = 'FROM a AS b\nCMD ["x"]\nFROM b\n'
    assert last(f'{base}ENTRYPOINT ["e"]\n').command is None
    kept = last(f'{base}CMD ["y"]\nENTRYPOINT ["e"]\n').command
    assert kept
    assert kept.value.json == ("y",)


def test_keeps_a_disabled_health_check() -> None:
    """HEALTHCHECK NONE is a setting of its own."""
    setting = last("FROM a AS b\nHEALTHCHECK CMD x\nFROM b\nHEALTHCHECK none\n").healthcheck
    assert setting
    assert setting.value.disabled
    assert not setting.inherited


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM a\nWORKDIR /x\nWORKDIR y", "/x/y"),
        ("FROM a\nWORKDIR /x\nWORKDIR ../y/./z//", "/y/z"),
        ("FROM scratch\nWORKDIR x", "/x"),
        ("FROM scratch\nWORKDIR ../../x", "/x"),
        ("FROM a\nENV D=/d\nWORKDIR $D/e", "/d/e"),
        ("FROM a\nWORKDIR /\nWORKDIR x", "/x"),
        ("FROM a\nWORKDIR C:\\\\app", "C:\\app"),
        ("FROM a AS b\nWORKDIR /x\nFROM b\nWORKDIR y", "/x/y"),
    ],
)
def test_joins_working_folders(text: str, expected: str) -> None:
    """A relative one continues the one before it."""
    setting = last(text).workdir
    assert setting
    assert setting.value.text == expected


def test_does_not_know_where_a_base_works() -> None:
    """A first WORKDIR that is relative hangs on the base image's."""
    setting = last("FROM a\nWORKDIR x\nWORKDIR y\n").workdir
    assert setting
    assert setting.value == Value(None, ("WORKDIR",))


def test_runs_triggers_in_the_stage_built_on_them() -> None:
    """ONBUILD of an own stage counts in the next one, first, and there alone."""
    file = parse("FROM a AS b\nONBUILD USER x\nONBUILD COPY --from=n:1 a b\nFROM b AS c\nRUN id\nFROM c\n")
    base, child, grandchild = file.stages
    assert base.user is None
    assert child.user
    assert (child.user.value.text, child.user.inherited, child.user.instruction.span.line) == ("x", False, 2)
    assert [one.keyword for one in child.sequence] == ["USER", "COPY", "RUN"]
    assert [one.how for one in child.externals] == ["from", "copy"]
    assert grandchild.triggered == ()
    assert grandchild.user
    assert grandchild.user.inherited


def test_lists_what_a_trigger_takes_where_it_is_declared() -> None:
    """The declaring stage shows the trigger's source too, because the line stands there; the file shows it once."""
    file = parse("FROM a AS b\nONBUILD COPY --from=n:1 a b\nFROM b\n")
    assert [(one.how, one.span.line) for one in file.stages[0].externals] == [("from", 1), ("copy", 2)]
    assert [(one.how, one.span.line) for one in file.stages[1].externals] == [("from", 3), ("copy", 2)]
    assert [one.span.line for one in file.externals] == [1, 2, 3]


def test_tells_the_shell_at_each_instruction() -> None:
    """SHELL holds from its line on, and in the stages built on it."""
    file = parse('FROM a AS b\nRUN one\nSHELL ["/bin/ash", "-e"]\nRUN two\nFROM b\nRUN three\n')
    first, second = file.stages
    assert first.shell_at(first.instructions[0]) == ("/bin/sh", "-c")
    assert first.shell_at(first.instructions[2]) == ("/bin/ash", "-e")
    assert second.shell_at(second.instructions[0]) == ("/bin/ash", "-e")


def test_keeps_ports_of_a_variable_apart() -> None:
    """One word of EXPOSE may be several ports; an unknown one stays in the list."""
    stage = last("FROM scratch\nENV P='80 81/udp'\nARG Q\nEXPOSE $P $Q 9000-9001\n")
    assert [port.value.number for port in stage.ports] == [80, 81, None, range(9000, 9002)]
    assert stage.ports[2].value.value.missing == ("Q",)


def test_answers_for_many_stages_without_recursion() -> None:
    """A chain of stages far beyond Python's stack is walked."""
    names = "".join(f"FROM s{n} AS s{n + 1}\nWORKDIR d{n}\n" for n in range(3000))
    file = parse(f"FROM scratch AS s0\nUSER u\n{names}")
    stage = file.stages[-1]
    assert stage.user
    assert stage.user.stage.index == 0
    assert len(stage.lineage) == 3001
    assert len(file.needed()) == 3001


def test_survives_files_without_stages() -> None:
    """No FROM, no stage."""
    file: Dockerfile = parse("ARG A\nRUN x\n")
    assert file.stages == ()
    assert file.externals == ()
    assert file.needed() == frozenset()
