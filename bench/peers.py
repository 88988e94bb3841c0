"""Where our verdicts and hadolint's part: counts by rule over the corpus and over worse variants of its files.

`python -m bench peers` prints, for every rule of hadolint that a clause says is the same, how many files both flag,
hadolint alone and we alone. `python -m bench.peers DL3008` prints the instructions on which the two part.
docs/divergences.md holds the reason for each difference that is on purpose; one that is not there is a mistake of
ours.
"""

from __future__ import annotations

import random
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench import corpus
from dockproof import catalog, gate
from dockproof.collect import hadolint
from dockproof.config import Config
from dockproof.errors import NotLookedError
from dockproof.facts.dockerfile import parse
from dockproof.finding import Probe
from dockproof.policy import Profile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dockproof.policy import Policy

FILES = 1_000
VARIED = 60
"""Files of the corpus that each edit is tried on."""

_ALL_RULES = """\
ignored: []
disable-ignore-pragma: true
override:
  info: [DL3026, DL3057]
trustedRegistries: [docker.io, gcr.io]
label-schema:
  maintainer: text
"""


class Edit(NamedTuple):
    """A habit that the corpus has not: every match of a pattern is written otherwise."""

    name: str
    pattern: str
    new: str


EDITS = tuple(
    Edit(*row)
    for row in [
        ("no -y", r" -y\b", ""),
        ("-qq", r" install -y\b", " -qq install"),
        ("--yes behind", r"( install) -y( .*)", r"\1\2 --yes"),
        ("recommends", r" --no-install-recommends", ""),
        ("lists stay", r" \\\n    && rm -rf /var/lib/apt/lists/\*", ""),
        ("lists in part", r"/var/lib/apt/lists/\*", "/var/lib/apt/lists/partial"),
        ("lists behind ;", r" \\\n    && rm -rf /var/lib/apt", " ; rm -rf /var/lib/apt"),
        ("apt", r"\bapt-get\b", "apt"),
        ("aptitude", r"\bapt-get\b", "aptitude"),
        ("sudo", r"^RUN (?=[a-z])", "RUN sudo "),
        ("sh -c", r"^RUN ([a-z][^'\n\\]*)$", r"RUN sh -c '\1'"),
        ("path", r"\bapt-get (?=update|install)", "/usr/bin/apt-get "),
        ("ONBUILD", r"^(RUN|COPY|WORKDIR|USER) ", r"ONBUILD \1 "),
        ("yum", r"apt-get update \\\n    && apt-get install -y( --no-install-recommends)?", "yum install -y"),
        (
            "yum cleaned",
            r"apt-get update((?s:.)*?)rm -rf /var/lib/apt/lists/\*",
            r"yum makecache\1yum clean all",
        ),
        ("dnf", r"apt-get update \\\n    && apt-get install -y( --no-install-recommends)?", "dnf -y install"),
        ("microdnf", r"apt-get (update|install)", r"microdnf \1"),
        ("zypper", r"apt-get install -y", "zypper install -n"),
        ("zypper in", r"apt-get install -y", "zypper --non-interactive in"),
        ("apk", r"apt-get install -y( --no-install-recommends)?", "apk add"),
        ("apk -U", r"apk add --no-cache", "apk add -U"),
        ("apk update", r"apk add --no-cache", "apk update && apk add"),
        ("untagged", r"^(FROM (?:--\S+ )?[a-z./-]+)(:[^ \n]+)", r"\1"),
        ("latest", r"^(FROM (?:--\S+ )?[a-z./-]+)(:[^ \n]+)", r"\1:latest"),
        ("stage by index", r"--from=[a-z]+", "--from=0"),
        ("unknown stage", r"--from=[a-z]+", "--from=bulid"),
        ("AS twice", r" AS [a-z]+$", " AS same"),
        ("platform", r"^FROM (?!--)", "FROM --platform=linux/amd64 "),
        ("target platform", r"^FROM (?!--)", "FROM --platform=$TARGETPLATFORM "),
        ("root", r"^USER .*", "USER root"),
        ("sudo inside", r"&& (?=[a-z])", "&& sudo "),
        ("shell form", r'^(CMD|ENTRYPOINT) \["(.*)"\]', r"\1 \2"),
        ("bad JSON", r"^(CMD|ENTRYPOINT) \[\"(.*)\"\]", r"\1 ['\2']"),
        ("CMD twice", r"^(CMD .*)$", r"\1\n\1"),
        ("HEALTHCHECK twice", r"^(HEALTHCHECK .*)$", r"\1\nHEALTHCHECK NONE"),
        ("relative WORKDIR", r"^WORKDIR /", "WORKDIR "),
        ("no WORKDIR", r"^WORKDIR .*\n", ""),
        ("cd", r"^WORKDIR (.*)$", r"RUN cd \1"),
        ("cd inside", r"^RUN (?=[a-z])", "RUN cd /src && "),
        ("ADD", r"^COPY (?!--)", "ADD "),
        ("no slash", r"^(COPY \S+ \S+) \./$", r"\1 there"),
        ("ports", r"^EXPOSE .*", "EXPOSE 80000"),
        ("MAINTAINER", r"^(FROM .*)$", r"\1\nMAINTAINER me"),
        ("pip", r"pip install --require-hashes -r requirements.txt", "pip install flask"),
        (
            "pip pinned",
            r"pip install --require-hashes -r requirements.txt",
            "pip install 'flask==3.1.0' uvicorn[x]==1",
        ),
        ("npm", r"npm ci --omit=dev", "npm install -g yarn"),
        ("npm pinned", r"npm ci --omit=dev", "npm install -g yarn@1.2.3 @org/x@1"),
        ("gem", r"npm ci --omit=dev", "gem install bundler"),
        ("go", r"go mod verify", "go install example.org/x@latest"),
        ("yarn", r"npm ci --omit=dev", "yarn install"),
        ("pipe", r"&& (?=[a-z])", "| "),
        ("pipefail", r"^(FROM .*)$", r'\1\nSHELL ["/bin/bash", "-o", "pipefail", "-c"]'),
        ("PowerShell", r"^(FROM .*)$", r'\1\nSHELL ["powershell", "-Command"]'),
        ("wget", r"curl -fsSLo agent.jar", "wget -O agent.jar"),
        ("useradd", r"--uid 10001", "-u 1000660000"),
        ("ENV of itself", r"^ENV PATH=.*", "ENV A=1 B=$A"),
        ("labels", r"org\.opencontainers\.image\.", "Org..x_"),
        ("copy root", r"^COPY --from=(\w+) .*", r"COPY --from=\1 / /"),
        ("lower case", r"^RUN (?=[a-z])", "run "),
        ("ln sh", r"groupadd ", "ln -sf /bin/bash /bin/sh && groupadd "),
        ("service", r"groupadd ", "service x start && groupadd "),
    ]
)


class Variant(NamedTuple):
    """A text and the edit that made it, "" for a file of the corpus itself."""

    edit: str
    text: str


class Verdicts(NamedTuple):
    """Lines by rule, as hadolint flags them and as we do; hadolint could read the text."""

    theirs: Mapping[str, frozenset[int]]
    ours: Mapping[str, frozenset[int]]


def variants(files: Sequence[str]) -> Iterator[Variant]:
    """The corpus, and each edit on some of its files that it changes."""
    yield from (Variant("", text) for text in files)
    draw = random.Random(corpus.SEED)  # noqa: S311  # a sample, no secret
    for edit in EDITS:
        worn = {
            re.sub(edit.pattern, edit.new, text, flags=re.MULTILINE): text
            for text in draw.sample(files, VARIED)
        }
        yield from (Variant(edit.name, new) for new, old in worn.items() if new != old)


def shared(policies: Mapping[str, Policy]) -> dict[str, set[tuple[str, str | None]]]:
    """By rule of hadolint, the policies and clauses that say they are the same."""
    found: dict[str, set[tuple[str, str | None]]] = {}
    for policy in policies.values():
        named = {clause.name for clause in policy.clauses}
        for clause in policy.clauses:
            for rule in _rules(clause.same_as):
                found.setdefault(rule, set()).add((policy.id, clause.name))
        for rule in _rules(policy.same_as):
            found.setdefault(rule, set()).update([(policy.id, name) for name in named] or [(policy.id, None)])
    return found


def _rules(names: Iterable[str]) -> list[str]:
    return [name.removeprefix("hadolint:") for name in names if name.startswith("hadolint:")]


def compare(texts: Sequence[str]) -> list[Verdicts | None]:
    """What both say of each text, None where hadolint cannot read it.

    Raises:
        NotLookedError: hadolint is missing or failed.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = [str(folder / f"{at}.Dockerfile") for at in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            Path(path).write_text(text, encoding="utf-8")
        config = folder / "all.yaml"
        config.write_text(_ALL_RULES, encoding="utf-8")
        said = hadolint.run(paths, config)
    if said.failed:
        raise NotLookedError(said.failed[0].reason, said.failed[0].log)
    same = shared(catalog.load())
    return [
        Verdicts(
            _by_rule((f.policy.partition(":")[2], f.place.line) for f in said.findings[path]),
            ours(text, same),
        )
        if path in said.findings
        else None
        for path, text in zip(paths, texts, strict=True)
    ]


def ours(text: str, same: Mapping[str, set[tuple[str, str | None]]]) -> Mapping[str, frozenset[int]]:
    """Lines by rule of hadolint on which a clause that is the same has a finding."""
    config = Config(
        options={
            "trusted-registry": {"registries": ["docker.io", "gcr.io"]},
            "image-labels": {"labels": {"maintainer": "text"}},
        }
    )
    target = gate.target_of(parse(text), Profile.PRODUCTION)
    answers = gate.ask(catalog.load().values(), Probe.SOURCE, target, config)
    if answers.not_looked:
        raise NotLookedError(answers.not_looked[0].reason, answers.not_looked[0].log)
    flagged = {(f.policy, f.clause, f.place.line) for f in answers.findings}
    return _by_rule(
        (rule, line)
        for rule, names in same.items()
        for policy, clause, line in flagged
        if (policy, clause) in names
    )


def _by_rule(found: Iterable[tuple[str, int]]) -> Mapping[str, frozenset[int]]:
    lines: dict[str, set[int]] = {}
    for rule, line in found:
        lines.setdefault(rule, set()).add(line)
    return {rule: frozenset(some) for rule, some in lines.items()}


def table(made: Sequence[Variant], said: Sequence[Verdicts | None]) -> list[str]:
    """A row for each rule: files that both flag, hadolint alone, we alone; the edits in which they part."""
    rows = [f"  {'rule':8}{'both':>7}{'hadolint':>10}{'ours':>7}  parted by"]
    for rule in sorted(shared(catalog.load())):
        counts: Counter[tuple[bool, bool]] = Counter()
        parted: Counter[str] = Counter()
        for variant, verdict in zip(made, said, strict=True):
            if verdict:
                pair = (rule in verdict.theirs, rule in verdict.ours)
                counts[pair] += 1
                parted[variant.edit or "as it is"] += pair[0] != pair[1]
        edits = ", ".join(f"{name} {count}" for name, count in parted.most_common() if count)
        rows.append(
            f"  {rule:8}{counts[True, True]:7}{counts[True, False]:10}{counts[False, True]:7}  {edits}"
        )
    return rows


def differences(rule: str, made: Sequence[Variant], said: Sequence[Verdicts | None]) -> list[str]:
    """The instructions on which the two part, most frequent first."""
    found: Counter[tuple[str, str, str]] = Counter()
    for variant, verdict in zip(made, said, strict=True):
        if verdict and (rule in verdict.theirs) != (rule in verdict.ours):
            who, lines = (
                ("hadolint", verdict.theirs[rule]) if rule in verdict.theirs else ("ours", verdict.ours[rule])
            )
            texts = variant.text.split("\n")
            found.update((who, variant.edit, texts[line - 1]) for line in lines)
    return [f"{count:5} {who:9} {edit:16} {text}" for (who, edit, text), count in found.most_common()]


def main(wanted: Sequence[str] = ()) -> int:
    """Print the table, or the differences of the rules that are named."""
    made = list(variants(corpus.dockerfiles(FILES)))
    said = compare([variant.text for variant in made])
    refused = sum(verdict is None for verdict in said)
    print(
        f"  {len(made)} files, {refused} of them beyond hadolint's parser", flush=True
    )  # a command's output
    for line in [line for rule in wanted for line in differences(rule, made, said)] or table(made, said):
        print(line, flush=True)  # a command's output
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
