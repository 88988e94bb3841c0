"""Where the stand-in for python:slim differs from the official image: what that image's Dockerfile says, and what is.

Source of the official column: docker-library/python, 3.13/slim-trixie/Dockerfile, read in 2026. What only that image
itself could tell (its size, its newest patch release) has no row.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEBIAN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OFFICIAL: Mapping[str, str] = {
    "PATH": f"/usr/local/bin:{DEBIAN_PATH}",
    "other variables": "GPG_KEY PYTHON_SHA256 PYTHON_VERSION",
    "command": "python3",
    "interpreter": "/usr/local/bin/python3.13",
    "prefix": "/usr/local",
    "packages go to": "/usr/local/lib/python3.13/site-packages",
    "C headers": "/usr/local/include/python3.13",
    "in /usr/local/bin": (
        "idle idle3 idle3.13 pip pip3 pip3.13 pydoc pydoc3 pydoc3.13 python python-config python3 python3-config "
        "python3.13 python3.13-config"
    ),
    "bytecode files": "0",
    "tests of the library": "0",
    "libraries in /usr/local/lib": "libpython3.13.so libpython3.13.so.1.0 libpython3.so",
    "built with": (
        "--enable-loadable-sqlite-extensions --enable-optimizations --enable-option-checking=fatal --enable-shared "
        "--with-lto --with-ensurepip --enable-experimental-jit=yes-off"
    ),
}
PROBE = r"""
import glob, json, os, re, sys, sysconfig
paths = sysconfig.get_paths()
variables = json.loads(sys.argv[1])
files = [os.path.join(root, name) for root, _, names in os.walk("/usr/local") for name in names]
tests = re.compile("/python3[^/]*/(.*/)?(test|tests|idle_test)/")
print(json.dumps({
    "PATH": os.environ["PATH"],
    "other variables": " ".join(sorted(variables)),
    "command": sys.argv[2],
    "interpreter": os.path.realpath(sys.executable),
    "prefix": sys.prefix,
    "packages go to": paths["purelib"],
    "C headers": paths["include"],
    "in /usr/local/bin": " ".join(sorted(os.listdir("/usr/local/bin"))),
    "bytecode files": str(sum(name.endswith(".pyc") for name in files)),
    "tests of the library": str(sum(bool(tests.search(name)) for name in files)),
    "libraries in /usr/local/lib": " ".join(sorted(map(os.path.basename, glob.glob("/usr/local/lib/*.so*")))),
    "built with": " ".join(re.findall(r"--[^' ]+", sysconfig.get_config_var("CONFIG_ARGS"))),
}))
"""


def arguments(image: str, variables: list[str], command: list[str]) -> list[str]:
    """Return the arguments of docker that ask the image what it is."""
    names = [entry.partition("=")[0] for entry in variables]
    known = json.dumps([name for name in names if name != "PATH"])
    run = ["run", "--rm", "--network", "none", image]
    return [*run, "python3", "-I", "-B", "-c", PROBE, known, " ".join(command)]


def lines(said: str) -> Iterator[str]:
    """Yield a line for each aspect: the same in both, or both sides."""
    found: Mapping[str, str] = json.loads(said)
    for name, official in OFFICIAL.items():
        if found[name] == official:
            yield f"same     {name}: {official}"
        else:
            yield f"differs  {name}: {found[name] or 'none'}"
            yield f"         {' ' * len(name)}  officially {official}"
