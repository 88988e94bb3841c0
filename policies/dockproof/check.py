"""`dockproof check`: Dockerfiles to a report, our probes and hadolint side by side.

A file that cannot be read, a crashed probe and a tool that fails are said in the report; none of them stops the rest.
"""

from __future__ import annotations

import gc
import os
import sys
from contextlib import ExitStack, contextmanager, nullcontext, suppress

from dockproof import gate, waiver
from dockproof.collect import discover
from dockproof.collect.discover import STDIN, Found
from dockproof.facts.dockerfile import parse
from dockproof.finding import Probe
from dockproof.gate import Answers, CheckReport, FileReport, NotLooked, Probed
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from dockproof.collect import hadolint
    from dockproof.config import Config, FileRule
    from dockproof.facts.context import BuildContext
    from dockproof.facts.dockerfile import Dockerfile
    from dockproof.finding import Finding
    from dockproof.generic import T
    from dockproof.policy import Policy, Profile
    from dockproof.results import Results
    from dockproof.spool import Packed, Spool


class Standard(NamedTuple):
    """A Dockerfile that came on standard input.

    Attributes:
        content: its bytes.
        name: what reports and rules call it.
    """

    content: bytes
    name: str = STDIN


class Settings(NamedTuple):
    """How a check is done, beside what the configuration says.

    Attributes:
        targets: stages that are shipped, for every file; empty = what the rules say.
        standard: what `-` stands for.
        fingerprints: whether findings get fingerprints: baselines and some reports need them.
        defaults: built-in defaults alone, hadolint's too.
        fixes: whether findings that `dockproof fix` can mend get their edits: JSON and SARIF tell it.
        cache: whether answers of earlier runs count, and those of this one are kept.
    """

    targets: tuple[str, ...] = ()
    standard: Standard = Standard(b"")
    fingerprints: bool = False
    defaults: bool = False
    fixes: bool = False
    cache: bool = True


def run(
    paths: Sequence[str], policies: Mapping[str, Policy], config: Config, settings: Settings | None = None
) -> CheckReport:
    """Check files and folders.

    Args:
        paths: as the user named them; `-` is standard input.
        policies: all policies by id.
        config: the configuration in force.
        settings: the rest; None = the defaults.

    Raises:
        NothingToCheckError: the paths hold no Dockerfile.
    """
    found = discover.discover(paths)
    checker = _Checker(policies, config, settings or Settings())
    with _swept() if len(found) > FEW else nullcontext():
        reports, failed = checker.reports(found)
    checker.add_unused(reports, paths)
    files = tuple(reports) if isinstance(reports, list) else reports
    return CheckReport(files, failed)


def gathered(values: Iterable[T], count: int) -> list[T] | Spool[T]:
    """Return what is known of `count` files as a list: from some number of files on it lies in a temporary file."""
    if count < IN_MEMORY:
        return list(values)
    from dockproof.spool import Spool  # noqa: PLC0415 - only many files need it

    return Spool(values)


def check_file(path: str | os.PathLike[str], policies: Mapping[str, Policy], config: Config) -> FileReport:
    """Check one file, hadolint and the baseline included where the configuration wants them.

    A failure of hadolint is the file's.
    """
    report = run([str(path)], policies, config, Settings(fingerprints=config.baseline is not None))
    if config.baseline is not None:
        from pathlib import Path  # noqa: PLC0415 - few files are checked so

        from dockproof import baseline  # noqa: PLC0415 - as above

        report, _ = baseline.apply(report, Path(config.baseline))
    (file,) = report.files
    answers = file.answers
    return file._replace(answers=answers._replace(not_looked=(*answers.not_looked, *report.not_looked)))


@contextmanager
def _swept() -> Iterator[None]:
    """Search for what files leave behind when some have been probed, and not while one is.

    Facts hold one another in circles. Left to itself, Python searches several times while a file is probed, among what
    is still needed: a sixth of the time.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(OBJECTS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


FEW = 8
"""Files up to which no answer is kept: probing them takes less time than knowing whether one has to."""

BATCH = 32
"""Files that are worth a process of their own."""

SWEEP = 32
"""Files after which what they left behind is searched for."""

OBJECTS = 200_000
"""New objects from which on Python searches for what is needed no more after all: some files are large."""

IN_MEMORY = 2 * BATCH
"""Files of which not all that is known stands in memory at once; processes look at no fewer."""


class _Asked(NamedTuple):
    """What an answer hangs on, beside what all answers of a run hang on.

    Attributes:
        content: the file's bytes.
        settings: its name, profile, targets and rules.
        context: its build context, None without one.
    """

    content: bytes
    settings: tuple[object, ...]
    context: BuildContext | None


class _Looked(NamedTuple):
    """One file after our probes, small enough to be kept for all files until hadolint has ended.

    Attributes:
        path: as reports name it.
        file: where it lies; None for standard input.
        profile: what it was held to.
        rules: the configuration's rules for it.
        probed: what our probes said; None where the file could not be read.
        error: why it could not be read, "" otherwise.
        excerpt: the lines of our findings.
    """

    path: str
    file: str | None
    profile: Profile
    rules: tuple[FileRule, ...] = ()
    probed: Probed | None = None
    error: str = ""
    excerpt: Mapping[int, str] = {}


class _Checker:
    """Checks files one by one; what all of them share is here."""

    def __init__(self, policies: Mapping[str, Policy], config: Config, settings: Settings) -> None:
        self.policies, self.config, self.settings = policies, config, settings
        self._chosen: dict[Profile, tuple[Policy, ...]] = {}
        self._results: Results | None = None
        self._probed = 0

    def reports(
        self, found: Sequence[Found]
    ) -> tuple[list[FileReport] | Spool[FileReport], tuple[NotLooked, ...]]:
        """Report every file, and what belongs to none."""
        self._remember(found)
        if not wants_hadolint(self.config):
            return gathered(self._report_all(found), len(found)), ()
        looked, said = self._look(found)
        return gathered((self._report(one, said) for one in looked), len(found)), said.failed

    def _look(self, found: Sequence[Found]) -> tuple[Sequence[_Looked], hadolint.Found]:
        """Run our probes, and hadolint at the same time."""
        from dockproof.collect import process  # noqa: PLC0415 - threads and processes cost the start 15 ms

        looked: list[Sequence[_Looked]] = []
        said: list[hadolint.Found] = []

        def probed() -> Iterator[_Looked]:
            for one in found:
                process.pause(0)  # after Ctrl-C nobody waits for the rest
                yield self.probe(one)

        jobs: list[Callable[[], object]] = [
            lambda: said.append(self._hadolint(found)),
            lambda: looked.append(gathered(probed(), len(found))),
        ]
        process.parallel(lambda job: job(), jobs, workers=len(jobs))
        return looked[0], said[0]

    def _remember(self, found: Sequence[Found]) -> None:
        """Open the answers of earlier runs, where there are files enough for it to pay."""
        if len(found) <= FEW or not self.settings.cache:
            return
        from dockproof.results import Results  # noqa: PLC0415 - as above

        with suppress(OSError, ValueError):  # what cannot be told apart is not kept
            self._results = Results(self.policies, self.config)

    def _report_all(self, found: Sequence[Found]) -> Iterator[Any]:
        """Report every file without hadolint, on all processors where there are files enough for it to pay.

        What another process has done comes as a `spool.Packed`, which `gathered` takes for the report itself.
        """
        workers = min(_processors(), len(found) // BATCH)
        if workers < 2 or self.settings.standard.content:  # noqa: PLR2004 - one is this process
            yield from map(self._alone, found)
            return
        from dockproof import shares, spool  # noqa: PLC0415 - only many files need them

        yield from map(self._alone, found[:FEW])  # what most files need is loaded once, for all processes
        yield from map(spool.Packed, shares.answers(self._packed, found[FEW:], workers))

    def _alone(self, found: Found) -> FileReport:
        return self._report(self.probe(found), None)

    def _packed(self, found: Found) -> Packed:
        from dockproof.spool import packed  # noqa: PLC0415 - only many files need it

        return packed(self._alone(found))

    def _hadolint(self, found: Sequence[Found]) -> hadolint.Found:
        from dockproof.collect import hadolint  # noqa: PLC0415 - see `look`

        with ExitStack() as stack:
            paths = {one.path: self._on_disk(one, stack) for one in found if _is_readable(one)}
            try:
                said = hadolint.run(
                    list(paths.values()), defaults=self.settings.defaults, keep=self.settings.cache
                )
            except Exception as error:  # noqa: BLE001 - whatever happens to it, our own findings must not be lost
                said = hadolint.Found(
                    {}, {}, (NotLooked("hadolint", f"it crashed: {error!r}", gate.where(error)),)
                )
        named = {path: name for name, path in paths.items()}
        return hadolint.Found(
            {named[path]: some for path, some in said.findings.items()},
            {named[path]: one for path, one in said.refused.items()},
            said.failed,
        )

    def _on_disk(self, found: Found, stack: ExitStack) -> str:
        """Return where hadolint finds the file: it cannot say standard input, nor a name that is no UTF-8."""
        if found.path != STDIN and found.path.encode("utf-8", "replace").decode() == found.path:
            return found.path
        import tempfile  # noqa: PLC0415 - few files pay for it

        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="dockproof-"))
        path = os.path.join(folder, "Dockerfile")  # noqa: PTH118 - text, as other paths here
        with open(path, "wb") as file:  # noqa: PTH123 - as above
            file.write(self._content(found))
        return path

    def probe(self, found: Found) -> _Looked:
        """Read one file and ask our probes."""
        self._probed += 1
        if not self._probed % SWEEP:
            gc.collect()
        name = self.settings.standard.name if found.path == STDIN else found.path
        rules = self.config.rules_for(name)
        profile = next((rule.profile for rule in rules if rule.profile), self.config.profile)
        looked = _Looked(found.path, None if found.path == STDIN else found.path, profile, rules)
        try:
            content = self._content(found)
        except OSError as error:
            return looked._replace(error=error.strerror or str(error))
        context = _context(looked)
        asked = _Asked(content, (name, profile, rules, self.settings.targets, self.settings.fixes), context)
        known = self._results.get(asked) if self._results else None
        if known:
            return looked._replace(probed=known[0], excerpt=known[1])
        dockerfile = parse(content, name)
        try:
            probed = self._ask(dockerfile, looked, context)
        except Exception as error:  # noqa: BLE001 - whatever one file does to us, the others go on and the gate fails closed
            missed = NotLooked("dockproof", f"reading the file crashed: {error!r}", gate.where(error))
            return looked._replace(probed=Probed(Answers(not_looked=(missed,)), (), ()))
        if self.settings.fixes and probed.answers.findings:
            probed = self._with_fixes(content, dockerfile, looked, probed)
        excerpt = _excerpt(dockerfile.lines, probed.answers.findings)
        dockerfile.release()
        if self._results:
            self._results.put(asked, probed, excerpt)
        return looked._replace(probed=probed, excerpt=excerpt)

    def _with_fixes(self, content: bytes, dockerfile: Dockerfile, looked: _Looked, probed: Probed) -> Probed:
        """Give the findings that `dockproof fix` can mend their edits."""
        from dockproof import fix  # noqa: PLC0415 - most formats do not tell what can be mended

        text, answers = content.decode("utf-8", "surrogateescape"), probed.answers
        ask = fix.Asker(dockerfile.path, looked.file, self.policies, self.config, self.settings.targets)
        try:
            found = fix.stamped(text, dockerfile, answers.findings, ask)
        except Exception as error:  # noqa: BLE001 - what cannot be mended must not cost what was found
            missed = NotLooked(
                "fix", f"not looked at what can be mended: {error}", gate.where(error), fatal=False
            )
            return probed._replace(answers=answers._replace(not_looked=(*answers.not_looked, missed)))
        return probed._replace(answers=answers._replace(findings=found))

    def _content(self, found: Found) -> bytes:
        if found.error:
            raise OSError(0, found.error)
        return self.settings.standard.content if found.path == STDIN else discover.read(found.path)

    def _ask(self, dockerfile: Dockerfile, looked: _Looked, context: BuildContext | None) -> Probed:
        targets = self.settings.targets or next((rule.targets for rule in looked.rules if rule.targets), ())
        waivers = [waiver for rule in looked.rules for waiver in rule.waivers]
        missed: tuple[NotLooked, ...] = ()
        try:
            dockerfile.shipped(targets)
        except KeyError as error:
            missed = (NotLooked("target", error.args[0]),)
            targets = ()
        target = gate.target_of(dockerfile, looked.profile, targets, context)
        probed = gate.probe_source(target, self.policies, self.config, waivers, self._asked(looked.profile))
        answers = probed.answers
        return probed._replace(answers=answers._replace(not_looked=(*missed, *answers.not_looked)))

    def _asked(self, profile: Profile) -> Sequence[Policy]:
        """Return the policies that are asked under a profile."""
        if profile not in self._chosen:
            self._chosen[profile] = tuple(gate.asked(self.policies, self.config, profile, Probe.SOURCE))
        return self._chosen[profile]

    def _report(self, looked: _Looked, said: hadolint.Found | None) -> FileReport:
        """Put hadolint's findings beside ours and apply waivers."""
        name = self.settings.standard.name if looked.file is None else looked.path
        if looked.probed is None:
            return FileReport(name, looked.profile, looked.error, Answers())
        theirs = said.findings.get(looked.path) if said else None
        answers = gate.settle(looked.probed, self.policies, self.config, theirs)
        refusal = said.refused.get(looked.path) if said else None
        if refusal:
            answers = answers._replace(not_looked=(*answers.not_looked, refusal))
        excerpt = self._completed(looked, answers.findings)
        asked = (
            *looked.probed.asked,
            *(["hadolint"] if theirs is not None else []),
        )
        report = FileReport(name, looked.profile, None, answers, asked, excerpt)
        return (
            report._replace(fingerprints=self._fingerprints(report)) if self.settings.fingerprints else report
        )

    def _completed(self, looked: _Looked, findings: Sequence[Finding]) -> Mapping[int, str]:
        """Return the excerpt with the lines of hadolint's findings, for which the file is read again."""
        if all(f.place.line in looked.excerpt for f in findings):
            return looked.excerpt
        try:
            content = self._content(Found(looked.path))
        except OSError:
            return looked.excerpt
        lines = content.decode("utf-8", "replace").split("\n")
        return {**_excerpt(lines, findings), **looked.excerpt}

    def _fingerprints(self, report: FileReport) -> tuple[str, ...]:
        from dockproof import baseline  # noqa: PLC0415 - most formats need none

        path = os.path.relpath(report.path, self.config.folder).replace(os.sep, "/")
        return baseline.fingerprints(path, report.answers.findings, report.excerpt)

    def add_unused(self, reports: list[FileReport] | Spool[FileReport], paths: Sequence[str]) -> None:
        """Add a finding for each waiver of the configuration that no file needed.

        A pattern for several files is judged only when the configuration's whole folder was searched.
        """
        whole = any(_is_within(self.config.folder, path) for path in paths)
        for rule in self.config.files:
            if not rule.waivers or not (whole or rule.literal):
                continue
            held = [(i, one) for i, one in enumerate(reports) if self._holds(rule, one)]
            if held:
                ids = {name for _, one in held for name in one.asked if name != "hadolint"}
                ids = set(gate.asked_whole(ids, self.config))
                asked = gate.names_asked(ids, rule.waivers, hadolint=wants_hadolint(self.config))
                findings = [finding for _, one in held for finding in one.answers.findings]
                first, report = held[0]
                reports[first] = _added(report, waiver.unused(rule.waivers, findings, asked))

    def _holds(self, rule: FileRule, report: FileReport) -> bool:
        """Whether a rule holds for a file that was looked at."""
        return report.error is None and rule in self.config.rules_for(report.path)


def _is_within(folder: str, path: str) -> bool:
    """Whether a folder is the path, or lies below it."""
    inner, outer = os.path.abspath(folder), os.path.abspath(path)  # noqa: PTH100 - links stay as the user wrote them
    return os.path.commonpath([inner, outer]) == outer


def _added(report: FileReport, findings: Sequence[Finding]) -> FileReport:
    return report._replace(answers=report.answers._replace(findings=(*report.answers.findings, *findings)))


def _excerpt(lines: Sequence[str], findings: Iterable[Finding]) -> dict[int, str]:
    numbers = {finding.place.line for finding in findings}
    return {number: lines[number - 1].rstrip("\r") for number in numbers if 0 < number <= len(lines)}


def _is_readable(found: Found) -> bool:
    if found.path == STDIN:
        return True
    if found.error:
        return False
    try:
        discover.refuse_endless(found.path)
        with open(found.path, "rb"):  # noqa: PTH123 - a thousand of them
            return True
    except OSError:
        return False


def _context(looked: _Looked) -> BuildContext | None:
    """Return the build context: what a rule says, else the folder that holds the Dockerfile."""
    if looked.file is None:
        return None
    from dockproof.facts.context import BuildContext  # noqa: PLC0415 - standard input has none

    beside = os.path.dirname(looked.file) or os.curdir  # noqa: PTH120 - fast start
    folder = next((rule.context for rule in looked.rules if rule.context), beside)
    return BuildContext.open(folder, looked.file)


def _processors() -> int:
    """Return how many processes may probe at once: 1 where processes cannot be forked safely."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


def wants_hadolint(config: Config) -> bool:
    """Whether hadolint is on, and what is selected leaves it anything to say."""
    selected = not config.select or any(name.partition(":")[0] == "hadolint" for name in config.select)
    return config.hadolint and selected and "hadolint" not in config.ignore
