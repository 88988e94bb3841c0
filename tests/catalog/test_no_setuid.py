from __future__ import annotations

import pytest

from tests.catalog.imaging import BASE_LAYER, entry, image_of, image_red

POLICY = "no-setuid"


@pytest.mark.parametrize(
    ("mode", "lender"),
    [(0o4755, "uid 0"), (0o2755, "gid 42"), (0o6755, "uid 0 and gid 42"), (0o4000, "uid 0")],
)
def test_image_flags_a_file_that_lends_rights(mode: int, lender: str) -> None:
    """The message says whose rights, and from where the file is."""
    image = image_of(BASE_LAYER, [entry("/usr/bin/tool", mode, gid=42)])
    (found,) = image_red(POLICY, image, image_of(BASE_LAYER))
    assert (
        found.message
        == f"/usr/bin/tool ({mode:04o}) runs with the rights of {lender}; it is from an own layer"
    )


def test_image_traces_a_file_to_the_base() -> None:
    """What the base brought is a finding too, and says so."""
    base = [*BASE_LAYER, entry("/usr/bin/sudo", 0o4755)]
    (found,) = image_red(POLICY, image_of(base, [entry("/app")]), image_of(base))
    assert found.message.endswith("it is from the base")
    assert found.place.layer == f"sha256:{0:064}"


def test_image_says_that_the_base_is_not_known() -> None:
    """Without the base, nobody can tell."""
    (found,) = image_red(POLICY, image_of([entry("/x", 0o4755)]))
    assert found.message.endswith("(the base is not at hand)")


@pytest.mark.parametrize(
    "file",
    [
        entry("/usr/bin/su", 0o4755),
        entry("/usr/bin/chage", 0o2755, gid=42),
        entry("/bin/bbsuid", 0o4111),
        entry("/usr/sbin/unix_chkpwd", 0o2755, gid=42),
        entry("/usr/bin/tool", 0o755),
        entry("/usr/local/lib", 0o2775, type="dir"),
        entry("/link", 0o6777, type="link"),
    ],
)
def test_image_passes_what_distributions_ship_and_what_lends_nothing(file: object) -> None:
    """A folder's setgid bit only names the group of new files."""
    assert image_red(POLICY, image_of([file])) == []  # type: ignore[list-item]


@pytest.mark.parametrize(
    "file",
    [
        entry("/usr/local/bin/su", 0o4755),
        entry("/app/passwd", 0o4755),
        entry("/usr/bin/su", 0o4755, uid=10001),
        entry("/usr/bin/sudo", 0o4755),
        entry("/usr/bin/x", 0o4755, type="hardlink"),
    ],
)
def test_image_flags_what_only_looks_like_a_distribution_s(file: object) -> None:
    """Another folder, another owner."""
    assert len(image_red(POLICY, image_of([file]))) == 1  # type: ignore[list-item]


def test_image_passes_what_a_later_layer_took_the_bit_from() -> None:
    """Only what the container sees counts."""
    image = image_of([entry("/a", 0o4755), entry("/b", 0o4755)], [entry("/a")], whiteouts=[(), ("/b",)])
    assert image_red(POLICY, image) == []


def test_option_replaces_the_list() -> None:
    """An empty list asks for none; a pattern allows a family."""
    image = image_of([entry("/usr/bin/su", 0o4755), entry("/opt/x/one", 0o4755)])
    assert len(image_red(POLICY, image, allow=())) == 2
    assert image_red(POLICY, image, allow=("/usr/bin/su", "/opt/x/*")) == []
