"""Experiments on a running service: each shows what it is to show, harms nobody else, and leaves nothing behind."""

import json
import re
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from dockproof.collect import stop as stopping
from dockproof.collect.build import build_on
from dockproof.collect.compose import Manifest
from dockproof.collect.engine import Engine
from dockproof.collect.process import Completed
from dockproof.collect.run import Project
from dockproof.collect.sidecar import NET_ADMIN, Sidecar, image_for
from dockproof.collect.standins import StandIns
from dockproof.config import RequestRule, ScriptRule, StopRule
from dockproof.errors import NotLookedError
from dockproof.facts.container import parse_inspect
from tests.forwarding import forward
from tests.scale.secure_shell import secure_shell

pytestmark = pytest.mark.engine

QUICK = {"interval": "500ms", "timeout": "500ms", "retries": 1}
BLIND = {"healthcheck": {"test": ["CMD", "true"], **QUICK}}


def test_dependency_is_cut_off_for_the_target_alone(project: Project) -> None:
    """The target cannot reach it, another container of the same network can, and afterwards both can."""
    other = project.run("web", {})
    project.wait(project.container(other), other)
    broker = project.engine.inspect(project.anybody("broker"))[0]["NetworkSettings"]["Networks"]
    addresses = [network["IPAddress"] for network in broker.values()]
    with project.sidecar("web", [NET_ADMIN]) as beside:
        beside.python("cut", "add", *addresses)
        assert not _probe(project, "web")
        assert _probe(project, other)
        beside.python("cut", "remove", *addresses)
        beside.python("cut", "remove", *addresses)  # what is not there need not be removed
    assert _probe(project, "web")
    project.stop(other)


def _probe(project: Project, name: str) -> bool:
    command = ["exec", project.container(name), "python3", "-I", "-S", "/srv/probe.py"]
    return project.engine.docker(*command, check=False).exit_code == 0


def test_program_that_dies_behind_pid_1_turns_the_check_red(project: Project) -> None:
    """In another container, where a shell is PID 1; the service's own lives on."""
    facts = project.facts("web", experiments=["death"])
    outcome = facts.outcomes["death"]
    assert outcome.status == "unhealthy"
    assert "killed behind PID 1" in outcome.detail
    assert project.facts("web").health.status == "healthy"
    with pytest.raises(NotLookedError, match="has no container"):
        project.container("web-death")


def test_check_that_sees_no_death_is_found_out(project: Project) -> None:
    """It says healthy while nothing but the shell is left."""
    name = project.run("web", BLIND)
    assert project.facts(name, experiments=["death"]).outcomes["death"].status == "healthy"
    project.stop(name)


def test_cost_of_a_probe_is_measured(project: Project) -> None:
    """A bare Python costs milliseconds; one that computes for half a second costs that."""
    burn = "import time; end = time.process_time() + 0.5\nwhile time.process_time() < end: pass"
    name = project.run("web", {"healthcheck": {"test": ["CMD", "python3", "-c", burn], "timeout": "5s"}})
    cheap, dear = (project.facts(each, experiments=["cost"]).cost for each in ("web", name))
    project.stop(name)
    assert cheap is not None
    assert dear is not None
    assert 0 < (cheap.cpu or 0) < 0.4
    assert 0.5 <= (dear.cpu or 0) < 2
    assert dear.wall >= 0.5


WRITABLE = """\
USER 0
RUN mkdir -p /srv/own /srv/group && echo a > /srv/own/a.py && chown -R 1000 /srv/own && echo b > /srv/group/b.py \\
 && chown 0:4711 /srv/group/b.py && chmod 664 /srv/group/b.py && echo c > /srv/c.py && chmod 600 /srv/c.py
USER 1000:1000
"""


def test_what_the_user_may_write_is_tried_and_nothing_stays(
    engine: Engine, project: Project, web: str
) -> None:
    """Owner and supplementary group count; the files' bytes and the container's list of files stay the same."""
    image = build_on(engine, web, WRITABLE, name="writable")
    name = project.run("web", {"image": image, "group_add": ["4711"]})
    container = project.container(name)
    read = ["exec", container, "sh", "-c", "cat /srv/own/a.py /srv/group/b.py; ls -A /srv/own"]
    before = engine.docker(*read).stdout
    facts = project.facts(name, experiments=["write"])
    assert facts.writable is not None
    assert {each.path for each in facts.writable} == {"/srv/own", "/srv/own/a.py", "/srv/group/b.py"}
    assert engine.docker(*read).stdout == before
    project.stop(name)


def test_read_only_root_lets_nothing_be_written(engine: Engine, project: Project, web: str) -> None:
    """The same image, and no file of it can be opened."""
    image = build_on(engine, web, WRITABLE, name="writable")
    name = project.run("web", {"image": image, "read_only": True})
    assert project.facts(name, experiments=["write"]).writable == ()
    project.stop(name)


# ------------------------------------------------------------------------------------------------- harder terms


def test_good_service_works_under_harder_terms(project: Project) -> None:
    """Other containers, really run so; they are gone afterwards."""
    facts = project.facts("web", experiments=["hardened", "arbitrary-uid"])
    hardened, anybody = facts.trials["hardened"], facts.trials["arbitrary-uid"]
    assert (hardened.status, anybody.status) == ("healthy", "healthy")
    assert hardened.facts is not None
    assert hardened.facts.readonly_root
    assert all(not p.cap_bnd and p.no_new_privs for p in hardened.facts.processes)
    assert anybody.facts is not None
    assert {(p.uid, p.gid) for p in anybody.facts.processes} == {(int(anybody.facts.user.split(":")[0]), 0)}
    assert not facts.readonly_root
    with pytest.raises(NotLookedError, match="has no container"):
        project.container("web-hardened")


def test_service_that_is_hardened_already_needs_no_second_container(project: Project) -> None:
    """Its own container is the proof."""
    terms = {
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "tmpfs": ["/tmp"],
    }
    name = project.run("web", terms)
    facts = project.facts(name, experiments=["hardened"])
    trial = facts.trials["hardened"]
    assert trial.facts is not None
    assert trial.facts.id == facts.id
    project.stop(name)


@pytest.mark.parametrize(
    ("experiment", "command"),
    [
        ("hardened", "open('/var/tmp/state', 'w')"),
        ("arbitrary-uid", "import os; assert os.getuid() == 1000, 'who am I?'"),
    ],
)
def test_service_that_needs_more_is_shown_with_its_last_words(
    project: Project, experiment: str, command: str
) -> None:
    """It ended, and said why."""
    program = f"{command}\nimport runpy; runpy.run_path('/srv/server.py', run_name='__main__')"
    name = project.run("web", {"command": ["python3", "-c", program]})
    facts = project.facts(name, experiments=[experiment])
    trial = facts.trials[experiment]
    assert facts.health.status == "healthy"
    assert (trial.status, trial.facts) == ("exited", None)
    assert "Error" in trial.log
    project.stop(name)


def test_program_that_needs_no_network_is_run_without_one(project: Project) -> None:
    """As `network: false` says; it answers its own health check over loopback."""
    name = project.run("web", {"environment": {"DEPENDENCY": ""}})
    facts = project.facts(name, experiments=["hardened"], network=False)
    trial = facts.trials["hardened"]
    assert trial.status == "healthy"
    assert trial.facts is not None
    assert trial.facts.network_mode == "none"
    project.stop(name)


# ------------------------------------------------------------------------------------------------------- stopping

GRACEFUL = """
import signal, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self): self.answer()
    def do_POST(self): self.rfile.read(int(self.headers['Content-Length'])); self.answer()
    def answer(self): self.send_response(200); self.end_headers(); self.wfile.write(b'ok')
    def log_message(self, *_): pass
class Server(ThreadingHTTPServer): daemon_threads = False
server = Server(('', 8000), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
server.server_close()
"""
POST = StopRule((RequestRule(8000, path="/a", body="12345"), RequestRule(8000, path="/b", body="67")))


def test_requests_in_flight_are_answered_by_a_graceful_server(project: Project) -> None:
    """Signal, time and exit code, and both answers."""
    name = project.run("web", {"command": ["python3", "-c", GRACEFUL]})
    stop = project.facts(name, experiments=["stop"], stop=POST).stop
    assert stop is not None
    assert (stop.signal, stop.exit_code) == ("SIGTERM", 0)
    assert 0 < stop.seconds < stop.grace == 10
    assert [(work.name, work.done) for work in stop.work] == [("POST /a", True), ("POST /b", True)]
    project.stop(name)


def test_requests_that_a_server_drops_are_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """This server ends at once, with 0, and the work is lost, also where the engine is slow to send the signal."""
    docker = Engine.docker

    def slow(engine: Engine, *arguments: str, **how: Any) -> Completed:
        if arguments[0] == "stop":
            time.sleep(2)
        return docker(engine, *arguments, **how)

    monkeypatch.setattr(Engine, "docker", slow)
    hasty = GRACEFUL.replace("threading.Thread(target=server.shutdown).start()", "__import__('os')._exit(0)")
    name = project.run("web", {"command": ["python3", "-c", hasty]})
    stop = project.facts(name, experiments=["stop"], stop=POST).stop
    assert stop is not None
    assert stop.exit_code == 0
    assert [work.done for work in stop.work] == [False, False]
    assert all("was not answered" in work.output for work in stop.work)
    project.stop(name)


def test_program_that_hears_no_signal_is_killed(project: Project) -> None:
    """The manifest's own signal and grace time count."""
    name = project.run("web", {"stop_signal": "SIGWINCH", "stop_grace_period": "1s"})
    stop = project.facts(name, experiments=["stop"]).stop
    assert stop is not None
    assert (stop.signal, stop.grace, stop.exit_code, stop.work) == ("SIGWINCH", 1.0, 137, ())
    assert stop.seconds >= 1
    project.stop(name)


@pytest.mark.parametrize(("script", "done", "said"), [("1", True, "one"), ("0", False, "lost one")])
def test_script_says_what_became_of_its_work(
    project: Project, tmp_path: Path, script: str, said: str, *, done: bool
) -> None:
    """It knows the target's address, which answers again afterwards: the container is started anew to do the work."""
    file = tmp_path / "work.py"
    file.write_text(
        "import os, socket, sys, time\n"
        "target = (os.environ['DOCKPROOF_TARGET'].split()[0], 8000)\n"
        "socket.create_connection(target, 5).close()\n"
        "print('in hand', flush=True)\n"
        "time.sleep(2)\n"
        "for _ in range(50):\n"
        "    try:\n"
        "        socket.create_connection(target, 5).close()\n"
        "        break\n"
        "    except OSError:\n"
        "        time.sleep(0.2)\n"
        "else:\n"
        "    sys.exit('no answer')\n"
        f"print('one' if {script} else 'lost one')\n"
        f"sys.exit(not {script})\n"
    )
    rule = StopRule(work=ScriptRule("web", ("python3", "-c"), str(file)))
    name = project.run("web", {})
    stop = project.facts(name, experiments=["stop"], stop=rule).stop
    assert stop is not None
    assert [(work.done, work.output) for work in stop.work] == [(done, said)]
    project.stop(name)


def test_work_that_never_begins_is_not_looked_at(project: Project, tmp_path: Path) -> None:
    """Nothing is stopped, and the script's last words are shown."""
    file = tmp_path / "work.py"
    file.write_text("raise SystemExit('no database')")
    rule = StopRule(work=ScriptRule("web", ("python3", "-c"), str(file)))
    name = project.run("web", {})
    facts = project.facts(name, experiments=["stop"], stop=rule)
    assert facts.stop is None
    assert "its giver ended before the work was in hand: no database" in facts.not_tried["stop"]
    assert project.facts(name).state.running
    project.stop(name)


def test_work_that_hangs_is_bounded(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script that never says that it began is waited for so long and no longer."""
    monkeypatch.setattr(stopping, "BEGIN", 1.0)
    file = tmp_path / "work.py"
    file.write_text("import time; time.sleep(600)")
    rule = StopRule(work=ScriptRule("web", ("python3", "-c"), str(file)))
    name = project.run("web", {})
    facts = project.facts(name, experiments=["stop"], stop=rule)
    assert "1 s went by before the work was in hand" in facts.not_tried["stop"]
    project.stop(name)


def test_script_that_is_not_there_is_named(project: Project) -> None:
    """Before anything is stopped."""
    rule = StopRule(work=ScriptRule("web", ("python3", "-c"), "no/such/file.py"))
    name = project.run("web", {})
    facts = project.facts(name, experiments=["stop"], stop=rule)
    assert re.search(r"no/such/file.py .* cannot be read", facts.not_tried["stop"])
    project.stop(name)


def test_container_that_ended_by_itself_was_not_stopped(project: Project) -> None:
    """The engine takes the stop of a dead container for a success; it would look like a prompt and clean end."""
    short = ["python3", "-c", "import time; time.sleep(2)"]
    name = project.run("web", {"command": short, "healthcheck": {"disable": True}, "stop_signal": "SIGUSR1"})
    container = project.container(name)
    project.engine.docker("wait", container)
    facts = parse_inspect(project.engine.inspect(container)[0])
    with pytest.raises(NotLookedError, match="it had ended with exit code 0 before it was asked to stop"):
        stopping.stop(project.engine, project.watch, facts, [], again=False)
    project.stop(name)


# ------------------------------------------------------------------------------------------ images with nothing

PAUSE = {  # pause() for ever, in machine code
    62: b"\xb8\x22\x00\x00\x00\x0f\x05\xeb\xf7",
    183: struct.pack("<IIII", 0xD2800908, 0xAA1F03E0, 0xD4000001, 0x17FFFFFD),
}


def static_program(machine: int) -> bytes:
    """Return a static ELF executable that waits, of one segment and no library (elf(5))."""
    code, start = PAUSE[machine], 0x400000
    size = 64 + 56 + len(code)
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, start + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return head + struct.pack("<IIQQQQQQ", 1, 5, 0, start, start, size, size, 0x1000) + code


@pytest.fixture(scope="module")
def nothing(engine: Engine, web: str) -> str:
    """An image of one static program: no shell, no libc, no passwd, no folder but the root."""
    machine = 183 if engine.architecture == "arm64" else 62
    octal = "".join(f"\\{byte:03o}" for byte in static_program(machine))
    text = (
        "FROM {image} AS made\nUSER 0\n"
        f"RUN printf '{octal}' > /pause && chmod 755 /pause\n"
        'FROM scratch\nCOPY --from=made /pause /pause\nUSER 4711\nCMD ["/pause"]\n'
    )
    return build_on(engine, web, text, name="nothing")


def test_image_with_nothing_in_it_is_looked_at_like_any_other(project: Project, nothing: str) -> None:
    """Processes, files that may be written, harder terms and the stop; a shell as PID 1 needs a health check."""
    name = project.run("web", {"image": nothing, "command": None, "stop_grace_period": "1s"})
    everything = ["cost", "write", "freeze", "death", "hardened", "arbitrary-uid", "stop"]
    facts = project.facts(name, experiments=everything)
    (main,) = facts.processes
    assert (main.argv, main.uid, main.gid, main.exe) == (("/pause",), 4711, 0, "/pause")
    assert facts.writable == ()
    assert {each.status for each in facts.trials.values()} == {"running"}
    assert facts.stop is not None
    assert (facts.stop.exit_code, facts.health.status) == (137, "none")
    assert facts.not_tried == {}
    project.stop(name)


def test_death_is_nothing_to_try_without_a_shell(project: Project, nothing: str) -> None:
    """The program is PID 1 there, and its death is the container's; nothing is missed."""
    check = {"healthcheck": {"test": ["CMD", "/pause"], "interval": "1s", "timeout": "500ms", "retries": 1}}
    name = project.run("web", {"image": nothing, "command": None, **check})
    facts = project.facts(name, experiments=["death"])
    assert (facts.outcomes, facts.not_tried) == ({}, {})
    project.stop(name)


def test_assertions_on_an_image_with_nothing(project: Project, nothing: str) -> None:
    """Testinfra looks at its files from the sidecar, between two proofs that it lives."""
    name = project.run("web", {"image": nothing, "command": None})
    with project.sidecar(name) as beside, beside.alive():
        assert beside.file("/pause").mode == 0o755
        assert not beside.file("/etc/passwd").exists
    project.engine.docker("kill", project.container(name))
    with (
        pytest.raises(NotLookedError, match="ended with exit code 137 before it could be looked at"),
        project.sidecar(name) as beside,
        beside.alive(),
    ):
        assert not beside.file("/etc/passwd").exists
    project.stop(name)


# ------------------------------------------------------------------------------------------------ other transports


class _Tunnel(socketserver.BaseRequestHandler):
    """Hands a connection on to the engine's own address."""

    def handle(self) -> None:
        """Copy both ways until one side has said all."""
        with self.server.dial() as engine:  # type: ignore[attr-defined]
            back = threading.Thread(target=forward, args=(engine, self.request), daemon=True)
            back.start()
            forward(self.request, engine)
            back.join()


@contextmanager
def over_tcp(engine: Engine) -> Iterator[str]:
    """Offer the engine on a TCP port of this machine."""
    address = engine.host or "unix:///var/run/docker.sock"
    scheme, _, place = address.partition("://")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

        def dial(self) -> socket.socket:
            if scheme != "unix":
                host, _, port = place.partition(":")
                return socket.create_connection((host, int(port)))
            client = socket.socket(socket.AF_UNIX)
            client.connect(place)
            return client

    with Server(("127.0.0.1", 0), _Tunnel) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"tcp://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize("transport", ["tcp", "ssh"])
def test_everything_works_over_another_transport(
    transport: str,
    engine: Engine,
    stack: Manifest,
    stand_ins: StandIns,
    web: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sockets, files, cost, harder terms and the stop, with nothing but DOCKER_HOST changed."""
    with ExitStack() as ways:
        if transport == "tcp":
            host = ways.enter_context(over_tcp(engine))
        else:
            server = ways.enter_context(secure_shell(engine, tmp_path / "ssh"))
            host = server.host
            monkeypatch.setenv("PATH", server.path)
        monkeypatch.setenv("DOCKER_HOST", host)
        with Engine.connect() as remote, Project(remote, stack, {"web": web}, stand_ins) as running:
            running.start(["web"])
            experiments = ["cost", "write", "freeze", "dependency", "arbitrary-uid", "stop"]
            facts = running.facts("web", experiments=experiments, dependencies=["broker"], stop=POST)
        assert remote.host == host
    assert [each.port for each in facts.listening] == [8000]
    assert facts.cost is not None
    assert (facts.cost.cpu or 0) > 0
    assert {name: each.status for name, each in facts.outcomes.items()} == {
        "freeze": "unhealthy",
        "dependency:broker": "unhealthy",
    }
    assert facts.trials["arbitrary-uid"].status == "healthy"
    assert facts.stop is not None
    assert facts.stop.exit_code == 0
    assert [work.name for work in facts.stop.work] == ["POST /a", "POST /b"]
    assert facts.not_tried == {}


# ------------------------------------------------------------------------------------------------ what is missing


def test_sidecar_without_python_names_what_is_missing(
    engine: Engine, project: Project, web: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking goes on; what needs python3 in the sidecar says so, and which variable mends it."""
    text = (
        "FROM {image} AS made\nUSER 0\nRUN mkdir /small && for each in sh base64 ls cat sleep readlink; do"
        " cp --parents /bin/$each $(ldd /bin/$each | grep -o '/[^ ]*') /small; done\n"
        "FROM scratch\nCOPY --from=made /small /\nENV PATH=/bin\n"
    )
    small = build_on(engine, web, text, name="small")
    monkeypatch.setenv("DOCKPROOF_SIDECAR_IMAGE", small)
    facts = project.facts("web", experiments=["write"])
    assert facts.processes[0].argv == ("python3", "/srv/server.py")
    assert facts.writable is None
    assert "has no python3: set DOCKPROOF_SIDECAR_IMAGE" in facts.not_tried["write"]


def test_engine_that_tells_no_cpu_time_is_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wall time is measured all the same, and the reason stands beside it."""
    docker = project.engine.docker

    def without(*arguments: str, **options: Any) -> Any:
        return docker(
            "version" if arguments[:2] == ("system", "dial-stdio") else arguments[0],
            *arguments[1:],
            **options,
        )

    monkeypatch.setattr(project.engine, "docker", without)
    cost = project.facts("web", experiments=["cost"]).cost
    assert cost is not None
    assert cost.cpu is None
    assert cost.wall > 0
    assert "the engine does not tell the CPU time" in cost.why


def test_static_program_is_one() -> None:
    """The fixture's own bytes: an ELF file with one loadable segment."""
    program = static_program(62)
    assert program[:4] == b"\x7fELF"
    assert json.dumps(len(program)) == str(64 + 56 + 9)


def test_sidecar_is_given_more_rights_only_where_asked(
    engine: Engine, project: Project, stand_ins: StandIns
) -> None:
    """NET_ADMIN is there to cut off a dependency, and absent otherwise."""
    for capabilities, given in (((), False), ((NET_ADMIN,), True)):
        beside = Sidecar(
            engine, project.container("web"), image=image_for(stand_ins), capabilities=capabilities
        )
        with beside:
            added = engine.inspect(beside._id)[0]["HostConfig"]["CapAdd"]  # noqa: SLF001 - nobody else needs it
            assert any("NET_ADMIN" in name for name in added) is given
