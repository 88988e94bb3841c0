"""Numbers of bytes as people write and read them."""

from __future__ import annotations

from dockproof.patterns import pattern

_UNITS = {"": 1, "b": 1, "k": 1000, "kb": 1000, "m": 1000**2, "mb": 1000**2, "g": 1000**3, "gb": 1000**3}
_UNITS |= {"kib": 1024, "mib": 1024**2, "gib": 1024**3}
_SIZE = pattern(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) *([a-zA-Z]*)")

MEGA = 1e6


def parse(value: object) -> int | None:
    """Read `120MB`, `1.5 MiB`, `800 kB` or a whole number of bytes; None for what is no size.

    Units of 1000 are written kB, MB, GB (or k, M, G), those of 1024 KiB, MiB, GiB; capitals do not count.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value >= 0 else None
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    unit = _UNITS.get(match[2].lower()) if match else None
    return None if match is None or unit is None else round(float(match[1]) * unit)


def megabytes(size: int) -> str:
    """Show bytes as people do, exact below a megabyte: `61.2 MB`, `900 bytes`."""
    return f"{size / MEGA:.1f} MB" if size >= MEGA else f"{size} byte{'' if size == 1 else 's'}"
