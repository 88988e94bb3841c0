"""Services run for real, are looked at from beside, come to harm and recover, and leave nothing."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockproof.collect import look, process
from dockproof.collect.build import build_on
from dockproof.collect.compose import Manifest
from dockproof.collect.engine import Engine
from dockproof.collect.run import Project
from dockproof.collect.sidecar import Sidecar, image_for
from dockproof.collect.standins import StandIns
from dockproof.errors import NotLookedError, UsageError
from dockproof.facts.container import Experiment

pytestmark = pytest.mark.engine

STACK = Path(__file__).parent / "stack" / "compose.yaml"


# ------------------------------------------------------------------------------------------------- looking


def test_facts_show_processes_sockets_and_health(project: Project) -> None:
    """User, program, listening port and health of the service that runs, through dependencies that were ready."""
    facts = project.facts("web")
    assert [(each.pid, each.uid, each.gid, each.argv) for each in facts.processes] == [
        (1, 1000, 1000, ("python3", "/srv/server.py")),
        (facts.processes[1].pid, 1000, 1000, ("python3", "/srv/server.py")),
    ]
    assert [(each.address, each.port, each.pids) for each in facts.listening] == [("0.0.0.0", 8000, (1,))]  # noqa: S104 - what it saw
    assert facts.processes[0].environ is not None
    assert facts.processes[0].environ["PRICE"] == "5$"
    assert facts.health.status == "healthy"
    assert facts.health.config is not None
    assert facts.health.config.interval == 30  # the image's own, though it is probed more often here
    assert facts.health.healthy_after is not None
    assert 0 < facts.health.healthy_after < 20
    assert "serving" in facts.logs_tail
    assert facts.service == "web"


def test_first_good_probe_is_told_also_later(project: Project) -> None:
    """The engine's log keeps five probes; the time to healthy is still that of the first good one."""
    first = project.facts("web").health.healthy_after
    time.sleep(6)
    again = project.facts("web").health
    assert again.log[0].ended_after > (first or 0)
    assert again.healthy_after == pytest.approx(first, abs=0.1)


def test_nothing_of_the_users_is_used(project: Project, engine: Engine) -> None:
    """No published port, no shared name, no external volume."""
    document = engine.inspect(project.container("web"))[0]
    assert not document["HostConfig"]["PortBindings"]
    assert document["Name"].startswith(f"/{project.name}-web")
    assert [mount["Name"] for mount in document["Mounts"]] == [f"{project.name}_data"]


def test_sidecar_is_a_testinfra_host_of_the_targets_files(project: Project) -> None:
    """Files of the target are asserted through the sidecar, which the target never sees."""
    with project.sidecar("web") as beside, beside.alive():
        assert beside.file("/srv/server.py").mode == 0o755
        assert not beside.file("/no/such/file").exists
        assert beside.host.run("id -u").stdout.strip() == "0"
        assert all("sleep" not in each.argv[0] for each in beside.snapshot().processes)


def test_sidecar_looks_into_a_container_with_nothing_allowed(
    engine: Engine, stand_ins: StandIns, web: str
) -> None:
    """A read-only root, no capability and no new privileges hide nothing."""
    hardened = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--user=4711:4711"]
    with _container(engine, web, *hardened) as container, _beside(engine, container, stand_ins) as beside:
        (main, *_) = beside.snapshot().processes
        assert (main.uid, main.gid, main.no_new_privs) == (4711, 4711, True)
        assert not main.cap_eff | main.cap_bnd
        assert main.exe
        assert main.environ is not None


BARE = """
FROM {image} AS base
USER 0
RUN mkdir /bare && cp --parents --dereference $(ldd /usr/bin/sleep | grep --only-matching '/[^ ]*') /usr/bin/sleep /bare
FROM scratch
COPY --from=base /bare /
USER 4711
CMD ["/usr/bin/sleep", "600"]
"""


def test_sidecar_looks_into_an_image_without_shell_and_passwd(
    engine: Engine, stand_ins: StandIns, web: str
) -> None:
    """Nothing is needed of the image: one program and its libraries are probed like any other."""
    bare = build_on(engine, web, BARE, name="bare")
    with (
        _container(engine, bare) as container,
        _beside(engine, container, stand_ins) as beside,
        beside.alive(),
    ):
        (main,) = beside.snapshot().processes
        assert (main.argv, main.uid, main.gid) == (("/usr/bin/sleep", "600"), 4711, 0)
        assert not beside.file("/bin/sh").exists
        assert beside.file("/usr/bin/sleep").exists


def test_runtime_mutant_runs_beside_the_dependencies(project: Project) -> None:
    """The same image run worse shows what is worse, and the good one stays."""
    name = project.run("web", {"user": "0:0"})
    facts = project.facts(name)
    assert facts.processes[0].is_root
    assert facts.health.status == "healthy"
    assert not project.facts("web").processes[0].is_root
    project.stop(name)
    with pytest.raises(NotLookedError, match="has no container"):
        project.facts(name)


# --------------------------------------------------------------------------------------------- experiments


def test_frozen_service_turns_unhealthy_and_recovers(project: Project) -> None:
    """All of its processes are stopped; the check tells in its own time, and tells the recovery."""
    outcome = project.facts("web", experiments=[Experiment.FREEZE]).outcomes[Experiment.FREEZE]
    assert (outcome.status, outcome.recovered) == ("unhealthy", True)
    assert 0 < outcome.seconds <= outcome.limit < 30
    assert "2 processes stopped" in outcome.detail


def test_lost_dependency_turns_the_service_unhealthy_and_back(project: Project) -> None:
    """A check that promises readiness tells that the broker is gone, and that it is back."""
    facts = project.facts("web", experiments=["dependency"], dependencies=["broker"])
    outcome = facts.outcomes["dependency:broker"]
    assert (outcome.status, outcome.recovered) == ("unhealthy", True)
    assert project.facts("web").health.status == "healthy"


def test_check_that_looks_at_nothing_stays_healthy(project: Project) -> None:
    """A probe that always passes is caught: frozen or cut off, it goes on saying healthy."""
    blind = {"healthcheck": {"test": ["CMD", "true"], "interval": "500ms", "timeout": "500ms", "retries": 1}}
    name = project.run("web", blind)
    facts = project.facts(name, experiments=["freeze", "dependency"], dependencies=["broker"])
    assert {outcome.status for outcome in facts.outcomes.values()} == {"healthy"}
    assert all(outcome.seconds > outcome.limit for outcome in facts.outcomes.values())
    project.stop(name)


def test_check_that_takes_for_ever_to_tell_is_not_waited_for(project: Project) -> None:
    """A probe that may take minutes before it counts as failed is not tried, and says so at once."""
    lazy = {"healthcheck": {"timeout": "100s", "retries": 3}}
    name = project.run("web", lazy)
    facts = project.facts(name, experiments=["freeze"])
    assert "grants itself 303 s (3 retries of 1 s and 100 s each)" in facts.not_tried["freeze"]
    assert facts.outcomes == {}
    assert project.facts(name).processes[0].state != "T"
    project.stop(name)


def test_dependency_that_does_not_run_is_not_tried(project: Project) -> None:
    """What does not run cannot be taken away; the rest is looked at all the same."""
    facts = project.facts("web", experiments=["dependency", "freeze"], dependencies=["nobody"])
    assert "service nobody does not run" in facts.not_tried["dependency:nobody"]
    assert facts.outcomes.keys() == {"freeze"}


def test_dependency_that_cannot_be_cut_off_is_not_tried(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that does not give the sidecar its right: no outcome, and the reason."""
    monkeypatch.setattr(look.Wanted, "capabilities", ())
    facts = project.facts("web", experiments=["dependency"], dependencies=["broker"])
    assert "could not be changed" in facts.not_tried["dependency:broker"]
    assert facts.outcomes == {}


# ------------------------------------------------------------------------------------- services that misbehave


@pytest.fixture(scope="module")
def broken(engine: Engine, stack: Manifest, stand_ins: StandIns, web: str) -> Iterator[Project]:
    """Services that fail in every way, and a good one among them, started together."""
    with Project(engine, stack, {"web": web}, stand_ins) as running:
        running.start(["exits", "loops", "never-healthy", "needs-exits", "web"])
        yield running


def test_service_that_exits_at_once_could_not_be_looked_at(broken: Project) -> None:
    """Its name, exit code and last words."""
    with pytest.raises(NotLookedError, match="service exits ended with exit code 7") as caught:
        broken.facts("exits")
    assert "no settings, no service" in caught.value.log


def test_service_that_loops_is_not_restarted_for_ever(broken: Project) -> None:
    """`restart: always` is left out, so that the end is seen."""
    time.sleep(1.5)
    with pytest.raises(NotLookedError, match="service loops ended with exit code 1") as caught:
        broken.facts("loops")
    assert "again" in caught.value.log


def test_service_that_never_becomes_healthy_is_a_fact_with_its_log(broken: Project) -> None:
    """It runs and says unhealthy: that is for a policy to judge, with what the probe printed."""
    health = broken.facts("never-healthy", experiments=["freeze"])
    assert health.health.status == "unhealthy"
    assert health.health.log[-1].output == "it hurts"
    assert health.outcomes == {}


def test_failed_dependency_is_named_with_its_log(broken: Project) -> None:
    """Not the service that waited, but the one that failed it."""
    with pytest.raises(
        NotLookedError, match=r"needs-exits did not start: exits \(exited with code 7\)"
    ) as caught:
        broken.facts("needs-exits")
    assert "no settings, no service" in caught.value.log
    assert "never-healthy" not in caught.value.log


def test_good_service_runs_beside_broken_ones(broken: Project) -> None:
    """One bad service takes no other with it."""
    assert broken.facts("web").health.status == "healthy"


def test_service_whose_image_was_not_built_fails_alone(broken: Project) -> None:
    """A failed build is told at the service, and stops no other."""
    broken.start(["broken-build", "web"])
    with pytest.raises(NotLookedError, match="broken-build did not start: its image was not built"):
        broken.facts("broken-build")


def test_service_without_a_health_check_is_looked_at_once_it_listens(broken: Project) -> None:
    """It gets a moment to open its socket."""
    name = broken.run("web", {"healthcheck": {"disable": True}})
    facts = broken.facts(name)
    assert facts.health.status == "none"
    assert [socket.port for socket in facts.listening] == [8000]


def test_unknown_service_is_a_usage_error(broken: Project) -> None:
    """A name that was mistyped starts nothing."""
    with pytest.raises(UsageError, match="no service 'wep'"):
        broken.start(["wep"])


def test_target_that_dies_under_an_assertion_is_not_looked_at(
    engine: Engine, stand_ins: StandIns, web: str
) -> None:
    """On a dead container nothing exists: that is no pass."""

    def assert_absence() -> None:
        with beside.alive():
            assert not beside.file("/no/such/file").exists
            engine.docker("kill", container)

    with _container(engine, web) as container, _beside(engine, container, stand_ins) as beside:
        with pytest.raises(NotLookedError, match=r"ended with exit code \d+ before it could be looked at"):
            assert_absence()
        with pytest.raises(NotLookedError):
            beside.snapshot()


def test_target_that_was_started_anew_is_not_the_same(engine: Engine, stand_ins: StandIns, web: str) -> None:
    """The same id with another start is another program."""
    with (
        _container(engine, web) as container,
        _beside(engine, container, stand_ins) as beside,
        pytest.raises(NotLookedError, match="started anew"),
        beside.alive(),
    ):
        engine.docker("restart", "--time", "0", container)


def test_missing_sidecar_image_names_the_way_out(engine: Engine, web: str) -> None:
    """Where the usual image cannot be had, another can be named."""
    with (
        _container(engine, web) as container,
        pytest.raises(NotLookedError, match="set DOCKPROOF_SIDECAR_IMAGE to an image"),
        Sidecar(engine, container, image="dockproof.localhost/no-such-image"),
    ):
        pass


# ------------------------------------------------------------------------------------------- leaving nothing


def test_closing_leaves_nothing(engine: Engine, stack: Manifest, stand_ins: StandIns, web: str) -> None:
    """Containers, networks and volumes of the project are gone, and its listener."""
    with Project(engine, stack, {"web": web}, stand_ins) as running:
        running.start(["web"])
        assert _left(engine, running.name)
        name = running.name
    assert not _left(engine, name)
    assert not _listeners(name)


@pytest.mark.parametrize(
    ("number", "delay"), [(signal.SIGINT, 0.8), (signal.SIGTERM, 4.0), (signal.SIGINT, 7.0)]
)
def test_interrupted_run_leaves_nothing(
    number: signal.Signals, delay: float, engine: Engine, web: str, tmp_path: Path
) -> None:
    """Ctrl-C and SIGTERM while it starts, looks and experiments: everything is removed before it ends."""
    name = tmp_path / "name"
    program = f"""
        from pathlib import Path
        from dockproof.collect import compose, process, standins
        from dockproof.collect.engine import Engine
        from dockproof.collect.run import Project
        manifest = compose.load(Path({str(STACK)!r}))
        with process.interruptible(), Engine.connect() as engine:
            with Project(engine, manifest, {{"web": {web!r}}}, standins.load()) as project:
                Path({str(name)!r}).write_text(project.name)
                project.start(["web"])
                look = lambda _: project.facts("web", experiments=["freeze", "dependency"], dependencies=["broker"])
                while True:
                    process.parallel(look, [1, 2], 2)
    """
    sources = str(Path(__file__).parents[2] / "policies")
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": sources},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 20
        while not name.exists() or not name.read_text():
            assert time.monotonic() < deadline, "the run never began"
            time.sleep(0.05)
        time.sleep(delay)
        child.send_signal(number)
        _, errors = child.communicate(timeout=40)
    finally:
        child.kill()
        child.wait()
    assert "KeyboardInterrupt" in errors
    assert not _left(engine, name.read_text())
    assert not _listeners(name.read_text())


def test_engine_that_goes_away_midway_is_told(
    engine: Engine, stack: Manifest, stand_ins: StandIns, web: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing hangs and nothing passes when the engine cannot be asked any more."""
    with Project(engine, stack, {"web": web}, stand_ins) as running:
        running.start(["web"])
        with monkeypatch.context() as patched:
            patched.setenv("DOCKER_HOST", "unix:///no/such/socket")
            with pytest.raises(NotLookedError, match="inspect"):
                running.facts("web")


def _left(engine: Engine, project: str) -> str:
    label = ["--quiet", "--filter", f"label=dockproof.project={project}"]
    kinds = [["ps", "--all"], ["network", "ls"], ["volume", "ls"]]
    return "".join(engine.docker(*kind, *label).stdout for kind in kinds)


def _listeners(project: str) -> list[str]:
    processes = process.run(["ps", "axww", "-o", "args"], timeout=10).stdout.splitlines()
    return [line for line in processes if project in line and "docker" in line]


class _container:  # noqa: N801 - reads as the context manager that it is
    """Run an image with some flags, removed afterwards."""

    def __init__(self, engine: Engine, image: str, *flags: str) -> None:
        self._engine, self._argv = engine, ["run", "--detach", *engine.lease.arguments, *flags, image]

    def __enter__(self) -> str:
        self._id = self._engine.docker(*self._argv).stdout.strip()
        return self._id

    def __exit__(self, *_: object) -> None:
        self._engine.docker("rm", "--force", "--volumes", self._id)


def _beside(engine: Engine, container: str, stand_ins: StandIns) -> Sidecar:
    return Sidecar(engine, container, image=image_for(stand_ins))
