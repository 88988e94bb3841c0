"""Images of a few files for tests of image probes: `image_red(policy, image_of([entry("/a", 0o666)]))`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockproof import catalog
from dockproof.facts.image import FileEntry, ImageConfig, ImageFacts, Layer
from dockproof.finding import Finding
from dockproof.policy import ImageTarget

if TYPE_CHECKING:
    from collections.abc import Sequence


def entry(
    path: str,
    mode: int = 0o644,
    *,
    uid: int = 0,
    gid: int = 0,
    type: str = "file",  # noqa: A002 - the facts' word
    size: int = 1,
) -> FileEntry:
    """Make a file, of root and readable for all unless said otherwise."""
    return FileEntry(path, type, mode, uid, gid, size, 0, "", 0)


BASE_LAYER: Sequence[FileEntry] = (entry("/", 0o755, type="dir"), entry("/tmp", 0o1777, type="dir"))


def image_of(
    *layers: Sequence[FileEntry], config: ImageConfig | None = None, whiteouts: Sequence[Sequence[str]] = ()
) -> ImageFacts:
    """Stack layers, lowest first; `whiteouts` names what each deletes."""
    made = [
        Layer(
            at,
            f"sha256:{at:064}",
            sum(one.size for one in entries),
            None,
            tuple(one._replace(layer=at) for one in entries),
            tuple(whiteouts[at]) if at < len(whiteouts) else (),
        )
        for at, entries in enumerate(layers)
    ]
    return ImageFacts(reference="x", id="sha256:1", config=config or ImageConfig(), layers=tuple(made))


def image_red(
    policy: str, image: ImageFacts, base: ImageFacts | None = None, /, **options: object
) -> list[Finding]:
    """Return what a policy's image probe says, with its default options but for those given."""
    asked = catalog.load()[policy]
    target = ImageTarget(image, base, options={**asked.options, **options})
    return [answer for answer in asked.image(target) if isinstance(answer, Finding)]
