"""What BuildKit refuses has a problem with its line and reason; what it takes has none."""

from __future__ import annotations

import pytest

from dockproof.facts.dockerfile import Problem, parse

SHA = "sha256:" + "0" * 64


def problems(text: str, build_arguments: dict[str, str] | None = None) -> list[Problem]:
    """The problems of a whole file."""
    return list(parse(text, build_arguments=build_arguments).problems)


REFUSED = [
    # whole files
    ("", 1, "syntax", "no instruction"),
    ("RUN id\n", 1, "instruction", "before the first FROM"),
    ("ARG A\n", 1, "instruction", "no FROM"),
    ("ARG A\nUSER u\nFROM a\n", 2, "instruction", "before the first FROM"),
    ("FROM a\nLABEL a=" + "x" * 65_530 + "\n", 2, "syntax", "65535"),
    # directives
    ("# escape=x\nFROM a\n", 1, "directive", "backslash or a backtick"),
    ("# syntax=a\n# syntax=b\nFROM a\n", 2, "directive", "twice"),
    # keywords
    ("FROM a\nFORM b\n", 2, "instruction", "did you mean FROM?"),
    ("FROM a\nHEALTHCHEK CMD x\n", 2, "instruction", "did you mean HEALTHCHECK?"),
    ("FROM a\nXYZZYQ\n", 2, "instruction", "no instruction 'XYZZYQ'"),
    # flags
    ("FROM --plaform=linux a\n", 1, "flag", "did you mean platform?"),
    ("FROM a\nCOPY --form=b x y\n", 2, "flag", "did you mean from?"),
    ("FROM a\nCOPY --link --link x y\n", 2, "flag", "twice"),
    ("FROM a\nCOPY --chown x y\n", 2, "flag", "needs a value"),
    ("FROM a\nCOPY --link=yes x y\n", 2, "flag", "true or false"),
    ("FROM a\nCOPY --link= x y\n", 2, "flag", "true or false"),
    ("FROM a\nUSER --x u\n", 2, "flag", "no flag --x"),
    ("FROM a\nRUN --network=bridge id\n", 2, "flag", "default, none or host"),
    ("FROM a\nRUN --security=open id\n", 2, "flag", "sandbox or insecure"),
    ("FROM a\nRUN --mount=type=bnd,target=/x id\n", 2, "flag", "did you mean bind?"),
    ("FROM a\nRUN --mount=type=cache,trget=/x id\n", 2, "flag", "did you mean target?"),
    ("FROM a\nRUN --mount=type=cache,target id\n", 2, "flag", "needs a value"),
    ("FROM a\nRUN --mount=type=cache,target=/x,sharing=all id\n", 2, "flag", "shared, private or locked"),
    ("FROM a\nRUN --mount=type=bind,target=/x,sharing=locked id\n", 2, "flag", "no option sharing"),
    ("FROM a\nRUN --mount=target=/x,uid=5 id\n", 2, "flag", "no option uid"),
    ("FROM a\nRUN --mount=type=cache,target=/x,mode=9 id\n", 2, "flag", "mode="),
    ("FROM a\nRUN --mount=type=cache,target=/x,required id\n", 2, "flag", "no option required"),
    ("FROM a\nRUN --mount=type=cache,target=/x,size=5 id\n", 2, "flag", "no option size"),
    ("FROM a\nRUN --mount=type=cache,target=/x,ro=maybe id\n", 2, "flag", "true or false"),
    ("FROM a\nRUN --mount=type=secret id\n", 2, "flag", "needs an id"),
    ("FROM a\nRUN --mount=type=secret,id=a,source=b id\n", 2, "flag", "not both"),
    ("FROM a\nRUN --mount=type=secret,id=a,from=b id\n", 2, "flag", "no option from"),
    ("FROM a\nRUN --mount=from=$B,target=/x id\n", 2, "flag", "takes no variable"),
    # argument counts
    ("FROM\n", 1, "arguments", "takes an image"),
    ("FROM a b\n", 1, "arguments", "takes an image"),
    ("FROM a AS\n", 1, "arguments", "takes an image"),
    ("FROM a # b c\n", 1, "arguments", "takes an image"),
    ("FROM a\nUSER\n", 2, "arguments", "exactly one"),
    ("FROM a\nWORKDIR\n", 2, "arguments", "exactly one"),
    ("FROM a\nSTOPSIGNAL\n", 2, "arguments", "exactly one"),
    ("FROM a\nMAINTAINER\n", 2, "arguments", "exactly one"),
    ("FROM a\nARG\n", 2, "arguments", "at least one"),
    ("FROM a\nENV\n", 2, "arguments", "at least one"),
    ("FROM a\nLABEL\n", 2, "arguments", "at least one"),
    ("FROM a\nEXPOSE\n", 2, "arguments", "at least one"),
    ("FROM a\nVOLUME\n", 2, "arguments", "at least one"),
    ("FROM a\nVOLUME []\n", 2, "arguments", "at least one"),
    ('FROM a\nVOLUME ["/a", " "]\n', 2, "arguments", "no empty path"),
    ("FROM a\nONBUILD\n", 2, "arguments", "at least one"),
    ("FROM a\nSHELL\n", 2, "arguments", "at least one"),
    ("FROM a\nHEALTHCHECK\n", 2, "arguments", "at least one"),
    ("FROM a\nCOPY x\n", 2, "arguments", "source and a destination"),
    ('FROM a\nADD ["x"]\n', 2, "arguments", "source and a destination"),
    # names and values
    ("FROM a\nENV A\n", 2, "arguments", "name and a value"),
    ("FROM a\nENV A=1 B\n", 2, "arguments", "'B' has no ="),
    ("FROM a\nLABEL =x\n", 2, "arguments", "name is empty"),
    ("FROM a\nARG =x\n", 2, "arguments", "name is empty"),
    # JSON
    ("FROM a\nCMD [1]\n", 2, "json", "strings only"),
    ("FROM a\nSHELL sh -c\n", 2, "json", "JSON form alone"),
    ("FROM a\nHEALTHCHECK CMD [true]\n", 2, "json", "strings only"),
    # here-documents
    ("FROM a\nRUN <<E\nid\n", 2, "heredoc", "no line ends"),
    ("FROM a\nCOPY x <<E\nE\n", 2, "heredoc", "cannot write"),
    # ONBUILD
    ("FROM a\nONBUILD ONBUILD RUN id\n", 2, "onbuild", "may not trigger ONBUILD"),
    ("FROM a\nONBUILD FROM b\n", 2, "onbuild", "may not trigger FROM"),
    ("FROM a\nONBUILD MAINTAINER b\n", 2, "onbuild", "may not trigger MAINTAINER"),
    ("FROM a\nONBUILD COPY x\n", 2, "arguments", "source and a destination"),
    ("FROM a\nONBUILD FOO\n", 2, "onbuild", "no instruction"),
    # HEALTHCHECK
    ("FROM a\nHEALTHCHECK NONE x\n", 2, "arguments", "NONE takes no argument"),
    ("FROM a\nHEALTHCHECK CMD\n", 2, "arguments", "takes a command"),
    ("FROM a\nHEALTHCHECK curl x\n", 2, "arguments", "CMD or NONE"),
    ("FROM a\nHEALTHCHECK --interval=5 CMD x\n", 2, "value", "duration"),
    ("FROM a\nHEALTHCHECK --interval=-5s CMD x\n", 2, "value", "at least 1ms"),
    ("FROM a\nHEALTHCHECK --timeout=500us CMD x\n", 2, "value", "at least 1ms"),
    ("FROM a\nHEALTHCHECK --retries=3x CMD x\n", 2, "value", "whole number"),
    ("FROM a\nHEALTHCHECK --retries=-1 CMD x\n", 2, "value", "whole number"),
    ("FROM a\nHEALTHCHECK --intervall=5s CMD x\n", 2, "flag", "did you mean interval?"),
    # stages
    ("FROM a AS 1b\n", 1, "stage", "begin with a letter"),
    ("FROM a AS b/c\n", 1, "stage", "begin with a letter"),
    ("FROM $B\n", 1, "stage", "empty when expanded"),
    ("FROM A\n", 1, "stage", "lower case"),
    ("FROM a:b:c\n", 1, "stage", "no image"),
    ("FROM a@sha256:12\n", 1, "stage", "no digest"),
    ("FROM ${B\n", 1, "value", "cannot be expanded"),
    ("FROM --platform=a/b/c/d a\n", 1, "value", "no platform"),
    ("FROM a\nCOPY --from=7 x y\n", 2, "reference", "no stage number 7"),
    ("FROM a\nCOPY --from=$X x y\n", 2, "reference", "takes no variable"),
    ("FROM a AS b\nCOPY --from=b x y\n", 2, "reference", "no stage before"),
    ("FROM a\nCOPY --from=c x y\nFROM a AS c\n", 2, "reference", "no stage before"),
    ("FROM a\nCOPY --from=B: x y\n", 2, "reference", "no stage and no image"),
    ("FROM a\nRUN --mount=from=c,target=/x id\nFROM a AS c\n", 2, "reference", "no stage before"),
    # values
    ("FROM a\nUSER ${U\n", 2, "value", "missing '}'"),
    ("FROM scratch\nUSER ${U:?who}\n", 2, "value", "U: who"),
    ("FROM a\nENV A='x\n", 2, "value", "single quote"),
    ("FROM a\nWORKDIR ${A^}\n", 2, "value", "unsupported modifier"),
    ("ARG A=${B\nFROM a\n", 1, "value", "missing '}'"),
    ("FROM a\nARG A=${B\n", 2, "value", "missing '}'"),
    ("FROM a\nEXPOSE ${B\n", 2, "value", "missing '}'"),
    ("FROM a\nCOPY a ${B\n", 2, "value", "missing '}'"),
    ("FROM a\nCOPY --chown=${B a b\n", 2, "value", "missing '}'"),
    ("FROM a\nSTOPSIGNAL SIGFOO\n", 2, "value", "no signal"),
    ("FROM a\nSTOPSIGNAL 0\n", 2, "value", "no signal"),
    ("FROM a\nADD --checksum=md5:1 https://x/y z\n", 2, "value", "no checksum"),
    (f"FROM a\nADD --checksum={SHA} https://x/y https://x/z z\n", 2, "flag", "single source"),
]


@pytest.mark.parametrize(
    ("text", "line", "clause", "reason"), REFUSED, ids=[case[0][:50] for case in REFUSED]
)
def test_tells_why_buildkit_refuses(text: str, line: int, clause: str, reason: str) -> None:
    """The first problem sits on the line, with the kind of mistake and the reason."""
    found = problems(text)
    assert [(found[0].line, found[0].clause)] == [(line, clause)], found
    assert reason in found[0].message


ACCEPTED = [
    "FROM a\nRUN\n",
    "FROM a\nCMD\n",
    "FROM a\nENTRYPOINT []\n",
    "FROM a\nRUN --network=host --security=insecure --mount=type=tmpfs,target=/x,size=5m --device=gpu id\n",
    "FROM a\nRUN --mount=type=cache,target=/x,uid=1,mode=0755,sharing=locked,ro=true id\n",
    "FROM a\nRUN --mount=type=secret,id=a,required,env=A --mount=type=ssh id\n",
    "FROM a\nRUN --mount=type=$T,target=/x,uid=$U id\n",
    "FROM a\nCOPY --chmod=u+x --link=FALSE --parents --exclude=a --exclude=b x y\n",
    "FROM a\nADD --keep-git-dir --unpack=true x y\n",
    f"FROM a\nADD --checksum={SHA} https://x/y z\n",
    "FROM a\nARG --x A\nSTOPSIGNAL --x SIGTERM\n",
    "FROM a\nHEALTHCHECK --interval=0s --timeout=1m30.5s --start-period=100ms --retries=0 CMD x\n",
    "FROM a\nHEALTHCHECK --what none\n",
    "FROM a as B_1.x-y\n",
    "FROM a AS b\nFROM b\n",
    "FROM a AS b\nFROM B\n",
    "FROM a AS b\nFROM c AS b\nCOPY --from=0 x y\n",
    "FROM --platform=$TARGETPLATFORM a\nFROM --platform=linux/arm64/v8 a\nFROM --platform=windows(10.0)/amd64 a\n",
    "ARG B\nFROM $B\n",
    "ARG B\nFROM a:${B:?version}\n",
    "FROM a\nUSER ${U:?of the base}\n",
    "FROM a\nSTOPSIGNAL sigterm\nSTOPSIGNAL 15\nSTOPSIGNAL RTMIN+3\nSTOPSIGNAL $S\n",
    "FROM a\nEXPOSE 80 $P\nVOLUME /a /b\nMAINTAINER me\nONBUILD USER u\nONBUILD COPY --from=x a b\n",
    "FROM a\nENV A b c\nENV B=\nLABEL c='d e'\nARG F G=h\n",
    "FROM a\nRUN <<E\nid\nE\nCOPY <<E /x\nE\n",
    "FROM a\nRUN echo it's\nCMD echo it's\n",
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_has_no_problem_with_what_buildkit_takes(text: str) -> None:
    """Nothing is refused that BuildKit takes."""
    assert problems(text) == []


def test_tells_all_problems_of_a_file_in_order() -> None:
    """One broken line does not hide the next."""
    found = problems("FROM a\nFOO\nUSER\nCOPY --x a b\n")
    assert [problem.line for problem in found] == [2, 3, 4]
    assert found[2].column == 6


def test_shortens_what_it_quotes() -> None:
    """A message stays readable whatever the file holds."""
    assert len(problems("FROM a\n" + "x" * 5000)[0].message) < 400


def test_asks_for_a_value_once_it_is_given() -> None:
    """`${name:?message}` speaks for an empty build argument, not for one that is still to come."""
    text = "ARG V\nFROM a:${V:?which}\n"
    assert problems(text) == []
    assert "V: which" in problems(text, {"V": ""})[0].message
