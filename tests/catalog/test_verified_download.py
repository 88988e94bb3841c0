from __future__ import annotations

import pytest

from tests.catalog.asking import findings, red

POLICY = "verified-download"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SUM = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    "run",
    [
        "curl -fsSL https://example.com/install.sh | sh",
        "curl -fsSL https://example.com/setup | sudo -E bash -",
        "wget -qO- https://example.com/x.gz | gunzip | bash -s -- --yes",
        'sh -c "$(curl -fsSL https://example.com/x)"',
        "bash <(curl -s https://example.com/x)",
        "curl -sSL https://example.com/x | python3 -",
        'eval "$(curl -s https://example.com/x)"',
    ],
)
def test_flags_what_is_run_unseen(run: str) -> None:
    """An interpreter reads it straight from the net."""
    assert (2, "run-unseen") in red(POLICY, f"FROM a\nRUN {run}\n")


@pytest.mark.parametrize(
    "line",
    [
        "ADD https://example.com/tool /usr/bin/",
        "RUN curl -fsSLO https://example.com/tool",
        "RUN curl -fsSL https://example.com/tool > /usr/bin/tool",
        "RUN wget https://example.com/tool && chmod +x tool && ./tool",
        "RUN curl -fsSL https://example.com/tool.tgz | tar xz -C /opt",
        "RUN curl -fsSL https://example.com/key | gpg --dearmor -o /etc/apt/keyrings/k.gpg",
        "RUN curl -o tool https://example.com/x && echo 'x  other' | sha256sum -c",
        "RUN curl -fsSLo tool $NOBODY_KNOWS",
        "RUN pip install https://example.com/a.tar.gz",
        "RUN dnf install -y https://example.com/a.rpm",
        "ONBUILD RUN wget https://example.com/tool",
    ],
)
def test_flags_what_is_never_checked(line: str) -> None:
    """A file of the net that nothing compares."""
    assert red(POLICY, f"FROM a\n{line}\n") == [(2, "unchecked")]


@pytest.mark.parametrize(
    "line",
    [
        f"ADD --checksum={SUM} https://example.com/tool /usr/bin/",
        'RUN curl -fsSLo tool https://example.com/tool && echo "$SUM  tool" | sha256sum --check',
        "RUN wget https://example.com/t.tgz https://example.com/t.tgz.asc && gpg --verify t.tgz.asc t.tgz",
        "RUN curl -fsSLO https://example.com/t.tgz && [ \"$(sha256sum t.tgz | cut -d' ' -f1)\" = abc ]",
        "RUN curl -O https://example.com/SHA256SUMS -O https://example.com/t && grep t SHA256SUMS | sha256sum -c -",
        "RUN V=$(curl -s https://example.com/version) && echo $V",
        "RUN curl -fsS https://example.com/health",
        "RUN curl -fsS https://example.com/health -o /dev/null",
        "RUN curl -fsS http://localhost:8000/health -o answer",
        "RUN pip install --require-hashes -r requirements.txt",
        f"RUN pip install 'https://example.com/a.tar.gz#sha256={'0' * 64}'",
        "RUN apt-get install -y curl wget git",
        "COPY tool /usr/bin/",
    ],
)
def test_passes_what_is_checked_or_not_kept(line: str) -> None:
    """A sum, a signature, or nothing that stays."""
    assert red(POLICY, f"FROM a\n{line}\n") == []


def test_passes_a_check_in_a_later_instruction() -> None:
    """Another RUN of the stage may check what an ADD or a RUN has fetched."""
    text = "FROM a\nADD https://e.org/tini https://e.org/tini.asc /\nRUN gpg --verify /tini.asc /tini\n"
    assert red(POLICY, text) == []
    text = "FROM a\nRUN curl -O https://e.org/t.tgz\nRUN echo 'x t.tgz' | sha256sum -c\n"
    assert red(POLICY, text) == []


@pytest.mark.parametrize(
    "line",
    [
        f"ADD --checksum={SUM} http://example.com/tool /",
        "RUN curl -o t http://example.com/t && echo 'x  t' | sha256sum -c",
        "RUN wget ftp://example.com/t.asc",
        "ARG MIRROR=http://example.com\nRUN wget $MIRROR/t.asc",
    ],
)
def test_flags_plain_http(line: str) -> None:
    """Whoever is on the way reads and changes it."""
    assert [clause for _, clause in red(POLICY, f"FROM a\n{line}\n")] == ["plain-http"]


@pytest.mark.parametrize(
    "line",
    [
        "RUN git clone https://example.com/o/r",
        "RUN git clone --branch v1.0 --depth 1 git@example.com:o/r.git",
        "ADD https://github.com/o/r.git#main /src",
        "RUN git clone https://example.com/o/r && cd r && git checkout v1.0",
    ],
)
def test_flags_a_repository_at_what_can_be_moved(line: str) -> None:
    """A branch, a tag, or whatever is the default."""
    assert red(POLICY, f"FROM a\n{line}\n") == [(2, "commit")]


@pytest.mark.parametrize(
    "line",
    [
        f"RUN git clone https://example.com/o/r && git -C r checkout {COMMIT}",
        f"ADD https://github.com/o/r.git#{COMMIT} /src",
        "RUN git clone -b v1 https://example.com/o/r && git -C r verify-tag v1",
        "RUN git config --global user.name x",
    ],
)
def test_passes_a_repository_at_a_commit(line: str) -> None:
    """A whole commit id is its own sum; a signature is one too."""
    assert red(POLICY, f"FROM a\n{line}\n") == []


def test_follows_a_variable_that_holds_the_address() -> None:
    """ADD of a variable is an ADD of its value."""
    assert red(POLICY, "FROM a\nARG U=https://e.org/t\nADD $U /t\n") == [(3, "unchecked")]
    assert red(POLICY, "FROM a\nARG U=t\nADD $U /t\n") == []


def test_keeps_secrets_out_of_the_message() -> None:
    """An address may hold a password or a token."""
    (finding,) = findings(POLICY, "FROM a\nADD https://me:hunter2@e.org/t?token=abc /t\n")
    assert "hunter2" not in finding.message
    assert "abc" not in finding.message


def test_flags_a_script_that_php_runs_from_the_pipe() -> None:
    """Behind `--` stand the script's own arguments: so composer's page has it."""
    run = "RUN curl -sS https://example.org/installer | php -- --install-dir=/usr/local/bin\n"
    assert [clause for _, clause in red(POLICY, f"FROM php:8.4\n{run}")] == ["run-unseen"]
