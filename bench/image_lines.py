"""What single lines of our Dockerfile are worth: each is taken away or put the usual way, and the image built again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.image_builds import Built, Yard

_STRIP = "find /opt/venv -name '*.so' -not -path '*.libs/*' -exec strip --strip-unneeded {} + \\\n && "
_PRUNE = (
    " && find /opt/venv \\( -path /opt/venv/include -o -name tests -o -name '*.py[ix]' -o -name '*.px[di]' -o -name"
    " '*.[ch]' \\) \\\n      -prune -exec rm -r {} + \\\n"
)
_BYTECODE = " && /opt/venv/bin/python -B /build/bytecode.py /rootfs \\\n"
_EVERYTHING = (
    " && python -m compileall -q -s /rootfs -p / --invalidation-mode unchecked-hash /rootfs/opt/venv \\\n"
)
_CODE = "python -m compileall -q -s /rootfs -p / --invalidation-mode unchecked-hash /rootfs/app/app \\\n && "
_LEAN = (
    "RUN for folder in /usr/local/include /usr/local/lib/python3.*/ensurepip"
    " /usr/local/lib/python3.*/site-packages; do \\\n"
    '      rm -r "$folder" && mkdir "$folder" && touch --date=@0 "$folder" || exit; \\\n    done \\\n'
    " && chmod 0 /usr/local/bin/pip* \\\n && touch --date=@0 /etc /usr/local /usr/local/lib/python3.*\n"
)
_COPIES = "COPY --link --from=builder /rootfs/ /\nCOPY --link --from=code /rootfs/ /\n"
_REQUIREMENTS = "COPY requirements/runtime.txt /build/runtime.txt"


class Line(NamedTuple):
    """One edit: text that stands exactly once in the Dockerfile, and what replaces it.

    Attributes:
        timed: whether the build after a change of the code is measured too.
    """

    name: str
    old: str
    new: str
    timed: bool = False

    def edited(self, text: str) -> str:
        """Return the Dockerfile with this edit.

        Raises:
            ValueError: the line has changed, so this measurement has to as well.
        """
        if text.count(self.old) != 1:
            raise ValueError(
                f"{self.name}: {self.old!r} stands {text.count(self.old)} times in the Dockerfile"
            )
        return text.replace(self.old, self.new)


LINES = (
    Line("libraries not stripped", _STRIP, ""),
    Line("tests, stubs and C sources kept", _PRUNE, ""),
    Line("no bytecode of packages and library", _BYTECODE, ""),
    Line("bytecode of all packages, no library's", _BYTECODE, _EVERYTHING),
    Line("no bytecode of the code", _CODE, ""),
    Line("pip and headers kept in the base", _LEAN, ""),
    Line("chown -R in a layer of its own", _COPIES, f"{_COPIES}RUN chown -R 10001:10001 /opt/venv /app\n"),
    Line("no start interval", " --start-interval=0.5s", ""),
    Line("no start period", " --start-period=60s --start-interval=0.5s", ""),
    Line(
        "code copied before the packages", _REQUIREMENTS, f"COPY app /build/app\n{_REQUIREMENTS}", timed=True
    ),
)


def built(yard: Yard, dockerfile: Path) -> Iterator[tuple[str, Built, float | None]]:
    """Build each edit; yield its name, its image and, where asked, the seconds of a build after the code changed."""
    text = dockerfile.read_text(encoding="utf-8")
    for line in LINES:
        edited = dockerfile.with_name("Dockerfile.edited")
        edited.write_text(line.edited(text), encoding="utf-8")
        name = str(edited.relative_to(yard.ours))
        image = yard.build(yard.ours, name)
        yield line.name, image, yard.after_a_change(yard.ours, name, times=1) if line.timed else None
