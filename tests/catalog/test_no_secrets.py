from __future__ import annotations

from typing import Any

import pytest

from dockproof import catalog, gate
from dockproof.config import Config
from dockproof.facts.container import ContainerFacts, Process, State
from dockproof.facts.image import FileEntry, HistoryEntry, ImageConfig, ImageFacts, Layer
from dockproof.finding import Finding, Probe
from dockproof.policy import ImageTarget, RuntimeTarget
from tests.catalog.asking import findings, red

POLICY = "no-secrets"
GITHUB = "ghp" + "_" + "q8ZrT3vLx0WkYb5NcE7uJm2HsDf9Ga4PiX1o"
KEY = "-----BEGIN EC " + "PRIVATE KEY-----\n" + "MHcCAQEEIBkg4LVWM9nuwNSk" * 2 + "\n"


def clauses(line: str) -> list[str | None]:
    """Say which clauses turn red for lines of a stage."""
    return [clause for _, clause in red(POLICY, f"FROM debian:13\nARG BUILD_INFO\n{line}\n")]


# -------------------------------------------------------------------------------------------------- source


@pytest.mark.parametrize(
    "line",
    [
        "ARG NPM_TOKEN",
        "ARG NPM_TOKEN=",
        "ENV git_key=",
        "ENV DB_PASSWORD=changeme",
        "ENV DB_PASSWORD changeme",
        "ENV A=1 secret=baz",
        "ENV TOKEN=$BUILD_INFO",
        "ONBUILD ARG API_KEY",
        'LABEL app.password="Heron77"',
    ],
)
def test_flags_names_that_are_there_for_a_secret(line: str) -> None:
    """An ARG or ENV is judged by its name: no value, a placeholder or a reference are no excuse."""
    assert clauses(line) == ["named-secret"]


def test_flags_an_argument_before_the_first_stage() -> None:
    """It is recorded like any other."""
    assert red(POLICY, "ARG REGISTRY_PASSWORD\nFROM debian:13\n") == [(1, "named-secret")]


def test_flags_secrets_of_every_stage() -> None:
    """A builder's history stays on the builder, and in its cache."""
    assert red(POLICY, "FROM a:1 AS build\nENV API_KEY=x1\nFROM a:1\n") == [(2, "named-secret")]


@pytest.mark.parametrize(
    "line",
    [
        "ENV POSTGRES_PASSWORD_FILE=/run/secrets/db",
        "ENV TOKEN_URL=https://example.com/token",
        "ENV PUBLIC_KEY=abc",
        "ENV GPG_KEY=7169605F62C751356D054A26A821E680E5FA6305",
        "ARG PASSWORD_MIN_LENGTH=12",
        "ENV GOOGLE_APPLICATION_CREDENTIALS=/run/secrets/gcp.json",
        'LABEL app.password-policy="long"',
        "ENV PATH=/opt/venv/bin:$PATH",
        "ENV APT_KEY_DONT_WARN_ON_DANGEROUS_USAGE=DontWarn",
        "ENV MYSQL_ALLOW_EMPTY_PASSWORD=yes",
        "ENV SSH_AUTH_SOCK=/ssh-agent",
        "ENV ACCESS_TOKEN_EXPIRE_MINUTES=30",
        "ENV GPG_KEYS 7169605F62C751356D054A26A821E680E5FA6305 A035C8C19219BA821ECEA86B64E628F8D684696D",
    ],
)
def test_passes_names_that_tell_where_a_secret_lies(line: str) -> None:
    """Pointing at a mounted file is the right way."""
    assert clauses(line) == []


@pytest.mark.parametrize(
    ("line", "clause"),
    [
        (f"ENV BUILD={GITHUB}", "token"),
        (f'LABEL build="{GITHUB}"', "token"),
        (f"RUN echo {GITHUB}", "token"),
        (f"COPY <<E /a\n{GITHUB}\nE", "token"),
        (f"CMD ['{GITHUB}']", "token"),
        (f"COPY <<E /k\n{KEY}E", "private-key"),
        ("ADD https://ci:Heron77@example.com/x /x", "url"),
        ("ENV PIP_INDEX_URL=https://ci:Heron77@example.com/simple", "url"),
        ("RUN pip install --index-url https://ci:Heron77@example.com/simple x", "url"),
        ("HEALTHCHECK CMD curl -f http://ci:Heron77@localhost/", "url"),
        ("ENV HANDLE=vK8wQz2RtY7mXb4NcL9pHd3Fs6Jg", "random-value"),
    ],
)
def test_flags_known_formats_in_every_instruction(line: str, clause: str) -> None:
    """Whatever the name, a token is a token."""
    assert clauses(line) == [clause]


@pytest.mark.parametrize(
    "command",
    [
        "curl -u ci:Heron77 https://example.com",
        "curl -sSu ci:Heron77 https://example.com",
        "curl --user=ci:Heron77 https://example.com",
        "curl -H 'Authorization: Bearer abcd1234efgh' https://example.com",
        "curl -H 'PRIVATE-TOKEN: abcd1234efgh' https://example.com",
        "wget --http-password=Heron77 https://example.com",
        "wget --password Heron77 https://example.com",
        "docker login -u ci -p Heron77 example.com",
        "echo Heron77 | docker login -u ci --password-stdin example.com",
        "sshpass -pHeron77 ssh example.com",
        "mysql -uroot -pHeron77 -e 'select 1'",
        "redis-cli -a Heron77 ping",
        "echo root:Heron77 | chpasswd",
        "chpasswd <<< root:Heron77",
        "PGPASSWORD=Heron77 psql",
        "export API_KEY=Heron77 && make",
        "env API_KEY=Heron77 make",
        "npm config set //example.com/:_authToken Heron77x",
        "npm config set _auth Heron77x",
        "poetry config pypi-token.pypi Heron77x",
        "composer config -g http-basic.example.com ci Heron77",
        "aws configure set aws_secret_access_key $KEY",
        "az login --service-principal -u ci --tenant x",
        "gcloud auth activate-service-account --key-file=/k.json",
        "openssl rsa -passin pass:Heron77 -in k",
        "keytool -importcert -storepass Heron77",
        "rabbitmqctl add_user ci Heron77",
        "htpasswd -bc /f ci Heron77",
        "echo 'machine example.com login ci password Heron77' > ~/.netrc",
        "echo DB_PASSWORD=Heron77 >> /app/.env",
        "printf 'SECRET_KEY=%s' x; echo 'SMTP_PASSWORD=Heron77' | tee /app/.env",
        "sh -c 'curl -u ci:Heron77 https://example.com'",
        "curl -u ci:$BUILD_INFO https://example.com",
        "echo 'app app/root_password password Heron77' | debconf-set-selections",
        "java -Dspring.datasource.password=Heron77 -jar x",
    ],
)
def test_flags_secrets_handed_to_commands(command: str) -> None:
    """Options, operands, headers, pipes, assignments and files, literal or from an ARG, once each."""
    assert clauses(f"RUN true && {command}") == ["command"]


@pytest.mark.parametrize(
    "command",
    [
        'curl -u "ci:$(cat /run/secrets/ci)" https://example.com',
        'T=$(cat /run/secrets/t) && curl -H "Authorization: Bearer $T" https://example.com',
        'BUILD_INFO=$(cat /run/secrets/t) && curl -u "ci:$BUILD_INFO" https://example.com',
        "docker login -u ci --password-stdin </run/secrets/r",
        "gh auth login --with-token </run/secrets/t",
        "git clone https://x:$(cat /run/secrets/t)@example.com/x",
        "SECRET_KEY=dummy python manage.py collectstatic",
        "adduser --disabled-password --gecos '' app",
        "adduser --disabled-password app && createuser --no-password app",
        "useradd --password '!' app && usermod -p '*' app",
        "curl --negotiate -u : https://example.com",
        "google-chrome --password-store=basic",
        "apt-get install -y libsecret-1-0 passwd",
        "mysql -uroot -p -e 'select 1'",
        "az login --identity",
        "cp -p a b && mkdir -p /x && ssh -p 22 example.com",
        "grep -r password /etc && echo 'no password is set'",
        "curl -fsSL https://example.com/a@1:2/x",
        "useradd --password-file /x app",
        "echo 'user:x:1:1::/:/bin/sh' >> /etc/passwd",
        "unset TOKEN",
    ],
)
def test_passes_secrets_that_come_from_a_mount(command: str) -> None:
    """What is read from /run/secrets, and words that merely look alike, are no finding."""
    assert clauses(f"RUN --mount=type=secret,id=t {command}") == []


@pytest.mark.parametrize(
    "command",
    [
        "cp /run/secrets/t /home/app/.npmrc && npm ci",
        "cat /run/secrets/t > /home/app/.npmrc; npm ci",
        "cat </run/secrets/t | tee /home/app/.npmrc",
        'echo "//example.com/:_authToken=$(cat /run/secrets/t)" > .npmrc && npm ci',
        'echo "//example.com/:_authToken=${TOKEN}" >> .npmrc && npm ci && rm other',
        'printf "machine a login b password %s" "$TOKEN" >/home/app/.netrc',
    ],
)
def test_flags_a_mounted_secret_that_stays_in_the_layer(command: str) -> None:
    """The mount is gone after the RUN, a copy of it is not."""
    assert clauses(f"RUN --mount=type=secret,id=t,env=TOKEN {command}") == ["left-behind"]


@pytest.mark.parametrize(
    "command",
    [
        "cp /run/secrets/t /home/app/.npmrc && npm ci && rm -f /home/app/.npmrc",
        "cat /run/secrets/t > /tmp/x/t && make && rm -rf /tmp/x",
        "--mount=type=tmpfs,target=/scratch cp /run/secrets/t /scratch/t && make",
        "cat /run/secrets/t >/dev/null",
        'curl -H "Authorization: Bearer $TOKEN" https://example.com > out.json',
        "cp /run/secrets/other /x",
    ],
)
def test_passes_a_mounted_secret_that_is_removed_or_kept_out(command: str) -> None:
    """Removed in the same RUN, written to a mount, or never written."""
    assert clauses(f"RUN --mount=type=secret,id=t --mount=type=secret,id=u,env=TOKEN {command}") == []


def test_finds_the_line_in_a_long_run() -> None:
    """The finding sits on the line of the secret, in continuations and heredocs too."""
    text = "FROM a:1\nRUN true \\\n # why\n && curl -u ci:Heron77 https://a.b\nRUN <<E\nid\nTOKEN=Heron77 make\nE\n"
    assert red(POLICY, text) == [(4, "command"), (7, "command")]


def test_never_prints_the_secret() -> None:
    """A report is read by more people than the Dockerfile."""
    text = f"FROM a:1\nENV API_KEY={GITHUB} B_PASSWORD=Heron77\nRUN curl -u ci:Heron77 https://a:Heron77@example.com\n"
    for finding in findings(POLICY, text):
        assert "Heron77" not in str(finding)
        assert GITHUB[8:] not in str(finding)


def test_leaves_other_shells_to_the_formats() -> None:
    """PowerShell is not read as commands; a URL with a password is one in any language."""
    text = 'FROM a:1\nSHELL ["powershell", "-Command"]\nRUN iwr https://ci:Heron77@example.com\n'
    assert red(POLICY, text) == [(3, "url")]


# --------------------------------------------------------------------------------------------------- image


def image_of(
    config: ImageConfig | None = None, history: tuple[str, ...] = (), texts: dict[str, bytes] | None = None
) -> ImageFacts:
    """Build facts of an image with one layer for each text, by path."""
    texts = texts or {}
    entries = [FileEntry(path, "file", 0o644, 0, 0, 1, 0, "", index) for index, path in enumerate(texts)]
    layers = [Layer(i, f"sha256:{i}", 1, None, (entry,)) for i, entry in enumerate(entries)]
    return ImageFacts(
        reference="x",
        id="sha256:x",
        config=config or ImageConfig(),
        history=tuple(HistoryEntry(step, empty=True, layer=None) for step in history),
        layers=tuple(layers),
        texts={(i, path): text for i, (path, text) in enumerate(texts.items())},
    )


def of_image(image: ImageFacts) -> list[Finding]:
    """Ask the image probe."""
    answers = gate.ask([catalog.load()[POLICY]], Probe.IMAGE, ImageTarget(image), Config())
    assert not answers.not_looked, answers.not_looked[0].log
    return list(answers.findings)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (ImageConfig(env={"DB_PASSWORD": "changeme"}), "Config.Env DB_PASSWORD"),
        (ImageConfig(labels={"build": GITHUB}), "Config.Labels build"),
        (ImageConfig(command=("app", "redis://:Heron77@redis")), "Config.Cmd"),
        (ImageConfig(on_build=("RUN curl https://a:Heron77@example.com",)), "Config.OnBuild"),
    ],
)
def test_flags_secrets_of_the_config(config: ImageConfig, field: str) -> None:
    """`docker inspect` shows all of it."""
    (finding,) = of_image(image_of(config))
    assert finding.place.field == field


@pytest.mark.parametrize(
    ("step", "clause"),
    [
        ("RUN |1 NPM_TOKEN=Heron77x /bin/sh -c npm ci # buildkit", "named-secret"),
        ("|2 A=b NPM_TOKEN=Heron77x /bin/sh -c npm ci", "named-secret"),
        ("ARG API_KEY=Heron77x", "named-secret"),
        ("/bin/sh -c #(nop)  ENV OLD_PASSWORD=Heron77x", "named-secret"),
        (f"RUN /bin/sh -c echo {GITHUB} # buildkit", "token"),
        ("RUN /bin/sh -c curl -u ci:Heron77 https://example.com # buildkit", "command"),
    ],
)
def test_flags_secrets_of_the_history(step: str, clause: str) -> None:
    """Build arguments and commands are kept there for whoever pulls the image."""
    assert [f.clause for f in of_image(image_of(history=(step,)))] == [clause]


def test_passes_the_history_of_clean_steps() -> None:
    """References, fingerprints and digests are in every image."""
    steps = (
        "ARG NPM_TOKEN",
        "RUN |1 REVISION=3f2504e04f8911d39a0c0305e82c33013f2504e0 /bin/sh -c make # buildkit",
        "ENV GPG_KEY=7169605F62C751356D054A26A821E680E5FA6305",
        "COPY /rootfs/ / # buildkit",
        'CMD ["python3"]',
    )
    assert of_image(image_of(history=steps)) == []


def test_reports_a_variable_once() -> None:
    """What the config shows is not told again from the history."""
    config = ImageConfig(env={"DB_PASSWORD": "Heron77"})
    assert len(of_image(image_of(config, ("ENV DB_PASSWORD=Heron77",)))) == 1


def test_flags_a_file_that_a_later_layer_deletes() -> None:
    """The earlier layer still holds it."""
    image = image_of(
        texts={"/home/app/.netrc": b"machine example.com login ci password Heron77\n", "/app/x": b""}
    )
    gone = image.layers[1]._replace(whiteouts=("/home/app/.netrc",))
    image.layers = (image.layers[0], gone)
    (finding,) = of_image(image)
    assert finding.place.path == "/home/app/.netrc"
    assert "later layer" in finding.message


# ------------------------------------------------------------------------------------------------- runtime


def process(pid: int, environ: dict[str, str] | None, argv: tuple[str, ...] = ("app",)) -> Process:
    """Build a process that does no more than have an environment."""
    none: frozenset[str] = frozenset()
    fields: dict[str, Any] = dict.fromkeys(Process._fields, 0)
    fields |= {"pid": pid, "argv": argv, "environ": environ, "groups": (), "comm": "app", "exe": "/app"}
    return Process(**(fields | {"cap_eff": none, "cap_bnd": none, "state": "S", "of_target": True}))


def of_container(*processes: Process) -> gate.Answers:
    """Ask the runtime probe about a container with these processes."""
    state = State("running", running=True, exit_code=0, oom_killed=False)
    container = ContainerFacts("x", "x", "x", "api", "", state, processes=processes)
    target = RuntimeTarget(container, image_of())
    return gate.ask([catalog.load()[POLICY]], Probe.RUNTIME, target, Config())


def test_flags_secrets_of_a_running_environment() -> None:
    """Each variable once, however many processes inherit it."""
    environ = {"SMTP_PASSWORD": "Heron77", "DATABASE_URL": "postgresql://app:Heron77@db/app", "HOME": "/tmp"}
    answers = of_container(process(1, environ), process(7, environ))
    assert [(f.clause, f.place.pid) for f in answers.findings] == [("named-secret", 1), ("url", 1)]


def test_passes_an_environment_that_points_at_files() -> None:
    """The right way at run time."""
    answers = of_container(process(1, {"DATABASE_URL_FILE": "/run/credentials/database_url"}))
    assert answers == gate.Answers()


def test_flags_a_secret_on_the_command_line() -> None:
    """Any user of the host can list it."""
    answers = of_container(process(1, {}, ("app", "amqp://app:Heron77@mq")))
    assert [f.clause for f in answers.findings] == ["url"]


def test_says_which_environment_could_not_be_read() -> None:
    """An unread environment is not a clean one, and what the others showed is kept."""
    answers = of_container(process(1, {"API_KEY": "Heron77x-Heron77x"}), process(7, None))
    assert len(answers.findings) == 1
    assert "pid 7" in answers.not_looked[0].reason


def test_passes_a_name_that_says_there_is_no_secret() -> None:
    """Rails' own Dockerfile builds its assets with it."""
    assert (
        red("no-secrets", "FROM ruby:3.4\nRUN SECRET_KEY_BASE_DUMMY=1 ./bin/rails assets:precompile\n") == []
    )
