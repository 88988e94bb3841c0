"""No layer of the image keeps a package manager's cache.

What it holds
-------------
Source: in the stages that the shipped image is built FROM, a RUN that fills a package manager's cache also empties it
afterwards, keeps it in a mount (`--mount=type=cache` or tmpfs), or switches it off. That is judged for the lists of
`apt-get update` (`apt-lists`), `apk add` (`apk-cache`), `yum install` (`yum-cache`), `dnf` (`dnf-cache`), `microdnf`
(`microdnf-cache`), `zypper` (`zypper-cache`), `pip install` (`pip-cache`), `yarn install` (`yarn-cache`), and for what
else leaves one (`other-caches`): npm, uv, poetry, `pip wheel`, `apk update`, `yum update`, and a `zypper clean` or
`yum clean packages` that keeps the index. A cache in a stage that is only copied from stays behind, and is none of
this policy's. Where the file sets PIP_NO_CACHE_DIR to a value that reads as "no", that is a finding too: pip takes any
truth value there for "yes", which nobody can see. Image: no layer above the base holds such files, deleted later or
not; and none of apt's archives (`apt-archives`).

Why it matters
--------------
An index or a folder of wheels is tens of megabytes that every node pulls and no program reads. Removing it in a later
RUN frees nothing: the layer that holds it stays.

How to fix it
-------------
End the RUN with `rm -rf /var/lib/apt/lists/*`, `yum clean all`, `dnf clean all`, `zypper clean --all`,
`npm cache clean --force` or `yarn cache clean`; write `apk add --no-cache`, `pip install --no-cache-dir`,
`uv --no-cache`. Or keep the cache for the next build and out of the image:
`RUN --mount=type=cache,target=/home/app/.cache/pip pip install …`.

References
----------
- https://docs.docker.com/build/building/best-practices/#apt-get
- https://docs.docker.com/build/cache/optimize/#use-cache-mounts
"""

from __future__ import annotations

from dockproof.catalog._package_caches import OTHER, left_by
from dockproof.catalog._runs import runs_of, unread
from dockproof.finding import Place, Severity
from dockproof.patterns import pattern
from dockproof.policy import BY_SOURCE, Clause, EditMutant, Example, Family, ImageMutant, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from dockproof.facts.image import Layer
    from dockproof.finding import Finding, NotApplicable
    from dockproof.policy import ImageTarget, Mutant, SourceTarget

# What apt, dnf and the others write where, in the files of an image.
_LEFT = (
    ("apt-lists", pattern(r"(/var/lib/apt/lists)/.+")),
    ("apt-archives", pattern(r"(/var/cache/apt)/(?:archives/.+\.deb|(?:src)?pkgcache\.bin)")),
    ("apk-cache", pattern(r"(/var/cache/apk|/etc/apk/cache)/.+")),
    ("yum-cache", pattern(r"(/var/cache/yum)/.+")),
    ("dnf-cache", pattern(r"(/var/cache/(?:dnf|libdnf5))/.+")),
    ("zypper-cache", pattern(r"(/var/cache/zypp)/.+")),
    ("pip-cache", pattern(r"(/.+/\.cache/pip)/.+")),
    ("yarn-cache", pattern(r"(/.+/\.cache/yarn|/.+/\.yarn/berry/cache)/.+")),
    (OTHER, pattern(r"(/.+/(?:\.npm/_cacache|\.cache/uv|\.cache/pypoetry))/.+")),
)
_DNF = ("hadolint:DL3040", "trivy:DS-0019")
_SMALL = 1024  # bytes: `dnf clean all` leaves a few files of its own
_USER = "USER 10001:10001"
_LARGE = "x" * 2000
_UPDATE = frozenset({"update-with-install"})


class CleanPackageCaches(Policy):
    """What was only needed to install is not shipped."""

    title = "no layer keeps a package manager's cache"
    family = Family.STAGES
    production = Severity.WARNING
    development = Severity.INFO
    clauses = (
        Clause(
            "apt-lists", "apt's package lists are removed", same_as=("hadolint:DL3009",), claimed_by=BY_SOURCE
        ),
        Clause("apt-archives", "apt's downloaded packages are not in the image"),
        Clause(
            "apk-cache", "apk adds without keeping its index", same_as=("hadolint:DL3019", "trivy:DS-0025")
        ),
        Clause("yum-cache", "yum's cache is cleaned", same_as=("hadolint:DL3032", "trivy:DS-0015")),
        Clause("dnf-cache", "dnf's cache is cleaned", same_as=_DNF),
        Clause("microdnf-cache", "microdnf's cache is cleaned", same_as=(*_DNF, "trivy:DS-0027")),
        Clause("zypper-cache", "zypper's cache is cleaned", same_as=("hadolint:DL3036", "trivy:DS-0020")),
        Clause(
            "pip-cache", "pip installs without a cache", same_as=("hadolint:DL3042",), claimed_by=BY_SOURCE
        ),
        Clause("yarn-cache", "yarn's cache is cleaned", same_as=("hadolint:DL3060",)),
        Clause(OTHER, "no other package manager's cache and no index stays"),
    )
    references = ("https://docs.docker.com/build/building/best-practices/#apt-get",)

    def source(self, target: SourceTarget) -> Iterator[Finding | NotApplicable]:
        """Judge every RUN of the stages that a shipped one is built FROM, one finding for each cache it leaves."""
        yield from unread(self, target.dockerfile)
        stages = {stage.index: stage for shipped in target.shipped for stage in shipped.lineage}
        for _, stage in sorted(stages.items()):
            for run in runs_of(stage):
                for clause, call, message in left_by(run):
                    yield self.at(call.command, message, stage=stage, clause=clause)

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Look for the files of caches in the layers above the base, deleted later or not."""
        for layer in target.own_layers:
            for (clause, folder), size in _caches(layer).items():
                if size >= _SMALL:
                    message = f"{size:,} bytes of a package manager's cache are in {folder}"
                    yield self.in_image(message, Place(layer=layer.diff_id, path=folder), clause=clause)

    example = Example(
        """
        FROM debian:13-slim
        RUN apt-get update \\
         && apt-get install --yes --no-install-recommends tini
        """,
        """
        FROM debian:13-slim
        RUN apt-get update \\
         && apt-get install --yes --no-install-recommends tini \\
         && rm -rf /var/lib/apt/lists/*
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant(
            "apt-lists-stay",
            "RUN apt-get update && apt-get install --yes --no-install-recommends tini=0.19.0-3+b1",
            "begin",
            clause="apt-lists",
            also=frozenset({"reproducible"}),
        ),
        EditMutant(
            "pip-cache-stays",
            "RUN pip install --require-hashes --requirement requirements.txt",
            "begin",
            clause="pip-cache",
            also=frozenset({"multi-stage", "reproducible"}),
        ),
        EditMutant(
            "no-clean-up",
            where="shipped",
            keyword="RUN",
            old=r"rm -rf /var/lib/apt/lists/\*",
            new="true",
            clause="apt-lists",
            also=frozenset({"reproducible"}),
        ),
        EditMutant(
            "apk-keeps",
            where="shipped",
            keyword="RUN",
            old=r"(apk add) --no-cache\b",
            new=r"\1",
            clause="apk-cache",
        ),
        EditMutant(
            "dnf-keeps",
            where="shipped",
            keyword="RUN",
            old="(?:micro)?dnf clean all",
            new="true",
            also=frozenset({"reproducible"}),
        ),
        EditMutant(
            "npm-cache-stays",
            "RUN npm install --global serve@14.2.4",
            "begin",
            clause="other-caches",
            also=frozenset({"multi-stage", "reproducible"}),
        ),
        # of generated files
        SourceMutant(
            "apk-in-alpine",
            "apk add --no-cache ca-certificates",
            "apk add ca-certificates",
            "good/alpine",
            clause="apk-cache",
        ),
        SourceMutant(
            "lists-in-debian",
            "rm -rf /var/lib/apt/lists/* /var/log/apt",
            "rm -rf /var/log/apt",
            "good/debian",
            clause="apt-lists",
            at="apt-get update",
        ),
        SourceMutant(
            "microdnf-in-ubi",
            " \\\n && microdnf clean all",
            "",
            "good/ubi",
            clause="microdnf-cache",
            at="microdnf install",
        ),
        # of the shipped files
        SourceMutant("apt", _USER, f"RUN apt-get update\n{_USER}", clause="apt-lists", also=_UPDATE),
        SourceMutant("apk", _USER, f"RUN apk add jq=8.14.1-r2\n{_USER}", clause="apk-cache"),
        SourceMutant("yum", _USER, f"RUN yum install -y jq-8.14\n{_USER}", clause="yum-cache"),
        SourceMutant("dnf", _USER, f"RUN dnf install -y jq-8.14\n{_USER}", clause="dnf-cache"),
        SourceMutant("microdnf", _USER, f"RUN microdnf install -y jq-8.14\n{_USER}", clause="microdnf-cache"),
        SourceMutant("zypper", _USER, f"RUN zypper -n install jq=8.14\n{_USER}", clause="zypper-cache"),
        SourceMutant(
            "cleaned-too-late",
            _USER,
            f"RUN yum install -y jq-8.14\nRUN yum clean all\n{_USER}",
            clause="yum-cache",
        ),
        SourceMutant(
            "pip",
            _USER,
            f"RUN pip install app==1.0\n{_USER}",
            clause="pip-cache",
            also=frozenset({"reproducible"}),
        ),
        SourceMutant("yarn", _USER, f"RUN yarn install --frozen-lockfile\n{_USER}", clause="yarn-cache"),
        SourceMutant("npm", _USER, f"RUN npm ci\n{_USER}", clause=OTHER),
        ImageMutant("apt", f"COPY <<E /var/lib/apt/lists/Packages\n{_LARGE}\nE", clause="apt-lists"),
        ImageMutant("deb", f"COPY <<E /var/cache/apt/archives/a.deb\n{_LARGE}\nE", clause="apt-archives"),
        ImageMutant(
            "deleted-later",
            f"USER 0\nCOPY <<E /home/app/.cache/pip/wheel\n{_LARGE}\nE\nRUN rm -r /home/app/.cache/pip\n{_USER}",
            clause="pip-cache",
        ),
    )


def _caches(layer: Layer) -> dict[tuple[str, str], int]:
    """Add up the bytes of the caches in one layer, by clause and folder."""
    sizes: dict[tuple[str, str], int] = {}
    for entry in layer.entries:
        for clause, place in _LEFT if entry.size else ():
            if found := place.fullmatch(entry.path):
                sizes[clause, found[1]] = sizes.get((clause, found[1]), 0) + entry.size
    return sizes
