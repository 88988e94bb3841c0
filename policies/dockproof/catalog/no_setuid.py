"""No file runs with the rights of another user or group than the one that starts it.

What it holds
-------------
Image: no visible file has the setuid or setgid bit, or capabilities of its own (`setcap`), in the base or above it, but
for those that the option `allow` names: patterns of absolute paths, by default the handful that Debian, Alpine and UBI
ship (`su`, `mount`, `passwd` and their like, in `/bin`, `/sbin`, `/usr/bin`, `/usr/sbin`). They are what distributions
review; an empty list (`allow = []`) asks for none at all. A file of that name counts as the distribution's only where
it belongs to root. The finding says whether the file is from the base or from an own layer, and from which.

Why it matters
--------------
Such a file lends its owner's rights to whoever starts it; one mistake in it, and the user that the image was given is
root. `no-new-privileges` takes the bits' effect away, where whoever runs the container thinks of it.

How to fix it
-------------
Do not install what brings it. For a file of the base: `RUN chmod a-s /usr/bin/chage`, or a smaller base. In one line
for all: `find / -xdev -type f -perm /6000 -exec chmod a-s {} +`.

References
----------
- CIS Docker Benchmark 1.6, 4.8
- https://docs.docker.com/reference/cli/docker/container/run/#security-opt
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from dockproof.finding import OWN, Place, Severity
from dockproof.policy import Family, ImageMutant, Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, ClassVar

    from dockproof.facts.image import FileEntry
    from dockproof.finding import Finding
    from dockproof.policy import ImageTarget, Mutant

# Of the base packages of the three: util-linux and shadow (Debian, UBI), PAM's helpers, busybox's own (Alpine).
_NAMES = (
    "bbsuid",
    "chage",
    "chfn",
    "chsh",
    "expiry",
    "gpasswd",
    "mount",
    "newgrp",
    "pam_extrausers_chkpwd",
    "pam_timestamp_check",
    "passwd",
    "su",
    "umount",
    "unix_chkpwd",
)
_FOLDERS = ("/bin", "/sbin", "/usr/bin", "/usr/sbin")
SHIPPED = tuple(f"{folder}/{name}" for folder in _FOLDERS for name in _NAMES)


class NoSetuid(Policy):
    """Nobody lends rights."""

    title = "no file lends the rights of its owner or group"
    family = Family.LEAST_PRIVILEGE
    production = Severity.ERROR
    development = Severity.WARNING
    references = ("cis:4.8", "https://docs.docker.com/reference/cli/docker/container/run/#security-opt")
    options: ClassVar[Mapping[str, Any]] = {"allow": SHIPPED}

    def problem_of_option(self, name: str, value: Any) -> str:
        """Refuse a pattern that can name no file."""
        odd = [path for path in value if not path.startswith(("/", "*"))]
        return f"{odd[0]!r} names no file of an image: write its path from /" if odd else ""

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Look at the mode of every file that the container sees."""
        for entry in target.image.files.values():
            if not (entry.is_setuid or entry.xattrs) or _is_allowed(entry, target.options["allow"]):
                continue
            for rights in _rights(entry):
                place = Place(layer=target.image.layers[entry.layer].diff_id, path=entry.path)
                yield self.in_image(f"{entry.path} {rights}; it is from {_origin(target, entry)}", place)

    mutants: ClassVar[tuple[Mutant, ...]] = (
        ImageMutant("setuid", "COPY --chmod=4755 <<tool /usr/local/bin/tool\n#!/bin/sh\ntool"),
        ImageMutant("setgid", "COPY --chmod=2755 <<tool /usr/local/bin/tool\n#!/bin/sh\ntool"),
        ImageMutant(
            "named-like-one",
            "COPY --chown=10001:10001 --chmod=4755 <<tool /usr/bin/newgrp\n#!/bin/sh\ntool",
            also=frozenset({"read-only-code"}),
        ),
        # CAP_NET_RAW, permitted and effective, as `setcap cap_net_raw+ep` writes it.
        ImageMutant(
            "capability",
            'USER 0\nRUN ["python", "-c", "import os, shutil; shutil.copy(\'/bin/true\', \'/bin/sniff\'); '
            "os.setxattr('/bin/sniff', 'security.capability', bytes.fromhex('01000002002000000000000000000000"
            "00000000'))\"]\nUSER 10001:10001",
        ),
    )


def _is_allowed(entry: FileEntry, allow: Sequence[str]) -> bool:
    """Whether the list names the file; one that lends another user's rights than root's is no distribution's."""
    lends_user = bool(entry.mode & 0o4000)
    return not (lends_user and entry.uid) and any(fnmatchcase(entry.path, pattern) for pattern in allow)


def _rights(entry: FileEntry) -> Iterator[str]:
    """Say what a file lends, by its mode and by its capabilities."""
    if entry.is_setuid:
        yield f"({entry.mode:04o}) runs with the rights of {_lender(entry)}"
    if entry.capabilities:
        yield f"runs with {', '.join(entry.capabilities)}"


def _origin(target: ImageTarget, entry: FileEntry) -> str:
    if not target.blame.inherited.told_by:
        return "the base or the image's own layers (the base is not at hand)"
    return "an own layer" if target.blame.origin(entry.layer) == OWN else "the base"


def _lender(entry: FileEntry) -> str:
    """Name whose rights it lends, as `uid 0` or `gid 42`."""
    ids = [f"uid {entry.uid}"] if entry.mode & 0o4000 else []
    ids += [f"gid {entry.gid}"] if entry.mode & 0o2000 else []
    return " and ".join(ids)
