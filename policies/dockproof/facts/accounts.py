"""Users and groups of an image: /etc/passwd, /etc/group, and who a USER text is, as the engine resolves it."""

from __future__ import annotations

import re

from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_ID = 2**31 - 1


class User(NamedTuple):
    """A line of /etc/passwd."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str


class Group(NamedTuple):
    """A line of /etc/group."""

    name: str
    gid: int
    members: tuple[str, ...]


class ResolvedUser(NamedTuple):
    """Who a USER text is, as the engine resolves it.

    Attributes:
        uid: None where the engine would refuse to start.
        gid: likewise.
        groups: supplementary groups from /etc/group; none where a group is given.
        name: name of the matching passwd entry, "" where there is none.
        why: one clause that explains the result.
    """

    uid: int | None
    gid: int | None
    groups: tuple[int, ...]
    name: str
    why: str


def _go_atoi(text: str) -> int | None:
    """Read a number as Go's strconv.Atoi does: optional sign, ASCII digits, nothing else."""
    return int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else None


def _records(text: bytes, fields: int) -> Iterator[list[str]]:
    """Split a colon-separated database as the engine does: blanks trimmed, missing fields empty."""
    for line in text.decode("utf-8", "replace").split("\n"):
        if stripped := line.strip():
            yield (stripped.split(":") + [""] * fields)[:fields]


def parse_passwd(text: bytes) -> tuple[User, ...]:
    """Read /etc/passwd; a number that is none counts as 0, as for the engine."""
    return tuple(
        User(name, _go_atoi(uid) or 0, _go_atoi(gid) or 0, home, shell)
        for name, _, uid, gid, _, home, shell in _records(text, 7)
    )


def parse_group(text: bytes) -> tuple[Group, ...]:
    """Read /etc/group, with the engine's leniency."""
    return tuple(
        Group(name, _go_atoi(gid) or 0, tuple(member for member in members.split(",") if member))
        for name, _, gid, members in _records(text, 4)
    )


def resolve_user(text: str, passwd: tuple[User, ...] | None, group: tuple[Group, ...] | None) -> ResolvedUser:
    """Resolve `user[:group]` as the engine does when it starts the container.

    The rules are those of `GetExecUser` of github.com/moby/sys/user: a number is always a uid (`00` and `+0`
    are 0), a bare uid without a passwd entry runs with gid 0, an explicit group drops the supplementary ones.

    Args:
        text: the USER; "" means root.
        passwd: entries of /etc/passwd, None where the image has none.
        group: entries of /etc/group, None where the image has none.
    """
    user_text, _, group_text = text.partition(":")
    group_text = group_text.partition(":")[0]
    number = _go_atoi(user_text)
    wanted = 0 if user_text == "" else number
    found = _match(passwd or (), user_text if wanted is None else wanted)
    if found is None and wanted is None:
        return ResolvedUser(None, None, (), "", f"the image's passwd has no user {user_text!r}")
    if found is None and wanted is not None and not 0 <= wanted <= MAX_ID:
        return ResolvedUser(None, None, (), "", f"uid {wanted} is out of range")
    name, uid, gid = (found.name, found.uid, found.gid) if found else ("", wanted or 0, 0)
    why = _why(user_text, found)
    if group_text:
        return _with_group(ResolvedUser(uid, gid, (), name, why), group_text, group or ())
    groups = tuple(entry.gid for entry in group or () if name and name in entry.members)
    return ResolvedUser(uid, gid, groups, name, why)


def _match(passwd: Iterable[User], wanted: str | int) -> User | None:
    return next(
        (user for user in passwd if wanted == (user.name if isinstance(wanted, str) else user.uid)), None
    )


def _why(text: str, found: User | None) -> str:
    if text == "":
        return "no user is set, so root"
    if found is None:
        return f"{text} has no passwd entry, so its gid is 0"
    return f"{text} is uid {found.uid} in the image's passwd"


def _with_group(user: ResolvedUser, text: str, groups: Iterable[Group]) -> ResolvedUser:
    number = _go_atoi(text)
    found = next((g for g in groups if (g.name == text if number is None else g.gid == number)), None)
    gid = found.gid if found else number
    if gid is None:
        return ResolvedUser(None, None, (), user.name, f"the image's group file has no group {text!r}")
    if not 0 <= gid <= MAX_ID:
        return ResolvedUser(None, None, (), user.name, f"gid {gid} is out of range")
    who = user.why.removesuffix(", so its gid is 0")
    return user._replace(gid=gid, why=f"{who}, group {text} is gid {gid}")
