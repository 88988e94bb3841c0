"""`dockproof prove` on a user's own Dockerfiles, and what it says where nothing can be proven."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from dockproof import cli

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """\
# A service.
FROM debian:13-slim@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285
RUN apt-get update \\
 && apt-get install --yes --no-install-recommends tini=0.19.0-3+b1 \\
 && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=3s CMD ["service", "health"]
ENTRYPOINT ["tini", "--", "service"]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own, which no configuration of ours reaches."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the program and give exit code, output and errors."""

    def prove(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(["prove", *arguments])
        return (code, *capsys.readouterr())

    return prove


def matrix(run: Any, *arguments: str) -> dict[str, Any]:
    """Return the JSON of a proof."""
    document: dict[str, Any] = json.loads(run(*arguments, "--format", "json")[1])
    return document


def test_kills_all_that_can_be_taken_from_a_good_file(folder: Path, run: Any) -> None:
    """Dropped, unpinned, made root: each edit of the user's own file is noticed, and the file stays as it was."""
    path = folder / "Dockerfile"
    path.write_text(GOOD)
    code, out, _ = run("Dockerfile")
    assert code == 0
    assert "  non-root              5/5  killed dropped[source]  killed root[source]" in out
    assert "SURVIVED" not in out
    assert path.read_text() == GOOD
    assert [one.name for one in folder.iterdir() if one.name != ".git"] == ["Dockerfile"]


def test_edits_what_the_file_has(folder: Path, run: Any) -> None:
    """The operators find the user's own words: the digest, the option, the health check, the entry point."""
    (folder / "Dockerfile").write_text(GOOD)
    made = {(row["policy"], row["mutant"]) for row in matrix(run, "Dockerfile")["mutants"]}
    assert made >= {
        ("pinned-base", "no-digest"),
        ("tagged-base", "latest"),
        ("no-recommends", "recommends"),
        ("clean-package-caches", "no-clean-up"),
        ("unattended-install", "asks-apt"),
        ("healthcheck", "dropped"),
        ("exec-form", "entrypoint-of-a-shell"),
        ("exec-form", "check-of-a-shell"),
        ("non-root", "dropped"),
        ("no-secrets", "password-in-environment"),
        ("verified-download", "run-unseen"),
        ("cache-order", "code-then-packages"),
    }


def test_says_why_a_policy_cannot_be_shown(folder: Path, run: Any) -> None:
    """Red already, nothing to take away, asked of something else, switched off, or waived."""
    text = GOOD.replace("USER 10001:10001", "USER root")
    (folder / "Dockerfile").write_text(text)
    (folder / ".dockproof.toml").write_text('[files.Dockerfile]\nprofile = "development"\n')
    missing = {
        (one["policy"], one["mutant"]): (one["kind"], one["reason"])
        for one in matrix(run, "Dockerfile")["not_made"]
    }
    assert missing["non-root", None] == ("red already", "line 6: USER root is root")
    assert missing["multi-stage", None] == ("off", "it is off under the profile development")
    assert missing["no-setuid", None] == ("not applicable", "it is asked of the image, not of the Dockerfile")
    assert missing["exec-form", "command-of-a-shell"] == ("not applicable", "it has no CMD")
    assert missing["trusted-registry", "another-registry"][1] == "the configuration names no registries"


def test_waived_policy_is_told(folder: Path, run: Any) -> None:
    """What the configuration waives for the file would not be noticed, and that is said."""
    (folder / "Dockerfile").write_text(GOOD)
    (folder / ".dockproof.toml").write_text(
        '[files.Dockerfile]\nwaivers = [{ policy = "no-ssh", reason = "it is the bastion" }]\n'
    )
    missing = matrix(run, "Dockerfile", "--select", "no-ssh,no-sudo")["not_made"]
    assert {(one["kind"], one["reason"]) for one in missing} == {("waived", "it is the bastion")}


def test_red_already_fails_from_the_fail_level_on(folder: Path, run: Any) -> None:
    """A file that the gate refuses proves nothing, and a warning does so where warnings fail."""
    (folder / "Dockerfile").write_text(GOOD.replace("USER 10001:10001\n", ""))
    code, out, _ = run("Dockerfile", "--select", "non-root,no-sudo")
    assert (code, out.splitlines()[-1].partition("killed")[2]) == (1, "; 1 not made: red already")
    (folder / "Dockerfile").write_text(GOOD.replace(" --no-install-recommends", ""))
    assert run("Dockerfile", "--select", "no-recommends,no-sudo")[0] == 0
    assert run("Dockerfile", "--select", "no-recommends,no-sudo", "--fail-level", "warning")[0] == 1


def test_survivor_fails(folder: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy that does not see its own mutant makes the proof fail, and is named."""
    (folder / "Dockerfile").write_text(GOOD)
    monkeypatch.setattr("dockproof.catalog.no_sudo.NoSudo.source", lambda _self, _target: ())
    code, out, _ = run("Dockerfile", "--select", "no-sudo")
    assert code == 1
    assert "SURVIVED sudo[source]" in out
    assert "Dockerfile: no-sudo: sudo[source]: survived: no-sudo did not turn red" in out


def test_selects_clauses(folder: Path, run: Any) -> None:
    """A clause alone is proven, or left out."""
    (folder / "Dockerfile").write_text(GOOD)
    rows = matrix(run, "Dockerfile", "--select", "non-root/root-group")["mutants"]
    assert [row["mutant"] for row in rows] == ["group-zero"]
    rows = matrix(run, "Dockerfile", "--select", "non-root", "--ignore", "non-root/root-group")["mutants"]
    assert [row["mutant"] for row in rows] == ["dropped", "root", "zero", "unknown"]
    (folder / "Dockerfile").write_text(GOOD.replace("10001:10001", "10001:0"))
    rows = matrix(run, "Dockerfile", "--select", "non-root", "--ignore", "non-root/root-group")["mutants"]
    assert all(row["killed"] for row in rows)
    assert len(rows) == 4


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--select", "non-root", "--ignore", "non-root"], 3, "leave no mutant"),
        (["--select", "no-setuid"], 3, "nothing to prove of no-setuid but images and runs: say --engine"),
        (["--select", "no-setuid", "Dockerfile"], 3, "it is asked of the image, not of the Dockerfile"),
        (["empty"], 3, "no Dockerfile"),
        (["--select", "non-rot", "Dockerfile"], 2, "did you mean"),
        (["Dockerfile", "--engine"], 2, "leave the paths out"),
        (["--format", "sarif"], 2, "invalid choice"),
    ],
)
def test_says_what_is_wrong_with_the_question(
    folder: Path, run: Any, arguments: list[str], code: int, message: str
) -> None:
    """Nothing to prove is 3, a wrong question 2, each with a sentence."""
    (folder / "Dockerfile").write_text(GOOD)
    (folder / "empty").mkdir()
    ran, _, err = run(*arguments)
    assert (ran, message in err) == (code, True), err


def test_unreadable_file_stops_no_other(folder: Path, run: Any) -> None:
    """What could not be read wins over what was proven, and loses nothing of it."""
    (folder / "Dockerfile").write_text(GOOD)
    code, out, _ = run("Dockerfile", "missing/Dockerfile", "--select", "non-root")
    assert code == 4
    assert "non-root  5/5" in out
    assert "missing/Dockerfile" in out


def test_target_that_is_no_stage_is_not_looked_at(folder: Path, run: Any) -> None:
    """A target of the configuration that the file has not is no proof of another stage."""
    (folder / "Dockerfile").write_text(GOOD)
    (folder / ".dockproof.toml").write_text('[files.Dockerfile]\ntargets = ["runtime"]\n')
    code, out, _ = run("Dockerfile", "--select", "non-root")
    assert code == 4
    assert "runtime" in out


def test_judges_the_target_that_is_shipped(folder: Path, run: Any) -> None:
    """The edit goes into the stage that is shipped, which need not be the last."""
    (folder / "Dockerfile").write_text(
        GOOD.replace("c00285\n", "c00285 AS runtime\n") + "FROM runtime AS debug\n"
    )
    (folder / ".dockproof.toml").write_text('[files.Dockerfile]\ntargets = ["runtime", "debug"]\n')
    code, out, _ = run("Dockerfile", "--select", "non-root")
    assert (code, "non-root  5/5" in out) == (0, True), out


def test_other_shell_is_not_applicable(folder: Path, run: Any) -> None:
    """Commands of PowerShell are not read, so that nothing of them can be shown."""
    (folder / "Dockerfile").write_text('FROM shell:1\nSHELL ["powershell"]\nRUN Get-Item x\nUSER 1:1\n')
    found = matrix(run, "Dockerfile", "--select", "no-sudo,non-root")
    assert {(one["policy"], one["reason"]) for one in found["not_made"]} == {
        ("no-sudo", "SHELL is PowerShell, not a POSIX shell")
    }
    assert found["summary"] == {"mutants": 5, "killed": 5}


def test_crlf_and_a_last_line_without_end(folder: Path, run: Any) -> None:
    """Line ends of Windows and a missing one at the end change nothing."""
    (folder / "Dockerfile").write_bytes(GOOD.replace("\n", "\r\n").rstrip().encode())
    code, out, _ = run("Dockerfile", "--select", "non-root,healthcheck,exec-form")
    assert code == 0, out


def test_json_is_stable(folder: Path, run: Any) -> None:
    """The keys are a contract: they may grow, and never change."""
    (folder / "Dockerfile").write_text(GOOD)
    found = matrix(run, "Dockerfile", "--select", "no-sudo,no-setuid")
    assert found == {
        "schema": 1,
        "wrong": [],
        "mutants": [
            {
                "policy": "no-sudo",
                "mutant": "no-password",
                "probe": "source",
                "red": ["no-sudo"],
                "faults": [],
                "file": "Dockerfile",
                "killed": True,
            },
            {
                "policy": "no-sudo",
                "mutant": "sudo",
                "probe": "source",
                "red": ["no-sudo"],
                "faults": [],
                "file": "Dockerfile",
                "killed": True,
            },
        ],
        "not_made": [
            {
                "policy": "no-setuid",
                "mutant": None,
                "file": "Dockerfile",
                "kind": "not applicable",
                "reason": "it is asked of the image, not of the Dockerfile",
                "severity": None,
            }
        ],
        "summary": {"mutants": 2, "killed": 2},
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "BuildKit does not accept the file"),
        ("FROM a\nRUN <<E\nnever ends", "BuildKit does not accept the file (line 2: "),
        ("FROM a\nUSER 1:1\nRUN ls \\", "the file ends in the middle of an instruction"),
    ],
)
def test_half_a_file_is_no_good_one(folder: Path, run: Any, text: str, reason: str) -> None:
    """Nothing is taken from what is no whole Dockerfile, and the reason is told."""
    (folder / "Dockerfile").write_text(text)
    missing = matrix(run, "Dockerfile", "--select", "non-root,valid-dockerfile,no-sudo")["not_made"]
    assert any(one["reason"].startswith(reason) for one in missing), missing


def test_mark_of_an_editor_means_nothing(folder: Path, run: Any) -> None:
    """A byte order mark stays in front of nothing that is put in front of the first line."""
    (folder / "Dockerfile").write_bytes(b"\xef\xbb\xbf" + GOOD.partition("\n")[2].encode())
    code, out, _ = run("Dockerfile", "--select", "used-stages,valid-dockerfile")
    killed, all_of_them = re.findall(r"(\d+) of (\d+) mutants killed", out)[0]
    assert (code, killed) == (0, all_of_them), out


OWN = '''
"""No telnet client is installed.

What it holds
-------------
Nothing installs telnet.

Why it matters
--------------
It is clear text.

How to fix it
-------------
Leave it out.

References
----------
- none
"""

from dockproof.facts.packages import package_calls
from dockproof.facts.shell import script
from dockproof.policy import EditMutant, Family, Policy, SourceMutant


class NoTelnet(Policy):
    """Nobody types a password into clear text."""

    title = "no telnet client is installed"
    family = Family.LEAST_PRIVILEGE

    def source(self, target):
        for stage in target.dockerfile.stages:
            for run in (one for one in stage.instructions if one.keyword == "RUN"):
                for call in package_calls(script(run, stage.shell_at(run))):
                    if any(one.name == "telnet" for one in call.packages):
                        yield self.at(call.command, "telnet is installed", stage=stage)

    mutants = (
        SourceMutant("instead-of-tini", "tini=0.19.0-3+b1", "telnet=0.17+2.5-3"),
        EditMutant("anywhere", "RUN apk add --no-cache telnet=1.0-r0", "begin"),
    )
'''


@pytest.fixture
def own(folder: Path) -> Path:
    """Give a project with a policy of its own."""
    (folder / ".dockproof.toml").write_text('policies = "policies"\n')
    (folder / "policies").mkdir()
    (folder / "policies" / "no_telnet.py").write_text(OWN)
    return folder


def test_own_policies_are_proven_on_the_projects_files(own: Path, run: Any) -> None:
    """Their text mutants on the file of that name, their edits on every file; with a path and without one."""
    (own / "Dockerfile").write_text(GOOD)
    for arguments in (["--select", "no-telnet"], ["--select", "no-telnet", "."]):
        code, out, err = run(*arguments)
        assert (code, "2 of 2 mutants killed" in out) == (0, True), out + err
    rows = matrix(run)["mutants"]
    assert [row["mutant"] for row in rows if row["policy"] == "no-telnet"] == ["anywhere", "instead-of-tini"]
    assert {row["policy"] for row in rows} > {"no-telnet", "non-root"}


def test_own_policy_whose_text_is_stale_fails(own: Path, run: Any) -> None:
    """A text that is gone proves nothing; neither does a project without a Dockerfile."""
    assert run("--select", "no-telnet")[0] == 3
    (own / "Dockerfile").write_text(GOOD.replace("tini", "dumb-init"))
    code, out, _ = run("--select", "no-telnet")
    assert (code, "stale: 'tini=0.19.0-3+b1' stands 0 times" in out) == (1, True), out
    (own / "Dockerfile").rename(own / "Dockerfile.api")
    code, out, _ = run("--select", "no-telnet")
    assert (code, "stale: there is no Dockerfile Dockerfile here" in out) == (1, True), out


def test_edits_leave_a_windows_image_its_shell(folder: Path, run: Any) -> None:
    """Its RUN is read by no POSIX shell, whether or not the file says so, and its users have no numbers."""
    (folder / "Dockerfile").write_text(
        "FROM mcr.microsoft.com/windows/nanoserver:ltsc2025\nUSER ContainerUser\n"
    )
    found = matrix(run, "Dockerfile", "--select", "no-sudo,numeric-user,used-stages")
    assert {(one["policy"], one["reason"]) for one in found["not_made"]} == {
        ("no-sudo", "no POSIX shell reads a RUN of its Windows image"),
        ("numeric-user", "it is an image of Windows"),
    }


def test_an_entrypoint_takes_the_command(folder: Path, run: Any) -> None:
    """What it makes of CMD nobody knows, so that no edit of CMD can be shown to break it."""
    good = GOOD + 'ENTRYPOINT ["/entrypoint"]\nCMD ["serve"]\n'
    (folder / "Dockerfile").write_text(good)
    found = matrix(run, "Dockerfile", "--select", "exec-form")
    reasons = {one["mutant"]: one["reason"] for one in found["not_made"]}
    assert reasons["one-string"] == reasons["variable"] == "its entrypoint takes the command"
