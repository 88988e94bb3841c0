r"""Calls of package managers in a script: what they install, at which versions, with which options.

`package_calls(script)` finds them. Words are told apart by each manager's own tables, so that `-t sid` is no package.
Managers that are not known here give no call.

Example:
    >>> from dockproof.facts.dockerfile import parse
    >>> from dockproof.facts.shell import script
    >>> run = parse("FROM debian:13\nRUN apt-get install -y -t sid curl=8.14.1-2 ./local.deb\n").instructions[1]
    >>> (call,) = package_calls(script(run))
    >>> call.manager, call.action, [(one.name, one.version) for one in call.packages], dict(call.options)
    ('apt-get', 'install', [('curl', '8.14.1-2')], {'-y': None, '-t': 'sid'})
    >>> [word.text for word in call.files]
    ['./local.deb']
"""

from __future__ import annotations

from dockproof.facts.options import Arguments, read_arguments
from dockproof.facts.package_managers import MANAGERS, Manager
from dockproof.facts.package_specs import Package
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dockproof.facts.shell import Script
    from dockproof.facts.shell_words import Command, Word

__all__ = ["MANAGERS", "Package", "PackageCall", "package_calls", "read_call"]

_PYTHON = pattern(r"python[0-9.]*")
_PIP = pattern(r"pip[0-9.]*")
_SAME = {"bundler": "bundle", "dnf5": "dnf", "bunx": "npx"}
_NAMING = frozenset({"install", "remove", "upgrade", "download", "run", "build-dep"})
"""The actions whose operands are packages."""


class PackageCall(NamedTuple):
    """One call of a package manager.

    Attributes:
        command: the command.
        manager: its name, as `apt-get`; `pip` for `pip3` and `python -m pip` too.
        action: `install`, `update` (of the index), `upgrade`, `remove`, `clean`, or the manager's own word.
        verb: the manager's own word, as `dist-upgrade`, `ci`, `pip install`.
        packages: what it names, in order.
        options: option to value; None for an option without one. The last one of a repeated option.
        files: local files and folders: requirement files, archives, `.`.
        arguments: all options in order, and the words that are none.
    """

    command: Command
    manager: str
    action: str
    verb: str
    packages: tuple[Package, ...]
    options: Mapping[str, str | None]
    files: tuple[Word, ...]
    arguments: Arguments

    def has(self, *names: str) -> bool:
        """Tell whether one of these options is given."""
        return not self.options.keys().isdisjoint(names)


def package_calls(script: Script) -> tuple[PackageCall, ...]:
    """Find the calls of package managers in a script, in its order."""
    if script.calls is None:
        found = (read_call(command) for command in script.commands)
        script.calls = tuple(call for call in found if call is not None)
    return script.calls


def read_call(command: Command) -> PackageCall | None:
    """Read one command; None where it is no call of a known package manager, or one that does nothing."""
    name, words = _name(command)
    manager = MANAGERS.get(name)
    if manager is None:
        return None
    arguments = read_arguments(words, manager.options)
    verb, operands = _option_verb(manager, arguments) if manager.verbs else _verb(manager, arguments.operands)
    action = manager.actions.get(verb, manager.other or verb) if verb else manager.default
    if not action or (not verb and arguments.has("-v", "--version", "-h", "--help")):
        return None
    packages, files = _named(manager, action, arguments, operands)
    options = {option.name: option.value for option in arguments.options}
    return PackageCall(command, name, action, verb, packages, options, files, arguments)


def _name(command: Command) -> tuple[str, Sequence[Word]]:
    """Give the manager's common name and the words behind it, through `python -m`."""
    name, words = command.name, command.words[1:]
    if name in MANAGERS:
        return name, words
    if name.startswith("python") and _PYTHON.fullmatch(name):
        module = next((at for at, word in enumerate(words) if word.text == "-m"), len(words))
        if module + 1 < len(words) and all(word.text.startswith("-") for word in words[:module]):
            name, words = words[module + 1].text, words[module + 2 :]
    if name.startswith("pip") and _PIP.fullmatch(name):
        name = "pip"
    return _SAME.get(name, name), words


def _verb(manager: Manager, operands: Sequence[Word]) -> tuple[str, Sequence[Word]]:
    """Find the manager's word for what is done, and the operands behind it."""
    if operands and operands[0].text.startswith("+"):
        operands = operands[1:]  # cargo's toolchain
    if not operands:
        return "", ()
    first = operands[0].text
    if manager.other == "run":
        return first, operands  # npx: its operand is the package
    if first in manager.groups and len(operands) > 1:
        return f"{first} {operands[1].text}", operands[2:]
    return first, operands[1:]


def _option_verb(manager: Manager, arguments: Arguments) -> tuple[str, Sequence[Word]]:
    """Find the option that says what is done, as in `dpkg -i`."""
    verb = next((verb for option, verb in (manager.verbs or {}).items() if arguments.has(option)), "")
    if verb == "sync" and not arguments.operands:
        # pacman: -Scc cleans, -Syu upgrades, -Sy refreshes.
        verb = "sysupgrade" if arguments.has("-u", "--sysupgrade") else "refresh"
        verb = "clean" if arguments.has("-c", "--clean") else verb
    return verb, arguments.operands


def _named(
    manager: Manager, action: str, arguments: Arguments, operands: Sequence[Word]
) -> tuple[tuple[Package, ...], tuple[Word, ...]]:
    """Read the packages and local files that the call names."""
    files = [option.word for option in arguments.values(*manager.files)]
    words = [option.word for option in arguments.values(*manager.packages)]
    if action in _NAMING and not (action == "run" and words):
        words += operands[:1] if action == "run" else operands
    packages: list[Package] = []
    for word in words:
        package = manager.read(word)
        if package is None:
            files.append(word)
        else:
            packages.append(package)
    versions = arguments.values(*manager.version)
    if versions:
        packages = [one if one.version else one._replace(version=versions[-1].value) for one in packages]
    return tuple(packages), tuple(files)
