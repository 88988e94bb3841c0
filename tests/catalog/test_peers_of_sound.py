"""The peer itself is asked: where our verdict is the same as hadolint's, and where it differs on purpose.

docs/divergences.md gives the reason for each case in which the two differ.
"""

from __future__ import annotations

import json
from textwrap import dedent
from typing import TYPE_CHECKING, NamedTuple

import pytest

from dockproof import catalog
from dockproof.collect import hadolint, process
from tests.catalog.asking import findings

if TYPE_CHECKING:
    from pathlib import Path


class Case(NamedTuple):
    """A Dockerfile behind `FROM a:1`, a rule of hadolint, and who flags it."""

    rule: str
    policy: str
    text: str
    peer: bool
    ours: bool


def _case(rule: str, policy: str, text: str, flagged_by: str) -> Case:
    whole = text if text.startswith(("FROM", "ARG ")) else f"FROM a:1\n{text}"
    return Case(
        rule, policy, f"{dedent(whole)}\n", flagged_by in {"both", "peer"}, flagged_by in {"both", "us"}
    )


CASES = [
    _case(*row)
    for row in [
        ("DL3061", "valid-dockerfile", "ARG A=1\nLABEL a=b\nFROM a:1", "both"),
        ("DL3061", "valid-dockerfile", "ARG A=1\nFROM a:1", "none"),
        ("DL3061", "valid-dockerfile", "ARG A=1", "us"),
        ("DL3043", "valid-dockerfile", "ONBUILD ONBUILD RUN id", "both"),
        ("DL3043", "valid-dockerfile", "ONBUILD MAINTAINER me", "both"),
        ("DL3043", "valid-dockerfile", "ONBUILD RUN id", "none"),
        ("DL3024", "resolved-stages", "FROM a:1 AS b\nFROM c:1 AS b", "both"),
        ("DL3024", "resolved-stages", "FROM a:1 AS b\nFROM c:1 AS B", "us"),
        ("DL3063", "resolved-stages", "FROM a:1 AS context", "both"),
        ("DL3063", "resolved-stages", "FROM a:1 AS SCRATCH", "us"),
        ("DL3022", "resolved-stages", "COPY --from=bulid /x /y", "both"),
        ("DL3022", "resolved-stages", "COPY --from=7 /x /y", "both"),
        ("DL3022", "resolved-stages", "COPY --from=alpine:3 /x /y", "none"),
        ("DL3022", "resolved-stages", "COPY --from=org/tool /x /y", "peer"),
        ("DL3022", "resolved-stages", "FROM a:1 AS b\nFROM c:1\nCOPY --from=B /x /y", "peer"),
        ("DL3022", "resolved-stages", "RUN --mount=from=bulid,target=/x id", "us"),
        ("DL3023", "resolved-stages", "FROM a:1 AS b\nCOPY --from=b /x /y", "both"),
        ("DL3067", "resolved-stages", "FROM a:1 AS b\nFROM c:1\nCOPY --from=b / /", "both"),
        ("DL3067", "resolved-stages", "FROM a:1 AS b\nFROM c:1\nCOPY --from=b / /x", "none"),
        ("DL3067", "resolved-stages", "FROM a:1 AS b\nFROM c:1\nCOPY --from=b . /", "us"),
        ("DL3044", "defined-variables", "ENV A=1 B=$A", "both"),
        ("DL3044", "defined-variables", "ENV A=1\nENV B=$A", "none"),
        ("DL3044", "defined-variables", "ENV PATH=/x:$PATH B=$PATH", "both"),
        ("DL3044", "defined-variables", "ENV A=1 B='$A'", "peer"),
        ("DL3020", "copy-not-add", "ADD x /y", "both"),
        ("DL3020", "copy-not-add", "ADD x.zip /y", "both"),
        ("DL3020", "copy-not-add", "ADD x.tar.gz /y", "none"),
        ("DL3020", "copy-not-add", "ADD https://x.org/a /y", "none"),
        ("DL3020", "copy-not-add", "ADD x.tar.zst /y", "peer"),
        ("DL3020", "copy-not-add", "ADD git@x.org:a/b.git /y", "peer"),
        ("DL3010", "copy-not-add", "COPY x.tgz /\nRUN tar -xzf /x.tgz", "both"),
        ("DL3010", "copy-not-add", "COPY x.tgz /\nRUN tar -czf /x.tgz /y", "none"),
        ("DL3010", "copy-not-add", "COPY x.tgz /\nRUN tar xzf /x.tgz", "us"),
        ("DL3010", "copy-not-add", "COPY x.tgz /\nRUN tar -xzf /x.tgz --strip-components=1", "peer"),
        ("DL3010", "copy-not-add", "COPY x.gz /\nRUN gunzip /x.gz", "peer"),
        ("DL3021", "copy-not-add", "COPY a b c", "both"),
        ("DL3021", "copy-not-add", "COPY a b c/", "none"),
        ("DL3021", "copy-not-add", "COPY a b .", "peer"),
        ("DL3014", "unattended-install", "RUN apt-get install x", "both"),
        ("DL3014", "unattended-install", "RUN apt-get install -qq x", "none"),
        ("DL3014", "unattended-install", "RUN apt-get remove x", "us"),
        ("DL3014", "unattended-install", "RUN yes | apt-get install x", "peer"),
        ("DL3027", "unattended-install", "RUN apt list", "both"),
        ("DL3027", "unattended-install", "RUN apt-get install -y apt", "none"),
        ("DL3030", "unattended-install", "RUN yum groupinstall x", "both"),
        ("DL3030", "unattended-install", "RUN yum -y install x", "none"),
        ("DL3030", "unattended-install", "RUN yum update", "us"),
        ("DL3034", "unattended-install", "RUN zypper in x", "both"),
        ("DL3034", "unattended-install", "RUN zypper --non-interactive in x", "none"),
        ("DL3034", "unattended-install", "RUN zypper install -n x", "us"),
        ("DL3038", "unattended-install", "RUN microdnf install x", "both"),
        ("DL3038", "unattended-install", "RUN dnf install -y x", "none"),
        ("DL4006", "pipefail", "RUN a | b", "both"),
        ("DL4006", "pipefail", 'SHELL ["/bin/bash", "-o", "pipefail", "-c"]\nRUN a | b', "none"),
        ("DL4006", "pipefail", "RUN set -o pipefail && a | b", "peer"),
        ("DL4006", "pipefail", "RUN yes | a", "peer"),
        ("DL4006", "pipefail", "RUN bash -c 'a | b'", "us"),
        ("DL3001", "fitting-tools", "RUN service x start", "both"),
        ("DL3001", "fitting-tools", "RUN apt-get install -y vim", "none"),
        ("DL3001", "fitting-tools", "RUN --mount=type=ssh ssh x", "peer"),
        ("DL3001", "fitting-tools", "RUN sudo service x start", "us"),
        ("DL3046", "fitting-tools", "RUN useradd -u 123456 x", "both"),
        ("DL3046", "fitting-tools", "RUN useradd -l -u 123456 x", "none"),
        ("DL3046", "fitting-tools", "RUN useradd --uid=123456 x", "us"),
        ("DL3047", "fitting-tools", "RUN wget https://x.org/a", "both"),
        ("DL3047", "fitting-tools", "RUN wget -nv https://x.org/a", "none"),
        ("DL3047", "fitting-tools", "RUN wget --version", "peer"),
        ("DL4001", "fitting-tools", "RUN curl a && wget -q b", "both"),
        ("DL4001", "fitting-tools", "RUN apt-get install -y curl wget", "none"),
        ("DL4005", "fitting-tools", "RUN ln -sf /bin/bash /bin/sh", "both"),
        ("DL4005", "fitting-tools", "RUN ln -s /bin/sh /bin/tool", "peer"),
        ("DL4005", "fitting-tools", "RUN cp /bin/bash /bin/sh", "us"),
        ("DL4000", "current-syntax", "MAINTAINER me", "both"),
        ("DL4000", "current-syntax", "LABEL maintainer=me", "none"),
    ]
]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """What hadolint says of each text: its rules, by text."""
    program = hadolint.binary()
    assert program is not None, "hadolint is one of the gate's own requirements"
    folder = tmp_path_factory.mktemp("peers")
    texts: dict[Path, str] = {folder / f"{at:03}": case.text for at, case in enumerate(CASES)}
    for path, text in texts.items():
        path.write_text(text)
    (folder / "none.yaml").write_text("ignored: []\n")
    command = [
        str(program),
        "--no-fail",
        "--config",
        str(folder / "none.yaml"),
        "--format",
        "json",
        *map(str, texts),
    ]
    answers = json.loads(process.run(command, timeout=60).stdout)
    rules: dict[str, set[str]] = {text: set() for text in texts.values()}
    for answer in answers:
        rules[texts[folder / answer["file"].rpartition("/")[2]]].add(answer["code"])
    return rules


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}-{case.text!r}"[:70])
def test_verdict_beside_the_peers(case: Case, said: dict[str, set[str]]) -> None:
    """The clause that is the same as a rule agrees with it, but for the differences that are written down."""
    assert "DL1000" not in said[case.text], "hadolint cannot read the case"
    policy = catalog.load()[case.policy]
    names: set[str | None] = {one.name for one in policy.clauses if f"hadolint:{case.rule}" in one.same_as}
    ours = any(found.clause in (names or {None}) for found in findings(case.policy, case.text))
    assert (case.rule in said[case.text], ours) == (case.peer, case.ours)
