r"""What RUN mounts: caches, other stages, secrets, and what they keep out of the layer.

Example:
    >>> from dockproof.facts.dockerfile import parse
    >>> run = parse("FROM a\nRUN --mount=type=cache,target=/home/app/.cache pip install x\n").instructions[1]
    >>> (mount,) = mounts(run)
    >>> mount.type, mount.target, keeps_out(run, "/home/app/.cache/pip")
    ('cache', '/home/app/.cache', True)
"""

from __future__ import annotations

import posixpath

from dockproof.facts.lazy import kept
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockproof.facts.dockerfile import Flag, Instruction
    from dockproof.facts.span import Span

_NAMES = {"dst": "target", "destination": "target", "src": "source", "ro": "readonly", "rw": "readwrite"}


class Mount(NamedTuple):
    """One --mount of a RUN; variables are as written.

    Attributes:
        type: `bind` (the default), `cache`, `tmpfs`, `secret` or `ssh`; what is written, when it is none of them.
        target: the folder or file in the container; a secret's is /run/secrets/ID without one; None where unsaid.
        source: the path in the stage, image or context that `from_` names; a secret's file.
        from_: the stage, image or named context; None for the build context (bind) or an empty folder (cache).
        id: the cache's, secret's or agent's id; None where unsaid.
        env: the environment variable that holds the secret.
        required: the build fails without the secret or agent.
        read_only: nothing can be written below the target.
        sharing: of a cache: shared, private or locked.
        options: all keys and values as written, the long names of keys; a key alone has the value "".
        span: the flag's place.
    """

    type: str
    target: str | None
    source: str | None
    from_: str | None
    id: str | None
    env: str | None
    required: bool
    read_only: bool
    sharing: str | None
    options: Mapping[str, str]
    span: Span

    def keeps_out(self, path: str, workdir: str = "/") -> bool:
        """Tell whether what is written to `path` stays out of the layer, because this is mounted over it."""
        if self.target is None or self.type == "ssh":
            return False
        target = posixpath.normpath(posixpath.join(workdir, self.target))
        path = posixpath.normpath(posixpath.join(workdir, path))
        return path == target or path.startswith(target.rstrip("/") + "/")


def mounts(instruction: Instruction) -> tuple[Mount, ...]:
    """Read the mounts of a RUN (or ONBUILD RUN), in order; () for any other instruction."""
    instruction = instruction.effective
    if instruction.keyword != "RUN" or not instruction.has_flags:
        return ()
    return _mounts(instruction)


@kept
def _mounts(instruction: Instruction) -> tuple[Mount, ...]:
    return tuple(_mount(flag) for flag in instruction.flags if flag.name == "mount" and flag.value)


def keeps_out(instruction: Instruction, path: str, workdir: str = "/") -> bool:
    """Tell whether one of a RUN's mounts keeps what is written to `path` out of its layer."""
    return any(mount.keeps_out(path, workdir) for mount in mounts(instruction))


def _mount(flag: Flag) -> Mount:
    options = _options(flag.value or "")
    kind = options.get("type", "bind").lower()
    identity = options.get("id")
    target = options.get("target")
    if kind == "secret" and "env" not in options:
        target = target or f"/run/secrets/{identity or posixpath.basename(options.get('source', ''))}"
    return Mount(
        type=kind,
        target=target,
        source=options.get("source"),
        from_=options.get("from"),
        id=identity,
        env=options.get("env"),
        required=_is_set(options, "required"),
        read_only=_is_read_only(kind, options),
        sharing=options.get("sharing"),
        options=options,
        span=flag.span,
    )


def _options(value: str) -> dict[str, str]:
    """Split at commas as CSV does; keys in lower case, by their long names. Bad quotes end the reading."""
    fields = _fields(value) if '"' in value else value.split(",")
    pairs = (field.partition("=") for field in fields)
    return {
        _NAMES.get(key.strip().lower(), key.strip().lower()): text for key, _, text in pairs if key.strip()
    }


def _fields(value: str) -> list[str]:
    import csv  # noqa: PLC0415 - hardly any mount has quotes

    try:
        return next(csv.reader([value]), [])
    except csv.Error:
        return value.split(",")


def _is_set(options: Mapping[str, str], name: str) -> bool:
    return name in options and options[name].lower() not in ("false", "0", "f")


def _is_read_only(kind: str, options: Mapping[str, str]) -> bool:
    if "readonly" in options:
        return _is_set(options, "readonly")
    return kind in ("bind", "secret") and not _is_set(options, "readwrite")
