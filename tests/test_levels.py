"""What was written, built and run, held against each other."""

from __future__ import annotations

from typing import Any

import pytest

from dockproof.facts.container import Health
from dockproof.facts.dockerfile import parse
from dockproof.facts.image import HealthConfig, ImageConfig, ImageFacts
from dockproof.levels import of_build, of_run
from tests.catalog.imaging import image_of
from tests.catalog.running import container_of, process_of

PIN = f"sha256:{'a' * 64}"
TEXT = f"""\
FROM python:3.13@{PIN}
USER 10001:10001
EXPOSE 8000 9000-9001/udp
HEALTHCHECK --interval=5s --retries=2 CMD ["check"]
ENTRYPOINT ["run"]
CMD ["app"]
"""
CHECK = HealthConfig(("CMD", "check"), interval=5.0, retries=2)
CONFIG = ImageConfig(
    user="10001:10001",
    ports=("8000/tcp", "9000/udp", "9001/udp"),
    healthcheck=CHECK,
    entrypoint=("run",),
    command=("app",),
    labels={"org.opencontainers.image.base.digest": PIN},
)
MAIN = process_of(("run", "app"))


def image(**changed: Any) -> ImageFacts:
    """Return the image that the Dockerfile gives, but for what is changed."""
    return image_of(config=CONFIG._replace(**changed))


def built(text: str = TEXT, **changed: Any) -> list[tuple[str | None, int]]:
    """Return clause and line of each contradiction between the Dockerfile and an image."""
    stage = parse(text).stages[-1]
    return [(finding.clause, finding.place.line) for finding in of_build(stage, image(**changed))]


def test_image_of_its_dockerfile_agrees_with_it() -> None:
    """User, ports, command, check and base are the same."""
    assert built() == []


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"user": "10002:10001"}, ("user", 2)),
        ({"user": ""}, ("user", 2)),
        ({"ports": ("8000/tcp", "9000/udp")}, ("ports", 3)),
        ({"ports": ("8000/udp", "9000/udp", "9001/udp")}, ("ports", 3)),
        ({"healthcheck": None}, ("healthcheck", 4)),
        ({"healthcheck": CHECK._replace(test=("CMD", "true"))}, ("healthcheck", 4)),
        ({"healthcheck": CHECK._replace(interval=30.0)}, ("healthcheck", 4)),
        ({"healthcheck": CHECK._replace(retries=3)}, ("healthcheck", 4)),
        ({"entrypoint": ("sh", "-c", "run")}, ("command", 5)),
        ({"command": ()}, ("command", 6)),
        ({"labels": {"org.opencontainers.image.base.digest": f"sha256:{'b' * 64}"}}, ("base", 1)),
    ],
)
def test_image_that_differs_is_a_contradiction(changed: dict[str, Any], found: tuple[str, int]) -> None:
    """Each on the line of the instruction that the image does not follow."""
    assert built(**changed) == [found]


def test_more_ports_than_said_are_the_bases() -> None:
    """A base image may expose ports of its own."""
    assert built(ports=(*CONFIG.ports, "22/tcp")) == []


def test_what_a_build_argument_may_have_changed_is_left_out() -> None:
    """The value in the file is a default."""
    text = TEXT.replace("USER 10001:10001", "ARG ID=10001\nUSER $ID:$ID")
    assert built(text, user="5000:5000") == []


def run(*overridden: str, **changed: Any) -> list[str | None]:
    """Return the clauses in which a container differs from its image."""
    facts = container_of(MAIN, argv=("run", "app"), health=Health("healthy", 1.0, (), CHECK))
    return [finding.clause for finding in of_run(image(), facts._replace(**changed), overridden)]


def test_container_of_its_image_agrees_with_it() -> None:
    """The same image, user, command and check."""
    assert run() == []


@pytest.mark.parametrize(
    ("changed", "clause"),
    [
        ({"image_id": "sha256:other"}, "image"),
        ({"processes": (process_of(uid=10002),)}, "user"),
        ({"processes": (process_of(gid=20),)}, "user"),
        ({"user": "10002:10001"}, "user"),
        ({"argv": ("sh", "-c", "run app")}, "command"),
        ({"health": Health("none")}, "healthcheck"),
        ({"health": Health("healthy", 1.0, (), CHECK._replace(test=("CMD", "true")))}, "healthcheck"),
    ],
)
def test_container_that_differs_is_a_contradiction(changed: dict[str, Any], clause: str) -> None:
    """Another image, another user than it was told, another program, another check."""
    assert run(**changed) == [clause]


def test_what_compose_changes_on_purpose_is_none() -> None:
    """An override that stands in the manifest was looked at."""
    assert run("command", argv=("other",)) == []
    assert run("healthcheck", health=Health("none")) == []
    other = process_of(("run", "app"), uid=10002)
    assert run("user", user="10002:10001", processes=(other,)) == []


def test_program_that_starts_as_root_may_give_it_up() -> None:
    """Root that is told is non-root's business; whom it becomes is the program's."""
    facts = container_of(
        process_of(uid=33, gid=33), argv=("run", "app"), health=Health("healthy", 1.0, (), CHECK)
    )
    assert list(of_run(image(user="0:0"), facts)) == []
