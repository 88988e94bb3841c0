from __future__ import annotations

import importlib
import json
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import JUnitXml

import dockproof
from dockproof import catalog, check
from dockproof.check import Settings, Standard
from dockproof.config import Config
from dockproof.facts.span import Edit, Span
from dockproof.finding import Finding, Place, Probe, Severity, Waiver
from dockproof.gate import Answers, CheckReport, FileReport, NotLooked
from dockproof.policy import Profile
from dockproof.report.text import clean
from dockproof.report.view import View
from tests.report.readers import CHECK, GITLAB, annotation
from tests.sample import POLICIES

if TYPE_CHECKING:
    from collections.abc import Mapping

EXPECTED = Path(__file__).parent / "expected"
FORMATS = {
    "text": "txt",
    "json": "json",
    "sarif": "sarif",
    "junit": "xml",
    "github": "github",
    "gitlab": "gitlab.json",
}
FORMATS |= {"html": "html"}

TEXT = """FROM debian:12 AS base
\tRUN foo && \\
  more
RUN bar & <b>"ü"</b>
# dockproof: ignore=no-foo reason="it is a test, 100%" until=2999-12-31
RUN foofoo
RUN crash
"""


def sample() -> CheckReport:
    """Return a report with everything that can be in one."""
    settings = Settings(standard=Standard(TEXT.encode(), "a b/Dockerfile"), fingerprints=True)
    (file,) = check.run(["-"], POLICIES, Config(hadolint=False), settings).files
    answers = file.answers
    crash = answers.not_looked[0]._replace(
        log="Traceback\n  line\n"
    )  # a traceback holds this machine's paths
    mended = answers.findings[0]._replace(edits=(Edit(Span(2, 6, 2, 9), "foo", "fu"),))
    answers = answers._replace(findings=(mended, *answers.findings[1:]))
    hadolint = Finding(
        "hadolint:DL3008", "Pin versions, or not", Place(2, 2, 5), Probe.SOURCE, severity=Severity.WARNING
    )
    refused = NotLooked("hadolint", "not looked at by hadolint: it cannot parse it", fatal=False)
    answers = answers._replace(findings=(*answers.findings, hadolint), not_looked=(crash, refused))
    file = file._replace(
        answers=answers, fingerprints=(*file.fingerprints, "0" * 32), asked=(*file.asked, "hadolint")
    )
    clean = check.run(
        ["-"],
        POLICIES,
        Config(hadolint=False),
        Settings(standard=Standard(b"FROM debian:12\n", "Dockerfile.clean"), fingerprints=True),
    ).files[0]
    gone = FileReport("Dockerfile.gone", Profile.PRODUCTION, "No such file or directory", Answers())
    return CheckReport((file, clean, gone), (NotLooked("hadolint", "it is not installed", "sh: not found"),))


def render(name: str, report: CheckReport | None = None, **view: Any) -> str:
    """Render a report with one format."""
    module = importlib.import_module(f"dockproof.report.{name}")
    text: str = "".join(module.render(report or sample(), View(POLICIES, **view)))
    return text.replace(dockproof.__version__, "VERSION")


@pytest.mark.parametrize("name", FORMATS)
def test_report_is_what_was_agreed(name: str) -> None:
    """Each format gives the same text as last time; UPDATE_SNAPSHOTS=1 writes it anew, for review."""
    path = EXPECTED / f"report.{FORMATS[name]}"
    text = render(name, show_waived=True)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(text)
    assert text == path.read_text()
    assert text == render(name, show_waived=True), "a second run gives other text"


def test_every_snapshot_belongs_to_a_format() -> None:
    """A snapshot that nothing compares protects nothing."""
    names = {f"report.{suffix}" for suffix in FORMATS.values()} | {"program.txt"}
    assert {path.name for path in EXPECTED.iterdir()} == names


def test_every_format_of_the_command_line_is_here() -> None:
    """A format that is offered is tested."""
    from dockproof.cli import FORMATS as OFFERED  # noqa: PLC0415 - its name is ours

    assert set(OFFERED) == set(FORMATS)


def test_text_hides_waived_findings_but_counts_them() -> None:
    """What a person accepted is not shown again and again."""
    text = render("text")
    assert "no-foo/foofoo" not in text
    assert "1 waived" in text


def test_text_has_colours_only_where_they_are_wanted() -> None:
    """Pipes and files get plain text."""
    assert "\x1b" not in render("text")
    assert "\x1b[1;31merror\x1b[0m" in render("text", color=True)


@pytest.mark.parametrize(
    ("place", "mark"),
    [
        (Place(1, 1, 5, end_column=8), "    ^^^"),
        (Place(1, 1, 5), "    ^^^^^^^"),
        (Place(1, 2, 5, end_column=3), "    ^^^^^^^"),
        (Place(1, 1, 5, end_column=99), "    ^^^^^^^"),
        (Place(1, 1, 99, end_column=120), ""),
    ],
)
def test_text_marks_what_is_wrong(place: Place, mark: str) -> None:
    """The mark stands under the finding: to its end, or to the line's where it goes on or its end is not known."""
    finding = Finding("no-bar", "m", place, Probe.SOURCE, help="h")
    file = FileReport("f", Profile.PRODUCTION, None, Answers((finding,)), (), {1: "RUN\tbar and"})
    lines = render("text", CheckReport((file,))).splitlines()
    shown = [line.partition("|")[2][1:] for line in lines if "|" in line]
    assert shown == ["RUN bar and", *([mark] if mark else [])]


def test_text_says_incomplete_before_failed() -> None:
    """A gate that could not look has no verdict."""
    assert render("text").splitlines()[-1].startswith("INCOMPLETE: ")
    report = sample()
    whole = CheckReport(
        tuple(f._replace(answers=f.answers._replace(not_looked=())) for f in report.files[:2])
    )
    assert (
        render("text", whole)
        .splitlines()[-1]
        .startswith("FAILED: 1 error, 1 warning, 1 info, 1 waived in 2 files")
    )
    assert render("text", CheckReport(report.files[1:2])) == "passed: no findings in 1 file\n"


@pytest.mark.parametrize("name", FORMATS)
def test_no_control_character_of_a_file_reaches_the_report(name: str) -> None:
    """A Dockerfile must not steer the terminal, the runner's commands or the XML parser of its reader."""
    evil = "\x1b[2J\x07\r\n::error::injected <script>alert(1)</script> \x00 \u202e"
    finding = Finding("no-foo", evil, Place(1, 1, 1), Probe.SOURCE, "foo", stage=evil)
    file = FileReport(
        evil, Profile.PRODUCTION, None, Answers((finding,)), ("no-foo",), {1: evil}, ("0" * 32,)
    )
    text = render(name, CheckReport((file,)))
    assert not any(ord(c) < 32 and c != "\n" for c in text)
    assert "\n::error::injected" not in text
    if name == "junit":
        ET.fromstring(text)  # noqa: S314 - our own text
    if name == "html":
        assert "<script>" not in text


def test_json_has_the_promised_keys() -> None:
    """The keys of schema 1 are there with their types."""
    data = json.loads(render("json"))
    assert data["schema"] == 1
    assert data["tool"] == {"name": "dockproof", "version": "VERSION"}
    assert data["summary"] == {"files": 3, "errors": 1, "warnings": 1, "infos": 1, "waived": 1}
    first, clean, gone = data["files"]
    assert (first["path"], first["profile"], first["status"], first["error"]) == (
        "a b/Dockerfile",
        "production",
        "checked",
        None,
    )
    assert (gone["status"], gone["error"]) == ("unreadable", "No such file or directory")
    assert clean["not_applicable"][0]["policy"] == "no-foo"
    foo, bar, waived = first["findings"][:3]
    assert {
        key: foo[key] for key in ("policy", "clause", "severity", "probe", "line", "end_line", "column")
    } == {
        "policy": "no-foo",
        "clause": "foo",
        "severity": "error",
        "probe": "source",
        "line": 2,
        "end_line": 3,
        "column": 2,
    }
    assert (foo["stage"], foo["message"], foo["waived"], foo["fixable"]) == (
        "base",
        "RUN says foo",
        None,
        False,
    )
    assert bar["fixable"] is True
    assert waived["waived"] == {"reason": "it is a test, 100%", "until": "2999-12-31", "origin": None}
    assert first["findings"][3]["policy"] == "hadolint:DL3008"


def test_sarif_is_read_by_a_model_of_its_own() -> None:
    """A package that knows SARIF 2.1.0 reads rules, regions, fingerprints and suppressions."""
    sarif: Any = importlib.import_module("sarif_pydantic")  # ships no type information
    (run,) = sarif.Sarif.model_validate_json(render("sarif")).runs
    results = run.results or []
    rules = run.tool.driver.rules or []
    assert [rules[result.rule_index or 0].id for result in results] == [result.rule_id for result in results]
    assert [bool(result.suppressions) for result in results] == [False, False, True, False]
    region = results[0].locations[0].physical_location.region
    assert (region.start_line, region.start_column, region.end_line) == (2, 2, 3)
    assert all(result.partial_fingerprints for result in results)
    assert run.invocations
    assert run.invocations[0].execution_successful is False


def test_sarif_holds_nothing_that_the_standard_does_not_know() -> None:
    """Read by the model and written again it is the same document: no key is misspelt, no value of another type."""
    sarif: Any = importlib.import_module("sarif_pydantic")  # ships no type information
    text = render("sarif")
    again = sarif.Sarif.model_validate_json(text, strict=False).model_dump_json(
        by_alias=True, exclude_unset=True
    )
    assert json.loads(again) == json.loads(text)


def test_sarif_rules_have_what_code_scanning_shows() -> None:
    """Each rule has a title, a description, help as text and Markdown, a level and tags; each result finds its rule."""
    (run,) = json.loads(render("sarif"))["runs"]
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert len(rules) == len(run["tool"]["driver"]["rules"])
    assert {result["ruleId"] for result in run["results"]} == set(rules)
    ours = rules["no-foo"]
    assert ours["help"]["markdown"].startswith("## What it holds\n")
    assert ours["shortDescription"]["text"] == "no instruction says foo"
    assert ours["defaultConfiguration"] == {"level": "error"}
    assert ours["properties"]["tags"]
    assert rules["hadolint:DL3008"]["helpUri"].startswith("https://")
    marks = [result["partialFingerprints"]["dockproof/v1"] for result in run["results"]]
    assert len(set(marks)) == len(marks)


def test_sarif_region_ends_where_the_finding_ends() -> None:
    """A service marks the word, not the rest of the file."""
    regions = [
        result["locations"][0]["physicalLocation"]["region"]
        for result in json.loads(render("sarif"))["runs"][0]["results"]
    ]
    assert regions[0] == {"startLine": 2, "startColumn": 2, "endLine": 3, "endColumn": 7}
    assert regions[1] == {"startLine": 4, "startColumn": 1, "endColumn": 21}


def test_sarif_carries_what_fix_would_change() -> None:
    """A service that applies the change gets the text that `fix` gets; what is waived has none."""
    text = "from debian\nMAINTAINER \\u00fc <j@e.org>\n# a comment\nRUN apt-get update && apt install -y a\n"
    text = text.replace("\\u00fc", "\u00fc") + '# dockproof: ignore=exec-form reason="r"\nCMD a\n'
    settings = Settings(standard=Standard(text.encode(), "Dockerfile"), fixes=True)
    report = check.run(["-"], catalog.load(), Config(hadolint=False), settings)
    results = json.loads(render("sarif", report))["runs"][0]["results"]
    fixed = {result["ruleId"]: result["fixes"] for result in results if "fixes" in result}
    assert set(fixed) == {"current-syntax", "no-recommends", "unattended-install"}
    for ((change,),) in ([fix["artifactChanges"] for fix in fixes] for fixes in fixed.values()):
        assert change["artifactLocation"] == {"uri": "Dockerfile", "uriBaseId": "SRCROOT"}
    (syntax,) = fixed["current-syntax"]
    assert _applied(text, syntax) == text.replace(
        "MAINTAINER \u00fc <j@e.org>", 'LABEL org.opencontainers.image.authors="\u00fc <j@e.org>"'
    )
    (unattended,) = fixed["unattended-install"]
    assert "apt-get install -y a\n" in _applied(text, unattended)


def _applied(text: str, fix: dict[str, Any]) -> str:
    """Apply a fix as SARIF 2.1.0 says (3.55 to 3.57): regions of the text as it was, the last one first."""
    lines = text.splitlines(keepends=True)
    starts = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]
    ((change),) = fix["artifactChanges"]
    for one in reversed(change["replacements"]):
        region = one["deletedRegion"]
        start = starts[region["startLine"] - 1] + region["startColumn"] - 1
        end = starts[region["endLine"] - 1] + region["endColumn"] - 1
        text = text[:start] + one["insertedContent"]["text"] + text[end:]
    return text


def test_sarif_paths_are_relative_and_encoded() -> None:
    """Code scanning wants URIs below the root of the sources."""
    data = json.loads(render("sarif"))
    location = data["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert location == {"uri": "a%20b/Dockerfile", "uriBaseId": "SRCROOT"}


def test_junit_is_read_by_a_parser_of_its_own() -> None:
    """A package that knows JUnit counts what the gate counted."""
    root = JUnitXml.fromstring(render("junit").encode())
    first, clean, gone, whole = root
    assert (first.tests, first.failures, first.errors, first.skipped) == (3, 0, 1, 1)
    assert (clean.tests, clean.skipped) == (2, 1)
    assert (gone.tests, gone.errors) == (1, 1)
    assert (whole.tests, whole.errors) == (1, 1)


def test_junit_fails_what_fails_the_gate() -> None:
    """The fail level decides between a failure and a case with output."""
    file = sample().files[0]
    report = CheckReport((file._replace(answers=file.answers._replace(not_looked=())),))
    levels: Mapping[Severity, int] = {Severity.ERROR: 1, Severity.WARNING: 2, Severity.INFO: 3}
    for level, failures in levels.items():
        (suite,) = JUnitXml.fromstring(render("junit", report, fail_level=level).encode())
        assert suite.failures == failures


def test_github_commands_are_escaped() -> None:
    """Per cent signs, line ends, colons and commas have a meaning of their own for the runner."""
    finding = Finding("no-bar", "50%: a, b\nc", Place(3, 3, 7), Probe.SOURCE, help="x")
    file = FileReport("a,b:c/Dockerfile", Profile.PRODUCTION, None, Answers((finding,)))
    first, _ = render("github", CheckReport((file,))).splitlines()
    assert first == (
        "::error file=a%2Cb%3Ac/Dockerfile,line=3,endLine=3,title=no-bar,col=7::50%25: a, b%0Ac%0Ax"
    )


def test_github_commands_follow_the_grammar() -> None:
    """Every line but the last is a command that the runner knows, with properties that it knows."""
    *commands, last = render("github").splitlines()
    found = [annotation(line) for line in commands]
    assert {name for name, _, _ in found} == {"error", "warning", "notice"}
    assert found[0][1] == {"file": "a b/Dockerfile", "line": "2", "endLine": "3", "title": "no-foo/foo"}
    assert last.startswith("INCOMPLETE: ")


@given(st.text(), st.text(min_size=1).filter(str.isprintable))
def test_github_commands_carry_any_text(message: str, name: str) -> None:
    """Whatever stands in a Dockerfile or a file's name arrives as it was, control characters aside."""
    finding = Finding("no-bar", message, Place(3, 3, 7), Probe.SOURCE, help="h")
    file = FileReport(f"a/{name}", Profile.PRODUCTION, None, Answers((finding,)))
    first, *rest = render("github", CheckReport((file,))).split("\n")
    _, properties, said = annotation(first)
    assert len(rest) == 2, "the summary, and the end of its line"
    assert properties["file"] == os.path.normpath(f"a/{name}")
    assert said == "\n".join(clean(line) for line in f"{message}\nh".splitlines())


def test_json_and_gitlab_follow_their_schemas() -> None:
    """Each key that is promised or documented is there with its type, and no other."""
    jsonschema: Any = importlib.import_module("jsonschema")  # ships no type information
    for name, schema in (("json", CHECK), ("gitlab", GITLAB)):
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.Draft202012Validator(schema).validate(json.loads(render(name)))


def test_gitlab_fingerprints_are_unique_and_waived_findings_absent() -> None:
    """GitLab drops an issue whose fingerprint it has seen."""
    data = json.loads(render("gitlab"))
    marks = [issue["fingerprint"] for issue in data]
    assert len(set(marks)) == len(marks)
    assert not [issue for issue in data if "foofoo" in issue["check_name"]]
    assert {issue["severity"] for issue in data} == {"critical", "major", "info", "blocker"}
    assert all(issue["location"]["lines"]["begin"] >= 1 for issue in data)


def test_html_is_valid_and_needs_nothing_else() -> None:
    """A strict parser reads it, and it loads nothing."""
    text = render("html")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for a part of its own dependency that is no more
        html5lib = importlib.import_module("html5lib")
    html5lib.HTMLParser(strict=True).parse(text)
    assert "src=" not in text
    assert "<script" not in text


def test_waiver_of_the_configuration_is_an_external_suppression() -> None:
    """Code scanning tells a comment in the file from a decision elsewhere."""
    finding = Finding("no-bar", "m", Place(1, 1, 1), Probe.SOURCE, waived=Waiver("r", None, "pyproject.toml"))
    file = FileReport("Dockerfile", Profile.PRODUCTION, None, Answers((finding,)))
    data = json.loads(render("sarif", CheckReport((file,))))
    assert data["runs"][0]["results"][0]["suppressions"][0]["kind"] == "external"
