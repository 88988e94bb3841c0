from __future__ import annotations

import pytest

from dockproof import catalog, gate
from dockproof.config import Config
from dockproof.facts.dockerfile import parse
from dockproof.finding import Probe
from dockproof.policy import Profile
from tests.catalog.asking import findings, red

POLICY = "valid-dockerfile"

BROKEN = [
    ("", [(1, "syntax")]),
    ("\n\n# nothing\n", [(3, "syntax")]),
    ("FROM a\nLABEL a=" + "x" * 65_536 + "\n", [(2, "syntax")]),
    ("# escape=x\nFROM a\n", [(1, "syntax")]),
    ("# syntax=a\n# syntax=b\nFROM a\n", [(2, "syntax")]),
    ("RUN id\nFROM a\n", [(1, "from-first")]),
    ("ARG A=1\nLABEL a=b\nFROM a\n", [(2, "from-first")]),
    ("ARG A=1\n", [(1, "from-first")]),
    ("RUN id\n", [(1, "from-first")]),
    ("hello world\n", [(1, "instruction")]),
    ("FROM a\nCOPPY x y\n", [(2, "instruction")]),
    ("FROM a\nCOPY --form=b x y\n", [(2, "flag")]),
    ("FROM a\nRUN --mount=type=cache,traget=/x id\n", [(2, "flag")]),
    ("FROM a\nCOPY x\n", [(2, "arguments")]),
    ("FROM a\nHEALTHCHECK curl x\n", [(2, "arguments")]),
    ("FROM\n", [(1, "arguments")]),
    ("FROM a b\n", [(1, "arguments")]),
    (
        "FROM a\nUSER\nWORKDIR\nENV\nLABEL\nEXPOSE\nCMD [1]\n",
        [(n, "arguments") for n in range(2, 7)] + [(7, "json")],
    ),
    ("FROM a\nSHELL sh -c\n", [(2, "json")]),
    ("FROM a\nRUN <<E\nid\n", [(2, "heredoc")]),
    ("FROM a\nCOPY x <<E\nE\n", [(2, "heredoc")]),
    ("FROM a\nONBUILD ONBUILD RUN id\n", [(2, "onbuild")]),
    ("FROM a\nONBUILD FROM b\n", [(2, "onbuild")]),
    ("FROM a\nONBUILD MAINTAINER b\n", [(2, "onbuild")]),
    ("FROM a\nONBUILD FOO\n", [(2, "onbuild")]),
    ("FROM a AS 1b\n", [(1, "stage")]),
    ("FROM a:b:c\n", [(1, "stage")]),
    ("FROM $NOTHING\n", [(1, "stage")]),
    ("FROM a\nUSER ${U\n", [(2, "value")]),
    ("FROM a\nSTOPSIGNAL SIGFOO\n", [(2, "value")]),
    ("FROM a\nADD --checksum=md5:1 https://x.org/y z\n", [(2, "value")]),
    ("FROM a\nHEALTHCHECK --interval=5 CMD x\n", [(2, "value")]),
]
# Texts that are odd in ways of their own: probes may find what they like, but not fall over.
ODD = [
    "\x00\x01\x02",
    "\ufeffFROM a\n",
    "FROM\x0ba\n",
    "\\\n",
    "`\n",
    "FROM a\nRUN \\",
    "FROM a\nRUN\nCMD\nENTRYPOINT\n",
    "FROM a\nRUN []\nCMD []\nENTRYPOINT []\nHEALTHCHECK CMD []\nVOLUME []\nCOPY []\nADD []\nSHELL []\n",
    'FROM a\nRUN [""]\nCMD [""]\nENTRYPOINT [""]\nHEALTHCHECK CMD [""]\nCOPY ["",""]\nSHELL [""]\nRUN id\n',
    "FROM a\nRUN ((((\nRUN ))\nRUN 'x\nRUN $(\nRUN `\nRUN a |\nRUN | a\nRUN <\nRUN if\n",
    "FROM a\nRUN --mount= id\nRUN --mount=type=,from=,target= id\nCOPY --from= a b\nCOPY --from a b\n",
    "FROM a\nENV\nENV =\nENV =1 A\nENV A='\nARG =\nARG A=\"\nLABEL =\nLABEL '\n",
    "FROM a\nEXPOSE ${\nEXPOSE -1 99999999999 a-b 1-\nUSER :\nWORKDIR ''\nSTOPSIGNAL ''\n",
    "FROM scratch AS scratch\nFROM scratch AS scratch\nFROM a AS a\nFROM a AS A\nCOPY --from=a / /\n",
    "FROM a AS b\nFROM b AS a\nCOPY --from=99999999999999999999 / /\nCOPY --from=-1 / /\n",
    "FROM --platform= a\nFROM --platform=/// a\nFROM ''\nFROM @\nFROM a@\nFROM :\nFROM a:\n",
    "ONBUILD RUN id\nFROM a\nONBUILD\nONBUILD ONBUILD\nONBUILD RUN <<E\nid\nE\nONBUILD COPY\nFROM a\n",
    'FROM a\nSHELL ["pwsh"]\nRUN Get-Variable | Select-Object\nSHELL ["cmd", "/S"]\nRUN dir | find "x"\n',
    "FROM a\nCOPY <<A <<B\n1\nA\n2\nB\nADD <<A\nA\n",
    "FROM a\nHEALTHCHECK\nHEALTHCHECK NONE\nHEALTHCHECK CMD\nHEALTHCHECK --retries=x --interval= CMD a | b\n",
    "# check=skip=all\n# escape=`\nFROM a\nRUN a `\n  b\nCOPY C:\\x C:\\y\\\n",
    "FROM a\n" + "RUN " + "(" * 3000 + "\n",
    "FROM a\nENV " + " ".join(f"A{n}=$A{n + 1}" for n in range(2000)) + "\n",
]


@pytest.mark.parametrize(("text", "expected"), BROKEN, ids=[repr(text[:40]) for text, _ in BROKEN])
def test_flags_what_buildkit_refuses(text: str, expected: list[tuple[int, str]]) -> None:
    """Each kind of mistake has its clause, on its line."""
    assert red(POLICY, text) == expected


@pytest.mark.parametrize("text", [*(text for text, _ in BROKEN), *ODD], ids=lambda text: repr(text[:40]))
@pytest.mark.parametrize("profile", Profile)
def test_no_policy_falls_over_a_broken_file(text: str, profile: Profile) -> None:
    """A file that is no Dockerfile to BuildKit never stops a probe."""
    target = gate.target_of(parse(text), profile)
    policies = gate.asked(catalog.load(), Config(), profile, Probe.SOURCE)
    assert policies
    answers = gate.ask(policies, Probe.SOURCE, target, Config())
    assert [(missed.what, missed.log) for missed in answers.not_looked] == []


def test_flags_all_mistakes_of_a_file_and_names_the_stage() -> None:
    """One broken line does not hide the next."""
    found = findings(POLICY, "FROM a AS build\nFOO\nFROM b\nUSER\n")
    assert [(f.place.line, f.stage) for f in found] == [(2, "build"), (4, "1")]
    assert all(f.message for f in found)


def test_points_at_the_word_of_a_wrong_flag() -> None:
    """The column is that of the flag, the end that of the instruction."""
    (finding,) = findings(POLICY, "FROM a\nCOPY --link --form=b \\\n  x y\n")
    assert (finding.place.line, finding.place.end_line, finding.place.column) == (2, 3, 13)


def test_leaves_references_to_resolved_stages() -> None:
    """A stage that is not there is one finding, not two."""
    assert red(POLICY, "FROM a\nCOPY --from=7 x y\n") == []


GOOD = [
    "# syntax=docker/dockerfile:1\n# escape=`\nFROM a:1\nRUN a `\n  b\n",
    "ARG V=1\nFROM debian:$V AS build\nONBUILD COPY --chown=1 . /x\nFROM build\n",
    'from alpine:3\nrun <<a\nid\na\nSHELL ["/bin/ash", "-c"]\nHEALTHCHECK NONE\n',
    "FROM a:1\nRUN --mount=type=secret,id=x,env=Y --network=none id\nCOPY --parents --exclude=b a/ ./\n",
    'FROM a:1\nSTOPSIGNAL SIGRTMIN+3\nEXPOSE 80-90/udp\nVOLUME ["/a b"]\n',
]


@pytest.mark.parametrize("text", GOOD)
def test_passes_what_buildkit_takes(text: str) -> None:
    """Nothing is refused that BuildKit takes."""
    assert red(POLICY, text) == []
