"""`verify` says how many bytes each image adds, by the Dockerfile's line, and how many of them nobody ever sees."""

from typing import Any

from dockproof.report import evidence


def layer(origin: str, line: int | None, size: int, wasted: int = 0) -> dict[str, Any]:
    """Make a layer as results.json has it."""
    return {"origin": origin, "line": line, "size": size, "wasted": wasted}


def shown(*layers: dict[str, Any]) -> list[str]:
    """Return the lines for a service with these layers."""
    return list(evidence.bytes_added({"services": [{"service": "api", "layers": layers}]}))


def test_bytes_are_told_by_line() -> None:
    """The base's count for nothing, layers without a file are left out."""
    layers = [
        layer("base", 1, 10**8),
        layer("own", 7, 61_250_000, 2_000_000),
        layer("own", 9, 0),
        layer("own", None, 900),
    ]
    assert shown(*layers) == [
        "api: 61.3 MB over its base, 2.0 MB of them wasted: line 7 61.2 MB, line ? 900 bytes"
    ]


def test_an_image_that_was_not_built_has_no_line() -> None:
    """Nor has one of an older results.json, or one that is its base."""
    assert shown() == []
    assert shown(layer("base", 1, 5)) == []
    assert list(evidence.bytes_added({"services": [{"service": "api"}]})) == []
