from __future__ import annotations

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import secrets as bench
from dockproof import secret_formats, secrets
from tests.secrets_corpus import TOKENS, Maker, planted

GITHUB = "ghp" + "_" + "q8ZrT3vLx0WkYb5NcE7uJm2HsDf9Ga4PiX1o"


def kinds(text: str | bytes, *, used: bool = True) -> list[str]:
    """Say what is found, in order."""
    return [hit.kind for hit in secrets.find(text, used=used)]


def test_finds_planted_secrets_and_no_look_alikes() -> None:
    """On the generated set at least 95 of 100 secrets are found, and 98 of 100 findings are secrets."""
    score = bench.measure()
    assert score.planted == 200
    assert score.recall >= 0.95, [case.name for case in score.missed]
    assert score.precision >= 0.98, [case.name for case in score.wrong]


def test_finds_them_in_layers_config_and_history_of_images() -> None:
    """The same set in real archives: each file deleted by a later layer, each line as BuildKit records it."""
    score = bench.measure_images()
    assert score.planted == 200
    assert score.recall >= 0.95, [case.name for case in score.missed]
    assert score.precision >= 0.98, [case.name for case in score.wrong]


def test_quick_patterns_miss_nothing() -> None:
    """What a rule matches, its quick pattern matches too: it is asked first."""
    texts = [case.text.encode() for case in planted()]
    matching = [(rule, text) for rule in secret_formats.TOKENS for text in texts if rule.pattern.search(text)]
    assert len({rule.kind for rule, _ in matching}) >= 20
    assert [rule.kind for rule, text in matching if rule.quick and not rule.quick.search(text)] == []


@pytest.mark.parametrize("name", TOKENS)
def test_names_the_format_of_a_token(name: str) -> None:
    """A token is called what it is, and its offsets are its own."""
    token = TOKENS[name](Maker(7))
    text = f"first line\nvalue = '{token}' # end"
    (hit,) = secrets.find(text)
    assert hit.kind == name
    assert text[hit.start : hit.end] in token


def test_never_shows_a_secret() -> None:
    """A hit shows the public prefix of the format and a length."""
    for case in planted():
        for hit in secrets.find(case.text):
            found = case.text[hit.start : hit.end]
            shown = hit.redacted.partition("…")[0]
            assert len(shown) <= len("AGE-SECRET-KEY-1")
            assert len(found) - len(shown) >= 4 or hit.group == secrets.PRIVATE_KEY
            assert found not in str(hit)


def test_offsets_count_characters_of_a_text_and_bytes_of_bytes() -> None:
    """Letters beyond ASCII before a secret do not shift it."""
    text = f"Schlüssel: {GITHUB}"
    (hit,) = secrets.find(text)
    assert text[hit.start : hit.end] == GITHUB
    (hit,) = secrets.find(text.encode())
    assert text.encode()[hit.start : hit.end] == GITHUB.encode()


@pytest.mark.parametrize("text", [f"x{GITHUB}", GITHUB[:20], "ghp" + "_" + "x" * 36, "ghp_[A-Za-z0-9]{36}"])
def test_passes_what_only_begins_like_a_token(text: str) -> None:
    """Part of a longer word, too short, a row of x, a pattern: none is a token."""
    assert kinds(text) == []


def test_finds_a_token_behind_an_escape() -> None:
    """The n of a written newline is no part of the word."""
    assert kinds(f'"first\\n{GITHUB}"') == ["GitHub token"]


def test_needs_a_body_for_a_private_key() -> None:
    """Code that handles keys holds bare headers; a key has lines of base64."""
    header = "-----BEGIN RSA " + "PRIVATE KEY-----"
    assert kinds(f'if text.startswith("{header}"): ...') == []
    assert kinds(f"{header}\n{'MIIEpAIBAAKCAQEA7bq9' * 3}\n") == ["private key"]
    assert kinds(json.dumps({"private_key": f"{header}\n{'MIIEpAIBAAKCAQEA7bq9' * 3}\n"})) == ["private key"]


def test_passes_a_public_key() -> None:
    """Certificates and public keys are for everybody."""
    assert kinds(f"-----BEGIN PUBLIC KEY-----\n{'MIIBIjANBgkqhkiG9w0B' * 3}\n") == []


@pytest.mark.parametrize(
    ("text", "red"),
    [
        ("https://user:pa55@example.com/x", True),
        ("amqp://guest:guest@rabbit", True),
        ("redis://:pa55@redis:6379/0", True),
        ("https://user:$TOKEN@example.com", False),
        ("https://user:${TOKEN}@example.com", False),
        ("https://x:$(cat /run/secrets/t)@example.com", False),
        ("ssh://git@example.com:22/x", False),
        ("https://cdn.example.com/npm/@scope/x@1.2", False),
        ("https://example.com:8080/a@b", False),
        ("https://example.com/?a=b:c@d", False),
    ],
)
def test_judges_credentials_of_urls(text: str, red: bool) -> None:  # noqa: FBT001 - a table
    """A URL holds a secret where a literal password stands before the host."""
    assert bool(kinds(text)) is red


def test_placeholders_count_only_where_they_are_used() -> None:
    """In a command `user:password@` is a password; in documentation it is a word."""
    assert kinds("https://user:password@example.com") == ["password in a URL"]
    assert kinds("https://user:password@example.com", used=False) == []
    example = "AKIA" + "IOSFODNN7EXAMPLE"
    assert kinds(example) == ["AWS access key id"]
    assert kinds(example, used=False) == []


def test_reads_registry_logins() -> None:
    """`auth` counts where it decodes to a user and a password."""
    login = base64.b64encode(b"ci:pa55word").decode()
    assert kinds(json.dumps({"auths": {"r": {"auth": login}}})) == ["registry credential"]
    assert kinds('{"auth": "required"}') == []


@pytest.mark.parametrize(
    "name",
    """PASSWORD DB_PASSWORD DBPASSWORD passwd MYSQL_PWD DB_PASS API_KEY apikey apiKey Api-Key SECRET CLIENT_SECRET
    SECRET_PASSPHRASE SUPER_Secret super_duper_secret_token git_key auth TOKEN GITHUB_TOKEN accessToken
    AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AZURE_CLIENT_ID AZURE_CLIENT_SECRET
    OPENAI_API_KEY HF_TOKEN
    VITE_OPENAI_API_KEY REACT_APP_AWS_ACCESS_KEY_ID CREDENTIALS SSH_PRIVATE_KEY SIGNING_KEY NPM_AUTH pword""".split(),  # noqa: SIM905 - a list of many words
)
def test_reads_a_secret_in_a_name(name: str) -> None:
    """Whatever the casing and the separators."""
    assert secrets.names_secret(name)


@pytest.mark.parametrize(
    "name",
    """PUBLIC_KEY SSH_PUBLIC_KEY STRIPE_PUBLISHABLE_KEY PASSWORD_FILE TLS_KEY_PATH TOKEN_URL AUTH_ENDPOINT SECRET_NAME
    PASSWORD_MIN_LENGTH TOKEN_TTL AUTH_MODULE_VERSION KMS_KEY_ID TOKENIZERS_PARALLELISM TOKENIZER AUTHOR KEYBOARD MONKEY
    KEYCLOAK_HOST OAUTH PWD PATH COMPASS BYPASS PASSENGER_VERSION SECRETARY HOME CREDENTIAL_PROVIDER""".split(),  # noqa: SIM905 - a list of many words
)
def test_passes_names_that_only_speak_of_secrets(name: str) -> None:
    """Where it lies, how long it is, what it is called, or a word that merely holds the letters."""
    assert not secrets.names_secret(name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GPG_KEY", "7169605F62C751356D054A26A821E680E5FA6305"),
        ("REQUIRE_AUTH", "true"),
        ("CACHE_KEY", "3"),
        ("TLS_KEY", "/run/secrets/tls.pem"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/app/key.json"),
    ],
)
def test_passes_values_that_are_no_secret(name: str, value: str) -> None:
    """A fingerprint, a switch, a number, a path."""
    assert not secrets.names_secret(name, value)


@pytest.mark.parametrize(
    "value",
    [
        "-Dmaven.repo.local=/var/cache/m2",
        "9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "sha512-4jvyR+47xN5JSvZjT7fPpF2Q3E8g0Jm5kqQbD9pY3A==",
        "OrganizationAdministratorRole2024",
        "python3.13-slim-trixie-Amd64",
        "/opt/venv/bin:/usr/local/bin:/usr/bin",
        "the quick Brown fox 4 times",
        "",
    ],
)
def test_calls_no_digest_name_or_path_random(value: str) -> None:
    """Digests, identifiers and paths are long and mixed, but public."""
    assert not secrets.is_random(value)


def test_calls_generated_keys_random() -> None:
    """At least 97 of 100 drawn keys of 32 letters and digits are seen."""
    make = Maker(3)
    assert sum(secrets.is_random(make.mixed(32)) for _ in range(200)) >= 194


def test_reads_assignments_inside_a_value() -> None:
    """A connection string holds names and values of its own."""
    (hit,) = secrets.find_in_file(
        "/app/settings.json", b'{"Db": "Server=db;User=sa;Password=Heron-Fjord77;"}'
    )
    assert hit.kind == "value of Password"


@pytest.mark.parametrize(
    "path",
    [
        "/usr/share/doc/curl/README",
        "/usr/lib/python3/dist-packages/x/tests/data.py",
        "/usr/local/lib/python3.13/test/certdata/key.pem",
        "/opt/venv/lib/python3.13/site-packages/x/testing/conftest.py",
        "/opt/venv/lib/python3.13/site-packages/x-1.dist-info/METADATA",
    ],
)
def test_passes_documentation_and_tests_of_packages(path: str) -> None:
    """They are full of made-up keys; the package itself is searched."""
    assert list(secrets.find_in_file(path, GITHUB.encode())) == []
    assert list(secrets.find_in_file("/opt/venv/lib/python3.13/site-packages/x/core.py", GITHUB.encode()))


def test_reads_credential_files_wherever_they_lie() -> None:
    """A pip.conf below /usr is one all the same."""
    (hit,) = secrets.find_in_file(
        "/usr/local/share/pip.conf", b"index-url = https://ci:pa55@example.org/simple\n"
    )
    assert hit.kind == "password in a URL"


@given(st.binary(max_size=400))
def test_never_fails_on_any_bytes(data: bytes) -> None:
    """Files of an image are anything; a search of one never raises and stays inside it."""
    for hit in secrets.find_in_file("/app/.env", data):
        assert 0 <= hit.start < hit.end <= len(data)


@given(st.text(max_size=200))
def test_never_fails_on_any_text(text: str) -> None:
    """The same for the text of a Dockerfile."""
    for hit in secrets.find(text):
        assert 0 <= hit.start < hit.end <= len(text)


@pytest.mark.parametrize(
    "part", ["a", "A1", "://a:", "password", "token=", "machine ", "eyJ.", "-", "sk-", "key: 'a"]
)
def test_takes_time_in_proportion_to_the_size(part: str) -> None:
    """No text of 200 kB keeps it busy for more than a few seconds, however it is made."""
    data = (part * (200_000 // len(part))).encode()
    began = time.perf_counter()
    list(secrets.find_in_file("/app/.env", data))
    assert time.perf_counter() - began < 3
