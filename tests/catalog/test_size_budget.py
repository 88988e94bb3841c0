"""size-budget: bytes over the base, of the image and of each own layer."""

import pytest

from dockproof import catalog, config, gate
from dockproof.facts import sizes
from dockproof.finding import NotApplicable, Probe
from dockproof.policy import ImageTarget
from tests.catalog.imaging import BASE_LAYER, entry, image_of, image_red

POLICY = "size-budget"
BASE = image_of([*BASE_LAYER, entry("/usr/base", size=10**9)])
IMAGE = image_of(
    [*BASE_LAYER, entry("/usr/base", size=10**9)],
    [entry("/opt/small", size=1_000), entry("/opt/large", size=3_000_000)],
    [entry("/app/code", size=2_000_000)],
)


def clauses(**options: object) -> list[str | None]:
    """Return what is flagged on the image of 5001000 own bytes."""
    return [found.clause for found in image_red(POLICY, IMAGE, BASE, **options)]


def test_passes_an_image_at_its_budget() -> None:
    """The budget itself may be used up, and the base counts for nothing."""
    assert clauses(image=5_001_000, layer=3_001_000) == []


def test_flags_an_image_one_byte_over_its_budget() -> None:
    """Layer, bytes, budget and the largest files are in the message; the largest layer is the place."""
    (found,) = image_red(POLICY, IMAGE, BASE, image=5_000_999)
    assert (found.clause, found.place.layer_index) == ("image", 1)
    assert found.message == (
        "the own layers have 5001000 bytes (5.0 MB), 1 byte over the budget of 5000999; most in layer 1; "
        "largest files: /opt/large 3.0 MB, /app/code 2.0 MB, /opt/small 1000 bytes"
    )


def test_flags_each_layer_over_its_budget() -> None:
    """Each layer is judged alone, under its own number."""
    found = image_red(POLICY, IMAGE, BASE, layer="1 MB")
    assert [(one.clause, one.place.layer_index) for one in found] == [("layer", 1), ("layer", 2)]
    assert "/opt/large" in found[0].message
    assert "/app/code" not in found[0].message


def test_flags_bytes_that_a_later_layer_hides() -> None:
    """They are shipped, so they count."""
    image = image_of(BASE_LAYER, [entry("/a", size=5_000)], [], whiteouts=[(), (), ("/a",)])
    assert len(image_red(POLICY, image, image_of(BASE_LAYER), image="4kB")) == 1


def test_counts_all_layers_where_the_base_is_not_known() -> None:
    """And says so, as the base's bytes may be what is too much."""
    (found,) = image_red(POLICY, IMAGE, image="900MB")
    assert "all layers, as nothing tells the base from them" in found.message


def test_budget_of_nothing_is_a_budget() -> None:
    """An image that only renames its base adds no byte."""
    assert len(image_red(POLICY, IMAGE, BASE, image=0)) == 1
    assert image_red(POLICY, BASE, BASE, image=0, layer=0) == []


def test_is_not_applicable_without_a_budget() -> None:
    """Nobody else can say how large is too large."""
    policies = catalog.load()
    answers = gate.ask([policies[POLICY]], Probe.IMAGE, ImageTarget(IMAGE, BASE), config.Config())
    (skipped,) = answers.not_applicable
    assert isinstance(skipped, NotApplicable)
    assert "no budget is set" in skipped.reason


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("60MB", 60_000_000),
        ("60 MB", 60_000_000),
        ("1.5MiB", 1_572_864),
        ("800 kB", 800_000),
        ("800kb", 800_000),
        ("2g", 2_000_000_000),
        ("1 GiB", 1024**3),
        ("0", 0),
        (17, 17),
        ("0.1MB", 100_000),
    ],
)
def test_reads_sizes(text: object, size: int) -> None:
    """Units of 1000 and of 1024, and plain bytes."""
    assert sizes.parse(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "MB",
        "-1MB",
        "1e3MB",
        "nan",
        "infMB",
        "60MBit",
        "1,5MB",
        "1_0MB",
        "0x10",
        True,
        None,
        1.5,
        -1,
        [],
        "9" * 99,
    ],
)
def test_refuses_what_is_no_size(text: object) -> None:
    """A budget that its author misspelt is an error, never no budget."""
    assert sizes.parse(text) is None
    assert catalog.load()[POLICY].problem_of_option("image", text) == f"{text!r} is no size: write 120MB"
