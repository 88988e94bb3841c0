"""Where commands are handed secrets (options, operands, assignments, pipes), and where they leave them behind.

Pure functions over the commands of `dockproof.facts.shell`. What a command reads from a file or from a variable of
its own shell is no secret in the text; what stands in the text, or comes from ARG or ENV, stays in the image.
"""

from __future__ import annotations

import re

from dockproof import secrets
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dockproof.facts.shell import Command, Redirect, Script, Word


class Given(NamedTuple):
    """A secret's place in a command.

    Attributes:
        what: what the command takes it for, as "--password of curl".
        value: the text that stands there, expansions as written.
        word: the word that holds it.
    """

    what: str
    value: str
    word: Word

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the variables that the value is made of."""
        return tuple(first or second for first, second in _VARIABLE.findall(self.value))


_VARIABLE = pattern(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)|([A-Za-z_][A-Za-z0-9_]*))")


def given(script: Script) -> Iterator[Given]:
    """Yield every place in a script where a command is handed a secret, literal or not."""
    for command in script.commands:
        if command.assignments or command.name in _EXPORTS:
            yield from _assigned(command)
        if command.words:
            yield from _optional(command)
            if command.name in _FORMS_OF:
                yield from _positional(command)
            if command.name in _READERS:
                yield from _piped(command)
            yield from _written(command)


# ---------------------------------------------------------------------------------------------- assignments

_EXPORTS = frozenset({"export", "declare", "typeset", "readonly", "local", "env", "setx"})


def _assigned(command: Command) -> Iterator[Given]:
    """Yield `TOKEN=x cmd`, `TOKEN=x` and `export TOKEN=x`."""
    pairs = [(name, word.text, word) for name, word in command.assignments]
    if command.name in _EXPORTS:
        pairs += [(*word.text.partition("=")[::2], word) for word in command.words[1:] if "=" in word.text]
    for name, value, word in pairs:
        value = value.removeprefix(f"{name}=")  # noqa: PLW2901 - the same value, its name taken off where it is there
        if _is_named(name) and not secrets.is_path(value):
            yield Given(f"the variable {name}", value, word)


def _is_named(name: str) -> bool:
    judged = secrets.judge_name(name)
    return judged.secret and not judged.weak


# -------------------------------------------------------------------------------------------------- options

# Short options that take a password: program, the subcommand that has it ("*" = any), option.
_SHORT = {
    "docker": ("login", "-p"),
    "podman": ("login", "-p"),
    "buildah": ("login", "-p"),
    "nerdctl": ("login", "-p"),
    "helm": ("login", "-p"),
    "oras": ("login", "-p"),
    "crane": ("login", "-p"),
    "sshpass": ("*", "-p"),
    "redis-cli": ("*", "-a"),
    "twine": ("upload", "-p"),
    "ldapsearch": ("*", "-w"),
    "ldapadd": ("*", "-w"),
    "ldapmodify": ("*", "-w"),
    "zip": ("*", "-P"),
    "unzip": ("*", "-P"),
    "sqlcmd": ("*", "-P"),
    "mosquitto_pub": ("*", "-P"),
    "mosquitto_sub": ("*", "-P"),
    "useradd": ("*", "-p"),
    "usermod": ("*", "-p"),
    "az": ("login", "-p"),
    "doctl": ("auth", "-t"),
}
# Options that are whole words behind one dash.
_WORDS = frozenset({"-storepass", "-keypass", "-srcstorepass", "-deststorepass", "-password", "-Password"})
# Options that take no value though their names end in a secret's.
_SWITCHES = tuple(
    f"--{word}-"
    for word in (
        "no",
        "disable",
        "disabled",
        "without",
        "with",
        "skip",
        "ask",
        "allow",
        "generate",
        "random",
        "require",
    )
)
# Programs whose -p is glued to the password; apart from it, -p asks for one.
_GLUED = ("mysql", "mariadb", "7z", "rar", "unrar")


# What an option, or MSBuild's `/p:`, begins with.
_MARKS = frozenset({"-", "/"})


def _optional(command: Command) -> Iterator[Given]:
    yield from _long(command)
    subcommand, option = _SHORT.get(command.name, ("", ""))
    if option and (subcommand == "*" or any(word.text == subcommand for word in command.words)):
        yield from _short(command, option)
    if command.name.startswith(_GLUED):
        for word in command.words[1:]:
            if word.text.startswith("-p") and len(word.text) > len("-p"):
                yield Given(f"-p of {command.name}", word.text[2:], word)


def _long(command: Command) -> Iterator[Given]:
    """Yield options whose names say it: `--http-password=x`, `--token x`, `-storepass x`, `-Dapp.password=x`."""
    words = command.words
    for at, word in enumerate(words):
        text = word.text
        if text[:1] not in _MARKS or at == 0:
            continue
        name, equals, value = text.partition("=")
        named = name.startswith(("--", "-D", "/p:")) and _is_named(name.lstrip("-"))
        if not named and name not in _WORDS:
            continue
        if equals:
            yield Given(f"{name} of {command.name}", value, word)
        elif at + 1 < len(words) and not name.startswith(_SWITCHES):
            following = words[at + 1]
            if not following.text.startswith("-"):
                yield Given(f"{name} of {command.name}", following.text, following)


def _short(command: Command, option: str) -> Iterator[Given]:
    value = command.option(option)
    if value is not None:
        holder = next((word for word in command.words[1:] if word.text.endswith(value)), command.words[0])
        yield Given(f"{option} of {command.name}", value, holder)


# ------------------------------------------------------------------------------------------------- operands

_SEPARATOR = "\x1f"


def _form(text: str) -> re.Pattern[str]:
    """Compile a form of a command: a blank stands for the end of a word, `…` for any words between."""
    return pattern(text.replace("…", "(?: [^ ]+)*?").replace(" ", _SEPARATOR))


def _line(command: Command) -> str:
    """Return what follows a command's name, a separator before each word."""
    return "".join(f"{_SEPARATOR}{word.text}" for word in command.words[1:])


_VALUE = "(?P<secret>[^ ]+)"
# Programs, and the form of what follows their name.
_FORMS = (
    ("curl", rf"… (?:-[A-Za-z]*u ?|--user[ =]|-U ?|--proxy-user[ =])[^ :]*:{_VALUE}"),
    ("http https xh", rf"… (?:-a ?|--auth[ =])[^ :]*:{_VALUE}"),
    (
        "npm pnpm yarn",
        rf"(?: config)? set… [^ =]*(?:_auth|_authToken|_password|npmAuth[a-zA-Z]+)[ =]{_VALUE}",
    ),
    ("aws", rf" configure set… aws_(?:access_key_id|secret_access_key|session_token) {_VALUE}"),
    ("poetry", rf" config… (?:pypi-token\.[^ ]+|http-basic\.[^ ]+ [^ ]+) {_VALUE}"),
    ("composer", rf" config… http-basic\.[^ ]+ [^ ]+ {_VALUE}"),
    ("composer", rf" config… (?:github-oauth|gitlab-token|gitlab-oauth|bearer)\.[^ ]+ {_VALUE}"),
    ("bundle", rf" config… [^ ]+ [^ :]+:{_VALUE}"),
    ("cargo vault", rf" login {_VALUE}"),
    ("snyk", rf" auth {_VALUE}"),
    ("ngrok", rf"(?: config add-authtoken| authtoken) {_VALUE}"),
    ("rabbitmqctl", rf"… (?:add_user|change_password) [^ ]+ {_VALUE}"),
    ("htpasswd", rf" -[A-Za-z]*(?:nb|bn)[A-Za-z]* [^ ]+ {_VALUE}"),
    ("htpasswd", rf" -[A-Za-z]*b[A-Za-z]*(?: -[^ ]+)*(?: [^ ]+){{2}} {_VALUE}"),
    ("mc", rf" (?:alias set|config host add) [^ ]+ [^ ]+ [^ ]+ {_VALUE}"),
    ("openssl", rf"… pass:{_VALUE}"),
    ("smbclient", rf"… -U ?[^ %]+%{_VALUE}"),
    ("kubectl", rf" create secret… --from-literal[ =][^ =]+={_VALUE}"),
)
_FORMS_OF: dict[str, list[re.Pattern[str]]] = {}
for _programs, _text in _FORMS:
    for _program in _programs.split():
        _FORMS_OF.setdefault(_program, []).append(_form(_text))


def _positional(command: Command) -> Iterator[Given]:
    """Yield the operands that are secrets by their place."""
    line = _line(command)
    for form in _FORMS_OF[command.name]:
        if match := form.match(line):
            word = command.words[line.count(_SEPARATOR, 0, match.start("secret"))]
            if not match["secret"].startswith("-"):
                yield Given(f"`{command.name}`", match["secret"], word)
            return


# ---------------------------------------------------------------------------------------------------- pipes

# Programs that read a password, with the subcommand that does.
_READERS = {
    "chpasswd": "",
    "passwd": "",
    "docker": " login",
    "podman": " login",
    "npm": " login",
    "helm": " registry login",
    "gh": " auth login",
    "glab": " auth login",
}


def _piped(command: Command) -> Iterator[Given]:
    """Yield what `echo` pipes, or a heredoc feeds, into a command that reads a password."""
    subcommand = _READERS[command.name]
    if not _line(command).startswith(subcommand.replace(" ", _SEPARATOR)):
        return
    source = command.piped_from
    words: Iterable[Word] = [word for redirect in command.redirects for word in _fed(redirect)]
    if source is not None and source.name in {"echo", "printf"}:
        words = [*words, *(word for word in source.words[1:] if not word.text.startswith("-"))]
    for word in words:
        value = word.text.strip().rpartition(":")[2] if command.name == "chpasswd" else word.text.strip()
        if value and not re.fullmatch(r"(?:%s|\\n|\s)+", value):
            yield Given(f"what `{command.name}` reads", value, word)


def _fed(redirect: Redirect) -> Iterable[Word]:
    """Return what a heredoc or a here-string feeds."""
    return [redirect.target] if redirect.operator == "<<<" else redirect.body


# -------------------------------------------------------------------------------------------------- writes

_URL = pattern(r"://[^\s/@:]*:?(?P<secret>[^\s/@:]*\$[^\s/@]*)@")


def _written(command: Command) -> Iterator[Given]:
    """Yield assignments that `echo` or a heredoc writes to a file, and URLs whose password is a variable."""
    words = command.words[1:]
    for word in words:
        if "://" in word.text and (match := _URL.search(word.text)):
            yield Given("a URL", match["secret"], word)
    into = command.piped_into
    if not command.redirects and (into is None or into.name != "tee"):
        return
    bodies = [body for redirect in command.redirects for body in redirect.body]
    for word in [*bodies, *(words if command.name in {"echo", "printf"} else [])]:
        for hit in secrets.assignments(word.text, used=True):
            yield Given(f"the {hit.kind} written by `{command.name}`", word.text[hit.start : hit.end], word)


# ------------------------------------------------------------------------------------------ set-up commands

_SETUPS = {
    "aws": _form(r" configure set… aws_(?:access_key_id|secret_access_key|session_token)(?: |$)"),
    "gcloud": _form(r"… auth activate-service-account"),
    "az": _form(r" login(?!.*(?:--identity|--federated-token))"),
}


def set_up(script: Script) -> Iterator[Command]:
    """Yield the commands that write credentials into the home folder, and so into the layer."""
    for command in script.commands:
        if command.name in _SETUPS and _SETUPS[command.name].match(_line(command)):
            yield command


# --------------------------------------------------------------------------------------------- left behind

_COPIERS = frozenset({"cp", "install", "mv", "ln", "rsync"})
_WRITERS = frozenset({"echo", "printf", "cat", "tee", "sed", "envsubst", "base64", "head", "tail"})
_REMOVERS = frozenset({"rm", "shred", "unlink"})


def left_behind(script: Script, mounted: Sequence[str]) -> Iterator[tuple[Command, str]]:
    """Yield the commands that write a mounted secret to a file which the same RUN does not remove.

    Args:
        script: the commands of the RUN.
        mounted: how commands name its secrets: paths (`/run/secrets/npm`) and variables (`$TOKEN`).

    Yields:
        The command and the file that it writes, as written.
    """
    for index, command in enumerate(script.commands):
        for target in _written_to(command, mounted):
            later = script.commands[index + 1 :]
            if not any(_removes(other, target) for other in later) and not target.startswith("/dev/"):
                yield command, target


def _written_to(command: Command, mounted: Sequence[str]) -> Iterator[str]:
    if command.name in _COPIERS:
        operands = [word.text for word in command.arguments]
        if any(_names(text, mounted) for text in operands[:-1]):
            yield operands[-1]
    elif command.name in _WRITERS:
        inputs = [word.text for word in list(command.words)[1:]]
        inputs += [r.target.text for r in command.redirects if r.operator.startswith("<")]
        inputs += [body.text for r in command.redirects for body in r.body]
        if any(_names(text, mounted) for text in inputs):
            yield from _outputs(command)


def _outputs(command: Command) -> Iterator[str]:
    """Yield the files that a command's output goes to, by redirection or through tee."""
    yield from (
        r.target.text
        for r in command.redirects
        if r.operator in {">", ">>", ">|", "&>"} and r.fd in {None, 1}
    )
    into = command if command.name == "tee" else command.piped_into
    if into is not None and into.name == "tee":
        yield from (word.text for word in into.arguments)


def _names(text: str, mounted: Sequence[str]) -> bool:
    return any(re.search(rf"{re.escape(name)}(?![\w-])", text) for name in mounted)


def _removes(command: Command, target: str) -> bool:
    """Whether a command removes a file, or a folder above it."""
    if command.name not in _REMOVERS:
        return False
    return any(
        target == word.text or target.startswith(f"{word.text.rstrip('/*')}/") for word in command.arguments
    )
