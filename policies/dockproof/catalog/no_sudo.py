"""Nothing becomes root, or somebody else, by a password.

What it holds
-------------
Source: no RUN of any stage uses sudo or doas (`sudo`) or su (`su`), wherever in it: behind `env` and `exec`, in a
subshell, in `sh -c '…'`, in a heredoc. `runuser`, `gosu` and `setpriv`, which only give rights up, may be used. No RUN
sets passwords with chpasswd (`chpasswd`). And no stage that the shipped image is built FROM installs sudo or doas
(`installed`); to install them in a stage that is left behind is no use of them. Image: no layer above the base brings
a `sudo` or `doas` (`installed`), and none of its stages writes `NOPASSWD` into /etc/sudoers (`no-password`). Where no
POSIX shell reads a RUN, it is not judged.

Why it matters
--------------
A build is root already. sudo in it hides which user a command runs as, needs a terminal for its signals, and usually
comes with `NOPASSWD: ALL`: in the image that makes every user root. A password set in a build is in the image, the
same for all who have it.

How to fix it
-------------
Run what needs root before `USER`, or switch with `USER root` and back. A program that starts as root and gives it up
takes `setpriv` or `gosu`. Instead of a password, none.

References
----------
- https://docs.docker.com/build/building/best-practices/#user
"""

from __future__ import annotations

from dockproof.catalog._runs import runs, runs_of, unread
from dockproof.catalog._written import written
from dockproof.facts.packages import package_calls
from dockproof.finding import Place, Severity
from dockproof.policy import BY_SOURCE, Clause, EditMutant, Example, Family, ImageMutant, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from dockproof.facts.shell_words import Command
    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding, NotApplicable
    from dockproof.policy import ImageTarget, Mutant, SourceTarget

_CLAUSES = {"sudo": "sudo", "doas": "sudo", "su": "su", "chpasswd": "chpasswd"}
_PROGRAMS = frozenset({"sudo", "doas"})
_PACKAGES = frozenset({"sudo", "doas", "opendoas", "sudo-ldap", "sudo-rs"})
_USER = "USER 10001:10001"
_ADD = "COPY app /rootfs/app/app\n"


class NoSudo(Policy):
    """The user is said by USER."""

    title = "no sudo, su or chpasswd"
    family = Family.LEAST_PRIVILEGE
    production = Severity.ERROR
    development = Severity.WARNING
    builder = Severity.ERROR
    clauses = (
        Clause(
            "sudo",
            "no RUN uses sudo",
            same_as=("hadolint:DL3004", "checkov:CKV2_DOCKER_1", "trivy:DS-0010"),
        ),
        Clause("su", "no RUN uses su"),
        Clause("chpasswd", "no RUN sets passwords", same_as=("checkov:CKV2_DOCKER_17",)),
        Clause("installed", "the image has no sudo", claimed_by=BY_SOURCE),
        Clause("no-password", "nobody becomes root without a password"),
    )
    references = ("https://docs.docker.com/build/building/best-practices/#user",)

    def source(self, target: SourceTarget) -> Iterator[Finding | NotApplicable]:
        """Judge the commands of every stage, and what the shipped ones install."""
        yield from unread(self, target.dockerfile)
        for run in runs(target.dockerfile):
            said: set[tuple[str, int]] = set()
            for command in run.script.commands:
                for name in _used(command):
                    line = command.span.line
                    if (name, line) in said:
                        continue
                    said.add((name, line))
                    why = "a password is set" if name == "chpasswd" else "USER says who runs what"
                    message = f"`{name}` is used: {why}"
                    yield self.at(command, message, stage=run.stage, clause=_CLAUSES[name])
        stages = {stage.index: stage for shipped in target.shipped for stage in shipped.lineage}
        for _, stage in sorted(stages.items()):
            yield from self._judge_installed(stage)
            for one in written(stage):
                if one.path.startswith("/etc/sudoers") and "NOPASSWD" in one.text:
                    message = f"{one.path} lets a user of the image become root without a password"
                    yield self.at(one.instruction, message, stage=stage, clause="no-password", line=one.line)

    def _judge_installed(self, stage: Stage) -> Iterator[Finding]:
        for run in runs_of(stage):
            for call in package_calls(run.script):
                names = sorted({one.name for one in call.packages} & _PACKAGES)
                if names and call.action == "install":
                    message = f"{call.manager} installs {', '.join(names)} in the shipped image"
                    yield self.at(call.command, message, stage=stage, clause="installed")

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Look for the programs in the files that the layers above the base brought."""
        own = {layer.index for layer in target.own_layers}
        for path, entry in target.image.files.items():
            program = path.rpartition("/")[2] in _PROGRAMS and entry.type in {"file", "hardlink"}
            if program and entry.layer in own and entry.mode & 0o111:
                place = Place(layer=target.image.layers[entry.layer].diff_id, path=path)
                yield self.in_image(f"{path} is in the image", place, clause="installed")

    example = Example(
        """
        FROM debian:13-slim
        USER 10001:10001
        RUN sudo mkdir /data
        """,
        """
        FROM debian:13-slim
        RUN mkdir /data
        USER 10001:10001
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        EditMutant(
            "no-password",
            "RUN echo 'app ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/app",
            "begin",
            clause="no-password",
        ),
        SourceMutant(
            "no-password",
            "USER 10001:10001",
            "RUN echo 'app ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/app\nUSER 10001:10001",
            clause="no-password",
        ),
        # edits of any file
        EditMutant("sudo", "RUN sudo true", "begin"),
        # of the shipped files
        SourceMutant("sudo", _ADD, f"{_ADD}RUN sudo chmod 0555 /rootfs/app\n", clause="sudo"),
        SourceMutant("sudo-in-shell", _ADD, f"{_ADD}RUN sh -c 'exec sudo id'\n", clause="sudo"),
        SourceMutant("su", _ADD, f"{_ADD}RUN su nobody -s /bin/sh -c id\n", clause="su"),
        SourceMutant("chpasswd", _ADD, f"{_ADD}RUN chpasswd < /rootfs/users\n", clause="chpasswd"),
        SourceMutant(
            "installed", _USER, f"RUN apk add --no-cache sudo=1.9.17-r0\n{_USER}", clause="installed"
        ),
        ImageMutant("sudo", "COPY --chmod=0755 <<E /usr/bin/sudo\nsudo\nE", clause="installed"),
    )


def _used(command: Command) -> list[str]:
    """Return the names of what a command uses, outermost first."""
    return [name for name in (*command.wrappers, command.name) if name in _CLAUSES]
