from __future__ import annotations

import pytest

from dockproof import gate, waiver
from dockproof.config import Config
from dockproof.facts.dockerfile import parse
from dockproof.finding import Finding, Severity, Waiver
from dockproof.policy import Profile
from dockproof.waiver import Exemption
from tests.sample import POLICIES


def check(
    text: str,
    *waivers: Exemption,
    config: Config | None = None,
    extra: list[Finding] | None = None,
    profile: Profile = Profile.PRODUCTION,
) -> list[Finding]:
    """Check a text with the sample policies."""
    target = gate.target_of(parse(text), profile)
    return list(gate.check_source(target, POLICIES, config or Config(), waivers, extra).findings)


def told(findings: list[Finding]) -> list[str]:
    """Return the findings as short sentences."""
    return [
        f"{f.place.line} {f.policy}/{f.clause} {'waived' if f.waived else f.severity}: {f.message}"
        for f in findings
    ]


def test_waives_the_instruction_below() -> None:
    """A comment above an instruction waives its finding, with the reason, and nothing else."""
    text = 'FROM a\n# dockproof: ignore=no-foo reason="it is a test" until=2999-01-31\nRUN foo\nRUN foo\n'
    first, second = check(text)
    assert first.waived == Waiver("it is a test", "2999-01-31")
    assert second.waived is None


def test_waives_from_a_comment_inside_the_instruction() -> None:
    """A comment line between the lines of an instruction belongs to it."""
    (found,) = check('FROM a\nRUN a && \\\n# dockproof: ignore=no-foo reason="x"\n foo\n')
    assert found.waived == Waiver("x")


def test_waives_one_clause_alone() -> None:
    """`id/clause` leaves the other clauses red."""
    text = 'FROM a\n# dockproof: ignore=no-foo/foofoo reason="x"\nRUN {}\n'
    assert check(text.format("foofoo"))[0].waived
    assert [f.waived is None for f in check(text.format("foo"))] == [True, True]


def test_waives_several_policies_at_once() -> None:
    """Ids are separated by commas."""
    text = 'FROM a\n# dockproof: ignore=no-foo,no-bar reason="x"\nRUN foo bar\n'
    assert all(f.waived for f in check(text))


@pytest.mark.parametrize(
    ("pragma", "problem"),
    [
        ("ignore=no-foo", 'it gives no reason: write reason="…"'),
        ('ignore=no-foo reason=" "', "it gives no reason"),
        ('reason="x"', "it names no policy"),
        ('ignore=no-foo reason="x" until=soon', "until=soon is no date"),
        ('ignore=no-foo reason="x" until=2027-02-30', "until=2027-02-30 is no date"),
        ('ignore=no-foo reason="x" util=2027-01-31', "unknown field util="),
        ("ignore=no-foo reason=just because", "cannot read 'because'"),
        ('ignore=no-foo, no-bar reason="x"', "cannot read 'no-bar'"),
        ('ignore=no-foo ignore=no-bar reason="x"', "a field is there twice"),
        ('ignore=no-fooo reason="x"', "names no-fooo, which is no policy"),
        ('ignore=no-foo/fo reason="x"', "names no-foo/fo, which is no policy"),
    ],
)
def test_malformed_waiver_is_an_error_and_waives_nothing(pragma: str, problem: str) -> None:
    """A waiver that cannot be read must not pass for one."""
    findings = check(f"FROM a\n# dockproof: {pragma}\nRUN foo\n")
    (complaint,) = [f for f in findings if f.policy == waiver.ID]
    assert problem in complaint.message
    assert (complaint.clause, complaint.severity, complaint.place.line) == ("malformed", Severity.ERROR, 2)
    assert [f.waived for f in findings if f.policy == "no-foo"] == [None]


def test_waiver_above_nothing_is_an_error() -> None:
    """A blank line or the end of the file between them parts a comment from its instruction."""
    findings = check('FROM a\n# dockproof: ignore=no-foo reason="x"\n\nRUN foo\n')
    assert "stands above no instruction" in findings[0].message


def test_expired_waiver_is_an_error_and_waives_nothing() -> None:
    """After its last day the finding is back, and the waiver is one more."""
    text = 'FROM a\n# dockproof: ignore=no-foo reason="x" until=2020-01-31\nRUN foo\n'
    assert told(check(text)) == [
        "2 waiver/expired error: the waiver of no-foo ended on 2020-01-31",
        "3 no-foo/foo error: RUN says foo",
    ]


def test_waiver_holds_through_its_last_day() -> None:
    """`until` is the last day that counts."""
    exemption = Exemption(("no-foo",), Waiver("x", "2027-01-31"))
    assert not exemption.expired("2027-01-31")
    assert exemption.expired("2027-02-01")


def test_unused_waiver_is_a_warning() -> None:
    """A waiver that waives nothing must go."""
    text = 'FROM a\n# dockproof: ignore=no-foo reason="x"\nRUN true\n'
    assert told(check(text)) == [
        "2 waiver/unused warning: the waiver of no-foo waives nothing here; remove it"
    ]


def test_unused_waiver_of_hadolints_rule_names_what_its_finding_is_shown_as() -> None:
    """A finding that both have is shown under ours, and only a waiver of that covers it."""
    (finding,) = waiver.unused([Exemption(("hadolint:DL3008",), Waiver("x"))], (), {"hadolint:DL3008"})
    assert finding.message == (
        "the waiver of hadolint:DL3008 waives nothing here; "
        "what pinned-packages/apt finds too is shown as that: waive it, or remove this"
    )


def test_waiver_of_a_policy_that_was_not_asked_is_not_unused() -> None:
    """What is off in this profile, or not selected, cannot show that a waiver is dead."""
    text = 'FROM a\n# dockproof: ignore=no-bar reason="x"\nRUN true\n'
    assert not check(text, profile=Profile.DEVELOPMENT)
    assert not check(text, config=Config(select=frozenset({"no-foo"})))
    assert check(text)


def test_waiver_of_a_hadolint_rule_is_judged_only_where_hadolint_looked() -> None:
    """Without hadolint nobody knows whether its rule would have fired."""
    text = 'FROM a\n# dockproof: ignore=hadolint:DL3059 reason="x"\nRUN true\n'
    assert not check(text, extra=None)
    assert [f.clause for f in check(text, extra=[])] == ["unused"]


def test_configured_waiver_covers_the_whole_file_and_names_its_origin() -> None:
    """A waiver of the configuration needs no line; the report says where it stands."""
    exemption = Exemption(("no-foo",), Waiver("x"), origin="pyproject.toml: files", shared=True)
    findings = check("FROM a\nRUN foo\nRUN foo\n", exemption)
    assert [f.waived for f in findings] == [Waiver("x", None, "pyproject.toml: files")] * 2


def test_shared_waiver_is_not_unused_in_one_file() -> None:
    """Another file may need it."""
    exemption = Exemption(("no-foo",), Waiver("x"), origin="pyproject.toml", shared=True)
    assert not check("FROM a\nRUN true\n", exemption)
    assert [f.clause for f in waiver.unused([exemption], [], {"no-foo"})] == ["unused"]


def test_complaint_about_waivers_cannot_be_waived() -> None:
    """The waiver of waivers would end the discipline."""
    text = 'FROM a\n# dockproof: ignore=waiver reason="x"\n# dockproof: ignore=no-foo\nRUN foo\n'
    assert sum(f.policy == waiver.ID and f.waived is None for f in check(text)) >= 1


@pytest.mark.parametrize(
    ("tool", "text"),
    [
        ("hadolint", "FROM a\n# hadolint ignore=DL3008,DL9999\nRUN foo\n"),
        ("hadolint", "FROM a\n# hadolint global ignore=DL3008\nRUN true\nRUN foo\n"),
        ("buildkit", "FROM a\n# check=skip=StageNameCasing\nRUN foo\n"),
        ("buildkit", "# check=skip=StageNameCasing,X;error=true\nFROM a\nRUN foo\n"),
        ("buildkit", "# check=error=true;skip=all\nFROM a\nRUN foo\n"),
        ("checkov", "FROM a\n#checkov:skip=CKV_DOCKER_3:because\nRUN foofoo\n"),
        ("trivy", "FROM a\n#trivy:ignore:DS-0002\nRUN foo\n"),
        ("trivy", "FROM a\n#trivy:ignore:AVD-DS-0002\nRUN foo\n"),
        ("trivy", "FROM a\n# trivy:ignore:ds002\nRUN foo\n"),
    ],
)
def test_honours_another_tools_pragma_only_when_asked(tool: str, text: str) -> None:
    """A peer's pragma waives our policy that says the same, where the configuration honours that peer."""
    (found,) = check(text, config=Config(honour=frozenset({tool})))
    assert found.waived
    assert found.waived.reason.startswith("honoured: # ")
    assert [f.waived for f in check(text)] == [None]


def test_pragma_of_another_rule_waives_nothing() -> None:
    """Only the rules with the same meaning count."""
    (found,) = check(
        "FROM a\n# hadolint ignore=DL3009\nRUN foo\n", config=Config(honour=frozenset({"hadolint"}))
    )
    assert found.waived is None
