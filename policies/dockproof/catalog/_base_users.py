"""Users that well-known images from outside are documented to run as, and the variables that name them."""

from __future__ import annotations

from dockproof.patterns import pattern
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dockproof.facts.stages import Base, Stage


class _Known(NamedTuple):
    """Images by their name and tag, the user that they run as ("" for root), and the variables that they set."""

    images: str
    user: str
    variables: dict[str, str]


_DOTNET = r"mcr\.microsoft\.com/dotnet/(?:aspnet|runtime|runtime-deps|sdk)(?:/\S+)?"
_APP = {"APP_UID": "1654"}
_KNOWN = (
    _Known(r"gcr\.io/distroless/\S+:(?:\S+-)?nonroot(?:-\S+)?", "65532:65532", {}),
    _Known(r"(?:ghcr\.io/)?nginxinc/nginx-unprivileged:\S+", "101:101", {}),
    _Known(rf"{_DOTNET}:\S*(?:chiseled|distroless)\S*", "1654:1654", _APP),
    # From .NET 8 on; a tag that does not begin with a version is a newer one.
    _Known(rf"{_DOTNET}:(?![1-7](?:\.|-|$))\S+", "", _APP),
    _Known(
        r"(?:quay\.io/)?jupyter/\S+-notebook:\S+",
        "1000:100",
        {"NB_UID": "1000", "NB_USER": "jovyan", "NB_GID": "100"},
    ),
)
_PATTERNS = tuple((pattern(one.images), one) for one in _KNOWN)
_ADMINISTRATOR = pattern(r"(?i)(?:\S+\s\S+\\)?(?:containeradministrator|administrator|nt authority\\system)")


def user_of(stage: Stage) -> str | None:
    """Say which user is in force at the end of a stage: USER, or what the image from outside is known to set.

    Returns:
        The text of `user[:group]`; None where it hangs on a variable or an image that is not known here.
    """
    if stage.user is None:
        return image_user(stage.root_base)
    value = stage.user.value
    if value.text is not None:
        return value.text
    known = _variables(stage.root_base)
    if not set(value.missing) <= known.keys():
        return None
    name, colon, group = "".join(stage.user.instruction.words).partition(":")
    uid = known.get(name.strip("${}"))
    # Whom the image names it has in its passwd, with a group of its own.
    return f"{uid}:{known.get(group.strip('${}'), group) if colon else uid}" if uid else None


def image_user(base: Base) -> str | None:
    """Say which user an image from outside is documented to run as; None where it is root, or not known here."""
    if base.is_windows:
        # Nano Server runs as ContainerUser, Server Core as ContainerAdministrator.
        return "ContainerUser" if base.ref and "nanoserver" in base.ref.text.lower() else None
    return next((one.user for one in _matching(base) if one.user), None)


def is_administrator(user: str) -> bool:
    """Whether a user of a Windows image has all rights."""
    return bool(_ADMINISTRATOR.fullmatch(user))


def _variables(base: Base) -> dict[str, str]:
    return next((one.variables for one in _matching(base) if one.variables), {})


def _matching(base: Base) -> list[_Known]:
    if base.ref is None:
        return []
    text = f"{base.ref.familiar}:{base.ref.tag or 'latest'}"
    return [one for images, one in _PATTERNS if images.fullmatch(text)]
