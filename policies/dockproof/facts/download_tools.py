"""The programs that fetch from the net, and how each says what it fetches and where to."""

from __future__ import annotations

import re

from dockproof.facts.options import Arguments, read_arguments, table
from dockproof.facts.shell_words import Word
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dockproof.facts.shell_words import Command

_CURL = table(
    "AbcCdDeEFhHKmoPQrTtuUwxXyYz",
    "user-agent cookie cookie-jar continue-at data data-raw data-binary data-urlencode data-ascii dump-header referer"
    " cert key cert-type key-type cacert capath crlfile ciphers tls13-ciphers form form-string header proxy-header"
    " config max-time connect-timeout output output-dir request range upload-file user proxy-user write-out proxy"
    " preproxy socks4 socks4a socks5 socks5-hostname speed-time speed-limit time-cond url retry retry-delay"
    " retry-max-time limit-rate max-filesize max-redirs interface dns-servers resolve connect-to proto proto-redir"
    " proto-default tls-max engine pass pinnedpubkey noproxy netrc-file unix-socket abstract-unix-socket stderr trace"
    " trace-ascii variable json aws-sigv4 etag-save etag-compare keepalive-time local-port rate parallel-max"
    " create-file-mode expand-url happy-eyeballs-timeout-ms doh-url oauth2-bearer service-name quote login-options"
    " alt-svc hsts curves libcurl random-file ftp-account ftp-method ftp-port telnet-option proxy-cacert proxy-cert",
)
_WGET = table(
    "oaeiBtOTwQPUlADIXR",
    "output-file append-output execute input-file base config rejected-log tries output-document start-pos timeout"
    " dns-timeout connect-timeout read-timeout wait waitretry quota bind-address limit-rate restrict-file-names"
    " prefer-family user password local-encoding remote-encoding cut-dirs default-page header compression max-redirect"
    " proxy-user proxy-password referer user-agent load-cookies save-cookies post-data post-file method body-data"
    " body-file secure-protocol certificate certificate-type private-key private-key-type ca-certificate ca-directory"
    " crl-file pinnedpubkey ciphers ftp-user ftp-password level domains exclude-domains accept reject accept-regex"
    " reject-regex regex-type include-directories exclude-directories directory-prefix progress hsts-file",
)
_ARIA = table(
    "doxsjkmtTUi",
    "dir out max-connection-per-server split max-concurrent-downloads min-split-size checksum header",
)
_GIT = table(
    "Ccboujs",
    "git-dir work-tree namespace exec-path config-env branch origin upload-pack depth reference reference-if-able"
    " template config jobs separate-git-dir filter shallow-since shallow-exclude server-option revision"
    " bundle-uri strategy",
)
INSECURE: Mapping[str, tuple[str, ...]] = {
    "curl": ("-k", "--insecure", "--proxy-insecure", "--doh-insecure"),
    "wget": ("--no-check-certificate",),
}
"""The options with which these programs take any certificate."""
_PYTHON = pattern(r"python[0-9.]*")
_IN_CODE = pattern(r"(?:https?|ftp)://[^\s'\"`)<>\\]+")
_FETCHING_CODE = pattern(r"urlopen|urlretrieve|requests\.|httpx\.|http\.client|urllib")
_COMMIT = pattern(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_OFF = frozenset({"false", "0", "no", "off"})


class Fetch(NamedTuple):
    """What one command fetches: an address, the file that it goes to (None: standard output), a pinned commit id."""

    tool: str
    url: Word
    output: str | None
    insecure: tuple[str, ...]
    pin: str | None = None


def base_name(path: str) -> str:
    """Give the last part of a path or address, without query and fragment."""
    return path.split("?", 1)[0].split("#", 1)[0].rstrip("/").rpartition("/")[2]


def _redirected(command: Command) -> str | None:
    """Give the file that standard output is redirected to."""
    for redirect in command.redirects:
        if redirect.operator in (">", ">>", ">|", "&>", "&>>") and redirect.fd in (None, 1):
            return redirect.target.text
    return None


def _given(arguments: Arguments, *names: str) -> tuple[str, ...]:
    return tuple(option.name for option in arguments.options if option.name in names)


def _join(folder: str | None, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}" if folder else name


def insecure_options(command: Command) -> tuple[str, ...]:
    """Give the options of a curl or wget that switch certificate checks off, whatever it does."""
    known = {"curl": _CURL, "wget": _WGET}.get(command.name)
    if known is None:
        return ()
    return _given(read_arguments(command.words[1:], known), *INSECURE[command.name])


def _curl(command: Command) -> Iterator[Fetch]:
    arguments = read_arguments(command.words[1:], _CURL)
    if arguments.has("-I", "--head", "-V", "--version", "-T", "--upload-file"):
        return
    insecure = _given(arguments, *INSECURE["curl"])
    outputs = [
        option for option in arguments.options if option.name in ("-o", "--output", "-O", "--remote-name")
    ]
    folder = next((option.value for option in arguments.values("--output-dir")), None)
    urls = [*(option.word for option in arguments.values("--url", "--expand-url")), *arguments.operands]
    for at, url in enumerate(urls):
        output = _redirected(command)
        option = outputs[at] if at < len(outputs) else None
        if option is not None or arguments.has("--remote-name-all"):
            name = option.value if option is not None and option.value is not None else base_name(url.text)
            output = None if name == "-" else _join(folder, name)
        yield Fetch("curl", url, output, insecure)


def _wget(command: Command) -> Iterator[Fetch]:
    arguments = read_arguments(command.words[1:], _WGET)
    if arguments.has("--spider", "--version", "-V"):
        return
    insecure = _given(arguments, *INSECURE["wget"])
    documents = arguments.values("-O", "--output-document")
    folders = arguments.values("-P", "--directory-prefix")
    for url in arguments.operands:
        output: str | None = _join(folders[-1].value if folders else None, base_name(url.text))
        if documents:
            name = documents[-1].value
            output = _redirected(command) if name in ("-", "/dev/stdout") else name
        yield Fetch("wget", url, output, insecure)


def _aria(command: Command) -> Iterator[Fetch]:
    arguments = read_arguments(command.words[1:], _ARIA)
    names, folders = arguments.values("-o", "--out"), arguments.values("-d", "--dir")
    off = tuple(
        one.name for one in arguments.options if one.name == "--check-certificate" and one.value in _OFF
    )
    sums = arguments.values("--checksum")
    for url in arguments.operands:
        name = (names[-1].value if names else None) or base_name(url.text)
        yield Fetch(
            "aria2c",
            url,
            _join(folders[-1].value if folders else None, name),
            off,
            sums[-1].value if sums else None,
        )


def _git(command: Command) -> Iterator[Fetch]:
    arguments = read_arguments(command.words[1:], _GIT)
    operands = arguments.operands
    if len(operands) < 2 or operands[0].text not in ("clone", "fetch", "pull") or "/" not in operands[1].text:  # noqa: PLR2004 - a verb and an address
        return
    if operands[0].text != "clone" and "://" not in operands[1].text:
        return
    settings = [one.value or "" for one in arguments.values("-c", "--config")]
    insecure = tuple(
        one for one in settings if re.fullmatch(r"(?i)http\.(?:.*\.)?sslverify=(?:false|0|no|off)", one)
    )
    folder = operands[2].text if operands[0].text == "clone" and len(operands) > 2 else None  # noqa: PLR2004 - verb, address, folder
    pinned = [one.value for one in arguments.values("--revision") if one.value and _COMMIT.match(one.value)]
    pinned += [word.text for word in operands[2:] if _COMMIT.match(word.text)]
    output = folder or base_name(operands[1].text).removesuffix(".git")
    yield Fetch("git", operands[1], output, insecure, pinned[0] if pinned else None)


def _python(command: Command) -> Iterator[Fetch]:
    """Find addresses in the code of `python -c`, where it fetches something."""
    for at, word in enumerate(command.words[:-1]):
        if word.text == "-c":
            code = command.words[at + 1]
            if _FETCHING_CODE.search(code.text):
                for found in _IN_CODE.finditer(code.text):
                    url = Word(
                        found[0],
                        code.start,
                        code.end,
                        code.source,
                        literal="$" not in found[0] or code.literal,
                    )
                    yield Fetch("python", url, None, ())
            return


TOOLS: Mapping[str, Callable[[Command], Iterator[Fetch]]] = {
    "curl": _curl,
    "wget": _wget,
    "aria2c": _aria,
    "git": _git,
    **dict.fromkeys(("python", "python2", "python3"), _python),
}
"""The programs that are known, by name."""
