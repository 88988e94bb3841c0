"""A generated set of 200 planted secrets and 200 look-alikes, the same in every run.

Every secret is made up here, from a seed, in its maker's published format; none was ever valid, and none stands in this
file as text. The look-alikes are what images and Dockerfiles are really full of: digests, public keys, references,
templates, documentation, and names that speak about secrets.
"""

from __future__ import annotations

import base64
import json
import random
import string
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ALNUM = string.ascii_letters + string.digits
LOWER = string.ascii_lowercase + string.digits
HEX = "0123456789abcdef"
UPPER = string.ascii_uppercase + string.digits
URLSAFE = ALNUM + "-_"
BASE64 = ALNUM + "+/"
WORDS = (
    *("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "inlet"),
    *("kelp", "lagoon", "maple", "north", "ocean", "pearl", "reef", "sunflower", "tundra"),
)


class Case(NamedTuple):
    """One text in its place.

    Attributes:
        name: what it is, for people; several cases share one.
        path: the file of an image that holds it; "" for lines of a Dockerfile.
        text: the content.
        secret: the planted secret, "" for a look-alike.
    """

    name: str
    path: str
    text: str
    secret: str


class Maker:
    """Draws texts from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a test set, the same in every run

    def draw(self, alphabet: str, length: int) -> str:
        """Draw a text of an alphabet."""
        return "".join(self.random.choices(alphabet, k=length))

    def mixed(self, length: int) -> str:
        """Draw letters and digits, with at least two of each kind."""
        sure = [
            self.draw(kind, 2) for kind in (string.ascii_lowercase, string.ascii_uppercase, string.digits)
        ]
        parts = list("".join(sure) + self.draw(ALNUM, length - 6))
        self.random.shuffle(parts)
        return "".join(parts)

    def word(self) -> str:
        """Draw a plain word."""
        return self.random.choice(WORDS)

    def password(self) -> str:
        """Draw a password as people make them: two words, a sign, a number."""
        return (
            f"{self.word().title()}{self.random.choice('-_.!+')}{self.word()}{self.random.randint(10, 9999)}"
        )

    def armour(self, lines: int = 8) -> str:
        """Draw the lines of a PEM body."""
        return "\n".join(self.draw(BASE64, 64) for _ in range(lines)) + "\n" + self.draw(BASE64, 30) + "=="


def _dashed(*words: str) -> str:
    return "-----" + " ".join(words) + "-----"


def _pem(make: Maker, kind: str) -> str:
    return f"{_dashed('BEGIN', kind)}\n{make.armour()}\n{_dashed('END', kind)}\n"


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _url64(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


# ------------------------------------------------------------------------------------------------- secrets

TOKENS: dict[str, Callable[[Maker], str]] = {
    "AWS access key id": lambda m: "AKIA" + m.draw(string.ascii_uppercase + "234567", 16),
    "GitHub token": lambda m: "gh" + m.random.choice("pousr") + "_" + m.mixed(36),
    "GitHub fine-grained token": lambda m: "github" + "_pat_" + m.mixed(22) + "_" + m.mixed(59),
    "GitLab token": lambda m: "gl" + "pat-" + m.mixed(20),
    "Slack token": lambda m: (
        "xox" + f"b-{m.draw(string.digits, 12)}-{m.draw(string.digits, 12)}-{m.mixed(24)}"
    ),
    "Stripe key": lambda m: m.random.choice("sr") + "k_" + "live_" + m.mixed(24),
    "Google API key": lambda m: "AI" + "za" + m.draw(URLSAFE, 34) + m.draw(ALNUM, 1),
    "npm token": lambda m: "npm" + "_" + m.mixed(36),
    "PyPI token": lambda m: "pypi-" + "AgEIcHlwaS5vcmc" + m.draw(URLSAFE, 150) + m.draw(ALNUM, 1),
    "Docker Hub token": lambda m: "dckr" + "_pat_" + m.mixed(27),
    "Hugging Face token": lambda m: "hf" + "_" + m.draw(string.ascii_letters, 34),
    "OpenAI key": lambda m: "sk-" + "proj-" + m.mixed(74) + "T3Blbk" + "FJ" + m.mixed(74),
    "Anthropic key": lambda m: "sk-" + "ant-api03-" + m.draw(URLSAFE, 93) + "AA",
    "SendGrid key": lambda m: "SG" + "." + m.mixed(22) + "." + m.mixed(43),
    "Telegram bot token": lambda m: m.draw("123456789", 10) + ":" + "AA" + m.mixed(33),
    "Twilio API key": lambda m: "SK" + m.draw(HEX, 32),
    "DigitalOcean token": lambda m: "dop" + "_v1_" + m.draw(HEX, 64),
    "JSON web token": lambda m: ".".join(
        [
            _url64({"alg": "HS256", "typ": "JWT"}),
            _url64({"sub": m.word(), "n": m.random.randint(1, 10**9)}),
            m.mixed(43),
        ]
    ),
    "Azure storage key": lambda m: f"AccountName={m.word()};Account" + "Key=" + m.draw(BASE64, 86) + "==",
    "age secret key": lambda m: "AGE-SECRET-" + "KEY-1" + m.draw("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58),
}


def _carriers(token: str) -> list[tuple[str, str]]:
    """Places in which tokens are found: (path, text)."""
    return [
        ("", f"ENV BUILD_TAG={token}\n"),
        ("", f'LABEL org.example.build="{token}"\n'),
        ("", f"RUN curl -fsS -H 'X-From: {token}' https://example.org/x >/dev/null\n"),
        ("/app/src/client.py", f'"""Talk to the service."""\n\nCLIENT = "{token}"\n'),
        ("/home/app/.bash_history", f"cd /app\n./deploy --with {token}\nls\n"),
    ]


def _tokens(make: Maker) -> Iterator[Case]:
    for name, draw in TOKENS.items():
        for place in range(5):
            token = draw(make)
            path, text = _carriers(token)[place]
            yield Case(name, path, text, token)


Template = tuple[str, str, str]
"""Name, path and text; `{p}` is a password, `{k}` a random key, `{x}` hexadecimal, `{w}` a word, `{h}` a host."""

PASSWORDS: tuple[Template, ...] = (
    ("ENV by name", "", "ENV DB_PASSWORD={p}\n"),
    ("ENV by name", "", "ENV APP_SECRET_KEY {k}\n"),
    ("ARG by name", "", "ARG REGISTRY_TOKEN={k}\n"),
    ("LABEL by name", "", 'LABEL admin.password="{p}"\n'),
    ("random ENV", "", "ENV UPSTREAM_HANDLE={k}\n"),
    ("option", "", "RUN ./install --admin-password={p} --quiet\n"),
    ("option", "", "RUN sshpass -p {p} scp {h}:/x /x\n"),
    ("user and password", "", "RUN curl -sS --user ci:{p} https://{h}/x.tar -o /x.tar\n"),
    ("header", "", "RUN wget --header='Authorization: Bearer {k}' https://{h}/x\n"),
    ("assignment", "", "RUN export PGPASSWORD='{p}' && psql -h {h} -f /x.sql\n"),
    ("piped", "", "RUN echo 'app:{p}' | chpasswd\n"),
    ("URL", "", "ADD https://ci:{p}@{h}/x.tar.gz /x/\n"),
    ("URL", "", "RUN git clone https://deploy:{p}@{h}/team/lib.git /lib\n"),
    ("URL", "/app/.git/config", '[remote "origin"]\n\turl = https://ci:{p}@{h}/team/app.git\n'),
    ("pip.conf", "/etc/pip.conf", "[global]\nindex-url = https://ci:{p}@{h}/simple\n"),
    (".netrc", "/home/app/.netrc", "machine {h}\nlogin ci\npassword {p}\n"),
    (".npmrc", "/app/.npmrc", "registry=https://{h}/\n//{h}/:_authToken={k}\n"),
    (".pypirc", "/home/app/.pypirc", "[pypi]\nusername = ci\npassword = {p}\n"),
    (".git-credentials", "/home/app/.git-credentials", "https://ci:{p}@{h}\n"),
    (".env", "/app/.env", "DEBUG=0\nSECRET_KEY={k}\n"),
    (".env", "/app/prod.env", "HOST={h}\nSMTP_PASSWORD={p}\n"),
    ("YAML", "/app/config/settings.yaml", "database:\n  host: {h}\n  password: {p}\n"),
    ("JSON", "/app/config.json", '{{"host": "{h}", "apiKey": "{k}"}}\n'),
    ("INI", "/etc/app/app.ini", "[smtp]\nuser = ci\npassword = {p}\n"),
    ("Python", "/app/settings.py", 'DEBUG = False\nSECRET_KEY = "{k}"\n'),
    ("JavaScript", "/srv/app/server.js", 'const c = {{ host: "{h}", clientSecret: "{k}" }};\n'),
    ("connection string", "/app/appsettings.json", '{{"Db": "Server={h};User=sa;Password={p};"}}\n'),
    ("database URL", "/app/deploy.sh", "#!/bin/sh\nexport DATABASE_URL=postgresql://app:{p}@{h}/app\n"),
    ("AWS secret", "/home/app/.aws/credentials", "[default]\naws_secret_access_key = {a}\n"),
    ("heredoc", "", "COPY <<EOF /app/.env\nSESSION_SECRET={k}\nEOF\n"),
    ("written file", "", "RUN printf 'machine {h} login ci password {p}\\n' >/home/app/.netrc\n"),
    ("setting", "", "RUN npm config set //{h}/:_authToken {k}\n"),
    # Meant to be missed: to find these, every plain word and every digest would have to be called a secret.
    ("a word as password", "/app/config/mail.yaml", "password: {w}\n"),
    ("hexadecimal under a plain name", "", "ENV SERVICE_HANDLE={x}\n"),
)


def _fill(make: Maker, template: Template) -> Case:
    name, path, text = template
    parts = {
        "p": make.password(),
        "k": make.mixed(32),
        "a": make.draw(BASE64, 40),
        "h": f"{make.word()}.example.org",
    }
    parts |= {"x": make.draw(HEX, 32), "w": make.word()}
    used = next(parts[key] for key in "pkaxw" if "{" + key + "}" in text)
    return Case(name, path, text.format(**parts), used)


def _files(make: Maker) -> Iterator[Case]:
    """Keys and credential files."""
    for kind in (
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
    ):
        yield Case("private key", "/home/app/.ssh/id", _pem(make, kind), kind)
    pgp = f"{_dashed('BEGIN PGP', 'PRIVATE KEY BLOCK')}\n\n{make.armour()}\n{_dashed('END PGP', 'PRIVATE KEY BLOCK')}\n"
    yield Case("private key", "/root/signing.asc", pgp, "PGP")
    yield Case("private key", "", f"COPY <<EOF /k\n{_pem(make, 'EC PRIVATE KEY')}EOF\n", "EC")
    account = {
        "type": "service_account",
        "private_key": _pem(make, "PRIVATE KEY"),
        "client_email": "ci@example.org",
    }
    yield Case("service account", "/app/gcp.json", json.dumps(account), "gcp")
    auth = {"auths": {"registry.example.org": {"auth": _b64("ci:" + make.password())}}}
    yield Case("registry login", "/home/app/.docker/config.json", json.dumps(auth), "auth")
    client = f"users:\n- name: a\n  user:\n    client-key-data: {_b64(_pem(make, 'RSA PRIVATE KEY'))}\n"
    yield Case("kubeconfig", "/home/app/.kube/config", client, "key")


def planted(count: int = 200) -> list[Case]:
    """Return the planted secrets."""
    make = Maker(1987)
    cases = [*_tokens(make), *_files(make)]
    while len(cases) < count:
        cases += [_fill(make, template) for template in PASSWORDS[: count - len(cases)]]
    return cases


# --------------------------------------------------------------------------------------------- look-alikes

LOOK_ALIKES: tuple[Template, ...] = (
    ("pinned image", "", "COPY --from=busybox:1@sha256:{x64} /bin/sh /sh\n"),
    ("checksum", "", "ADD --checksum=sha256:{x64} https://{h}/x.tar.gz /x/\n"),
    ("checksum", "", "ENV NODE_SHA256={x64}\n"),
    ("checksum", "", "RUN echo '{x64}  x.tar' | sha256sum -c -\n"),
    ("fingerprint", "", "ENV GPG_KEY={X40}\n"),
    ("fingerprint", "", "RUN gpg --batch --keyserver hkps://{h} --recv-keys {X40}\n"),
    ("commit", "", "ARG REVISION={x40}\n"),
    ("commit", "", 'LABEL org.opencontainers.image.revision="{x40}"\n'),
    ("path of a secret", "", "ENV POSTGRES_PASSWORD_FILE=/run/secrets/postgres\n"),
    ("path of a secret", "", "ENV TLS_KEY_PATH=/run/secrets/{w}.pem\n"),
    ("address of tokens", "", "ENV TOKEN_URL=https://{h}/oauth/token\n"),
    ("about secrets", "", "ENV PASSWORD_MIN_LENGTH=12 TOKEN_TTL=3600\n"),
    ("about secrets", "", "ENV TOKENIZERS_PARALLELISM=false\n"),
    ("about secrets", "", "ARG SECRET_NAME={w}\n"),
    ("public key", "", "ENV PUBLIC_KEY={k}\n"),
    ("public key", "", "ENV STRIPE_PUBLISHABLE_KEY=pk_live_{k24}\n"),
    (
        "secret mount",
        "",
        'RUN --mount=type=secret,id={w},env=TOKEN curl -H "Authorization: Bearer $TOKEN" https://{h}\n',
    ),
    ("secret mount", "", "RUN --mount=type=secret,id=n,target=/home/app/.npmrc npm ci\n"),
    (
        "secret mount",
        "",
        "RUN --mount=type=secret,id=p PGPASSWORD=\"$(cat /run/secrets/p)\" psql -h {h} -c 'select 1'\n",
    ),
    ("secret mount", "", "RUN --mount=type=secret,id=t gh auth login --with-token </run/secrets/t\n"),
    (
        "reference",
        "",
        'RUN git clone "https://x-access-token:$(cat /run/secrets/gh)@{h}/team/lib.git" /lib\n',
    ),
    ("stand-in", "", "RUN SECRET_KEY=dummy python manage.py collectstatic --noinput\n"),
    ("package names", "", "RUN pip install --no-cache-dir python-jose passlib django-secretkey=={n}.0.1\n"),
    ("package names", "", "RUN apt-get install -y --no-install-recommends libsecret-1-0 gnupg-agent={n}.2\n"),
    ("option about secrets", "", "RUN adduser --disabled-password --gecos '' {w}\n"),
    ("option about secrets", "", "RUN docker login --username ci --password-stdin {h} </run/secrets/r\n"),
    ("URL with an at sign", "", "ADD https://cdn.{h}/npm/@scope/{w}@{n}.2.3/dist/x.js /x.js\n"),
    ("URL without password", "", "RUN git clone ssh://git@{h}:22/team/{w}.git /lib\n"),
    ("UUID", "", "ENV INSTALL_ID={uuid}\n"),
    ("version", "", "ENV PYTHON_GET_PIP_URL=https://{h}/raw/{x40}/public/get-pip.py\n"),
    ("key to sort by", "", "ENV SORT_KEY_ENABLED=true\n"),
    ("template", "/app/.env.example", "SECRET_KEY={k}\nDB_PASSWORD=changeme\n"),
    ("template", "/app/config.sample", "password = {p}\n"),
    (
        "reference",
        "/app/docker-compose.yaml",
        "services:\n  db:\n    environment:\n      POSTGRES_PASSWORD: ${{DB_PASSWORD}}\n",
    ),
    ("reference", "/app/settings.py", 'SECRET_KEY = os.environ["SECRET_KEY"]\nTOKEN = read_secret("{w}")\n'),
    ("reference", "/app/values.yaml", "auth:\n  existingSecret: {w}-credentials\n  secretKeyRef: {w}\n"),
    (
        "reference",
        "/app/client.js",
        "const apiKey = process.env.API_KEY; const password = form.password.value;\n",
    ),
    ("placeholder", "/app/README.txt", "export API_TOKEN=your-token-here\nexport PASSWORD=<password>\n"),
    ("placeholder", "/app/config.yaml", "password: changeme\ntoken: null\nsecret: xxxxxxxxxxxx\n"),
    ("public key", "/home/app/.ssh/authorized_keys", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA{b43} {w}@{h}\n"),
    ("public key", "/etc/ssl/certs/{w}.pem", "{cert}"),
    ("public key", "/app/jwt.pub", "{public}"),
    ("lock file", "/app/package-lock.json", '{{"{w}": {{"integrity": "sha512-{b86}=="}}}}\n'),
    ("lock file", "/app/requirements.txt", "{w}=={n}.1.0 \\\n    --hash=sha256:{x64}\n"),
    ("lock file", "/app/go.sum", "{h}/{w} v1.{n}.0 h1:{b43}=\n"),
    (
        "wheel record",
        "/usr/local/lib/python3.13/site-packages/{w}-1.dist-info/RECORD",
        "{w}/x.py,sha256={b43},{n}\n",
    ),
    (
        "code about tokens",
        "/app/scan.py",
        'PATTERN = re.compile(r"ghp_[A-Za-z0-9]{{36}}|AKIA[0-9A-Z]{{16}}")  # {w}\n',
    ),
    (
        "code about keys",
        "/app/pem.py",
        'HEADER = "-----BEGIN RSA PRIVATE" " KEY-----"\nkey = load(path)  # {w}\n',
    ),
    (
        "code about passwords",
        "/app/auth.py",
        'def login(user, password="", *, token=None): ...\n\nname = "{w}"\n',
    ),
    (
        "messages",
        "/app/locale/en.json",
        '{{"password": "Password", "token_expired": "Your {w} token is no longer valid"}}\n',
    ),
    (
        "documentation",
        "/usr/share/doc/{w}/README",
        "curl https://user:{p}@{h}/\nexport AWS_SECRET_ACCESS_KEY={a}\n",
    ),
    ("test data", "/usr/local/lib/python3.13/site-packages/{w}/tests/server.key", "{pem}"),
    ("test data", "/usr/lib/python3/dist-packages/{w}/test/data.py", 'password = "{p}"\ntoken = "{k}"\n'),
    ("example key", "/app/docs.txt", "aws_access_key_id = AKIA" + "IOSFODNN7EXAMPLE\n# {w}\n"),
    (
        "data URI",
        "/app/static/site.css",
        ".logo {{ background: url(data:image/png;base64,iVBORw0KGgo{b86}) }}\n",
    ),
    (
        "minified code",
        "/app/static/{w}.min.js",
        "!function(e,t){{e.tokenize=t;e.keyCode={n};e.pass=t}}(this,{n});\n",
    ),
    ("names of keys", "/app/cache.yaml", "cache:\n  key: {w}-{{{{ checksum}}}}\n  keys: [{w}, north]\n"),
)


def _look_alike(make: Maker, template: Template) -> Case:
    name, path, text = template
    word = make.word()
    parts = {
        "x64": make.draw(HEX, 64),
        "x40": make.draw(HEX, 40),
        "X40": make.draw(HEX, 40).upper(),
        "b43": make.draw(BASE64, 43),
        "b86": make.draw(BASE64, 86),
        "k": make.mixed(32),
        "k24": make.mixed(24),
        "a": make.draw(BASE64, 40),
        "p": make.password(),
        "w": word,
        "h": f"{make.word()}.example.org",
        "n": make.random.randint(1, 60),
        "uuid": "-".join(make.draw(HEX, n) for n in (8, 4, 4, 4, 12)),
        "cert": _pem(make, "CERTIFICATE"),
        "public": _pem(make, "PUBLIC KEY"),
        "pem": _pem(make, "RSA PRIVATE KEY"),
    }
    return Case(name, path.format(w=word), text.format(**parts), "")


def look_alikes(count: int = 200) -> list[Case]:
    """Return the look-alikes."""
    make = Maker(2026)
    cases: list[Case] = []
    while len(cases) < count:
        cases += [_look_alike(make, template) for template in LOOK_ALIKES[: count - len(cases)]]
    return cases
