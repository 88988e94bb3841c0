r"""What a build fetches from the net: the address, where it goes, what checks it, what runs it.

`downloads(script)` reads the commands of a RUN, `added(instruction)` an ADD.

Example:
    >>> from dockproof.facts.dockerfile import parse
    >>> from dockproof.facts.shell import script
    >>> run = parse("FROM a\nRUN curl -sO https://x.org/a.tgz && echo \"$SUM a.tgz\" | sha256sum -c\n").instructions[1]
    >>> (found,) = downloads(script(run))
    >>> found.tool, found.url.text, found.output, found.checked_by
    ('curl', 'https://x.org/a.tgz', 'a.tgz', Command('sha256sum -c'))
"""

from __future__ import annotations

import re
from _weakref import ref  # as in shell.py

from dockproof.facts import shell_wrappers
from dockproof.facts.download_tools import TOOLS, Fetch, base_name
from dockproof.facts.shell import held
from dockproof.facts.shell_words import Command, Source, Word
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dockproof.facts.dockerfile import Instruction
    from dockproof.facts.shell import Script

MAX_CHECKS = 500
"""Checks of one script that downloads are compared with."""
INTERPRETERS = shell_wrappers.SHELLS | frozenset(
    {
        "eval",
        "source",
        ".",
        "fish",
        "python",
        "python2",
        "python3",
        "perl",
        "ruby",
        "node",
        "php",
        "lua",
        "pwsh",
    }
)
"""Programs that run what they read."""
_LOCAL = pattern(r"(?:localhost|127(?:\.[0-9]+){3}|0\.0\.0\.0|\[::1?\])\Z", re.IGNORECASE)
_ADDRESS = pattern(r"(?:([A-Za-z][A-Za-z0-9+.-]*)://)?(?:[^/@?#]*@)?(\[[^\]]*\]|[^/:?#]*)")
_REVISION = pattern(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_SUMS = pattern(
    r"(?:.*[-_])?(?:sha[0-9]*sums?[0-9]*|md5sums?|b2sums?|checksums?|sums)(?:[-_.].*)?\Z", re.IGNORECASE
)
_DIGESTS = frozenset(
    {
        "md5sum",
        "sha1sum",
        "sha224sum",
        "sha256sum",
        "sha384sum",
        "sha512sum",
        "shasum",
        "b2sum",
        "b3sum",
        "rhash",
    }
)
_SUBSTITUTES = pattern(r"\$\(|`|<\(")
_TESTS = frozenset({"[", "[[", "test"})
_BRACES = pattern(r"\$\{([A-Za-z_][A-Za-z_0-9]*)\}")


class Download(NamedTuple):
    """One address that is fetched.

    Attributes:
        tool: `curl`, `wget`, `git`, `ADD`, …
        url: the address as a word; it is not literal when it holds a variable.
        output: the file or folder that it goes to, as written; None when it goes to standard output.
        checked_by: the later command that checks it: sha256sum -c, gpg --verify, cosign, a comparison, git checkout of
            a whole commit id or of what a variable names. It need not be enough: see its name and words.
        piped_into: the command that reads it, through a pipe or as `sh -c "$(curl …)"`.
        command: the command that fetches it, None for ADD.
        written_in: the instruction that it stands in, or a weak reference to it; ask `instruction`.
        insecure: the options that switch certificate checks off, as written.
        checksum: ADD's --checksum, or the commit id that it names; None without.
    """

    tool: str
    url: Word
    output: str | None
    checked_by: Command | None
    piped_into: Command | None
    command: Command | None
    written_in: Instruction | ref[Instruction]
    insecure: tuple[str, ...] = ()
    checksum: str | None = None

    @property
    def instruction(self) -> Instruction:
        """The instruction that it stands in.

        Raises:
            ReferenceError: the Dockerfile is gone, because nothing else holds it.
        """
        return held(self.written_in) if isinstance(self.written_in, ref) else self.written_in

    @property
    def checked(self) -> bool:
        """Whether anything checks it."""
        return self.checked_by is not None or self.checksum is not None

    @property
    def scheme(self) -> str:
        """The address's scheme in lower case; `http` where it has none, empty where a variable may hold it."""
        found = _ADDRESS.match(self.url.text)
        if found and found[1]:
            return found[1].lower()
        if self.url.text.startswith("$"):
            return ""
        return "ssh" if self.tool == "git" else "http"

    @property
    def host(self) -> str:
        """The address's host in lower case, as written; it may be a variable."""
        found = _ADDRESS.match(self.url.text)
        return found[2].lower() if found else ""

    @property
    def local(self) -> bool:
        """Whether it is fetched from the same machine, as health checks do."""
        return bool(_LOCAL.match(self.host))

    @property
    def run_by(self) -> Command | None:
        """The interpreter that runs what is fetched without its ever being a file: `curl … | gunzip | sh`."""
        command = self.piped_into
        for _ in range(16):
            if command is None or (command.name in INTERPRETERS and not _reads_its_own_script(command)):
                return command
            command = command.piped_into
        return None


def _reads_its_own_script(command: Command) -> bool:
    """Whether the interpreter's script is a file or a word, so that its input is data: `curl x | python -m json`."""
    if command.name in ("eval", "source", ".") or any(
        _SUBSTITUTES.search(word.raw) for word in command.words
    ):
        return False
    if command.name in shell_wrappers.SHELLS:
        return not shell_wrappers.reads_standard_input(command)
    if command.name == "php" and any(word.text == "--" for word in command.words[1:2]):
        return False  # what follows is for the script that comes from the pipe
    first = next(iter(command.arguments), None)
    return command.has("-c", "-m", "-e", "-n", "-r", "-p") or (
        first is not None and first.text not in ("-", "/dev/stdin")
    )


def downloads(script: Script) -> tuple[Download, ...]:
    """Find what a script's commands fetch, in its order."""
    if script.downloads is None:
        script.downloads = tuple(_find(script))
    return script.downloads


def _find(script: Script) -> Iterator[Download]:
    checks: list[tuple[int, Command, str]] | None = None
    for at, command in enumerate(script.commands):
        tool = TOOLS.get(command.name)
        for fetch in tool(command) if tool else ():
            checks = list(_checks(script.commands)) if checks is None else checks
            yield Download(
                fetch.tool,
                fetch.url,
                fetch.output,
                _check_of(fetch, at, command, checks),
                command.piped_into or _fed(command),
                command,
                script.written_in,
                fetch.insecure,
                fetch.pin,
            )


def _fed(command: Command) -> Command | None:
    """The command that runs the download as a part of its words."""
    feeds = command.feeds
    return feeds if feeds is not None and feeds.name in INTERPRETERS else None


# ---- checks


def _checks(commands: Sequence[Command]) -> Iterator[tuple[int, Command, str]]:
    """Find the commands that check files: their place, themselves, and what they say of the files."""
    number = 0
    for at, command in enumerate(commands):
        if _is_check(command):
            yield at, command, _plain(" ".join(_said(command)))
            number += 1
            if number >= MAX_CHECKS:
                return


def checks_said(script: Script) -> tuple[str, ...]:
    """Give what each check of a script says of its files: a later RUN may check what an earlier one has fetched."""
    return tuple(said for _, _, said in _checks(script.commands))


def _is_check(command: Command) -> bool:
    name = command.name
    if name in _DIGESTS or name == "openssl":
        return command.has("-c", "--check") or (command.feeds is not None and command.feeds.name in _TESTS)
    if name == "git":
        return _is_commit_check(command)
    if name in ("gpg", "gpg2"):
        return command.has("--verify")
    if name == "rpm":
        return command.has("-K", "--checksig")
    if name in ("minisign", "signify", "signify-openbsd"):
        return command.has("-V")
    return name in ("gpgv", "cosign", "slsa-verifier") and any(
        name == "gpgv" or word.text.startswith("verify") for word in command.arguments
    )


def _is_commit_check(command: Command) -> bool:
    """Whether git takes one whole commit, or what a variable says, or checks a signature."""
    texts = [word.text for word in command.arguments]
    if "verify-tag" in texts or "verify-commit" in texts:
        return True
    moves = "checkout" in texts or "reset" in texts or "switch" in texts
    return moves and any(_REVISION.match(word.text) or not word.literal for word in command.arguments)


def _said(command: Command) -> Iterator[str]:
    """Give the texts that may name the files: the check's words, what it reads, and what is piped into it."""
    current: Command | None = command
    for _ in range(8):
        if current is None:
            return
        yield from (word.text for word in current.words)
        for redirect in current.redirects:
            if redirect.operator.startswith("<"):
                yield redirect.target.text
                yield from (word.text for word in redirect.body)
        current = current.piped_from


def _plain(text: str) -> str:
    return _BRACES.sub(r"$\1", text) if "{" in text else text


def _check_of(
    fetch: Fetch, at: int, command: Command, checks: Iterable[tuple[int, Command, str]]
) -> Command | None:
    """Find the check of a download: a later one that names its file, or a list of sums that names none."""
    name = _plain(base_name(fetch.output or "") or base_name(fetch.url.text))
    downstream = command.piped_into
    for place, check, said in checks:
        if check is downstream or (place > at and _is_about(fetch, name, check, said)):
            return check
    return None


def _is_about(fetch: Fetch, name: str, check: Command, said: str) -> bool:
    """Whether the check is one of this download."""
    if check.name == "git" or fetch.tool == "git":
        return check.name == fetch.tool
    return bool(name and name in said) or _names_none(check, said)


def _names_none(check: Command, said: str) -> bool:
    """Whether the check reads a list of sums whose files its words do not tell: `sha256sum -c SHA256SUMS`."""
    if check.name not in _DIGESTS:
        return False
    lists = [base_name(word.text) for word in check.arguments if word.text != "-"]
    return any(_SUMS.match(one) for one in lists) or (
        not lists and "grep" not in said and "SUMS" in said.upper()
    )


# ---- ADD

_REMOTE = pattern(r"(?:https?|ftp)://", re.IGNORECASE)
_GIT = pattern(r"(?:git@|ssh://|git://)|https?://[^#?]*\.git(?:[#?]|\Z)")


def added(instruction: Instruction) -> tuple[Download, ...]:
    """Find what an ADD fetches; () for any other instruction."""
    instruction = instruction.effective
    if instruction.keyword != "ADD":
        return ()
    words = instruction.words
    source = Source(instruction.value, [(0, instruction.locate, 0)])
    found, position = [], 0
    for text in words[:-1]:
        at = max(source.text.find(text, position), 0)
        position = at + len(text)
        is_git = bool(_GIT.match(text))
        if is_git or _REMOTE.match(text):
            url = Word(text, at, position, source, literal="$" not in text)
            pin = instruction.flag("checksum") or _pin(text)
            tool = "git" if is_git else "ADD"
            found.append(Download(tool, url, words[-1], None, None, None, instruction, (), pin))
    return tuple(found)


def _pin(url: str) -> str | None:
    """Give the commit id that a repository's address names: `https://x/y.git#<40 hex digits>:folder`."""
    revision = url.partition("#")[2].partition(":")[0]
    return revision if _REVISION.match(revision) else None
