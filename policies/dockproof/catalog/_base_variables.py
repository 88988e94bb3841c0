"""Which variables well-known base images set, so that other names can be called undefined."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockproof.facts.stages import Base

_PLAIN = ("LANG", "LC_", "container")
_JAVA = ("JAVA", "JDK", "LANG", "LC_")
_BEGINNINGS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("alpine", "busybox", "debian", "ubuntu", "buildpack-deps", "amazonlinux", "archlinux"), _PLAIN
    ),
    **dict.fromkeys(("centos", "rockylinux", "almalinux", "oraclelinux", "opensuse/leap"), _PLAIN),
    "fedora": (*_PLAIN, "DISTTAG", "FGC", "FBR"),
    **dict.fromkeys(("eclipse-temurin", "openjdk", "amazoncorretto", "sapmachine"), _JAVA),
    "maven": (*_JAVA, "MAVEN", "M2", "USER_HOME_DIR"),
    "gradle": (*_JAVA, "GRADLE"),
    "golang": ("GO",),
    "nginx": ("NGINX", "NJS", "PKG_", "DYNPKG", "ACME"),
    "node": ("NODE", "NPM", "YARN"),
    "php": ("PHP", "APACHE", "GPG_", "COMPOSER"),
    "python": ("PYTHON", "PIP", "LANG", "LC_", "GPG_"),
    "ruby": ("RUBY", "GEM", "BUNDLE", "LANG", "LC_"),
    "rust": ("RUST", "CARGO"),
}
"""How the names begin that an image sets beside PATH, by repository as people write it. Not the names themselves,
because the next release may set one more of its kind."""


def sets(base: Base, name: str) -> bool | None:
    """Tell whether an image from outside sets a variable, None where the image is not known here.

    Args:
        base: what the outermost stage of a lineage is built from.
        name: the variable.
    """
    if base.kind == "scratch":
        return False
    beginnings = _BEGINNINGS.get(base.ref.familiar) if base.ref else None
    return None if beginnings is None else name == "PATH" or name.startswith(beginnings)
