"""The benchmark's own files: sound, varied and always the same."""

from __future__ import annotations

from bench import corpus
from bench.__main__ import main, names
from dockproof.facts.dockerfile import parse


def test_writes_the_same_files_again() -> None:
    """A seed gives its files byte for byte, and another seed others."""
    assert corpus.dockerfiles(50) == corpus.dockerfiles(50)
    assert corpus.dockerfiles(50) != corpus.dockerfiles(50, seed=1)
    assert len(set(corpus.dockerfiles(200))) == 200


def test_writes_files_that_buildkit_takes() -> None:
    """No file of the corpus has a problem, and every construct that matters occurs."""
    files = [parse(text) for text in corpus.dockerfiles(200)]
    assert [problem for file in files for problem in file.problems] == []
    assert min(len(file.stages) for file in files) > 1
    instructions = [one for file in files for one in file.instructions]
    assert {one.keyword for one in instructions} >= {
        "ARG",
        "COPY",
        "HEALTHCHECK",
        "LABEL",
        "STOPSIGNAL",
        "USER",
    }
    assert any(one.heredocs for one in instructions)
    assert any(one.flag("mount") for one in instructions)
    assert any(one.inner_comments for one in instructions)


def test_refuses_an_unknown_measurement() -> None:
    """A name that is none is said, with those there are."""
    assert "facts" in names()
    assert main(["nothing"]) == 2
