"""Answers that are kept between runs, in the user's cache folder: small files, each whole or not there.

A file that is damaged or missing is an answer that is asked for again, and a folder that cannot be written keeps
nothing: neither is an error. What is not asked for in a month goes, and a part of the folder that grows too large
loses its oldest answers.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

STALE = 30 * 24 * 3600
"""Seconds after which an answer goes."""

SHARD = 512 * 1024
"""Bytes of the largest part; there are 256 parts, so that 128 MiB are the most that one kind of answers takes."""

_HEX = 64


def folder() -> str:
    """Return our folder in the user's cache (XDG_CACHE_HOME, else ~/.cache)."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")  # noqa: PTH111, PTH118 - text
    return os.path.join(base, "dockproof")  # noqa: PTH118 - as above


class Cache:
    """The answers of one kind, each under a key made of everything that it hangs on."""

    def __init__(self, kind: str, identity: bytes) -> None:
        """Open a part of the folder; `identity` is what every answer of this run hangs on."""
        self._folder = os.path.join(folder(), kind)  # noqa: PTH118 - text
        self._identity = hashlib.sha256(identity).digest()

    def key(self, *parts: bytes) -> str:
        """Return the name of the answer for these parts; where one ends and the next begins counts too."""
        digest = hashlib.sha256(self._identity)
        for part in parts:
            digest.update(hashlib.sha256(part).digest())
        return digest.hexdigest()

    def get(self, key: str) -> Any:
        """Return an answer as JSON has it, None where there is none."""
        try:
            with open(self._path(key), "rb") as file:  # noqa: PTH123 - a thousand of them
                content = file.read()
            if content[:_HEX] == hashlib.sha256(content[_HEX:]).hexdigest().encode():
                return json.loads(content[_HEX:])
        except (OSError, ValueError, RecursionError):
            return None
        return None

    def put(self, answers: Mapping[str, Any]) -> None:
        """Keep answers that JSON can hold, and drop what is stale or too much beside them."""
        with contextlib.suppress(OSError):
            for key, answer in answers.items():
                self._write(self._path(key), json.dumps(answer, separators=(",", ":")).encode())
            for shard in {key[:2] for key in answers}:
                _prune(os.path.join(self._folder, shard))  # noqa: PTH118 - text

    def _path(self, key: str) -> str:
        return os.path.join(self._folder, key[:2], key[2:])  # noqa: PTH118 - text

    @staticmethod
    def _write(path: str, content: bytes) -> None:
        """Write a file that appears whole or not at all, with a digest that tells damage."""
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120 - a thousand of them
        draft = f"{path}.{os.getpid()}"
        with open(draft, "wb") as file:  # noqa: PTH123 - as above
            file.write(hashlib.sha256(content).hexdigest().encode() + content)
        os.replace(draft, path)  # noqa: PTH105 - as above


def _prune(shard: str) -> None:
    """Remove what is stale, and the oldest until the rest is small enough."""
    oldest, size = time.time() - STALE, 0
    with os.scandir(shard) as entries:
        found = sorted(((entry.stat(), entry.path) for entry in entries), key=lambda one: -one[0].st_mtime)
    for stat, path in found:
        size += stat.st_size
        if stat.st_mtime < oldest or size > SHARD:
            with contextlib.suppress(FileNotFoundError):  # another run removed it
                os.unlink(path)  # noqa: PTH108 - text
