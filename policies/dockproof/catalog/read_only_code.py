"""The user that runs the code cannot change it.

What it holds
-------------
Source: in a shipped stage and those it is built FROM, nothing gives code to the user in force at its end. Code is what
COPY and ADD bring, and the working folder where a COPY to a folder above brings it; data is not: what lies below a
VOLUME, `/tmp`, `/run`, or `/var/lib`, `/var/log`, `/var/cache`, `/var/spool`. It fires on `COPY --chown` to that user
(`copied`), on `chown` of copied code or of a folder around it with -R (`given-away`), on a `chmod` or `COPY --chmod`
that lets all write it, or lets a group write it that the user is in (`writable`), and on language dependencies
installed after USER (`installed-as-user`). A folder below copied code, as `/app/uploads`, may be given. It says nothing
where the user is root (that is `non-root`'s) or not known. Image: no file of the own layers that is a program or a
library, or stands below the working folder, belongs to the config's user or may be written by it, and none of the
folders that hold them (`image`). Runtime: no such file or folder of the container's own file system can really be
opened for writing by the user, group and supplementary groups of its main process (`running`); under a read-only root
nothing can. Nothing is written, and what is mounted is data.

Why it matters
--------------
Who gets the program to write one file has it run what was written, and it survives a restart of the process. A
`chown -R` also stores everything that it touches a second time.

How to fix it
-------------
Leave the files with root and readable for all: drop the `chown` and copy without `--chown`. Give the user folders of
their own for what it writes, better a volume or a tmpfs.

References
----------
- https://docs.docker.com/reference/dockerfile/#copy---chown---chmod
- NIST SP 800-190, 4.4.3
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict

from dockproof.catalog._rights import Tree, copied, covers, grant, new_user, steps
from dockproof.catalog._rights import changes as changes_of
from dockproof.facts.packages import package_calls
from dockproof.facts.shell import script
from dockproof.finding import Place, Probe, Severity
from dockproof.patterns import pattern
from dockproof.policy import (
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
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from dockproof.catalog._rights import Change, Copied, Step
    from dockproof.facts.accounts import ResolvedUser
    from dockproof.facts.container import Writable
    from dockproof.facts.image import FileEntry, ImageFacts, Layer
    from dockproof.facts.stages import Stage
    from dockproof.finding import Answer, Finding
    from dockproof.policy import ImageTarget, Mutant, RuntimeTarget, SourceTarget

DATA = ("/tmp", "/run", "/var/run", "/var/tmp", "/var/lib", "/var/log", "/var/cache", "/var/spool", "/dev")  # noqa: S108 - names of folders in an image
INSTALLERS = frozenset({"pip", "uv", "poetry", "npm", "yarn", "pnpm", "bundle", "gem", "composer"})
_ROOT = pattern(r"root|[+-]?0+")
_NUMBER = pattern(r"[+-]?[0-9]+")
_CODE = pattern(r".*\.(?:py|pyc|so(?:\.[\d.]+)?|js|mjs|cjs|rb|php|jar|class|pl|sh|dll)")
_USER = "USER 10001:10001"
_CODE_COPY = "COPY --link --from=code /rootfs/ /"


class Who(NamedTuple):
    """The user in force: the texts that mean it, and those that mean its group."""

    names: frozenset[str]
    groups: frozenset[str]
    text: str


class ReadOnlyCode(Policy):
    """What runs does not belong to whom it runs as."""

    title = "the user that runs the code cannot change it"
    family = Family.LEAST_PRIVILEGE
    production = Severity.ERROR
    development = None
    clauses = (
        Clause("given-away", "no chown gives copied code to the user in force"),
        Clause("copied", "code is not copied as the user in force"),
        Clause("writable", "no mode lets the user in force write the code"),
        Clause("installed-as-user", "language dependencies are not installed as the user in force"),
        Clause(
            "image",
            "no program, library or file of the working folder is writable for the user",
            claimed_by=BY_IMAGE,
        ),
        Clause(
            "running",
            "the running user can open none of them for writing",
            claimed_by=BY_IMAGE,
            question="image",
        ),
    )
    references = (
        "https://docs.docker.com/reference/dockerfile/#copy---chown---chmod",
        "https://csrc.nist.gov/pubs/sp/800/190/final",
    )

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge what the lineage of each shipped stage gives to its user; a line shared by two is named once."""
        seen = set()
        for stage in target.shipped:
            user = stage.user.value.text if stage.user else None
            if user and not _ROOT.fullmatch(user.partition(":")[0]):
                for finding in self._judge(stage, _who(stage, user)):
                    if (finding.place, finding.clause) not in seen:
                        seen.add((finding.place, finding.clause))
                        yield finding

    def _judge(self, stage: Stage, who: Who) -> Iterator[Finding]:
        lineage = tuple(steps(stage))
        copies = tuple(copy for step in lineage if (copy := copied(step)))
        code = _code(stage, copies)
        groups = _groups_with_code(lineage, copies)
        for copy in copies:
            if any(path in code.at for path in copy.paths) and (found := _of_copy(copy, who)):
                yield self.at(copy.instruction, found[1], stage=copy.stage, clause=found[0])
        for step in lineage:
            for change in changes_of(step):
                if found := _of_change(change, who, code, groups):
                    yield self.at(change.command, found[1], stage=step.stage, clause=found[0])
            yield from self._installs(step, who)

    def _installs(self, step: Step, who: Who) -> Iterator[Finding]:
        if not step.user or step.user.partition(":")[0] not in who.names:
            return
        for call in package_calls(step.run.script):
            if (
                call.action == "install"
                and call.manager in INSTALLERS
                and "sudo" not in call.command.wrappers
            ):
                message = f"{call.manager} installs as {step.user}, the user that runs what is installed"
                yield self.at(call.command, message, stage=step.stage, clause="installed-as-user")

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Look at owners and modes of the own layers' files that run, and of the folders that hold them."""
        user = target.image.resolve_user()
        if user.uid is None or user.uid == 0:
            return
        for layer in target.own_layers:
            entries = [entry for entry in _running(target.image, layer) if _may_change(entry, user)]
            if entries:
                first = entries[0]
                more = f" and {len(entries) - 1} more" if len(entries) > 1 else ""
                message = f"uid {user.uid} runs the code and may change {first.path}{more}"
                yield self.in_image(message, Place(layer=layer.diff_id, path=first.path), clause="image")

    def runtime(self, target: RuntimeTarget) -> Iterator[Answer]:
        """Look at what the main process's user could open for writing."""
        container = target.container
        main = container.main
        if main is not None and main.is_root:
            yield self.skip(Probe.RUNTIME, "it runs as root, who may write everything: see non-root")
        elif main is None or container.writable is None:
            yield from self.untried(container, "write")
        else:
            found = [one for one in container.writable if _is_code(one, target.image.config.workdir)]
            if found:
                more = f" and {len(found) - 1} more" if len(found) > 1 else ""
                message = f"uid {main.uid} runs the code and could open {found[0].path}{more} for writing"
                yield self.in_container(message, Place(path=found[0].path, pid=main.pid), clause="running")

    experiments = frozenset({"write"})
    example = Example(
        """
        FROM python:3.13-slim
        COPY --chown=10001:10001 app /app
        USER 10001:10001
        CMD ["python", "/app/main.py"]
        """,
        """
        FROM python:3.13-slim
        COPY app /app
        USER 10001:10001
        CMD ["python", "/app/main.py"]
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant(
            "code-is-the-users",
            "COPY --chown={user} service.py ./",
            clause="copied",
            also=frozenset({"absolute-workdir", "context-excludes"}),
            requires=("user",),
        ),
        # of the shipped files
        SourceMutant(
            "chown",
            _USER,
            f"RUN chown -R 10001:10001 /app\n{_USER}",
            clause="given-away",
            also=frozenset({"no-wasted-bytes"}),
        ),
        SourceMutant(
            "copy-chown",
            _CODE_COPY,
            "COPY --link --chown=10001:10001 --from=code /rootfs/ /",
            clause="copied",
        ),
        SourceMutant(
            "worker-chown",
            _USER,
            f"RUN chown -R 10001 /app\n{_USER}",
            "Dockerfile.worker",
            clause="given-away",
            also=frozenset({"no-wasted-bytes"}),
        ),
        SourceMutant(
            "all-may-write",
            _USER,
            f"RUN chmod -R a+w /app\n{_USER}",
            clause="writable",
            also=frozenset({"no-world-writable", "no-wasted-bytes"}),
        ),
        SourceMutant(
            "installs-as-user",
            _USER,
            f"{_USER}\nRUN pip install --no-cache-dir --require-hashes -r /app/more.txt",
            clause="installed-as-user",
            also=frozenset({"reproducible"}),
        ),
        ImageMutant(
            "copied-as-user", "COPY --chown=10001:10001 <<code /app/more.py\npass\ncode", clause="image"
        ),
        ImageMutant(
            "open-folder", "COPY --chown=10001:10001 <<code /app/plugins/more.py\npass\ncode", clause="image"
        ),
        RuntimeMutant(
            "own-code",
            {"read_only": False},
            clause="running",
            instructions="COPY --chown=10001:10001 <<code /app/more.py\npass\ncode",
        ),
        RuntimeMutant(
            "shared-group",
            {"read_only": False, "group_add": ["4711"]},
            "worker",
            clause="running",
            instructions="COPY --chown=0:4711 --chmod=0664 <<code /app/more.py\npass\ncode",
        ),
    )


def _who(stage: Stage, text: str) -> Who:
    """Name the user in force by all that the lineage's useradd says of it."""
    name, _, group = text.partition(":")
    names, groups = {name}, {group} if group else set()
    made = False
    for step in steps(stage):
        if step.instruction.keyword == "RUN":
            for command in script(step.instruction, step.stage.shell_at(step.instruction)).named(
                "useradd", "adduser"
            ):
                new = new_user(command)
                uid = command.option("-u", "--uid")
                if names & {new, uid}:
                    made = True
                    names |= {new, *([uid] if uid else [])}
    if not group and not made and _NUMBER.fullmatch(name):
        groups.add("0")
    groups |= {"0", "root"} if groups & {"0", "root"} else set()
    return Who(frozenset(names), frozenset(groups), text)


def _code(stage: Stage, copies: tuple[Copied, ...]) -> Tree[str]:
    """Name where copied code stands: targets, and the working folder below one; data is left out."""
    volumes = [volume.value.text for volume in stage.volumes if volume.value.text]
    paths = {path for copy in copies for path in copy.paths}
    workdir = stage.workdir.value.text if stage.workdir else None
    if workdir and workdir != "/" and any(covers(path, workdir) for path in paths):
        paths.add(workdir)
    tree: Tree[str] = Tree()
    for path in sorted(paths):
        if not any(covers(folder, path) for folder in (*DATA, *volumes)):
            tree.add(path, path)
    return tree


def _groups_with_code(lineage: tuple[Step, ...], copies: tuple[Copied, ...]) -> frozenset[str]:
    """Name the groups that something was given to; what nobody gave away is root's."""
    groups = {copy.owner.partition(":")[2] for copy in copies if copy.owner}
    for step in lineage:
        for change in changes_of(step):
            if change.value and change.kind in {"owner", "group"}:
                groups.add(change.value.rpartition(":")[2])
    return frozenset({"0", "root", *groups} - {""})


def _of_copy(copy: Copied, who: Who) -> tuple[str, str] | None:
    """Give clause and sentence for a COPY that leaves code in the user's hands."""
    if copy.owner and copy.owner.partition(":")[0] in who.names:
        return "copied", f"--chown={copy.owner} gives {copy.target} to the user that runs it ({who.text})"
    given = grant(copy.mode)
    group = (copy.owner or "0").partition(":")[2] or "0"
    if given.others or (given.group and group in who.groups):
        return "writable", f"--chmod={copy.mode} lets the user that runs it ({who.text}) write {copy.target}"
    return None


def _of_change(change: Change, who: Who, code: Tree[str], groups: frozenset[str]) -> tuple[str, str] | None:
    """Give clause and sentence for a command that gives code to the user."""
    hit = next((path for path in change.paths if _reaches(path, code, recursive=change.recursive)), None)
    if hit is None or change.value is None:
        return None
    called = f"`{change.command.name} {change.value}`"
    if change.kind == "owner" and re.split("[:.]", change.value)[0] in who.names:
        return "given-away", f"{called} gives the code in {hit} to the user that runs it ({who.text})"
    given = grant(change.value) if change.kind == "mode" else grant(None)
    if given.others or (given.group and who.groups & groups):
        return "writable", f"{called} lets the user that runs the code ({who.text}) write {hit}"
    return None


def _reaches(path: str, code: Tree[str], *, recursive: bool) -> bool:
    """Whether a change of this path changes code: the copied file or folder itself, or all below a folder around."""
    folder = posixpath.dirname(path) if path.endswith("/*") else path
    return code.within(folder) is not None if recursive else folder in code.at


def _running(image: ImageFacts, layer: Layer) -> Iterator[FileEntry]:
    """Give the files of a layer that run or stand below the working folder, and then the folders that hold them."""
    workdir = image.config.workdir.rstrip("/")
    data = (*DATA, *image.config.volumes)
    folders: defaultdict[str, int] = defaultdict(int)
    for entry in image.layer_files(layer):
        below = bool(workdir) and entry.path.startswith(f"{workdir}/")
        runs = entry.type == "file" and (
            below or bool(entry.mode & 0o111) or bool(_CODE.fullmatch(entry.path))
        )
        if runs and not any(covers(folder, entry.path) for folder in data):
            folders[posixpath.dirname(entry.path)] += 1
            yield entry
    for path in folders:
        folder = image.files.get(path)
        if folder is not None:
            yield folder


def _is_code(one: Writable, workdir: str) -> bool:
    """Whether a writable path runs, or stands in the working folder."""
    folder = workdir.rstrip("/")
    below = bool(folder) and (one.path == folder or one.path.startswith(f"{folder}/"))
    runs = one.type == "file" and (bool(one.mode & 0o111) or bool(_CODE.fullmatch(one.path)))
    return below or runs


def _may_change(entry: FileEntry, user: ResolvedUser) -> bool:
    """Whether the user may write it or, as its owner, may let itself write it; the sticky bit guards others' files."""
    if entry.uid == user.uid:
        return True
    sticky = entry.type == "dir" and bool(entry.mode & 0o1000)
    return not sticky and entry.writable_by(user.uid or 0, [user.gid or 0, *user.groups])
