from __future__ import annotations

import pytest

from tests.catalog.asking import red
from tests.catalog.running import container_of, process_of, runtime_red

POLICY = "exec-form"


@pytest.mark.parametrize(
    ("instruction", "clause"),
    [
        ("CMD run me", "shell-form"),
        ("ENTRYPOINT run me", "shell-form"),
        ('CMD run me\nSHELL ["/bin/bash", "-c"]', "shell-form"),
        ("HEALTHCHECK CMD run me", "health-form"),
    ],
)
def test_flags_a_shell_form(instruction: str, clause: str) -> None:
    """Each of the three commands is judged, with the shell that is in force where it stands."""
    assert red(POLICY, f"FROM alpine\n{instruction}\n") == [(2, clause)]


@pytest.mark.parametrize(
    "instruction",
    ['CMD ["run", "me"]', 'ENTRYPOINT ["run"]', 'HEALTHCHECK --retries=2 CMD ["a"]', "HEALTHCHECK NONE"],
)
def test_passes_an_exec_form(instruction: str) -> None:
    """A JSON array of strings is an exec form."""
    assert red(POLICY, f"FROM alpine\n{instruction}\n") == []


@pytest.mark.parametrize("text", ["['run', 'me']", '["run", me]', '["run" "me"]', '["run", 1]'])
def test_flags_what_only_looks_like_json(text: str) -> None:
    """BuildKit takes what is no JSON array of strings for a shell command."""
    assert red(POLICY, f"FROM alpine\nCMD {text}\n") == [(2, "invalid-json")]


def test_passes_a_shell_form_below_a_chosen_shell() -> None:
    """SHELL makes the shell form deliberate."""
    assert red(POLICY, 'FROM alpine\nSHELL ["/bin/bash", "-c"]\nCMD run me\n') == []


def test_flags_a_shell_in_disguise() -> None:
    """An exec form of `sh -c` is a shell form, unless the shell hands over."""
    assert red(POLICY, 'FROM alpine\nCMD ["sh", "-c", "run me"]\n') == [(2, "shell-in-disguise")]
    assert red(POLICY, 'FROM alpine\nCMD ["sh", "-c", "prepare && exec run me"]\n') == []


def test_judges_what_onbuild_triggers() -> None:
    """ONBUILD CMD is judged as the CMD that it becomes."""
    assert red(POLICY, "FROM alpine\nONBUILD CMD run me\n") == [(2, "shell-form")]


@pytest.mark.parametrize(
    ("argv", "exe", "clauses"),
    [
        (("python", "-m", "app"), "/usr/bin/python3.13", []),
        (("/bin/sh", "-c", "app"), "/bin/dash", ["shell-form"]),
        (("app",), "/bin/bash", ["shell-form"]),
        (("/bin/httpd",), "/bin/busybox", []),
    ],
)
def test_runtime_knows_a_shell_by_name_and_file(argv: tuple[str, ...], exe: str, clauses: list[str]) -> None:
    """A shell that calls itself otherwise is one; busybox is what it is called."""
    assert runtime_red("exec-form", container_of(process_of(argv, exe=exe))) == clauses


def test_runtime_looks_behind_an_init() -> None:
    """Docker's init is PID 1 then, and its child the program."""
    init, shell = process_of(("/sbin/docker-init", "--", "sh"), pid=1), process_of(("sh", "-c", "app"), pid=7)
    assert runtime_red("exec-form", container_of(init, shell, init=True)) == ["shell-form"]
    assert runtime_red("exec-form", container_of(init, process_of(pid=7), init=True)) == []
