"""The package managers that are known: their options with values, their words for actions, their operands."""

from __future__ import annotations

from dockproof.facts import package_specs as specs
from dockproof.facts.options import Table, table
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dockproof.facts.shell_words import Word


class Manager(NamedTuple):
    """How a package manager's command line is read."""

    options: Table
    actions: Mapping[str, str]
    """The manager's own words for what is done, to ours."""
    read: Callable[[Word], specs.Package | None]
    """Reads an operand; None for a local file."""
    groups: frozenset[str] = frozenset()
    """First words that a second one belongs to, as in `uv pip install`."""
    default: str = ""
    """The action of the manager's name alone; without one that is no call."""
    other: str = ""
    """The action of a word that is not known; empty keeps the word."""
    files: tuple[str, ...] = ()
    """Options whose value is a file of packages."""
    packages: tuple[str, ...] = ()
    """Options whose value is a package."""
    version: tuple[str, ...] = ()
    """Options whose value is the version of the packages named."""
    verbs: Mapping[str, str] | None = None
    """Options that stand for a word, where the action is an option, as in `dpkg -i`."""


def _actions(**words: str) -> dict[str, str]:
    """Map a manager's words to an action; `a/b` is the two words `a b`, and `_` in an action a blank."""
    return {
        word.replace("/", " "): action.replace("_", " ")
        for action, listed in words.items()
        for word in listed.split()
    }


_APT_ACTIONS = _actions(
    install="install reinstall",
    update="update",
    upgrade="upgrade dist-upgrade full-upgrade safe-upgrade",
    remove="remove purge autoremove autopurge",
    clean="clean autoclean distclean dist-clean",
    download="download source",
)
_APT = Manager(
    table(
        "otcaP",
        "option config-file target-release default-release host-architecture build-profiles with-source solver",
    ),
    _APT_ACTIONS,
    specs.read_apt,
)
_APTITUDE = Manager(
    table("otFOwS", "target-release default-release display-format width sort add-user-tag with-source"),
    _APT_ACTIONS,
    specs.read_apt,
)
_DPKG = Manager(
    table("D", "admindir root instdir path-exclude path-include add-architecture remove-architecture"),
    _actions(install="install", remove="remove purge"),
    specs.read_plain,
    verbs={
        "-i": "install",
        "--install": "install",
        "-r": "remove",
        "--remove": "remove",
        "-P": "purge",
        "--purge": "purge",
    },
)
_RPM = Manager(
    table("D", "root dbpath prefix relocate define excludepath"),
    _actions(install="install upgrade freshen", remove="erase"),
    specs.read_rpm,
    verbs={
        "-q": "query",
        "--query": "query",
        "-V": "verify",
        "-K": "checksig",
        "--checksig": "checksig",
        "-e": "erase",
        "--erase": "erase",
        "-U": "upgrade",
        "--upgrade": "upgrade",
        "-F": "freshen",
        "--freshen": "freshen",
        "-i": "install",
        "--install": "install",
        "--import": "import",
    },
)
_PACMAN = Manager(
    table("rb", "root dbpath cachedir config ignore overwrite"),
    _actions(install="sync upgrade", remove="remove", clean="clean", update="refresh", upgrade="sysupgrade"),
    specs.read_plain,
    verbs={
        "-R": "remove",
        "--remove": "remove",
        "-U": "upgrade",
        "--upgrade": "upgrade",
        "-S": "sync",
        "--sync": "sync",
    },
)
_APK = Manager(
    table(
        "ptX",
        "root repository arch keys-dir repositories-file cache-dir wait cache-max-age progress-fd virtual timeout",
    ),
    _actions(
        install="add",
        remove="del",
        update="update",
        upgrade="upgrade",
        clean="cache/clean cache/purge",
        download="fetch",
    ),
    specs.read_apk,
    groups=frozenset({"cache"}),
)
_DNF = Manager(
    table(
        "xcedR",
        "exclude excludepkgs config enablerepo disablerepo repo repoid setopt releasever installroot errorlevel"
        " debuglevel rpmverbosity randomwait forcearch advisory advisories bz bzs cve cves comment color"
        " downloaddir destdir disableexcludes disableplugin enableplugin repofrompath sec-severity",
    ),
    _actions(
        install="install localinstall reinstall rei in groupinstall group/install module/install install-n install-na"
        " install-nevra builddep",
        update="makecache check-update",
        upgrade="update upgrade up distro-sync dsync upgrade-minimal update-minimal groupupdate group/upgrade",
        remove="remove erase autoremove rm groupremove group/remove module/remove",
        clean="clean",
        download="download",
    ),
    specs.read_rpm,
    groups=frozenset({"group", "module", "config-manager", "copr"}),
)
_ZYPPER = Manager(
    table(
        "RCcDprtb",
        "root installroot reposd-dir cache-dir raw-cache-dir solv-cache-dir pkg-cache-dir config plus-repo plus-content"
        " repo from type download releasever",
    ),
    _actions(
        install="install in source-install si",
        update="refresh ref",
        upgrade="update up dist-upgrade dup patch",
        remove="remove rm",
        clean="clean cc",
    ),
    specs.read_rpm,
)
_PIP_LONG = (
    "requirement constraint editable index-url extra-index-url find-links target prefix root src platform"
    " python-version implementation abi no-binary only-binary progress-bar global-option install-option build-option"
    " config-settings config-setting trusted-host cert client-cert cache-dir timeout default-timeout retries proxy"
    " exists-action log"
    " python report upgrade-strategy root-user-action keyring-provider use-feature use-deprecated wheel-dir dest build"
    " group build-constraint uploaded-prior-to"
)
_PIP = Manager(
    table("rceiftwdbC", _PIP_LONG),
    _actions(
        install="install", remove="uninstall", download="download wheel", clean="cache/purge cache/remove"
    ),
    specs.read_pip,
    files=("-r", "--requirement"),
    packages=("-e", "--editable"),
    groups=frozenset({"cache", "config", "index"}),
)
_PIPX = Manager(
    table("i", "spec python index-url pip-args suffix preinstall"),
    _actions(install="install inject", upgrade="upgrade upgrade-all", remove="uninstall", run="run"),
    specs.read_pip,
    packages=("--spec",),
)
_PIPENV = Manager(
    table("rei", "requirements editable index python categories pypi-mirror extra-pip-args"),
    _actions(install="install sync", upgrade="update upgrade", remove="uninstall", clean="clean"),
    specs.read_pip,
    files=("-r", "--requirements"),
    packages=("-e", "--editable"),
)
_UV = Manager(
    table(
        "rceiftpPobCw",
        f"{_PIP_LONG} index default-index extra no-group only-group no-extra directory project link-mode resolution"
        " prerelease exclude-newer config-file python-platform index-strategy with with-editable with-requirements"
        " refresh-package upgrade-package reinstall-package no-install-package no-build-package no-binary-package"
        " no-build-isolation-package constraints overrides override build-constraints requirements output-file color"
        " allow-insecure-host torch-backend package fork-strategy marker branch tag rev optional env-file from"
        " python-preference",
    ),
    _actions(
        install="pip/install pip/sync sync add tool/install",
        upgrade="tool/upgrade",
        remove="pip/uninstall remove tool/uninstall",
        clean="cache/clean cache/prune clean",
        run="tool/run",
    ),
    specs.read_pip,
    files=("-r", "--requirement", "--requirements"),
    packages=("-e", "--editable", "--from", "--with"),
    groups=frozenset({"pip", "tool", "cache", "python", "self"}),
)
_UVX = _UV._replace(actions={}, groups=frozenset(), other="run")
_POETRY = Manager(
    table("EPCG", "only with without extras project directory group source python platform"),
    _actions(
        install="install sync add self/add",
        upgrade="update",
        remove="remove self/remove",
        clean="cache/clear",
    ),
    specs.read_pip,
    groups=frozenset({"self", "cache", "config", "env"}),
)
_NPM = Manager(
    table(
        "wC",
        "prefix registry cache omit include only loglevel workspace tag scope otp userconfig globalconfig save-prefix"
        " install-strategy node-options fetch-retries fetch-timeout fetch-retry-mintimeout fetch-retry-maxtimeout"
        " location maxsockets cafile ca script-shell package call before cpu os libc https-proxy proxy noproxy depth",
    ),
    _actions(
        install="install i in ins add ci clean-install ic install-clean cit install-test it install-ci-test isntall",
        upgrade="update up upgrade udpate",
        remove="uninstall remove rm r un unlink",
        clean="cache/clean cache/clear cache/rm",
        run="exec x",
        script="run run-script rum urn start test t tst",
    ),
    specs.read_npm,
    groups=frozenset({"cache", "config"}),
)
_NPX = Manager(
    table("pcw", "package call workspace"), {}, specs.read_npm, other="run", packages=("-p", "--package")
)
_YARN = Manager(
    table(
        "",
        "cwd modules-folder cache-folder registry network-timeout network-concurrency mutex prefix global-folder"
        " preferred-cache-folder use-yarnrc otp proxy https-proxy",
    ),
    _actions(
        install="install add global/add workspaces/focus",
        upgrade="upgrade up global/upgrade",
        remove="remove global/remove",
        clean="cache/clean cache/clear",
        run="dlx",
        config="config/set set",
    ),
    specs.read_npm,
    groups=frozenset({"cache", "global", "config", "workspaces"}),
    default="install",
    other="script",
)
_PNPM = Manager(
    table("CFw", "dir filter store-dir registry reporter loglevel prefix virtual-store-dir package config"),
    _actions(
        install="install i add ci",
        upgrade="update up upgrade",
        remove="remove rm uninstall un",
        clean="store/prune cache/delete",
        run="dlx",
        download="fetch",
        config="config/set",
    ),
    specs.read_npm,
    groups=frozenset({"store", "config", "cache", "env"}),
    other="script",
    packages=("--package",),
)
_BUN = Manager(
    table("c", "cwd config registry cache-dir backend"),
    _actions(install="install i ci add a", upgrade="update", remove="remove rm", clean="pm/cache", run="x"),
    specs.read_npm,
    groups=frozenset({"pm"}),
    other="script",
)
_GEM = Manager(
    table("vinspPgl", "version install-dir bindir source http-proxy trust-policy platform file"),
    _actions(install="install i", upgrade="update", remove="uninstall", clean="cleanup", download="fetch"),
    specs.read_gem,
    files=("-g", "--file"),
    version=("-v", "--version"),
)
_BUNDLE = Manager(
    table(
        "jv",
        "jobs retry path without with gemfile version group source git branch shebang trust-policy bindir",
    ),
    _actions(install="install add", upgrade="update", remove="remove", clean="clean"),
    specs.read_gem,
    default="install",
    version=("-v", "--version"),
)
_GO = Manager(
    table(
        "",
        "ldflags tags o p mod modfile gcflags asmflags C overlay pkgdir toolexec buildmode compiler exec installsuffix"
        " covermode coverpkg",
        words=True,
    ),
    _actions(install="install get", run="run", download="mod/download", clean="clean"),
    specs.read_go,
    groups=frozenset({"mod", "work", "tool"}),
)
_CARGO = Manager(
    table(
        "jFpZC",
        "version vers git branch tag rev path root registry index jobs profile target target-dir features bin example"
        " manifest-path config color package lockfile-path",
    ),
    _actions(
        install="install binstall add",
        upgrade="update",
        remove="uninstall remove",
        clean="clean",
        download="fetch",
    ),
    specs.read_cargo,
    version=("--version", "--vers"),
)

MANAGERS: Mapping[str, Manager] = {
    "apt-get": _APT,
    "apt": _APT,
    "aptitude": _APTITUDE,
    "dpkg": _DPKG,
    "rpm": _RPM,
    "pacman": _PACMAN,
    "apk": _APK,
    **dict.fromkeys(("dnf", "yum", "microdnf", "tdnf"), _DNF),
    "zypper": _ZYPPER,
    "pip": _PIP,
    "pipx": _PIPX,
    "pipenv": _PIPENV,
    "uv": _UV,
    "uvx": _UVX,
    "poetry": _POETRY,
    "npm": _NPM,
    "npx": _NPX,
    "yarn": _YARN,
    "pnpm": _PNPM,
    "bun": _BUN,
    "gem": _GEM,
    "bundle": _BUNDLE,
    "go": _GO,
    "cargo": _CARGO,
}
"""The package managers that are known, by name."""
