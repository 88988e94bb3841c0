"""USER is numeric, so that an orchestrator can verify it.

What it holds
-------------
The USER in force at the end of the shipped stage is a number, `10001` or `10001:10001`, not a name. Source: the value
after expansion; one that cannot be known cannot be shown to be a number, but where it is the value of an ARG without
a default, which `non-root` names. The group does not count. Windows has no numeric users. Image: the config's user.

Why it matters
--------------
Kubernetes refuses a container under `runAsNonRoot` whose image says `USER app`: it cannot know from a name whether that
is root. A number also means the same user in every image, whatever their passwd files say.

How to fix it
-------------
`USER 10001:10001`. A passwd entry is not needed for it.

References
----------
- https://kubernetes.io/docs/tasks/configure-pod-container/security-context/
"""

from __future__ import annotations

from dockproof.catalog._base_users import user_of
from dockproof.finding import Place, Severity
from dockproof.policy import EditMutant, Example, Family, ImageMutant, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from dockproof.finding import Finding
    from dockproof.policy import ImageTarget, Mutant, SourceTarget

_USER = "USER 10001:10001"


def _is_numeric(user: str) -> bool:
    number = user.partition(":")[0]
    return number.isascii() and number.removeprefix(number[:1] if number[:1] in "+-" else "").isdigit()


class NumericUser(Policy):
    """A number where a name would do."""

    title = "USER is numeric"
    family = Family.LEAST_PRIVILEGE
    production = Severity.WARNING
    development = Severity.INFO
    same_as = ("hadolint:DL3066",)
    references = ("https://kubernetes.io/docs/tasks/configure-pod-container/security-context/",)

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge the USER in force in each shipped stage; none at all is `non-root`'s matter."""
        for stage in target.shipped:
            user = stage.user
            if user is None or stage.root_base.is_windows:
                continue
            text = user_of(stage)
            if _is_numeric("".join(user.instruction.words) if text is None else text):
                continue
            message = f"USER {text} is a name"
            if text is None:
                if set(user.value.missing) <= stage.arguments.keys():
                    continue
                message = (
                    f"cannot be shown: USER hangs on {', '.join(user.value.missing)}, which has no value here"
                )
            yield self.at(user.instruction, message, stage=stage)

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Judge the config's user."""
        user = target.image.config.user
        if user and not _is_numeric(user):
            yield self.in_image(f"the image's user is the name {user}", Place(field="Config.User"))

    example = Example(
        """
        FROM debian:13-slim
        RUN useradd --uid 10001 app
        USER app
        """,
        """
        FROM debian:13-slim
        RUN useradd --uid 10001 app
        USER 10001:10001
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("by-name", "USER nobody", also=frozenset({"non-root"}), requires=("posix",)),
        # of the shipped files
        SourceMutant("name", _USER, "USER app:app"),
        SourceMutant("name-in-arg", _USER, "ARG RUN_AS=app\nUSER ${RUN_AS}", at="USER ${RUN_AS}"),
        ImageMutant("name", "USER nobody"),
    )
