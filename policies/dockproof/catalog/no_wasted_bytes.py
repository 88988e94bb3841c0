"""No layer stores again, or hides, what an earlier own layer stored.

What it holds
-------------
Source, in a shipped stage and those it is built FROM: no RUN changes owner or mode of what an earlier COPY or ADD
brought, or an earlier RUN downloaded, by its own path or by a folder around it with -R (`rewritten`), moves it
(`moved`), or deletes it or a part of it (`deleted`); none removes packages that an earlier RUN installed (`deleted`);
none installs packages from files that a COPY brought for nothing else, a folder of wheels or a `.deb`, and that then
stay (`only-installed`). It passes the same inside one RUN, what lies in a mount, and what a builder stage does, since
no byte of that ships; it cannot see what a RUN made otherwise. Image: no own layer replaces a file of a lower own layer
by other content (`overwritten`), stores it again with the same content and another owner, mode or time
(`rights-changed`), or deletes it (`hidden`), where that wastes more than `least_bytes` (10000) in one layer; none holds
the files that installed packages came in, a wheel or a `.deb`, outside of caches and of the tools that bring their own
(`only-installed`, likewise); and none holds copies of other own files (`duplicate`), of more than
`least_duplicate_bytes` (1000000); hard links are no copies.
The message gives the number of files, the bytes, the largest files with their layers, and the instruction that made the
layer. The bytes of the base are not counted: they are there anyway.

Why it matters
--------------
A layer never shrinks: a `chown -R` of 200 MB makes an image of 400 MB, and what is deleted later is still pulled,
stored, and readable for everybody who has the image.

How to fix it
-------------
Drop the chown: root's files are readable for all. Where a mode or place must differ, say so when the file is made:
`COPY --chmod=0755 entrypoint.sh /usr/local/bin/`. Download, unpack and delete in one RUN; mount what only one step
needs: `RUN --mount=type=bind,source=wheels,target=/wheels pip install …`.

References
----------
- https://docs.docker.com/build/building/best-practices/#run
- https://docs.docker.com/reference/dockerfile/#run---mount
"""

from __future__ import annotations

import heapq
import posixpath

from dockproof.catalog._environment import expanded
from dockproof.catalog._rights import Tree, changes, copied, covers, joined, placed, steps
from dockproof.facts import waste
from dockproof.facts.downloads import downloads
from dockproof.facts.mounts import keeps_out
from dockproof.facts.packages import package_calls
from dockproof.finding import Place, Severity
from dockproof.patterns import pattern
from dockproof.policy import Clause, EditMutant, Example, Family, ImageMutant, Policy, SourceMutant
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, ClassVar

    from dockproof.catalog._rights import Step
    from dockproof.facts.image import Layer
    from dockproof.facts.shell_words import Command, Word
    from dockproof.facts.stages import Stage
    from dockproof.facts.waste import Waste
    from dockproof.finding import Finding
    from dockproof.policy import ImageTarget, Mutant, SourceTarget

_REMOVES = frozenset({"remove", "purge", "autoremove", "uninstall", "del", "erase"})
_MADE = pattern(
    r"dist|build|target|out|output|bin|obj|node_modules|vendor|coverage|tmp|\.[\w-]+|__pycache__|.*\.(?:pyc|o|egg-info|log)",
    needs=(
        *(
            "dist",
            "build",
            "target",
            "out",
            "bin",
            "obj",
            "node_modules",
            "vendor",
            "coverage",
            "tmp",
            "__pycache__",
        ),
        ".",
    ),
)
_PACKAGE_FILES = (".whl", ".deb", ".rpm", ".apk")
NAMED = 3
"""The largest files that a finding names."""

_USER = "USER 10001:10001"
_CODE_COPY = "COPY --link --from=code /rootfs/ /"


class Stored(NamedTuple):
    """What a layer holds: a path, or `manager:package`, and the line that brought it."""

    name: str
    line: int
    is_folder: bool = False


class _Layers:
    """What the layers so far hold, as far as the file tells: files by path, packages by `manager:name`."""

    def __init__(self) -> None:
        self.files: Tree[Stored] = Tree()
        self.packages: dict[str, int] = {}


class NoWastedBytes(Policy):
    """What is stored once is stored right."""

    title = "no layer rewrites or deletes what an earlier own layer stored"
    family = Family.STAGES
    production = Severity.WARNING
    development = Severity.INFO
    clauses = (
        Clause("rewritten", "no chown or chmod of what an earlier layer holds"),
        Clause("moved", "nothing is moved that an earlier layer holds"),
        Clause("deleted", "nothing is deleted or removed that an earlier own layer holds"),
        Clause("only-installed", "package files are mounted, not copied, where they are installed"),
        Clause("overwritten", "no own layer replaces a file of another by other content"),
        Clause("rights-changed", "no own layer stores a file again only to change its owner, mode or time"),
        Clause("hidden", "no own layer deletes files of another"),
        Clause("duplicate", "no content stands twice in the own layers"),
    )
    references = ("https://docs.docker.com/build/building/best-practices/#run",)
    options: ClassVar[Mapping[str, Any]] = {"least_bytes": 10_000, "least_duplicate_bytes": 1_000_000}

    def problem_of_option(self, name: str, value: Any) -> str:
        """Refuse fewer bytes than none."""
        return "" if value >= 0 else f"{value} is no number of bytes"

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Follow what each instruction of the shipped lineages stores; a line shared by two is named once."""
        seen = set()
        for stage in target.shipped:
            for finding in self._judge(stage):
                if finding not in seen:
                    seen.add(finding)
                    yield finding

    def _judge(self, stage: Stage) -> Iterator[Finding]:
        stored = _Layers()
        for step in steps(stage):
            if step.instruction.keyword == "RUN":
                for clause, command, message in _wastes(step, stored):
                    yield self.at(command, message, stage=step.stage, clause=clause)
                stored.packages |= _installs(step)
            for one in _stores(step):
                stored.files.add(one.name, one)

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Compare the own layers with each other."""
        own, options = target.own_layers, target.options
        found: dict[tuple[int, str], list[Waste]] = {}
        left = waste.package_files(own, target.image)
        for one in (*waste.wasted(own), *waste.duplicates(own), *left):
            found.setdefault((one.layer, one.cause), []).append(one)
        for (index, cause), wastes in sorted(found.items()):
            least = options["least_duplicate_bytes" if cause == waste.DUPLICATE else "least_bytes"]
            if waste.total(wastes) > least:
                layer = target.image.layers[index]
                place = Place(
                    layer=layer.diff_id, layer_index=index, path=max(wastes, key=_by_size).entry.path
                )
                yield self.in_image(_sentence(layer, cause, wastes), place, clause=cause)

    example = Example(
        """
        FROM debian:13-slim
        COPY app /app
        RUN chown -R 10001:10001 /app
        """,
        """
        FROM debian:13-slim
        COPY --chown=10001:10001 app /app
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("removed-again", "COPY large.bin /large.bin\nRUN rm /large.bin", "begin"),
        # of the shipped files
        SourceMutant("chmod", _USER, f"RUN chmod -R go-w /app\n{_USER}", clause="rewritten"),
        SourceMutant(
            "move",
            _CODE_COPY,
            f"{_CODE_COPY}\nCOPY requirements/runtime.txt /srv/\nRUN mv /srv/runtime.txt /srv/list",
            clause="moved",
            at="RUN mv",
        ),
        SourceMutant(
            "wheels",
            _CODE_COPY,
            f"{_CODE_COPY}\nCOPY requirements/runtime.txt /wheels/\nRUN rm -rf /wheels",
            clause="deleted",
            at="rm -rf",
        ),
        SourceMutant(
            "only-installed",
            _CODE_COPY,
            f"{_CODE_COPY}\nCOPY requirements /wheels\n"
            "RUN pip install --no-cache-dir --no-index --no-compile /wheels/*",
            clause="only-installed",
            at="RUN pip",
        ),
        ImageMutant(
            "twice",
            "USER root\nRUN head -c 20000 /dev/zero > /one\nRUN chmod 600 /one\nUSER 10001:10001",
            clause="rights-changed",
        ),
        ImageMutant(
            "owned-later",
            "USER root\nRUN head -c 20000 /dev/zero > /one\nRUN chown 1:1 /one\nUSER 10001:10001",
            clause="rights-changed",
        ),
        ImageMutant(
            "overwritten",
            "USER root\nRUN head -c 20000 /dev/zero > /one\nRUN head -c 30000 /dev/zero > /one\nUSER 10001:10001",
            clause="overwritten",
        ),
        ImageMutant(
            "copied",
            "USER root\nRUN head -c 1100000 /dev/zero > /one\nRUN cp /one /two\nUSER 10001:10001",
            clause="duplicate",
        ),
        ImageMutant(
            "wheels-left",
            "USER root\nRUN head -c 20000 /dev/zero > /srv/uvicorn-1-py3-none-any.whl\nUSER 10001:10001",
            clause="only-installed",
        ),
        ImageMutant(
            "deleted-later",
            "USER root\nRUN head -c 20000 /dev/zero > /one\nRUN rm /one\nUSER 10001:10001",
            clause="hidden",
        ),
    )


def _stores(step: Step) -> Iterator[Stored]:
    """Name what an instruction leaves in its layer, as far as the file tells."""
    copy = copied(step)
    line = step.instruction.span.line
    if copy:
        yield from (Stored(path, line, copy.is_folder) for path in copy.paths if path != "/")
        workdir = step.stage.workdir.value.text if step.stage.workdir else None
        if workdir and workdir != "/" and any(path == "/" for path in copy.paths):
            yield Stored(workdir, line, is_folder=True)
    elif step.instruction.keyword == "RUN":
        script = step.run.script
        found = downloads(script)
        folders = {id(command): folder for command, folder in placed(step)} if found else {}
        for download in found:
            if download.output and "$" not in download.output:
                folder = folders.get(id(download.command), step.workdir)
                path = joined(folder, download.output)
                if not keeps_out(step.instruction, path) and not _removed(step, path):
                    yield Stored(path, line)


def _installs(step: Step) -> dict[str, int]:
    """Name the packages that a RUN installs, each with its line."""
    return {
        f"{call.manager}:{package.name}": step.instruction.span.line
        for call in package_calls(step.run.script)
        if call.action == "install"
        for package in call.packages
    }


def _removed(step: Step, path: str) -> bool:
    """Whether the RUN itself deletes or moves it again."""
    return any(covers(one, path) for _, one in _named(step, "rm", "mv", "unlink"))


def _named(step: Step, *names: str) -> Iterator[tuple[Command, str]]:
    """Give the commands of these names with each of their paths; of mv all but where it goes."""
    run = step.run
    for command, folder in placed(step):
        if command.name in names:
            words: tuple[Word, ...] = command.arguments[:-1] if command.name == "mv" else command.arguments
            for word in words:
                text = expanded(run, word)
                if text:
                    yield command, joined(folder, text)


def _wastes(step: Step, stored: _Layers) -> Iterator[tuple[str, Command, str]]:
    """Yield clause, command and sentence for each command that touches what is stored; one for each command."""
    said = set()
    for change in changes(step):
        made_anew = change.command.name in {"mkdir", "install"}
        found = (_changed(stored.files, path, recursive=change.recursive) for path in change.paths)
        hit = None if made_anew else next((one for one in found if one), None)
        if hit and hit not in said:
            said.add(hit)
            message = f"`{change.command.name}` stores {hit.name} again, which line {hit.line} stored"
            yield "rewritten", change.command, message
    done = set()
    for command, path in _named(step, "rm", "mv", "unlink", "rmdir"):
        hit = stored.files.within(path) or (None if _may_be_made(path) else stored.files.around(path))
        if hit and command not in done and not keeps_out(step.instruction, path):
            done.add(command)
            clause = "moved" if command.name == "mv" else "deleted"
            still = "which stays in the layer of line"
            yield clause, command, f"`{command.name}` takes {path} away, {still} {hit.line}"
    yield from _removed_packages(step, stored.packages)
    if not done:
        yield from _installed_files(step, stored.files)


def _installed_files(step: Step, files: Tree[Stored]) -> Iterator[tuple[str, Command, str]]:
    """Find installations from package files that an earlier COPY brought alone, or as the folder that holds them."""
    for call in package_calls(step.run.script):
        for word in call.files if call.action == "install" else ():
            path = step.path(expanded(step.run, word) or word.text)
            hit = files.at.get(posixpath.dirname(path)) or files.at.get(path)
            if hit and path.endswith((*_PACKAGE_FILES, "/*")) and not keeps_out(step.instruction, path):
                message = (
                    f"{hit.name}, which line {hit.line} stored, is needed to install and stays: mount it"
                )
                yield "only-installed", call.command, message
                break


def _may_be_made(path: str) -> bool:
    """Whether a path in a copied folder bears the name of what a build makes there."""
    return any(_MADE.fullmatch(part) for part in path.split("/"))


def _removed_packages(step: Step, packages: Mapping[str, int]) -> Iterator[tuple[str, Command, str]]:
    for call in package_calls(step.run.script):
        if call.action in _REMOVES or call.verb in _REMOVES:
            names = [one.name for one in call.packages if f"{call.manager}:{one.name}" in packages]
            if names:
                line = packages[f"{call.manager}:{names[0]}"]
                yield "deleted", call.command, f"{names[0]} is removed, but stays in the layer of line {line}"


def _changed(files: Tree[Stored], path: str, *, recursive: bool) -> Stored | None:
    """Find what a change of a path stores again; a folder's own entry holds no bytes, `folder/*` does."""
    if recursive:
        return files.within(path)
    folder, name = posixpath.split(path)
    whole = files.at.get(folder) if name == "*" else None
    if whole and whole.is_folder:
        return whole
    hit = files.within(path)
    alike = hit and not hit.is_folder and posixpath.dirname(hit.name) == folder
    return hit if alike and covers(path, hit.name if hit else "") else None


# ------------------------------------------------------------------------------------------------------ image


def wasted(layers: Iterable[Layer]) -> int:
    """Return the bytes of files that a higher one of these layers stores again or deletes."""
    return waste.total(waste.wasted(tuple(layers)))


_DONE: Mapping[str, str] = {
    waste.OVERWRITTEN: "overwrites {count} of lower own layers",
    waste.CHANGED: "changes owner, mode or time of {count} of lower own layers, and so stores them again",
    waste.HIDDEN: "deletes {count} of lower own layers, which stay in those",
    waste.DUPLICATE: "holds {count} with the content of other own files",
    waste.INSTALLED: "holds {count} that installed packages came in",
}


def _sentence(layer: Layer, cause: str, found: list[Waste]) -> str:
    """Say what a layer does, to how many files and bytes, and name the largest of them."""
    by = f" ({' '.join(layer.history.created_by.split())[:80]})" if layer.history else ""
    count = "one file" if len(found) == 1 else f"{len(found)} files"
    largest = ", ".join(map(_named_file, heapq.nlargest(NAMED, found, key=_by_size)))
    more = ", …" if len(found) > NAMED else ""
    done = _DONE[cause].format(count=count)
    return f"layer {layer.index}{by} {done}, {waste.total(found)} bytes: {largest}{more}"


def _by_size(one: Waste) -> tuple[int, str]:
    return one.size, one.entry.path


def _named_file(one: Waste) -> str:
    """Name a file with its bytes, the layer that stored it, and what became of it."""
    name = f"{one.entry.path} ({one.size} bytes"
    if one.cause == waste.DUPLICATE and one.by:
        return f"{name}, as {one.by.path} of layer {one.by.layer})"
    change = f", {one.change}" if one.change else ""
    return f"{name} of layer {one.entry.layer}{change})"
