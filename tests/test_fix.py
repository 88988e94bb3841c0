"""`dockproof fix`: what it mends is gone, nothing new comes, and nothing else of the file changes."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import dockerfile as buildkit
import pytest
from hypothesis import example, given, settings

from bench import corpus
from dockproof import catalog, check, cli, fix, mends
from dockproof.config import Config
from dockproof.facts.dockerfile import parse
from dockproof.policy import SourceMutant
from tests.facts.strategies import dockerfiles

if TYPE_CHECKING:
    from dockproof.facts.dockerfile import Dockerfile
    from dockproof.fix import Mended
    from dockproof.gate import Answers

POLICIES = catalog.load()
OURS = Config(hadolint=False)
BASE = "FROM debian:13-slim\n"

MENDS = {
    ("copy-not-add", "plain-file"): (BASE + "ADD --chown=1:1 a b /x/\n", BASE + "COPY --chown=1:1 a b /x/\n"),
    ("current-syntax", "maintainer"): (
        BASE + 'MAINTAINER "Joe $X" <j@x>\n',
        BASE + 'LABEL org.opencontainers.image.authors="\\"Joe \\$X\\" <j@x>"\n',
    ),
    ("current-syntax", "key-value"): (
        BASE + "ENV A b  c\nENV P $P:/x\n",
        BASE + 'ENV A="b  c"\nENV P=$P:/x\n',
    ),
    ("current-syntax", "casing"): (BASE + "Workdir /x\nRUN id\n", BASE + "WORKDIR /x\nRUN id\n"),
    ("current-syntax", "from-as"): ("FROM debian:13 as x\n", "FROM debian:13 AS x\n"),
    ("current-syntax", "stage-name"): ("FROM debian:13 AS Base\n", "FROM debian:13 AS base\n"),
    ("current-syntax", "empty-continuation"): (
        BASE + "RUN id \\\n\n  # c\n\n  -u\n",
        BASE + "RUN id \\\n  # c\n  -u\n",
    ),
    ("exec-form", "shell-form"): (
        BASE + "CMD exec nginx -g 'daemon off'\n",
        BASE + 'CMD ["nginx", "-g", "daemon off"]\n',
    ),
    ("exec-form", "health-form"): (
        BASE + "HEALTHCHECK --timeout=3s CMD curl -f http://localhost:80\n",
        BASE + 'HEALTHCHECK --timeout=3s CMD ["curl", "-f", "http://localhost:80"]\n',
    ),
    ("unattended-install", "apt"): (
        BASE + "RUN apt update && apt install curl\n",
        BASE + "RUN apt-get update && apt-get install --yes --no-install-recommends curl\n",
    ),
    ("unattended-install", "apt-get"): (
        BASE + "RUN apt-get update && sudo apt-get install --no-install-recommends \\\n  curl\n",
        BASE + "RUN apt-get update && sudo apt-get install --yes --no-install-recommends \\\n  curl\n",
    ),
    ("unattended-install", "yum"): (BASE + "RUN yum install a\n", BASE + "RUN yum install -y a\n"),
    ("unattended-install", "dnf"): (BASE + "RUN dnf install a\n", BASE + "RUN dnf install -y a\n"),
    ("no-recommends", None): (
        BASE + "RUN apt-get update && apt-get install -y a\n",
        BASE + "RUN apt-get update && apt-get install --no-install-recommends -y a\n",
    ),
    ("clean-package-caches", "pip-cache"): (
        BASE + "RUN python3 -m pip install a==1\n",
        BASE + "RUN python3 -m pip install --no-cache-dir a==1\n",
    ),
    ("clean-package-caches", "apk-cache"): (
        "FROM alpine:3\nRUN apk add a\n",
        "FROM alpine:3\nRUN apk add --no-cache a\n",
    ),
    ("declared-ports", "lower-case"): (BASE + "EXPOSE 80/TCP 81/udp\n", BASE + "EXPOSE 80/tcp 81/udp\n"),
    ("portable-platform", "redundant"): (
        "FROM --platform=$TARGETPLATFORM debian:13\n",
        "FROM debian:13\n",
    ),
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def mended(text: str, folder: Path) -> Mended:
    """Mend a text as a Dockerfile of a folder."""
    ask = fix.Asker("Dockerfile", str(folder / "Dockerfile"), POLICIES, OURS)
    return fix.mend(text, ask, ask.root)


@pytest.mark.parametrize("key", mends.FIXERS, ids=lambda key: "/".join(filter(None, key)))
def test_mends_what_needs_no_decision(key: tuple[str, str | None], tmp_path: Path) -> None:
    """Every fixer has an example: the finding is gone, the rest of the text is as it was, BuildKit takes it."""
    before, after = MENDS[key]
    found = mended(before, tmp_path)
    assert found.text == after
    assert key in {(finding.policy, finding.clause) for finding in found.done}
    assert key not in {(finding.policy, finding.clause) for finding in found.answers.findings}
    assert buildkit_takes(found.text)
    assert mended(after, tmp_path).done == ()


@pytest.mark.parametrize(
    "text",
    [
        "ADD https://example.org/x /x\n",
        "ADD a.tar.gz /x\n",
        "ADD $FILE /x\n",
        "ADD --keep-git-dir=true a /x\n",
        "ADD a**b /x\n",
        "CMD npm start && true\n",
        "CMD echo $HOME\n",
        "CMD exec\n",
        "CMD cd /app\n",
        "CMD a=1 run\n",
        "CMD run *.txt\n",
        "CMD nginx \\\n  -g x\n",
        'ENTRYPOINT run\nCMD ["x"]\n',
        'ENTRYPOINT ["x"]\nCMD run\n',
        "ENV A 'b' \"c\"\n",
        "ENV A b\\ c\n",
        "RUN apt list curl\n",
        "RUN $APT install curl\n",
        "RUN <<E python3\napt install curl\nE\n",
        "ONBUILD MAINTAINER x\n",
        '# dockproof: ignore=exec-form reason="a test"\nCMD run\n',
    ],
)
def test_leaves_what_needs_somebody_who_knows(text: str, tmp_path: Path) -> None:
    """What a shell reads, what is not known, what ADD alone does and what a person accepted stays."""
    assert mended(BASE + text, tmp_path).text == BASE + text


def test_leaves_an_add_that_unpacks_whatever_its_name(tmp_path: Path) -> None:
    """ADD looks into a file, not at its name; so do we."""
    (tmp_path / "plain").write_text("x")
    with tarfile.open(tmp_path / "rootfs", "w") as archive:
        archive.add(tmp_path / "plain", "plain")
    text = BASE + "ADD rootfs /\nADD root* /x/\nADD plain /\n"
    assert mended(text, tmp_path).text == text.replace("ADD plain", "COPY plain")


def test_mend_that_would_bring_a_finding_is_not_made(tmp_path: Path) -> None:
    """In exec form npm is PID 1, which graceful-stop minds: that is somebody's decision."""
    text = BASE + "CMD npm start\n"
    assert mended(text, tmp_path).text == text


def test_line_ends_and_bytes_stay(tmp_path: Path) -> None:
    """Windows' line ends, a byte order mark inside a comment and bytes that are no UTF-8 are nobody's business."""
    content = b'# \xff\xfe\r\nFROM debian:13 as x\r\nLABEL a="\xe9"\r\nRUN id\r\n'
    found = mended(content.decode("utf-8", "surrogateescape"), tmp_path)
    assert found.text.encode("utf-8", "surrogateescape") == content.replace(b" as ", b" AS ")


def test_many_mends_are_proven_together(tmp_path: Path) -> None:
    """A long file takes a handful of looks, not one for each mend; one that does not hold costs the others nothing."""
    text = BASE + "RUN apt install a\n" * 200 + "EXPOSE 80/TCP\n" + "CMD npm start\n"
    ask = fix.Asker("Dockerfile", str(tmp_path / "Dockerfile"), POLICIES, OURS)
    looks = 0

    def counted(file: Dockerfile) -> Answers:
        nonlocal looks
        looks += 1
        return ask(file)

    found = fix.mend(text, counted, str(tmp_path))
    assert found.text.count("RUN apt-get install --yes --no-install-recommends a\n") == 200
    assert found.text.endswith("EXPOSE 80/tcp\nCMD npm start\n")
    assert looks < 40


@settings(deadline=None, max_examples=100)
@example("# escape=`\r\nFROM a AS b\r\nadd\r\nadd")
@given(dockerfiles())
def test_no_text_makes_a_mend_that_breaks_it(text: str) -> None:
    """Whatever the file, mending ends, and leaves it no worse to BuildKit and with no finding more."""
    ask = fix.Asker("Dockerfile", None, POLICIES, OURS)
    before = ask(parse(text))
    found = fix.mend(text, ask)
    assert len(parse(found.text).problems) <= len(parse(text).problems)
    done = sum(finding in before.findings for finding in found.done)  # the others only came with a mend
    assert len(found.answers.findings) <= len(before.findings) - done + len(before.not_looked)
    assert fix.mend(found.text, ask).text == found.text


def buildkit_takes(text: str) -> bool:
    """Whether BuildKit's own parser reads a text."""
    try:
        buildkit.parse_string(text)
    except buildkit.GoParseError:
        return False
    return True


def _sources() -> list[str]:
    """Return Dockerfiles as people write them, and the shipped ones with every edit of a proof."""
    folder = Path(__file__).parents[1] / "dockerfiles" / "backend"
    shipped = {
        path.name: path.read_text() for path in folder.glob("Dockerfile*") if path.suffix != ".dockerignore"
    }
    edited = [
        shipped[mutant.file].replace(mutant.old, mutant.new)
        for policy in POLICIES.values()
        for mutant in policy.mutants
        if isinstance(mutant, SourceMutant) and mutant.file in shipped
    ]
    return [*list(corpus.dockerfiles())[:60], *edited]


@pytest.mark.slow
def test_what_json_calls_fixable_is_what_fix_mends(tmp_path: Path) -> None:
    """Over whole files: each marked finding can be mended by itself, the result is sound, and a second run is idle."""
    marking = check.Settings(fixes=True)
    marked, path = 0, tmp_path / "Dockerfile"
    for text in _sources():
        path.write_text(text)
        (report,) = check.run([str(path)], POLICIES, OURS, marking).files
        fixable = [f for f in report.answers.findings if f.fixable and not f.waived]
        found = mended(text, tmp_path)
        assert bool(fixable) is bool(found.done), (text, fixable, found.done)
        was = {(f.policy, f.clause) for f in fixable}
        assert was <= {(f.policy, f.clause) for f in found.done}
        assert mended(found.text, tmp_path).text == found.text
        if buildkit_takes(text):
            assert buildkit_takes(found.text)
        marked += len(fixable)
    assert marked > 40


# ---------------------------------------------------------------------------------------------------- the command


def test_writes_and_says_what_is_left(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is that of what is left."""
    (here / "Dockerfile").write_text(BASE + "MAINTAINER x\n")
    (here / "Dockerfile").chmod(0o640)
    assert cli.main(["fix", "--no-config"]) == 1
    out = capsys.readouterr().out
    assert out.startswith(
        "Dockerfile:2: mended current-syntax/maintainer: MAINTAINER is deprecated\n1 finding mended, "
    )
    assert (here / "Dockerfile").read_text() == BASE + 'LABEL org.opencontainers.image.authors="x"\n'
    assert (here / "Dockerfile").stat().st_mode & 0o777 == 0o640
    assert cli.main(["fix", "--no-config", "--select", "current-syntax"]) == 0


def test_diff_writes_nothing_and_can_be_applied(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A patch for `git apply`; 1 while there is something to mend."""
    text = BASE + "MAINTAINER x\nRUN apt install a"
    (here / "Dockerfile").write_text(text)
    assert cli.main(["fix", "--diff"]) == 1
    patch = capsys.readouterr().out
    assert (here / "Dockerfile").read_text() == text
    subprocess.run(["git", "apply", "-"], input=patch, text=True, check=True, timeout=30)
    wanted = 'LABEL org.opencontainers.image.authors="x"\nRUN apt-get install --yes --no-install-recommends a'
    assert (here / "Dockerfile").read_text() == BASE + wanted
    assert cli.main(["fix", "--diff"]) == 0
    assert capsys.readouterr() == (
        "",
        "dockproof: nothing to change: no finding here can be mended by itself\n",
    )
    assert capsys.readouterr().out == ""


def test_baseline_follows_a_mend(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mended line keeps the record of its other findings; what is mended leaves the record; what is new is new."""
    (here / "Dockerfile").write_text(BASE + "RUN apt-get update && apt-get install -y curl\nCMD npm start\n")
    (here / "b.Dockerfile").write_text(BASE + "CMD npm start\n")
    (here / ".dockproof.toml").write_text('baseline = "base.json"\n')
    assert cli.main(["check", "--write-baseline"]) == 0
    recorded = json.loads((here / "base.json").read_text())["findings"]
    (here / "b.Dockerfile").write_text(BASE + "USER root\nCMD npm start\n")
    assert cli.main(["fix", "Dockerfile"]) == 0, "what is left is recorded"
    assert cli.main(["check", "Dockerfile"]) == 0
    left = json.loads((here / "base.json").read_text())["findings"]
    gone = {(one["policy"], one["path"]) for one in recorded} - {(one["policy"], one["path"]) for one in left}
    assert gone == {("no-recommends", "Dockerfile")}
    assert [one for one in left if one["path"] == "b.Dockerfile"] == [
        one for one in recorded if one["path"] == "b.Dockerfile"
    ]
    capsys.readouterr()
    assert cli.main(["check"]) == 1
    assert "b.Dockerfile:2:1: error non-root/root-user" in capsys.readouterr().out


def test_mends_standard_input(here: Path) -> None:
    """For editors: text in, text out, and nothing else on standard output."""
    done = subprocess.run(
        [sys.executable, "-m", "dockproof", "fix", "-", "--no-config"],
        input=b"FROM debian:13 as x\n# \xff\nADD a /b\n",
        capture_output=True,
        check=False,
        cwd=here,
        timeout=60,
    )
    assert done.stdout == b"FROM debian:13 AS x\n# \xff\nADD a /b\n", (
        "without a folder nobody knows what ADD unpacks"
    )
    assert done.stderr == b""
    assert done.returncode == 1


def test_what_cannot_be_read_or_written_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """4 for what was not looked at, 3 for nothing; the other files are mended all the same."""
    assert cli.main(["fix"]) == 3
    (here / "Dockerfile").write_text("FROM debian:13 as x\n")
    assert cli.main(["fix", "Dockerfile", "gone"]) == 4
    assert "not looked at: gone: No such file or directory" in capsys.readouterr().out
    assert (here / "Dockerfile").read_text() == "FROM debian:13 AS x\n"


def test_json_marks_what_can_be_mended(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`fixable` is true where `fix` mends, and nowhere else."""
    (here / "Dockerfile").write_text(BASE + "MAINTAINER x\nCMD npm start\n")
    cli.main(["check", "--no-hadolint", "--no-config", "--format", "json"])
    (file,) = json.loads(capsys.readouterr().out)["files"]
    fixable = {f"{f['policy']}/{f['clause']}" for f in file["findings"] if f["fixable"]}
    assert fixable == {"current-syntax/maintainer"}
    cli.main(["policies", "--no-config", "--format", "json"])
    listed = json.loads(capsys.readouterr().out)["policies"]
    assert {one["id"] for one in listed if one["fixable"]} == {policy for policy, _ in mends.FIXERS}


def test_every_fixer_belongs_to_a_clause_that_exists() -> None:
    """A clause that is renamed takes its fixer along."""
    for policy, clause in mends.FIXERS:
        names: list[str | None] = [one.name for one in POLICIES[policy].clauses]
        assert clause in (names or [None])
