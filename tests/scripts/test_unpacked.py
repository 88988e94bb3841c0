from __future__ import annotations

from pathlib import Path

import pytest

from scripts.provision import debs, unpacked
from scripts.provision.host import ProvisionError, Release


def plan(distribution: str, codename: str, *version: int, root: bool = True) -> unpacked.Plan:
    """Plan for a release."""
    return unpacked.plan(Release(distribution, codename, version), root=root, why="no engine answers")


def test_bookworm_takes_engine_of_trixie_and_own_runc() -> None:
    """The runc of trixie needs a newer C library, its Go programs do not."""
    found = plan("debian", "bookworm", 12)
    assert found.engine_codename == "trixie"
    assert "docker.io" in found.engine
    assert "runc" in found.own


@pytest.mark.parametrize(("codename", "version"), [("trixie", (13,)), ("forky", ())])
def test_newer_debian_takes_its_own_engine(codename: str, version: tuple[int, ...]) -> None:
    """From trixie on a release's own Docker is new enough."""
    assert plan("debian", codename, *version).engine_codename == codename


def test_ubuntu_takes_its_own_packages() -> None:
    """Ubuntu's mirror has no trixie, and names the compose plugin otherwise."""
    found = plan("ubuntu", "noble", 24, 4)
    assert found.engine_codename == "noble"
    assert "docker-compose-v2" in found.engine


def test_refuses_release_that_is_too_old() -> None:
    """The C library of bullseye is older than trixie's Go programs need."""
    with pytest.raises(ProvisionError, match="bullseye is too old"):
        plan("debian", "bullseye", 11)


def test_refuses_without_root_and_says_what_to_install() -> None:
    """The reason stands first, the way out last."""
    with pytest.raises(
        ProvisionError, match=r"^no engine answers; a private one needs root; install Docker >= 23"
    ):
        plan("debian", "bookworm", 12, root=False)


def test_refuses_other_distribution() -> None:
    """What has no dpkg cannot have Debian's packages."""
    with pytest.raises(ProvisionError, match="this is fedora"):
        plan("fedora", "", 42)


def test_links_tables_to_nft(tmp_path: Path) -> None:
    """Unpacking runs no package script, so the alternatives are linked here; twice does no harm."""
    (tmp_path / "usr/sbin").mkdir(parents=True)
    unpacked.link_tables(tmp_path)
    unpacked.link_tables(tmp_path)
    assert (tmp_path / "usr/sbin/iptables").readlink() == Path("iptables-nft")
    assert (tmp_path / "usr/sbin/ip6tables-restore").readlink() == Path("ip6tables-nft-restore")


def test_libraries_of_root_are_found(tmp_path: Path) -> None:
    """The folder is named for the machine's architecture."""
    (tmp_path / "usr/lib/aarch64-linux-gnu/xtables").mkdir(parents=True)
    env = unpacked.library_environment(tmp_path)
    assert env["LD_LIBRARY_PATH"] == f"{tmp_path}/usr/lib/aarch64-linux-gnu"
    assert env["XTABLES_LIBDIR"] == f"{tmp_path}/usr/lib/aarch64-linux-gnu/xtables"


def test_sources_name_pocket_and_key() -> None:
    """One line a pocket, signed by the distribution's keyring where it is there."""
    text = debs.source_lines(
        "trixie", {"": "http://m/debian", "-security": "http://m/sec"}, "main", Path("/k.gpg")
    )
    assert text == (
        "deb [signed-by=/k.gpg] http://m/debian trixie main\n"
        "deb [signed-by=/k.gpg] http://m/sec trixie-security main\n"
    )
