"""The facts and container-structure-test itself say the same of the same tests: a generated set, passing and failing.

Where they do not, the tool is wrong in a way that lets a test pass or fail by accident; those cases stand here too.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from dockproof.collect import build, image, structure

if TYPE_CHECKING:
    from pathlib import Path

    from dockproof.collect.engine import Engine
    from dockproof.facts.image import ImageFacts

INSTRUCTIONS = r"""
USER root
RUN mkdir -p /t/sub /t/sticky && cd /t && printf 'alpha\nbeta\n' > a && chown 7:8 a && printf x > x && chmod 750 x \
 && printf s > suid && chmod 4755 suid && chmod 1777 sticky && ln -s a rel && ln -s /t/a abs && ln -s nowhere dangling \
 && ln -s sub dirlink && ln a hard && printf 'b\377\376d\n' > bad && printf 'caf\303\251\n' > utf && : > empty \
 && printf in > sub/file && ln -s loop loop && printf 'n\000ul' > nul
ENV A=1 B="two words" E=""
LABEL one=1 two="zwei drei" three=""
EXPOSE 8000 9000/udp
VOLUME /v1
WORKDIR /t
USER 7:8
ENTRYPOINT ["/bin/sh","-c"]
CMD ["echo","hi"]
"""

PATHS = "/t /t/ /t/a t/a /t/rel /t/abs /t/dangling /t/dirlink /t/dirlink/ /t/dirlink/file /t/hard /t/none /t/a/b /"
PATHS += " /t/../t/a //t//a /v1 /etc/hosts /etc/passwd $HOME/a"
MODES = [
    "-rw-r--r--",
    "-rwxr-x---",
    "urwxr-xr-x",
    "-rwsr-xr-x",
    "dtrwxrwxrwx",
    "drwxr-xr-x",
    "Lrwxrwxrwx",
    "lrwxrwxrwx",
]
REGEXES = [
    r"alpha",
    r"^beta$",
    r"(?m)^beta$",
    r"alpha.beta",
    r"(?s)alpha.beta",
    r"^alpha\nbeta$",
    r"\p{L}{4}",
    r"\w{4}",
    r"b..d",
    r"[[:alpha:]]{5}",
]
METADATA: list[dict[str, Any]] = [
    *(
        {"envVars": [{"key": k, "value": v}]}
        for k, v in [("A", "1"), ("A", ""), ("E", ""), ("Z", ""), ("B", "two")]
    ),
    *({"envVars": [{"key": "B", "value": v, "isRegex": True}]} for v in ("two", "^two$", "")),
    *(
        {"labels": [{"key": k, "value": v, "isRegex": r}]}
        for k, v, r in [("two", "zwei", True), ("one", "2", False)]
    ),
    *(
        {key: [port]}
        for key in ("exposedPorts", "unexposedPorts")
        for port in ("8000", "9000", "22", "08000")
    ),
    *({key: [path]} for key in ("volumes", "unmountedVolumes") for path in ("/v1", "/v1/", "/none")),
    *({key: words} for key in ("entrypoint", "cmd") for words in (["/bin/sh", "-c"], ["echo", "hi"], [])),
    *({"unboundEnvVars": [{"key": key}]} for key in ("A", "a")),
    *({"workdir": path} for path in ("/t", "/t/")),
    *({"user": user} for user in ("7:8", "7", "root")),
]


def files() -> dict[str, Any]:
    """Return some two hundred tests of files."""
    existence: list[dict[str, Any]] = [
        *({"path": path, "shouldExist": there} for path in PATHS.split() for there in (True, False)),
        *(
            {"path": f"/t/{name}", "permissions": mode}
            for name in ("a", "suid", "sticky", "rel")
            for mode in MODES
        ),
        *({"path": "/t/a", key: number} for key in ("uid", "gid") for number in (0, 7, 8, -1)),
        *(
            {"path": f"/t/{name}", "isExecutableBy": who}
            for name in "ax"
            for who in ("owner", "group", "other", "any")
        ),
    ]
    pairs = itertools.product(("a", "bad", "utf", "empty", "nul"), REGEXES)
    content: list[dict[str, Any]] = [
        *({"path": f"/t/{name}", "expectedContents": [regex]} for name, regex in pairs),
        *(
            {"path": path, "excludedContents": ["nothing"]}
            for path in ("/t/a", "/t/abs", "/t/none", "/t", "/t/a/")
        ),
    ]
    return {"fileExistenceTests": named(existence), "fileContentTests": named(content)}


def named(tests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Name each test by its number and itself."""
    return [{"name": f"{number} {test}", **test} for number, test in enumerate(tests)]


@pytest.fixture(scope="module")
def fixture(engine: Engine, web: str) -> tuple[str, ImageFacts]:
    """An image with files of all kinds, and its facts."""
    built = build.build_on(engine, web, INSTRUCTIONS, name="structure-agreement")
    return built, image.facts(engine, built)


def written(folder: Path, number: int, tests: dict[str, Any]) -> Path:
    """Write a config."""
    path = folder / f"{number}.yaml"
    path.write_text(yaml.safe_dump({"schemaVersion": "2.0.0", **tests}), encoding="utf-8")
    return path


@pytest.mark.engine
@pytest.mark.slow
def test_facts_and_tool_agree_on_files(
    engine: Engine, fixture: tuple[str, ImageFacts], tmp_path: Path
) -> None:
    """Two hundred tests of files: the same verdict of each, nearly all without the tool."""
    built, facts = fixture
    config = written(tmp_path, 0, files())
    before = unused_volumes(engine)
    theirs = structure.run(built, [config], engine=engine, timeout=240)
    ours = structure.run(built, [config], engine=engine, facts=facts)
    assert [(one.name, one.passed) for one in ours] == [(one.name, one.passed) for one in theirs]
    assert {one.passed for one in theirs} == {True, False}
    assert sum(one.by == structure.FACTS for one in ours) > len(ours) * 0.85
    assert {one.by for one in theirs} == {structure.TOOL}
    assert len(unused_volumes(engine) - before) < 5, (
        "the image's volume stays after each of two hundred tests"
    )


def unused_volumes(engine: Engine) -> set[str]:
    """Names of the volumes that no container has; other tests' are among them for a moment."""
    return set(engine.docker("volume", "ls", "--quiet", "--filter", "dangling=true").stdout.split())


@pytest.mark.engine
def test_facts_and_tool_agree_on_metadata(
    engine: Engine, fixture: tuple[str, ImageFacts], tmp_path: Path
) -> None:
    """Each field as it is and as it is not: a file each, as the tool has one metadata test a file."""
    built, facts = fixture
    configs = [written(tmp_path, at, {"metadataTest": test}) for at, test in enumerate(METADATA)]
    theirs = structure.run(built, configs, engine=engine)
    ours = structure.run(built, configs, engine=engine, facts=facts)
    verdicts = [(test, one.passed) for test, one in zip(METADATA, theirs, strict=True)]
    assert [(test, one.passed) for test, one in zip(METADATA, ours, strict=True)] == verdicts
    assert {one.by for one in ours} == {structure.FACTS}
    assert {passed for _, passed in verdicts} == {True, False}


@pytest.mark.engine
@pytest.mark.parametrize(
    ("kind", "test", "right"),
    [
        ("fileExistenceTests", {"path": "/t/loop", "shouldExist": False}, False),
        ("fileContentTests", {"path": "/t/rel", "expectedContents": ["alpha"]}, True),
    ],
)
def test_facts_are_right_where_the_tool_is_not(
    kind: str,
    test: dict[str, Any],
    right: bool,  # noqa: FBT001 - a parameter of the test
    engine: Engine,
    fixture: tuple[str, ImageFacts],
    tmp_path: Path,
) -> None:
    """A link that leads to itself is there, though it cannot be followed; a relative link can be read in its folder."""
    built, facts = fixture
    config = written(tmp_path, 0, {kind: [{"name": "n", **test}]})
    assert structure.run(built, [config], engine=engine)[0].passed is not right
    assert structure.run(built, [config], engine=engine, facts=facts)[0].passed is right
