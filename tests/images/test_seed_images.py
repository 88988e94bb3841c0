"""The first draft's images, really built: exactly what the image probes say of them, and where each fault lies.

The table was reasoned from the Dockerfiles in tests/seed. A level that is silent about a fault there would have to be
wrong, and so would one that says more.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.image_builds import Yard
from dockproof import catalog, gate
from dockproof.collect import image
from dockproof.collect.engine import Engine
from dockproof.collect.standins import StandIns
from dockproof.config import Config
from dockproof.facts.dockerfile import parse
from dockproof.finding import OWN, Finding, Probe
from dockproof.policy import ImageTarget, Profile
from tests.facts.dive import added, as_dive_counts, dive, left_out

pytestmark = [pytest.mark.engine, pytest.mark.slow]

Fault = tuple[str, int, str]
"""Policy and clause, line of the Dockerfile, and the file, folder or field that shows it."""

API: set[Fault] = {
    ("healthcheck/present", 20, "Config.Healthcheck"),  # the stage that is shipped begins there
    ("multi-stage/build-tools", 23, "/var/lib/dpkg/status"),  # libpq-dev where libpq5 will do
    ("multi-stage/build-tools", 23, "/usr/include/"),  # its headers
    ("multi-stage/build-tools", 35, "/usr/local/include/"),  # greenlet brings a header of its own
    ("no-wasted-bytes/only-installed", 34, "/wheels/"),  # 24 MB that nobody needs once they are installed
    ("no-wasted-bytes/rights-changed", 43, "/app/"),  # chown -R stores the code again
    ("read-only-code/image", 43, "/app/"),  # and the service may change it
    ("numeric-user", 45, "Config.User"),
    ("graceful-stop/grace", 49, "Config.Cmd"),  # no --timeout-graceful-shutdown
    ("streamed-logs/unbuffered", 49, "Config.Cmd"),
}
WORKER: set[Fault] = {
    ("healthcheck/present", 2, "Config.Healthcheck"),
    ("multi-stage/build-tools", 5, "/var/lib/dpkg/status"),
    ("multi-stage/build-tools", 5, "/usr/include/"),
    ("multi-stage/build-tools", 16, "/usr/local/include/"),
    ("no-wasted-bytes/rights-changed", 22, "/app/"),
    ("read-only-code/image", 22, "/app/"),
    ("numeric-user", 24, "Config.User"),
    ("graceful-stop/grace", 26, "Config.Cmd"),  # ten minutes for tasks in hand
    ("streamed-logs/unbuffered", 26, "Config.Cmd"),
}
# As a development image compilers, git and the reloader are what it is for.
DEV: set[Fault] = {
    ("non-root/root-user", 2, "Config.User"),
    ("healthcheck/present", 2, "Config.Healthcheck"),
    (
        "no-setuid",
        5,
        "/usr/bin/ssh-agent",
    ),  # git recommends an SSH client, and nobody said --no-install-recommends
    ("no-setuid", 5, "/usr/lib/openssh/ssh-keysign"),
    ("no-wasted-bytes/duplicate", 5, "/usr/lib/git-core/"),
    ("streamed-logs/unbuffered", 25, "Config.Cmd"),
}
# Shipped all the same, it fails all that a shipped image must not hold.
DEV_SHIPPED: set[Fault] = DEV | {
    ("multi-stage/build-tools", 5, "/var/lib/dpkg/status"),  # g++, gcc, libpq-dev
    ("multi-stage/build-tools", 5, "/usr/bin/"),
    ("multi-stage/build-tools", 5, "/usr/include/"),
    ("multi-stage/build-tools", 16, "/usr/local/include/"),
    ("no-dev-tools/tools", 5, "/var/lib/dpkg/status"),  # git
    ("no-dev-tools/tools", 5, "/usr/bin/"),
    ("no-dev-tools/tools", 16, "/usr/local/lib/"),  # debugpy, which the requirements bring
    ("no-dev-tools/tools", 16, "/usr/local/bin/"),
    ("no-dev-tools/command", 25, "Config.Cmd"),  # --reload
    ("graceful-stop/grace", 25, "Config.Cmd"),
}


@pytest.fixture(scope="module")
def yard(engine: Engine, stand_ins: StandIns, tmp_path_factory: pytest.TempPathFactory) -> Yard:
    """Where the first draft is built, as `bench.our_images` does."""
    return Yard(engine, stand_ins, tmp_path_factory.mktemp("yard"))


@pytest.mark.parametrize(
    ("file", "profile", "faults"),
    [
        ("Dockerfile", Profile.PRODUCTION, API),
        ("Dockerfile.worker", Profile.PRODUCTION, WORKER),
        ("Dockerfile.dev", Profile.DEVELOPMENT, DEV),
        ("Dockerfile.dev", Profile.PRODUCTION, DEV_SHIPPED),
    ],
)
def test_first_draft_fails_as_expected(yard: Yard, file: str, profile: Profile, faults: set[Fault]) -> None:
    """Each fault is found, nothing else is, and each finding tells its line, whose it is, and the layer of a file."""
    target, findings = asked(yard, yard.draft, file, profile)
    found = {(name, finding.place.line, _short(finding)) for name, finding in findings}
    assert found == faults
    for name, finding in findings:
        place = finding.place
        assert place.line, name
        if place.path:
            assert place.origin == OWN, name
            assert place.layer == target.image.layers[place.layer_index].diff_id
            assert place.layer_index >= target.blame.inherited.layers


@pytest.mark.parametrize(
    ("file", "profile"),
    [
        ("Dockerfile", Profile.PRODUCTION),
        ("Dockerfile.worker", Profile.PRODUCTION),
        ("Dockerfile.dev", Profile.DEVELOPMENT),
    ],
)
def test_ours_on_the_same_base_has_none(yard: Yard, file: str, profile: Profile) -> None:
    """The same probes on the same base find nothing in the images that replace it."""
    _, findings = asked(yard, yard.ours, f"dockerfiles/backend/{file}", profile)
    assert findings == []


@pytest.mark.parametrize("file", ["Dockerfile", "Dockerfile.worker", "Dockerfile.dev"])
@pytest.mark.parametrize("whose", ["draft", "ours"])
def test_dive_finds_the_same_waste(yard: Yard, tmp_path: Path, whose: str, file: str) -> None:
    """Byte for byte and path by path, on images that were really built; where it counts otherwise is told apart."""
    context = {"draft": yard.draft, "ours": yard.ours}[whose]
    built = yard.build(context, file if whose == "draft" else f"dockerfiles/backend/{file}")
    yard.engine.docker("save", "--output", str(tmp_path / "image.tar"), built.id, timeout=300)
    facts = yard.facts(built)
    theirs, ours = dive(tmp_path / "image.tar"), as_dive_counts(facts)
    left, more = left_out(facts), added(facts, theirs)
    assert {path: size for path, size in theirs.items() if path not in more} == {
        path: size for path, size in ours.items() if path not in left
    }
    assert theirs.keys() - more


def asked(
    yard: Yard, context: Path, file: str, profile: Profile
) -> tuple[ImageTarget, list[tuple[str, Finding]]]:
    """Build an image and ask every image probe about it."""
    path = context / file
    source = gate.target_of(parse(path.read_bytes(), str(path)), profile)
    facts, base = yard.facts(yard.build(context, file)), image.facts(yard.engine, yard.base)
    target = ImageTarget(facts, base, source, profile=profile)
    policies = gate.asked(catalog.load(), Config(), profile, Probe.IMAGE)
    answers = gate.ask(policies, Probe.IMAGE, target, Config())
    assert not answers.not_looked
    assert len(policies) > 20
    return target, list(_named(answers.findings))


def _named(findings: tuple[Finding, ...]) -> Iterator[tuple[str, Finding]]:
    for finding in findings:
        yield (f"{finding.policy}/{finding.clause}" if finding.clause else finding.policy), finding


def _short(finding: Finding) -> str:
    """Return the field, or the file; of files that are many, the folder that the table names."""
    path = finding.place.path
    folders = (
        "/wheels/",
        "/app/",
        "/usr/include/",
        "/usr/lib/git-core/",
        "/usr/local/lib/",
        "/usr/local/bin/",
        "/usr/local/include/",
    )
    many = finding.clause in {"build-tools", "tools"}
    found = [folder for folder in (*folders, *(["/usr/bin/"] if many else [])) if path.startswith(folder)]
    return found[0] if found else path or finding.place.field
