"""container-structure-test cannot pass by accident: every fail-open case of its own is a failure here."""

import json
from pathlib import Path

import pytest

from dockproof.collect import structure, structure_config
from dockproof.collect.engine import Engine
from dockproof.errors import NotLookedError, UsageError

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
