"""The view of the standards: complete, tied to the policies that are there, and true to the evidence."""

from __future__ import annotations

import importlib
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dockproof import catalog, cli, compliance
from dockproof.compliance import Check, Evidence, Item, Standing, standing
from dockproof.config import Config, load
from dockproof.errors import UsageError
from dockproof.finding import Finding, Place, Probe
from dockproof.report import evidence
from dockproof.verdict import Cell, Verdict
from dockproof.verify import Report, Service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockproof.policy import Policy

ALL = compliance.standards(catalog.load())
ITEMS = {name: {item.id: item for item in standard.items} for name, standard in ALL.items()}
NON_ROOT = ITEMS["cis"]["4.1"]


def test_every_item_of_every_standard_is_there() -> None:
    """The numbers are the standards' own: CIS 1.6 sections 4 and 5, NIST's images and containers, OWASP's rules."""
    cis = [f"4.{n}" for n in range(1, 13)] + [f"5.{n}" for n in range(1, 33)]
    nist = [f"{chapter}.{n}" for chapter in ("3.1", "3.4", "4.1", "4.4") for n in range(1, 6)]
    owasp = [f"#{n}" for n in range(14)]
    assert list(ITEMS["cis"]) == cis
    assert list(ITEMS["nist"]) == nist
    assert [key for key in ITEMS["owasp"] if key != "#5a"] == owasp


@pytest.mark.parametrize("name", compliance.STANDARDS)
def test_no_item_is_blank(name: str) -> None:
    """Somebody checks it, or the reason says whose duty it is."""
    blank = [key for key, item in ITEMS[name].items() if not item.title or not (item.checks or item.note)]
    assert blank == []


@pytest.mark.parametrize("policy", catalog.load().values(), ids=lambda policy: policy.id)
def test_references_of_policies_name_items_that_exist(policy: Policy) -> None:
    """A reference that names no item would be seen nowhere."""
    for reference in policy.references:
        standard, _, number = reference.partition(":")
        if standard in compliance.STANDARDS:
            item = ITEMS[standard].get(number) or ITEMS[standard].get(f"#{number}")
            assert item, f"{policy.id}: {reference} is no item"
            assert policy.id in {check.policy for check in item.checks}


def test_items_of_cis_are_checked_by_those_who_say_so_alone() -> None:
    """What the data names for an item of CIS only narrows a policy whose references name that item."""
    policies = catalog.load()
    for key, item in ITEMS["cis"].items():
        for check in item.checks:
            assert f"cis:{key}" in policies[check.policy].references, f"{key}: {check.name}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no-such", "no such policy"),
        ("non-root/no-such", "non-root has no such clause"),
        ("no-setuid[source]", "no-setuid asks only at image"),
        ("non-root[", "no such policy"),
    ],
)
def test_check_that_no_policy_can_make_is_refused(text: str, message: str) -> None:
    """The data cannot outlive a policy, a clause or a probe."""
    with pytest.raises(ValueError, match=message):
        compliance.parse(text, catalog.load())


def test_check_reads_clause_and_probes() -> None:
    """`id/clause[probe, probe]`."""
    check = compliance.parse("no-host-access/privileged[source, runtime]", catalog.load())
    assert check == Check("no-host-access", "privileged", (Probe.SOURCE, Probe.RUNTIME))


# ------------------------------------------------------------------------------------------- what people lifted


def configured(folder: Path, text: str) -> Config:
    """Load a configuration."""
    path = folder / ".dockproof.toml"
    path.write_text(text)
    return load(path, catalog.load())


def test_ignored_policy_waives_its_item(tmp_path: Path) -> None:
    """Whoever switches a policy off sees which item nobody checks any more."""
    found = standing(NON_ROOT, configured(tmp_path, 'ignore = ["non-root"]'), {})
    assert found.status == "waived"
    assert [(one.check, one.reason, one.everywhere) for one in found.lifted] == [
        ("non-root", "ignored", True)
    ]


def test_waiver_of_some_files_is_told_with_its_reason_and_end(tmp_path: Path) -> None:
    """The item of a policy that is waived for some files names them."""
    text = '[[files."legacy/*".waivers]]\npolicy = "non-root"\nreason = "the base needs it"\nuntil = 2999-12-31\n'
    (lifted,) = standing(NON_ROOT, configured(tmp_path, text), {}).lifted
    assert (lifted.where, lifted.reason) == ("legacy/*", "the base needs it (until 2999-12-31)")


def test_item_with_a_check_that_nobody_lifted_stays_checked(tmp_path: Path) -> None:
    """One of several policies is switched off: the others still look."""
    found = standing(ITEMS["cis"]["4.2"], configured(tmp_path, 'ignore = ["trusted-registry"]'), {})
    assert found.status == "checked"
    assert [one.check for one in found.lifted] == ["trusted-registry"]


def test_waiver_of_a_compose_service_is_read_from_the_file(tmp_path: Path) -> None:
    """No engine is asked."""
    api = "{build: ., ports: !reset [], x-dockproof: {waivers: [{policy: no-ssh, reason: a bastion}]}}"
    text = f"services:\n  api: {api}\n  db: {{image: x}}\n"
    (tmp_path / "compose.yaml").write_text(text)
    services = compliance.waivers_of_compose(tmp_path, catalog.load())
    found = standing(ITEMS["cis"]["5.7"], Config(), services)
    assert found.status == "waived"
    assert [(one.where, one.reason) for one in found.lifted] == [("service api", "a bastion")]


@pytest.mark.parametrize(
    "text", ["a: [", "services: {a: {x-dockproof: {profil: x}}}", "\x00", "- " * 3 + "["]
)
def test_compose_file_that_cannot_be_read_is_said(tmp_path: Path, text: str) -> None:
    """A waiver that was not seen must not make an item look checked."""
    (tmp_path / "compose.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"compose\.yaml"):
        compliance.waivers_of_compose(tmp_path, catalog.load())


# ------------------------------------------------------------------------------------------------------- evidence


def cell(policy: str, probe: Probe, verdict: Verdict, clause: str | None = None) -> Cell:
    """Return a cell, with a finding where the verdict needs one."""
    wrong = verdict in {Verdict.FAILED, Verdict.WARNED, Verdict.WAIVED}
    finding = Finding(policy, "m", Place(1, 1), probe, clause)
    return Cell(policy, probe, verdict, (finding,) if wrong else ())


def written(folder: Path, **services: list[Cell]) -> Evidence:
    """Write results.json as `verify` does, with these cells, and read it back."""
    manifest = importlib.import_module("dockproof.collect.compose").Manifest(
        Path("compose.yaml"), "x", {}, {}, {}
    )
    made = [
        Service(name, Path("Dockerfile"), None, "production", cells, {}, (), (), ())
        for name, cells in services.items()
    ]
    report = Report(manifest, made, (), {}, (), 0.0)
    path = folder / "results.json"
    path.write_text(json.dumps(evidence.document(report, Config())))
    return Evidence(path)


def whole(verdict: Verdict, **others: Verdict) -> list[Cell]:
    """Return the three cells of non-root."""
    levels: Mapping[str, Verdict] = {"source": verdict, "image": verdict, "runtime": verdict, **others}
    return [cell("non-root", Probe(name), one) for name, one in levels.items()]


@pytest.mark.parametrize(
    ("cells", "verdict", "status", "code"),
    [
        (whole(Verdict.PASSED), Verdict.PASSED, "checked", 0),
        (whole(Verdict.PASSED, image=Verdict.FAILED), Verdict.FAILED, "checked", 1),
        (whole(Verdict.FAILED, image=Verdict.NOT_LOOKED), Verdict.NOT_LOOKED, "checked", 4),
        (whole(Verdict.WAIVED), Verdict.WAIVED, "waived", 0),
        (whole(Verdict.PASSED, runtime=Verdict.WAIVED), Verdict.WAIVED, "waived", 0),
        (whole(Verdict.PASSED)[:2], Verdict.NOT_LOOKED, "checked", 4),
    ],
)
def test_evidence_tells_the_worst_of_all_probes(
    tmp_path: Path, cells: list[Cell], verdict: Verdict, status: str, code: int
) -> None:
    """An item holds only where every probe of every check saw it hold; a cell that is missing was not looked at."""
    found = standing(NON_ROOT, Config(), {}, written(tmp_path, api=cells))
    assert (found.results, found.status) == ({"api": verdict}, status)
    assert compliance.result([[found]]) == code


def test_evidence_of_a_shard_does_not_speak_for_the_other_services(tmp_path: Path) -> None:
    """What another machine looked at is not in this file."""
    written(tmp_path, api=whole(Verdict.PASSED))
    path = tmp_path / "results.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "images": ["api", "worker"]}))
    found = standing(NON_ROOT, Config(), {}, Evidence(path))
    assert found.results == {"api": Verdict.PASSED, "worker": Verdict.NOT_LOOKED}
    assert compliance.result([[found]]) == 4


def test_evidence_of_another_clause_does_not_break_an_item(tmp_path: Path) -> None:
    """5.10 asks of the host's network, not of its folders."""
    cells = [
        cell("no-host-access", Probe.SOURCE, Verdict.FAILED, "system-folder"),
        cell("no-host-access", Probe.IMAGE, Verdict.PASSED),
        cell("no-host-access", Probe.RUNTIME, Verdict.PASSED),
    ]
    seen = written(tmp_path, api=cells)
    assert seen.of(ITEMS["cis"]["5.10"].checks) == {"api": Verdict.PASSED}
    assert seen.of(ITEMS["cis"]["5.6"].checks) == {"api": Verdict.FAILED}


def test_evidence_does_not_ask_for_what_is_ignored(tmp_path: Path) -> None:
    """`verify` does not look at what the configuration ignores, and that is no gap of the evidence."""
    found = standing(NON_ROOT, Config(ignore=frozenset({"non-root"})), {}, written(tmp_path, api=[]))
    assert (found.status, found.results) == ("waived", {})


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 2}', '{"schema": 1, "created": "x", "services": [1]}']
)
def test_damaged_evidence_is_refused(tmp_path: Path, text: str) -> None:
    """What cannot be read shows nothing."""
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"results\.json"):
        Evidence(path)


# ---------------------------------------------------------------------------------------------------- the command


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run the command; return its code and what it said."""
    code = cli.main(["compliance", *arguments])
    out, err = capsys.readouterr()
    return code, out + err


@pytest.mark.usefixtures("here")
def test_text_counts_every_item(capsys: pytest.CaptureFixture[str]) -> None:
    """The last line of each standard is the sum of its lines."""
    code, text = run(capsys, "cis")
    assert code == 0
    lines = text.splitlines()
    checked, rest = (sum(f" {word}: " in line for line in lines) for word in ("checked", "not applicable"))
    assert lines[-2] == f"44 items: {checked} checked, 0 waived, {rest} not applicable"
    assert "4.1    checked: " in text
    assert "by non-root[source/image/runtime]" in text
    assert max(map(len, lines)) <= 100


def test_json_has_every_standard_with_status_and_results(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Programs read the same."""
    written(here, api=whole(Verdict.FAILED))
    code, text = run(capsys, "--format", "json", "--evidence", "results.json")
    data = json.loads(text)
    assert code == 4, "the evidence knows nothing but non-root"
    assert [one["id"] for one in data["standards"]] == ["cis", "nist", "owasp"]
    item = data["standards"][0]["items"][0]
    assert (item["id"], item["status"], item["results"]) == ("4.1", "checked", {"api": "failed"})
    assert item["checks"] == [
        {"policy": "non-root", "clause": None, "probes": ["source", "image", "runtime"]}
    ]
    assert sum(data["summary"].values()) == sum(len(items) for items in ITEMS.values())


@pytest.mark.usefixtures("here")
def test_markdown_is_one_table_a_standard(capsys: pytest.CaptureFixture[str]) -> None:
    """Every row has the cells of its head."""
    _, text = run(capsys, "nist", "--format", "markdown")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 20
    assert {row.count("|") for row in rows} == {5}


@pytest.mark.usefixtures("here")
def test_html_is_read_by_a_strict_parser(capsys: pytest.CaptureFixture[str]) -> None:
    """It is HTML5 and loads nothing."""
    _, text = run(capsys, "--format", "html")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for a part of its own dependency that is no more
        html5lib = importlib.import_module("html5lib")
    html5lib.HTMLParser(strict=True).parse(text)
    assert text.count("<tr>") == sum(len(items) for items in ITEMS.values())
    assert "src=" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cos"], "'cos' is no standard, did you mean \"cis\"?; there are: cis, nist, owasp"),
        (["--evidence", "gone.json"], "gone.json: the evidence cannot be read: No such file or directory"),
        (["--format", "sarif"], "invalid choice"),
    ],
)
@pytest.mark.usefixtures("here")
def test_wrong_usage_exits_2(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    """What is wrong is said, with what there is."""
    code, text = run(capsys, *arguments)
    assert code == 2
    assert message in text


def test_standing_of_an_item_without_checks_is_its_reason() -> None:
    """Nothing can be waived that nobody checks."""
    item = Item("5.1", "t", "the engine's", ())
    assert standing(item, Config(), {}) == Standing(item, "not applicable", (), None)
