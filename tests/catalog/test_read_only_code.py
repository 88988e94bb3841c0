from __future__ import annotations

import pytest

from dockproof import catalog
from dockproof.facts.container import Writable
from dockproof.facts.image import ImageConfig
from dockproof.policy import Profile
from tests.catalog.asking import findings, red
from tests.catalog.imaging import BASE_LAYER, entry, image_of, image_red
from tests.catalog.running import container_of, process_of, runtime_red, runtime_skips, runtime_unseen

POLICY = "read-only-code"


@pytest.mark.parametrize(
    "command",
    [
        "chown -R app:app /app",
        "chown -R app /app",
        "chown --recursive app: /app",
        "chown -hR app.app /app",
        "chown app:app /app",
        "chown -R app:app /",
        "chown -R app .",
        "chown -R app /app/*",
        "cd / && chown -R app app",
        "find /app -exec chown app {} +",
        "sudo chown -R app:app /app",
        "mkdir -p /data && chown -R app /data /app",
    ],
)
def test_flags_a_chown_of_copied_code_to_the_user_in_force(command: str) -> None:
    """Whatever the spelling; a folder alone lets its files be replaced."""
    text = f"FROM debian\nWORKDIR /app\nCOPY . .\nRUN {command}\nUSER app\n"
    assert red(POLICY, text) == [(4, "given-away")]


@pytest.mark.parametrize(
    "command",
    [
        "chown -R app:app /data",
        "chown -R app:app /app/uploads",
        "chown -R app:app /var/lib/app /var/log/app",
        "chown -R root:root /app",
        "chown -R other /app",
        "chown -R root:app /app",
        "chgrp -R app /app",
        "chown app /",
        "chown -R $OWNER /app",
        "chown -R --reference=/home/app /app",
        "chmod -R a+rX /app",
        "chmod 755 /app",
        "chmod -R g+w /app",
        "echo chown -R app /app",
    ],
)
def test_passes_what_does_not_give_code_to_the_user(command: str) -> None:
    """Data folders, other owners, and owners that cannot be known."""
    text = f"FROM debian\nWORKDIR /app\nCOPY . .\nRUN {command}\nUSER app\n"
    assert red(POLICY, text) == []


def test_flags_by_number_what_useradd_made() -> None:
    """A name and its uid are one user."""
    text = """\
    FROM debian
    RUN useradd --uid 10001 app
    COPY --chown=app . /app
    RUN chown -R 10001 /app
    USER 10001
    """
    assert red(POLICY, text) == [(3, "copied"), (4, "given-away")]


def test_flags_variables_that_name_the_user() -> None:
    """Values of ARG and ENV count in USER and in RUN."""
    text = (
        "FROM debian\nARG WHO=app\nENV HOME_OF=/app\nCOPY . $HOME_OF\nRUN chown -R $WHO $HOME_OF\nUSER $WHO\n"
    )
    assert red(POLICY, text) == [(5, "given-away")]


def test_flags_the_command_in_its_line_of_a_heredoc() -> None:
    """The line is the command's own."""
    assert red(POLICY, "FROM a\nCOPY a /app/\nRUN <<EOF\nset -e\nchown -R 7 /app\nEOF\nUSER 7:7\n") == [
        (5, "given-away")
    ]


@pytest.mark.parametrize(
    "copy",
    [
        "COPY --chown=node:node . .",
        "COPY --chown=node package.json ./",
        "COPY --link --chown=node --from=build /out /srv/app",
        "ADD --chown=node app.tar.gz /app/",
    ],
)
def test_flags_a_copy_as_the_user(copy: str) -> None:
    """--chown does at once what chown does later."""
    assert red(POLICY, f"FROM node AS build\nFROM node\nWORKDIR /app\n{copy}\nUSER node\n") == [(4, "copied")]


@pytest.mark.parametrize(
    "copy",
    [
        "COPY . .",
        "COPY --chown=root:root . .",
        "COPY --chown=node empty/ /data/",
        "COPY --chown=node cache /tmp/cache",
        "COPY --chown=$X . .",
        "COPY --chmod=755 . .",
    ],
)
def test_passes_a_copy_that_leaves_code_with_root(copy: str) -> None:
    """BuildKit copies as root, whatever USER says; a volume holds data."""
    assert red(POLICY, f"FROM node\nVOLUME /data\nWORKDIR /app\nUSER node\n{copy}\n") == []


@pytest.mark.parametrize(
    "line",
    [
        "RUN chmod -R 777 /app",
        "RUN chmod -R a+w /app",
        "RUN chmod -R o+w /app",
        "COPY --chmod=777 . /app",
        "COPY --chmod=ugo+rw . /app",
    ],
)
def test_flags_a_mode_that_lets_the_user_write_code(line: str) -> None:
    """What everybody may write, the user may write."""
    assert red(POLICY, f"FROM a\nCOPY . /app\n{line}\nUSER app\n") == [(3, "writable")]


@pytest.mark.parametrize("user", ["1001", "1001:0", "1001:root"])
def test_flags_group_root_with_a_group_that_may_write(user: str) -> None:
    """A bare number runs with group 0, to which all copied files belong."""
    text = f"FROM a\nCOPY . /app\nRUN chgrp -R 0 /app && chmod -R g=u /app\nUSER {user}\n"
    assert red(POLICY, text) == [(3, "writable")]


def test_flags_a_group_that_got_the_code_and_may_write() -> None:
    """The group is named in USER."""
    text = "FROM a\nCOPY . /app\nRUN chown -R root:web /app && chmod -R g+w /app\nUSER app:web\n"
    assert red(POLICY, text) == [(3, "writable")]


@pytest.mark.parametrize(
    "command", ["npm ci", "pip install -r requirements.txt", "yarn install", "bundle install"]
)
def test_flags_dependencies_installed_as_the_user(command: str) -> None:
    """They belong to whom installs them."""
    text = f"FROM a\nUSER node\nWORKDIR /home/node/app\nCOPY package.json ./\nRUN {command}\nUSER root\nUSER node\n"
    assert red(POLICY, text) == [(5, "installed-as-user")]


def test_passes_dependencies_installed_as_root_or_in_a_builder() -> None:
    """Root's files are read-only for the user, and a builder's are copied as root's."""
    text = """\
    FROM node AS build
    USER node
    RUN npm ci
    FROM node
    COPY --from=build /app /app
    RUN npm ci --omit=dev
    USER node
    """
    assert red(POLICY, text) == []


@pytest.mark.parametrize("user", ["", "USER root\n", "USER 0:0\n", "USER $NOBODY_KNOWS\n"])
def test_says_nothing_for_root_and_unknown_users(user: str) -> None:
    """That is non-root's question."""
    assert red(POLICY, f"FROM a\nCOPY --chown=app . /app\nRUN chown -R app /app\n{user}") == []


def test_judges_the_user_of_the_stage_that_ships() -> None:
    """A chown in a parent stage counts, one in a builder does not."""
    text = """\
    FROM a AS builder
    COPY . /app
    RUN chown -R app /app
    FROM a AS base
    COPY . /app
    RUN chown -R app /app
    FROM base
    COPY --from=builder /app /app
    USER app
    """
    assert red(POLICY, text) == [(6, "given-away")]


def test_flags_an_onbuild_chown_once() -> None:
    """A trigger is judged as what it triggers."""
    text = "FROM a AS base\nONBUILD COPY . /app\nONBUILD RUN chown -R app /app\nFROM base\nUSER app\n"
    assert red(POLICY, text) == [(3, "given-away")]


def test_message_names_command_folder_and_user() -> None:
    """The reader needs no second look."""
    (finding,) = findings(POLICY, "FROM a\nCOPY . /app\nRUN chown -R app /app\nUSER app\n")
    assert finding.message == "`chown app` gives the code in /app to the user that runs it (app)"


def test_is_off_for_development() -> None:
    """There the user changes the code; that is what it is for."""
    assert catalog.load()[POLICY].severity(Profile.DEVELOPMENT) is None


GOOD = {
    "debian": "FROM debian:13\nRUN useradd -r app\nCOPY bin/app /usr/local/bin/app\nUSER app\n",
    "redis-like": "FROM debian\nRUN mkdir /data && chown redis:redis /data\nVOLUME /data\nWORKDIR /data\nUSER redis\n",
    "nginx": "FROM nginx\nCOPY html /usr/share/nginx/html\nRUN chown -R nginx /var/cache/nginx /var/run\nUSER nginx\n",
    "go": "FROM golang AS b\nCOPY . .\nRUN go build -o /out\nFROM scratch\nCOPY --from=b /out /app\nUSER 65532:65532\n",
    "java": "FROM eclipse-temurin:21-jre\nWORKDIR /app\nCOPY app.jar .\nUSER 1001:1001\n",
    "rails": "FROM ruby\nWORKDIR /rails\nCOPY . .\nRUN useradd rails && chown -R rails db log tmp\nUSER rails\n",
    "ubi": "FROM ubi9\nCOPY app /opt/app\nRUN mkdir /opt/data && chgrp 0 /opt/data && chmod g=u /opt/data\nUSER 1001\n",
}


@pytest.mark.parametrize("name", GOOD)
def test_passes_good_files(name: str) -> None:
    """Root's code and the user's data."""
    assert red(POLICY, GOOD[name]) == []


# --------------------------------------------------------------------------------------------------- image

CONFIG = ImageConfig(user="10001:10001", workdir="/app", volumes=("/app/data",))


@pytest.mark.parametrize(
    "file",
    [
        entry("/app/main.py", uid=10001),
        entry("/app/main.py", 0o444, uid=10001),
        entry("/app/main.py", 0o664, gid=10001),
        entry("/app/main.py", 0o666),
        entry("/app/settings.toml", uid=10001),
        entry("/opt/tool", 0o755, uid=10001),
        entry("/opt/lib/x.so.1", uid=10001),
    ],
)
def test_image_flags_a_file_that_the_user_may_change(file: object) -> None:
    """Its owner may give itself the right at any time."""
    image = image_of(BASE_LAYER, [file], config=CONFIG)  # type: ignore[list-item]
    assert [found.clause for found in image_red(POLICY, image, image_of(BASE_LAYER))] == ["image"]


def test_image_flags_a_folder_in_which_code_may_be_replaced() -> None:
    """Write in the folder is as good as write in the file."""
    image = image_of([entry("/app", 0o755, uid=10001, type="dir"), entry("/app/main.py")], config=CONFIG)
    (found,) = image_red(POLICY, image)
    assert found.place.path == "/app"


@pytest.mark.parametrize(
    "file",
    [
        entry("/app/main.py"),
        entry("/app/main.py", 0o775),
        entry("/app/data/seed.json", uid=10001),
        entry("/var/lib/app/x.py", uid=10001),
        entry("/srv/notes.txt", uid=10001),
        entry("/app/uploads", 0o755, uid=10001, type="dir"),
    ],
)
def test_image_passes_read_only_code_and_data(file: object) -> None:
    """A volume, a data folder and an empty folder may belong to the user."""
    assert image_red(POLICY, image_of(BASE_LAYER, [file], config=CONFIG)) == []  # type: ignore[list-item]


def test_image_passes_what_a_later_layer_gave_back() -> None:
    """Only what the container sees counts."""
    image = image_of([entry("/app/main.py", uid=10001)], [entry("/app/main.py")], config=CONFIG)
    assert image_red(POLICY, image) == []


# ------------------------------------------------------------------------------------------------- runtime


@pytest.mark.parametrize(
    ("path", "kind", "mode", "red"),
    [
        ("/app/main.py", "file", 0o644, True),
        ("/app", "dir", 0o755, True),
        ("/app/static/logo.png", "file", 0o644, True),
        ("/opt/tool/run", "file", 0o755, True),
        ("/opt/lib/x.so.1", "file", 0o644, True),
        ("/home/app", "dir", 0o755, False),
        ("/home/app/.history", "file", 0o600, False),
        ("/application/notes.txt", "file", 0o644, False),
    ],
)
def test_runtime_flags_code_that_could_be_opened_for_writing(
    path: str, kind: str, mode: int, *, red: bool
) -> None:
    """Programs, libraries and what stands in the working folder are code."""
    image = image_of(config=ImageConfig(workdir="/app"))
    container = container_of(writable=(Writable(path, kind, mode),))
    assert runtime_red(POLICY, container, image) == ["running"] * red


def test_runtime_leaves_root_to_non_root_and_says_what_was_not_tried() -> None:
    """Root may write everything; nobody tried is no pass."""
    assert runtime_skips(POLICY, container_of(process_of(uid=0), writable=()))[0].startswith(
        "it runs as root"
    )
    assert runtime_skips(POLICY, container_of(switched_off={"write": "it is off"})) == [
        "write was not tried: it is off"
    ]
    assert runtime_unseen(POLICY, container_of(not_tried={"write": "it ended"})) == [
        "write was not tried: it ended"
    ]
    assert runtime_unseen(POLICY, container_of()) == ["write was not tried: nobody tried"]
    assert runtime_red(POLICY, container_of(writable=())) == []
