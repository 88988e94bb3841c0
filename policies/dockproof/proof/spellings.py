"""Other spellings of a good Dockerfile, which mean the same and must be as silent.

A generated file is written once; engineers write it in a dozen ways: versions in ARG, the base in a variable, a
here-document for a chain of commands, stages by number, lower-case keywords, comments between the lines.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dockproof.proof.source import Good

_RUNTIME = re.compile(r"^FROM (\S+) AS runtime$", re.MULTILINE)
_FIRST_FROM = re.compile(r"^FROM ", re.MULTILINE)
_CHAIN = re.compile(r"^RUN (?!<<|--)(?P<commands>(?:[^\n]*\\\n)+ && [^\n]*)$", re.MULTILINE)
_VERSION = re.compile(r"^(?P<run>RUN (?!<<)(?:[^\n]*\\\n)*?[^\n]*? tini=)(?P<version>[\w.+-]+)", re.MULTILINE)
_KEYWORD = re.compile(r"^(?:[A-Z]+(?= )|    CMD(?= ))| AS (?=\w+$)", re.MULTILINE)
_CONTINUATION = re.compile(r" \\\n(?=\s*&& )")


def of(good: Good) -> Iterator[Good]:
    """Yield the file in every other spelling that changes it, each with a name of its own."""
    for name, spell in SPELLINGS.items():
        text = spell(good.text)
        if text != good.text:
            yield good._replace(name=f"{good.name}, {name}", text=text)


def _base_in_a_variable(text: str) -> str:
    base = _RUNTIME.search(text)
    if base is None:
        return text
    named = _RUNTIME.sub("FROM ${BASE} AS runtime", text)
    return _FIRST_FROM.sub(f"ARG BASE={base[1]}\n\nFROM ", named, count=1)


def _versions_in_arguments(text: str) -> str:
    return _VERSION.sub(r'ARG TINI_VERSION=\g<version>\n\g<run>"${TINI_VERSION}"', text)


def _here_documents(text: str) -> str:
    """Write `RUN a && b` over several lines as a script that ends at the first failure."""
    return _CHAIN.sub(_script, text)


def _script(found: re.Match[str]) -> str:
    commands = re.sub(r"\\\n\s*&& ", "\n", found["commands"]).splitlines()
    return "\n".join(["RUN <<SCRIPT", "set -e", *(line.rstrip() for line in commands), "SCRIPT"])


def _stages_by_number(text: str) -> str:
    names = [line.rpartition(" AS ")[2] for line in text.splitlines() if line.startswith("FROM ")]
    return re.sub(r"--from=(\w+)", lambda found: f"--from={names.index(found[1])}", text)


def _lower_case(text: str) -> str:
    return _KEYWORD.sub(lambda found: found[0].lower(), text)


def _comments_between_lines(text: str) -> str:
    return _CONTINUATION.sub(" \\\\\n    # and then\n", text)


def _long_lines(text: str) -> str:
    return re.sub(r" \\\n\s*", " ", text)


def _windows_lines(text: str) -> str:
    return text if "<<" in text else text.replace("\n", "\r\n")


def _backtick(text: str) -> str:
    """Escape line ends as Windows' Dockerfiles do."""
    return text if "<<" in text else "# escape=`\n" + text.replace(" \\\n", " `\n")


def _pinned_frontend(text: str) -> str:
    return f"# syntax=docker/dockerfile:1.19.0@sha256:{'4f' * 32}\n{text}"


SPELLINGS: Mapping[str, Callable[[str], str]] = {
    "base in a variable": _base_in_a_variable,
    "versions in arguments": _versions_in_arguments,
    "here-documents": _here_documents,
    "stages by number": _stages_by_number,
    "lower case": _lower_case,
    "comments between lines": _comments_between_lines,
    "long lines": _long_lines,
    "windows lines": _windows_lines,
    "backtick": _backtick,
    "pinned frontend": _pinned_frontend,
}
"""What is written otherwise, by name; each maps the text of a file to another with the same meaning."""
