from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from dockproof import baseline, catalog, check, gate
from dockproof.check import Settings, Standard
from dockproof.collect import discover, hadolint, process
from dockproof.config import Config, FileRule, load
from dockproof.errors import Exit, NothingToCheckError
from dockproof.facts import context
from dockproof.facts.dockerfile import parse
from dockproof.facts.image import ImageConfig, ImageFacts
from dockproof.finding import Finding, Place, Probe, Severity, Waiver
from dockproof.policy import ImageTarget, Profile
from dockproof.waiver import Exemption
from tests.sample import POLICIES

if TYPE_CHECKING:
    from pathlib import Path

    from dockproof.gate import CheckReport, FileReport

OURS = Config(hadolint=False)
BAD = "FROM debian:12\nRUN apt-get install foo\n"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's cache and hadolint's settings out of the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    for name in [name for name in os.environ if name.startswith("HADOLINT_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, **files: str) -> None:
    """Write files; `__` in a name stands for a folder."""
    for name, text in files.items():
        path = folder.joinpath(*name.split("__"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def run(*paths: str, config: Config = OURS, settings: Settings | None = None) -> CheckReport:
    """Check with the sample policies."""
    return check.run(paths or ["."], POLICIES, config, settings)


def ids(report: FileReport) -> list[str]:
    """Return what was found, by id and line."""
    return [f"{f.policy}:{f.place.line}" for f in report.answers.findings]


def found(*paths: str) -> list[str]:
    """Return the paths that are discovered."""
    return [one.path for one in discover.discover(paths)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Dockerfile", True),
        ("Dockerfile.dev", True),
        ("api.Dockerfile", True),
        ("api.dockerfile", True),
        ("Containerfile", True),
        ("Containerfile.dev", True),
        ("Dockerfile.dockerignore", False),
        ("Dockerfile.dev.dockerignore", False),
        ("Containerfile.dockerignore", False),
        (".dockerignore", False),
        ("Dockerfiles", False),
        ("dockerfile", False),
        ("NotADockerfile", False),
    ],
)
def test_knows_a_dockerfile_by_its_name(name: str, *, expected: bool) -> None:
    """The names are those of the manual; ignore files are none."""
    assert discover.is_dockerfile(name) is expected


def test_searches_folders_in_the_order_of_names(here: Path) -> None:
    """The order hangs on names alone, and .git is no place for Dockerfiles."""
    write(here, b__Dockerfile="", a__Dockerfile="", Dockerfile="")
    write(here, **{".git__Dockerfile": "", "a.Dockerfile": "", "a__x.dockerignore": ""})
    assert found(".") == ["Dockerfile", "a/Dockerfile", "a.Dockerfile", "b/Dockerfile"]
    assert found("a", "./a/Dockerfile", "Dockerfile") == ["a/Dockerfile", "Dockerfile"]


def test_respects_what_git_ignores(here: Path) -> None:
    """Every .gitignore counts from its folder down, the inner one last, and .git/info/exclude too."""
    write(here, **{".gitignore": "build/\n*.dev\n", "sub__.gitignore": "!Dockerfile.dev\n/Dockerfile\n"})
    write(here, **{".git__info__exclude": "excluded\n", "excluded__Dockerfile": "", "build__Dockerfile": ""})
    write(
        here,
        **{"Dockerfile.dev": "", "sub__Dockerfile.dev": "", "sub__Dockerfile": "", "sub__x__Dockerfile": ""},
    )
    assert found(".") == ["sub/Dockerfile.dev", "sub/x/Dockerfile"]
    assert found("sub") == ["sub/Dockerfile.dev", "sub/x/Dockerfile"]


def test_checks_what_is_named_though_git_ignores_it(here: Path) -> None:
    """The user's word wins over .gitignore."""
    write(here, **{".gitignore": "build/\n", "build__Dockerfile": "", ".git__HEAD": ""})
    assert found("build/Dockerfile") == ["build/Dockerfile"]
    assert found("build") == ["build/Dockerfile"]


def test_follows_no_link_to_a_folder_but_one_to_a_file(here: Path) -> None:
    """A loop of links ends the search nowhere."""
    write(here, a__Dockerfile="FROM a\n")
    (here / "a" / "loop").symlink_to(here)
    (here / "Dockerfile.link").symlink_to(here / "a" / "Dockerfile")
    assert found(".") == ["Dockerfile.link", "a/Dockerfile"]


def test_nothing_found_says_what_was_searched(here: Path) -> None:
    """An empty run is an error of its own, and ignored files are named."""
    write(here, **{".gitignore": "Dockerfile\n", "Dockerfile": ""})
    with pytest.raises(NothingToCheckError) as caught:
        run()
    assert caught.value.exit is Exit.NOTHING
    assert "no Dockerfile in .; searched for Dockerfile, Dockerfile.*" in str(caught.value)
    assert "git ignores 1 of them, as Dockerfile" in str(caught.value)


def test_what_cannot_be_read_stops_no_other_file(here: Path) -> None:
    """An unreadable file is an error of its own in the report; the rest is checked; the exit code is 4."""
    write(here, Dockerfile=BAD)
    (here / "Dockerfile.gone").symlink_to(here / "nowhere")
    (here / "Dockerfile.self").symlink_to("Dockerfile.self")
    os.mkfifo(here / "Dockerfile.pipe")
    report = run(".", "missing/Dockerfile")
    errors = {one.path: one.error for one in report.files}
    assert errors == {
        "Dockerfile": None,
        "Dockerfile.gone": "it is no regular file, or a link to nothing",
        "Dockerfile.pipe": "it is no regular file, or a link to nothing",
        "Dockerfile.self": "it is no regular file, or a link to nothing",
        "missing/Dockerfile": "No such file or directory",
    }
    assert ids(report.files[0]) == ["no-foo:2"]
    assert report.exit(Severity.ERROR) is Exit.NOT_LOOKED


def test_file_too_large_to_be_a_dockerfile_is_not_read(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gigabyte must not fill the memory."""
    monkeypatch.setattr(discover, "LIMIT", 10)
    write(here, Dockerfile=BAD)
    (file,) = run().files
    assert file.error
    assert "no Dockerfile" in file.error


def test_crashed_probe_loses_nothing(here: Path) -> None:
    """What a probe found before it crashed is kept, the other policies go on, and the gate fails closed."""
    write(here, Dockerfile="FROM a\nRUN foo bar\nRUN crash\n")
    report = run()
    (file,) = report.files
    assert ids(file) == ["no-bar:2", "no-foo:2"]
    (missed,) = file.answers.not_looked
    assert missed.what == "no-foo"
    assert "a probe that crashes" in missed.reason
    assert report.exit(Severity.ERROR) is Exit.NOT_LOOKED


def test_exit_codes_follow_the_fail_level(here: Path) -> None:
    """A finding below the level does not fail the gate."""
    write(here, Dockerfile="FROM a\nRUN bar\n")
    report = run()
    assert report.exit(Severity.ERROR) is Exit.CLEAN
    assert report.exit(Severity.INFO) is Exit.FINDINGS


def test_rule_gives_profile_targets_and_waivers(here: Path) -> None:
    """A file rule holds for the files that it names and no other."""
    write(
        here, Dockerfile="FROM a AS x\nRUN foo\n", **{"Dockerfile.dev": "FROM a AS x\nRUN foo\nFROM a AS y\n"}
    )
    waived = Exemption(("no-foo",), Waiver("x"), origin="here", shared=True)
    rule = FileRule("Dockerfile.dev", Profile.DEVELOPMENT, ("x",), waivers=(waived,))
    main, dev = run(config=OURS._replace(files=(rule,))).files
    assert (main.profile, main.answers.findings[0].severity) == (Profile.PRODUCTION, Severity.ERROR)
    assert (dev.profile, dev.answers.findings[0].severity) == (Profile.DEVELOPMENT, Severity.WARNING)
    assert dev.answers.findings[0].waived == Waiver("x", None, "here")
    assert dev.answers.findings[0].stage == "x"


def test_unused_waiver_of_the_configuration_is_found_when_all_was_searched(here: Path) -> None:
    """One file alone cannot show that a pattern's waiver is dead; the whole folder can."""
    write(here, Dockerfile="FROM a\nRUN true\n", **{"Dockerfile.dev": "FROM a\nRUN true\n"})
    write(here, **{".dockproof.toml": '[[files."Dockerfile*".waivers]]\npolicy = "no-foo"\nreason = "x"\n'})
    config = load(here / ".dockproof.toml", POLICIES)._replace(hadolint=False)
    assert [ids(file) for file in run(config=config).files] == [["waiver:1"], []]
    assert [ids(file) for file in run("Dockerfile", config=config).files] == [[]]


def test_target_that_is_no_stage_is_said_and_the_file_still_checked(here: Path) -> None:
    """The last stage is judged in its place, and the gate fails closed."""
    write(here, Dockerfile=BAD)
    report = run(settings=Settings(targets=("nope",)))
    (file,) = report.files
    assert ids(file) == ["no-foo:2"]
    assert "nope" in file.answers.not_looked[0].reason
    assert report.exit(Severity.ERROR) is Exit.NOT_LOOKED


def test_standard_input_is_a_file_with_a_name(here: Path) -> None:
    """`-` is checked as the file that its name says, with that file's rules."""
    rule = FileRule("a/Dockerfile", Profile.DEVELOPMENT)
    settings = Settings(standard=Standard(BAD.encode(), str(here / "a" / "Dockerfile")))
    (file,) = run(
        "-",
        config=Config(path=str(here / ".dockproof.toml"), hadolint=False, files=(rule,)),
        settings=settings,
    ).files
    assert (file.path, file.profile) == (str(here / "a" / "Dockerfile"), Profile.DEVELOPMENT)
    assert ids(file) == ["no-foo:2"]


@pytest.mark.parametrize(
    "text", ["", "\n", "# only a comment\n", "RUN foo\n", "\0\0", "FROM", "FROM a\nRUN <<E\n"]
)
def test_text_that_is_no_dockerfile_crashes_nothing(here: Path, text: str) -> None:
    """Whatever stands in a file, the gate looks at it."""
    write(here, Dockerfile=text)
    (file,) = run().files
    assert file.error is None
    assert [n.reason for n in file.answers.not_looked] == []


def test_hadolint_looks_at_every_file_in_one_process(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its findings stand beside ours under their own ids."""
    starts = counted(monkeypatch)
    write(here, Dockerfile="FROM debian:12\nRUN cd /x && y\n", b__Dockerfile="FROM debian:12\nRUN sudo id\n")
    first, second = run(config=Config()).files
    assert ids(first) == ["hadolint:DL3003:2"]
    assert ids(second) == ["hadolint:DL3004:2"]
    assert second.answers.findings[0].severity is Severity.ERROR
    assert "hadolint" in first.asked
    assert len(starts) == 1


def counted(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return a list to which each start of hadolint is added."""
    starts: list[list[str]] = []
    real = process.run

    def run_and_count(argv: list[str], **kwargs: object) -> process.Completed:
        starts.append(argv)
        return real(argv, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(process, "run", run_and_count)
    return starts


def test_ctrl_c_ends_our_probes_too(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reaches whoever waits; what is still to be looked at then is not."""
    looked: list[str] = []

    def interrupted(*_: object, **__: object) -> hadolint.Found:
        raise KeyboardInterrupt

    def slowly(content: bytes, name: str) -> object:
        looked.append(name)
        time.sleep(0.1)
        return parse(content, name)

    monkeypatch.setattr(hadolint, "run", interrupted)
    monkeypatch.setattr(check, "parse", slowly)
    write(here, **{f"{number}.Dockerfile": "FROM scratch\n" for number in range(50)})
    with pytest.raises(KeyboardInterrupt):
        run(config=Config())
    assert len(looked) < 25


def test_hadolint_shares_many_files_among_processors(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each processor gets a process with its share of them; the report is the same, in the same order."""
    for number in range(2 * hadolint.SHARE):
        write(here, **{f"{number}.Dockerfile": f"FROM debian:12\nRUN cd /{number} && make\n"})
    monkeypatch.setattr(hadolint, "_processors", lambda: 1)
    alone = run(config=Config(), settings=Settings(cache=False))
    monkeypatch.setattr(hadolint, "_processors", lambda: 2)
    started = counted(monkeypatch)
    assert run(config=Config(), settings=Settings(cache=False)) == alone
    assert len(started) == 2
    assert {tuple(ids(file)) for file in alone.files} == {("hadolint:DL3003:2",)}


def test_hadolint_is_asked_again_only_where_something_changed(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer is kept for content and configuration; a damaged one is asked again."""
    starts = counted(monkeypatch)
    write(here, Dockerfile="FROM debian:12\nRUN cd /x && y\n", b__Dockerfile="FROM debian\n")
    before = run(config=Config())
    assert run(config=Config()) == before
    assert len(starts) == 1
    write(here, b__Dockerfile="FROM debian:13\n")
    assert ids(run(config=Config()).files[1]) == []
    assert starts[1][-1:] == ["b/Dockerfile"]
    write(here, **{".hadolint.yaml": "ignored: [DL3003]\n"})
    assert ids(run(config=Config()).files[0]) == []
    assert len(starts) == 3


@pytest.mark.parametrize("damage", ["", "{", '[["DL1", "error"]]', "[[1, 2, 3, 4, 5]]", "null"])
def test_damaged_answer_in_the_cache_is_asked_again(
    here: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """A cache must never change what is found."""
    write(here, Dockerfile="FROM debian:12\nRUN cd /x && y\n")
    cache = here / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    before = run("Dockerfile", config=Config())
    (entry,) = (path for path in cache.glob("dockproof/hadolint/*/*") if path.is_file())
    entry.write_text(damage)
    assert run("Dockerfile", config=Config()) == before
    assert json.loads(entry.read_text()[64:])  # behind its digest


def test_cache_that_cannot_be_written_is_no_error(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file stands where the cache folder should be."""
    write(here, Dockerfile="FROM debian:12\nRUN cd /x && y\n", cache="")
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "cache"))
    assert ids(run("Dockerfile", config=Config()).files[0]) == ["hadolint:DL3003:2"]


def test_finding_that_both_have_is_shown_once(here: Path) -> None:
    """DL3008 of hadolint is our sample policy's own meaning, so it is shown under ours."""
    write(here, Dockerfile="FROM debian:12\nRUN apt-get install -y --no-install-recommends foo\n")
    assert "hadolint:DL3008:2" not in ids(run(config=Config()).files[0])
    assert "no-foo:2" in ids(run(config=Config()).files[0])
    ours_off = Config(ignore=frozenset({"no-foo"}))
    assert "hadolint:DL3008:2" in ids(run(config=ours_off).files[0])


def test_file_that_hadolint_cannot_parse_does_not_fail(here: Path) -> None:
    """There are files that hadolint refuses and Docker builds; that is said and no more."""
    write(
        here,
        Dockerfile="FROM debian:12\nEXPOSE 5000/sctp\n",
        b__Dockerfile="FROM debian:12\nRUN cd /x && y\n",
    )
    report = run(config=Config())
    (missed,) = report.files[0].answers.not_looked
    assert "not looked at by hadolint" in missed.reason
    assert not missed.fatal
    assert report.exit(Severity.ERROR) is Exit.CLEAN
    assert ids(report.files[1]) == ["hadolint:DL3003:2"]


def test_hadolint_reads_a_copy_of_what_it_cannot_parse(here: Path) -> None:
    """A here-document needs an empty line behind it there, a time one unit; lines and columns stay the file's."""
    text = "FROM debian:13\nRUN <<EOF\ncd /x\nEOF\nRUN cd /y\nRUN <<END\ncd /z\nEND\nRUN sudo ls\n"
    times = 'HEALTHCHECK --interval=500ms --timeout=5s \\\n  --start-period=1m30s CMD ["x"]\n'
    write(here, Dockerfile=text, **{"Dockerfile.times": text + times})
    report = run("Dockerfile", "Dockerfile.times", config=Config())
    wanted = ["hadolint:DL3003:2", "hadolint:DL3003:5", "hadolint:DL3003:6", "hadolint:DL3004:9"]
    for file in report.files:
        assert [one for one in ids(file) if one.startswith(("hadolint:DL3003", "hadolint:DL3004"))] == wanted
        assert "hadolint" in file.asked
    first, second = (file.answers.not_looked for file in report.files)
    assert first == ()
    hidden = "--interval=500ms in line 10, --start-period=1m30s in line 11"
    assert [one.reason for one in second] == [f"not looked at by hadolint, which cannot parse it: {hidden}"]
    assert run("Dockerfile", "Dockerfile.times", config=Config()) == report  # from the cache


def test_file_that_hadolint_crashes_on_costs_no_other_its_answer(here: Path) -> None:
    """Hadolint 2.15.1 ends with an error of its own on a folder of one letter, and then says nothing of any file."""
    write(
        here,
        Dockerfile="FROM debian:12\nWORKDIR x\n",
        b__Dockerfile="FROM debian:12\nRUN cd /x && y\n",
        c__Dockerfile="FROM debian:12\nWORKDIR y\n",
    )
    report = run(config=Config())
    (missed,) = report.files[0].answers.not_looked
    assert "not looked at by hadolint, which crashed on it" in missed.reason
    assert not missed.fatal
    assert ids(report.files[1]) == ["hadolint:DL3003:2"]
    assert report.files[2].answers.not_looked
    assert report.exit(Severity.ERROR) is Exit.CLEAN


def test_missing_hadolint_fails_closed_and_ours_is_reported(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report says how to go on without it."""
    monkeypatch.setattr(hadolint, "binary", lambda: None)
    write(here, Dockerfile=BAD)
    report = run(config=Config())
    assert ids(report.files[0]) == ["no-foo:2"]
    assert "--no-hadolint" in report.not_looked[0].reason
    assert report.exit(Severity.ERROR) is Exit.NOT_LOOKED


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo lost >&2; exit 3", "exit code 3"),
        ("echo '[{]'", "no answer"),
        ("echo '[{\"code\": 1}]'", "no answer"),
        ("kill -9 $$", "exit code -9"),
    ],
)
def test_crashed_hadolint_fails_closed_with_its_last_words(
    here: Path, monkeypatch: pytest.MonkeyPatch, script: str, expected: str
) -> None:
    """A tool that dies or talks nonsense has not looked."""
    program = here / "hadolint"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(hadolint, "binary", lambda: str(program))
    write(here, Dockerfile=BAD)
    report = run(config=Config())
    assert expected in report.not_looked[0].reason
    assert ids(report.files[0]) == ["no-foo:2"]
    assert report.exit(Severity.ERROR) is Exit.NOT_LOOKED


def test_hadolint_configuration_that_cannot_be_read_fails_closed(here: Path) -> None:
    """By itself hadolint would go on with its defaults."""
    write(here, Dockerfile=BAD, **{".hadolint.yaml": "ignored: [x"})
    report = run(config=Config())
    assert "cannot read its configuration" in report.not_looked[0].reason


def test_built_in_defaults_leave_every_hadolint_setting_out(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --no-config neither a file nor a variable speaks."""
    write(here, Dockerfile="FROM debian:12\nRUN cd /x && y\n", **{".hadolint.yaml": "ignored: [DL3003]\n"})
    monkeypatch.setenv("HADOLINT_IGNORE", "DL3003")
    assert ids(run(config=Config()).files[0]) == []
    assert ids(run(config=Config(), settings=Settings(defaults=True)).files[0]) == ["hadolint:DL3003:2"]


def test_hadolint_reads_standard_input_and_odd_names(here: Path) -> None:
    """Standard input is written down for it, and a name with a dash or a blank is no option."""
    write(
        here,
        **{
            "-v.dockerfile": "FROM debian:12\nRUN cd /x && y\n",
            "a b.Dockerfile": "FROM debian:12\nRUN cd /x && y\n",
        },
    )
    settings = Settings(standard=Standard(b"FROM debian:12\nRUN cd /x && y\n"))
    report = run(".", "-", config=Config(), settings=settings)
    assert [ids(file) for file in report.files] == [["hadolint:DL3003:2"]] * 3
    assert report.files[-1].path == "-"


def test_many_names_go_into_several_command_lines(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command line has a limit; the answers are put together."""
    monkeypatch.setattr(hadolint, "BATCH", 30)
    starts = counted(monkeypatch)
    for number in range(5):
        write(here, **{f"Dockerfile.{number}": f"FROM debian:12\nRUN cd /{number} && y\n"})
    assert [len(file.answers.findings) for file in run(config=Config()).files] == [1] * 5
    assert len(starts) == 3


@pytest.mark.parametrize(
    ("select", "ignore", "expected"),
    [
        (set(), set(), ["no-foo:2", "hadolint:DL3003:3"]),
        ({"no-foo"}, set(), ["no-foo:2"]),
        ({"no-foo/foo"}, set(), ["no-foo:2"]),
        ({"no-foo/foofoo"}, set(), []),
        ({"no-foo/foofoo", "hadolint"}, set(), ["hadolint:DL3003:3"]),
        ({"hadolint"}, set(), ["hadolint:DL3003:3"]),
        ({"hadolint:DL3003"}, set(), ["hadolint:DL3003:3"]),
        ({"hadolint:DL9999"}, set(), []),
        (set(), {"hadolint"}, ["no-foo:2"]),
        (set(), {"hadolint:DL3003"}, ["no-foo:2"]),
        (set(), {"no-foo"}, ["hadolint:DL3003:3"]),
        (set(), {"no-foo/foo"}, ["hadolint:DL3003:3"]),
        (set(), {"no-foo/foofoo"}, ["no-foo:2", "hadolint:DL3003:3"]),
    ],
)
def test_selection_holds_for_policies_clauses_and_hadolint(
    here: Path, select: set[str], ignore: set[str], expected: list[str]
) -> None:
    """One vocabulary selects and ignores ours and hadolint's."""
    write(here, Dockerfile="FROM debian:12\nRUN foo\nRUN cd /x && y\n")
    config = Config(select=frozenset(select), ignore=frozenset(ignore | {"hadolint:DL3059"}))
    assert ids(run(config=config).files[0]) == expected


@pytest.mark.parametrize(
    "choice", [{"select": frozenset({"no-foo/foo"})}, {"ignore": frozenset({"no-foo/foofoo"})}]
)
def test_waiver_of_a_clause_that_was_left_out_is_not_called_unused(
    here: Path, choice: dict[str, Any]
) -> None:
    """Nobody looked for what it waives."""
    write(here, Dockerfile='FROM debian:12\n# dockproof: ignore=no-foo/foofoo reason="r"\nRUN foofoo\n')
    assert ids(run(config=Config(hadolint=False, **choice)).files[0]) == []


@pytest.mark.parametrize(
    "choice", [{"select": frozenset({"verified-tls/npm"})}, {"ignore": frozenset({"verified-tls/node"})}]
)
def test_clauses_are_left_out_of_images_too(choice: dict[str, Any]) -> None:
    """One vocabulary for all levels."""
    settings = ImageConfig(env={"NODE_TLS_REJECT_UNAUTHORIZED": "0"})
    image = ImageFacts(reference="i", id="sha256:0", config=settings)
    policies, target = [catalog.load()["verified-tls"]], ImageTarget(image)
    (found,) = gate.ask(policies, Probe.IMAGE, target, Config()).findings
    assert found.clause == "node"
    assert gate.ask(policies, Probe.IMAGE, target, Config(**choice)).findings == ()


def test_crash_around_hadolint_loses_no_finding_of_ours(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that vanishes between two looks, or a bug of ours, is hadolint's failure alone."""

    def crash(*_: object, **__: object) -> None:
        raise FileNotFoundError("gone")

    monkeypatch.setattr(hadolint, "run", crash)
    write(here, Dockerfile=BAD)
    report = run(config=Config())
    assert ids(report.files[0]) == ["no-foo:2"]
    assert "gone" in report.not_looked[0].reason


def test_file_that_changes_meanwhile_is_not_remembered(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer belongs to the content that hadolint read."""
    write(here, Dockerfile="FROM debian:12\nRUN cd /x && y\n")
    real = process.run

    def run_and_change(argv: list[str], **kwargs: object) -> process.Completed:
        done = real(argv, **kwargs)  # type: ignore[arg-type]
        write(here, Dockerfile="FROM debian:12\n")
        return done

    monkeypatch.setattr(process, "run", run_and_change)
    run(config=Config())
    monkeypatch.setattr(process, "run", real)
    write(here, Dockerfile="FROM debian:12\nRUN cd /x && y\n")
    starts = counted(monkeypatch)
    assert ids(run(config=Config()).files[0]) == ["hadolint:DL3003:2"]
    assert len(starts) == 1


def test_build_context_that_cannot_be_read_is_not_looked_at(here: Path) -> None:
    """A folder or an ignore file that is closed to us could hold anything: the gate fails closed."""
    write(here, Dockerfile="FROM debian:12\nCOPY . /app\n", closed__key="x")
    (here / ".dockerignore").mkdir()
    policies = catalog.load()
    report = check.run(["."], policies, OURS._replace(select=frozenset({"context-excludes"})))
    (missed,) = report.files[0].answers.not_looked
    assert missed.what == "build context"
    assert ".dockerignore: Is a directory" in missed.reason
    assert report.exit(Severity.ERROR) is Exit.NOT_LOOKED


def test_build_context_that_is_too_large_is_not_looked_at(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not walked is said, with the way to make the context smaller."""
    monkeypatch.setattr(context, "MAX_ENTRIES", 3)
    write(here, Dockerfile="FROM debian:12\nCOPY . /app\n", a="x", b="x", c="x")
    report = check.run(["."], catalog.load(), OURS._replace(select=frozenset({"no-secret-files"})))
    (missed,) = report.files[0].answers.not_looked
    assert "holds more than 3 names" in missed.reason
    assert "ignore file" in missed.reason
    assert report.exit(Severity.ERROR) is Exit.NOT_LOOKED


def test_finding_that_hadolint_shares_is_shown_once_whatever_its_line(here: Path) -> None:
    """Hadolint reports an instruction's first line, we the command's: it is the same finding, and another stays."""
    write(
        here,
        Dockerfile="FROM debian:12\nRUN apt-get update \\\n && apt-get install -y curl=1\n"
        "RUN apt-get install --yes vim=1\n",
    )
    everything = catalog.load()
    (file,) = check.run(["Dockerfile"], everything, Config(), None).files
    found = [f"{f.policy}:{f.place.line}" for f in file.answers.findings]
    assert [one for one in found if one.startswith("no-recommends")] == ["no-recommends:3", "no-recommends:4"]
    assert not [one for one in found if one.startswith("hadolint:DL3015")]
    only = Config(select=frozenset({"no-foo", "hadolint"}))
    (alone,) = check.run(["Dockerfile"], POLICIES, only, None).files
    assert [one for one in ids(alone) if "DL3015" in one] == ["hadolint:DL3015:2", "hadolint:DL3015:4"]


_INSTALL = "apt-get install -y foo"


@pytest.mark.parametrize(
    ("text", "theirs", "left"),
    [
        (f"RUN a \\\n && {_INSTALL}\n", [2], []),
        (f"RUN a \\\n && {_INSTALL}\n", [2, 2], [2]),
        (f"RUN {_INSTALL} \\\n && {_INSTALL}\n", [2], []),
        (f"RUN a \\\n && {_INSTALL} \\\n && b\nRUN c\n", [2, 5], [5]),
        (f"RUN a \\\n && b\nRUN {_INSTALL}\n", [2, 4], [2]),
        (f"# one\nRUN a \\\n && {_INSTALL}\n", [3], []),
    ],
)
def test_each_of_ours_stands_for_one_of_theirs(text: str, theirs: list[int], left: list[int]) -> None:
    """What another tool says of other instructions, or more often than we, is no double."""
    policies = {"no-recommends": catalog.load()["no-recommends"]}
    target = gate.target_of(parse(f"FROM debian:12\n{text}"), Profile.PRODUCTION)
    said = [Finding("hadolint:DL3015", "recommended", Place(line, line, 1), Probe.SOURCE) for line in theirs]
    answers = gate.check_source(target, policies, Config(), (), said)
    assert [f.place.line for f in answers.findings if f.policy == "hadolint:DL3015"] == left


def test_baseline_holds_for_one_file_and_for_the_findings_of_verify(here: Path) -> None:
    """The pytest plugin and `verify` waive what `check` waives."""
    write(here, Dockerfile="FROM debian:12\nRUN foo\n")
    config = OURS._replace(path=str(here / ".dockproof.toml"), baseline=str(here / "base.json"))
    report = run("Dockerfile", config=config, settings=Settings(fingerprints=True))
    assert baseline.write(report, here / "base.json") == 1
    (found,) = check.check_file(here / "Dockerfile", POLICIES, config).answers.findings
    assert found.waived == Waiver("baseline", origin=str(here / "base.json"))
    lines = (here / "Dockerfile").read_text().splitlines()
    live = [finding._replace(waived=None) for finding in report.files[0].answers.findings]
    assert baseline.waive(live, str(here / "Dockerfile"), lines, config) == (found,)
    (here / "Dockerfile").write_text("FROM debian:12\nRUN foo 2\n")
    (found,) = check.check_file(here / "Dockerfile", POLICIES, config).answers.findings
    assert found.waived is None


@pytest.mark.parametrize(
    ("line", "same"),
    [
        ("FROM  registry:5000/python:3.12-slim@sha256:" + "0" * 64 + " AS app", True),
        ("from registry:5000/python:3.11-slim AS app", False),  # casing is somebody's finding
        ("FROM registry:5000/ruby:3.11-slim AS app", False),
        ("FROM registry:5001/python:3.11-slim AS app", False),
        ("LABEL registry:5000/python:3.11-slim AS app", False),
    ],
)
def test_baseline_holds_when_a_base_is_raised(line: str, *, same: bool) -> None:
    """A new release of the same image brings nothing back; another image does."""
    finding = Finding("pinned-base", "not pinned", Place(1, 1, 1), Probe.SOURCE)
    before, after = (
        baseline.fingerprints("Dockerfile", [finding], {1: text})
        for text in ("FROM registry:5000/python:3.11-slim AS app", line)
    )
    assert (before == after) is same
