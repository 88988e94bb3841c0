"""Secrets that their format tells: tokens of known makers, private keys, URLs with a password."""

from __future__ import annotations

import json
import re
from functools import lru_cache

from dockproof.patterns import pattern
from dockproof.records import NamedTuple
from dockproof.secret_values import is_placeholder, is_random, is_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

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
TOKENS: tuple[Rule, ...] = (
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
_BY_NEEDLE = tuple((needle.decode(), rule) for rule in TOKENS for needle in rule.needles)

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
    if isinstance(text, str) and len(text) < _SHORT:
        return iter(_in_short(text, used=used, tokens_only=tokens_only))
    return _found(text, used=used, tokens_only=tokens_only)


_SHORT = 300


@lru_cache(maxsize=1024)  # the same instructions stand in many files
def _in_short(text: str, *, used: bool, tokens_only: bool) -> tuple[Hit, ...]:
    return tuple(_found(text, used=used, tokens_only=tokens_only))


def _found(text: str | bytes, *, used: bool, tokens_only: bool) -> Iterator[Hit]:
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    hits = outermost(hits_of(data, rules_for(data, tokens_only=tokens_only), used=used))
    if isinstance(text, str) and len(data) != len(text):
        return (hit._replace(start=_chars(data, hit.start), end=_chars(data, hit.end)) for hit in hits)
    return hits


def _chars(data: bytes, offset: int) -> int:
    return len(data[:offset].decode("utf-8", "replace"))


def rules_for(data: bytes, *, tokens_only: bool) -> list[Rule]:
    """Return the rules that can match anywhere in a text, which may be many texts together."""
    # Tokens are long runs, and these are a tenth of a text: only where they hold one is the whole text searched.
    runs = _runs(data)
    text = runs.decode("latin-1")  # a str is searched in half the time
    found = dict.fromkeys([rule for needle, rule in _BY_NEEDLE if needle in text]) if runs else ()
    rules = [rule for rule in found if (rule.quick or rule.pattern).search(runs)]
    rules += [
        rule
        for rule in _STRUCTURES
        if (rule.group == PRIVATE_KEY or not tokens_only) and rule.may_match(data)
    ]
    return rules


def hits_of(data: bytes, rules: Iterable[Rule], *, used: bool) -> Iterator[Hit]:
    """Find the secrets of some rules in a text, one rule after the other; `used` as for `find`."""
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


def outermost(hits: Iterable[Hit]) -> Iterator[Hit]:
    """Put hits in order and drop those that lie inside an earlier one; the narrower format has come first."""
    end = -1
    for hit in sorted(hits, key=lambda hit: (hit.start, -hit.end)):
        if hit.end > end:
            yield hit
            end = hit.end
