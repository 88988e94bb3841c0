"""The image runs as a user that is not root.

What it holds
-------------
The shipped image's effective user is not uid 0 under any spelling: no USER at all, `root`, `0`, `00`, `+0`, `0:0`, a
variable whose value is one of these, or a name that the image's passwd maps to 0. Its primary group is not 0 either
(clause `root-group`), unless the option `arbitrary_uid` says that the image is made for platforms that run it under a
random uid with group 0. Source: the USER in force at the end of the shipped stage, inherited through FROM; a user
whose value cannot be known is a finding, not a guess; a bare number passes where a RUN of the stage makes its passwd
entry (`useradd --uid`). What an image from outside is documented to run as is known for a few (distroless `nonroot`,
.NET's chiseled ones and its `$APP_UID`, nginx-unprivileged, Jupyter's `$NB_UID`, Nano Server), and on Windows the
user is not ContainerAdministrator. Image: the config's user, resolved through the image's own passwd and group as the
engine does. Runtime: real, effective and saved uid and gid and the supplementary groups of every process of the
container.

Why it matters
--------------
Root in a container is root for the kernel: one escape away from the host, and free to change what it runs. A
`USER 00` or `USER +0` is root too, and `USER 1000` without an entry in passwd runs with group 0.

How to fix it
-------------
End the shipped stage with a numeric user and group, as `USER 10001:10001`. Files stay owned by root and readable
by all: the program then cannot change its own code.

References
----------
- CIS Docker Benchmark 1.6, 4.1
- https://docs.docker.com/reference/dockerfile/#user
"""

from __future__ import annotations

from dockproof.catalog._base_users import is_administrator, user_of
from dockproof.facts.shell import script
from dockproof.finding import Place, Severity
from dockproof.patterns import pattern
from dockproof.policy import (
    BY_BUILD,
    BY_IMAGE,
    Clause,
    EditMutant,
    Example,
    Family,
    ImageMutant,
    Policy,
    RuntimeMutant,
    SourceMutant,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, ClassVar

    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding
    from dockproof.policy import ImageTarget, Mutant, RuntimeTarget, SourceTarget

# Docker reads a numeric user with Go's Atoi: a sign and leading zeros are a number too.
_ZERO = pattern(r"[+-]?0+")
_NUMBER = pattern(r"[+-]?[0-9]+")
# Which options name the primary group; busybox's adduser spells it -G, which in useradd are the other groups.
_GROUP_OPTIONS = {"useradd": ("-g", "--gid"), "adduser": ("-G", "--gid", "--ingroup")}


class NonRoot(Policy):
    """Neither uid 0 nor, where not asked for, gid 0."""

    title = "runs as a user that is not root"
    family = Family.LEAST_PRIVILEGE
    production = Severity.ERROR
    development = Severity.ERROR
    clauses = (
        Clause(
            "root-user",
            "the user is not uid 0",
            covers=("checkov:CKV_DOCKER_3", "checkov:CKV_DOCKER_8", "trivy:DS-0002", "hadolint:DL3002"),
            claimed_by=BY_BUILD,
        ),
        Clause("root-group", "the primary group is not gid 0", claimed_by=BY_IMAGE),
        Clause("unknown-user", "the user can be known", question="root-user"),
    )
    references = ("cis:4.1", "https://docs.docker.com/reference/dockerfile/#user")
    options: ClassVar[Mapping[str, Any]] = {"arbitrary_uid": False}

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge the USER in force at the end of each shipped stage."""
        for stage in target.shipped:
            yield from self._judge_stage(stage, arbitrary_uid=target.options["arbitrary_uid"])

    def _judge_stage(self, stage: Stage, *, arbitrary_uid: bool) -> Iterator[Finding]:
        setting, user = stage.user, user_of(stage)
        at = setting.instruction if setting else stage.instruction
        if user is not None:
            for clause, message in _judge(stage, user, arbitrary_uid=arbitrary_uid):
                yield self.at(at, message, stage=stage, clause=clause)
        elif setting is None:
            root = "ContainerAdministrator" if stage.root_base.is_windows else "root"
            message = (
                "no USER is set, so the image runs as the base image's user: "
                f"{root} unless the base says otherwise"
            )
            help_ = "End the shipped stage with `USER ContainerUser`." if stage.root_base.is_windows else ""
            yield self.at(at, message, stage=stage, clause="root-user", help=help_)
        else:
            names = ", ".join(setting.value.missing)
            message = f"cannot be shown: USER hangs on {names}, which has no value here"
            yield self.at(at, message, stage=stage, clause="unknown-user")

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Resolve the config's user through the image's passwd, as the engine does."""
        text = target.image.config.user
        user = target.image.resolve_user()
        place = Place(field="Config.User")
        if user.uid is None:
            yield self.in_image(f"user {text!r} cannot be resolved: {user.why}", place, clause="unknown-user")
        elif user.uid == 0:
            yield self.in_image(f"user {text!r} is uid 0: {user.why}", place, clause="root-user")
        elif user.gid == 0 and not target.options["arbitrary_uid"]:
            yield self.in_image(f"user {text!r} runs with gid 0: {user.why}", place, clause="root-group")

    def runtime(self, target: RuntimeTarget) -> Iterator[Finding]:
        """Look at the uid and gid of every process."""
        for process in target.container.processes:
            name = " ".join(process.argv) or process.comm
            place = Place(pid=process.pid)
            if process.is_root:
                uids = f"real {process.real_uid}, effective {process.uid}, saved {process.saved_uid}"
                yield self.in_container(f"`{name}` runs as uid 0 ({uids})", place, clause="root-user")
            elif (
                0 in {process.gid, process.real_gid, process.saved_gid, *process.groups}
                and not target.options["arbitrary_uid"]
            ):
                groups = ",".join(map(str, process.groups)) or "none"
                message = f"`{name}` runs with gid 0 (gid {process.gid}, other groups {groups})"
                yield self.in_container(message, place, clause="root-group")

    example = Example(
        """
        FROM debian:13-slim
        USER 0
        CMD ["service"]
        """,
        """
        FROM debian:13-slim
        USER 10001:10001
        CMD ["service"]
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("dropped", keyword="USER", clause="root-user", requires=("base-is-root",)),
        EditMutant(
            "root", "USER root", clause="root-user", also=frozenset({"numeric-user"}), requires=("posix",)
        ),
        EditMutant("zero", "USER 00:0", clause="root-user", requires=("posix",)),
        EditMutant("group-zero", "USER 10001:0", clause="root-group", requires=("posix",)),
        EditMutant(
            "unknown",
            "ARG WHO\nUSER $WHO",
            clause="unknown-user",
            also=frozenset({"defined-variables", "numeric-user"}),
        ),
        # of the shipped files
        SourceMutant(
            "user-root", "USER 10001:10001", "USER root", clause="root-user", also=frozenset({"numeric-user"})
        ),
        SourceMutant("user-zero-zero", "USER 10001:10001", "USER 00", clause="root-user"),
        SourceMutant("user-plus-zero", "USER 10001:10001", "USER +0:10001", clause="root-user"),
        SourceMutant(
            "user-in-arg", "USER 10001:10001", "ARG RUN_AS=0\nUSER $RUN_AS", clause="root-user", at="USER $"
        ),
        SourceMutant("no-user", "USER 10001:10001\n", "", clause="root-user", at="AS runtime"),
        SourceMutant("root-group", "USER 10001:10001", "USER 10001:0", clause="root-group"),
        SourceMutant("no-group", "USER 10001:10001", "USER 10001", clause="root-group"),
        SourceMutant(
            "no-value",
            "USER 10001:10001",
            "ARG RUN_AS\nUSER $RUN_AS",
            clause="unknown-user",
            at="USER $",
        ),
        SourceMutant("worker-root", "USER 10001:10001", "USER 0", "Dockerfile.worker", clause="root-user"),
        SourceMutant("dev-root", "USER 10001:10001", "USER 0:0", "Dockerfile.dev", clause="root-user"),
        ImageMutant("user-zero", "USER +0", clause="root-user"),
        ImageMutant(
            "name-of-root",
            "COPY <<passwd /etc/passwd\napp:x:0:0::/:/bin/false\npasswd\nUSER app",
            clause="root-user",
            also=frozenset({"numeric-user"}),
        ),
        ImageMutant("bare-uid", "USER 4242", clause="root-group"),
        RuntimeMutant("run-as-root", {"user": "0:0"}, clause="root-user"),
        RuntimeMutant("run-with-group-root", {"user": "10001:0"}, clause="root-group"),
        RuntimeMutant("in-group-root", {"group_add": ["0"]}, "worker", clause="root-group"),
    )


def _judge(stage: Stage, user: str, *, arbitrary_uid: bool) -> Iterator[tuple[str, str]]:
    """Yield clause and sentence for what is wrong with a known user of a stage."""
    if not stage.root_base.is_windows:
        yield from _complaints(user, group_is_fine=arbitrary_uid or _has_group(stage, user))
    elif is_administrator(user):
        yield "root-user", f"USER {user} has all rights: take ContainerUser"


def _has_group(stage: Stage, uid: str) -> bool:
    """Whether a RUN of the lineage makes a passwd entry for this uid, with a group that is not root."""
    runs = (
        (instruction, each)
        for each in stage.lineage
        for instruction in each.instructions
        if instruction.keyword == "RUN"
    )
    return any(
        command.option("-u", "--uid") == uid
        and command.option(*_GROUP_OPTIONS[command.name]) not in {"0", "root"}
        for instruction, each in runs
        for command in script(instruction, each.shell_at(instruction)).named(*_GROUP_OPTIONS)
    )


def _complaints(user: str, *, group_is_fine: bool) -> Iterator[tuple[str, str]]:
    """Yield clause and sentence for what is wrong with a known `user[:group]`."""
    name, colon, group = user.partition(":")
    if not name or name == "root" or _ZERO.fullmatch(name):
        yield "root-user", f"USER {user or '(empty)'} is root"
    elif group_is_fine:
        return
    elif group == "root" or _ZERO.fullmatch(group):
        yield "root-group", f"USER {user} runs with group root"
    elif not colon and _NUMBER.fullmatch(name):
        message = f"USER {user} names no group: without an entry in the image's passwd it runs with gid 0"
        yield "root-group", message
