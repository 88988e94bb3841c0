"""What commands start other commands, and where in their words those stand.

`sudo -u app env A=1 curl x` runs curl; `su -c '…'` and `sh -c '…'` run a script; `xargs rm` runs rm.
"""

from __future__ import annotations

from dockproof.facts.shell_words import ending
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dockproof.facts.shell_words import Command, Word

SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"})
"""Programs that read POSIX shell scripts, or near enough."""

_LETTERS = {
    "errexit": "e",
    "nounset": "u",
    "xtrace": "x",
    "noexec": "n",
    "noglob": "f",
    "verbose": "v",
    "allexport": "a",
}
_ASSIGNMENT = pattern(r"[A-Za-z_][A-Za-z_0-9]*\+?=")


class Wrapper(NamedTuple):
    """How a program's words lead to the command that it starts."""

    short: str = ""  # the letters of options that take a value
    long: frozenset[str] = frozenset()  # the names of long options that take a value as the next word
    operands: int = 0  # words of its own before the command
    assigns: bool = False  # takes NAME=value before the command
    stops: frozenset[str] = frozenset()  # options with which it starts nothing


def _long(text: str) -> frozenset[str]:
    return frozenset(f"--{name}" for name in text.split())


_USER = _long("user group")
WRAPPERS: dict[str, Wrapper] = {
    "sudo": Wrapper(
        "ugpChrtTUDR",
        _long("user group prompt close-from host role type command-timeout other-user chdir chroot"),
        assigns=True,
        stops=frozenset({"-l", "-v", "-k", "-V"}),
    ),
    "doas": Wrapper("uC"),
    "env": Wrapper("uCS", _long("unset chdir split-string"), assigns=True),
    "nice": Wrapper("n", _long("adjustment")),
    "ionice": Wrapper("cnpPu", _long("class classdata")),
    "time": Wrapper("fo", _long("format output")),
    "nohup": Wrapper(),
    "exec": Wrapper("a"),
    "command": Wrapper(stops=frozenset({"-v", "-V"})),
    "builtin": Wrapper(),
    "coproc": Wrapper(),
    "xargs": Wrapper(
        "EIPLndsa", _long("arg-file delimiter max-lines max-args max-procs max-chars process-slot-var")
    ),
    "timeout": Wrapper("ks", _long("kill-after signal"), operands=1),
    "stdbuf": Wrapper("ioe", _long("input output error")),
    "setsid": Wrapper(),
    "gosu": Wrapper(operands=1),
    "su-exec": Wrapper(operands=1),
    "setpriv": Wrapper(
        "", _long("reuid regid groups inh-caps ambient-caps bounding-set securebits pdeathsig")
    ),
    "tini": Wrapper("peg"),
    "dumb-init": Wrapper("r", _long("rewrite")),
    "busybox": Wrapper(stops=frozenset({"--install", "--list", "--help"})),
    "toybox": Wrapper(),
    "fakeroot": Wrapper("lsib"),
    "eatmydata": Wrapper(),
    "unbuffer": Wrapper(),
    "linux32": Wrapper(),
    "linux64": Wrapper(),
    "xvfb-run": Wrapper("efnpsw", _long("error-file auth-file server-num xauth-protocol server-args wait")),
    "catchsegv": Wrapper(),
    "flock": Wrapper(
        "wE", _long("timeout wait conflict-exit-code"), operands=1, stops=frozenset({"-c", "--command"})
    ),
}
SPECIAL = frozenset(WRAPPERS) | SHELLS | {"set", "eval", "su", "runuser", "find", "trap", "script"}
"""Names of commands that need a second look."""


class Script(NamedTuple):
    """A script in a command's words, the options that it runs with, and its label in `Command.inside`."""

    words: Sequence[Word]
    options: frozenset[str]
    label: str


def unwrap(command: Command) -> None:
    """Move the programs that start another one from the command's words to its wrappers."""
    words, wrappers, at = command.words, [], 0
    while True:
        name = _basename(words[at].text)
        rule = _runuser(words, at) if name == "runuser" else WRAPPERS.get(name)
        after = _started(rule, words, at + 1) if rule else len(words)
        if rule is None or after >= len(words):
            break
        if rule.assigns:
            _keep_assignments(command, words[at + 1 : after])
        wrappers.append(name)
        at = after
    if at:
        command.wrappers = (*command.wrappers, *wrappers)
        command.words = words[at:]
        command.path = words[at].text
        command.name = _basename(command.path)


def _basename(path: str) -> str:
    return path.rpartition("/")[2] if "/" in path else path


def _runuser(words: Sequence[Word], at: int) -> Wrapper | None:
    """`runuser -u app -- cmd` starts a command; its other forms are su's."""
    following = [word.text for word in words[at + 1 : at + 3]]
    return Wrapper("ugG", _USER) if following and following[0].startswith(("-u", "--user")) else None


def _started(rule: Wrapper, words: Sequence[Word], at: int) -> int:
    """Find the word that the wrapper starts; the number of words where it starts none."""
    operands = rule.operands
    while at < len(words):
        text = words[at].text
        if text in rule.stops:
            return len(words)
        if text == "--":
            return at + 1 + operands
        if text.startswith("-") and len(text) > 1:
            at += 2 if _takes_value(rule, text) else 1
        elif rule.assigns and _ASSIGNMENT.match(text):
            at += 1
        elif operands:
            operands -= 1
            at += 1
        else:
            return at
    return at


def _takes_value(rule: Wrapper, text: str) -> bool:
    """Whether the option's value is the next word: `--user app`, `-u app`, `-Eu app`, but not `-uapp`."""
    if text.startswith("--"):
        return text in rule.long
    first = next((at for at, letter in enumerate(text) if at and letter in rule.short), None)
    return first == len(text) - 1


def _keep_assignments(command: Command, words: Sequence[Word]) -> None:
    for word in words:
        name, equals, value = word.text.partition("=")
        if equals and _ASSIGNMENT.match(word.text):
            command.add_assignment(name.rstrip("+"), ending(word, value))


def set_options(command: Command, options: frozenset[str]) -> frozenset[str]:
    """Give the shell options in force after a `set`, whose words change those in force before."""
    return options_in([word.text for word in command.words[1:]], options)


def options_in(words: Sequence[str], options: frozenset[str] = frozenset()) -> frozenset[str]:
    """Give the shell options that words as `-eu -o pipefail +x` make of these: letters, and names such as pipefail."""
    found, following = options, iter(words)
    for text in following:
        if text[:1] not in ("-", "+") or text[:2] in ("--", "-", "+"):
            break
        chosen = frozenset(text[1:]) - {"o", "c"}
        if "o" in text:
            name = next(following, "")
            chosen |= {_LETTERS.get(name, name)}
        found = found | chosen if text[0] == "-" else found - chosen
    return found


def shell_options(command: Command) -> frozenset[str]:
    """Give the options that a shell is called with, as `bash -eo pipefail -c`."""
    return options_in([word.text for word in command.words[1:]])


def scripts(command: Command) -> Iterator[Script]:
    """Find the scripts that stand in the command's words."""
    words = command.words
    if command.name in SHELLS:
        script = _dash_c(words)
        if script is not None:
            yield Script([script], shell_options(command), "sh -c")
    elif command.name in ("su", "runuser", "script", "flock"):
        script = _dash_c(words)
        if script is not None:
            yield Script([script], frozenset(), f"{command.name} -c")
    elif command.name == "eval" and len(words) > 1:
        yield Script(words[1:], command.shell_options, "eval")
    elif command.name == "trap" and len(words) > 2:  # noqa: PLR2004  # trap SCRIPT SIGNAL
        yield Script(words[1:2], command.shell_options, "trap")


def _dash_c(words: Sequence[Word]) -> Word | None:
    """Find the script of `-c`: the first word after it that is no option (`sh -ec '…'`, `bash -c -e '…'`)."""
    seen, skip = False, False
    for word in words[1:]:
        text = word.text
        if skip:
            skip = False
        elif text.startswith(("-", "+")) and len(text) > 1 and text != "--":
            if text.startswith("--command="):
                return None
            seen = (
                seen or text in ("-c", "--command") or (text[1:].isalpha() and "c" in text and text[1] != "-")
            )
            skip = not text.startswith("--") and text.endswith(("o", "O")) and text[1:].isalpha()
        elif seen and text != "--":
            return word
        elif not seen and text != "-" and _basename(words[0].text) in SHELLS:
            return None
    return None


def reader(command: Command) -> Command | None:
    """Find the shell that reads the command's heredoc as its script: itself, or what cat pipes it into."""
    if command.name in SHELLS:
        return command if reads_standard_input(command) else None
    if command.name not in ("cat", "tee") or len(command.arguments) > (command.name == "tee"):
        return None
    following = command.piped_into
    if following is not None and following.name in SHELLS and reads_standard_input(following):
        return following
    return None


def reads_standard_input(command: Command) -> bool:
    """Whether the shell's script is its standard input: no -c and no file, or -s."""
    return _dash_c(command.words) is None and (command.has("-s") or not _operands(command))


def _operands(command: Command) -> list[str]:
    found, skip = [], False
    for word in command.words[1:]:
        if skip:
            skip = False
        elif word.text.startswith(("-", "+")):
            skip = word.text.endswith("o")
        else:
            found.append(word.text)
    return [] if found[:1] == ["/dev/stdin"] else found


def execs(command: Command) -> Iterator[tuple[Word, ...]]:
    """Find the commands that `find` runs for each file, as words."""
    if command.name != "find":
        return
    words, start = command.words, 0
    for at, word in enumerate(words):
        if word.text in ("-exec", "-execdir", "-ok", "-okdir") and not start:
            start = at + 1
        elif start and word.text in (";", "+"):
            if at > start:
                yield tuple(words[start:at])
            start = 0
