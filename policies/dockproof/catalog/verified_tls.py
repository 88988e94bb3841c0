"""Certificates stay checked, in the build and in what runs.

What it holds
-------------
Source, in every stage: no command switches the check of certificates off (`curl --insecure` and `-k`,
`wget --no-check-certificate`, pip's `--trusted-host`, `npm config set strict-ssl false`, a repository manager's
`sslverify=0`, `git -c http.sslVerify=false`, apt's `Acquire::https::Verify-Peer=false`, Maven's
`-Dmaven.wagon.http.ssl.insecure=true` and `-Daether.connector.https.securityMode=insecure`, Composer's `disable-tls`,
conda's and Bundler's settings, `--insecure-skip-tls-verify` of helm and kubectl, `--tls-verify=false` of podman and
skopeo and the like), no ENV, ARG or `export` does (PYTHONHTTPSVERIFY, NODE_TLS_REJECT_UNAUTHORIZED,
NPM_CONFIG_STRICT_SSL, GIT_SSL_NO_VERIFY, PIP_TRUSTED_HOST, MAVEN_OPTS …), and no file is written that does (.npmrc,
.curlrc, yum.conf, pip.conf, apt.conf, .gemrc, maven.config). A variable whose value hangs on an unknown one is a
finding. Each variable is read as its program reads it: GIT_SSL_NO_VERIFY counts with any value, even an empty one,
npm's only as `false`, `null` or `0`. Image: none of these variables in the config. Runtime: none in the environment of
a process. Cargo, Gradle, sbt and Terraform have no switch that a Dockerfile could throw.

Why it matters
--------------
Without the check, TLS hides from the network what is said and not who says it: anybody on the way may answer. A
variable of the image does so for all that the program will ever ask.

How to fix it
-------------
Add the authority that is missing instead of taking any: copy its certificate to /usr/local/share/ca-certificates and
run `update-ca-certificates`, or give a build secret with `--mount=type=secret` and name it in SSL_CERT_FILE,
PIP_CERT or NODE_EXTRA_CA_CERTS.

References
----------
- CIS Docker Benchmark 1.6, 4.11
- https://curl.se/docs/sslcerts.html
- https://maven.apache.org/wagon/wagon-providers/wagon-http/
- https://maven.apache.org/resolver/configuration.html
- https://getcomposer.org/doc/06-config.md#disable-tls
- https://docs.conda.io/projects/conda/en/latest/user-guide/configuration/disable-ssl-verification.html
- https://helm.sh/docs/helm/helm_pull/
"""

from __future__ import annotations

import re
from itertools import pairwise

from dockproof.catalog._environment import expanded, exports
from dockproof.catalog._runs import runs, unread
from dockproof.catalog._written import written
from dockproof.facts.download_tools import insecure_options
from dockproof.facts.packages import package_calls
from dockproof.finding import Place, Severity
from dockproof.patterns import pattern
from dockproof.policy import (
    BY_SOURCE,
    Clause,
    EditMutant,
    Example,
    Family,
    ImageMutant,
    Policy,
    RuntimeMutant,
    SourceMutant,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import ClassVar

    from dockproof.catalog._runs import Run
    from dockproof.facts.packages import PackageCall
    from dockproof.facts.shell_words import Command
    from dockproof.facts.stages import Stage
    from dockproof.finding import Answer, Finding, NotApplicable
    from dockproof.policy import ImageTarget, Mutant, RuntimeTarget, SourceTarget

_ANY = r"(?s:.*)"
_SET = r"(?s:.+)"
_OFF = r"0|false|no|off"
_PROPERTY = (
    r"(?i:maven\.wagon\.http\.ssl\.(?:insecure|allowall)=true"
    r"|aether\.(?:connector|transport)\.https\.securityMode(?:\.[\w-]+)?=insecure)\b"
)
"""A system property with which Maven takes any certificate: of its wagon, or of its resolver from 3.9 on."""
_OF_JAVA = ("MAVEN_OPTS", "MAVEN_ARGS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS")
"""Variables with options of any kind: only a value that is known and switches the check off says anything."""
# By variable in upper case: the clause, and which values switch the check off.
_VARIABLES: Mapping[str, tuple[str, str]] = {
    "PYTHONHTTPSVERIFY": ("python", "0"),
    "NODE_TLS_REJECT_UNAUTHORIZED": ("node", "0"),
    "NPM_CONFIG_STRICT_SSL": ("npm-variable", "(?i:false|null|0)"),
    "GIT_SSL_NO_VERIFY": ("git", _ANY),
    "PIP_TRUSTED_HOST": ("pip-variable", _SET),
    "UV_INSECURE_HOST": ("other", _SET),
    "YARN_ENABLE_STRICT_SSL": ("other", f"(?i:{_OFF})"),
    "BUNDLE_SSL_VERIFY_MODE": ("other", "0"),
    "GOINSECURE": ("other", _SET),
    "CONDA_SSL_VERIFY": ("other", f"(?i:{_OFF})"),
    "MAMBA_SSL_VERIFY": ("other", f"(?i:{_OFF})"),
    "SSL_NO_VERIFY": ("other", "(?i:true|1)"),
    **dict.fromkeys(_OF_JAVA, ("other", f"{_ANY}-D{_PROPERTY}{_ANY}")),
    "VAULT_SKIP_VERIFY": ("other", "(?i:true|t|1)"),
}
# Settings that are written into files; `#` and `;` begin a comment in all of them.
_SETTINGS = pattern(
    rf"(?im)^[^#;\n]*?(?:\bstrict-ssl\s*=\s*false|\bsslverify\s*=\s*(?:{_OFF})\b|\bsslNoVerify\b"
    rf"|Verify-(?:Peer|Host)\s*[= ]\s*\"?(?:{_OFF})\b|\bcheck[-_]certificate\s*=\s*off|\btrusted-host\s*="
    rf"|enableStrictSsl:\s*false|\bssl_verify(?:_mode)?:\s*(?:0|false)|\"disable-tls\":\s*true|-D{_PROPERTY})|^[^#;\n]*?(?:^|[\s'\"])(?:--)?insecure\s*$"
)
_NPM = frozenset({"npm", "pnpm", "yarn"})
_RPM = frozenset({"yum", "dnf", "microdnf", "tdnf"})
_RPM_SETTING = pattern(rf"(?:.*\.)?sslverify=(?:{_OFF})", re.IGNORECASE, ("sslverify",))
_APT_SETTING = pattern(
    rf"acquire::https?(?:::[^=]*)?::verify-(?:peer|host)=\"?(?:{_OFF})\"?", re.IGNORECASE, ("::verify-",)
)
# By program: the words with which it takes any certificate, a line each; a setting and its value may be two words.
_CONDA = pattern(rf"(?im)^(?:-k|--insecure|--ssl-verify[=\n](?:{_OFF}|<false>)|ssl_verify[=\n](?:{_OFF}))$")
_CONTAINERS = pattern(r"(?im)^--(?:(?:src|dest)-)?tls-verify=(?:false|0|f)$")
_KUBERNETES = pattern(r"(?im)^--(?:kube-)?insecure-skip-tls-verify(?:=(?:true|1|t))?$")
_MAVEN = pattern(rf"(?im)^(?:-D|--define[=\n]|-D\n){_PROPERTY}")
_WORDS = {
    "ansible-galaxy": pattern(r"(?m)^(?:-c|--ignore-certs)$"),
    "aria2c": pattern(r"(?m)^--check-certificate=false$"),
    "aws": pattern(r"(?m)^--no-verify-ssl$"),
    "bundle": pattern(r"(?m)^ssl_verify_mode[\n]0$"),
    "composer": pattern(r"(?im)^disable-tls\n(?:true|1)$"),
    "deno": pattern(r"(?m)^--unsafely-ignore-certificate-errors(?:=.*)?$"),
    "git": pattern(rf"(?im)^http\.(?:.*\.)?sslverify[=\n](?:{_OFF})$"),
    "poetry": pattern(r"(?im)^certificates\..+\.cert\nfalse$"),
    **dict.fromkeys(("conda", "mamba", "micromamba"), _CONDA),
    **dict.fromkeys(("podman", "buildah", "skopeo"), _CONTAINERS),
    **dict.fromkeys(("helm", "kubectl", "oc"), _KUBERNETES),
    **dict.fromkeys(("mvn", "mvnw"), _MAVEN),
}
_ENV = "    HOME=/tmp \\"
_ADD = "COPY app /rootfs/app/app\n"


class VerifiedTls(Policy):
    """TLS says who is there."""

    title = "certificates stay checked"
    family = Family.SUPPLY_CHAIN
    production = Severity.ERROR
    development = Severity.ERROR
    builder = Severity.ERROR
    clauses = (
        Clause("curl", "curl checks certificates", same_as=("checkov:CKV2_DOCKER_2",)),
        Clause("wget", "wget checks certificates", same_as=("checkov:CKV2_DOCKER_3",)),
        Clause("pip", "pip trusts no host blindly", same_as=("checkov:CKV2_DOCKER_4",)),
        Clause(
            "python", "PYTHONHTTPSVERIFY is not 0", same_as=("checkov:CKV2_DOCKER_5",), claimed_by=BY_SOURCE
        ),
        Clause(
            "node",
            "NODE_TLS_REJECT_UNAUTHORIZED is not 0",
            same_as=("checkov:CKV2_DOCKER_6",),
            claimed_by=BY_SOURCE,
        ),
        Clause(
            "npm-variable",
            "NPM_CONFIG_STRICT_SSL is not false",
            same_as=("checkov:CKV2_DOCKER_12",),
            claimed_by=BY_SOURCE,
        ),
        Clause("npm", "npm's strict-ssl is not false", same_as=("checkov:CKV2_DOCKER_13",)),
        Clause(
            "git", "GIT_SSL_NO_VERIFY is not set", same_as=("checkov:CKV2_DOCKER_14",), claimed_by=BY_SOURCE
        ),
        Clause("rpm", "yum's and dnf's sslverify is not off", same_as=("checkov:CKV2_DOCKER_15",)),
        Clause(
            "pip-variable",
            "PIP_TRUSTED_HOST is not set",
            same_as=("checkov:CKV2_DOCKER_16",),
            claimed_by=BY_SOURCE,
        ),
        Clause("other", "no other option, variable or file switches the check off"),
        Clause("unknown-value", "the values of such variables can be known"),
    )
    references = (
        "cis:4.11",
        "https://curl.se/docs/sslcerts.html",
        "https://maven.apache.org/wagon/wagon-providers/wagon-http/",
        "https://maven.apache.org/resolver/configuration.html",
        "https://getcomposer.org/doc/06-config.md#disable-tls",
        "https://docs.conda.io/projects/conda/en/latest/user-guide/configuration/disable-ssl-verification.html",
        "https://helm.sh/docs/helm/helm_pull/",
    )

    def source(self, target: SourceTarget) -> Iterator[Finding | NotApplicable]:
        """Judge variables, commands and written files of every stage."""
        yield from unread(self, target.dockerfile)
        for stage in target.dockerfile.stages:
            yield from self._judge_variables(stage)
            for one in written(stage):
                if found := _SETTINGS.search(one.text):
                    message = f"`{found[0].strip()}` in {one.path} switches the check of certificates off"
                    yield self.at(one.instruction, message, stage=stage, clause="other", line=one.line)
        for run in runs(target.dockerfile):
            calls = {id(call.command): call for call in package_calls(run.script)}
            for command in run.script.commands:
                for clause, text in _switched_off(run, command, calls.get(id(command))):
                    message = f"{text} switches the check of certificates off"
                    yield self.at(command, message, stage=run.stage, clause=clause)

    def _judge_variables(self, stage: Stage) -> Iterator[Finding]:
        """Judge ENV and ARG."""
        for instruction in stage.these("ARG", "ENV"):
            for pair in instruction.pairs:
                if pair.name.upper() not in _VARIABLES or pair.value is None:
                    continue
                value = stage.expand(instruction, pair.value)
                unknown = "" if pair.name in _OF_JAVA else "unknown-value"
                clause = unknown if value.text is None else _clause(pair.name, value.text)
                if clause:
                    message = f"{pair.name}={value.text} switches the check of certificates off"
                    if value.text is None:
                        missing = ", ".join(value.missing)
                        message = f"cannot be shown: {pair.name} hangs on {missing}, which has no value here"
                    yield self.at(pair, message, stage=stage, clause=clause)

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Judge the config's environment."""
        for name, value in target.image.config.env.items():
            if clause := _clause(name, value):
                message = f"{name}={value} switches the check of certificates off for all that runs"
                yield self.in_image(message, Place(field=f"Config.Env {name}"), clause=clause)

    def runtime(self, target: RuntimeTarget) -> Iterator[Answer]:
        """Judge the environment of every process; a variable that many inherit is said once."""
        yield from self.unread(target.container)
        seen: set[tuple[str, str]] = set()
        for process in target.container.processes:
            for name, value in (process.environ or {}).items():
                clause = _clause(name, value)
                if clause and (name, value) not in seen:
                    seen.add((name, value))
                    message = f"{name}={value} switches the check of certificates off"
                    yield self.in_container(message, Place(pid=process.pid, field="environ"), clause=clause)

    example = Example(
        """
        FROM debian:13-slim
        RUN curl -fsSk https://example.com/tool > /tool
        """,
        """
        FROM debian:13-slim
        COPY company-ca.crt /usr/local/share/ca-certificates/
        RUN update-ca-certificates && curl -fsS https://example.com/tool > /tool
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("insecure", "RUN curl -fsSk https://example.com/", "begin", clause="curl"),
        EditMutant("switched-off", "ENV NODE_TLS_REJECT_UNAUTHORIZED=0", clause="node"),
        # of generated files
        SourceMutant(
            "npm-in-node",
            "npm ci --omit=dev",
            "npm ci --strict-ssl=false --omit=dev",
            "good/node",
            clause="npm",
        ),
        SourceMutant(
            "pip-in-python",
            "pip install --no-compile",
            "pip install --trusted-host mirror --no-compile",
            "good/python",
            clause="pip",
        ),
        SourceMutant(
            "go-insecure", "ENV CGO_ENABLED=0", "ENV CGO_ENABLED=0 GOINSECURE=*", "good/go", clause="other"
        ),
        # of the shipped files
        *(
            SourceMutant(name, _ADD, f"{_ADD}RUN {run}\n", clause=clause, at=run)
            for name, clause, run in (
                ("curl", "curl", "curl -fsSLk https://example.com/health"),
                ("wget", "wget", "wget --no-check-certificate --spider https://example.com"),
                ("npm", "npm", "npm config set strict-ssl false"),
                ("git", "other", "git config --global http.sslVerify false"),
                ("rpm", "rpm", "yum-config-manager --save --setopt=sslverify=0"),
                ("maven", "other", "mvn -Dmaven.wagon.http.ssl.insecure=true --version"),
                ("file", "other", "echo insecure >> /home/app/.curlrc"),
                ("exported", "python", "export PYTHONHTTPSVERIFY=0 && python -V"),
            )
        ),
        SourceMutant(
            "pip", "install --no-cache-dir", "install --trusted-host mirror --no-cache-dir", clause="pip"
        ),
        *(
            SourceMutant(name, _ENV, f"{_ENV}\n    {variable} \\", clause=clause, at=variable)
            for name, clause, variable in (
                ("python", "python", "PYTHONHTTPSVERIFY=0"),
                ("node", "node", "NODE_TLS_REJECT_UNAUTHORIZED=0"),
                ("npm-variable", "npm-variable", "NPM_CONFIG_STRICT_SSL=false"),
                ("git-variable", "git", "GIT_SSL_NO_VERIFY=true"),
                ("pip-variable", "pip-variable", "PIP_TRUSTED_HOST=mirror"),
            )
        ),
        SourceMutant(
            "unknown", _ADD, f"{_ADD}ARG T\nENV GIT_SSL_NO_VERIFY=$T\n", clause="unknown-value", at="ENV GIT"
        ),
        ImageMutant("environment", "ENV NODE_TLS_REJECT_UNAUTHORIZED=0", clause="node"),
        RuntimeMutant("environment", {"environment": {"PYTHONHTTPSVERIFY": "0"}}, clause="python"),
    )


def _clause(name: str, value: str) -> str:
    """Return the clause of a variable whose value switches the check off, "" for any other."""
    clause, off = _VARIABLES.get(name.upper(), ("", ""))
    # npm and pip take their variables in lower case too, the others do not.
    exact = name.isupper() or name.lower().startswith(("npm_config_", "pip_"))
    return clause if clause and exact and re.fullmatch(off, value) else ""


def _switched_off(run: Run, command: Command, call: PackageCall | None) -> Iterator[tuple[str, str]]:
    """Yield clause and text of what a command switches off."""
    for name, word in (*command.assignments, *exports(command)):
        value = expanded(run, word)
        clause = _clause(name, value) if value is not None else ""
        if clause:
            yield clause, f"{name}={value}"
    for option in insecure_options(command):
        yield command.name, f"`{command.name} {option}`"
    words = _WORDS.get(command.name)
    if words is not None and (found := words.search("\n".join(_texts(command)))):
        yield "other", f"`{' '.join(found[0].split())}`"
    if command.name == "yum-config-manager" and (setting := _matching(_texts(command), _RPM_SETTING)):
        yield "rpm", f"`{setting}`"
    if call is not None:
        yield from _in_package_manager(call)


def _texts(command: Command) -> list[str]:
    return [word.text for word in command.words[1:]]


def _in_package_manager(call: PackageCall) -> Iterator[tuple[str, str]]:
    """Judge the calls of pip, npm, yum, apt and their kin."""
    texts = _texts(call.command)
    if call.has("--trusted-host") or (
        call.verb.startswith("config") and any("trusted-host" in text for text in texts)
    ):
        yield "pip", "`--trusted-host`"
    if call.manager in _NPM and _npm_is_loose(texts):
        yield "npm", "`strict-ssl false`"
    if call.manager in _RPM and (setting := _matching(texts, _RPM_SETTING)):
        yield "rpm", f"`{setting}`"
    if call.manager in {"apt-get", "apt", "aptitude"} and (setting := _matching(texts, _APT_SETTING)):
        yield "other", f"`{setting}`"
    if call.has("--allow-insecure-host"):
        yield "other", "`--allow-insecure-host`"


def _npm_is_loose(texts: list[str]) -> bool:
    joined = [text.lower().removeprefix("--") for text in texts]
    pairs = pairwise([*joined, ""])
    return "no-strict-ssl" in joined or any(
        one in {"strict-ssl=false", "strict-ssl=0", "enablestrictssl=false"}
        or (one in {"strict-ssl", "enablestrictssl"} and after in {"false", "0"})
        for one, after in pairs
    )


def _matching(texts: list[str], wanted: re.Pattern[str]) -> str:
    """Return the first text that is, behind an option's name, what is wanted; "" for none."""
    for text in texts:
        setting = text.partition("=")[2] if text.startswith("--") else text
        if wanted.fullmatch(setting):
            return setting
    return ""
