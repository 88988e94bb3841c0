"""Which images have a stand-in, and what each is made of.

A stand-in behaves as the official image does where a Dockerfile or a compose file can see it: the program's version
and place, its user, its volume, the variables that it reads and its health commands. It is Debian inside, whatever
the official image is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.provision.host import ProvisionError
from scripts.provision.stand_in import python_layout
from scripts.provision.stand_in.differences import DEBIAN_PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scripts.provision.references import Reference

HERE = Path(__file__).resolve().parent
FILES = HERE / "files"
SUITE = "trixie"
PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Recipe:
    """How one family of images is made.

    Attributes:
        repository: the official repository's name, such as "python".
        tags: patterns of the tags that it stands in for.
        main: the package whose version the stand-in is told by.
        include: packages that apt installs, with their dependencies.
        unpack: packages whose files alone are taken: their dependencies would bring in a second Python, Perl or LLVM.
        arrange: moves the unpacked files to where the official image has them; None leaves them in place.
        setup: a shell script that runs inside the new root at the end.
        config: the image's configuration; "{version}" stands for the upstream version.
    """

    repository: str
    tags: tuple[str, ...]
    main: str
    include: tuple[str, ...]
    unpack: tuple[str, ...]
    config: Mapping[str, Any]
    setup: str = ""
    arrange: Callable[[Path, Path], None] | None = field(default=None, repr=False)

    def fits(self, reference: Reference) -> bool:
        """Return whether this recipe stands in for the reference."""
        return reference.repository == self.repository and any(
            fnmatchcase(reference.tag, tag) for tag in self.tags
        )

    @property
    def programs(self) -> list[Path]:
        """Our own scripts for the image's /usr/local/bin, its entrypoint among them; none for some."""
        return sorted((FILES / self.repository).glob("*"))

    def fingerprint(self) -> str:
        """Return a hash of all that decides the image's content but the packages' versions."""
        digest = hashlib.sha256(repr(self).encode())
        layout = [HERE / "python_layout.py"] if self.arrange else []
        for path in (*self.programs, HERE / "build.py", *layout):
            digest.update(path.read_bytes())
        return digest.hexdigest()[:16]


def recipe_for(reference: Reference) -> Recipe:
    """Return the recipe of a reference.

    Raises:
        ProvisionError: nobody wrote one.
    """
    for recipe in RECIPES:
        if recipe.fits(reference):
            return recipe
    known = ", ".join(f"{recipe.repository}:{tag}" for recipe in RECIPES for tag in recipe.tags)
    raise ProvisionError(f"no registry is reachable and {reference.text} has no stand-in (there are {known})")


PYTHON = Recipe(
    repository="python",
    tags=("3.13-slim", "3.13-slim-trixie"),
    main="python3.13",
    include=(
        "ca-certificates", "netbase", "tzdata", "media-types", "libbz2-1.0", "libdb5.3t64", "libexpat1", "libffi8",
        "libgdbm6t64", "liblzma5", "libncursesw6", "libreadline8t64", "libsqlite3-0", "libssl3t64", "libuuid1",
        "zlib1g",
    ),
    unpack=(
        "python3.13-minimal", "libpython3.13-minimal", "libpython3.13-stdlib", "python3.13", "python3.13-venv",
        "python3-pip-whl", "libpython3.13-dev", "libpython3.13", "python3.13-gdbm",
        "python3.13-tk", "idle-python3.13",
    ),
    config={
        "Env": [f"PATH=/usr/local/bin:{DEBIAN_PATH}", "PYTHON_VERSION={version}"],
        "Cmd": ["python3"],
    },
    setup=python_layout.SETUP,
    arrange=python_layout.arrange,
)  # fmt: skip

POSTGRES = Recipe(
    repository="postgres",
    tags=("17", "17-*", "17.*"),
    main="postgresql-17",
    include=(
        "libgssapi-krb5-2", "libicu76", "libldap2", "liblz4-1", "libpam0g", "libpq5", "libreadline8t64", "libselinux1",
        "libssl3t64", "libstdc++6", "libsystemd0", "libuuid1", "libxml2", "libxslt1.1", "libzstd1", "tzdata", "zlib1g",
    ),
    unpack=("postgresql-17", "postgresql-client-17"),
    config={
        "Env": [
            f"PATH=/usr/lib/postgresql/17/bin:{PATH}", "LANG=C.UTF-8", "PG_MAJOR=17", "PG_VERSION={version}",
            "PGDATA=/var/lib/postgresql/data",
        ],
        "Entrypoint": ["docker-entrypoint.sh"],
        "Cmd": ["postgres"],
        "ExposedPorts": {"5432/tcp": {}},
        "Volumes": {"/var/lib/postgresql/data": {}},
        "StopSignal": "SIGINT",
    },
    # 70 is the number that the alpine image gives its user.
    setup="""
        groupadd --system --gid 70 postgres
        useradd --system --uid 70 --gid 70 --home-dir /var/lib/postgresql --shell /bin/sh postgres
        install -d -o postgres -g postgres -m 1777 /var/lib/postgresql/data
        install -d -o postgres -g postgres -m 3777 /var/run/postgresql
        install -d /docker-entrypoint-initdb.d
        sample=/usr/share/postgresql/17/postgresql.conf.sample
        sed -i "s/^#listen_addresses = 'localhost'/listen_addresses = '*'/" $sample
    """,
)  # fmt: skip

RABBITMQ = Recipe(
    repository="rabbitmq",
    tags=("4", "4-*", "4.*"),
    main="rabbitmq-server",
    include=(
        "erlang-base", "erlang-crypto", "erlang-eldap", "erlang-inets", "erlang-mnesia", "erlang-os-mon",
        "erlang-parsetools", "erlang-public-key", "erlang-runtime-tools", "erlang-ssl", "erlang-syntax-tools",
        "erlang-tools", "erlang-xmerl", "openssl", "socat",
    ),
    unpack=("rabbitmq-server",),
    config={
        "Env": [
            f"PATH={PATH}:/usr/lib/rabbitmq/bin", "LANG=C.UTF-8", "HOME=/var/lib/rabbitmq", "RABBITMQ_LOGS=-",
            "RABBITMQ_VERSION={version}",
        ],
        "Entrypoint": ["docker-entrypoint.sh"],
        "Cmd": ["rabbitmq-server"],
        "ExposedPorts": {
            f"{port}/tcp": {} for port in (4369, 5671, 5672, 15671, 15672, 15691, 15692, 25672)
        },
        "Volumes": {"/var/lib/rabbitmq": {}},
    },
    setup="""
        groupadd --system --gid 999 rabbitmq
        useradd --system --uid 999 --gid 999 --home-dir /var/lib/rabbitmq --shell /bin/sh rabbitmq
        install -d -o rabbitmq -g rabbitmq -m 0777 /var/lib/rabbitmq /var/log/rabbitmq
        install -d -o rabbitmq -g rabbitmq /etc/rabbitmq /etc/rabbitmq/conf.d
        echo '[rabbitmq_management].' >/etc/rabbitmq/enabled_plugins
        # Debian's own commands hide the server behind a shell and its log in a file.
        rm /usr/sbin/rabbitmq*
        for name in rabbitmqctl rabbitmq-diagnostics rabbitmq-plugins rabbitmq-queues rabbitmq-streams; do
            ln -s rabbitmq-tool "/usr/local/bin/$name"
        done
        printf 'loopback_users.guest = false\\nlog.console = true\\n' >/etc/rabbitmq/conf.d/10-defaults.conf
    """,
)  # fmt: skip

REDIS = Recipe(
    repository="redis",
    tags=("8", "8-*", "8.*"),
    main="redis-server",
    include=("libatomic1", "libjemalloc2", "liblzf1", "libssl3t64", "libstdc++6", "libsystemd0"),
    unpack=("redis-server", "redis-tools"),
    config={
        "Env": [f"PATH={PATH}", "REDIS_VERSION={version}"],
        "Entrypoint": ["docker-entrypoint.sh"],
        "Cmd": ["redis-server"],
        "ExposedPorts": {"6379/tcp": {}},
        "Volumes": {"/data": {}},
        "WorkingDir": "/data",
    },
    setup="""
        groupadd --system --gid 1000 redis
        useradd --system --uid 999 --gid 1000 --home-dir /data --shell /bin/sh redis
        install -d -o redis -g redis /data
    """,
)

RECIPES = (PYTHON, POSTGRES, RABBITMQ, REDIS)
