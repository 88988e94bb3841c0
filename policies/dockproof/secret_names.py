"""What the name of a variable tells: whether it holds a secret, something about one, or neither."""

from __future__ import annotations

import itertools
import re
from functools import lru_cache

from dockproof.patterns import pattern
from dockproof.records import NamedTuple
from dockproof.secret_values import could_be_key, is_path, is_placeholder, is_reference, is_stand_in

_WORD = pattern(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

# Words that say "secret" wherever they stand in a name.
_SECRET_WORD = pattern(
    r".*(?:password|passwd|passphrase|apikey|secretkey|privatekey|accesskey)s?|.*(?:secret|token|credential)s?"
    r"|pword|creds|authtok"
)
# Words that often do: a key to sort by, authentication switched on.
_WEAK_WORDS = frozenset({"key", "keys", "auth"})
# These, before "key", make it a secret.
_KEY_OF = frozenset(
    {"api", "access", "secret", "private", "priv", "ssh", "signing", "encryption", "master", "deploy"}
)
# Last words that say that the variable holds something about a secret, not the secret.
_ABOUT = pattern(
    r"files?|filename|paths?|dir|directory|folder|mount|location|store|ur[il]|endpoint|host|port|server|service|provider"
    r"|names?|alias|label|description|prompt|hint|ids?|arn|ref|reference|env|var|variable|module|class|backend|manager"
    r"|version|length|len|size|count|limit|min|max|bits|bytes|ttl|age|expir(?:e|es|y|ation)|timeout|lifetime|duration"
    r"|days|hours|minutes|seconds|alg|algo|algorithms?|encryption|hashes|type|format|headers?|prefix|suffix|fields?"
    r"|regex|pattern|policy|stdin|mode|method|scheme|issuer|audience|enabled|disabled|required|optional|parallelism"
)
_PUBLIC = frozenset({"public", "pub", "publishable", "anon", "fingerprint"})
# Names that the rules above would get wrong; from the makers' own documentation.
_NAMED = frozenset({"AWS_ACCESS_KEY_ID", "AZURE_CLIENT_ID", "MYSQL_PWD", "SSHPASS"})
_BUNDLER_PREFIXES = ("VITE_", "REACT_APP_")


# One of these stands in every name that says "secret"; asked first, because most names hold none.
HINTS = ("pass", "pw", "secret", "token", "cred", "key", "auth")


def may_name_secret(text: str) -> bool:
    """Tell quickly whether a name, or a text with names in it, can speak of a secret at all."""
    lower = text.lower()
    return any(hint in lower for hint in HINTS)


class Name(NamedTuple):
    """What the name of a variable promises: a secret, and whether the value may still show that it holds none."""

    secret: bool
    weak: bool = False


@lru_cache(maxsize=1024)  # the same names stand in many files, and in several places of each
def judge_name(name: str) -> Name:
    """Tell whether a variable's name says that it holds a secret.

    `DB_PASSWORD`, `apiKey` and `GITHUB_TOKEN` do; `PASSWORD_FILE`, `TOKEN_URL` and `PUBLIC_KEY` do not. `SORT_KEY`
    and `AUTH` may: they are weak.
    """
    if _unbundled(name).upper() in _NAMED:
        return Name(secret=True)
    if not may_name_secret(name):
        return Name(secret=False)
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or _ABOUT.fullmatch(words[-1]) or _PUBLIC.intersection(words) or "dummy" in words:
        return Name(secret=False)  # Rails' SECRET_KEY_BASE_DUMMY=1 says that there is none
    if any(_SECRET_WORD.fullmatch(word) for word in words) or (
        len(words) > 1 and words[-1] in {"pass", "pwd"}
    ):
        return Name(secret=True)
    pairs = itertools.pairwise(words)
    if any(first in _KEY_OF and second in {"key", "keys"} for first, second in pairs):
        return Name(secret=True)
    weak = bool(_WEAK_WORDS.intersection((words[0], words[-1]))) or words == ["pass"]
    return Name(secret=weak, weak=weak)


def is_public_name(name: str) -> bool:
    """Tell whether a variable's name says that everybody may know its value: a public key, an id."""
    words = [word.lower() for word in _WORD.findall(name)]
    return bool(_PUBLIC.intersection(words)) or (bool(words) and bool(_ABOUT.fullmatch(words[-1])))


def _unbundled(name: str) -> str:
    """Take off the prefix with which a bundler hands a variable to the browser."""
    for prefix in _BUNDLER_PREFIXES:
        name = name.removeprefix(prefix)
    return name


_SWITCH = pattern(r"(?i:true|false|yes|no|on|off)")
_HARMLESS = pattern(
    r"(?i:true|false|yes|no|on|off|none|null|enabled|disabled|basic|bearer|oauth2?|oidc|saml|ldap)?|[0-9]{1,6}"
)
_FINGERPRINT = pattern(r"(?:0x)?(?:[0-9A-Fa-f]{8}|[0-9A-Fa-f]{16}|[0-9A-Fa-f ]{40,50})(?:\s.*)?")


def names_secret(name: str, value: str | None = None) -> bool:
    """Tell whether a declared variable (ARG, ENV) is one for a secret, whatever its value.

    A placeholder counts: it becomes the well-known password of whatever is run with it. So does no value: the real
    one then comes as a build argument, which the image's history keeps. A path does not.
    """
    judged = judge_name(name)
    if not judged.secret or value is None:
        return judged.secret
    if is_path(value) or _SWITCH.fullmatch(value) or (judged.weak and value and _HARMLESS.fullmatch(value)):
        return False
    return not (_is_of_gpg(name) and _FINGERPRINT.fullmatch(value))


def _is_of_gpg(name: str) -> bool:
    """Whether it is the variable in which official images keep the fingerprint of a public key."""
    return bool(re.search(r"(?i)(?:gpg|pgp)_?keys?$", name))


def holds_secret(name: str, value: str, *, used: bool = True) -> bool:
    """Tell whether a variable that has a value holds a secret: the name says so, and the value can be one.

    Args:
        name: of the variable.
        value: what it holds.
        used: as for `find`: a placeholder in use is a password that everybody knows.
    """
    if not value or not names_secret(name, value) or is_reference(value) or is_stand_in(value):
        return False
    if not used and is_placeholder(value):
        return False
    return not judge_name(name).weak or could_be_key(value)
