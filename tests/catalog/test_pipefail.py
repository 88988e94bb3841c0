from __future__ import annotations

import pytest

from tests.catalog.asking import ask, findings, red

POLICY = "pipefail"
BASH = 'SHELL ["/bin/bash", "-eo", "pipefail", "-c"]'


@pytest.mark.parametrize(
    "run",
    [
        "curl https://x.org | tar x",
        "a |& b",
        "(a | b)",
        "{ a | b; } > c",
        "x=$(a | b) && c",
        'echo "$(a | b)"',
        "if a | b; then c; fi",
        "! a | b",
        "a | b; set -o pipefail",
        "(set -o pipefail) && a | b",
        "set -e; set -u; a | b",
        "set -o pipefail; set +o pipefail; a | b",
        "echo x | a | b",
        "while read x; do a; done < y | b",
        "cat x | b",
        "a | b || exit 1",
        "a | b || c",
        "bash -c 'a | b'",
        "bash -ec 'set -u; a | b'",
        '["bash", "-c", "a | b"]',
        '["/bin/sh", "-c", "a | b"]',
        "sudo sh -c 'a | b'",
        "--mount=type=cache,target=/x a | b",
        "eval 'a | b'",
    ],
)
def test_flags_a_pipe_that_hides_a_failure(run: str) -> None:
    """A part but the last one can fail, and nothing would tell."""
    assert red(POLICY, f"FROM a:1\nRUN {run}\n") == [(2, None)]


@pytest.mark.parametrize(
    "run",
    [
        "a || b",
        "a && b",
        "a 'x | y'",
        "a > b 2>&1",
        "set -o pipefail && a | b",
        "set -eo pipefail; a | b",
        "set -euxo pipefail && (a | b)",
        "set -o pipefail && x=$(a | b)",
        "bash -o pipefail -c 'a | b'",
        "bash -c 'set -o pipefail; a | b'",
        '["bash", "-o", "pipefail", "-c", "a | b"]',
        '["a", "|", "b"]',
        "echo x | a",
        "printf 'x\\ny' | a",
        "yes | a",
        'echo "$SUM  x.tgz" | sha256sum -c -',
        "a | b || true",
        "a | b || :",
        "case x in a|b) c;; esac",
        "[[ a =~ b|c ]]",
        "awk '{ print | \"sort\" }' x",
    ],
)
def test_passes_what_hides_nothing(run: str) -> None:
    """No pipe, a pipe under the option, or parts that cannot fail."""
    assert red(POLICY, f"FROM a:1\nRUN {run}\n") == []


@pytest.mark.parametrize(
    "shell",
    [
        '["/bin/bash", "-o", "pipefail", "-c"]',
        '["/bin/bash", "-eo", "pipefail", "-c"]',
        '["/bin/bash", "-euxo", "pipefail", "-c"]',
        '["/bin/ash", "-eo", "pipefail", "-c"]',
        '["/bin/zsh", "-o", "pipefail", "-c"]',
        '["/bin/sh", "-o", "pipefail", "-c"]',
        '["/usr/bin/env", "bash", "-o", "pipefail", "-c"]',
    ],
)
def test_passes_under_a_shell_with_the_option(shell: str) -> None:
    """SHELL holds from its line on."""
    assert red(POLICY, f"FROM a:1\nSHELL {shell}\nRUN a | b\n") == []
    assert red(POLICY, f"FROM a:1\nRUN a | b\nSHELL {shell}\n") == [(2, None)]


def test_flags_under_a_shell_without_the_option() -> None:
    """Bash alone changes nothing, and a later SHELL takes the option away."""
    assert red(POLICY, 'FROM a:1\nSHELL ["/bin/bash", "-c"]\nRUN a | b\n') == [(3, None)]
    assert red(POLICY, f'FROM a:1\n{BASH}\nSHELL ["/bin/sh", "-c"]\nRUN a | b\n') == [(4, None)]


def test_follows_shell_through_stages() -> None:
    """A stage inherits SHELL from the stage that it is built FROM, and from no other."""
    assert red(POLICY, f"FROM a:1 AS b\n{BASH}\nFROM b\nRUN a | b\n") == []
    assert red(POLICY, f"FROM a:1 AS b\n{BASH}\nFROM a:1\nRUN a | b\n") == [(4, None)]


def test_reads_heredocs() -> None:
    """A script in a heredoc has its own lines and its own interpreter."""
    assert red(POLICY, "FROM a:1\nRUN <<end\nid\na | b\nend\n") == [(4, None)]
    assert red(POLICY, "FROM a:1\nRUN <<end\nset -eo pipefail\na | b\nend\n") == []
    assert red(POLICY, "FROM a:1\nRUN <<end\n#!/bin/bash -e\na | b\nend\n") == [(4, None)]
    assert red(POLICY, "FROM a:1\nRUN bash -o pipefail <<end\na | b\nend\n") == []
    assert red(POLICY, "FROM a:1\nRUN cat <<end | a\n| b\nend\n") == []


def test_sits_on_the_line_of_the_pipe() -> None:
    """One finding a RUN, on the first pipe that hides something, with the command whose failure is lost."""
    text = "FROM a:1\nRUN id \\\n && echo x | y \\\n && curl x | tar x \\\n && a | b\n"
    (finding,) = findings(POLICY, text)
    assert (finding.place.line, finding.place.column) == (4, 5)
    assert "`curl`" in finding.message


def test_judges_a_trigger() -> None:
    """ONBUILD RUN is a RUN."""
    assert red(POLICY, "FROM a:1\nONBUILD RUN a | b\n") == [(2, None)]


@pytest.mark.parametrize("shell", ['["pwsh", "-Command"]', '["cmd", "/S", "/C"]'])
def test_does_not_apply_to_another_shell(shell: str) -> None:
    """What no POSIX shell reads is not looked into, and that is said once."""
    answers = ask(POLICY, f"FROM a:1\nSHELL {shell}\nRUN a | b\nRUN c | d\n")
    assert answers.findings == ()
    assert len(answers.not_applicable) == 1
    assert "not a POSIX shell" in answers.not_applicable[0].reason


GOOD = {
    "debian": """
        FROM debian:13
        SHELL ["/bin/bash", "-o", "pipefail", "-c"]
        RUN curl -fsSL https://x.org/key | gpg --dearmor > /etc/apt/keyrings/x.gpg
    """,
    "alpine": """
        FROM alpine:3.22
        RUN set -eux -o pipefail; wget -qO- https://x.org/a.tar.gz | tar -xz -C /opt
    """,
    "node": """
        FROM node:24
        RUN curl -fsSLO https://x.org/a.tgz && echo "$SUM  a.tgz" | sha256sum -c - && tar xf a.tgz
    """,
    "android": """
        FROM eclipse-temurin:21
        RUN yes | sdkmanager --licenses
    """,
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_passes_good_builds(text: str) -> None:
    """What careful people write is no finding."""
    assert red(POLICY, text) == []
