"""Image facts: how layers stack, who a USER is, what the small databases say."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockproof.facts.accounts import ResolvedUser, parse_group, parse_passwd, resolve_user
from dockproof.facts.image import (
    FileEntry,
    HealthConfig,
    ImageConfig,
    ImageFacts,
    Layer,
    merge,
    parse_config,
    parse_health,
    parse_history,
    parse_os_release,
)
from dockproof.facts.installed import parse_apk, parse_dpkg

PASSWD = b"""root:x:0:0:root:/root:/bin/bash
toor:x:0:0::/root:/bin/sh
app:x:1000:1001::/home/app:/bin/false
twice:x:1:1::/:
twice:x:2:2::/:
odd:x:many:::
"""
GROUP = b"root:x:0:\nstaff:x:50:app,other\nwheel:x:10:app\napp:x:1001:\n"


def entry(path: str, kind: str = "file", *, layer: int = 0, mode: int = 0o644, link: str = "") -> FileEntry:
    """Return an entry owned by root."""
    return FileEntry(path, kind, mode, 0, 0, 1 if kind == "file" else 0, 0, link, layer)


def layer(
    index: int, *entries: FileEntry, whiteouts: tuple[str, ...] = (), opaque: tuple[str, ...] = ()
) -> Layer:
    """Return a layer that holds these entries."""
    placed = tuple(each._replace(layer=index) for each in entries)
    return Layer(index, f"sha256:{index}", len(placed), None, placed, whiteouts, opaque)


def image(*layers: Layer, texts: dict[tuple[int, str], bytes] | None = None) -> ImageFacts:
    """Return an image of these layers."""
    return ImageFacts(reference="x", id="sha256:1", config=ImageConfig(), layers=layers, texts=texts)


# ----------------------------------------------------------------------------------------------- stacking


def test_later_layer_wins() -> None:
    """A path in two layers is the upper one's."""
    assert merge([layer(0, entry("/a")), layer(1, entry("/a", mode=0o600))])["/a"].layer == 1


def test_whiteout_deletes_a_file_and_all_below_a_folder() -> None:
    """A whiteout takes away what it names and everything below, nothing that only begins alike."""
    base = layer(0, entry("/d", "dir"), entry("/d/x"), entry("/d/y/z"), entry("/dd"), entry("/f"))
    assert set(merge([base, layer(1, whiteouts=("/d", "/f"))])) == {"/dd"}


def test_whiteout_spares_its_own_layer() -> None:
    """A layer may delete a folder of a lower one and bring its own of that name."""
    merged = merge([layer(0, entry("/d/x")), layer(1, entry("/d/y"), whiteouts=("/d",))])
    assert set(merged) == {"/d/y"}


def test_opaque_folder_hides_lower_content_and_stays() -> None:
    """An opaque folder keeps itself and its own layer's files."""
    lower = layer(0, entry("/d", "dir"), entry("/d/x"))
    upper = layer(1, entry("/d", "dir"), entry("/d/new"), opaque=("/d",))
    assert set(merge([lower, upper])) == {"/d", "/d/new"}


def test_file_in_place_of_a_folder_hides_its_content() -> None:
    """A folder that a later layer replaces by a link takes its files with it."""
    merged = merge(
        [layer(0, entry("/lib", "dir"), entry("/lib/x")), layer(1, entry("/lib", "link", link="usr/lib"))]
    )
    assert set(merged) == {"/lib"}


_PATHS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map(lambda p: "/" + "/".join(p))


@given(st.lists(st.tuples(st.lists(_PATHS, max_size=4), st.lists(_PATHS, max_size=2)), max_size=4))
def test_merge_equals_applying_layers_one_path_at_a_time(plan: list[tuple[list[str], list[str]]]) -> None:
    """The merged view is what deleting and adding path by path gives."""
    layers = [
        layer(index, *map(entry, files), whiteouts=tuple(gone)) for index, (files, gone) in enumerate(plan)
    ]
    expected: dict[str, int] = {}
    for index, (files, gone) in enumerate(plan):
        expected = {
            path: at
            for path, at in expected.items()
            if not any(path == dead or path.startswith(f"{dead}/") for dead in gone)
        }
        expected |= dict.fromkeys(files, index)
    assert {path: found.layer for path, found in merge(layers).items()} == expected


# -------------------------------------------------------------------------------------------- links, texts


def test_read_follows_links_inside_the_image() -> None:
    """Relative, absolute and folder links lead to the text; `..` stops at the root."""
    facts = image(
        layer(
            0,
            entry("/etc/os-release", "link", link="../../../usr/lib/os-release"),
            entry("/usr/lib", "dir"),
            entry("/usr/lib/os-release"),
            entry("/lib", "link", link="usr/lib"),
            entry("/again", "link", link="/lib/os-release"),
        ),
        texts={(0, "/usr/lib/os-release"): b"ID=debian\n"},
    )
    for path in ("/etc/os-release", "/lib/os-release", "/again", "/usr/lib/../lib/os-release"):
        assert facts.read(path) == b"ID=debian\n", path
    assert facts.os_release == {"ID": "debian"}


def test_link_loop_reads_as_missing() -> None:
    """Links that lead to each other are no file, and end."""
    facts = image(layer(0, entry("/a", "link", link="b"), entry("/b", "link", link="a")))
    assert facts.resolve("/a") is None
    assert facts.read("/a") is None


def test_deleted_text_is_not_read_but_still_among_contents() -> None:
    """A secret in a lower layer is out of the merged view, and still in the image."""
    facts = image(layer(0, entry("/s")), layer(1, whiteouts=("/s",)), texts={(0, "/s"): b"key"})
    assert facts.read("/s") is None
    assert [(found.path, text) for found, text in facts.contents()] == [("/s", b"key")]


def test_own_layers_are_those_over_the_base() -> None:
    """Base layers are told by their diff ids; without a base all layers are own."""
    base, other = image(layer(0)), image(layer(7))
    facts = image(layer(0), layer(1), layer(2))
    assert [each.index for each in facts.own_layers(base)] == [1, 2]
    assert facts.is_based_on(base)
    assert not facts.is_based_on(other)
    assert facts.own_layers(other) == facts.own_layers(None) == facts.layers


def test_permissions_are_told_as_the_kernel_does() -> None:
    """Owner, then group, then others; root always; setuid on files alone."""
    file = FileEntry("/f", "file", 0o4464, 10, 20, 0, 0, "", 0)
    assert file.writable_by(0, ())
    assert not file.writable_by(10, (20,))
    assert file.writable_by(11, (20,))
    assert not file.writable_by(11, (21,))
    assert file.is_setuid
    assert not entry("/d", "dir", mode=0o6755).is_setuid
    assert not entry("/l", "link", mode=0o777).is_world_writable


# -------------------------------------------------------------------------------------------------- users


def resolved(text: str, *, passwd: bytes | None = PASSWD, group: bytes | None = GROUP) -> ResolvedUser:
    """Resolve a USER text in an image with these databases."""
    return resolve_user(
        text,
        None if passwd is None else parse_passwd(passwd),
        None if group is None else parse_group(group),
    )


@pytest.mark.parametrize(
    "text", ["", "root", "0", "00", "+0", "-0", "toor", "0:0", "root:root", "000:app", "odd"]
)
def test_every_spelling_of_root_is_uid_0(text: str) -> None:
    """Absent, by name, by number however written, and a name that passwd maps to 0 or to no number."""
    assert resolved(text).uid == 0


@pytest.mark.parametrize(
    ("text", "uid", "gid", "groups"),
    [
        ("app", 1000, 1001, (50, 10)),
        ("1000", 1000, 1001, (50, 10)),
        ("app:staff", 1000, 50, ()),
        ("app:7", 1000, 7, ()),
        ("app:app", 1000, 1001, ()),
        ("4711", 4711, 0, ()),
        ("4711:4711", 4711, 4711, ()),
        ("twice", 1, 1, ()),
        (":50", 0, 50, ()),
        ("app:", 1000, 1001, (50, 10)),
    ],
)
def test_resolves_user_as_the_engine_does(text: str, uid: int, gid: int, groups: tuple[int, ...]) -> None:
    """Names and numbers go through passwd; a bare unknown number has gid 0; a given group drops the others."""
    found = resolved(text)
    assert (found.uid, found.gid, found.groups) == (uid, gid, groups)


@pytest.mark.parametrize("text", ["nobody-here", "app:nogroup", "-5", "2147483648", "app:2147483648", "٣"])
def test_user_that_the_engine_refuses_has_no_uid(text: str) -> None:
    """A name without an entry, and a number out of range, do not start; the reason is said."""
    found = resolved(text)
    assert found.uid is None
    assert found.why


def test_image_without_passwd_knows_numbers_alone() -> None:
    """A scratch image resolves numbers, and no name."""
    assert resolved("65532", passwd=None, group=None)[:2] == (65532, 0)
    assert resolved("", passwd=None, group=None)[:2] == (0, 0)
    assert resolved("app", passwd=None, group=None).uid is None


@given(st.text(alphabet="0123456789+-:rotap \n", max_size=8))
def test_resolving_any_text_ends_in_an_id_or_a_reason(text: str) -> None:
    """Whatever USER says, the answer is a pair of ids in range, or none and why."""
    found = resolved(text)
    assert found.why
    assert (found.uid is None) == (found.gid is None)
    assert found.uid is None or 0 <= found.uid < 2**31


# ------------------------------------------------------------------------------------------------- config


def test_config_is_read_from_archive_and_from_inspect_alike() -> None:
    """The image's own JSON and `docker image inspect` differ in the spelling of the outer keys alone."""
    inner: dict[str, object] = {
        "User": "app",
        "Env": ["A=1", "B=x=y", "EMPTY="],
        "Cmd": ["run"],
        "Entrypoint": "/bin/init",
        "ExposedPorts": {"9000/tcp": {}, "53/udp": {}},
        "Volumes": {"/data": {}},
        "Labels": None,
        "Healthcheck": {"Test": ["CMD", "x"], "Interval": 1_500_000_000},
    }
    archived = parse_config({"config": inner, "os": "linux", "architecture": "amd64", "created": "2026"})
    inspected = parse_config({"Config": inner, "Os": "linux", "Architecture": "amd64", "Created": "2026"})
    assert archived == inspected
    assert archived.env == {"A": "1", "B": "x=y", "EMPTY": ""}
    assert archived.argv == ("/bin/init", "run")
    assert archived.ports == ("53/udp", "9000/tcp")
    assert archived.healthcheck == HealthConfig(("CMD", "x"), interval=1.5)


def test_config_with_nulls_reads_as_empty() -> None:
    """An image from scratch has null in most places."""
    assert parse_config({"config": {"Cmd": None, "Env": None, "Healthcheck": None}}) == ImageConfig()
    assert parse_config({"config": None}) == ImageConfig()


def test_health_defaults_are_dockers() -> None:
    """What a HEALTHCHECK leaves out is 30 s, 30 s, 0 s, 5 s and 3 retries; NONE is a check that is off."""
    check = parse_health({"Test": ["CMD-SHELL", "true"]})
    assert check == HealthConfig(("CMD-SHELL", "true"), 30, 30, 0, 5, 3)
    assert check.time_to_unhealthy == 180
    off = parse_health({"Test": ["NONE"]})
    assert off is not None
    assert off.disabled
    assert parse_health({}) is None


def test_history_numbers_the_layers_that_steps_made() -> None:
    """Empty steps make no layer and do not count."""
    steps = parse_history(
        [{"created_by": "FROM"}, {"created_by": "ENV", "empty_layer": True}, {"created_by": "RUN"}]
    )
    assert [step.layer for step in steps] == [0, None, 1]
    assert parse_history(None) == ()


# --------------------------------------------------------------------------------------------- databases


def test_dpkg_lists_installed_packages_alone() -> None:
    """Removed and half-installed packages are not there; descriptions do not confuse."""
    text = b"""Package: libc6
Status: install ok installed
Version: 2.41-12
Description: libraries
 Package: not-a-package
 .

Package: gone
Status: deinstall ok config-files
Version: 1

Package: half
Status: install reinstreq half-installed
Version: 1

Package: distroless
Version: 3
"""
    assert [(found.name, found.version) for found in parse_dpkg(text)] == [
        ("libc6", "2.41-12"),
        ("distroless", "3"),
    ]


def test_apk_and_python_packages_are_found() -> None:
    """The database of apk and the names of Python's metadata folders tell name and version."""
    assert [found[:2] for found in parse_apk(b"C:Q1\nP:musl\nV:1.2.5-r0\n\nP:busybox\nV:1.37\n")] == [
        ("musl", "1.2.5-r0"),
        ("busybox", "1.37"),
    ]
    facts = image(layer(0, entry("/usr/lib/python3/site-packages/typing_extensions-4.1.dist-info/METADATA")))
    assert [found[:2] for found in facts.packages] == [("typing_extensions", "4.1")]


def test_os_release_values_lose_their_quotes() -> None:
    """Comments and odd lines are left out."""
    assert parse_os_release(b'# x\nID=debian\nNAME="Debian GNU/Linux"\nodd line\n') == {
        "ID": "debian",
        "NAME": "Debian GNU/Linux",
    }


@given(st.binary(max_size=200))
def test_databases_read_any_bytes(text: bytes) -> None:
    """A damaged database gives fewer entries, never an exception."""
    parse_passwd(text)
    parse_group(text)
    parse_os_release(text)
    assert all(found.manager for found in itertools.chain(parse_dpkg(text), parse_apk(text)))
