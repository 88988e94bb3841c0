"""The images from outside that a file refers to, for the policies that judge references."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockproof.facts.dockerfile import Dockerfile
    from dockproof.facts.stages import External, Stage


def outside(file: Dockerfile) -> Iterator[tuple[External, Stage | None]]:
    """Give every reference to what is no stage of the file, with the stage that it stands in.

    That is FROM, COPY --from and RUN --mount from=, and the syntax line, which stands in no stage.
    """
    if file.syntax is not None:
        yield file.syntax, None
    for stage in file.stages:
        yield from ((external, stage) for external in stage.externals if external.stage is None)
