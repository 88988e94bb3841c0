from __future__ import annotations

import pytest

from dockproof import catalog, gate
from dockproof.config import Config
from dockproof.facts.reproduction import CONTENT, TIME, Difference, Reproduction
from dockproof.finding import Finding, Probe
from dockproof.policy import ImageTarget, Profile
from tests.catalog.asking import red
from tests.catalog.imaging import entry, image_of

POLICY = "reproducible"
APT = "apt-get update && apt-get install -y --no-install-recommends tini=1"


@pytest.mark.parametrize(
    ("run", "clause"),
    [
        ("date > /built", "time"),
        ("date +%s >> /etc/issue", "time"),
        ("date -u +%F | tee /built", "time"),
        ('echo "built $(date)" > /built', "time"),
        ("sh -c 'echo \"built $(date)\" > /built'", "time"),
        ("echo `date` >/built", "time"),
        ("{ date | cat; } && date | cat > /built", "time"),
        ('sed -i "s/@DATE@/$(date)/" /etc/issue', "time"),
        ('go build -ldflags "-X main.built=$(date -u +%F)" ./cmd', "time"),
        ("make BUILT=$(date +%s) install", "time"),
        ("uuidgen > /etc/machine-id", "random"),
        ("openssl rand -hex 16 > /key", "random"),
        ("openssl rand -base64 9 | tr -d = > /key", "random"),
        ("head -c 16 /dev/urandom > /seed", "random"),
        ("dd if=/dev/urandom of=/seed bs=1 count=16", "random"),
        ("cat /proc/sys/kernel/random/uuid > /id", "random"),
        ("ssh-keygen -A", "random"),
        ("ssh-keygen -t ed25519 -f /etc/key -N ''", "random"),
        ("openssl req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -subj /CN=a", "random"),
        ("openssl dhparam -out /etc/dh.pem 2048", "random"),
        ("keytool -genkeypair -alias a -keystore /k", "random"),
        ("pip install --no-cache-dir app==1", "bytecode"),
        ("python3 -m pip install -r requirements.txt", "bytecode"),
        ("python -m compileall /app", "bytecode"),
        (APT, "package-logs"),
        ("apt-get update && apt-get upgrade -y", "package-logs"),
        (f"{APT} && rm -rf /var/lib/apt/lists/*", "package-logs"),
    ],
)
def test_flags_what_differs_at_each_build(run: str, clause: str) -> None:
    """Once, with its clause, wherever it stands in the RUN."""
    assert red(POLICY, f"FROM a\nRUN {run}\n") == [(2, clause)]


@pytest.mark.parametrize(
    "run",
    [
        "date",
        'echo "it is $(date)"',
        "date > /dev/null",
        "date > /dev/stderr",
        "date > /tmp/t && ls && rm /tmp/t",
        "date > /tmp/x/t; rm -rf /tmp/x",
        "date -d @0 > /built",
        "date --date=2026-01-01 > /built",
        "date --utc -r /app/main.py > /built",
        'date -u -d "@$SOURCE_DATE_EPOCH" > /built',
        "NOW=$(date +%s); sleep 1; echo $(( $(date +%s) - NOW ))",
        'if [ "$(date +%Y)" -gt 2030 ]; then exit 1; fi',
        "--mount=type=tmpfs,target=/run date > /run/built",
        "echo date > /built",
        "grep -r date /etc > /found",
        "openssl rand -hex 4",
        "test -e /dev/urandom",
        "ssh-keygen -l -f /etc/key",
        "ssh-keygen -R host",
        "ssh-keyscan -t ed25519 host > /known",
        "openssl x509 -in c.pem -noout",
        "openssl req -in c.csr -noout -text",
        "pip install --no-compile app==1",
        "SOURCE_DATE_EPOCH=0 pip install app==1",
        "pip install app==1 && find / -name __pycache__ -prune -exec rm -r {} +",
        "pip install app==1 && find / -name '*.pyc' -delete",
        "pip wheel -w /wheels app==1",
        "pip --version",
        "uv pip install --system app==1",
        "python -m compileall --invalidation-mode unchecked-hash /app",
        f"{APT} && rm -rf /var/lib/apt/lists/* /var/log/*",
        f"{APT} && rm -rf /var/log/apt /var/log/dpkg.log /var/cache/ldconfig",
        f"--mount=type=tmpfs,target=/var/log {APT}",
        "apt-get update",
        "apk add --no-cache tini",
        "npm ci && npm run build",
    ],
)
def test_passes_what_is_printed_fixed_or_left_out(run: str) -> None:
    """Only what is in the image for sure counts."""
    assert red(POLICY, f"FROM a\nRUN {run}\n") == []


@pytest.mark.parametrize(
    "before", ["ARG SOURCE_DATE_EPOCH", "ENV SOURCE_DATE_EPOCH=0", "ARG SOURCE_DATE_EPOCH=1"]
)
def test_passes_bytecode_under_a_fixed_date(before: str) -> None:
    """Python and pip then write hashes of the sources, no dates."""
    assert red(POLICY, f"FROM a\n{before}\nRUN pip install b==1 && python -m compileall /c\n") == []


def test_passes_a_variable_of_pip_s_own() -> None:
    """It is the option by another name."""
    assert red(POLICY, "FROM a\nENV PIP_NO_COMPILE=1\nRUN pip install b==1\n") == []


def test_judges_what_a_build_stage_leaves_as_far_as_it_can_ship() -> None:
    """Tools of a build stage and its logs stay there; an installation into a folder of its own is made to be copied."""
    text = f"""
    FROM a AS build
    RUN {APT}
    RUN pip install build==1
    RUN pip install --target /out app==1
    RUN /opt/venv/bin/pip install app==1
    RUN date > /out/built
    FROM a AS aside
    RUN date > /built
    FROM a
    COPY --from=build /out /out
    """
    assert red(POLICY, text) == [(5, "bytecode"), (6, "bytecode"), (7, "time")]


def test_reads_heredocs() -> None:
    """The line is the command's own."""
    assert red(POLICY, "FROM a\nRUN <<E\nset -e\ndate > /built\nE\n") == [(4, "time")]


def test_is_off_in_development() -> None:
    """Nobody builds those twice."""
    assert catalog.load()[POLICY].severity(Profile.DEVELOPMENT) is None


# ------------------------------------------------------------------------------------------------ image


def _said(again: Reproduction | None) -> gate.Answers:
    image = image_of([entry("/")], [entry("/built")])
    return gate.ask([catalog.load()[POLICY]], Probe.IMAGE, ImageTarget(image, again=again), Config())


def _messages(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.message for finding in findings]


def test_says_that_no_second_build_was_asked_for() -> None:
    """What was not looked at is not passed."""
    answers = _said(None)
    assert not answers.findings
    assert [one.reason for one in answers.not_applicable] == [
        "`dockproof verify --reproducible` builds it twice and compares; it was not asked to"
    ]


def test_passes_two_builds_with_one_id() -> None:
    """Nothing more is needed."""
    answers = _said(Reproduction("sha256:a", "sha256:a"))
    assert (answers.findings, answers.not_applicable) == ((), ())


def test_names_files_and_instruction() -> None:
    """One finding for each layer and kind, with the first files by name."""
    differences = (
        *(Difference(1, f"/lib/{n}.pyc", CONTENT) for n in range(1326)),
        Difference(1, "/built", TIME),
    )
    layers, steps = ("sha256:0", "sha256:1"), ("", "RUN pip install a")
    found = Reproduction("sha256:a", "sha256:b", layers, steps, ("config.Labels.built",), differences)
    findings = _said(found).findings
    names = "/lib/0.pyc, /lib/1.pyc, /lib/2.pyc and 1,323 more"
    assert _messages(findings) == [
        f"1,326 files differ in content after a second, clean build: {names} (layer of RUN pip install a)",
        "one file differs in time alone after a second, clean build: /built (layer of RUN pip install a)",
        "config.Labels.built of the config is not the same after a second, clean build",
    ]
    assert [finding.place.layer for finding in findings[:2]] == ["sha256:1"] * 2
    assert {finding.clause for finding in findings} == {"rebuilt"}


def test_flags_other_ids_without_a_known_difference() -> None:
    """Nothing was seen to differ, and still it is another image."""
    assert (
        "a second, clean build gives sha256:b"
        in _messages(_said(Reproduction("sha256:a", "sha256:b")).findings)[0]
    )
