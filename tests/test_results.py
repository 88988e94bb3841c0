"""An answer that was kept is the answer that the probes would give now."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from bench.corpus import dockerfiles
from dockproof import cache, catalog, check, waiver
from dockproof.check import BATCH, FEW, Settings
from dockproof.config import Config, FileRule
from dockproof.errors import Exit
from dockproof.facts import dockerfile
from dockproof.finding import Severity, Waiver
from dockproof.gate import CheckReport
from dockproof.policy import Profile
from dockproof.results import canonical
from dockproof.spool import Spool
from dockproof.waiver import Exemption

OURS = Config(hadolint=False)
FRESH = Settings(cache=False)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of the benchmark with a build context around them, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "files"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for index, text in enumerate(dockerfiles(FEW + 4)):
        (folder / f"Dockerfile.{index}").write_text(text)
    (folder / "app").mkdir()
    (folder / "app" / "main.py").touch()
    (folder / ".dockerignore").write_text("*.md\n")
    return folder


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which each file that is really read is added."""
    seen: list[str] = []

    def parse(content: bytes, name: str) -> object:
        seen.append(name)
        return dockerfile.parse(content, name)

    monkeypatch.setattr(check, "parse", parse)
    return seen


def run(config: Config = OURS, settings: Settings | None = None) -> CheckReport:
    """Check the folder with all policies."""
    return check.run(["."], catalog.load(), config, settings)


@pytest.mark.usefixtures("files")
def test_second_run_asks_nothing_and_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole reports are compared, with severities, waivers, excerpts and what was asked."""
    first, fresh = run(), run(settings=FRESH)
    read = counted(monkeypatch)
    assert first == run() == fresh
    assert read == []


RULE = FileRule("Dockerfile.*", waivers=(Exemption(("non-root",), Waiver("x"), origin="here", shared=True),))


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    "config",
    [
        OURS._replace(profile=Profile.DEVELOPMENT),
        OURS._replace(select=frozenset({"non-root", "healthcheck"})),
        OURS._replace(ignore=frozenset({"healthcheck"})),
        OURS._replace(options={"trusted-registry": {"registries": ("example.com",)}}),
        OURS._replace(files=(RULE,)),
        OURS._replace(files=(RULE._replace(waivers=(), targets=("builder",)),)),
        OURS._replace(files=(RULE._replace(waivers=(), context="app"),)),
    ],
)
def test_another_configuration_is_asked_anew(config: Config) -> None:
    """Nothing of a run with other settings counts."""
    run()
    assert run(config) == run(config, FRESH)
    assert run(config) == run(config, FRESH)


def _content(folder: Path) -> None:
    (folder / "Dockerfile.3").write_text("FROM debian\nUSER root\n")


def _secret(folder: Path) -> None:
    (folder / ".env").touch()
    (folder / "app" / "id_rsa").touch()


def _link(folder: Path) -> None:
    (folder / "app" / "main.py").unlink()
    (folder / "app" / "main.py").symlink_to("../.env")


def _ignored(folder: Path) -> None:
    (folder / ".dockerignore").write_text("**\n!app\n")


def _no_ignore_file(folder: Path) -> None:
    (folder / ".dockerignore").unlink()


def _own_ignore_file(folder: Path) -> None:
    (folder / "Dockerfile.2.dockerignore").write_text("app\n")


@pytest.mark.parametrize("change", [_content, _secret, _link, _ignored, _no_ignore_file, _own_ignore_file])
def test_change_of_a_file_or_its_context_is_seen(files: Path, change: object) -> None:
    """Whatever a policy looked at is looked at again."""
    run()
    assert callable(change)
    change(files)
    assert run() == run(settings=FRESH)


def test_secret_that_came_into_the_context_is_found_in_spite_of_the_cache(files: Path) -> None:
    """The test above would pass if nothing of the context were looked at at all."""
    before = [f.policy for file in run().files for f in file.answers.findings]
    _secret(files)
    after = [f.policy for file in run().files for f in file.answers.findings]
    assert after.count("no-secret-files") > before.count("no-secret-files")


@pytest.mark.usefixtures("files")
def test_another_day_is_asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Releases and waivers end."""
    before = run()
    monkeypatch.setattr(waiver, "today", lambda: "2099-01-01")
    after = run()
    assert after == run(settings=FRESH)
    assert after != before


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff" * 90, b"0" * 64 + b"[]"])
def test_damaged_answers_are_asked_again(damage: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that something wrote over is no error, and is mended."""
    first = run()
    kept = [path for path in (Path(cache.folder()) / "check").glob("*/*") if path.is_file()]
    assert len(kept) == len(first.files)
    for path in kept:
        path.write_bytes(damage)
    assert run() == first
    read = counted(monkeypatch)
    assert run() == first
    assert read == []


def test_cache_that_cannot_be_written_is_no_error(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file stands where the folder should be."""
    (files / "taken").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(files / "taken"))
    assert run() == run(settings=FRESH)


@pytest.mark.usefixtures("files")
def test_no_cache_reads_and_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--no-cache` leaves no trace."""
    run(settings=FRESH)
    assert not os.path.exists(cache.folder())  # noqa: PTH110 - text
    read = counted(monkeypatch)
    run()
    run(settings=FRESH)
    assert len(read) == 2 * (FEW + 4)


@pytest.mark.usefixtures("files")
def test_few_files_are_not_kept() -> None:
    """Probing a few takes less time than knowing whether one has to."""
    check.run(["Dockerfile.1"], catalog.load(), OURS, None)
    assert not os.path.exists(cache.folder())  # noqa: PTH110 - text


def test_many_files_are_probed_by_several_processes_alike(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report is the same, in the same order."""
    for index, text in enumerate(dockerfiles(2 * BATCH, seed=7)):
        (files / f"{index}.Dockerfile").write_text(text)
    monkeypatch.setattr(check, "_processors", lambda: 1)
    alone = run(settings=FRESH)
    monkeypatch.setattr(check, "_processors", lambda: 2)
    read = counted(monkeypatch)
    assert run(settings=FRESH) == alone
    assert len(read) == check.FEW  # the workers did the rest


def test_killed_worker_loses_nothing(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its processes cannot look at, the program looks at itself."""
    for index, text in enumerate(dockerfiles(2 * BATCH, seed=7)):
        (files / f"{index}.Dockerfile").write_text(text)
    monkeypatch.setattr(check, "_processors", lambda: 2)
    whole = run(settings=FRESH)

    def parse(content: bytes, name: str) -> object:
        if os.getpid() != here and name.startswith("7"):
            os.kill(os.getpid(), signal.SIGKILL)
        return dockerfile.parse(content, name)

    here = os.getpid()
    monkeypatch.setattr(check, "parse", parse)
    assert run(settings=FRESH) == whole


def test_folder_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest answers of a part go when it grows too large, and stale ones at once."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cache, "SHARD", 1000)
    store = cache.Cache("test", b"")
    keys = [f"aa{index:062}" for index in range(5)]
    for age, key in enumerate(keys):
        store.put({key: "x" * 300})
        path = tmp_path / "dockproof/test/aa" / key[2:]
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 100 + age))
    assert [store.get(key) is not None for key in keys] == [False, False, False, True, True]
    os.utime(path, (0, 0))
    store.put({keys[0]: "y"})
    assert store.get(keys[4]) is None
    assert store.get(keys[0]) == "y"


def test_canonical_form_tells_values_apart_and_not_orders() -> None:
    """Sets are in no order; kinds of values count."""
    assert repr(canonical(frozenset("abc"))) == repr(canonical(frozenset("cba")))
    assert repr(canonical({"a": 1, "b": 2})) == repr(canonical({"b": 2, "a": 1}))
    assert repr(canonical((1,))) != repr(canonical([1]))
    assert repr(canonical({"a": frozenset({1})})) != repr(canonical({"a": frozenset({"1"})}))


def test_spool_is_a_list_that_lies_in_a_file() -> None:
    """It is read any number of times, in order and by place, and what is replaced is the new one."""
    spool = Spool({"number": number} for number in range(5))
    spool[1] = {"number": 9}
    assert [one["number"] for one in spool] == [one["number"] for one in spool] == [0, 9, 2, 3, 4]
    assert (len(spool), spool[-1], spool[1:3]) == (5, {"number": 4}, [{"number": 9}, {"number": 2}])
    assert spool == list(spool)
    assert spool != [1]


def test_report_of_many_files_is_not_held_in_memory(files: Path) -> None:
    """Whatever is asked of it is the same as of a report that is."""
    for index, text in enumerate(dockerfiles(check.IN_MEMORY + 1, seed=3)):
        (files / f"{index}.Dockerfile").write_text(text)
    report = run()
    assert isinstance(report.files, Spool)
    held = CheckReport(tuple(report.files))
    assert (report.summary, report.incomplete) == (held.summary, held.incomplete)
    assert report.exit(Severity.ERROR) is held.exit(Severity.ERROR) is Exit.FINDINGS
    assert run() == held


def test_unused_waiver_is_said_among_many_files_too(files: Path) -> None:
    """The finding is added to the first file that the rule names."""
    for index in range(check.IN_MEMORY):
        (files / f"{index:03}.Dockerfile").write_text("FROM scratch\n")
    nothing = Exemption(("exec-form",), Waiver("x"), origin="here", shared=True)
    config = OURS._replace(files=(FileRule("*.Dockerfile", waivers=(nothing,)),))
    said = [f.message for file in run(config).files for f in file.answers.findings if f.policy == "waiver"]
    assert said == ["the waiver of exec-form waives nothing here; remove it (here)"]
