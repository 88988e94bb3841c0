"""Two clean builds of one commit give the same image.

What it holds
-------------
Source, of what is known to differ at each build. In every stage that a shipped one needs: no time of the build goes
into a file (`time`: the output of `date` without a fixed date, redirected, through `tee` or `sed -i`, or as a setting
of `make` and `go build`), no random value or fresh key does (`random`: uuidgen, `openssl rand`, /dev/urandom,
ssh-keygen, `openssl req -x509` and their like), and no bytecode bears dates (`bytecode`: pip's without
`--no-compile`, compileall's without `--invalidation-mode`, unless SOURCE_DATE_EPOCH is declared; in a stage that only
builds, pip counts where it installs into a folder of its own). In the stages that a shipped one is built FROM, apt
leaves no logs with the time of each package (`package-logs`). What is only printed, removed in the same RUN or
written to a mount is not judged; nor are versions that move: pinned-base, locked-dependencies, pinned-packages and
verified-download ask for those. Image, where it is asked for (`dockproof verify --reproducible`): the service is
built twice, the second time without the cache, from a copy of the context in another folder, with other file times
and under umask 077, both with one SOURCE_DATE_EPOCH; both images have one id (`rebuilt`). A finding names the layer,
its instruction, and the files.

Why it matters
--------------
An image that anybody can build again, byte for byte, needs no trust in whoever built it, and a layer that comes out
the same is neither pushed nor pulled again.

How to fix it
-------------
Declare `ARG SOURCE_DATE_EPOCH` and take times from it, or leave them out. Install with `pip install --no-compile` and
compile with `python -m compileall --invalidation-mode unchecked-hash`. Remove /var/log/apt, /var/log/dpkg.log and
/var/cache/ldconfig in the RUN that installs. Make keys when the container starts. For the files' own dates, export with
`rewrite-timestamp=true`, or gather what is shipped in one folder of a build stage, `touch --date=@0` it, and
`COPY --link` it.

References
----------
- https://reproducible-builds.org/docs/source-date-epoch/
- https://docs.docker.com/build/ci/github-actions/reproducible-builds/
- https://docs.python.org/3/library/py_compile.html#py_compile.PycInvalidationMode
"""

from __future__ import annotations

from dockproof.catalog._environment import value_of
from dockproof.catalog._runs import runs_of, unread
from dockproof.facts.mounts import keeps_out
from dockproof.facts.packages import package_calls
from dockproof.finding import Place, Probe, Severity
from dockproof.patterns import pattern
from dockproof.policy import Clause, EditMutant, Example, Family, ImageMutant, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, ClassVar

    from dockproof.catalog._runs import Run
    from dockproof.facts.reproduction import Reproduction
    from dockproof.facts.shell_words import Command
    from dockproof.finding import Finding, NotApplicable
    from dockproof.policy import ImageTarget, Mutant, SourceTarget

EPOCH = "SOURCE_DATE_EPOCH"
_WRITES = frozenset({">", ">>", ">|", "&>", "&>>"})
_FIXED = ("-d", "--date", "-r", "--reference", "-f", "--file", "-s", "--set")
_RANDOM = frozenset({"uuidgen", "mcookie", "pwgen"})
_SOURCES = pattern(r"(?:.*=)?/dev/u?random\Z|(?:.*=)?/proc/sys/kernel/random/uuid\Z")
# They take a time that they are given into what they make.
_BUILDERS = frozenset({"make", "go", "cmake"})
_PYTHON = pattern(r"(?:python|pypy)[0-9.]*\Z")
_OWN_FOLDER = ("--target", "-t", "--prefix", "--root", "--python")
_LOGS = pattern(r"/var/log(?:/.*)?\Z|/var/?\Z")
_NAMED = 3
_USER = "USER 10001:10001"
_HELP = {
    "time": "leave it out, or take it from SOURCE_DATE_EPOCH",
    "random": "make it when the container starts",
    "bytecode": "declare `ARG SOURCE_DATE_EPOCH`, or install with --no-compile and compile with unchecked hashes",
    "package-logs": "rm -rf /var/log/apt /var/log/dpkg.log /var/cache/ldconfig in the same RUN",
}
_ASKED = "`dockproof verify --reproducible` builds it twice and compares; it was not asked to"


class Reproducible(Policy):
    """Nothing of the moment is in the image."""

    title = "two clean builds of one commit give the same image"
    family = Family.REPEATABLE
    production = Severity.WARNING
    development = None
    builder = Severity.WARNING
    clauses = (
        Clause("time", "no time of the build is stored"),
        Clause("random", "nothing random is stored"),
        Clause("bytecode", "Python's bytecode bears no dates"),
        Clause("package-logs", "apt's logs are removed"),
        Clause("rebuilt", "a second, clean build gives the same image"),
    )
    references = ("https://reproducible-builds.org/docs/source-date-epoch/",)
    options: ClassVar[Mapping[str, Any]] = {"build_twice": False}

    def source(self, target: SourceTarget) -> Iterator[Finding | NotApplicable]:
        """Judge each command of the needed stages; apt's logs only where they ship."""
        yield from unread(self, target.dockerfile)
        shipped = {stage.index for one in target.shipped for stage in one.lineage}
        for stage in target.dockerfile.stages:
            for run in runs_of(stage) if stage.index in target.needed else ():
                for clause, command, message in _told(run, ships=stage.index in shipped):
                    found = self.at(command, message, stage=stage, clause=clause)
                    yield found._replace(help=_HELP[clause])

    def image(self, target: ImageTarget) -> Iterator[Finding | NotApplicable]:
        """Compare the image with that of a second build, where there was one."""
        if target.again is None:
            yield self.skip(Probe.IMAGE, _ASKED)
        elif not target.again.identical:
            yield from self._differences(target.again)

    def _differences(self, found: Reproduction) -> Iterator[Finding]:
        for layer, how, paths in found.groups():
            diff_id = found.layers[layer] if layer < len(found.layers) else ""
            place = Place(layer=diff_id, path=paths[0])
            yield self.in_image(_sentence(found, layer, how, paths), place, clause="rebuilt")
        for name in found.config:
            message = f"{name} of the config is not the same after a second, clean build"
            yield self.in_image(message, Place(field=name), clause="rebuilt")
        if not found.differences and not found.config:
            message = f"a second, clean build gives {found.second[:19]}, not {found.first[:19]}"
            yield self.in_image(message, Place(field="Id"), clause="rebuilt")

    example = Example(
        """
        FROM debian:13-slim
        RUN date > /built
        """,
        """
        FROM debian:13-slim
        ARG SOURCE_DATE_EPOCH=0
        RUN date --date=@$SOURCE_DATE_EPOCH > /built
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("date", "RUN date > /built", "begin", clause="time"),
        # of generated files
        SourceMutant(
            "bytecode-in-python",
            " --no-compile --require",
            "  --require",
            "good/python",
            clause="bytecode",
            at="pip install",
        ),
        # of the shipped files
        SourceMutant("date", _USER, f"RUN date > /app/built\n{_USER}", clause="time"),
        SourceMutant("random", _USER, f"RUN head -c 16 /dev/urandom > /app/seed\n{_USER}", clause="random"),
        SourceMutant("compiled", " --no-compile \\", " \\", clause="bytecode", at="&& pip --python"),
        SourceMutant(
            "compileall", " --invalidation-mode unchecked-hash", "", clause="bytecode", at="compileall"
        ),
        SourceMutant(
            "logs",
            "FROM base AS runtime",
            "FROM base AS runtime\nRUN apt-get update && apt-get install --yes --no-install-recommends tini=0.19.0-3"
            " && rm -rf /var/lib/apt/lists/*",
            clause="package-logs",
        ),
        ImageMutant(
            "date",
            "USER root\nRUN date +%s%N > /built\nUSER 10001:10001",
            clause="rebuilt",
            twice=True,
        ),
        ImageMutant(
            "file-times", "USER root\nRUN touch /built\nUSER 10001:10001", clause="rebuilt", twice=True
        ),
    )


def _sentence(found: Reproduction, layer: int, how: str, paths: tuple[str, ...]) -> str:
    names = ", ".join(paths[:_NAMED]) + (f" and {len(paths) - _NAMED:,} more" if len(paths) > _NAMED else "")
    count = "one file differs" if len(paths) == 1 else f"{len(paths):,} files differ"
    step = found.steps[layer] if layer < len(found.steps) else ""
    made = f" (layer of {step[:80]})" if step else ""
    return f"{count} in {how} after a second, clean build: {names}{made}"


# ---------------------------------------------------------------------------------------------------- source


def _told(run: Run, *, ships: bool) -> Iterator[tuple[str, Command, str]]:
    """Yield clause, command and sentence for what differs at each build."""
    for command in run.script.commands:
        for clause, judge in _JUDGES.items():
            if message := judge(run, command):
                yield clause, command, message
    yield from _pip(run, ships=ships)
    if ships:
        yield from _package_logs(run)


def _time(run: Run, command: Command) -> str:
    """Say where the time of the build goes, "" for nowhere."""
    if command.name != "date" or command.has(*_FIXED) or EPOCH in command.text:
        return ""
    where = _destination(run, command)
    return f"the time of the build goes into {where}" if where else ""


def _random(run: Run, command: Command) -> str:
    """Say where something random goes, or that a key is made."""
    words = [word.text for word in command.words]
    if _makes_key(command, words):
        return f"`{' '.join(words[:2])}` makes another key at each build"
    is_random = command.name in _RANDOM or words[:2] == ["openssl", "rand"]
    if not is_random and not any("random" in word and _SOURCES.match(word) for word in words[1:]):
        return ""
    where = _destination(run, command) or next((word[3:] for word in words if word.startswith("of=")), "")
    return f"something random goes into {where}" if where else ""


def _makes_key(command: Command, words: list[str]) -> bool:
    if command.name == "ssh-keygen":
        return command.has("-t", "-A") and not command.has("-l", "-y", "-R", "-F")
    if command.name == "openssl":
        verb = words[1] if len(words) > 1 else ""
        return verb in {"genrsa", "genpkey", "dhparam"} or (
            verb == "req" and bool({"-x509", "-newkey"} & set(words))
        )
    return command.name == "keytool" and bool({"-genkey", "-genkeypair"} & set(words))


def _compileall(run: Run, command: Command) -> str:
    if not _PYTHON.match(command.name):
        return ""
    words = [word.text for word in command.words]
    fixed = any(word.startswith("--invalidation-mode") for word in words)
    if words[1:3] != ["-m", "compileall"] or fixed or _has_epoch(run, command):
        return ""
    return "compileall writes the files' dates into bytecode"


_JUDGES: Mapping[str, Callable[[Run, Command], str]] = {
    "time": _time,
    "random": _random,
    "bytecode": _compileall,
}


def _destination(run: Run, command: Command) -> str:
    """Name the file that a command's output goes to, through pipes and substitutions; "" where it is none for sure."""
    one: Command | None = command
    for _ in range(16):  # a longer chain is nobody's
        if one is None:
            break
        for redirect in one.redirects:
            path = redirect.target.text
            if redirect.operator in _WRITES and redirect.fd in {None, 1}:
                return path if _stays(run, path) else ""
        if one.piped_into is not None:
            one = one.piped_into
            if one.name == "tee" and one.arguments:
                path = one.arguments[0].text
                return path if _stays(run, path) else ""
            continue
        one = one.feeds
        if one is not None and (one.name in _BUILDERS or (one.name == "sed" and one.has("-i", "--in-place"))):
            return f"what `{one.name}` makes"
    return ""


def _stays(run: Run, path: str) -> bool:
    """Whether a file is in the layer: no device, in no mount, not removed in the same RUN."""
    if path.startswith(("/dev/", "/proc/", "&")) or keeps_out(run.instruction, path):
        return False
    removed = (word.text for command in run.script.named("rm", "unlink") for word in command.arguments)
    return not any(path == one or path.startswith(f"{one.rstrip('/*')}/") for one in removed)


def _has_epoch(run: Run, command: Command) -> bool:
    """Whether SOURCE_DATE_EPOCH reaches the command; declared is enough, since the builder gives the value."""
    return EPOCH in run.stage.arguments or value_of(run, command, EPOCH) is not None


def _pip(run: Run, *, ships: bool) -> Iterator[tuple[str, Command, str]]:
    """Yield the calls of pip that leave bytecode with the date of each source file in it."""
    calls = [call for call in package_calls(run.script) if call.manager == "pip" and call.action == "install"]
    text = " ".join(command.text for command in run.script.named("rm", "find")) if calls else ""
    if "__pycache__" in text or ".pyc" in text:
        return
    for call in calls:
        if call.has("--no-compile"):
            continue
        own = call.has(*_OWN_FOLDER) or "/" in call.command.path
        if (
            (ships or own)
            and not _has_epoch(run, call.command)
            and not value_of(run, call.command, "PIP_NO_COMPILE")
        ):
            yield (
                "bytecode",
                call.command,
                "pip writes the date of the build into the bytecode of each module",
            )


def _package_logs(run: Run) -> Iterator[tuple[str, Command, str]]:
    calls = (call for call in package_calls(run.script) if call.manager in {"apt-get", "apt"})
    first = next((call for call in calls if call.action in {"install", "upgrade"}), None)
    if first is None or keeps_out(run.instruction, "/var/log/dpkg.log"):
        return
    removed = (word.text for command in run.script.named("rm") for word in command.arguments)
    if not any(_LOGS.match(path) for path in removed):
        message = "apt writes the time of the build into /var/log/dpkg.log and /var/log/apt"
        yield "package-logs", first.command, message
