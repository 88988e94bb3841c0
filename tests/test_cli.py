from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from dockproof import catalog, cli
from dockproof.errors import NotLookedError
from dockproof.report import policies as listing
from tests.sample import POLICIES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dockproof.policy import Policy

BAD = "FROM debian:12\nRUN foo\n"
GOOD = "FROM debian:12\nRUN true\n"


class Ran(NamedTuple):
    """What a command left."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    """Run the program in an empty folder with the sample policies and without hadolint."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(catalog, "load", _sample)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def command(*arguments: str) -> Ran:
        extra = ["--no-hadolint"] if arguments[:1] == ("check",) else []
        code = cli.main([*arguments, *extra])
        return Ran(int(code), *capsys.readouterr())

    return command


def _sample() -> Mapping[str, Policy]:
    return POLICIES


def test_check_of_a_clean_folder_exits_0(run: Callable[..., Ran], tmp_path: Path) -> None:
    """The folder that it was started in is searched where no path is named."""
    (tmp_path / "Dockerfile").write_text(GOOD)
    assert run("check") == Ran(0, "passed: no findings in 1 file\n", "")


def test_check_of_a_finding_exits_1(run: Callable[..., Ran], tmp_path: Path) -> None:
    """The finding is shown with its line and the way to mend it."""
    (tmp_path / "Dockerfile").write_text(BAD)
    ran = run("check", "Dockerfile")
    assert ran.code == 1
    assert ran.out.startswith("Dockerfile:2:1: error no-foo/foo: RUN says foo [stage 0]\n    2 | RUN foo\n")
    assert ran.err == ""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["chek"], "no command 'chek', did you mean \"check\"?"),
        (["--chek"], "no command '--chek'"),
        (["check", "--fomat", "json"], 'unrecognized arguments: --fomat, did you mean "--format"?'),
        (["check", "--format", "jsn"], "invalid choice: 'jsn'"),
        (["check", "--profile", "prod"], "invalid choice: 'prod'"),
        (["check", "--prof", "production"], "unrecognized arguments: --prof"),
        (["check", "--select", "no-fo"], "--select: 'no-fo' is no policy, did you mean \"no-foo\"?"),
        (["check", "--ignore", "no-foo,no-baz"], "--ignore: 'no-baz' is no policy, did you mean \"no-bar\"?"),
        (["check", "--config", "x", "--no-config"], "not allowed with argument"),
        (["check", "--config", "nowhere.toml"], "nowhere.toml cannot be read: No such file or directory"),
        (["check", "--baseline", "nowhere.json"], "the baseline cannot be read"),
        (["check", "--output", "no/folder/x"], "no/folder/x cannot be written: No such file or directory"),
        (["explain", "no-fo"], "'no-fo' is no policy, did you mean \"no-foo\"?"),
        (["explain"], "the following arguments are required: ID"),
    ],
)
def test_wrong_usage_exits_2_with_one_line(
    run: Callable[..., Ran], tmp_path: Path, arguments: list[str], expected: str
) -> None:
    """What is wrong is said in one line on standard error, with the nearest name."""
    (tmp_path / "Dockerfile").write_text(BAD)
    ran = run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("dockproof: error: ")
    assert expected in ran.err
    assert ran.err.count("\n") == 1


def test_wrong_configuration_exits_2(run: Callable[..., Ran], tmp_path: Path) -> None:
    """A misspelt key of the project's configuration stops the run, unless it is left out."""
    (tmp_path / "Dockerfile").write_text(GOOD)
    (tmp_path / "pyproject.toml").write_text("[tool.dockproof]\nprofil = 'builder'\n")
    ran = run("check")
    assert ran.code == 2
    assert 'tool.dockproof.profil: is not known, did you mean "profile"?' in ran.err
    assert run("check", "--no-config").code == 0


def test_nothing_to_check_exits_3(run: Callable[..., Ran]) -> None:
    """An empty folder is no clean one."""
    ran = run("check")
    assert ran.code == 3
    assert "no Dockerfile in ." in ran.err


def test_unreadable_file_exits_4_and_wins_over_findings(run: Callable[..., Ran], tmp_path: Path) -> None:
    """The findings of the other file are there all the same."""
    (tmp_path / "Dockerfile").write_text(BAD)
    ran = run("check", ".", "gone")
    assert ran.code == 4
    assert "RUN says foo" in ran.out
    assert "gone: No such file or directory" in ran.out


def test_profile_of_the_command_line_wins_over_rules(run: Callable[..., Ran], tmp_path: Path) -> None:
    """--profile holds for every file."""
    (tmp_path / "Dockerfile").write_text(BAD)
    (tmp_path / ".dockproof.toml").write_text('[files."Dockerfile"]\nprofile = "production"\n')
    assert run("check").code == 1
    assert run("check", "--profile", "development").code == 0
    assert run("check", "--profile", "development", "--fail-level", "warning").code == 1


def test_configuration_is_searched_from_the_paths(run: Callable[..., Ran], tmp_path: Path) -> None:
    """What holds for a file lies beside it, wherever the program was started."""
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text(BAD)
    (tmp_path / "a" / ".dockproof.toml").write_text('profile = "development"\n')
    assert run("check", "a/b/Dockerfile").code == 0
    assert run("check", "a").code == 0
    assert run("check", ".").code == 1


def test_selection_takes_lists_and_repeats(run: Callable[..., Ran], tmp_path: Path) -> None:
    """Commas and repeated options mean the same."""
    (tmp_path / "Dockerfile").write_text("FROM a\nRUN foo bar\n")
    assert (
        run("check", "--select", "no-foo,no-bar").out
        == run("check", "--select", "no-foo", "--select", "no-bar").out
    )
    assert run("check", "--ignore", "no-foo, no-bar").code == 0


def test_report_goes_to_a_file_whole(run: Callable[..., Ran], tmp_path: Path) -> None:
    """--output replaces an older file and prints nothing."""
    (tmp_path / "Dockerfile").write_text(BAD)
    (tmp_path / "report.json").write_text("old")
    ran = run("check", "--format", "json", "--output", "report.json")
    assert (ran.code, ran.out, ran.err) == (1, "", "")
    assert json.loads((tmp_path / "report.json").read_text())["summary"]["errors"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Dockerfile", "report.json"]


@pytest.mark.parametrize("folder", [".", "sub"])
def test_report_goes_to_no_folder(folder: str, run: Callable[..., Ran], tmp_path: Path) -> None:
    """--output names a file; a folder is a usage error, and stays as it is."""
    (tmp_path / "Dockerfile").write_text(BAD)
    (tmp_path / "sub").mkdir()
    assert run("check", "--output", folder) == Ran(
        2, "", f"dockproof: error: {folder} cannot be written: Is a directory\n"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Dockerfile", "sub"]


def test_colours_follow_the_environment(
    run: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No terminal, no colours, unless FORCE_COLOR asks for them."""
    (tmp_path / "Dockerfile").write_text(BAD)
    assert "\x1b" not in run("check").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" in run("check").out


def test_baseline_lets_a_legacy_repository_adopt_the_gate(run: Callable[..., Ran], tmp_path: Path) -> None:
    """What was there is waived though its line moved; what is new fails; what is gone is counted."""
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM a\nRUN foo 1\nRUN   foo 1\nRUN foo 2\n")
    wrote = run("check", "--write-baseline", "--baseline", "base.json")
    assert (wrote.code, wrote.out) == (0, "base.json: 3 findings recorded\n")
    dockerfile.write_text("FROM a\n\n# moved\nRUN  foo   1\nRUN foo 1\nRUN foo 2\n")
    assert run("check", "--baseline", "base.json").out == "passed: 3 waived in 1 file\n"
    dockerfile.write_text("FROM a\nRUN foo 1\nRUN foo 1\nRUN foo 1\n")
    ran = run("check", "--baseline", "base.json", "--format", "json")
    assert ran.code == 1
    waived = [f["waived"] and f["waived"]["reason"] for f in json.loads(ran.out)["files"][0]["findings"]]
    assert waived == ["baseline", "baseline", None]
    assert "1 entry of the baseline occurs no more" in run("check", "--baseline", "base.json").out


def test_baseline_tells_what_is_gone_of_the_files_that_were_looked_at(
    run: Callable[..., Ran], tmp_path: Path
) -> None:
    """A hook that checks one file says nothing of the others; a file that is no more takes its findings along."""
    for name in ("a.Dockerfile", "b.Dockerfile"):
        (tmp_path / name).write_text(BAD)
    assert run("check", "--write-baseline", "--baseline", "base.json").code == 0
    assert run("check", "a.Dockerfile", "--baseline", "base.json").out == "passed: 1 waived in 1 file\n"
    (tmp_path / "b.Dockerfile").unlink()
    said = "passed: 1 waived in 1 file; 1 entry of the baseline occurs no more\n"
    assert run("check", "a.Dockerfile", "--baseline", "base.json").out == said


def test_baseline_of_the_configuration_is_used(run: Callable[..., Ran], tmp_path: Path) -> None:
    """Named once, the baseline holds from every folder."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "Dockerfile").write_text(BAD)
    (tmp_path / ".dockproof.toml").write_text('baseline = "base.json"\n')
    assert run("check").code == 2
    assert run("check", "--write-baseline").code == 0
    assert run("check").code == 0
    os.chdir("a")
    assert run("check").code == 0


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"schema": 2, "findings": []}', '{"schema": 1, "findings": [1]}']
)
def test_damaged_baseline_exits_2(run: Callable[..., Ran], tmp_path: Path, text: str) -> None:
    """A baseline that cannot be read must waive nothing."""
    (tmp_path / "Dockerfile").write_text(BAD)
    (tmp_path / "base.json").write_text(text)
    ran = run("check", "--baseline", "base.json")
    assert ran.code == 2
    assert "base.json" in ran.err


def test_crash_exits_4_and_not_1(run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own exit code for a crash would mean findings."""

    def crash() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(catalog, "load", crash)
    ran = run("policies", "--no-config")
    assert ran.code == 4
    assert "dockproof itself crashed: ZeroDivisionError" in ran.err


def test_error_shows_the_last_lines_of_a_log(
    run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error's log stands below its sentence."""

    def fail() -> None:
        raise NotLookedError("no engine answers", "line 1\nline 2\n")

    monkeypatch.setattr(catalog, "load", fail)
    assert run("policies", "--no-config") == Ran(
        4, "", "dockproof: error: no engine answers\n  | line 1\n  | line 2\n"
    )


def test_policies_lists_every_policy_with_the_promised_keys(run: Callable[..., Ran]) -> None:
    """Schema 1 of the list; a policy's own peers are those of all its clauses."""
    data = json.loads(run("policies", "--format", "json").out)
    assert data["schema"] == 1
    bar, foo = data["policies"]
    assert foo["severity"] == {"production": "error", "development": "warning", "builder": None}
    assert bar["severity"]["development"] is None
    assert foo["probes"] == ["source"]
    assert foo["same_as"] == [
        "hadolint:DL3008",
        "buildkit:StageNameCasing",
        "trivy:DS-0002",
        "checkov:CKV_DOCKER_3",
    ]
    assert foo["clauses"]["foofoo"]["same_as"] == ["checkov:CKV_DOCKER_3"]
    wanted = {
        "id",
        "title",
        "family",
        "severity",
        "probes",
        "same_as",
        "covers",
        "clauses",
        "references",
        "since",
    }
    assert wanted | {"mutants", "fixable"} <= foo.keys()
    text = run("policies").out
    assert "no-foo  error/warning" in text
    assert "2 policies" in text


def test_explain_shows_the_page(run: Callable[..., Ran]) -> None:
    """The page, the severities, the peers and how to waive."""
    text = run("explain", "no-foo").out
    for part in (
        "no-foo: no instruction says foo",
        "How to fix it",
        "Same as:",
        "foofoo",
        "ignore=no-foo",
        "0 mutants",
    ):
        assert part in text
    data = json.loads(run("explain", "no-foo/foo", "--format", "json").out)
    assert data["page"]["How to fix it"] == "Say bar. Or nothing."


def test_explain_knows_what_is_no_policy_of_ours(run: Callable[..., Ran]) -> None:
    """A rule of hadolint leads to ours with the same meaning; waivers explain themselves."""
    assert "dockproof explain no-foo" in run("explain", "hadolint:DL3008").out
    assert "past its date" in run("explain", "waiver").out
    assert run("explain", "dl3008").out == run("explain", "hadolint:DL3008").out
    assert run("explain", "DL9999").code == 2


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("trivy:DS-0002", "non-root"),
        ("checkov:CKV_DOCKER_2", "healthcheck"),
        ("buildkit:StageNameCasing", "current-syntax"),
        ("cis:4.1", "non-root"),
    ],
)
def test_explain_leads_from_every_name_elsewhere_to_ours(name: str, ours: str) -> None:
    """Whoever comes with a peer's rule or a standard's item finds the policy."""
    assert f"dockproof explain {ours}`" in "".join(listing.explain(name, catalog.load()))


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["help"]])
def test_help_lists_commands_and_exit_codes(run: Callable[..., Ran], arguments: list[str]) -> None:
    """The first thing a stranger types."""
    ran = run(*arguments)
    assert ran.code == 0
    for part in ("check", "verify", "prove", "policies", "explain", "exit codes: 0 clean"):
        assert part in ran.out


def test_no_command_shows_help_and_exits_2(run: Callable[..., Ran]) -> None:
    """A script that forgot the command must not look green."""
    assert run().code == 2


def program(*arguments: str) -> list[str]:
    """Return the command line of the real program."""
    return [sys.executable, "-m", "dockproof", *arguments]


def test_reads_standard_input(tmp_path: Path) -> None:
    """`-` is standard input, named by --stdin-filename."""
    done = subprocess.run(
        program(
            "check",
            "-",
            "--stdin-filename",
            "a/Dockerfile",
            "--no-hadolint",
            "--no-config",
            "--format",
            "json",
        ),
        input=b"FROM debian\nUSER root\n",
        capture_output=True,
        cwd=tmp_path,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1, done.stderr
    (file,) = json.loads(done.stdout)["files"]
    assert file["path"] == "a/Dockerfile"
    assert [f["line"] for f in file["findings"] if f["policy"] == "non-root"] == [2]


@pytest.mark.parametrize("command", ["check", "fix"])
def test_name_for_standard_input_needs_it(run: Callable[..., Ran], command: str) -> None:
    """Who forgot `-` would get the answer to another question."""
    done = run(command, "--stdin-filename", "a/Dockerfile")
    assert done.code == 2
    assert "add `-` to the paths" in done.err


def test_text_is_utf8_whatever_the_locale(tmp_path: Path) -> None:
    """A file name that is no UTF-8 and a locale without it end no report."""
    (tmp_path / os.fsdecode(b"\xff.Dockerfile")).write_text("FROM debian # ü\n")
    done = subprocess.run(
        program("check", "--no-hadolint", "--format", "json"),
        capture_output=True,
        cwd=tmp_path,
        check=False,
        timeout=60,
        env={**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout.decode("utf-8"))["files"]


def test_closed_pipe_is_quiet(tmp_path: Path) -> None:
    """A reader that has seen enough gets no traceback."""
    (tmp_path / "Dockerfile").write_text("FROM debian\n" + "RUN sudo id\n" * 3000)
    with subprocess.Popen(
        program("check", "--no-hadolint"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 4


def test_full_disk_is_said_in_one_sentence(tmp_path: Path) -> None:
    """A report that could not be written is no crash of ours, and no verdict."""
    (tmp_path / "Dockerfile").write_text(BAD)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            program("check", "--no-hadolint"),
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            check=False,
            timeout=60,
            text=True,
        )
    said = "dockproof: error: standard output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (4, said)


def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """A named pipe that nobody writes to would hold our probes and hadolint for ever."""
    os.mkfifo(tmp_path / "Dockerfile")
    for path in ("Dockerfile", "."):
        done = subprocess.run(
            program("check", path), capture_output=True, cwd=tmp_path, check=False, timeout=60, text=True
        )
        assert done.returncode == 4
        assert "Dockerfile: it is no regular file" in done.stdout


def test_working_folder_that_was_removed_is_said_in_one_sentence(tmp_path: Path) -> None:
    """No relative path means anything there."""
    script = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *program("check", "--no-hadolint")],
        capture_output=True,
        cwd=tmp_path,
        check=False,
        timeout=60,
        text=True,
    )
    said = "dockproof: error: the working folder was removed: go to one that is there, as `cd ..`\n"
    assert (done.returncode, done.stderr) == (2, said)


def _await_reading(pid: int) -> None:
    """Wait until the kernel says that a process waits in read (0 on x86-64, 63 on arm64) for its standard input."""
    deadline = time.monotonic() + 60
    while not Path(f"/proc/{pid}/syscall").read_text(encoding="ascii").startswith(("0 0x0 ", "63 0x0 ")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_interrupt_is_quiet_and_exits_130(tmp_path: Path) -> None:
    """Ctrl-C ends the program at once, without a traceback."""
    with subprocess.Popen(
        program("check", "-", "--no-hadolint"), stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    ) as process:
        _await_reading(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr
        assert process.stderr.read() == b""
