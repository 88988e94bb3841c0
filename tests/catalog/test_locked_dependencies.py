from __future__ import annotations

import pytest

from tests.catalog.asking import findings, red

POLICY = "locked-dependencies"


@pytest.mark.parametrize(
    ("run", "clause"),
    [
        ("pip install flask", "pip-versions"),
        ("pip3 install --upgrade pip", "pip-versions"),
        ("python3.13 -m pip install flask==3.1.0 gunicorn[gevent]", "pip-versions"),
        ("sudo pip install flask", "pip-versions"),
        ("pip install git+https://e.org/o/r", "pip-versions"),
        ("pipx install poetry", "pip-versions"),
        ("uv pip install --system flask", "pip-versions"),
        ("npm install -g typescript", "npm-versions"),
        ("npm i typescript@latest", "npm-versions"),
        ("npm install o/r", "npm-versions"),
        ("npm install @scope/tool", "npm-versions"),
        ("yarn global add typescript", "npm-versions"),
        ("pnpm add -g typescript", "npm-versions"),
        ("gem install --no-document rails", "gem-versions"),
        ("gem install rails:8.0.2 puma", "gem-versions"),
        ("gem install pg -- --with-pg-config=/usr/bin/pg_config", "gem-versions"),
        ("go install example.org/tool", "go-versions"),
        ("go install -v example.org/tool@latest", "go-versions"),
        ("go get -u example.org/lib", "go-versions"),
        ("go get -u example.org/lib@v1.2.3", "go-versions"),
        ("go get -u=patch ./...", "go-versions"),
        ("go install example.org/tool@master", "go-versions"),
        ("cargo install --locked ripgrep", "cargo-versions"),
        ("pip install -r requirements.txt", "pip-hashes"),
        ("pip wheel --no-deps -r requirements.txt", "pip-hashes"),
        ("pip install .", "pip-hashes"),
        ("pip install -e .", "pip-hashes"),
        ("uv pip install -r requirements.txt", "pip-hashes"),
        ("npm install", "lock-file"),
        ("npm install --omit=dev", "lock-file"),
        ("npm update", "lock-file"),
        ("yarn", "lock-file"),
        ("yarn install --production", "lock-file"),
        ("pnpm install --prod", "lock-file"),
        ("bundle install", "lock-file"),
        ("uv sync --no-dev", "lock-file"),
        ("pipenv install --system", "lock-file"),
        ("cargo build --release", "lock-file"),
    ],
)
def test_flags_what_may_be_another_version_next_week(run: str, clause: str) -> None:
    """No version, no hashes, or a lock file that may be rewritten."""
    assert red(POLICY, f"FROM a\nRUN {run}\n") == [(2, clause)]


@pytest.mark.parametrize(
    "run",
    [
        "pip install flask==3.1.0 'gunicorn>=23,<24' 'uvicorn[standard]~=0.34'",
        "pip install -c constraints.txt flask",
        "pip install git+https://e.org/o/r@v1.2",
        "pip install https://e.org/a.whl ./b.whl /wheels/*",
        "pip install --no-index --find-links=/wheels flask",
        "pip install --no-deps .",
        "pip install --require-hashes -r requirements.txt",
        "PIP_REQUIRE_HASHES=1 pip install -r requirements.txt",
        "pip install $NOBODY_KNOWS",
        'pip install "flask==$FLASK_VERSION"',
        "pip uninstall -y flask",
        "npm ci --omit=dev",
        "npm install typescript@5.8.3 ./local.tgz",
        "npm install -g npm@11",
        "npm install git+ssh://git@e.org/o/r.git#v1",
        "go get example.org/lib@v1.2.3",
        "npm run build",
        "yarn install --frozen-lockfile",
        "yarn install --immutable",
        "yarn build",
        "pnpm install --frozen-lockfile --prod",
        "gem install rails -v 8.0.2",
        "gem install rails:8.0.2 -- --flag",
        "gem install ./local.gem",
        "bundle config set frozen true && bundle install",
        "BUNDLE_DEPLOYMENT=1 bundle install",
        "bundle exec rake",
        "uv sync --locked --no-dev",
        "uv sync --frozen",
        "poetry install --no-root",
        "pipenv sync",
        "pipenv install --deploy",
        "go install example.org/tool@v1.2.3",
        "go install ./... && go build -o /app ./cmd/app",
        "go install std",
        "go run main.go",
        "go mod download",
        "cargo install --locked ripgrep@14.1.1",
        "cargo build --release --locked",
        "cargo install --locked --path .",
        "apt-get install -y python3-flask",
    ],
)
def test_passes_what_is_locked(run: str) -> None:
    """Versions, hashes and frozen lock files."""
    assert red(POLICY, f"FROM a\nRUN {run}\n") == []


def test_follows_the_environment_and_earlier_settings() -> None:
    """A variable or a setting of the lineage may freeze what a RUN installs."""
    assert red(POLICY, "FROM a\nENV UV_FROZEN=1\nRUN uv sync\n") == []
    assert (
        red(POLICY, "FROM a AS b\nRUN bundle config set --global frozen true\nFROM b\nRUN bundle install\n")
        == []
    )
    assert red(POLICY, "FROM a\nARG P=flask\nRUN pip install $P\n") == [(3, "pip-versions")]


def test_names_all_loose_packages_of_a_call() -> None:
    """One finding for a call, with every name."""
    (finding,) = findings(POLICY, "FROM a\nRUN pip install flask django==5 gunicorn\n")
    assert "flask, gunicorn" in finding.message


_WHEELS = """\
FROM python:3.13 AS b
RUN pip wheel --require-hashes {deps}-w /w -r r.txt
FROM python:3.13
RUN pip install {how}/w/*
"""


def test_flags_wheels_that_the_index_completes() -> None:
    """Wheels made with --no-deps need others, and nothing says which."""
    assert red(POLICY, _WHEELS.format(deps="--no-deps ", how="")) == [(4, "pip-hashes")]


@pytest.mark.parametrize("how", ["--no-index ", "--no-deps ", "--require-hashes "])
def test_passes_wheels_that_are_all_there_is(how: str) -> None:
    """Without the index, or what is needed, nothing else comes."""
    assert red(POLICY, _WHEELS.format(deps="--no-deps ", how=how)) == []


def test_passes_wheels_that_were_made_with_what_they_need() -> None:
    """The folder holds all of it."""
    assert red(POLICY, _WHEELS.format(deps="", how="")) == []
