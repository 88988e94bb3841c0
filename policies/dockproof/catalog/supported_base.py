"""The base's distribution, and its language or database, are not past their end of life.

What it holds
-------------
Source, for every image that a stage is built FROM: the release that its name and tag tell is still maintained, that
of the distribution (`distribution`: `debian:10`, `node:20-alpine3.15`, any image with `-buster` in its tag or
`ubuntu20.04` or `debian-10` in its tag or name) and that of Docker's own language and database images and of .NET's
(`release`: `python:3.9`, `node:16`, `postgres:12`, `dotnet/sdk:6.0`). Image: the same of /etc/os-release, and of the
variables that those images set (PYTHON_VERSION, NODE_VERSION, PG_MAJOR …). The dates are those of the projects
themselves, for Debian of its long-term support, for Ubuntu of its standard one; they stand in a data file with its
own date, which every message names. What a tag does not tell and what the file does not know is not judged. The
option `on` judges as of a day (ISO date) instead of today.

Why it matters
--------------
After that day nobody mends what is found: every hole stays open, and scanners often stop to report holes of a release
that nobody publishes fixes for, so that the image looks better each month.

How to fix it
-------------
Take a release that is maintained, and let a bot raise it in time. `scripts/refresh-end-of-life` refreshes the dates.

References
----------
- CIS Docker Benchmark 1.6, 4.4
- https://endoflife.date
- https://wiki.debian.org/LTS
"""

from __future__ import annotations

from dockproof import waiver
from dockproof.catalog import _end_of_life as end_of_life
from dockproof.finding import Place, Severity
from dockproof.policy import BY_BUILD, Clause, EditMutant, Example, Family, ImageMutant, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, ClassVar

    from dockproof.catalog._end_of_life import Release
    from dockproof.facts.image import ImageFacts
    from dockproof.finding import Finding
    from dockproof.policy import ImageTarget, Mutant, SourceTarget

_FROM = "FROM python:3.13-slim-trixie"


class SupportedBase(Policy):
    """Somebody still mends it."""

    title = "the base is not past its end of life"
    family = Family.SUPPLY_CHAIN
    production = Severity.WARNING
    development = Severity.WARNING
    builder = Severity.WARNING
    clauses = (
        Clause("distribution", "the distribution's release is maintained", claimed_by=BY_BUILD),
        Clause("release", "the language's or database's release is maintained", claimed_by=BY_BUILD),
    )
    references = ("cis:4.4", "https://endoflife.date", "https://wiki.debian.org/LTS")
    options: ClassVar[Mapping[str, Any]] = {"on": ""}

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge the tag of every image that a stage is built FROM."""
        for stage in target.dockerfile.stages:
            external = next((one for one in stage.externals if one.how == "from"), None)
            if external is not None and external.ref is not None:
                for release in end_of_life.of_reference(external.ref):
                    if message := _complaint(release, target.options["on"]):
                        yield self.at(external, message, stage=stage, clause=release.kind)

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Judge os-release and the variables of Docker's own images."""
        for release in end_of_life.of_image(target.image):
            if message := _complaint(release, target.options["on"]):
                yield self.in_image(message, _place(target.image, release), clause=release.kind)

    def problem_of_option(self, name: str, value: Any) -> str:
        """Refuse a day that is none."""
        return "" if not value or waiver.is_date(value) else f"{value!r} is no day: write YYYY-MM-DD"

    example = Example(
        """
        FROM debian:9-slim
        """,
        """
        FROM debian:13-slim
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant(
            "old-release",
            keyword="FROM",
            old=r"^FROM (?:--\S+ )*\S*[:@]\S+",
            new="FROM debian:9-slim",
            clause="distribution",
            also=frozenset({"pinned-base", "trusted-registry"}),
        ),
        # of the shipped files
        SourceMutant("distribution", _FROM, "FROM python:3.13-slim-buster", clause="distribution"),
        SourceMutant("release", _FROM, "FROM python:3.8-slim-trixie", "Dockerfile.worker", clause="release"),
        ImageMutant(
            "distribution",
            'USER 0\nCOPY <<E /usr/lib/os-release\nID=debian\nVERSION_ID="9"\nE\nUSER 10001:10001',
            clause="distribution",
        ),
        ImageMutant("release", "ENV PYTHON_VERSION=3.7.17", clause="release"),
    )


def _place(image: ImageFacts, release: Release) -> Place:
    """Say what told the release: the file that /etc/os-release leads to, or a variable."""
    entry = image.find(release.told_by) if release.told_by.startswith("/") else None
    return Place(path=entry.path) if entry else Place(field=f"Config.Env {release.told_by}")


def _complaint(release: Release, on: str) -> str:
    """Say that a release has ended; "" for one that is maintained on that day, today by default."""
    if release.end >= (on or waiver.today()):
        return ""
    told = f"{release.told_by} is {release.title} {release.cycle}"
    return f"{told}, which nobody maintains since {release.end} (dates of {end_of_life.data()['as_of']})"
