from __future__ import annotations

import pytest

from tests.catalog.asking import ask, findings, red

POLICY = "fitting-tools"


@pytest.mark.parametrize(
    "run",
    [
        "ssh host id",
        "vim x",
        "shutdown now",
        "service ntp start",
        "sudo service ntp start",
        "/usr/sbin/service ntp start",
        "bash -c 'service ntp start'",
        "ps aux | grep x",
        "free",
        "top -b -n 1",
        "kill 1",
        "kill $PID",
        "mount -t tmpfs none /x",
        "ifconfig",
        '["ps", "aux"]',
    ],
)
def test_flags_what_means_nothing_in_a_build(run: str) -> None:
    """There is no machine, no terminal and no service."""
    assert red(POLICY, f"FROM a:1\nRUN {run}\n") == [(2, "out-of-place")]


@pytest.mark.parametrize(
    "run",
    [
        "apt-get install -y vim openssh-client procps",
        "--mount=type=ssh ssh -T git@example.org",
        "ssh-keyscan example.org",
        "server & sleep 1; id; kill $!",
        "echo service",
        "mkdir /mount && cd /mount",
        "command -v ps",
    ],
)
def test_passes_what_has_its_place(run: str) -> None:
    """Installing is no use, ssh has an agent, kill something to end."""
    assert red(POLICY, f"FROM a:1\nRUN {run}\n") == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("RUN curl a && wget -q b", 2),
        ("RUN curl a\nRUN id \\\n && wget -q b", 4),
        ("RUN wget -q a\nRUN curl b\nRUN curl c", 3),
        ("RUN ls\nFROM a:1 AS b\nRUN curl a\nFROM b\nRUN wget -q b", 6),
    ],
)
def test_flags_the_second_downloader(text: str, line: int) -> None:
    """Once a stage, where it is first used; what the stage is built FROM counts."""
    assert red(POLICY, f"FROM a:1\n{text}\n") == [(line, "one-downloader")]


@pytest.mark.parametrize(
    "text",
    [
        "RUN curl a && curl b",
        "RUN curl a\nFROM b:1\nRUN wget -q a",
        "RUN curl a\nHEALTHCHECK CMD wget -q a",
        "RUN curl a | bash -s wget",
    ],
)
def test_passes_one_downloader(text: str) -> None:
    """Another image, a health check or an argument is none."""
    assert red(POLICY, f"FROM a:1\n{text}\n") == []


@pytest.mark.parametrize(
    "text",
    [
        "RUN apt-get install -y curl",
        "FROM a:1\nRUN apk add --no-cache curl && wget -q https://localhost/",
    ],
)
def test_flags_a_downloader_that_nothing_uses(text: str) -> None:
    """What is shipped and never named serves only an intruder."""
    assert [clause for _, clause in red(POLICY, f"FROM a:1\n{text}\n")] == ["unused-downloader"]


@pytest.mark.parametrize(
    "text",
    [
        "RUN apt-get install -y curl && curl a",
        "RUN apt-get install -y curl\nHEALTHCHECK CMD curl -f http://localhost/",
        'RUN apt-get install -y curl\nHEALTHCHECK CMD ["curl", "-f", "http://localhost/"]',
        'RUN apt-get install -y curl\nCMD ["sh", "-c", "curl -f http://localhost/"]',
        "RUN apt-get install -y curl\nFROM scratch",
        "RUN apt-get install -y libcurl4",
    ],
)
def test_passes_a_downloader_that_something_uses(text: str) -> None:
    """A RUN, the health check or the command uses it, or it is not shipped."""
    assert red(POLICY, f"FROM a:1\n{text}\n") == []


def test_passes_a_script_of_the_context_with_the_name_of_a_tool() -> None:
    """`./ssh` is nobody's ssh."""
    assert red(POLICY, "FROM a:1\nRUN ./ssh x\n") == []


@pytest.mark.parametrize(
    "options", ["-u 100000", "--uid 1000660000", "--uid=123456", "-mu 123456", "-u 0100000"]
)
def test_flags_a_high_uid_with_its_logs(options: str) -> None:
    """The layer stores the hole in lastlog and faillog."""
    assert red(POLICY, f"FROM a:1\nRUN useradd {options} app\n") == [(2, "sparse-logs")]


@pytest.mark.parametrize(
    "run",
    [
        "useradd app",
        "useradd -u 99999 app",
        "useradd -l -u 123456 app",
        "useradd -lmu 123456 app",
        "useradd --no-log-init --uid=123456 app",
        "useradd -u $UID app",
        "adduser -D -u 123456 app",
        "groupadd -g 123456 app",
    ],
)
def test_passes_users_without_logs(run: str) -> None:
    """A low uid, no log entry, an unknown uid, and commands that write no such log."""
    assert red(POLICY, f"FROM a:1\nRUN {run}\n") == []


@pytest.mark.parametrize(
    "run", ["wget https://x.org/a", "wget -O - https://x.org/a", "wget -O x https://x.org/a"]
)
def test_flags_a_progress_bar(run: str) -> None:
    """A log holds every dot."""
    assert red(POLICY, f"FROM a:1\nRUN {run}\n") == [(2, "progress-bar")]


@pytest.mark.parametrize(
    "run",
    [
        "wget -q https://x.org/a",
        "wget -qO- https://x.org/a",
        "wget -nv https://x.org/a",
        "wget --no-verbose https://x.org/a",
        "wget --progress=dot:giga https://x.org/a",
        "wget -o log https://x.org/a",
        "wget --append-output=log https://x.org/a",
        "wget https://x.org/a 2> /dev/null",
        "wget --version",
        "wget --spider https://x.org/a",
        "curl https://x.org/a",
    ],
)
def test_passes_a_quiet_wget(run: str) -> None:
    """Quiet, dotted, logged elsewhere, or fetching nothing."""
    assert red(POLICY, f"FROM a:1\nRUN {run}\n") == []


@pytest.mark.parametrize(
    "run",
    [
        "ln -s /bin/bash /bin/sh",
        "ln -sf bash /bin/sh",
        "rm /bin/sh && ln -s /bin/bash /bin/sh",
        "ln -sfn /bin/bash /usr/bin/sh",
        "mv /bin/bash /bin/sh",
        "cp /bin/bash /bin/sh",
    ],
)
def test_flags_another_bin_sh(run: str) -> None:
    """Linked, copied or moved over it."""
    assert red(POLICY, f"FROM a:1\nRUN {run}\n") == [(2, "replaced-shell")]


@pytest.mark.parametrize(
    "run", ["ln -s /bin/sh /bin/tool", "ln -s /bin/bash /usr/local/bin/tool", "cp x /bin/shell"]
)
def test_passes_other_links(run: str) -> None:
    """A link to the shell takes nothing away."""
    assert red(POLICY, f"FROM a:1\nRUN {run}\n") == []


def test_sits_on_the_line_of_the_command_and_judges_triggers() -> None:
    """Each command has its own finding, with its fix."""
    found = findings(POLICY, "FROM a:1\nONBUILD RUN id \\\n && service x start \\\n && wget x\n")
    assert [(f.place.line, f.clause) for f in found] == [(3, "out-of-place"), (4, "progress-bar")]
    assert all(f.help for f in found)


def test_does_not_apply_to_another_shell() -> None:
    """What PowerShell runs is not looked into, and that is said."""
    answers = ask(POLICY, 'FROM a:1\nSHELL ["powershell"]\nRUN ps\n')
    assert (answers.findings, len(answers.not_applicable)) == ((), 1)
