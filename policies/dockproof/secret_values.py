"""What a value tells by itself: a reference, a placeholder, something drawn from a generator, a path."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter

from dockproof.patterns import pattern


def entropy(data: str | bytes) -> float:
    """Return the Shannon entropy of a text in bits a character."""
    counts = Counter(data)
    return -sum(n / len(data) * math.log2(n / len(data)) for n in counts.values()) if data else 0.0


_REFERENCE = pattern(
    rb"\$|\{\{|%\(|%[sd]|^<.*>$|^\{.*\}$|^\[.*\]$|^@|process\.env|os\.(?:environ|getenv)|getenv\(|secrets\.|^env\.|^ENV\["
)

_PLACEHOLDER = pattern(
    r"""(?x)
    [x*.\-_#?]+ | .*(?:example|sample|placeholder|redacted|xxxx|\*\*\*|\.\.\.|1234567890|0123456789).*
    | (?:change|replace|insert|enter|fill|put|set|todo|fixme).*
    | (?:your|my|the|some|any|a)[-_ ]?.*(?:password|passwd|pass|secret|token|key|value|here).*
    | (?:dummy|fake|mock|test|testing|demo|foo|bar|baz|foobar|hunter2|s3cr3t|sekret|abc|123456|12345|1234|123)[-_0-9]*
    | (?:secret|password|passwd|pass|pw|pwd|p|token|key|apikey|api[-_]key|credential|auth)s?[-_0-9]*
    | (?:secret|super|very|db|user|admin|root|postgres|mysql)[-_]?(?:secret|password|pass|passwd|key|token)[-_0-9]*
    | user|username|admin|administrator|root|guest|postgres|nobody|anonymous|none|null|nil|undefined|unset|empty
    | true|false|yes|no|on|off|string|str|bytes|int|optional|required|default|value|val|test|build|ci
    """,
    re.IGNORECASE,
)


_STAND_IN = pattern(
    r"(?i:dummy|fake|mock|placeholder|unused|ignored?|none|null|nil|x+|build|build-?time|temp|temporary|tmp|unset|notset|"
    r"not[-_ ]?(?:a[-_ ]?)?(?:secret|used|needed|set|real))(?:[-_ ].*)?|true|false|-|[*!]+|"
)


def is_stand_in(value: str) -> bool:
    """Tell whether a value handed to a command says itself that it is none: `dummy`, `not-used`, `xxx`."""
    return bool(_STAND_IN.fullmatch(value))


def is_reference(value: str | bytes) -> bool:
    """Tell whether a value only names where the secret is: a variable, a template, a call."""
    return bool(_REFERENCE.search(_bytes(value)))


def is_placeholder(value: str | bytes, prefix: int = 0) -> bool:
    """Tell whether a value is a word of documentation: `changeme`, `xxxx`, `your-token-here`, `AKIA…EXAMPLE`.

    Args:
        value: the value.
        prefix: how many characters at its start belong to the format.
    """
    body = _bytes(value)[prefix:].decode("utf-8", "replace").strip("\"'`")
    runs = max((sum(1 for _ in run) for _, run in itertools.groupby(body)), default=0)
    return runs > _LONGEST_RUN or bool(_PLACEHOLDER.fullmatch(body)) or body.startswith(_KNOWN_EXAMPLES)


# One character so often in a row never comes out of a generator.
_LONGEST_RUN = 5
# The token that jwt.io shows (its header is shared by real ones, so its payload is what tells).
_KNOWN_EXAMPLES = ("hbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIi",)


def _bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value


_HEX = pattern(r"(?:0x)?[0-9a-fA-F-]+")
_DIGEST = pattern(r"(?:sha(?:1|256|384|512)|md5)[-:=].*", re.IGNORECASE)
_PATH_OR_HOST = pattern(r".*[/.@:].*")


def is_random(value: str | bytes) -> bool:
    """Tell whether a value looks drawn from a generator: long, mixed, of high entropy, and no digest or UUID.

    Hexadecimal is never called random: checksums, commits and fingerprints are public, and look the same.
    """
    text = _bytes(value).decode("utf-8", "replace").strip("\"'")
    if len(text) < _SHORTEST_RANDOM or not _is_mixed(text) or _HEX.fullmatch(text) or _DIGEST.fullmatch(text):
        return False
    return (
        bool(re.fullmatch(r"[A-Za-z0-9+/=_~!@#%^&*.-]+", text))
        and entropy(text) >= _RANDOM_BITS
        and _is_jumbled(text)
    )


def _is_mixed(text: str) -> bool:
    return any(map(str.islower, text)) and any(map(str.isupper, text)) and any(map(str.isdigit, text))


_SHORTEST_RANDOM = 20
_RANDOM_BITS = 3.8
_KINDS = ((str.islower, "a"), (str.isupper, "A"), (str.isdigit, "0"))


def _is_jumbled(text: str) -> bool:
    """Whether letters and digits alternate as if by chance: names and versions keep theirs together.

    Other characters are left out, as an option with a path is all separators: `-Dmaven.repo.local=/var/cache/m2`.
    """
    shape = [kind for char in text for test, kind in _KINDS if test(char)]
    changes = sum(a != b for a, b in itertools.pairwise(shape))
    return changes >= len(shape) * 0.4


_PATH = pattern(
    r"(?:~|\.{1,2}|/(?:app|dev|etc|home|keys?|mnt|opt|private|proc|root|run|secrets?|srv|tmp|usr|var|vault|work|data))"
    r"(?:/[\w.@+-]+)+/?|[\w.-]+\.(?:json|pem|key|txt|ya?ml|crt|p12|pfx|jks)"
)


def is_path(value: str) -> bool:
    """Tell whether a value is the path of a file, where a secret may lie, and not the secret."""
    return bool(_PATH.fullmatch(value))


def could_be_key(value: str) -> bool:
    """Tell whether a value is long and mixed enough for a key: one word, and none that people think of."""
    return len(value) >= _SHORTEST_KEY and not re.search(r"\s", value) and entropy(value) >= _KEY_BITS


_SHORTEST_KEY = 16
_KEY_BITS = 3.0


def could_be_password(value: str) -> bool:
    """Tell whether a value in a file is more than a word, a call or a type: long enough, and mixed."""
    if len(value) < _SHORTEST_PASSWORD or re.search(r"\s|[()\[\]]", value):
        return False
    mixed = len({next((kind for test, kind in _KINDS if test(char)), "-") for char in value}) > 1
    return mixed and entropy(value) >= _PASSWORD_BITS and not _IDENTIFIER.fullmatch(value)


_SHORTEST_PASSWORD = 8
_PASSWORD_BITS = 2.75
# A dotted or joined name, as of a module, a host or a constant.
_IDENTIFIER = pattern(
    r"[a-z]+(?:[._:-][a-z]+)+|[A-Z][a-z]+(?:[A-Z][a-z]+)*|[A-Z]+(?:_[A-Z]+)+|[a-z]+(?:[A-Z][a-z]+)+"
)
