"""Debian's Python, laid out as python:slim has it: everything under /usr/local, pip installs to site-packages.

Debian compiles the same sources, but for /usr, and edits three modules so that pip cannot touch the system's packages.
Python finds its prefix from where its program lies, so the files can move; the edits are undone here. Each must fit
exactly, so that a new Debian revision with other edits fails loudly and not in some later build.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from scripts.provision.host import ProvisionError

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "3.13"
LIBRARY = f"lib/python{VERSION}"
TESTS = ("test", "tests", "idle_test")  # the official image drops these folders
PREFIX_SETTINGS = (
    "prefix", "exec_prefix", "BINDIR", "CONFINCLUDEDIR", "CONFINCLUDEPY", "DESTLIB", "DESTSHARED", "INCLUDEDIR",
    "INCLUDEPY", "LIBDEST", "LIBPL", "MACHDESTLIB", "SCRIPTDIR", "datarootdir",
)  # fmt: skip
# site is also frozen into the program, where only bytes of the same length can take another's place: each is a
# marshalled string, its length first. The first folder that it names is the one that tools install to.
FROZEN = {b"\x0ddist-packages": b"\x0dsite-packages", b"\x09local/lib": b"\x09./././lib"}
# The official image installs pip the same way, and ships neither its bytecode nor the standard library's.
SETUP = r"""
    export PYTHONDONTWRITEBYTECODE=1
    PIP_ROOT_USER_ACTION=ignore python3 -m ensurepip --default-pip
    find /usr/local -depth -type d -name __pycache__ -exec rm -r {} +
    ldconfig
    rm -rf ~/.cache
    pip --version
"""


def arrange(unpacked: Path, root: Path) -> None:
    """Move the unpacked packages' files from /usr to where the official image has them below `root`."""
    usr, local = unpacked / "usr", root / "usr" / "local"
    _move_programs(usr / "bin", local / "bin")
    shutil.copytree(usr / LIBRARY, local / LIBRARY, symlinks=True, ignore=_unwanted)
    shutil.copytree(usr / "include", local / "include", symlinks=True)
    _copy_library(usr / "lib", local / "lib")
    shutil.copytree(usr / "share" / "python-wheels", local / LIBRARY / "ensurepip" / "_bundled")
    (local / LIBRARY / "site-packages").mkdir()
    restore(local / LIBRARY)


def _unwanted(_: str, names: list[str]) -> set[str]:
    # The marker forbids pip, sitecustomize points at Debian's /etc, config-* holds static libraries.
    wrong = {"EXTERNALLY-MANAGED", "sitecustomize.py", "__pycache__", "_distutils_system_mod.py", *TESTS}
    return {name for name in names if name in wrong or name.startswith("config-3")}


def _copy_library(source: Path, target: Path) -> None:
    """Copy the shared library for programs that embed Python; Debian's own interpreter does without."""
    name = f"libpython{VERSION}.so"
    shutil.copy2(next(source.glob(f"*/{name}.1.0")), target / f"{name}.1.0")
    (target / name).symlink_to(f"{name}.1.0")


def _move_programs(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for name, own in {"python": "python", "pydoc": "pydoc", "idle": "idle-python"}.items():
        shutil.copy2(source / f"{own}{VERSION}", target / f"{name}{VERSION}")
        (target / f"{name}3").symlink_to(f"{name}{VERSION}")
        (target / name).symlink_to(f"{name}3")
    _edit_frozen(target / f"python{VERSION}")
    for name in ("pydoc", "idle"):
        script = target / f"{name}{VERSION}"
        script.write_text(_edit(script, r"\A#! ?/usr/bin/", "#!/usr/local/bin/"), encoding="utf-8")


def _edit_frozen(program: Path) -> None:
    content = program.read_bytes()
    for old, new in FROZEN.items():
        if old not in content:
            raise ProvisionError(f"Debian's {program.name} has changed: its site module lacks {old!r}")
        content = content.replace(old, new)
    program.write_bytes(content)


def restore(library: Path) -> None:
    """Undo Debian's edits of the modules that decide where packages are installed and looked for."""
    site, schemes = library / "site.py", library / "sysconfig" / "__init__.py"
    site.write_text(_edit(site, r"            if is_virtual_environment:\n.*?(?=            # this one)", ""))
    site.write_text(
        _edit(site, r'"\{implementation\}(.*?)"dist-packages"', r'"{implementation}\1"site-packages"')
    )
    schemes.write_text(
        _edit(
            schemes,
            r"'DEB_PYTHON_INSTALL_LAYOUT', 'posix_local'",
            "'DEB_PYTHON_INSTALL_LAYOUT', 'posix_prefix'",
        )
    )
    schemes.write_text(_edit(schemes, r"prefix_scheme = 'posix_local'", "prefix_scheme = 'posix_prefix'"))
    ensurepip = library / "ensurepip" / "__init__.py"
    ensurepip.write_text(_edit(ensurepip, r"\n    _ensurepip_is_disabled_in_debian_for_system\(\)\n", "\n"))
    data = next(path for path in library.glob("_sysconfigdata__linux_*.py") if not path.is_symlink())
    names = "|".join(PREFIX_SETTINGS)
    data.write_text(
        re.sub(rf"^(    '(?:{names})': '/usr)(?=['/])", r"\1/local", data.read_text(), flags=re.MULTILINE)
    )
    bundled = f"'/usr/local/{LIBRARY}/ensurepip/_bundled'"
    data.write_text(_edit(data, r"(?<='WHEEL_PKG_DIR': )'[^']*'", bundled))


def _edit(path: Path, pattern: str, replacement: str) -> str:
    text, count = re.subn(pattern, replacement, path.read_text(encoding="utf-8"), flags=re.DOTALL)
    if count != 1:
        raise ProvisionError(f"Debian's {path.name} has changed: {pattern!r} fits {count} times, not once")
    return text
