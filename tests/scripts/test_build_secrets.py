from __future__ import annotations

from pathlib import Path

from scripts.provision import build_secrets

LISTING = """\
:env:.cert='/env/ca.crt'
global.cert='/global/ca.crt'
global.extra-index-url='file:///opt/simple https://user:word@index.example/simple'
global.index-url='https://index.example/root'
install.find-links='/opt/wheels'
wheel.something='x'
"""


def test_environment_wins_over_files() -> None:
    """The order of pip itself holds, whatever the order of lines."""
    pip = build_secrets.parse_pip_config(LISTING)
    assert pip["cert"] == "/env/ca.crt"
    assert "something" not in pip


def test_pip_conf_keeps_what_holds_in_a_container() -> None:
    """Indexes on the net stay; a folder of this machine and a file:// index fall out; the CA is the secret's."""
    conf = build_secrets.pip_conf(build_secrets.parse_pip_config(LISTING), ca=True)
    assert conf.splitlines() == [
        "[global]",
        "index-url = https://index.example/root",
        "extra-index-url = https://user:word@index.example/simple",
        "cert = /run/secrets/ca_bundle",
    ]


def test_writes_secrets_for_this_user_alone(tmp_path: Path) -> None:
    """An address may hold a password, so nobody else may read the files."""
    bundle = tmp_path / "ca.pem"
    bundle.write_text("certificates")
    env = {"SSL_CERT_FILE": str(bundle), "PIP_CONFIG_FILE": "/dev/null", "HOME": str(tmp_path)}
    written = build_secrets.write(tmp_path / "secrets", env)
    assert set(written) == {"ca_bundle", "pip_conf"}
    assert Path(written["ca_bundle"]).read_text() == "certificates"
    assert {Path(path).stat().st_mode & 0o777 for path in written.values()} == {0o600}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def test_machine_with_defaults_needs_no_secret(tmp_path: Path) -> None:
    """Nothing set, nothing handed over."""
    env = {"PIP_CONFIG_FILE": "/dev/null", "HOME": str(tmp_path)}
    assert build_secrets.write(tmp_path / "secrets", env) == {}


def test_passes_over_bundle_that_is_not_there() -> None:
    """A variable may name a file of another machine."""
    assert build_secrets.ca_bundle({"cert": "/nowhere/ca.pem"}, {}) is None
