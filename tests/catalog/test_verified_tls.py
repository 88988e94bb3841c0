from __future__ import annotations

import pytest

from dockproof import catalog
from dockproof.facts.image import ImageConfig, ImageFacts
from dockproof.policy import ImageTarget
from tests.catalog.asking import findings, red

POLICY = "verified-tls"


@pytest.mark.parametrize(
    ("run", "clause"),
    [
        ("curl -fsSLk https://e.org", "curl"),
        ("curl https://e.org --insecure", "curl"),
        ("curl --proxy-insecure https://e.org", "curl"),
        ("sudo /usr/bin/curl -kI https://e.org", "curl"),
        ("bash -c 'curl -k https://e.org'", "curl"),
        ("wget -q --no-check-certificate https://e.org", "wget"),
        ("pip3 install --trusted-host e.org flask", "pip"),
        ("python -m pip --trusted-host=e.org install flask", "pip"),
        ("pip config set global.trusted-host e.org", "pip"),
        ("PYTHONHTTPSVERIFY=0 python get.py", "python"),
        ("export NODE_TLS_REJECT_UNAUTHORIZED='0' && npm ci", "node"),
        ("npm_config_strict_ssl=false npm ci", "npm-variable"),
        ("npm config set strict-ssl=false", "npm"),
        ("npm install --no-strict-ssl", "npm"),
        ("npm --strict-ssl false ci", "npm"),
        ("yarn config set enableStrictSsl false", "npm"),
        ("GIT_SSL_NO_VERIFY=0 git clone https://e.org/r", "git"),
        ("dnf install -y --setopt=sslverify=0 curl", "rpm"),
        ("yum-config-manager --save --setopt=epel.sslverify=false", "rpm"),
        ("dnf config-manager --setopt sslverify=no --save", "rpm"),
        ("git -c http.sslVerify=false clone https://e.org/r", "other"),
        ("git config --global http.sslVerify false", "other"),
        ("git config --system http.https://e.org/.sslVerify false", "other"),
        ("apt-get -o Acquire::https::Verify-Peer=false update", "other"),
        ("uv pip install --allow-insecure-host e.org flask", "other"),
        ("echo 'strict-ssl=false' >> ~/.npmrc", "other"),
        ("echo insecure >> ~/.curlrc", "other"),
        ("printf '[http]\\n\\tsslVerify = false\\n' | tee /etc/gitconfig", "other"),
        ("echo 'sslverify=False' >> /etc/yum.conf", "other"),
        ("echo 'Acquire::https::Verify-Peer \"false\";' > /etc/apt/apt.conf.d/99insecure", "other"),
        ("cat > /etc/pip.conf <<E\n[global]\ntrusted-host = e.org\nE", "other"),
        ("mvn -B -Dmaven.wagon.http.ssl.insecure=true package", "other"),
        ("./mvnw -D maven.wagon.http.ssl.allowall=true package", "other"),
        ("mvn --define aether.connector.https.securityMode=insecure package", "other"),
        ("mvn -Daether.transport.https.securityMode.central=insecure package", "other"),
        ("MAVEN_OPTS='-Xmx1g -Dmaven.wagon.http.ssl.insecure=true' mvn package", "other"),
        ("echo '-Dmaven.wagon.http.ssl.insecure=true' > .mvn/maven.config", "other"),
        ("composer config -g -- disable-tls true", "other"),
        ("composer config --global disable-tls true && composer install", "other"),
        ("conda config --set ssl_verify false", "other"),
        ("conda install -k -y numpy", "other"),
        ("mamba config --set ssl_verify no", "other"),
        ("SSL_NO_VERIFY=1 conda skeleton pypi p", "other"),
        ("bundle config set --global ssl_verify_mode 0", "other"),
        ("bundle config ssl_verify_mode 0", "other"),
        ("echo ':ssl_verify_mode: 0' >> ~/.gemrc", "other"),
        ("poetry config certificates.foo.cert false", "other"),
        ("helm repo add --insecure-skip-tls-verify a https://e.org", "other"),
        ("helm pull a/b --insecure-skip-tls-verify=true", "other"),
        ("kubectl --insecure-skip-tls-verify get pods", "other"),
        ("skopeo copy --src-tls-verify=false docker://a dir:b", "other"),
        ("podman pull --tls-verify=false a", "other"),
        ("ansible-galaxy collection install --ignore-certs a.b", "other"),
        ("deno run --unsafely-ignore-certificate-errors a.ts", "other"),
        ("aws --no-verify-ssl s3 cp s3://b/k .", "other"),
        ("aria2c --check-certificate=false https://e.org", "other"),
    ],
)
def test_flags_a_command_that_switches_the_check_off(run: str, clause: str) -> None:
    """Options, variables, settings and files, each under the clause of its program."""
    assert {clause for _, clause in red(POLICY, f"FROM a\nRUN {run}\n")} == {clause}


@pytest.mark.parametrize(
    "run",
    [
        "curl -fsSL https://e.org",
        "curl -K options https://e.org",
        "curl -o k https://e.org",
        "curl -fsSL https://e.org | tar -xkf -",
        "curl --key k.pem https://e.org",
        "wget -q https://e.org",
        "echo curl -k",
        "apt-get install -y curl",
        "pip install --index-url https://e.org flask",
        "npm config set strict-ssl true",
        "yarn",
        "npm config set registry https://e.org",
        "PYTHONHTTPSVERIFY=1 python get.py",
        "unset GIT_SSL_NO_VERIFY",
        "git config --global http.sslVerify true",
        "dnf install -y --setopt=sslverify=1 curl",
        "sed -i s/sslverify=0/sslverify=1/ /etc/yum.conf",
        "grep -r 'strict-ssl=false' /etc",
        "echo '# strict-ssl=false' >> ~/.npmrc",
        "mvn -Dmaven.wagon.http.ssl.insecure=false package",
        "mvn -Dmaven.wagon.http.pool=false -Dmaven.test.skip=true package",
        "mvn -Daether.connector.https.securityMode=default package",
        "composer config disable-tls false",
        "composer config secure-http true",
        "conda config --set ssl_verify true",
        "conda config --set ssl_verify /etc/ssl/ca.pem",
        "bundle config set ssl_verify_mode 1",
        "helm pull a/b --insecure-skip-tls-verify=false",
        "helm install a b --set 'note=--insecure-skip-tls-verify is bad'",
        "skopeo copy --src-tls-verify=true docker://a dir:b",
        "git commit -m 'http.sslVerify false'",
    ],
)
def test_passes_a_command_that_checks(run: str) -> None:
    """Near misses."""
    assert red(POLICY, f"FROM a\nRUN {run}\n") == []


@pytest.mark.parametrize(
    ("line", "clause"),
    [
        ("ENV PYTHONHTTPSVERIFY=0", "python"),
        ("ENV A=1 NODE_TLS_REJECT_UNAUTHORIZED='0'", "node"),
        ("ENV NODE_TLS_REJECT_UNAUTHORIZED 0", "node"),
        ("ARG NPM_CONFIG_STRICT_SSL=false", "npm-variable"),
        ("ENV npm_config_strict_ssl=false", "npm-variable"),
        ("ENV GIT_SSL_NO_VERIFY=false", "git"),
        ("ENV GIT_SSL_NO_VERIFY=", "git"),
        ("ARG PIP_TRUSTED_HOST=e.org", "pip-variable"),
        ("ENV UV_INSECURE_HOST=e.org", "other"),
        ("ONBUILD ENV GIT_SSL_NO_VERIFY=1", "git"),
        ("COPY <<E /home/app/.npmrc\nstrict-ssl=false\nE", "other"),
    ],
)
def test_flags_a_variable_and_a_file(line: str, clause: str) -> None:
    """ENV, ARG and here-documents."""
    assert [found for _, found in red(POLICY, f"FROM a\n{line}\n")] == [clause]


@pytest.mark.parametrize(
    "line",
    [
        "ENV PYTHONHTTPSVERIFY=1",
        "ENV NODE_TLS_REJECT_UNAUTHORIZED=1",
        "ENV NPM_CONFIG_STRICT_SSL=true",
        "ARG GIT_SSL_NO_VERIFY",
        'ENV PIP_TRUSTED_HOST=""',
        "ENV git_ssl_no_verify=1",
        "ENV SSL_CERT_FILE=/etc/ssl/ca.pem",
    ],
)
def test_passes_a_variable_that_switches_nothing_off(line: str) -> None:
    """Each variable is read as its program reads it."""
    assert red(POLICY, f"FROM a\n{line}\n") == []


def test_names_the_variable_without_a_value() -> None:
    """What hangs on an unknown value cannot be shown."""
    (finding,) = findings(POLICY, "FROM a\nARG VERIFY\nENV NODE_TLS_REJECT_UNAUTHORIZED=$VERIFY\n")
    assert finding.clause == "unknown-value"
    assert "VERIFY" in finding.message


def test_flags_the_environment_of_an_image() -> None:
    """The config's variables reach every process."""
    image = ImageFacts(
        reference="a", id="b", config=ImageConfig(env={"GIT_SSL_NO_VERIFY": "1", "PATH": "/bin"})
    )
    (finding,) = catalog.load()[POLICY].image(ImageTarget(image))
    assert finding.clause == "git"  # type: ignore[union-attr]  # it is a finding


@pytest.mark.parametrize(
    ("value", "clauses"),
    [
        ("-Dmaven.wagon.http.ssl.insecure=true", ["other"]),
        ("-Xmx1g -Daether.connector.https.securityMode=insecure -Xss1m", ["other"]),
        ("-Dmaven.wagon.http.ssl.insecure=false", []),
        ("-Xmx$MEMORY", []),
    ],
)
def test_reads_the_options_that_a_variable_holds(value: str, clauses: list[str]) -> None:
    """A variable with options of any kind says something only where one of them switches the check off."""
    found = red(POLICY, f'FROM a\nARG MEMORY\nENV MAVEN_OPTS="{value}"\n')
    assert [clause for _, clause in found] == clauses
