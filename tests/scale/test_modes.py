"""An engine that runs containers in its own way: what the gate still sees there, and what it says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dockproof import catalog, gate
from dockproof.collect import image, sidecar
from dockproof.collect.build import build
from dockproof.collect.engine import Engine
from dockproof.collect.run import Project
from dockproof.collect.sidecar import image_for
from dockproof.config import Config
from dockproof.finding import Probe
from dockproof.policy import Profile, RuntimeTarget
from tests.scale.conftest import TwoEngines, carry, client
from tests.scale.second import SecondDaemon, why_not

if TYPE_CHECKING:
    from pathlib import Path

    from dockproof.collect.compose import Manifest
    from dockproof.collect.standins import StandIns

pytestmark = pytest.mark.engine

MAPPED = """
for name in subuid subgid; do
  printf 'nobody:200000:65536\\nnogroup:200000:65536\\n' > "$FOLDER/$name"
  mount --bind "$FOLDER/$name" "/etc/$name"
done
"""
OPTIONS = ("--userns-remap=nobody:nogroup", "--no-new-privileges")


def test_users_that_are_mapped_are_those_inside_the_container(
    engine: Engine, stack: Manifest, stand_ins: StandIns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With userns-remap and no-new-privileges for all: processes, files, sockets and the stop, and it is said."""
    if reason := why_not():
        pytest.skip(reason)
    beside = image_for(stand_ins)
    with SecondDaemon(engine, beside, options=OPTIONS, setup=MAPPED) as second:
        carry(TwoEngines(second, client(tmp_path, one=engine.host, two=second.host)), beside)
        monkeypatch.setenv("DOCKER_HOST", second.host)
        with Engine.connect() as mapped:
            web = build(mapped, stack.services["web"], stand_ins)
            with Project(mapped, stack, {"web": web}, stand_ins) as running:
                running.start(["web"])
                facts = running.facts("web", experiments=["write", "hardened", "stop"])
            assert any("userns-remap" in sentence for sentence in mapped.lacks)
        monkeypatch.undo()
    assert facts.main is not None
    assert (facts.main.uid, facts.main.gid) == (1000, 1000)
    assert [each.port for each in facts.listening] == [8000]
    assert facts.trials["hardened"].status == "healthy"
    assert facts.stop is not None
    assert facts.stop.exit_code == 0
    assert facts.not_tried == {}


def test_sidecar_that_may_not_look_is_no_pass(
    engine: Engine, stack: Manifest, stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel refuses, as under SELinux or AppArmor rules that deny ptrace: what was not read was not looked at."""
    kept = tuple(name for name in sidecar.CAPABILITIES if name != "SYS_PTRACE")
    monkeypatch.setattr(sidecar, "CAPABILITIES", kept)
    web = build(engine, stack.services["web"], stand_ins)
    with Project(engine, stack, {"web": web}, stand_ins) as running:
        running.start(["web"])
        target = RuntimeTarget(
            running.facts("web"), image.facts(engine, web), None, profile=Profile.PRODUCTION
        )
    assert {process.environ for process in target.container.processes} == {None}
    policies = catalog.load()
    asked = [policies[name] for name in ("no-secrets", "verified-tls", "no-dev-tools")]
    missed = gate.ask(asked, Probe.RUNTIME, target, Config()).not_looked
    assert {each.what for each in missed} == {policy.id for policy in asked}
    assert all("the environment of pid 1" in each.reason for each in missed)
