"""The signatures of packages stay checked.

What it holds
-------------
In every stage, no package manager is told to take what nobody has signed: apk's `--allow-untrusted` (`apk`), apt's
`--allow-unauthenticated` (`apt`) and `--force-yes` (`force-yes`), `--nogpgcheck` and `gpgcheck=0` of yum and dnf
(`dnf`), `--nosignature`, `--nodigest`, `--noverify` and `--nofiledigest` where rpm installs (`rpm`); zypper's
`--no-gpg-checks` and `--allow-unsigned-rpm`, apt's `--allow-insecure-repositories` and the settings that mean the same
(`other`). Nor is such a setting written into a file: `[trusted=yes]`, `gpgcheck=0`, `SigLevel = Never`. An option
whose value is no (`--allow-unauthenticated=false`) is none, and a query of rpm installs nothing.

Why it matters
--------------
Mirrors are run by strangers, and plain http is still common among them. The signature is what makes a package the
distribution's own; without it, whoever sits on the way or in a mirror installs as root.

How to fix it
-------------
Give the key instead: `/etc/apt/keyrings/…` with `signed-by=`, `rpm --import`, /etc/apk/keys. For a package that was
built in the same file, sign it with a key of the build, or build a repository with one.

References
----------
- CIS Docker Benchmark 1.6, 4.11 and 4.12
- https://manpages.debian.org/stable/apt/apt-secure.8.en.html
"""

from __future__ import annotations

from dockproof.catalog._runs import runs, unread
from dockproof.catalog._written import written
from dockproof.facts.packages import package_calls
from dockproof.finding import Severity
from dockproof.patterns import pattern
from dockproof.policy import Clause, EditMutant, Example, Family, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import ClassVar

    from dockproof.facts.packages import PackageCall
    from dockproof.finding import Finding, NotApplicable
    from dockproof.policy import Mutant, SourceTarget

_APT = frozenset({"apt-get", "apt", "aptitude"})
_RPM = frozenset({"yum", "dnf", "microdnf", "tdnf"})
_APT_OPTIONS = {
    "--allow-unauthenticated": "apt",
    "--force-yes": "force-yes",
    "--allow-insecure-repositories": "other",
    "--allow-weak-repositories": "other",
}
_DNF_OPTIONS = dict.fromkeys(("--nogpgcheck", "--no-gpgchecks", "--nogpg", "--no-gpg-checks"), "dnf")
# By manager: the options that switch the check off, to their clauses.
_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "apk": {"--allow-untrusted": "apk"},
    "rpm": dict.fromkeys(("--nosignature", "--nodigest", "--noverify", "--nofiledigest"), "rpm"),
    "zypper": {"--no-gpg-checks": "other", "--allow-unsigned-rpm": "other"},
    **dict.fromkeys(_APT, _APT_OPTIONS),
    **dict.fromkeys(_RPM, _DNF_OPTIONS),
}
_NO = pattern(r"(?i)0|no|n|false|off|disable|without")
_YES = r"(?:1|yes|y|true|on|enable|with)"
_APT_SETTING = pattern(
    rf"(?i)(?:APT::Get::(?P<option>AllowUnauthenticated|force-yes)"
    rf"|Acquire::(?:AllowInsecureRepositories|AllowWeakRepositories))=\"?{_YES}\"?"
)
_RPM_SETTING = pattern(r"(?i)(?:.*\.)?(?:repo_|localpkg_)?gpgcheck=(?:0|no|false|off)")
_SETTINGS = pattern(
    r"(?im)^[^#;\n]*?(?P<setting>\[[^\]\n]*\b(?:trusted|allow-insecure)=yes[^\]\n]*\]|\b(?:repo_|pkg_)?gpgcheck\s*=\s*(?:0|no|false|off)\b"
    rf"|\bSigLevel\s*=\s*(?:\w+\s+)*(?:Never|TrustAll)|^\s*Trusted:\s*yes"
    rf"|(?:AllowUnauthenticated|AllowInsecureRepositories|AllowWeakRepositories)\"?\s+\"?{_YES}\b)"
)
_ADD = "COPY app /rootfs/app/app\n"


class SignedPackages(Policy):
    """A package is the distribution's own."""

    title = "package signatures stay checked"
    family = Family.SUPPLY_CHAIN
    production = Severity.ERROR
    development = Severity.ERROR
    builder = Severity.ERROR
    clauses = (
        Clause("apk", "apk allows nothing untrusted", same_as=("checkov:CKV2_DOCKER_7",)),
        Clause("apt", "apt allows nothing unauthenticated", same_as=("checkov:CKV2_DOCKER_8",)),
        Clause("dnf", "yum and dnf check signatures", same_as=("checkov:CKV2_DOCKER_9",)),
        Clause("rpm", "rpm checks signatures and digests", same_as=("checkov:CKV2_DOCKER_10",)),
        Clause("force-yes", "apt is not forced", same_as=("checkov:CKV2_DOCKER_11",)),
        Clause("other", "no other option, setting or file switches the check off"),
    )
    references = ("cis:4.11", "cis:4.12", "https://manpages.debian.org/stable/apt/apt-secure.8.en.html")

    def source(self, target: SourceTarget) -> Iterator[Finding | NotApplicable]:
        """Judge the calls and the written files of every stage."""
        yield from unread(self, target.dockerfile)
        for run in runs(target.dockerfile):
            for call in package_calls(run.script):
                for clause, option in _switched_off(call):
                    message = f"`{call.manager} {option}` takes packages that nobody has signed"
                    yield self.at(call.command, message, stage=run.stage, clause=clause)
        for stage in target.dockerfile.stages:
            for one in written(stage):
                if found := _SETTINGS.search(one.text):
                    message = (
                        f"`{found['setting'].strip()}` in {one.path} takes packages that nobody has signed"
                    )
                    yield self.at(one.instruction, message, stage=stage, clause="other", line=one.line)

    example = Example(
        """
        FROM alpine:3.23
        RUN apk add --no-cache --allow-untrusted ./service.apk
        """,
        """
        FROM alpine:3.23
        COPY key.rsa.pub /etc/apk/keys/
        RUN apk add --no-cache ./service.apk
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("untrusted", "RUN apk add --no-cache --allow-untrusted ./app.apk", "begin", clause="apk"),
        # of generated files
        SourceMutant(
            "apk-in-alpine",
            "apk add --no-cache ca-certificates",
            "apk add --no-cache --allow-untrusted ca-certificates",
            "good/alpine",
            clause="apk",
        ),
        SourceMutant(
            "microdnf-in-ubi",
            "microdnf install --assumeyes",
            "microdnf install --nogpgcheck --assumeyes",
            "good/ubi",
            clause="dnf",
        ),
        SourceMutant(
            "trusted-in-debian",
            "signed-by=/etc/apt/keyrings/example.asc",
            "trusted=yes",
            "good/debian",
            clause="other",
        ),
        # of the shipped files
        *(
            SourceMutant(name, _ADD, f"{_ADD}RUN {run}\n", clause=clause, at=run)
            for name, clause, run in (
                ("apk", "apk", "apk add --no-cache --allow-untrusted ./app.apk"),
                (
                    "apt",
                    "apt",
                    "apt-get install --yes --no-install-recommends --allow-unauthenticated ./app.deb",
                ),
                ("dnf", "dnf", "dnf install -y --nogpgcheck ./app.rpm"),
                ("rpm", "rpm", "rpm --install --nosignature ./app.rpm"),
                (
                    "force-yes",
                    "force-yes",
                    "apt-get install --yes --no-install-recommends --force-yes ./app.deb",
                ),
                ("zypper", "other", "zypper --non-interactive --no-gpg-checks install ./app.rpm"),
                (
                    "trusted",
                    "other",
                    "echo 'deb [trusted=yes] https://example.com trixie main' > /etc/apt/sources.list.d/a.list",
                ),
            )
        ),
    )


def _switched_off(call: PackageCall) -> Iterator[tuple[str, str]]:
    """Yield clause and option for what the call switches off."""
    if call.manager == "rpm" and call.action not in {"install", "upgrade"}:
        return
    known = _OPTIONS.get(call.manager, {})
    for name, value, _ in call.arguments.options:
        if known.get(name) and not (value and _NO.fullmatch(value)):
            yield known[name], name
        elif setting := _setting(call.manager, name, value or ""):
            yield setting, f"{name} {value}"


def _setting(manager: str, name: str, value: str) -> str:
    """Return the clause of an option that sets the manager's own configuration, "" for an innocent one."""
    if manager in _APT and name in {"-o", "--option"} and (found := _APT_SETTING.fullmatch(value)):
        clauses = {"allowunauthenticated": "apt", "force-yes": "force-yes"}
        return clauses.get((found["option"] or "").lower(), "other")
    if manager in _RPM and name == "--setopt" and _RPM_SETTING.fullmatch(value):
        return "dnf"
    return ""
