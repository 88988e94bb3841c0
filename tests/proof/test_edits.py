"""The operators that edit any Dockerfile, one by one."""

from __future__ import annotations

import re

import pytest

from dockproof import catalog
from dockproof.policy import EditMutant, Policy, SourceMutant
from dockproof.proof import edits, goods, source
from dockproof.proof.source import Good

FILE = """\
ARG BASE=debian:13
FROM ${BASE} AS build
RUN make && rm -rf /tmp/*

# The shipped one.
FROM ${BASE} AS runtime
USER 10001
COPY --from=build /out /out
RUN apt-get update \\
 && rm -rf /var/lib/apt/lists/*
CMD ["serve", "--name", "a b"]
"""


def edit(mutant: EditMutant, text: str = FILE, targets: tuple[str, ...] = ()) -> tuple[list[str], list[str]]:
    """Return the lines that the edit put in, and the lines that the finding may sit on."""
    good = Good("Dockerfile", text, targets=targets)
    found = edits.edit(source.target_of(good, text), mutant)
    before, after = text.splitlines(), found.text.splitlines()
    return [line for line in after if line not in before], [after[at - 1] for at in sorted(found.lines)]


@pytest.mark.parametrize(
    ("where", "before", "after"),
    [
        ("end", 'CMD ["serve", "--name", "a b"]', None),
        ("begin", "FROM ${BASE} AS runtime", "USER 10001"),
        ("before", "", "# The shipped one."),
        ("top", "ARG BASE=debian:13", "FROM ${BASE} AS build"),
    ],
)
def test_inserts_at_a_place(where: str, before: str, after: str | None) -> None:
    """Lines go in whole, between the neighbours that the place names."""
    good = Good("Dockerfile", FILE)
    lines = edits.edit(
        source.target_of(good, FILE), EditMutant("m", "LABEL a=1\nLABEL b=2", where)
    ).text.splitlines()
    at = lines.index("LABEL a=1")
    assert lines[at - 1 : at + 2] == [before, "LABEL a=1", "LABEL b=2"]
    assert lines[at + 2 : at + 3] == ([] if after is None else [after])


def test_names_the_lines_that_it_inserts() -> None:
    """The finding must sit on one of them, and the shipped stage's user can stand in them."""
    inserted = ["USER 10001", "USER 0"]
    assert edit(EditMutant("m", "COPY --chown={user} a b\nUSER 0"))[1] == ["COPY --chown=10001 a b", "USER 0"]
    assert edit(EditMutant("m", "USER {user}\nUSER 0"))[1] == inserted


def test_inserts_into_the_target_that_is_shipped() -> None:
    """With a target the shipped stage is another one."""
    good = Good("Dockerfile", FILE, targets=("build",))
    text = edits.edit(source.target_of(good, FILE), EditMutant("m", "USER 0")).text
    assert "rm -rf /tmp/*\nUSER 0\n" in text


def test_replaces_the_first_match_of_the_shipped_stages_first() -> None:
    """What ships counts before what is left behind, and only one place is edited."""
    assert edit(EditMutant("m", keyword="RUN", old=r"rm -rf \S+", new="true"))[0] == [" && true"]
    made, lines = edit(EditMutant("m", keyword="RUN", old="make", new="cc"))
    assert made == lines == ["RUN cc && rm -rf /tmp/*"]


def test_judges_the_whole_instruction_that_was_edited() -> None:
    """A command ends lines below where it began; the finding may sit at either."""
    assert edit(EditMutant("m", keyword="RUN", old=r"rm -rf /var\S+", new="true"))[1] == [
        "RUN apt-get update \\",
        " && true",
    ]


def test_writes_exec_form_as_a_shell_command() -> None:
    """Words with blanks keep their quotes."""
    made, _ = edit(EditMutant("m", keyword="CMD", old=r"\[.*\]", new="exec {shell}"))
    assert made == ["CMD exec serve --name 'a b'"]


def test_drops_an_instruction_from_the_lineage() -> None:
    """The finding may sit on the FROM of the shipped stage, or on its command."""
    text = FILE.replace("FROM ${BASE} AS runtime", "FROM build AS runtime").replace(
        "RUN make", "USER 1\nRUN make"
    )
    good = Good("Dockerfile", text)
    found = edits.edit(source.target_of(good, text), EditMutant("m", keyword="USER"))
    assert "USER" not in found.text
    lines = found.text.splitlines()
    assert [lines[at - 1] for at in sorted(found.lines)] == [
        "FROM build AS runtime",
        'CMD ["serve", "--name", "a b"]',
    ]


@pytest.mark.parametrize(
    ("mutant", "text", "reason"),
    [
        (EditMutant("m", keyword="HEALTHCHECK"), FILE, "it has no HEALTHCHECK"),
        (EditMutant("m", keyword="ENTRYPOINT", old=r"\[", new=""), FILE, "it has no ENTRYPOINT"),
        (EditMutant("m", keyword="RUN", old="dnf", new=""), FILE, "no RUN has what the edit takes away"),
        (EditMutant("m", keyword="RUN", where="shipped", old="make", new=""), FILE, "no RUN has what"),
        (EditMutant("m", "RUN x"), 'FROM a\nSHELL ["cmd"]\nRUN y', "SHELL is the Windows command prompt"),
        (EditMutant("m", "USER 0"), "# nothing\n", "the file has no stage"),
        (EditMutant("m", "USER 0", requires=("user",)), "FROM a\nUSER root", "it runs as root"),
        (EditMutant("m", "USER 0", requires=("user",)), "FROM a\nUSER $U", "its user is not known"),
        (EditMutant("m", "USER 0", requires=("registries",)), FILE, "names no registries"),
        (EditMutant("m", "USER 0", requires=("ignores-git",)), FILE, "there is no build context"),
        (EditMutant("m", "USER 0", requires=("no-ignore-file",)), FILE, "there is no build context"),
    ],
)
def test_says_why_an_edit_cannot_be_made(mutant: EditMutant, text: str, reason: str) -> None:
    """A reason for people, not a survivor."""
    with pytest.raises(edits.CannotEditError, match=re.escape(reason)):
        edit(mutant, text)


@pytest.mark.parametrize("policy", catalog.load().values(), ids=lambda policy: policy.id)
def test_every_policy_of_dockerfiles_declares_well_formed_edits(policy: Policy) -> None:
    """A policy without an edit could not be proven on a user's file; a misspelt word would do nothing."""
    found = [one for one in policy.mutants if isinstance(one, EditMutant)]
    assert bool(found) == ("source" in policy.probes)
    for mutant in found:
        assert bool(mutant.insert) != bool(mutant.keyword)
        assert mutant.where in {"end", "begin", "before", "top", "shipped"}
        assert set(mutant.requires) <= edits.REQUIREMENTS.keys()
        assert mutant.also <= catalog.load().keys() - {policy.id}
        re.compile(mutant.old)


def test_generated_files_that_mutants_name_are_there() -> None:
    """A text mutant of an ecosystem edits a file of that ecosystem."""
    named = {
        mutant.file
        for policy in catalog.load().values()
        for mutant in policy.mutants
        if isinstance(mutant, SourceMutant) and mutant.file.startswith(source.GENERATED)
    }
    assert named == goods.generate().keys()
