from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from dockproof import catalog, config, own
from dockproof.config import Config, FileRule, ScriptRule, x_dockproof
from dockproof.errors import Exit, UsageError
from dockproof.finding import Severity, Waiver
from dockproof.policy import Profile
from tests.sample import POLICIES

if TYPE_CHECKING:
    from pathlib import Path


def load(folder: Path, text: str) -> Config:
    """Write a .dockproof.toml and load it."""
    path = folder / ".dockproof.toml"
    path.write_text(text)
    return config.load(path, POLICIES)


def refused(folder: Path, text: str) -> str:
    """Return the message that a configuration is refused with."""
    with pytest.raises(UsageError) as caught:
        load(folder, text)
    assert caught.value.exit is Exit.USAGE
    message = str(caught.value)
    assert str(folder) in message
    return message


def test_reads_every_key(tmp_path: Path) -> None:
    """Each key of the configuration arrives where the gate looks for it."""
    found = load(
        tmp_path,
        """
        profile = "development"
        fail-level = "warning"
        select = ["no-foo", "hadolint:DL3008"]
        ignore = "no-bar"
        baseline = "base.json"
        hadolint = false
        honour = ["hadolint"]
        [policy.no-foo]
        word = "fu"
        names = ["a", "b"]
        [files."**/Dockerfile.dev"]
        profile = "builder"
        targets = ["a"]
        context = "."
        [[files."**/Dockerfile.dev".waivers]]
        policy = ["no-foo/foofoo", "no-bar"]
        reason = "  it is a test "
        until = 2027-01-31
        """,
    )
    assert found.profile is Profile.DEVELOPMENT
    assert found.fail_level is Severity.WARNING
    assert found.select == {"no-foo", "hadolint:DL3008"}
    assert found.ignore == {"no-bar"}
    assert found.baseline == str(tmp_path / "base.json")
    assert not found.hadolint
    assert found.honour == {"hadolint"}
    assert found.options == {"no-foo": {"word": "fu", "names": ("a", "b")}}
    (rule,) = found.files
    assert (rule.profile, rule.targets, rule.context) == (Profile.BUILDER, ("a",), f"{tmp_path}/.")
    (waiver,) = rule.waivers
    assert waiver.policies == ("no-bar", "no-foo/foofoo")
    assert waiver.waiver == Waiver("it is a test", "2027-01-31")
    assert waiver.shared
    assert ".dockproof.toml" in waiver.origin


def test_reads_the_table_of_pyproject(tmp_path: Path) -> None:
    """Of pyproject.toml only [tool.dockproof] counts."""
    path = tmp_path / "pyproject.toml"
    path.write_text('[project]\nname = "x"\n[tool.dockproof]\nprofile = "builder"\n')
    assert config.load(path, POLICIES).profile is Profile.BUILDER


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('profil = "builder"', 'profil: is not known, did you mean "profile"?'),
        ('profile = "prodction"', "profile: 'prodction' is not known, did you mean \"production\"?"),
        ("profile = 3", "profile: must be a text, not a number"),
        ('hadolint = "yes"', "hadolint: must be true or false, not a text"),
        ('select = ["no-fo"]', "select: 'no-fo' is no policy, did you mean \"no-foo\"?"),
        ("select = [1]", "select: must be a list of texts, not of a number"),
        ('honour = ["hadolnt"]', 'did you mean "hadolint"?'),
        ('ignore = ["waivr"]', 'did you mean "waiver"?'),
        ('ignore = ["no-foo/fo"]', "clause 'fo' of no-foo is not known, did you mean \"foo\"?"),
        ("files = 3", "files: must be a table, not a number"),
        ('[files."a"]\nprofle = "x"', 'files."a".profle: is not known, did you mean "profile"?'),
        ('[policy.no-fo]\nword = "x"', "policy.\"no-fo\": 'no-fo' is no policy"),
        ('[policy.no-foo]\nwrod = "x"', 'policy."no-foo".wrod: is not known, did you mean "word"?'),
        ("[policy.no-foo]\nword = 3", 'policy."no-foo".word: must be a text, not a number'),
        ("[policy.no-foo]\nlimit = true", 'policy."no-foo".limit: must be a whole number, not true or false'),
        ('[policy.no-foo]\nloud = "x"', 'policy."no-foo".loud: must be true or false'),
        ('[[files."a".waivers]]\npolicy = "no-foo"', 'files."a".waivers[0]: it gives no reason'),
        ('[[files."a".waivers]]\nreason = "x"', 'files."a".waivers[0]: it names no policy'),
        ('[[files."a".waivers]]\npolicy = "no-foo"\nreason = "x"\nuntil = "soon"', "until=soon is no date"),
        ('[[files."a".waivers]]\npolicy = "no-foo"\nreason = "x"\nuntl = "x"', 'did you mean "until"?'),
        ("fail-level = 'error'\nfail_level = 'error'", "is there twice"),
        ("= 3", "is no TOML"),
        ("a = " + "[" * 9000, "nested too deeply"),
        ('baseline = "a\\u0000b"', "baseline: is no path"),
        ("policies = 'nowhere'", "the folder of own policies holds none"),
    ],
)
def test_refuses_what_it_does_not_know(tmp_path: Path, text: str, expected: str) -> None:
    """A misspelt key, a wrong type and an unknown name are errors that say where and what is meant."""
    assert expected in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '[policy.image-labels.labels]\n"a.b" = "semvr"',
            "policy.\"image-labels\".labels: the form 'semvr' of a.b is not known, did you mean semver?",
        ),
        ('[policy.image-labels.labels]\n"a.b" = ["semver"]', "the form ['semver'] of a.b is not known"),
        ('[policy.supported-base]\non = "soon"', "policy.\"supported-base\".on: 'soon' is no day"),
        ("[policy.no-wasted-bytes]\nleast_bytes = -1", "-1 is no number of bytes"),
        ("[policy.healthcheck]\nwall_seconds = nan", "nan seconds are no time"),
        ('[policy.trusted-registry]\nregistries = ["https://a.b"]', "'https://a.b' begins no image's name"),
        ('[policy.no-setuid]\nallow = ["bin/su"]', "'bin/su' names no file of an image"),
    ],
)
def test_refuses_what_no_probe_could_use(tmp_path: Path, text: str, expected: str) -> None:
    """A value of the right type and the wrong meaning is an error with its place, not a probe that crashes."""
    path = tmp_path / ".dockproof.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        config.load(path, catalog.load())
    assert expected in str(caught.value)


@pytest.mark.parametrize("text", ["tool = 3", "[tool]\ndockproof = 3", "# dockproof\ntool = []"])
def test_pyproject_of_an_odd_shape_is_said_or_not_ours(tmp_path: Path, text: str) -> None:
    """A `tool` that is no table holds no table of ours; a `dockproof` that is none is an error."""
    path = tmp_path / "pyproject.toml"
    path.write_text(text)
    if config.find(tmp_path) == str(path):
        with pytest.raises(UsageError, match="must be a table, not a number"):
            config.load(path, POLICIES)
    else:
        assert config.load(path, POLICIES) == Config(path=str(path))


def test_many_stars_cost_nothing() -> None:
    """A pattern's price is that of its meaning."""
    assert FileRule("/".join(["**"] * 40 + ["x"])).matches("/".join("abcdefghijklmnopqrst") + "/x")


def test_finds_the_nearest_configuration(tmp_path: Path) -> None:
    """The search goes upward, past a pyproject.toml without our table, to the repository's root."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "pyproject.toml").write_text("[tool.dockproof]\n")
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "pyproject.toml").write_text('[project]\nname = "dockproof-user"\n')
    assert config.find(inner) == str(tmp_path / "pyproject.toml")
    (inner / ".dockproof.toml").touch()
    assert config.find(inner) == str(inner / ".dockproof.toml")


def test_search_ends_at_the_repository_root(tmp_path: Path) -> None:
    """A configuration outside of the repository is not ours."""
    (tmp_path / ".dockproof.toml").touch()
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    assert config.find(tmp_path / "repo") is None


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("Dockerfile.dev", "Dockerfile.dev", True),
        ("Dockerfile.dev", "a/b/Dockerfile.dev", True),
        ("./Dockerfile", "Dockerfile", True),
        ("**/Dockerfile", "Dockerfile", True),
        ("**/Dockerfile", "a/b/Dockerfile", True),
        ("a/*/Dockerfile", "a/b/Dockerfile", True),
        ("a/*/Dockerfile", "a/b/c/Dockerfile", False),
        ("a/**", "a/b/c/Dockerfile", True),
        ("a/**/c/*", "a/c/Dockerfile", True),
        ("b/Dockerfile", "a/b/Dockerfile", False),
        ("*.dockerfile", "a/x.dockerfile", True),
    ],
)
def test_pattern_matches_folder_by_folder(pattern: str, path: str, *, matches: bool) -> None:
    """`*` stays in its folder, `**` spans folders, a bare name is looked for everywhere."""
    assert FileRule(pattern).matches(path) is matches


def test_rules_are_relative_to_the_configuration(tmp_path: Path) -> None:
    """A rule names files below the configuration's folder, wherever the program was started."""
    found = load(tmp_path, '[files."a/Dockerfile"]\nprofile = "builder"\n')
    assert found.rules_for(tmp_path / "a" / "Dockerfile")
    assert not found.rules_for(tmp_path / "b" / "a" / "Dockerfile")


def service(text: str) -> config.ServiceRule:
    """Read an x-dockproof mapping, written as YAML."""
    mapping: dict[str, Any] = yaml.safe_load(text) or {}
    return x_dockproof(mapping, "compose.yaml: api", POLICIES)


def test_reads_every_key_of_a_service() -> None:
    """What compose has no word for arrives where the gate looks for it."""
    rule = service(
        """
        profile: development
        structure_tests: [a.yaml, b.yaml]
        budgets: {image: 120MB, layer: 30 MiB}
        experiments: {freeze: false}
        sidecar: python:3
        network: false
        stop:
          requests: [{port: 8000, path: /a, body: b, headers: {x-number: 1}, status: 201}]
          work: {service: worker, command: [python, -c], script: work.py}
        policy: {no-foo: {word: fu}}
        waivers:
          - {policy: no-foo, reason: a test, until: 2027-01-31}
        """
    )
    assert rule.profile is Profile.DEVELOPMENT
    assert rule.structure_tests == ("a.yaml", "b.yaml")
    assert rule.budgets == {"image": 120_000_000, "layer": 30 * 1024**2}
    assert rule.experiments == {"freeze": False}
    assert rule.sidecar == "python:3"
    assert not rule.network
    (request,) = rule.stop.requests
    assert (request.name, request.port, request.headers, request.status) == (
        "POST /a",
        8000,
        {"x-number": "1"},
        201,
    )
    assert rule.stop.work == ScriptRule("worker", ("python", "-c"), "work.py")
    assert rule.options == {"no-foo": {"word": "fu"}}
    assert rule.waivers[0].waiver == Waiver("a test", "2027-01-31")


def test_reads_a_date_as_compose_rewrites_it() -> None:
    """`docker compose config` turns a YAML date into a time."""
    rule = service('waivers: [{policy: no-foo, reason: x, until: "2027-01-31T00:00:00Z"}]')
    assert rule.waivers[0].waiver.until == "2027-01-31"


def test_empty_mapping_says_nothing() -> None:
    """A service without x-dockproof has the defaults."""
    assert service("") == config.ServiceRule()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("profle: x", 'compose.yaml: api: x-dockproof.profle: is not known, did you mean "profile"?'),
        ("structure_test: [x]", 'x-dockproof.structure_test: is not known, did you mean "structure_tests"?'),
        ("budgets: {imgae: 1MB}", 'x-dockproof.budgets.imgae: is not known, did you mean "image"?'),
        ("budget: {image: 1MB}\nbudgets: {image: 1MB}", "stands beside `budgets`"),
        ("budgets: {image: true}", "must be a size as 120MB, not true or false"),
        ("budgets: {image: 1.2.3MB}", "'1.2.3MB' is no size"),
        ("budgets: 60MB", "x-dockproof.budgets: must be a table, not a text"),
        ("budget: {imgae: 1MB}", 'x-dockproof.budget.imgae: is not known, did you mean "image"?'),
        ("budget: {image: 1 parsec}", "'1 parsec' is no size: write 120MB"),
        ("budget: {image: infMB}", "'infMB' is no size"),
        ("budget: {image: -1}", "-1 is no size"),
        ("experiments: {freze: false}", 'did you mean "freeze"?'),
        ("stop: {request: []}", 'did you mean "requests"?'),
        ("stop: {requests: [{path: /}]}", "port: is missing"),
        ("stop: {requests: [{port: a}]}", "must be a port"),
        ("stop: {requests: [{port: 1, boddy: a}]}", 'did you mean "body"?'),
        ("stop: {work: {service: a, command: [b]}}", "script: is missing"),
        ("network: none", "must be true or false"),
        ("waivers: [{policy: no-foo}]", "it gives no reason"),
        ("waivers: {policy: no-foo}", "must be a list of tables, not a table"),
        ("policy: {no-foo: {wrod: x}}", 'did you mean "word"?'),
    ],
)
def test_refuses_what_a_service_may_not_say(text: str, expected: str) -> None:
    """x-dockproof is as strict as the configuration."""
    with pytest.raises(UsageError) as caught:
        service(text)
    assert expected in str(caught.value)


def test_budgets_are_options_of_size_budget(tmp_path: Path) -> None:
    """Of all images; those of a service stand over them, each for itself."""
    path = tmp_path / ".dockproof.toml"
    path.write_text('[budgets]\nimage = "60MB"\nlayer = 7\n[policy.size-budget]\nlayer = "9MB"')
    found = config.load(path, catalog.load()).options
    assert found == {"size-budget": {"image": 60_000_000, "layer": 7}}
    merged = config.with_budgets(found, {"image": 5})
    assert merged == {"size-budget": {"image": 5, "layer": 7}}
    assert config.with_budgets({}, {}) == {}


def test_refuses_a_budget_that_is_no_size(tmp_path: Path) -> None:
    """In both places where one may stand."""
    assert "'60 pounds' is no size" in refused(tmp_path, '[budgets]\nimage = "60 pounds"')
    path = tmp_path / ".dockproof.toml"
    path.write_text('[policy.size-budget]\nimage = "60 pounds"')
    with pytest.raises(UsageError, match="is no size: write 120MB"):
        config.load(path, catalog.load())


OWN = '''"""No telnet.

What it holds
-------------
x

Why it matters
--------------
x

How to fix it
-------------
x

References
----------
x
"""
from dockproof.policy import Family, Policy


class NoTelnet(Policy):
    title = "no telnet"
    family = Family.SOUND
    options = {"port": 23}

    def source(self, target):
        return ()
'''


def test_own_policies_are_known_to_the_configuration(tmp_path: Path) -> None:
    """A file of the named folder is a policy like any other: it can be selected and has its settings."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "no_telnet.py").write_text(OWN)
    found = load(tmp_path, 'policies = "own"\nselect = ["no-telnet"]\n[policy.no-telnet]\nport = 2323\n')
    assert found.options == {"no-telnet": {"port": 2323}}
    assert set(own.with_own(POLICIES, found)) == {*POLICIES, "no-telnet"}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("broken.py", "x = (", "SyntaxError"),
        ("none.py", "x = 1", "holds one subclass of Policy, this one 0"),
        ("bare.py", OWN.replace("What it holds", "What It is"), "no section 'What it holds'"),
        ("non_root.py", OWN, "non-root is a built-in policy"),
        ("mute.py", OWN.replace("def source", "def sauce"), "overrides none of source, image and runtime"),
        ("nameless.py", OWN.replace("title =", "titel ="), "NoTelnet has no title"),
        ("leaving.py", "raise SystemExit(0)", "SystemExit: 0"),
    ],
)
def test_own_policy_that_is_not_well_formed_is_refused(
    tmp_path: Path, name: str, text: str, expected: str
) -> None:
    """A policy that cannot be asked must not be left out in silence."""
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError) as caught:
        own.load(tmp_path)
    assert expected in str(caught.value)
