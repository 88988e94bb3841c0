"""What a RUN that installs needs of what was copied before it: nothing, the manifest alone, or the code."""

from __future__ import annotations

import posixpath
from enum import IntEnum

from dockproof.facts.packages import package_calls
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dockproof.facts.packages import PackageCall
    from dockproof.facts.shell import Command, Script


class Needs(IntEnum):
    """What a command needs; of several the largest counts."""

    NO_MATTER = 0
    """It installs nothing and prepares nothing: it may stand before or after."""
    NOTHING = 1
    """It installs what it names."""
    MANIFEST = 2
    """It installs what the manifest or the lock file names."""
    PROJECT = 3
    """As MANIFEST, and the project itself, which a second call could do."""
    CODE = 4
    """It may need anything."""


class Install(NamedTuple):
    """A command that installs: what it needs, and the name of the tool, as `npm`."""

    command: Command
    tool: str
    needs: Needs

    def __str__(self) -> str:
        """Show the command's first words, as `npm ci`."""
        words = [word.text for word in self.command.words if not word.text.startswith("-")]
        return " ".join([self.tool, *words[1:2]])


def words(text: str) -> frozenset[str]:
    """Cut a list of words."""
    return frozenset(text.split())


SYSTEM = words("apt-get apt aptitude apk dnf yum microdnf tdnf zypper pacman dpkg rpm")
_MAKING = frozenset({"install", "upgrade", "download"})
_QUIET = words("update clean remove purge config cache check list show freeze") | {"config set", "mod verify"}
_REQUIREMENTS = (".txt", ".in", ".lock", ".toml", ".pip")
_TESTS = frozenset({"install-test", "it", "cit", "install-ci-test"})

# Commands that neither install nor give an installation what it needs.
_NO_MATTER = words(
    "addgroup adduser apt-key apt-mark add-apt-repository a2enmod a2dismod cd chgrp chmod chown command corepack"
    " debconf-set-selections dpkg-reconfigure echo exit export false find groupadd hash id ldconfig ln locale-gen mkdir"
    " printf pwd rm rmdir rustup set sleep sync touch true type umask uname unset update-alternatives"
    " update-ca-certificates useradd usermod virtualenv wait which :"
)
# Those that do when they read what was copied, and are harmless elsewhere, as `sed -i … /etc/apt/sources.list`.
_FILES = words(
    ". awk cat cp curl cut dirname dearmor gpg grep gunzip head install mv sed sha256sum sort source tail tar tee test"
    " tr unzip wget xargs xz ["
)
_SCRIPTED = frozenset({"awk", "grep", "sed", "tr"})  # their first argument is no file
_SHELLS = frozenset({"sh", "bash", "dash", "ash"})


def installs(script: Script, touched: Callable[[str], bool]) -> tuple[Needs, tuple[Install, ...]]:
    """Say what a RUN needs of what was copied, and what it installs.

    Args:
        script: its commands; those of no POSIX shell need CODE.
        touched: whether a path, as a command names it, may be what was copied.
    """
    if not script.posix:
        return Needs.CODE, ()
    calls = {id(call.command): call for call in package_calls(script)}
    named = (command for command in script.commands if command.name)
    found = [(command, *_needs(command, calls.get(id(command)), touched)) for command in named]
    making = (Install(*one) for one in found if one[2] is not Needs.NO_MATTER)
    return max((one[2] for one in found), default=Needs.NO_MATTER), tuple(making)


def prepares(script: Script) -> bool:
    """Whether a RUN may be a script of the project that sets up what a system's package manager needs."""
    return not script.posix or any(
        command.name in _SHELLS | {"make", "ansible-playbook"}
        or ("/" in command.path and not command.path.startswith(("/usr/", "/bin/", "/sbin/", "/opt/")))
        for command in script.commands
        if not _is_piped_shell(command)
    )


def _needs(command: Command, call: PackageCall | None, touched: Callable[[str], bool]) -> tuple[str, Needs]:
    name = command.name
    if name in _NO_MATTER or _is_piped_shell(command):
        return name, Needs.NO_MATTER
    if name in _FILES:
        read = any(touched(word.text) for word in command.arguments[name in _SCRIPTED :])
        return name, Needs.CODE if read else Needs.NO_MATTER
    if call is not None:
        return call.manager, _of_call(call)
    own = _OWN.get(name)
    return name, own(command) if own else _of_python(command)


def _is_piped_shell(command: Command) -> bool:
    """Whether a shell reads its script from a pipe, as in `curl … | bash -`."""
    return (
        command.name in _SHELLS
        and command.piped_from is not None
        and (command.has("-s") or all(word.text == "-" for word in command.arguments))
    )


def _of_call(call: PackageCall) -> Needs:
    if {call.action, call.verb, call.verb.partition(" ")[0]} & _QUIET:
        return Needs.NO_MATTER
    if call.manager == "cargo" and call.verb == "chef":
        return Needs.MANIFEST if "cook" in _texts(call.command) else Needs.CODE
    if call.action not in _MAKING or call.verb in _TESTS or _is_computed(call):
        return Needs.CODE
    if call.manager in SYSTEM:
        return Needs.NOTHING if call.packages and not call.files else Needs.CODE
    return Needs.CODE if _is_local(call) else _of_language(call)


def _is_local(call: PackageCall) -> bool:
    """Whether something of the project itself is installed, or files that lie beside it."""
    own = call.has("-e", "--editable", "--path") or _links_locally(call)
    return own or not all(word.text.endswith(_REQUIREMENTS) for word in call.files)


def _of_language(call: PackageCall) -> Needs:
    if call.manager in {"uv", "poetry"} and call.verb in {"sync", "install"}:
        return _of_project(call)
    if call.packages and not call.files:
        adds = call.manager in {"npm", "yarn", "pnpm", "bun"} and not _is_global(call)
        return Needs.MANIFEST if adds else Needs.NOTHING
    return _of_manifest(call)


def _of_project(call: PackageCall) -> Needs:
    """Judge `uv sync` and `poetry install`, which install the project after its dependencies unless they are told."""
    if call.has("--only-root"):
        return Needs.CODE
    alone = call.has("--no-root", "--no-install-project", "--no-install-workspace", "--only-group")
    return Needs.MANIFEST if alone else Needs.PROJECT


def _of_manifest(call: PackageCall) -> Needs:
    """Judge a call that names no package."""
    if call.manager in {"pip", "uv", "pipx"}:
        return Needs.MANIFEST if call.files else Needs.CODE
    if call.manager in {"gem", "go", "cargo"}:
        return Needs.MANIFEST if call.action == "download" or call.files else Needs.CODE
    return Needs.MANIFEST


def _is_global(call: PackageCall) -> bool:
    return call.has("-g", "--global", "--location") or call.verb.startswith("global")


def _is_computed(call: PackageCall) -> bool:
    """Whether what is installed is worked out by a command, as in `apt-get install $(cat packages)`."""
    return any("$(" in word.raw or "`" in word.raw for word in call.command.words)


def _links_locally(call: PackageCall) -> bool:
    links = (call.options.get(name) for name in ("-f", "--find-links"))
    return call.manager in {"pip", "uv"} and any(link and "://" not in link for link in links)


def _texts(command: Command) -> list[str]:
    """Give the words behind the name, options too."""
    return [word.text for word in command.words[1:]]


def _of_python(command: Command) -> Needs:
    texts = _texts(command)
    return (
        Needs.NO_MATTER if command.name.startswith("python") and texts[:2] == ["-m", "venv"] else Needs.CODE
    )


def _composer(command: Command) -> Needs:
    texts = _texts(command)
    if "install" not in texts:
        return Needs.NO_MATTER if {"clear-cache", "clearcache", "config"} & {*texts} else Needs.CODE
    return Needs.MANIFEST if {"--no-scripts", "--no-autoloader"} <= {*texts} else Needs.PROJECT


def _maven(command: Command) -> Needs:
    goals = [text for text in _texts(command) if not text.startswith("-") and "=" not in text]
    return Needs.MANIFEST if goals and all(_is_dependency_goal(goal) for goal in goals) else Needs.CODE


def _is_dependency_goal(goal: str) -> bool:
    return "dependency" in goal.partition(":")[0] or ":maven-dependency-plugin:" in goal


_GRADLE = frozenset({"dependencies", "androiddependencies", "resolvedependencies", "downloaddependencies"})


def _gradle(command: Command) -> Needs:
    tasks = {text.rpartition(":")[2].lower() for text in _texts(command) if not text.startswith("-")}
    return Needs.MANIFEST if tasks and tasks <= _GRADLE else Needs.CODE


def _first(words: Iterable[str], found: Needs) -> Callable[[Command], Needs]:
    """Make a reader that knows a few first words of a tool."""
    known = frozenset(words)
    return lambda command: found if known & {word.text for word in command.arguments[:1]} else Needs.CODE


def _conda(command: Command) -> Needs:
    texts = _texts(command)
    first = next((text for text in texts if not text.startswith("-")), "")
    if first == "env":
        return Needs.MANIFEST
    if first in {"clean", "config", "init"}:
        return Needs.NO_MATTER
    if first in {"install", "create"}:
        return Needs.MANIFEST if {"-f", "--file"} & {*texts} else Needs.NOTHING
    return Needs.CODE


_OWN: Mapping[str, Callable[[Command], Needs]] = {
    "composer": _composer,
    **dict.fromkeys(("mvn", "mvnw"), _maven),
    **dict.fromkeys(("gradle", "gradlew"), _gradle),
    "dotnet": _first(["restore"], Needs.MANIFEST),
    "nuget": _first(["restore"], Needs.MANIFEST),
    **dict.fromkeys(("conda", "mamba", "micromamba"), _conda),
    "pecl": _first(["install"], Needs.NOTHING),
    **dict.fromkeys(("docker-php-ext-install", "install-php-extensions"), lambda _command: Needs.NOTHING),
    **dict.fromkeys(("docker-php-ext-configure", "docker-php-ext-enable"), lambda _command: Needs.NO_MATTER),
}


def touches(path: str, folders: Iterable[str], workdir: str) -> bool:
    """Whether a path, as a command names it, may be at, below or above one of some folders."""
    if not path or path == "-" or "$" in path or "://" in path:
        return False
    full = f"{posixpath.normpath(posixpath.join(workdir, path))}/"
    return any(one == "/" or full.startswith(f"{one}/") or f"{one}/".startswith(full) for one in folders)
