from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.catalog.asking import findings, red
from tests.catalog.imaging import BASE_LAYER, entry, image_of, image_red

if TYPE_CHECKING:
    from dockproof.facts.image import FileEntry

POLICY = "no-wasted-bytes"


@pytest.mark.parametrize(
    "command",
    [
        "chown -R app /app",
        "chown -R app:app .",
        "chmod -R a+rX /app",
        "chmod +x /app/entrypoint.sh",
        "chgrp -R 0 /app",
        "chown app /app/*",
        "find /app -name '*.sh' -exec chmod +x {} +",
        "cd / && chmod -R 755 app",
    ],
)
def test_flags_a_change_of_what_an_earlier_layer_holds(command: str) -> None:
    """Owner and mode are part of the file, so it is stored again."""
    text = f"FROM debian\nWORKDIR /app\nCOPY . .\nCOPY entrypoint.sh ./\nRUN {command}\n"
    assert red(POLICY, text) == [(5, "rewritten")]


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf /app",
        "rm -rf /app/tests /app/docs",
        "rm entrypoint.sh",
        "rm -rf ./tests",
        "cd /app && rm -r tests",
        "sudo rm -rf /app/tests",
        "unlink /app/entrypoint.sh",
        "pip install . && rm -rf /app",
    ],
)
def test_flags_what_is_deleted_that_an_earlier_layer_holds(command: str) -> None:
    """One finding a command, whole or part."""
    text = f"FROM debian\nWORKDIR /app\nCOPY . .\nRUN {command}\n"
    assert red(POLICY, text) == [(4, "deleted")]


def test_flags_a_move() -> None:
    """It is in both layers; where it goes is no waste."""
    assert red(POLICY, "FROM a\nCOPY app /build/app\nRUN mv /build/app /srv/app\n") == [(3, "moved")]
    assert red(POLICY, "FROM a\nCOPY app /build/app\nRUN make && mv /made /build/app\n") == []


@pytest.mark.parametrize(
    ("fetch", "path"),
    [
        ("curl -fsSLo /tmp/a.tgz https://example.org/a.tgz", "/tmp/a.tgz"),
        ("wget -P /tmp https://example.org/a.tgz", "/tmp"),
        ("cd /opt && curl -O https://example.org/a.tgz", "/opt/a.tgz"),
    ],
)
def test_flags_a_download_that_a_later_run_deletes(fetch: str, path: str) -> None:
    """The archive is in the first layer for ever."""
    assert (3, "deleted") in red(POLICY, f"FROM a\nRUN {fetch}\nRUN tar xf a.tgz && rm -r {path}\n")


def test_flags_packages_that_a_later_run_removes() -> None:
    """They stay in the layer that installed them."""
    text = "FROM a\nRUN apt-get update && apt-get install -y gcc\nRUN apt-get purge -y gcc\n"
    (finding,) = findings(POLICY, text)
    assert (finding.place.line, finding.clause) == (3, "deleted")
    assert finding.message == "gcc is removed, but stays in the layer of line 2"


@pytest.mark.parametrize(
    "text",
    [
        "RUN curl -o /tmp/a.tgz https://example.org/a.tgz && tar xf /tmp/a.tgz && rm /tmp/a.tgz",
        "RUN apt-get update && apt-get install -y gcc && make && apt-get purge -y gcc",
        "RUN rm -rf /usr/share/doc",
        "RUN useradd app && chown -R app /var/lib/app",
        "COPY --chown=app:app . /app\nRUN mkdir /app/uploads && chmod 750 /app/uploads",
        "RUN --mount=type=bind,source=wheels,target=/wheels pip install /wheels/*",
        "COPY . /app\nRUN chown app /app",
        "RUN apt-get install -y gcc\nRUN chown -R app .",
        "COPY a /a\nRUN --mount=type=tmpfs,target=/a rm -rf /a/b",
        "COPY . /app\nRUN rm -rf /var/lib/apt/lists/*",
        "COPY . /app\nRUN rm -rf $UNKNOWN",
        "COPY app.py /app/\nRUN rm -rf /app/cache",
        "COPY rootfs/ /\nRUN rm -rf /etc/motd",
        "COPY . /app\nRUN echo rm -rf /app",
    ],
)
def test_passes_what_wastes_nothing(text: str) -> None:
    """In one RUN, in a mount, of the base's files, or of files that nobody copied."""
    assert red(POLICY, f"FROM debian\n{text}\n") == []


def test_passes_a_builder_and_flags_a_parent() -> None:
    """Only bytes that ship count; the stage that the shipped one is built FROM ships."""
    text = """\
    FROM a AS build
    COPY . /src
    RUN chmod -R 755 /src && rm -rf /src/tests
    FROM a AS base
    COPY . /app
    FROM base
    COPY --from=build /src/out /app/out
    RUN chown -R app /app
    """
    assert red(POLICY, text) == [(8, "rewritten")]


def test_flags_an_onbuild_command_once_with_its_heredoc_line() -> None:
    """A trigger is judged as what it triggers, a heredoc as a script."""
    text = "FROM a AS b\nONBUILD COPY . /app\nFROM b\nCOPY . /app\nRUN <<EOF\nset -e\nchown -R x /app\nEOF\n"
    assert red(POLICY, text) == [(7, "rewritten")]


def test_message_names_what_is_stored_again_and_where_it_came_from() -> None:
    """The reader sees both lines."""
    (finding,) = findings(POLICY, "FROM a\nCOPY a.bin /app/\nRUN chown -R x /app\n")
    assert finding.message == "`chown` stores /app/a.bin again, which line 2 stored"


def test_costs_time_in_proportion_to_the_size() -> None:
    """Thousands of instructions are no reason to wait."""
    pair = "COPY f{0} /app/d{0}/\nRUN chmod 755 /app/e{0} && rm -f /tmp/{0}\n"
    started = time.perf_counter()
    assert red(POLICY, "FROM a\n" + "".join(pair.format(number) for number in range(2000))) == []
    assert time.perf_counter() - started < 5


def own(path: str, content: str, size: int = 60_000) -> FileEntry:
    """Make a file whose content has a name."""
    return entry(path, size=size)._replace(digest=content)


def test_image_flags_a_file_with_other_content() -> None:
    """Bytes, number, the largest with their layers, and the layer to blame are in the message."""
    image = image_of(
        BASE_LAYER,
        [own("/app/a", "1"), own("/app/b", "2", size=70_000)],
        [own("/app/a", "3"), own("/app/b", "4")],
    )
    (found,) = image_red(POLICY, image, image_of(BASE_LAYER))
    assert (found.clause, found.place.path, found.place.layer_index) == ("overwritten", "/app/b", 2)
    assert found.message == (
        "layer 2 overwrites 2 files of lower own layers, 130000 bytes: "
        "/app/b (70000 bytes of layer 1), /app/a (60000 bytes of layer 1)"
    )


@pytest.mark.parametrize(
    ("later", "change"),
    [
        (own("/a", "1")._replace(uid=5), "owner 0:0 to 5:0"),
        (own("/a", "1")._replace(mode=0o600), "mode 0644 to 0600"),
        (own("/a", "1")._replace(mtime=9), "time alone"),
        (own("/a", "1"), "nothing"),
    ],
)
def test_image_tells_chown_and_chmod_from_other_content(later: FileEntry, change: str) -> None:
    """The same content is stored again for its owner, its mode, its time, or for nothing."""
    (found,) = image_red(POLICY, image_of([own("/a", "1")], [later]))
    assert found.clause == "rights-changed"
    assert found.message.endswith(f"/a (60000 bytes of layer 0, {change})")


def test_image_calls_content_that_is_not_known_overwritten() -> None:
    """Without digests nobody can say that it is the same."""
    image = image_of([entry("/a", size=60_000)], [entry("/a", size=60_000, mode=0o600)])
    assert [found.clause for found in image_red(POLICY, image)] == ["overwritten"]


def test_image_flags_copies_in_and_across_layers() -> None:
    """The copies are the ones behind the first; the option says from how many bytes on."""
    large = 2_000_000
    files = [own("/a", "1", size=large), own("/b", "1", size=large)], [own("/c", "1", size=large)]
    found = image_red(POLICY, image_of(*files))
    assert [(one.clause, one.place.layer_index) for one in found] == [("duplicate", 0), ("duplicate", 1)]
    assert found[1].message == (
        "layer 1 holds one file with the content of other own files, 2000000 bytes: "
        "/c (2000000 bytes, as /a of layer 0)"
    )
    assert image_red(POLICY, image_of(*files), least_duplicate_bytes=large) == []


def test_image_passes_hard_links_and_copies_of_the_base() -> None:
    """A link has no bytes of its own, and the base's are there anyway."""
    base = [*BASE_LAYER, own("/usr/a", "1", size=10**7)]
    linked = own("/opt/a", "1", size=0)._replace(type="hardlink", link="/usr/a")
    assert image_red(POLICY, image_of(base, [linked, own("/opt/b", "1", size=10**7)]), image_of(base)) == []


def test_image_flags_a_file_twice_in_one_layer() -> None:
    """No engine writes such a layer, other builders might; both copies are shipped."""
    image = image_of([own("/a", "2")])
    (layer,) = image.layers
    image.layers = (layer._replace(replaced=(own("/a", "1"),)),)
    assert [found.clause for found in image_red(POLICY, image)] == ["overwritten"]


@pytest.mark.parametrize("gone", ["/app", "/app/a"])
def test_image_flags_own_files_that_a_later_layer_deletes(gone: str) -> None:
    """A whiteout of the file or of a folder around it."""
    image = image_of([entry("/app/a", size=50_000)], [entry("/x")], whiteouts=[(), (gone,)])
    assert [found.clause for found in image_red(POLICY, image)] == ["hidden"]


def test_image_passes_the_base_s_files_and_small_ones() -> None:
    """The base's bytes are there anyway, and a few bytes of /etc/passwd are no waste; the option says how few."""
    base = [entry("/usr/big", size=10**6), entry("/etc/passwd", size=900)]
    image = image_of(
        base, [entry("/etc/group", size=900)], [entry("/etc/group", size=900)], whiteouts=[(), ("/usr/big",)]
    )
    assert image_red(POLICY, image, image_of(base)) == []
    assert len(image_red(POLICY, image, image_of(base), least_bytes=0)) == 1


def test_image_counts_a_file_again_that_was_deleted_before() -> None:
    """After its deletion the path is free, so a new file there is not stored twice."""
    one = [entry("/a", size=50_000)]
    image = image_of(one, [], one, whiteouts=[(), ("/a",), ()])
    assert [found.clause for found in image_red(POLICY, image)] == ["hidden"]


@pytest.mark.parametrize(
    "lines",
    [
        "COPY --from=b /wheels /wheels\nRUN pip install --no-index /wheels/*",
        "COPY dist/a-1-py3-none-any.whl /tmp/\nRUN pip install /tmp/a-1-py3-none-any.whl",
        "WORKDIR /x\nCOPY tool.deb .\nRUN dpkg -i tool.deb",
        "COPY tool.deb /tmp/\nRUN apt-get install -y /tmp/tool.deb",
    ],
)
def test_flags_package_files_that_stay(lines: str) -> None:
    """What only one step needs can be mounted."""
    found = red(POLICY, f"FROM a:1 AS b\nFROM a:1\n{lines}\n")
    assert [clause for _, clause in found] == ["only-installed"]


@pytest.mark.parametrize(
    "lines",
    [
        "RUN --mount=type=bind,from=b,source=/wheels,target=/wheels pip install --no-index /wheels/*",
        "COPY . /app\nRUN pip install /app",
        "COPY . /app\nRUN pip install /app/dist/*",
        "COPY requirements.txt /app/\nRUN pip install -r /app/requirements.txt",
        "COPY --from=b /wheels /wheels\nRUN pip install flask==3.1.0",
    ],
)
def test_passes_package_files_in_a_mount_or_code(lines: str) -> None:
    """A project that is installed is needed afterwards, and a mount leaves nothing."""
    assert red(POLICY, f"FROM a:1 AS b\nFROM a:1\n{lines}\n") == []


def test_passes_what_a_build_made_in_a_copied_folder() -> None:
    """`dist` is not from the context: nothing is stored twice."""
    text = "FROM node:22\nWORKDIR /code\nCOPY . /code/\nRUN yarn build && mv dist/* /srv/ && rm -rf node_modules\n"
    assert red(POLICY, text) == []
