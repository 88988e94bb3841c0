"""Running containers of a few values for tests of runtime probes: `runtime_red("non-root", container_of(...))`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockproof import catalog
from dockproof.facts.container import ContainerFacts, Process, Socket, State
from dockproof.finding import Answer, Finding, NotApplicable, Unseen
from dockproof.policy import RuntimeTarget
from tests.catalog.imaging import image_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockproof.facts.image import ImageFacts

UP = State("running", running=True)


def process_of(
    argv: Sequence[str] = ("app",), *, pid: int = 1, uid: int = 10001, gid: int = 10001, **other: Any
) -> Process:
    """Make a process of a user, without any right, unless said otherwise."""
    made = Process(
        pid=pid,
        ppid=0 if pid == 1 else 1,
        uid=uid,
        gid=gid,
        real_uid=uid,
        saved_uid=uid,
        real_gid=gid,
        saved_gid=gid,
        groups=(),
        comm=argv[0][:15] if argv else "",
        argv=tuple(argv),
        exe=argv[0] if argv else "",
        environ={},
        state="S",
        cap_eff=frozenset(),
        cap_bnd=frozenset(),
        no_new_privs=True,
        seccomp=2,
        start=1,
        cpu=1,
        of_target=True,
    )
    return made._replace(**other)


def socket_of(
    port: int,
    protocol: str = "tcp",
    address: str = "0.0.0.0",  # noqa: S104 - as the kernel shows it
    *,
    pids: tuple[int, ...] = (1,),
) -> Socket:
    """Make a listening socket."""
    return Socket(protocol, address, port, "LISTEN", port, 10001, pids)


def container_of(*processes: Process, **other: Any) -> ContainerFacts:
    """Make a running container with a read-only root."""
    facts = ContainerFacts(
        "c", "c", "sha256:1", "api", "2026-01-01T00:00:00Z", UP, processes=processes or (process_of(),)
    )
    return facts._replace(readonly_root=True)._replace(**other)


def runtime_answers(
    policy: str, container: ContainerFacts, image: ImageFacts | None = None, **options: Any
) -> list[Answer]:
    """Return what a policy's runtime probe says, with its default options but for those given."""
    asked = catalog.load()[policy]
    target = RuntimeTarget(container, image or image_of(), options={**asked.options, **options})
    return list(asked.runtime(target))


def runtime_red(
    policy: str, container: ContainerFacts, image: ImageFacts | None = None, **options: Any
) -> list[str | None]:
    """Return the clauses that turned red."""
    answers = runtime_answers(policy, container, image, **options)
    return [answer.clause for answer in answers if isinstance(answer, Finding)]


def runtime_skips(policy: str, container: ContainerFacts, **options: Any) -> list[str]:
    """Return the reasons why a policy says that it does not apply."""
    return [a.reason for a in runtime_answers(policy, container, **options) if isinstance(a, NotApplicable)]


def runtime_unseen(policy: str, container: ContainerFacts, **options: Any) -> list[str]:
    """Return the reasons why a policy says that it could not look."""
    return [a.reason for a in runtime_answers(policy, container, **options) if isinstance(a, Unseen)]
