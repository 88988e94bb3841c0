"""The image over its base, and each of its own layers, keep the budget that is set for them.

What it holds
-------------
Image: the files of all layers over the base together have at most `image` bytes (`image`), and those of each such layer
at most `layer` (`layer`). Bytes are those of the files, unpacked, as `dockproof image` lists them; a file that a later
layer hides counts, as it is shipped too. The finding names the layer, its bytes, the budget, and the largest files.
Where nothing tells base from own layers all of them count, and the finding says so. Where no budget is set the policy
is not applicable: nobody but the project can say how large is too large. A budget stands under `x-dockproof: budgets:`
of the compose service, or under `[tool.dockproof.budgets]` for all images, as `image: 60MB`, `layer: 40 MiB` or a
number of bytes.

Why it matters
--------------
Every node pulls every byte before the first request is answered. Images grow by one dependency at a time, and nobody
sees the step that doubled one; a budget makes each growth a decision.

How to fix it
-------------
Look at the layer and the files that are named: copy less, strip, or build in another stage. Raise the budget where the
bytes are worth it; that line then stands in the review.

References
----------
- https://docs.docker.com/build/building/best-practices/
"""

from __future__ import annotations

import heapq

from dockproof.facts import sizes
from dockproof.finding import Place, Probe, Severity
from dockproof.policy import Clause, Family, ImageMutant, Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, ClassVar

    from dockproof.facts.image import Layer
    from dockproof.finding import Finding, NotApplicable
    from dockproof.policy import ImageTarget, Mutant

NAMED = 3
"""The largest files that a finding names."""

_BALLAST = "USER root\nRUN head -c {bytes} /dev/zero > /srv/ballast\nUSER 10001:10001"


class SizeBudget(Policy):
    """No more bytes than were decided on."""

    title = "the image and each own layer keep their size budget"
    family = Family.STAGES
    production = Severity.ERROR
    development = Severity.ERROR
    builder = Severity.ERROR
    clauses = (
        Clause("image", "all own layers together keep the image's budget"),
        Clause("layer", "each own layer keeps the budget of a layer"),
    )
    references = ("https://docs.docker.com/build/building/best-practices/",)
    options: ClassVar[Mapping[str, Any]] = {"image": None, "layer": None}

    def problem_of_option(self, name: str, value: Any) -> str:
        """Refuse what is no size."""
        return "" if sizes.parse(value) is not None else f"{value!r} is no size: write 120MB"

    def image(self, target: ImageTarget) -> Iterator[Finding | NotApplicable]:
        """Add up the layers over the base."""
        whole, each = (sizes.parse(target.options[name]) for name in ("image", "layer"))
        if whole is None and each is None:
            yield self.skip(Probe.IMAGE, "no budget is set: `x-dockproof: budgets: {image: 60MB}` sets one")
            return
        own = target.own_layers
        if whole is not None and sum(layer.size for layer in own) > whole:
            yield self._over(target, own, whole)
        for layer in own:
            if each is not None and layer.size > each:
                message = (
                    f"layer {layer.index}{_made(layer)} has {_beyond(layer.size, each)}; {_largest([layer])}"
                )
                yield self.in_image(
                    message, Place(layer=layer.diff_id, layer_index=layer.index), clause="layer"
                )

    def _over(self, target: ImageTarget, own: tuple[Layer, ...], budget: int) -> Finding:
        """Blame the largest own layer for an image that is too large."""
        known = bool(target.blame.inherited.told_by)
        which = "the own layers" if known else "all layers, as nothing tells the base from them,"
        largest = max(own, key=lambda layer: layer.size)
        size = _beyond(sum(layer.size for layer in own), budget)
        at = f"most in layer {largest.index}{_made(largest)}"
        message = f"{which} have {size}; {at}; {_largest(own)}"
        return self.in_image(message, Place(layer=largest.diff_id, layer_index=largest.index), clause="image")

    mutants: ClassVar[tuple[Mutant, ...]] = (
        ImageMutant("grown", _BALLAST.format(bytes=5_000_000), clause="image"),
        ImageMutant("large-layer", _BALLAST.format(bytes=70_000_000), clause="layer"),
    )


def _beyond(size: int, budget: int) -> str:
    return f"{size} bytes ({sizes.megabytes(size)}), {sizes.megabytes(size - budget)} over the budget of {budget}"


def _made(layer: Layer) -> str:
    return f" ({' '.join(layer.history.created_by.split())[:60]})" if layer.history else ""


def _largest(layers: Iterable[Layer]) -> str:
    entries = (entry for layer in layers for entry in layer.entries if entry.size)
    found = heapq.nlargest(NAMED, entries, key=lambda entry: (entry.size, entry.path))
    return "largest files: " + (
        ", ".join(f"{one.path} {sizes.megabytes(one.size)}" for one in found) or "none"
    )
