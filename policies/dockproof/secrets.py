"""Find secrets in text: known formats first, then the names of variables, then the randomness of a value.

Pure functions over `str` and `bytes`. Nothing here ever returns or prints a secret: a `Hit` says what kind it is,
where it stands and a redacted form (the public prefix of the format and the length).

Two readers ask, and they differ in one point. What a Dockerfile, a config or a process holds is *used*: a weak
password there is a password all the same. Files of an image are full of documentation, in which `password` and
`AKIA…EXAMPLE` are words; there a placeholder is no secret.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections import Counter

from dockproof.patterns import pattern
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

TOKEN, PRIVATE_KEY, URL, CREDENTIAL = "token", "private-key", "url", "credential"
"""What a hit is, in four words: a token of a known format, a key, a URL with a password, any other credential."""


class Hit(NamedTuple):
    """A secret in a text.

    Attributes:
        kind: what it is, for people: "GitHub token".
        start: offset of its first character (of a str) or byte (of bytes).
        end: offset after its last one.
        redacted: its public prefix and its length; never enough to use it.
        group: `token`, `private-key`, `url` or `credential`.
    """

    kind: str
    start: int
    end: int
    redacted: str
    group: str

    def __str__(self) -> str:
        """Say it in a sentence's place: `GitHub token ghp_… (40 characters)`."""
        return f"{self.kind} {self.redacted}".rstrip()


def redact(secret: str | bytes, shown: int = 0) -> str:
    """Return the first `shown` characters of a secret and its length, for messages."""
    text = secret.decode("utf-8", "replace") if isinstance(secret, bytes) else secret
    return f"{text[:shown]}… ({len(text)} characters)"


# ------------------------------------------------------------------------------------------------- formats


class Rule(NamedTuple):
    """One format.

    Attributes:
        kind: what it finds, for people.
        group: as in `Hit`.
        needles: byte strings of which one must stand in the text; found far faster than a pattern.
        pattern: the format; its group `secret`, or else the whole match, is the secret.
        shown: characters of the secret that are public (the format's prefix).
        holds: a further test of the secret and the text around it, None where the pattern says all.
        quick: a wider pattern, for long texts: one that starts with a literal is found far faster, and what it does not
            match this rule does not match. None = the pattern itself.
    """

    kind: str
    group: str
    needles: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    shown: int = 0
    holds: Callable[[bytes, re.Match[bytes]], bool] | None = None
    quick: re.Pattern[bytes] | None = None

    def may_match(self, data: bytes) -> bool:
        """Tell whether one of the needles stands in a text."""
        for needle in self.needles:  # noqa: SIM110 - asked of every rule for every text; `any` is five times slower
            if needle in data:
                return True
        return False


# A token neither starts nor ends inside a longer word; an escape such as \n before it is no word.
_START = rb"(?:(?<![0-9A-Za-z_])|(?<=\\[nrt]))"
_END = rb"(?![0-9A-Za-z_])"


def _token(kind: str, prefixes: str, body: str, shown: int | None = None, end: bytes = _END) -> Rule:
    """Build the rule of a token that starts with one of the prefixes (blank-separated) and goes on with a body."""
    needles = tuple(prefix.encode() for prefix in prefixes.split())
    head = b"|".join(re.escape(needle) for needle in needles)
    text = b"(?:" + head + b")" + body.encode() + end
    shown = len(needles[0]) if shown is None else shown
    return Rule(kind, TOKEN, needles, pattern(_START + text), shown, quick=pattern(text))


def _decoded(data: bytes) -> bytes:
    """Undo base64 (either alphabet, padding optional); b"" for what is none."""
    import base64  # noqa: PLC0415 - few texts hold something like it

    try:
        return base64.b64decode(
            data.replace(b"-", b"+").replace(b"_", b"/") + b"=" * (-len(data) % 4), validate=True
        )
    except ValueError:
        return b""


def _is_jwt(secret: bytes, _match: re.Match[bytes]) -> bool:
    try:
        header = json.loads(_decoded(secret.split(b".")[0]))
    except ValueError:
        return False
    return isinstance(header, dict) and "alg" in header


def _has_user(secret: bytes, _match: re.Match[bytes]) -> bool:
    """Whether it is base64 of `user:password` with both parts there."""
    user, colon, password = _decoded(secret).partition(b":")
    return bool(user and colon and password) and password.isascii()


def _is_key_in_base64(secret: bytes, _match: re.Match[bytes]) -> bool:
    return b"PRIVATE KEY" in _decoded(secret[:64])


def _has_key_body(_secret: bytes, match: re.Match[bytes]) -> bool:
    """Whether base64 follows the header: code that handles keys is full of bare headers."""
    body = match.string[match.end() : match.end() + 2000]
    lines = re.split(rb"\\r\\n|\\n|\r?\n", body)
    return any(_KEY_LINE.fullmatch(line.strip(b" \t\"'+,")) for line in lines[:12])


_KEY_LINE = pattern(rb"[A-Za-z0-9+/]{40,}={0,2}")

_B64 = "[A-Za-z0-9+/]"
_ANY = "[A-Za-z0-9_-]"

# Formats whose body is one long run of letters and digits. The prefixes are published by their makers so that
# scanners can find them.
_TOKENS: tuple[Rule, ...] = (
    _token("AWS access key id", "AKIA ASIA ABIA ACCA", "[A-Z0-9]{16}"),
    _token("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", "[A-Za-z0-9_]{36,255}"),
    _token("GitHub fine-grained token", "github_pat_", "[A-Za-z0-9_]{36,255}"),
    _token(
        "GitLab token",
        "glpat- gldt- glrt- glrtr- glcbt- glptt- glft- glimt- glagent- gloas- glsoat- glffct- glwt-",
        r"[A-Za-z0-9_-]{20,}(?:\.[A-Za-z0-9_.-]+)?",
        6,
    ),
    _token("Slack token", "xoxa- xoxb- xoxe- xoxo- xoxp- xoxr- xoxs-", "[A-Za-z0-9-]{10,}"),
    _token("Slack app token", "xapp-", "[0-9]-[A-Z0-9]+-[0-9]+-[a-z0-9]{32,}"),
    _token("Slack webhook", "hooks.slack.com/", "(?:services|workflows)/[A-Za-z0-9+/]{40,}"),
    _token("Stripe key", "sk_live_ rk_live_", "[A-Za-z0-9]{16,}"),
    _token("Stripe webhook secret", "whsec_", "[A-Za-z0-9+/]{32,}"),
    _token("Google API key", "AIza", f"{_ANY}{{35}}"),
    _token("Google OAuth client secret", "GOCSPX-", f"{_ANY}{{28}}"),
    _token("Google OAuth access token", "ya29.", f"{_ANY}{{30,}}"),
    _token("npm token", "npm_", "[A-Za-z0-9]{36}"),
    _token("PyPI token", "pypi-AgE", f"{_ANY}{{50,}}", 5),
    _token("Docker Hub token", "dckr_pat_ dckr_oat_", f"{_ANY}{{20,}}"),
    _token("Hugging Face token", "hf_", "[A-Za-z0-9]{30,}"),
    _token("Hugging Face organization token", "api_org_", "[A-Za-z0-9]{30,}"),
    _token("OpenAI key", "sk-proj- sk-svcacct- sk-admin-", f"{_ANY}{{40,}}", 3),
    _token("Anthropic key", "sk-ant-", f"[a-z]+[0-9]{{2}}-{_ANY}{{60,}}"),
    _token("OpenRouter key", "sk-or-v1-", "[0-9a-f]{64}"),
    _token("secret key of an API (sk-…)", "sk-", "[A-Za-z0-9]{32,64}"),
    _token("SendGrid key", "SG.", rf"{_ANY}{{20,24}}\.{_ANY}{{39,50}}"),
    _token("Twilio API key", "SK", "[0-9a-f]{32}"),
    _token("Shopify token", "shpat_ shpca_ shppa_ shpss_", "[A-Fa-f0-9]{32}"),
    _token("DigitalOcean token", "dop_v1_ doo_v1_ dor_v1_", "[a-f0-9]{64}"),
    _token("Databricks token", "dapi", "[a-f0-9]{32}(?:-[0-9])?"),
    _token("New Relic key", "NRAK-", "[A-Z0-9]{27}"),
    _token("Grafana token", "glsa_", "[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}"),
    _token("Grafana Cloud token", "glc_eyJ", "[A-Za-z0-9+/]{30,}={0,2}", 4),
    _token("HashiCorp Vault token", "hvs. hvb. hvr.", f"{_ANY}{{60,}}"),
    _token("Linear key", "lin_api_", "[A-Za-z0-9]{32,}"),
    _token("Notion token", "ntn_", "[A-Za-z0-9]{40,}"),
    _token("Doppler token", "dp.pt. dp.st. dp.ct.", r"[A-Za-z0-9_.-]{40,}"),
    _token("PlanetScale token", "pscale_tkn_ pscale_pw_ pscale_oauth_", f"{_ANY}{{32,}}"),
    _token("Postman key", "PMAK-", "[a-f0-9]{24}-[a-f0-9]{34}"),
    _token("RubyGems key", "rubygems_", "[a-f0-9]{48}"),
    _token("crates.io token", "cio", "[A-Za-z0-9]{32}"),
    _token("Sentry token", "sntrys_ sntryu_", "[A-Za-z0-9+/=_-]{40,}"),
    _token("Figma token", "figd_", f"{_ANY}{{36,}}"),
    _token("Atlassian token", "ATATT3x", r"[A-Za-z0-9_=-]{100,}"),
    _token("Bitbucket app password", "ATBB", "[A-Za-z0-9]{28,}"),
    _token("Heroku key", "HRKU-", f"{_ANY}{{30,}}"),
    _token("Groq key", "gsk_", "[A-Za-z0-9]{48,}"),
    _token("xAI key", "xai-", "[A-Za-z0-9]{70,}"),
    _token("Replicate token", "r8_", "[A-Za-z0-9]{37}"),
    _token("Perplexity key", "pplx-", "[A-Za-z0-9]{40,}"),
    _token("Tailscale key", "tskey-", "[a-z]+-[A-Za-z0-9]{8,}-[A-Za-z0-9]{20,}"),
    _token("Supabase token", "sbp_ sb_secret_", "[A-Za-z0-9_]{30,}", 4),
    _token("Mailgun key", "key-", "[0-9a-f]{32}"),
    _token("Square token", "sq0atp- sq0csp-", f"{_ANY}{{22,}}"),
    _token("Alibaba Cloud access key id", "LTAI", "[A-Za-z0-9]{16,20}"),
    _token("1Password service account token", "ops_eyJ", "[A-Za-z0-9+/=]{100,}", 4),
    _token("Docker Swarm join token", "SWMTKN-1-", "[a-z0-9]{50}-[a-z0-9]{25}"),
    _token("age secret key", "AGE-SECRET-KEY-1", "[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}")._replace(
        group=PRIVATE_KEY
    ),
    Rule(
        "Azure storage key",
        TOKEN,
        (b"AccountKey=", b"SharedAccessKey="),
        pattern(rb"(?:AccountKey|SharedAccessKey)=(?P<secret>[A-Za-z0-9+/]{42,86}={1,2})"),
    ),
    Rule(
        "Azure client secret",
        TOKEN,
        (b"Q~",),
        pattern(_START + rb"(?P<secret>[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34})(?![A-Za-z0-9_~.-])"),
    ),
    Rule(
        "JSON web token",
        TOKEN,
        (b"eyJ",),
        pattern(_START + rf"eyJ{_ANY}{{10,}}\.eyJ{_ANY}{{10,}}\.{_ANY}{{20,}}".encode()),
        3,
        _is_jwt,
        quick=pattern(rb"eyJ[A-Za-z0-9_-]{10,}\.eyJ"),
    ),
    Rule(
        "Mailchimp key",
        TOKEN,
        (b"-us",),
        pattern(_START + rb"[0-9a-f]{32}-us[0-9]{1,2}" + _END),
        quick=pattern(rb"-us[0-9]"),
    ),
    Rule(
        "Discord bot token",
        TOKEN,
        tuple(bytes((a, b)) for a in b"MNO" for b in b"TDjzgkwQA"),
        pattern(_START + rf"[MNO]{_ANY}{{23,25}}\.{_ANY}{{6}}\.{_ANY}{{27,38}}".encode() + _END),
        quick=pattern(rf"[MNO]{_ANY}{{23,25}}\.{_ANY}{{6}}\.{_ANY}{{27}}".encode()),
    ),
    Rule(
        "private key in base64",
        PRIVATE_KEY,
        (b"LS0tLS1CRUdJTi",),
        pattern(rb"LS0tLS1CRUdJTi[A-Za-z0-9+/=_-]{80,}"),
        0,
        _is_key_in_base64,
    ),
)

# In the order of the rules: a narrower format stands before a wider one.
_BY_NEEDLE = tuple((needle, rule) for rule in _TOKENS for needle in rule.needles)

# Formats that are told by what stands around them.
_STRUCTURES: tuple[Rule, ...] = (
    Rule(
        "private key",
        PRIVATE_KEY,
        (b"PRIVATE KEY",),
        pattern(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
        0,
        _has_key_body,
    ),
    Rule(
        "PuTTY private key",
        PRIVATE_KEY,
        (b"PuTTY-User-Key-File-",),
        pattern(rb"PuTTY-User-Key-File-[23]: [^\0]{20,2000}?Private-Lines: [0-9]+"),
    ),
    Rule(
        "AWS secret access key",
        TOKEN,
        (b"ecret_access_key", b"ecretAccessKey", b"ECRET_ACCESS_KEY", b"aws_secret"),
        pattern(
            rb"(?:ecret_?[aA]ccess_?[kK]ey|ECRET_ACCESS_KEY|aws_secret\w*)"
            rb"[\"']?\s*(?:=>|[:=,])?\s*[\"']?(?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"
        ),
    ),
    Rule(
        "password in a netrc line",
        CREDENTIAL,
        (b"machine ", b"machine\t"),
        pattern(rb"machine\s+\S+\s+login\s+\S+\s+(?:account\s+\S+\s+)?password\s+(?P<secret>[^\s\"'\\]+)"),
    ),
    Rule(
        "npm registry credential",
        CREDENTIAL,
        (b"_authToken", b"_auth", b"_password"),
        pattern(rb"//[^\s:=\"']+/:(?:_authToken|_auth|_password)[\s=]+[\"']?(?P<secret>[^\s\"'\\]{6,})"),
    ),
    Rule(
        "password in a URL",
        URL,
        (b"://",),
        pattern(rb"://[^\s:/@\"'`<>()\\,;#?]{0,80}:(?P<secret>[^\s/@\"'`<>\\]{2,200})@[A-Za-z0-9$\[_{]"),
    ),
    Rule(
        "credential in a URL",
        URL,
        (b"://",),
        pattern(rb"://(?P<secret>[A-Za-z0-9_~-]{20,255})@[A-Za-z0-9$\[_{]"),
        0,
        lambda secret, _match: is_random(secret),
    ),
    Rule(
        "Authorization header",
        CREDENTIAL,
        (b"uthorization", b"UTHORIZATION"),
        pattern(
            rb"(?i:authorization)[\"']?\s*[:=]\s*[\"']?(?i:bearer|token)\s+(?P<secret>[A-Za-z0-9._~+/=-]{8,})"
        ),
    ),
    Rule(
        "Authorization header (basic)",
        CREDENTIAL,
        (b"uthorization", b"UTHORIZATION"),
        pattern(rb"(?i:authorization)[\"']?\s*[:=]\s*[\"']?(?i:basic)\s+(?P<secret>[A-Za-z0-9+/=_-]{6,})"),
        0,
        _has_user,
    ),
    Rule(
        "private token header",
        CREDENTIAL,
        (b"-Token:", b"-TOKEN:", b"-token:", b"pi-Key:", b"PI-Key:", b"PI-KEY:", b"pi-key:"),
        pattern(
            rb"(?i:private-token|job-token|x-vault-token|x-auth-token|x-api-key)\s*:\s*"
            rb"(?P<secret>[A-Za-z0-9._~+/=-]{8,})"
        ),
    ),
    Rule(
        "registry credential",
        CREDENTIAL,
        (b'"auth"',),
        pattern(rb"\"auth\"\s*:\s*\"(?P<secret>[A-Za-z0-9+/=]{6,})\""),
        0,
        _has_user,
    ),
    Rule(
        "registry identity token",
        CREDENTIAL,
        (b'"identitytoken"', b'"registrytoken"'),
        pattern(rb"\"(?:identitytoken|registrytoken)\"\s*:\s*\"(?P<secret>[^\"]{16,})\""),
    ),
    Rule(
        "Telegram bot token",
        TOKEN,
        (b":AA",),
        pattern(_START + rf"[0-9]{{8,10}}:AA{_ANY}{{32,34}}".encode() + _END),
    ),
    Rule(
        "Kubernetes client key",
        PRIVATE_KEY,
        (b"client-key-data",),
        pattern(rb"client-key-data[\"']?\s*:\s*[\"']?(?P<secret>[A-Za-z0-9+/=]{40,})"),
    ),
    Rule(
        "password preset for debconf",
        CREDENTIAL,
        (b" password ", b"\tpassword\t", b"\tpassword ", b" password\t"),
        pattern(rb"password[\w./-]*[ \t]+password[ \t]+(?P<secret>[^\s\"'\\|]{2,})"),
    ),
)

# What tokens are made of becomes an `a`, all else a blank: a search for many of them is far faster than a pattern.
_IN_RUNS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+/=.~\\-")
_SHAPE = bytes(ord("a") if byte in _IN_RUNS else ord(" ") for byte in range(256))
_RUN = b"a" * 20


def _runs(data: bytes) -> bytes:
    """Return the long runs of characters that tokens are made of, one a line."""
    shape, found = data.translate(_SHAPE) + b" ", []
    start = shape.find(_RUN)
    while start >= 0:
        end = shape.index(b" ", start)
        found.append(data[start:end])
        start = shape.find(_RUN, end)
    return b"\n".join(found)


def find(text: str | bytes, *, used: bool = True, tokens_only: bool = False) -> Iterator[Hit]:
    """Find secrets of known formats, in the order of the text, none inside another.

    Args:
        text: where to look; offsets of hits count its characters or bytes.
        used: whether the text is acted upon (a Dockerfile, a config, an environment), so that weak passwords and
            published examples count; False for files that may be documentation.
        tokens_only: leave out the formats that are told by their surroundings, which code and its documentation
            imitate (URLs, headers, netrc lines).
    """
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    hits = _outermost(_hits(data, _rules(data, tokens_only=tokens_only), used=used))
    if isinstance(text, str) and len(data) != len(text):
        return (hit._replace(start=_chars(data, hit.start), end=_chars(data, hit.end)) for hit in hits)
    return hits


def _chars(data: bytes, offset: int) -> int:
    return len(data[:offset].decode("utf-8", "replace"))


def _rules(data: bytes, *, tokens_only: bool) -> list[Rule]:
    """Return the rules that can match anywhere in a text, which may be many texts together."""
    # Tokens are long runs, and these are a tenth of a text: only where they hold one is the whole text searched.
    runs = _runs(data)
    found = dict.fromkeys([rule for needle, rule in _BY_NEEDLE if needle in runs]) if runs else ()
    rules = [rule for rule in found if (rule.quick or rule.pattern).search(runs)]
    rules += [
        rule
        for rule in _STRUCTURES
        if (rule.group == PRIVATE_KEY or not tokens_only) and rule.may_match(data)
    ]
    return rules


def _hits(data: bytes, rules: Iterable[Rule], *, used: bool) -> Iterator[Hit]:
    for rule in rules:
        if rule.may_match(data):
            for match in rule.pattern.finditer(data):
                if hit := _hit(rule, match, used=used):
                    yield hit


def _hit(rule: Rule, match: re.Match[bytes], *, used: bool) -> Hit | None:
    name: str | int = "secret" if "secret" in match.re.groupindex else 0
    secret = match[name]
    if rule.holds is not None and not rule.holds(secret, match):
        return None
    is_key = rule.group == PRIVATE_KEY
    if not is_key and (is_reference(secret) or (not used and is_placeholder(secret, rule.shown))):
        return None
    if rule.group == TOKEN and len(set(secret[rule.shown :])) < _FEWEST:
        return None
    redacted = "" if is_key and rule.shown == 0 else redact(secret, rule.shown)
    return Hit(rule.kind, match.start(name), match.end(name), redacted, rule.group)


# A token body of fewer different characters is a row of x or 0.
_FEWEST = 5


def _outermost(hits: Iterable[Hit]) -> Iterator[Hit]:
    """Put hits in order and drop those that lie inside an earlier one; the narrower format has come first."""
    end = -1
    for hit in sorted(hits, key=lambda hit: (hit.start, -hit.end)):
        if hit.end > end:
            yield hit
            end = hit.end


# -------------------------------------------------------------------------------------------------- values


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


# --------------------------------------------------------------------------------------------------- names

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
_HINTS = ("pass", "pw", "secret", "token", "cred", "key", "auth")


def may_name_secret(text: str) -> bool:
    """Tell quickly whether a name, or a text with names in it, can speak of a secret at all."""
    lower = text.lower()
    return any(hint in lower for hint in _HINTS)


class Name(NamedTuple):
    """What the name of a variable promises: a secret, and whether the value may still show that it holds none."""

    secret: bool
    weak: bool = False


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
_PATH = pattern(
    r"(?:~|\.{1,2}|/(?:app|dev|etc|home|keys?|mnt|opt|private|proc|root|run|secrets?|srv|tmp|usr|var|vault|work|data))"
    r"(?:/[\w.@+-]+)+/?|[\w.-]+\.(?:json|pem|key|txt|ya?ml|crt|p12|pfx|jks)"
)


def is_path(value: str) -> bool:
    """Tell whether a value is the path of a file, where a secret may lie, and not the secret."""
    return bool(_PATH.fullmatch(value))


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
    return not judge_name(name).weak or _could_be_key(value)


def _could_be_key(value: str) -> bool:
    return len(value) >= _SHORTEST_KEY and not re.search(r"\s", value) and entropy(value) >= _KEY_BITS


_SHORTEST_KEY = 16
_KEY_BITS = 3.0


# --------------------------------------------------------------------------------------------------- files

_VENDORED = pattern(
    r"^/(?:usr/(?:local/)?(?:lib|lib32|lib64|libexec|include|share|src/linux)|lib|lib64|var/lib/(?:dpkg|apt))/"
    r"|/(?:site-packages|dist-packages|node_modules|gems|vendor|lib(?:64)?/(?:python|ruby|node|jvm|go)[0-9.]*)/"
)
_TRIAL = pattern(
    r"/(?:tests?|testing|test[-_]?data|test[-_]?suite|certdata|examples?|samples?|docs?|fixtures|mocks?|demos?|dummy[^/]*|man|info)/"
    r"|/(?:test_|conftest)[^/]*$|_test\.[a-z]+$|/(?:METADATA|PKG-INFO)$|\.(?:md|rst|html|mo|po|1|3|5|7|8)(?:\.gz)?$",
    re.IGNORECASE,
)
CREDENTIAL_FILE = pattern(
    r"/(?:\.netrc|_netrc|\.npmrc|\.yarnrc(?:\.yml)?|\.pypirc|pip\.conf|\.git-credentials|\.dockercfg|\.pgpass|\.my\.cnf"
    r"|\.docker/config\.json|\.aws/(?:credentials|config)|\.kube/config|kubeconfig|\.env(?:\.[\w-]+)?|[\w-]+\.env"
    r"|secrets?\.(?:ya?ml|json|toml|ini|env|properties)|\.git/config|auth\.json|\.composer/auth\.json|\.cargo/credentials(?:\.toml)?"
    r"|\.gem/credentials|\.m2/settings\.xml|gradle\.properties|nuget\.config|\.htpasswd|\.vault-token|\.bash_history)$",
    re.IGNORECASE,
)
_TEMPLATE = pattern(r"\.(?:example|sample|template|dist|tmpl|tpl|default)$", re.IGNORECASE)
_SETTINGS = pattern(
    r"\.(?:env|ini|cfg|conf|cnf|toml|ya?ml|json|properties|xml|sh|py|rb|js|ts|php|go|java|tf|tfvars)$|/\.[a-z]+rc$|/\.env"
)
_ASSIGNMENT = pattern(
    r"""(?imx)
    (?<![A-Za-z0-9_.]) (?P<name>[A-Za-z_][A-Za-z0-9_.-]{0,60}) (?:"|'|\])?
    [ \t]* (?: := | => | = | :(?=[ \t"']) | ,(?=[ \t]*["']) ) [ \t]*
    (?: "(?P<double>[^"\n]{4,200})" | '(?P<single>[^'\n]{4,200})' | (?P<bare>[^\s"'#;,(){}\[\]<>]{4,200}) )
    """
)
_LARGEST_SETTINGS = 256 * 1024


def is_vendored(path: str) -> bool:
    """Tell whether a file of an image belongs to an installed package or to the distribution."""
    return bool(_VENDORED.search(path))


def find_in_file(path: str, data: bytes) -> Iterator[Hit]:
    """Find secrets in one file of an image; see `find_in_files`."""
    return (hit for _, hit in find_in_files([(path, data)]))


def find_in_files(files: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, Hit]]:
    """Find secrets in files of an image, given as absolute path and content; yield path and hit.

    Installed packages carry test keys and documentation: under their folders only tokens and private keys count, and
    neither in their tests, examples and manuals. Files that programs keep credentials in are read as such wherever
    they lie; assignments are read in settings and code outside packages.

    Files are searched many at once: most hold nothing, and a format that stands in none of them is asked for once.
    """
    batches: dict[bool, list[_File]] = {True: [], False: []}
    sizes = {True: 0, False: 0}
    for path, data in files:
        file = _file(path, data)
        if file is None:
            continue
        batches[file.tokens_only].append(file)
        sizes[file.tokens_only] += len(data)
        if sizes[file.tokens_only] >= _BATCH:
            yield from _in_batch(batches[file.tokens_only], tokens_only=file.tokens_only)
            batches[file.tokens_only], sizes[file.tokens_only] = [], 0
    for tokens_only, batch in batches.items():
        yield from _in_batch(batch, tokens_only=tokens_only)


_BATCH = 1024 * 1024


class _File(NamedTuple):
    """A file that is searched.

    Attributes:
        keeps: programs keep credentials in it.
        tokens_only: it belongs to a package, where only tokens and keys count.
    """

    path: str
    data: bytes
    keeps: bool
    tokens_only: bool


def _file(path: str, data: bytes) -> _File | None:
    """Say how a file is searched; None for one that is not."""
    keeps = bool(CREDENTIAL_FILE.search(path)) and not _TEMPLATE.search(path)
    vendored = is_vendored(path)
    if vendored and not keeps and _TRIAL.search(path):
        return None
    return _File(path, data, keeps, not keeps and bool(vendored or _TEMPLATE.search(path)))


def _in_batch(batch: Sequence[_File], *, tokens_only: bool) -> Iterator[tuple[str, Hit]]:
    rules = _rules(b"\n".join(file.data for file in batch), tokens_only=tokens_only) if batch else []
    for file in batch:
        hits = list(_hits(file.data, rules, used=file.keeps))
        if _has_assignments(file):
            # One character a byte, so that offsets are those of the bytes.
            text = file.data.decode("latin-1")
            hits += assignments(text, bare=file.keeps or not file.path.endswith(_CODE))
        yield from ((file.path, hit) for hit in _outermost(hits))


def _has_assignments(file: _File) -> bool:
    is_read = file.keeps or bool(_SETTINGS.search(file.path))
    return is_read and not file.tokens_only and len(file.data) <= _LARGEST_SETTINGS


# In code only a quoted value is text; a bare one is an expression.
_CODE = (".py", ".rb", ".js", ".ts", ".php", ".go", ".java", ".tf")


def assignments(text: str, *, bare: bool = True, used: bool = False) -> Iterator[Hit]:
    """Find values given to variables whose names say that they hold a secret.

    Args:
        text: settings (`NAME=value`, `name: value`, JSON) or code.
        bare: whether values without quotes count.
        used: as for `find`.
    """
    for start, end in _lines_that_may_name_a_secret(text):
        yield from _assignments(text, start, end, bare=bare, used=used)


def _lines_that_may_name_a_secret(text: str) -> list[tuple[int, int]]:
    """Return where the lines stand that hold a hint; few do, and no assignment is longer than its line."""
    lower = text.lower()
    if len(lower) != len(text):  # a capital that has no single small letter: offsets would be others
        return [(0, len(text))]
    found = set()
    for hint in (*_HINTS, "client_id"):
        at = lower.find(hint)
        while at >= 0:
            end = lower.find("\n", at)
            end = len(text) if end < 0 else end
            found.add((lower.rfind("\n", 0, at) + 1, end))
            at = lower.find(hint, end)
    return sorted(found)


def _assignments(text: str, position: int, end: int, *, bare: bool, used: bool) -> Iterator[Hit]:
    while match := _ASSIGNMENT.search(text, position, end):
        group = match.lastgroup or "bare"
        judged = judge_name(match["name"])
        if not judged.secret or judged.weak:
            # Its value may hold assignments of its own: "Server=db;Password=…".
            position = match.end("name")
            continue
        position = match.end()
        if (group != "bare" or bare) and _is_assigned(match["name"], match[group], used=used):
            yield Hit(
                f"value of {match['name']}", match.start(group), position, redact(match[group]), CREDENTIAL
            )


def _is_assigned(name: str, value: str, *, used: bool) -> bool:
    return (used or _could_be_password(value)) and holds_secret(name, value, used=used)


def _could_be_password(value: str) -> bool:
    """Whether a value in a file is more than a word, a call or a type: long enough, and mixed."""
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
