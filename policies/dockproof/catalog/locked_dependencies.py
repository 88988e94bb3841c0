"""Language dependencies come from a lock: hashes, a lock file that is kept to, or versions.

What it holds
-------------
In every stage. A package that is named carries a version (`pip-versions`, `npm-versions`, `gem-versions`,
`go-versions`, `cargo-versions`): `flask==3.1.0`, `express@4.21.2`, `rails -v 8.0.2`, `example.org/tool@v1.2.3`; a
range counts, a tag that moves (`latest`, `next`, `master`) does not, nor a repository without a revision, nor what
`go get -u` brings beside what it names. A requirements file or a project is installed with hashes (`pip-hashes`):
`pip install --require-hashes -r …`, and what has its dependencies already with `--no-deps`. What reads a lock file
keeps to it (`lock-file`): `npm ci`, `--frozen-lockfile` or `--immutable` with yarn, `--frozen-lockfile` with pnpm and
bun, `bundle install` when frozen, `uv sync --locked` or `--frozen`, `pipenv sync` or `--deploy`, `cargo … --locked`.
Files of the context, addresses, wheels of an own folder (`--no-index`) and what a variable without a known value
holds are not judged. Where no POSIX shell reads a RUN, it is not judged.

Why it matters
--------------
An unlocked install takes what an index offers at that hour. The same commit gives another image next week, and
whoever takes over one package of hundreds is in it the same day.

How to fix it
-------------
`pip-compile --generate-hashes` or `uv export`, then `pip install --require-hashes -r requirements.txt`; `npm ci`;
`bundle config set frozen true`; `go install example.org/tool@v1.2.3`; `cargo install --locked tool@1.2.3`.

References
----------
- CIS Docker Benchmark 1.6, 4.11
- https://pip.pypa.io/en/stable/topics/secure-installs/
- the manual of npm: `npm help ci`
"""

from __future__ import annotations

from dockproof.catalog._environment import value_of
from dockproof.catalog._runs import runs, runs_of, unread
from dockproof.facts.packages import package_calls
from dockproof.finding import Severity
from dockproof.patterns import pattern
from dockproof.policy import Clause, EditMutant, Example, Family, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import ClassVar

    from dockproof.catalog._runs import Run
    from dockproof.facts.packages import Package, PackageCall
    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding, NotApplicable
    from dockproof.policy import Mutant, SourceTarget

_VERSIONS = {
    **dict.fromkeys(("pip", "pipx", "uv", "pipenv"), "pip-versions"),
    **dict.fromkeys(("npm", "yarn", "pnpm", "bun"), "npm-versions"),
    "gem": "gem-versions",
    "go": "go-versions",
    "cargo": "cargo-versions",
}
_FETCHES = frozenset({"install", "download"})
_TAG = pattern(r"[A-Za-z][\w-]*|\*|")
_REVISION = pattern(r"v?\d.*|[0-9a-f]{7,40}|.*\$.*")
_REMOTE_MODULE = pattern(r"[^/]+\.[^/]+(?:/.*)?")
_TRUE = pattern(r"(?i)1|true|yes|on")
_ADD = "COPY app /rootfs/app/app\n"


class LockedDependencies(Policy):
    """The same commit installs the same packages."""

    title = "language dependencies come from a lock"
    family = Family.SUPPLY_CHAIN
    production = Severity.WARNING
    development = Severity.INFO
    builder = Severity.WARNING
    clauses = (
        Clause("pip-versions", "Python packages carry versions", same_as=("hadolint:DL3013",)),
        Clause("npm-versions", "npm's packages carry versions", same_as=("hadolint:DL3016",)),
        Clause("gem-versions", "gems carry versions", same_as=("hadolint:DL3028",)),
        Clause("go-versions", "Go's modules carry versions", same_as=("hadolint:DL3062",)),
        Clause("cargo-versions", "crates carry versions"),
        Clause("pip-hashes", "requirements are installed with hashes"),
        Clause("lock-file", "what reads a lock file keeps to it"),
    )
    references = ("cis:4.11", "https://pip.pypa.io/en/stable/topics/secure-installs/")

    def source(self, target: SourceTarget) -> Iterator[Finding | NotApplicable]:
        """Judge the package managers' calls in every RUN of every stage."""
        yield from unread(self, target.dockerfile)
        for run in runs(target.dockerfile):
            for call in package_calls(run.script):
                for clause, message in _complaints(run, call):
                    yield self.at(call.command, message, stage=run.stage, clause=clause)

    example = Example(
        """
        FROM node:24
        COPY package.json package-lock.json ./
        RUN npm install
        """,
        """
        FROM node:24
        COPY package.json package-lock.json ./
        RUN npm ci
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant(
            "no-version",
            "RUN pip install --no-cache-dir flask",
            "begin",
            clause="pip-versions",
            also=frozenset({"multi-stage", "reproducible"}),
        ),
        EditMutant("npm-install", keyword="RUN", old=r"npm ci\b", new="npm install", clause="lock-file"),
        EditMutant("no-hashes", keyword="RUN", old=r" --require-hashes\b", clause="pip-hashes"),
        EditMutant(
            "any-crate", keyword="RUN", old=r"(cargo install .*)@[\d.]+", new=r"\1", clause="cargo-versions"
        ),
        EditMutant(
            "any-module",
            keyword="RUN",
            old=r"(go install .*)@v[\d.]+",
            new=r"\1@latest",
            clause="go-versions",
        ),
        # of generated files
        SourceMutant(
            "node-without-lock",
            "npm ci --omit=dev",
            "npm install --omit=dev",
            "good/node",
            clause="lock-file",
        ),
        SourceMutant(
            "python-without-hashes",
            "--require-hashes --requirement",
            "--requirement",
            "good/python",
            clause="pip-hashes",
        ),
        SourceMutant(
            "rust-without-lock",
            "cargo build --locked --release",
            "cargo build --release",
            "good/rust",
            clause="lock-file",
        ),
        SourceMutant(
            "go-latest", "govulncheck@v1.1.4", "govulncheck@latest", "good/go", clause="go-versions"
        ),
        # of the shipped files
        SourceMutant("hashes", "--require-hashes ", "", clause="pip-hashes", at="--no-cache-dir"),
        SourceMutant(
            "worker-hashes", "--require-hashes ", "", "Dockerfile.worker", "pip-hashes", at="--no-cache-dir"
        ),
        *(
            SourceMutant(
                name, _ADD, f"{_ADD}RUN {run}\n", clause=clause, at=run, also=frozenset({"cache-order"})
            )
            for name, clause, run in (
                ("pip", "pip-versions", "pip install --no-cache-dir flask"),
                ("npm", "npm-versions", "npm install --global typescript"),
                ("npm-tag", "npm-versions", "npm install --global typescript@latest"),
                ("gem", "gem-versions", "gem install rails"),
                ("go", "go-versions", "go install example.org/tool@latest"),
                ("cargo", "cargo-versions", "cargo install --locked ripgrep"),
                ("lock", "lock-file", "npm install"),
            )
        ),
    )


def _complaints(run: Run, call: PackageCall) -> Iterator[tuple[str, str]]:
    """Yield clause and sentence for what is wrong with one call."""
    clause = _VERSIONS.get(call.manager, "")
    packages = _packages(call) if clause and _judges(call) else ()
    names = [one.name for one in packages if _is_loose(run, call, one)]
    if names:
        yield clause, f"{call.manager} installs {', '.join(names)} at whatever version there is"
    elif call.manager == "go" and call.verb == "get" and call.has("-u"):
        yield clause, "`go get -u` takes the newest versions of what the modules need"
    if call.manager in {"pip", "uv"} and _lacks_hashes(run, call):
        files = ", ".join(word.text for word in call.files)
        yield (
            "pip-hashes",
            f"`{call.manager} {call.verb}` takes what {files} asks for without comparing hashes",
        )
    if call.manager in {"pip", "uv"} and _completes(run, call):
        name = f"`{call.manager} {call.verb}`"
        yield (
            "pip-hashes",
            f"{name} takes from the index what the wheels, made with --no-deps, need: add --no-index",
        )
    keeps = _LOCKS.get(call.manager)
    if keeps is not None and not keeps(run, call):
        yield (
            "lock-file",
            f"`{call.manager} {call.verb}`".replace(" `", "`")
            + " may install something else than the lock file says",
        )


def _judges(call: PackageCall) -> bool:
    """Whether the packages that the call names come from an index, at versions that it may choose."""
    if call.manager == "pip":
        return call.action in _FETCHES and not call.has(
            "-c", "--constraint", "--no-index", "--require-hashes"
        )
    if call.manager == "go":
        return call.verb in {"install", "get", "run"}
    if call.manager == "uv":
        return call.verb in {"pip install", "tool install", "tool run"} and not call.has(
            "-c", "--constraint", "--no-index"
        )
    if call.manager == "gem" and call.has("-l", "--local"):
        return False  # from the files of this folder
    return call.action == "install" and not (call.manager == "cargo" and call.has("--path", "--git"))


def _is_loose(run: Run, call: PackageCall, package: Package) -> bool:
    """Whether nothing says which version of it is meant."""
    if package.kind == "url" or not _is_known(run, package):
        return False
    if package.kind == "vcs":
        return package.version is None
    if call.manager == "go":
        remote = _REMOTE_MODULE.fullmatch(package.name) and not package.name.endswith(".go")
        return bool(remote) and not _REVISION.fullmatch(package.version or "")
    if call.manager in {"npm", "yarn", "pnpm", "bun"}:
        return bool(_TAG.fullmatch(package.version or ""))
    return package.version is None


def _is_known(run: Run, package: Package) -> bool:
    """Whether the name can be known; a variable in the version alone is a version."""
    plain = "$" not in package.name and "`" not in package.name
    return plain or bool(run.stage.expand(run.instruction, package.word.text).text)


def _packages(call: PackageCall) -> Sequence[Package]:
    """Leave out the options of the build, as in `gem install pg -- --with-pg-config=…`."""
    dashes = [word.start for word in call.command.words if word.text == "--"]
    if call.manager != "gem" or not dashes:
        return call.packages
    return [one for one in call.packages if one.word.start < dashes[0]]


def _lacks_hashes(run: Run, call: PackageCall) -> bool:
    """Whether requirement files or a project are installed with nothing that fixes their contents."""
    if call.manager == "uv" and not call.verb.startswith("pip "):
        return False
    projects = [word for word in call.files if not word.text.endswith((".whl", "*", ".tar.gz"))]
    if call.action not in _FETCHES or not projects or call.has("--require-hashes", "--no-index"):
        return False
    if not call.has("-r", "--requirement", "--requirements") and call.has("--no-deps"):
        return False
    variable = value_of(
        run, call.command, "PIP_REQUIRE_HASHES" if call.manager == "pip" else "UV_REQUIRE_HASHES"
    )
    return not (variable and _TRUE.fullmatch(variable))


def _completes(run: Run, call: PackageCall) -> bool:
    """Whether wheels are installed that were made without what they need, so that the index gives it, unlocked."""
    if call.action != "install" or call.packages or not call.files:
        return False
    if call.has("--no-index", "--no-deps", "--require-hashes") or _is_set(
        run, call, "PIP_NO_INDEX", "PIP_NO_DEPS"
    ):
        return False
    return all(word.text.endswith((".whl", "/*")) for word in call.files) and any(
        one.verb == "wheel" and one.has("--no-deps")
        for stage in _stages(run.stage)
        for each in runs_of(stage)
        for one in package_calls(each.script)
    )


def _stages(stage: Stage) -> Iterator[Stage]:
    """Give the stages of a file from the first to this one."""
    for index in range(stage.index + 1):
        found = stage.sibling(str(index))
        if found is not None:
            yield found


def _is_set(run: Run, call: PackageCall, *names: str) -> bool:
    return any(_TRUE.fullmatch(value_of(run, call.command, name) or "") for name in names)


def _npm(_: Run, call: PackageCall) -> bool:
    if call.action == "upgrade":
        return bool(call.packages) or call.has("-g", "--global")
    return (
        call.action != "install"
        or "ci" in call.verb
        or "clean" in call.verb
        or bool(call.packages or call.files)
    )


def _yarn(_: Run, call: PackageCall) -> bool:
    if call.verb not in {"", "install"}:
        return call.action != "upgrade"
    return call.has("--frozen-lockfile", "--immutable", "--pure-lockfile")


def _frozen(_: Run, call: PackageCall) -> bool:
    plain = call.verb in {"install", "i", "ci"} and not (call.packages or call.files)
    return not plain or call.verb == "ci" or call.has("--frozen-lockfile")


def _bundle(run: Run, call: PackageCall) -> bool:
    if call.action != "install" or call.has("--frozen", "--deployment"):
        return True
    if any(
        _TRUE.fullmatch(value_of(run, call.command, name) or "")
        for name in ("BUNDLE_FROZEN", "BUNDLE_DEPLOYMENT")
    ):
        return True
    return any(_is_frozen(one) for stage in run.stage.lineage for one in runs_of(stage))


def _is_frozen(run: Run) -> bool:
    """Whether a RUN says `bundle config set frozen true`, or deployment."""
    texts = [{word.text for word in one.words} for one in run.script.named("bundle", "bundler")]
    return any(
        "config" in words and words & {"frozen", "deployment"} and words & {"true", "1"} for words in texts
    )


def _uv(run: Run, call: PackageCall) -> bool:
    variables = [value_of(run, call.command, name) or "" for name in ("UV_LOCKED", "UV_FROZEN")]
    return call.verb != "sync" or call.has("--locked", "--frozen") or any(map(_TRUE.fullmatch, variables))


def _pipenv(_: Run, call: PackageCall) -> bool:
    return call.verb != "install" or bool(call.packages) or call.has("--deploy", "--ignore-pipfile")


def _cargo(_: Run, call: PackageCall) -> bool:
    return call.verb not in {"install", "build"} or call.has("--locked", "--frozen")


_LOCKS: Mapping[str, Callable[[Run, PackageCall], bool]] = {
    "npm": _npm,
    "yarn": _yarn,
    "pnpm": _frozen,
    "bun": _frozen,
    "bundle": _bundle,
    "uv": _uv,
    "pipenv": _pipenv,
    "cargo": _cargo,
}
