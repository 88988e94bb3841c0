"""container-structure-test cannot pass by accident: every fail-open case of its own is a failure here."""

import json
from pathlib import Path

import pytest

from dockproof.collect import structure, structure_config
from dockproof.collect.engine import Engine
from dockproof.errors import NotLookedError, UsageError
from dockproof.facts.image import ImageConfig, ImageFacts

GOOD = """
schemaVersion: "2.0.0"
commandTests:
  - {name: says hello, command: echo, args: [hello], expectedOutput: [hello], envVars: [{key: A, value: b}]}
  - {name: fails, command: "false"}
fileExistenceTests:
  - {name: has a passwd, path: /etc/passwd, shouldExist: true, uid: 0}
fileContentTests:
  - {name: knows root, path: /etc/passwd, expectedContents: ["root:.*"]}
metadataTest:
  user: "1000:1000"
"""


def written(folder: Path, text: str, name: str = "config.yaml") -> Path:
    """Write a config file."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


# --------------------------------------------------------------------------------------------- config files


def test_names_are_those_of_the_report(tmp_path: Path) -> None:
    """The names under which the tool reports are known before it runs, in its order."""
    assert structure_config.read(written(tmp_path, GOOD)).names == (
        "Command Test: says hello",
        "Command Test: fails",
        "File Content Test: knows root",
        "File Existence Test: has a passwd",
        "Metadata Test",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("[]", "is empty or no mapping"),
        ('schemaVersion: "2.0.0"', "holds no test"),
        ("fileExistenceTests: [{name: x, path: /x}]", "schemaVersion must be"),
        ('{"schemaVersion": "2.0.0", "fileExistenceTest": [{}]}', "did you mean fileExistenceTests"),
        (
            '{"schemaVersion": "2.0.0", "fileExistenceTests": [{"name": "x", "shouldexist": false}]}',
            "mean shouldExist",
        ),
        ('{"schemaVersion": "2.0.0", "fileExistenceTests": {"name": "x"}}', "must be a list"),
        ('{"schemaVersion": "2.0.0", "commandTests": ["x"]}', r"commandTests\[1\] must be a mapping"),
        ('{"schemaVersion": "2.0.0", "metadataTest": {"usr": "x"}}', "metadataTest.usr; did you mean user"),
        ('{"schemaVersion": "2.0.0", "commandTests": [{"command": "x"}]}', "has no name"),
        (
            'schemaVersion: "2.0.0"\nfileExistenceTests: [{name: x, path: /x}, {name: x, path: /y}]',
            "two tests are called",
        ),
        ("a: [", "is no YAML"),
    ],
)
def test_refuses_a_config_that_would_test_less_than_it_says(text: str, words: str, tmp_path: Path) -> None:
    """Misspelt keys, wrong shapes, empty files and tests that cannot be told apart, in YAML and in JSON."""
    with pytest.raises(UsageError, match=words):
        structure_config.read(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fileExistenceTests: [{name: x, path: /x, path: /y}]", "the key path stands twice"),
        ("fileExistenceTests: [{name: x}]", r"fileExistenceTests\[1\] has no path"),
        ("fileExistenceTests: [{name: x, path: /x, uid: root}]", "uid must be a whole number, not 'root'"),
        ("fileExistenceTests: [{name: x, path: /x, shouldExist: 'no'}]", "must be true or false, not 'no'"),
        (
            "fileExistenceTests: [{name: x, path: /x, isExecutableBy: all}]",
            "must be one of owner, group, other, any",
        ),
        (
            "fileContentTests: [{name: x, path: /x, excludedContents: ['(?=a)']}]",
            "is no regular expression to Go",
        ),
        ("commandTests: [{name: x, command: y, excludedOutput: ['(']}]", "is no regular expression to Go"),
        ("commandTests: [{name: x}]", r"commandTests\[1\] has no command"),
        (
            "metadataTest: {labels: [{key: a, value: '(', isRegex: true}]}",
            "value '\\(' is no regular expression",
        ),
        ("metadataTest: {unboundEnvVars: [{value: x}]}", r"unboundEnvVars\[1\] has no key"),
        ("metadataTest: {unexposedPorts: [22/tcp]}", "'22/tcp' is no port's number"),
        ("metadataTest: {volumes: []}", "metadataTest.volumes is empty and asserts nothing"),
        ("metadataTest: {user: ''}", "metadataTest.user is empty and asserts nothing"),
        ("metadataTest: {envVars: [{key: a, value: 1.10}]}", "must be a text, not 1.1; put it in quotes"),
        ("metadataTest: {}", "holds no test"),
        ("licenseTests: [{debian: true}, {debian: true}]", "put all files into one licenseTests entry"),
        (
            "x-dockproof: {image: {stopsignal: X}}",
            "unknown key x-dockproof.image.stopsignal; did you mean stop_signal",
        ),
        ("x-dockproof: {image: {created: {match: X}}}", "must be a text, or {matches"),
        ("x-dockproof: {image: {created: {matches: '('}}}", "is no regular expression"),
        ("x-dockproof: {image: {healthcheck: {interval: soon}}}", "must be a duration as 5s, not 'soon'"),
        ("x-dockproof: {image: {}}", "holds no test"),
    ],
)
def test_refuses_what_the_tool_would_pass_or_nobody_could_mean(text: str, words: str, tmp_path: Path) -> None:
    """Whoever would answer the test: the file is refused before anything is asked."""
    with pytest.raises(UsageError, match=words):
        structure_config.read(written(tmp_path, f'schemaVersion: "2.0.0"\n{text}'))


def test_numbers_are_read_as_they_are_written(tmp_path: Path) -> None:
    """The tool reads them as texts too; what YAML makes of `0644` or `22:22` is nobody's meaning."""
    text = 'schemaVersion: "2.0.0"\nmetadataTest: {exposedPorts: [8000], envVars: [{key: M, value: 0644}], user: 7}'
    tests = structure_config.read(written(tmp_path, text)).tests["metadataTest"]
    assert tests == {"exposedPorts": ["8000"], "envVars": [{"key": "M", "value": "0644"}], "user": "7"}


def test_own_assertions_are_no_part_of_what_the_tool_gets(tmp_path: Path) -> None:
    """It would refuse the key; null is a value here."""
    own = "x-dockproof: {image: {stop_signal: null, healthcheck: {interval: 1m30s}}}"
    text = f'schemaVersion: "2.0.0"\n{own}\nmetadataTest: {{user: a}}'
    document = structure_config.read(written(tmp_path, text))
    assert document.tests == {"schemaVersion": "2.0.0", "metadataTest": {"user": "a"}}
    assert document.image == {"stop_signal": None, "healthcheck": {"interval": 90.0}}
    assert document.names == ("Metadata Test", "Image Test: stop_signal", "Image Test: healthcheck")


def test_facts_answer_nothing_of_a_container_that_is_run_differently(tmp_path: Path) -> None:
    """Other options of the container, or variables for all its commands, are the tool's."""
    facts = ImageFacts(reference="x", id="sha256:1", config=ImageConfig(user="a"))
    tests = "metadataTest: {user: a}\nx-dockproof: {image: {user: a}}"
    text = f'schemaVersion: "2.0.0"\n{tests}'
    plain = structure_config.read(written(tmp_path, text))
    assert [one.name for one in structure.answers(plain, facts)] == ["Image Test: user", "Metadata Test"]
    other = structure_config.read(written(tmp_path, f"{text}\ncontainerRunOptions: {{user: root}}"))
    assert [one.name for one in structure.answers(other, facts)] == ["Image Test: user"]


def test_missing_config_is_a_usage_error(tmp_path: Path) -> None:
    """A file that is not there tests nothing."""
    with pytest.raises(UsageError, match="no structure tests there"):
        structure_config.read(tmp_path / "none.yaml")


# ------------------------------------------------------------------------------------------------- report


@pytest.mark.parametrize(
    ("results", "error", "words"),
    [
        ([], ValueError, "1 tests stand in the file, 0 gave a result"),
        ([{"Name": "Command Test: other", "Pass": True}], ValueError, "1 gave a result"),
        ([{"Name": "Command Test: a", "Pass": True}] * 2, ValueError, "2 gave a result"),
        (
            [{"Name": "a", "Pass": False, "Errors": ["no daemon"]}],
            ValueError,
            "a could not be run: no daemon",
        ),
        ([{"Name": "", "Pass": False, "Errors": ["bad file"]}], UsageError, "refuses it: bad file"),
    ],
)
def test_report_that_does_not_answer_every_test_is_refused(
    results: list[dict[str, object]], error: type[Exception], words: str
) -> None:
    """Too few, too many, or other results than tests are no answer."""
    output = json.dumps({"Results": results})
    with pytest.raises(error, match=words):
        list(structure.results(output, Path("c.yaml"), ["Command Test: a"]))


def test_output_that_is_no_report_is_refused() -> None:
    """A crash prints anything."""
    with pytest.raises(ValueError, match="printed no report"):
        structure.results("panic: runtime error", Path("c.yaml"), ["Command Test: a"])


# ------------------------------------------------------------------------------------------- with an engine


@pytest.mark.engine
def test_every_test_gives_its_own_result(engine: Engine, web: str, tmp_path: Path) -> None:
    """Good tests pass, a bad one fails with the tool's sentence, all by name."""
    config = written(tmp_path, GOOD)
    found = {result.name: result for result in structure.run(web, [config], engine=engine)}
    assert set(found) == set(structure_config.read(config).names)
    assert [name for name, result in found.items() if not result.passed] == ["Command Test: fails"]
    assert "exit" in found["Command Test: fails"].errors[0]
    assert {result.config for result in found.values()} == {config}


@pytest.mark.engine
def test_command_that_hangs_is_stopped_and_leaves_no_container(
    engine: Engine, web: str, tmp_path: Path
) -> None:
    """The tool waits for ever; here the wall clock counts, and the container that it forgot is removed."""
    text = 'schemaVersion: "2.0.0"\ncommandTests: [{name: hangs, command: sleep, args: ["1000"]}]'
    with Engine.connect() as own:
        with pytest.raises(NotLookedError, match=r"config\.yaml did not end within 3 s"):
            structure.run(web, [written(tmp_path, text)], engine=own, timeout=3)
        lease = own.lease.id
        assert containers(engine, lease)
    assert not containers(engine, lease)


@pytest.mark.engine
def test_missing_image_could_not_be_looked_at(engine: Engine, tmp_path: Path) -> None:
    """No image is no pass, also not for "must not exist"."""
    text = 'schemaVersion: "2.0.0"\nfileExistenceTests: [{name: no x, path: /x, shouldExist: false}]'
    with pytest.raises(NotLookedError, match="no image no-such-image"):
        structure.run("no-such-image", [written(tmp_path, text)], engine=engine)


@pytest.mark.engine
def test_value_that_the_tool_refuses_is_a_usage_error(engine: Engine, web: str, tmp_path: Path) -> None:
    """A value of another type is named before any container is made."""
    text = 'schemaVersion: "2.0.0"\nfileExistenceTests: [{name: x, path: /x, shouldExist: 7}]'
    with pytest.raises(UsageError, match=r"shouldExist must be true or false, not 7"):
        structure.run(web, [written(tmp_path, text)], engine=engine)


def containers(engine: Engine, lease: str) -> str:
    """Return the ids of containers that carry a run's label."""
    return engine.docker("ps", "--all", "--quiet", "--filter", f"label=dockproof.run={lease}").stdout
