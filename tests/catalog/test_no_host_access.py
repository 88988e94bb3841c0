from __future__ import annotations

from typing import Any

import pytest

from dockproof import catalog
from dockproof.facts.container import ContainerFacts, Mount, State
from dockproof.facts.image import ImageConfig
from dockproof.finding import Finding
from dockproof.policy import RuntimeTarget
from tests.catalog.asking import findings, red
from tests.catalog.imaging import BASE_LAYER, image_of, image_red

POLICY = "no-host-access"


@pytest.mark.parametrize(
    ("line", "clause"),
    [
        ("RUN --security=insecure mount -t tmpfs x /y", "privileged"),
        ("RUN --network=host curl localhost", "host-namespaces"),
        ("RUN --mount=type=bind,target=/var/run/docker.sock docker ps", "host-socket"),
        ("RUN --mount=type=bind,source=run/podman.sock,target=/s podman ps", "host-socket"),
        ("VOLUME /var/run/docker.sock", "host-socket"),
        ('VOLUME ["/data", "/run/containerd/containerd.sock"]', "host-socket"),
        ("WORKDIR /proc/self/fd/8", "workdir"),
        ("WORKDIR /proc", "workdir"),
        ("WORKDIR //proc/./self", "workdir"),
        ("WORKDIR /app/../dev", "workdir"),
        ("WORKDIR /sys/fs/cgroup", "workdir"),
        ("WORKDIR /boot/", "workdir"),
        ("VOLUME /", "system-folder"),
        ("VOLUME /etc/", "system-folder"),
        ('VOLUME ["/usr"]', "system-folder"),
        ("VOLUME /dev/shm", "system-folder"),
        ("ONBUILD RUN --network=host id", "host-namespaces"),
        ("ONBUILD WORKDIR /proc/1", "workdir"),
    ],
)
def test_flags_what_reaches_into_the_host(line: str, clause: str) -> None:
    """Each by its own clause."""
    assert red(POLICY, f"FROM debian\n{line}\n") == [(2, clause)]


@pytest.mark.parametrize(
    "line",
    [
        "RUN --security=sandbox id",
        "RUN --network=none make",
        "RUN --network=default make",
        "RUN --mount=type=cache,target=/home/app/.cache pip install x",
        "RUN curl --unix-socket /var/run/docker.sock http://localhost/info",
        "RUN echo --network=host",
        "WORKDIR /app",
        "WORKDIR /",
        "WORKDIR /usr/src/app",
        "WORKDIR /etc/nginx",
        "WORKDIR /processes",
        "WORKDIR /development",
        "WORKDIR proc",
        "WORKDIR $UNKNOWN/x",
        "VOLUME /data",
        "VOLUME /var/lib/postgresql/data",
        "VOLUME /etc/letsencrypt",
        "VOLUME $UNKNOWN",
        "COPY etc/ /etc/",
    ],
)
def test_passes_what_stays_inside(line: str) -> None:
    """Folders of an application below the system's, and what only looks alike."""
    assert red(POLICY, f"FROM debian\n{line}\n") == []


def test_expands_variables_and_follows_relative_folders() -> None:
    """The folder that is meant counts, not the text."""
    text = "FROM debian\nARG AT=/proc\nWORKDIR $AT\nWORKDIR self\nVOLUME $AT\nWORKDIR /app\n"
    assert red(POLICY, text) == [(3, "workdir"), (4, "workdir"), (5, "system-folder")]


def test_follows_a_relative_folder_into_the_next_stage() -> None:
    """WORKDIR is inherited; the stage that wrote it is named once."""
    assert red(POLICY, "FROM debian AS a\nWORKDIR /proc\nFROM a\nWORKDIR 1\n") == [
        (2, "workdir"),
        (4, "workdir"),
    ]


def test_flags_a_builder_stage_too() -> None:
    """The build runs on the host, whatever ships."""
    text = "FROM debian AS build\nRUN --security=insecure id\nFROM debian\nCOPY --from=build /a /a\n"
    (finding,) = findings(POLICY, text)
    assert (finding.stage, finding.clause) == ("build", "privileged")


@pytest.mark.parametrize(
    ("config", "clauses"),
    [
        (ImageConfig(workdir="/proc/self"), ["workdir"]),
        (ImageConfig(volumes=("/etc/",)), ["system-folder"]),
        (ImageConfig(volumes=("/data", "/var/run/docker.sock")), ["host-socket"]),
        (ImageConfig(workdir="/app", volumes=("/data",)), []),
        (ImageConfig(), []),
    ],
)
def test_image_judges_the_config(config: ImageConfig, clauses: list[str]) -> None:
    """The base's settings count too: they are in the config."""
    assert [one.clause for one in image_red(POLICY, image_of(BASE_LAYER, config=config))] == clauses


def _bind(source: str) -> Mount:
    return Mount("bind", source, "/x", writable=False)


@pytest.mark.parametrize(
    ("given", "clauses"),
    [
        ({"privileged": True}, ["privileged"]),
        ({"network_mode": "host"}, ["host-namespaces"]),
        ({"pid_mode": "host"}, ["host-namespaces"]),
        ({"mounts": (_bind("/var/run/docker.sock"),)}, ["host-socket"]),
        ({"mounts": (_bind("/run/"),)}, ["host-socket"]),
        ({"mounts": (_bind("/"), _bind("/etc"), _bind("/sys/kernel"))}, ["system-folder"] * 3),
        ({"mounts": (_bind("/etc/localtime"), _bind("/home/me/app"))}, []),
        ({"mounts": (Mount("volume", "/var/lib/docker/volumes/x/_data", "/data", writable=True),)}, []),
        ({"network_mode": "app_default"}, []),
    ],
)
def test_runtime_judges_what_the_engine_was_told(given: dict[str, Any], clauses: list[str]) -> None:
    """Only binds show the host's files; a volume is the container's own."""
    state = State(status="running", running=True)
    facts = ContainerFacts("1", "x", "sha256:1", "api", "2026-01-01T00:00:00Z", state)._replace(**given)
    answers = catalog.load()[POLICY].runtime(RuntimeTarget(facts, image_of(BASE_LAYER)))
    assert [one.clause for one in answers if isinstance(one, Finding)] == clauses
