"""What is compiled or installed with build tools is built in another stage than the one that ships.

What it holds
-------------
Source: no stage that the shipped one is built FROM installs a compiler, headers or a build package (`build-tools`),
compiles (`built-in-place`), or installs language dependencies in a file that has no other stage to take them from
(`single-stage`), and its base is no image to build with where there is one to run with (`toolchain-base`): a JDK,
`golang`, `rust`, `maven`, `gradle`, `gcc`, .NET's SDK and the like. Images that interpret what they run, as `python`
and `node`, are runtimes. Image: no layer above the base holds a compiler, a header or a build package.

Why it matters
--------------
A compiler is a tool for whoever breaks in, and hundreds of megabytes that every node pulls: without one the same
backend was 215 MB smaller. What the shipped stage does not install, no scanner has to report.

How to fix it
-------------
Install in a builder stage, into one folder, and copy that folder: `COPY --link --from=builder /rootfs/ /`. Where a
library links to a C library, the runtime stage needs its runtime package (`libpq5`), not its `-dev` package. Ship Java
from the `-jre` variant of the same image, a static program from `scratch` or a distroless image, .NET from
`dotnet/aspnet` or `dotnet/runtime`.

References
----------
- CIS Docker Benchmark 1.6, 4.3
- https://docs.docker.com/build/building/multi-stage/
"""

from __future__ import annotations

from dockproof.catalog._runs import names_in, removed_names
from dockproof.facts.packages import package_calls
from dockproof.facts.shell import script
from dockproof.finding import Place, Severity
from dockproof.patterns import pattern
from dockproof.policy import BY_SOURCE, Clause, EditMutant, Example, Family, ImageMutant, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import ClassVar

    from dockproof.facts.dockerfile import Instruction
    from dockproof.facts.images import ImageRef
    from dockproof.facts.packages import PackageCall
    from dockproof.facts.shell import Command
    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding
    from dockproof.policy import ImageTarget, Mutant, SourceTarget

SYSTEM = frozenset(
    {"apt-get", "apt", "aptitude", "apk", "dnf", "yum", "microdnf", "tdnf", "zypper", "pacman"}
)
LANGUAGE = frozenset({"pip", "pipx", "uv", "poetry", "npm", "yarn", "pnpm", "gem", "bundle", "go", "cargo"})
COMPILERS = frozenset(
    [
        "cc",
        "gcc",
        "g++",
        "c++",
        "clang",
        "clang++",
        "ld",
        "as",
        "rustc",
        "cargo",
        "go",
        "javac",
        "ghc",
        "gfortran",
        "make",
        "cmake",
        "ninja",
        "meson",
    ]
)
_BUILD_PACKAGE = pattern(
    r"(?:gcc|g\+\+|clang|gfortran|cpp)(?:-[\d.]+)?(?:-[\w+-]+)?"
    r"|build-(?:essential|base)|base-devel|alpine-sdk|make|cmake|ninja-build|meson|autoconf|automake|libtool|binutils|dpkg-dev"
    r"|rustc|cargo|golang(?:-[\w.]+)?|openjdk-\d+-jdk(?:-headless)?|[\w.+-]+-(?:dev|devel)|linux-headers[\w.-]*",
    needs=(
        *(
            "gcc",
            "g++",
            "clang",
            "gfortran",
            "cpp",
            "build-",
            "alpine-sdk",
            "make",
            "meson",
            "autoconf",
            "libtool",
        ),
        *(
            "binutils",
            "dpkg-dev",
            "rustc",
            "cargo",
            "golang",
            "openjdk-",
            "-dev",
            "linux-headers",
            "ninja-build",
        ),
    ),
)
# Commands that turn sources into programs, by name and first argument; an empty set means any argument.
_BUILDS = {
    **dict.fromkeys(
        ("cc", "gcc", "g++", "clang", "rustc", "javac", "make", "cmake", "ninja"), frozenset[str]()
    ),
    "go": frozenset({"build"}),
    "cargo": frozenset({"build"}),
    "dotnet": frozenset({"build", "publish"}),
    "mix": frozenset({"compile", "release"}),
    **dict.fromkeys(("swift", "zig", "stack", "cabal"), frozenset({"build"})),
}
# Those that are told to do several things at once, as `mvn clean package`.
_BUILDS_AMONG_OTHERS = {
    **dict.fromkeys(("mvn", "mvnw"), frozenset({"compile", "package", "install", "verify"})),
    **dict.fromkeys(
        ("gradle", "gradlew"), frozenset({"assemble", "build", "bootJar", "installDist", "shadowJar"})
    ),
    "sbt": frozenset({"compile", "assembly", "stage", "dist"}),
}
# Images to build with, and the parts of a tag that make one to run with. Their pages on Docker Hub say what each
# variant holds; Corretto's runtimes are jre (8), headless and headful (11 and later).
_JRE = frozenset({"jre"})
_TOOLCHAINS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        (f"library/{name}" for name in ("clojure", "gcc", "golang", "gradle", "haskell", "maven", "rust")),
        frozenset(),
    ),
    **dict.fromkeys(("dotnet/sdk", "sbtscala/scala-sbt"), frozenset()),
    **dict.fromkeys(
        (f"library/{name}" for name in ("eclipse-temurin", "ibm-semeru-runtimes", "openjdk", "sapmachine")),
        _JRE,
    ),
    **dict.fromkeys(("azul/zulu-openjdk", "azul/zulu-openjdk-alpine", "azul/zulu-openjdk-debian"), _JRE),
    **dict.fromkeys(
        ("library/amazoncorretto", "amazoncorretto/amazoncorretto"),
        frozenset({"jre", "headless", "headful", "slim"}),
    ),
    "library/buildpack-deps": frozenset({"curl", "scm"}),
    "library/swift": frozenset({"slim"}),
}
_USER = "USER 10001:10001"
_HEADER = pattern(r"(?:/usr)?/(?:local/)?include/.*\.h(?:pp)?")
_BIN = pattern(r"/(?:usr/)?(?:local/)?s?bin/(?P<name>[^/]+)")


class MultiStage(Policy):
    """Build tools stay in a stage that nobody ships."""

    title = "build tools stay out of the shipped stage"
    family = Family.STAGES
    production = Severity.ERROR
    development = None
    clauses = (
        Clause(
            "build-tools",
            "the shipped stage installs no compiler, header or build package",
            claimed_by=BY_SOURCE,
        ),
        Clause("built-in-place", "the shipped stage compiles nothing"),
        Clause("single-stage", "language dependencies are installed in another stage"),
        Clause("toolchain-base", "the shipped stage's base is no image to build with"),
    )
    references = ("cis:4.3", "https://docs.docker.com/build/building/multi-stage/")

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge the base and the RUN instructions of every stage that the shipped one is built FROM."""
        for shipped in target.shipped:
            yield from self._judge_base(shipped)
            alone = _takes_from_no_stage(shipped)
            for stage in shipped.lineage:
                for instruction in stage.instructions:
                    if instruction.keyword == "RUN":
                        yield from self._judge(instruction, stage, alone=alone)

    def _judge_base(self, shipped: Stage) -> Iterator[Finding]:
        for stage in shipped.lineage:
            for external in stage.externals:
                if external.how == "from" and external.ref is not None and _is_toolchain(external.ref):
                    message = f"{external.ref.familiar} is an image to build with: its compiler ships too"
                    yield self.at(external, message, stage=stage, clause="toolchain-base")

    def _judge(self, instruction: Instruction, stage: Stage, *, alone: bool) -> Iterator[Finding]:
        commands = script(instruction, stage.shell_at(instruction))
        calls = package_calls(commands)
        removed = removed_names(commands)
        for call in calls:
            kept = (package for package in call.packages if package.name not in removed)
            names = [name for package in kept for name in names_in(stage, instruction, package)]
            for clause, message in _complaints(call, removed, names, alone=alone):
                yield self.at(call.command, message, stage=stage, clause=clause)
        command = next((one for one in commands.commands if _compiles(one)), None)
        if command is not None:
            message = f"`{command.name}` compiles in the shipped stage"
            yield self.at(command, message, stage=stage, clause="built-in-place")

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Look for compilers, headers and build packages in the layers above the base."""
        own = {layer.index for layer in target.own_layers}
        for package, place in target.own_packages:
            if package.manager in {"dpkg", "apk", "rpm"} and _BUILD_PACKAGE.fullmatch(package.name):
                message = f"package {package.name} {package.version} is installed"
                yield self.in_image(message, place, clause="build-tools")
        headers: dict[int, list[str]] = {}
        for entry in target.image.files.values():
            if entry.layer in own and entry.type != "dir" and (kind := _tool(entry.path)):
                if kind == _IS_HEADER:
                    headers.setdefault(entry.layer, []).append(entry.path)
                    continue
                place = Place(layer=target.image.layers[entry.layer].diff_id, path=entry.path)
                yield self.in_image(f"{entry.path} is a {kind}", place, clause="build-tools")
        for index, paths in headers.items():
            others = f", and so are {len(paths) - 1} others of its layer" if len(paths) > 1 else ""
            place = Place(layer=target.image.layers[index].diff_id, path=paths[0])
            yield self.in_image(f"{paths[0]} is a header{others}", place, clause="build-tools")

    example = Example(
        """
        FROM debian:13-slim
        COPY . /src
        RUN make -C /src install
        """,
        """
        FROM debian:13 AS build
        COPY . /src
        RUN make -C /src install DESTDIR=/out
        FROM debian:13-slim
        COPY --from=build /out/ /
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("compiler", "RUN apk add --no-cache gcc=15.2.0-r2", "begin", clause="build-tools"),
        EditMutant("compiles", "RUN make -C /src", "begin", clause="built-in-place"),
        # of generated files
        SourceMutant(
            "compiler-in-alpine",
            "tini=0.19.0-r3",
            "gcc=15.2.0-r2 tini=0.19.0-r3",
            "good/alpine",
            clause="build-tools",
        ),
        SourceMutant(
            "jdk-in-java",
            "eclipse-temurin:21-jre-noble@",
            "eclipse-temurin:21-jdk-noble@",
            "good/java",
            clause="toolchain-base",
        ),
        SourceMutant(
            "headers-in-ubi",
            "shadow-utils-2:4.9-12.el9",
            "glibc-devel-2.34-168.el9",
            "good/ubi",
            clause="build-tools",
        ),
        # of the shipped files
        SourceMutant(
            "headers",
            _USER,
            f"RUN apt-get update && apt-get install -y --no-install-recommends libpq-dev=17.6-0"
            f" && rm -rf /var/lib/apt/lists/*\n{_USER}",
            clause="build-tools",
            also=frozenset({"reproducible"}),
        ),
        SourceMutant("compiles", _USER, f"RUN make -C /app\n{_USER}", clause="built-in-place"),
        SourceMutant(
            "single-stage",
            "COPY --link --from=builder /rootfs/ /\nCOPY --link --from=code /rootfs/ /",
            "COPY requirements/runtime.txt /app/\nRUN pip install --no-cache-dir --require-hashes -r /app/runtime.txt",
            clause="single-stage",
            also=frozenset({"used-stages", "reproducible"}),
        ),
        ImageMutant("compiler", "COPY <<tool /usr/bin/gcc\ntool", clause="build-tools"),
        ImageMutant("header", "COPY <<header /usr/include/libpq-fe.h\nheader", clause="build-tools"),
    )


def _is_toolchain(ref: ImageRef) -> bool:
    """Whether an image is one to build with; of a JDK known by its digest alone nobody can say."""
    runtimes = _TOOLCHAINS.get("/".join(ref.path.rsplit("/", 2)[-2:]))
    if runtimes is None or (runtimes and ref.tag is None and ref.digest):
        return False
    return runtimes.isdisjoint((ref.tag or "").split("-"))


def _takes_from_no_stage(shipped: Stage) -> bool:
    lineage = set(shipped.lineage)
    others = (external.stage for stage in shipped.lineage for external in stage.externals)
    return all(stage is None or stage in lineage for stage in others)


def _complaints(
    call: PackageCall, removed: frozenset[str], names: list[str], *, alone: bool
) -> Iterator[tuple[str, str]]:
    """Yield clause and sentence for an installation that does not belong into a shipped stage."""
    if call.action != "install" or call.options.get("--virtual", call.options.get("-t")) in removed:
        return
    if call.manager in SYSTEM:
        names = [name for name in names if _BUILD_PACKAGE.fullmatch(name)]
        if names:
            yield "build-tools", f"{call.manager} installs {', '.join(names)} in the shipped stage"
    elif call.manager in LANGUAGE and alone:
        message = f"{call.manager} installs dependencies in the shipped stage: no other stage gives them"
        yield "single-stage", message


def _compiles(command: Command) -> bool:
    wanted = _BUILDS.get(command.name)
    if wanted is None:
        goals = _BUILDS_AMONG_OTHERS.get(command.name, frozenset())
        return any(word.text in goals for word in command.arguments)
    return not wanted or any(word.text in wanted for word in command.arguments[:1])


_IS_HEADER = "header"


def _tool(path: str) -> str:
    """Say what kind of build tool a file is, "" for none."""
    if _HEADER.fullmatch(path):
        return _IS_HEADER
    match = _BIN.fullmatch(path)
    return "compiler or build tool" if match and match["name"] in COMPILERS else ""
