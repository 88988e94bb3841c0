"""Calls of package managers, told apart word by word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockproof.facts.dockerfile import parse
from dockproof.facts.packages import MANAGERS, PackageCall, package_calls
from dockproof.facts.shell import script


def calls(text: str) -> tuple[PackageCall, ...]:
    """Read the package managers' calls of a RUN."""
    return package_calls(script(parse(f"FROM a\nRUN {text}").instructions[1]))


def packages(text: str) -> list[tuple[str, str | None]]:
    """Give name and version of the packages of all calls of a RUN."""
    return [(one.name, one.version) for call in calls(text) for one in call.packages]


@pytest.mark.parametrize(
    ("text", "manager", "action"),
    [
        ("apt-get -qq update", "apt-get", "update"),
        ("apt-get -o Dpkg::Use-Pty=0 install -y a", "apt-get", "install"),
        ("apt dist-upgrade", "apt", "upgrade"),
        ("aptitude -y install a", "aptitude", "install"),
        ("apt-get purge a", "apt-get", "remove"),
        ("dpkg -i a.deb", "dpkg", "install"),
        ("dpkg --purge a", "dpkg", "remove"),
        ("rpm -Uvh https://x/a.rpm", "rpm", "install"),
        ("rpm -qa", "rpm", "query"),
        ("apk --no-cache add a", "apk", "install"),
        ("apk cache clean", "apk", "clean"),
        ("dnf -y update", "dnf", "upgrade"),
        ("yum makecache", "yum", "update"),
        ("microdnf clean all", "microdnf", "clean"),
        ("tdnf install -y a", "tdnf", "install"),
        ("zypper -n in a", "zypper", "install"),
        ("zypper --non-interactive refresh", "zypper", "update"),
        ("pacman -Syu --noconfirm", "pacman", "upgrade"),
        ("pacman -Scc", "pacman", "clean"),
        ("pacman -Sy --noconfirm a", "pacman", "install"),
        ("pip3.13 install a", "pip", "install"),
        ("python3 -I -m pip install a", "pip", "install"),
        ("/opt/venv/bin/python -m pip cache purge", "pip", "clean"),
        ("pipx install a", "pipx", "install"),
        ("uv pip install a", "uv", "install"),
        ("uv --no-cache sync --locked", "uv", "install"),
        ("uv tool install a", "uv", "install"),
        ("poetry install --only main", "poetry", "install"),
        ("npm ci --omit=dev", "npm", "install"),
        ("npm cache clean --force", "npm", "clean"),
        ("npm run build", "npm", "script"),
        ("npx a@1", "npx", "run"),
        ("yarn", "yarn", "install"),
        ("yarn build", "yarn", "script"),
        ("yarn cache clean", "yarn", "clean"),
        ("yarn global add a", "yarn", "install"),
        ("pnpm i --frozen-lockfile", "pnpm", "install"),
        ("pnpm store prune", "pnpm", "clean"),
        ("gem install a", "gem", "install"),
        ("bundle install", "bundle", "install"),
        ("bundle", "bundle", "install"),
        ("go install x/y@v1", "go", "install"),
        ("go mod download", "go", "download"),
        ("cargo +nightly install a", "cargo", "install"),
        ("cargo build --release", "cargo", "build"),
        ("sudo -E apt-get install a", "apt-get", "install"),
        ("bun install", "bun", "install"),
        ("pipenv sync", "pipenv", "install"),
    ],
)
def test_names_manager_and_action(text: str, manager: str, action: str) -> None:
    """Each manager's own words are told as one action."""
    assert [(call.manager, call.action) for call in calls(text)] == [(manager, action)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "apt-get install -y a b=1.0-1 c=7.* d/stable e:amd64",
            [("a", None), ("b", "1.0-1"), ("c", "7.*"), ("d", "stable"), ("e", None)],
        ),
        ("apt-get install -t sid --target-release sid -o A=B -y a", [("a", None)]),
        ("apt-get install -yt sid a", [("a", None)]),
        ("apt-get install -y -- a", [("a", None)]),
        ('apt-get install $A "b=$V"', [("$A", None), ("b", "$V")]),
        (
            "apk add a=1.2-r0 b~=1 c~1 'd>2' 'e<3' f@edge !g",
            [("a", "1.2-r0"), ("b", "~=1"), ("c", "~1"), ("d", ">2"), ("e", "<3"), ("f", None), ("!g", None)],
        ),
        ("apk add --no-cache -t .deps -X https://x a", [("a", None)]),
        ("apk add --virtual .deps --repository=https://x a", [("a", None)]),
        ("apk del .deps", [(".deps", None)]),
        (
            "dnf install --enablerepo x a-1.2.3-1.el9.x86_64 b-1.* g++ java-1.8.0-openjdk gcc-toolset-12 @nodejs:18",
            [
                ("a", "1.2.3-1.el9.x86_64"),
                ("b", "1.*"),
                ("g++", None),
                ("java-1.8.0-openjdk", None),
                ("gcc-toolset-12", None),
                ("@nodejs", "18"),
            ],
        ),
        ("yum install -y https://x/a.rpm /usr/bin/b", [("https://x/a.rpm", None), ("/usr/bin/b", None)]),
        ("zypper in -y --from r a=1 'b>=2'", [("a", "1"), ("b", ">=2")]),
        (
            "pip install a==1.0 'b>=1,<2' c[x,y]==2.* 'd ~= 3; python_version>\"3\"' E",
            [("a", "1.0"), ("b", ">=1,<2"), ("c", "2.*"), ("d", "~=3"), ("E", None)],
        ),
        (
            "pip install -i https://x --extra-index-url https://y --trusted-host z -c c.txt -t /x a",
            [("a", None)],
        ),
        ("pip install git+https://x/y.git@v1#egg=y", [("git+https://x/y.git@v1#egg=y", "v1")]),
        (
            "pip install 'y @ git+https://x/y.git@abc' https://x/z.whl",
            [("y", "abc"), ("https://x/z.whl", None)],
        ),
        ("pip install -e git+https://x/y", [("git+https://x/y", None)]),
        ("pip install --editable=git+https://x/y", [("git+https://x/y", None)]),
        (
            "npm install -g a@1.2.3 b@latest @c/d @c/e@^2 f",
            [("a", "1.2.3"), ("b", "latest"), ("@c/d", None), ("@c/e", "^2"), ("f", None)],
        ),
        (
            "npm i --registry https://x a/b github:a/b#v1 x@npm:y@2.0.0",
            [("a/b", None), ("github:a/b#v1", "v1"), ("x", "2.0.0")],
        ),
        ("yarn add --cwd x a@1", [("a", "1")]),
        ("pnpm dlx a@1 build", [("a", "1")]),
        ("npx -y a@1 build", [("a", "1")]),
        ("npx -y -p x a", [("x", None)]),
        ("uvx a@1 check", [("a", "1")]),
        ("gem install a:1.0 b -v 2.0", [("a", "1.0"), ("b", "2.0")]),
        (
            "go install -ldflags '-s -w' -tags x a.b/c@v1.2.3 d.e/f@latest",
            [("a.b/c", "v1.2.3"), ("d.e/f", "latest")],
        ),
        ("cargo install --version 1.0 a", [("a", "1.0")]),
        ("cargo install a@1.2 --root /x --locked", [("a", "1.2")]),
        ("uv pip install --system -r r.txt a==1", [("a", "1")]),
        ("uv tool install --with b a@1", [("b", None), ("a", "1")]),
        ("pipx inject a b", [("a", None), ("b", None)]),
        ("xargs -a list apt-get install -y", []),
        ("apt-get install -y $(cat list)", [("$(cat list)", None)]),
    ],
)
def test_tells_packages_and_versions(text: str, expected: list[tuple[str, str | None]]) -> None:
    """Options and their values are no packages; versions are those of the manager's own spelling."""
    assert packages(text) == expected


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("apt-get install ./a.deb /tmp/b.deb c.deb", ["./a.deb", "/tmp/b.deb", "c.deb"]),
        ("pip install -r a.txt --requirement=b.txt .", ["a.txt", "b.txt", "."]),
        ("pip install -e . ./x[dev] /w/*.whl", [".", "./x[dev]", "/w/*.whl"]),
        ("npm install . ./x a.tgz", [".", "./x", "a.tgz"]),
        ("go install ./...", ["./..."]),
        ("dnf install /tmp/a.rpm", ["/tmp/a.rpm"]),
        ("apk add ./a.apk", ["./a.apk"]),
        ("gem install a.gem", ["a.gem"]),
        ("dpkg -i a.deb", ["a.deb"]),
    ],
)
def test_tells_local_files(text: str, files: list[str]) -> None:
    """Requirement files, archives and folders are files, not packages."""
    (call,) = calls(text)
    assert [word.text for word in call.files] == files
    assert call.packages == ()


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (
            "apt-get install -qqy --no-install-recommends a",
            {"-q": None, "-y": None, "--no-install-recommends": None},
        ),
        ("apt-get -o Acquire::Check-Valid-Until=false update", {"-o": "Acquire::Check-Valid-Until=false"}),
        ("apt-get install --target-release=sid a", {"--target-release": "sid"}),
        ("pip install --trusted-host x a", {"--trusted-host": "x"}),
        ("go install -ldflags=-s a@v1", {"-ldflags": "-s"}),
        ("dnf install -y --setopt=sslverify=0 a", {"-y": None, "--setopt": "sslverify=0"}),
    ],
)
def test_tells_options_and_values(text: str, options: dict[str, str | None]) -> None:
    """Options are told one by one, with the values that belong to them."""
    (call,) = calls(text)
    assert dict(call.options) == options


@pytest.mark.parametrize(
    "text",
    [
        "echo apt-get install a",
        "command -v pip",
        "python -c 'import pip'",
        "npm",
        "aptx install a",
        "python x.py -m pip",
    ],
)
def test_ignores_what_is_no_call(text: str) -> None:
    """A manager's name as an argument is no call of it."""
    assert calls(text) == ()


def test_finds_calls_in_conditions_and_scripts() -> None:
    """Calls inside other constructs are found in order."""
    text = "if apk update; then sh -c 'apk add a'; fi && (pip install b)"
    assert [(call.manager, call.action) for call in calls(text)] == [
        ("apk", "update"),
        ("apk", "install"),
        ("pip", "install"),
    ]


def test_places_packages_in_file() -> None:
    """A package's word knows its place in the Dockerfile."""
    (call,) = calls("apt-get install -y \\\n  # net\n  curl \\\n  git=1")
    assert [tuple(one.word.span) for one in call.packages] == [(4, 3, 4, 7), (5, 3, 5, 8)]


@pytest.mark.parametrize(
    ("text", "exact"),
    [("a==1.0", True), ("a==1.*", False), ("a>=1", False), ("a", False), ("a~=1.0", False)],
)
def test_tells_exact_versions(text: str, *, exact: bool) -> None:
    """One version is exact; a range or wildcard is not."""
    (call,) = calls(f"pip install '{text}'")
    assert call.packages[0].exact is exact


def test_knows_all_managers_of_the_catalogue() -> None:
    """The managers that policies speak of are known."""
    assert {"apt-get", "apk", "dnf", "zypper", "pip", "uv", "npm", "yarn", "gem", "go", "cargo"} <= set(
        MANAGERS
    )


_WORDS = st.lists(
    st.sampled_from(
        [
            *("install", "add", "update", "-y", "-r", "-t", "--x", "--x=y", "-qqo", "--", "-"),
            *("a", "b==1", "@c/d@2", "$E", ".", "./f", "https://g"),
        ]
    )
)


@given(st.sampled_from(sorted(MANAGERS)), _WORDS)
def test_every_word_has_one_part(manager: str, words: list[str]) -> None:
    """A word is an option, an option's value or an operand, and each package is one of them."""
    for call in calls(" ".join([manager, *words])):
        arguments = call.arguments
        parts = {word.end for word in arguments.operands} | {option.word.end for option in arguments.options}
        assert parts <= {word.end for word in call.command.words[1:]}
        assert {package.word.end for package in call.packages} | {word.end for word in call.files} <= parts


@given(st.text(max_size=60))
def test_never_raises(text: str) -> None:
    """Any text behind a manager's name is read."""
    for manager in ("apt-get", "pip", "npm", "go", "python3 -m pip"):
        calls(f"{manager} install {text}")
