"""The labels that the project asks for are there, and what labels say is well formed.

What it holds
-------------
Source: every LABEL has a key as Docker's guidelines want it (lower-case letters, digits, single dots and hyphens, a
letter first, none of Docker's own namespaces); each label of the option `labels` stands on the shipped stage, also
inherited, and is not empty; values have the form that their name or the option gives them: `url`, `rfc3339` (a date),
`spdx` (a licence expression), `hash` (a git commit), `semver`, `email`, `digest`, or `text`. The OCI annotations
`created`, `url`, `source`, `documentation`, `licenses` and `base.digest` have their form without being asked for. With
the option `strict` there are no other labels than those of `labels`. A value that hangs on an ARG without default says
nothing here; an empty default is the build's to fill. Image: the same of the config's labels, the base's own aside.

Why it matters
--------------
Labels are how a running image is traced to its source, revision and licence. Scanners, registries and clean-up jobs
read them: a date that is none, or a key nobody expects, is as good as no label.

How to fix it
-------------
Write the OCI annotations (`org.opencontainers.image.created`, `.source`, `.revision`, `.licenses`) and let the build
fill them from arguments.

References
----------
- https://github.com/opencontainers/image-spec/blob/main/annotations.md
- https://docs.docker.com/engine/manage-resources/labels/
"""

from __future__ import annotations

import re

from dockproof.facts.suggest import near
from dockproof.finding import BASE, Place, Severity
from dockproof.patterns import pattern
from dockproof.policy import BY_SOURCE, Clause, EditMutant, Example, Family, ImageMutant, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping
    from typing import Any, ClassVar

    from dockproof.facts.dockerfile import Instruction
    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding
    from dockproof.policy import ImageTarget, Mutant, SourceTarget

_OCI = "org.opencontainers.image."
_KNOWN = {
    f"{_OCI}created": "rfc3339",
    f"{_OCI}url": "url",
    f"{_OCI}source": "url",
    f"{_OCI}documentation": "url",
    f"{_OCI}licenses": "spdx",
    f"{_OCI}base.digest": "digest",
}
_KEY = pattern(r"[a-z](?:[.-]?[a-z0-9]+)*+")
_RESERVED = ("com.docker.", "io.docker.", "org.dockerproject.")
_NUMBER = r"(?:0|[1-9]\d*)"
_IDENTIFIER = r"(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_FORMS = {
    "hash": pattern(r"[0-9a-f]{7}|[0-9a-f]{40}|[0-9a-f]{64}"),
    "digest": pattern(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}"),
    "semver": pattern(
        rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_IDENTIFIER}(?:\.{_IDENTIFIER})*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?",
        re.ASCII,
    ),
    "email": pattern(r"[^\s@<>]+@[^\s@<>.]+(?:\.[^\s@<>.]+)+"),
    "rfc3339": pattern(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII),
}
_NAMES = {
    "text": "a text",
    "url": "a URL",
    "rfc3339": "a date of RFC 3339",
    "spdx": "an SPDX licence expression",
    "hash": "a commit's hash",
    "semver": "a semantic version",
    "email": "an e-mail address",
    "digest": "a digest",
}


class ImageLabels(Policy):
    """Labels that tools can read."""

    title = "the labels asked for are there and well formed"
    family = Family.OPERATION
    production = Severity.WARNING
    development = None
    clauses = (
        Clause("key", "keys follow Docker's guidelines", same_as=("hadolint:DL3048",)),
        Clause(
            "missing", "the labels asked for are there", same_as=("hadolint:DL3049",), claimed_by=BY_SOURCE
        ),
        Clause("superfluous", "under `strict` there are no others", same_as=("hadolint:DL3050",)),
        Clause("empty", "a label asked for says something", same_as=("hadolint:DL3051",)),
        Clause(
            "form",
            "a value has the form that its name or the option gives it",
            same_as=tuple(f"hadolint:DL{number}" for number in (3052, 3053, 3054, 3055, 3056, 3058)),
        ),
    )
    references = (
        "https://github.com/opencontainers/image-spec/blob/main/annotations.md",
        "https://docs.docker.com/engine/manage-resources/labels/",
    )
    options: ClassVar[Mapping[str, Any]] = {"labels": {}, "strict": False}

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge every LABEL, then what the shipped stages lack."""
        for stage in target.dockerfile.stages:
            for label in stage.these("LABEL"):
                yield from self._judge(label, stage, target.options)
        for stage in target.shipped:
            if message := _missing(target.options, stage.labels):
                yield self.at(stage.instruction, message, stage=stage, clause="missing")

    def _judge(self, label: Instruction, stage: Stage, options: Mapping[str, Any]) -> Iterator[Finding]:
        for pair in label.pairs:
            key, value = stage.expand(label, pair.name), stage.expand(label, pair.value or "")
            if key.text is None:
                continue
            given_by_the_build = not value.text and bool(value.origins)
            text = None if given_by_the_build else value.text
            for clause, message in _complaints(key.text, text, options):
                yield self.at(pair, message, stage=stage, clause=clause)

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Judge the config's labels that the base has not."""
        labels = target.image.config.labels
        inherited = target.base.config.labels if target.base else {}
        for key, value in labels.items():
            place = Place(field=f"Config.Labels {key}")
            if inherited.get(key) != value and target.blame.located(place).origin != BASE:
                for clause, message in _complaints(key, value, target.options):
                    yield self.in_image(message, place, clause=clause)
        if message := _missing(target.options, labels):
            yield self.in_image(message, Place(field="Config.Labels"), clause="missing")

    def problem_of_option(self, name: str, value: Any) -> str:
        """Refuse a form that nobody knows."""
        for label, form in value.items() if name == "labels" else ():
            if not isinstance(form, str) or form not in _NAMES:
                hint = near(str(form), _NAMES)
                return f"the form {form!r} of {label} is not known{hint}; allowed: {', '.join(_NAMES)}"
        return ""

    example = Example(
        """
        FROM debian:13-slim
        LABEL org.opencontainers.image.created="yesterday"
        """,
        """
        FROM debian:13-slim
        LABEL org.opencontainers.image.created="2026-06-01T12:00:00Z"
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("no-date", 'LABEL org.opencontainers.image.created="yesterday"', clause="form"),
        # of the shipped files
        SourceMutant("key", f"{_OCI}title=", "Title=", clause="key"),
        SourceMutant(
            "date", "CREATED=1970-01-01T00:00:00Z", "CREATED=yesterday", clause="form", at=".created="
        ),
        SourceMutant("licence", '"MIT"', '"free"', clause="form"),
        SourceMutant("digest", f'{_OCI}base.digest="sha256:', f'{_OCI}base.digest="', clause="form"),
        SourceMutant("url", f'{_OCI}title="', f'{_OCI}source="', clause="form"),
        SourceMutant("missing", f'{_OCI}title="', f'{_OCI}vendor="', clause="missing", at="AS runtime"),
        SourceMutant("superfluous", f'{_OCI}title="', f'other="x" {_OCI}title="', clause="superfluous"),
        SourceMutant("empty", '"reading-app-backend"', '""', clause="empty"),
        ImageMutant("bad-key", "LABEL Bad..Key=1", clause="key"),
        ImageMutant("bad-date", f"LABEL {_OCI}created=yesterday", clause="form"),
    )


def _missing(options: Mapping[str, Any], there: Container[str]) -> str:
    """Name the labels that are asked for and not there, in one sentence; "" for none."""
    names = [name for name in options["labels"] if name not in there]
    if not names:
        return ""
    return (
        f"the label {names[0]} is missing"
        if len(names) == 1
        else f"the labels {', '.join(names)} are missing"
    )


def _complaints(key: str, value: str | None, options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield clause and sentence for what is wrong with a label; a value of None is not known."""
    asked: Mapping[str, str] = options["labels"]
    if not _KEY.fullmatch(key) or key.startswith(_RESERVED):
        yield "key", f"the label's key {key!r} is not as Docker's guidelines want it, or Docker's own"
    if options["strict"] and key not in asked:
        yield "superfluous", f"the label {key} is none of those asked for"
    form = asked.get(key) or _KNOWN.get(key)
    if form is None or value is None:
        return
    if not value:
        yield "empty", f"the label {key} is empty"
    elif not _has_form(form, value):
        yield "form", f"the label {key} is {value!r}, which is not {_NAMES[form]}"


def _has_form(form: str, value: str) -> bool:
    """Whether a value has a form of `_NAMES`."""
    if form == "text":
        return True
    if form == "spdx":
        return _is_licence(value)
    try:
        if form == "url":
            from urllib.parse import urlsplit

            parts = urlsplit(value)
            return bool(parts.scheme and parts.hostname) and " " not in value
        plain = form in _PLAIN and _PLAIN[form](value)
        if not plain and not _FORMS[form].fullmatch(value):
            return False
        return plain or form != "rfc3339" or _is_time(value)
    except ValueError:
        return False


def _is_plain_version(value: str) -> bool:
    """Whether it is three numbers and no more, for which no pattern is needed."""
    parts = value.split(".")
    return len(parts) == 3 and all(  # noqa: PLR2004 - as said
        part.isascii() and part.isdigit() and (part == "0" or part[0] != "0") for part in parts
    )


def _is_plain_time(value: str) -> bool:
    """Whether it is written `2027-01-28T12:00:00Z` with a day that every month has: it needs no calendar."""
    numbers = value[:4], value[5:7], value[8:10], value[11:13], value[14:16], value[17:19]
    if "{}-{}-{}T{}:{}:{}Z".format(*numbers) != value or not ("".join(numbers).isdigit() and value.isascii()):
        return False
    year, month, day, hour, minute, second = map(int, numbers)
    return year > 0 < day <= 28 and 0 < month <= 12 and hour < 24 and minute < 60 > second  # noqa: PLR2004 - a clock


_PLAIN: Mapping[str, Callable[[str], bool]] = {"semver": _is_plain_version, "rfc3339": _is_plain_time}
"""Forms that most values are written in plainly, so that no pattern is needed."""


def _is_time(value: str) -> bool:
    """Whether there is such a day and such a time; a ValueError says no too."""
    from datetime import datetime  # noqa: PLC0415 - few labels hold a time

    return bool(datetime.fromisoformat(value.upper()))


COMMON_LICENCES = frozenset(
    {
        *("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "Unlicense"),
        *("AGPL-3.0-only", "GPL-2.0-only", "GPL-3.0-only", "LGPL-2.1-only", "LGPL-3.0-only"),
    }
)
"""SPDX's names of licences that need no look into the whole list, which takes as long to load as most checks."""


def _is_licence(value: str) -> bool:
    if value in COMMON_LICENCES:
        return True
    from packaging.licenses import (  # noqa: PLC0415 - the list of licences is long, and seldom needed
        InvalidLicenseExpression,
        canonicalize_license_expression,
    )

    try:
        return bool(canonicalize_license_expression(value))
    except InvalidLicenseExpression:
        return False
