from __future__ import annotations

import pytest

from dockproof import catalog
from dockproof.facts.image import FileEntry, ImageConfig, ImageFacts, Layer
from dockproof.policy import ImageTarget
from tests.catalog.asking import red

POLICY = "no-sudo"


@pytest.mark.parametrize(
    ("run", "clause"),
    [
        ("sudo ls", "sudo"),
        ("ls && sudo -E apt-get update", "sudo"),
        ("ls; /usr/bin/sudo ls", "sudo"),
        ("sh -c 'sudo ls'", "sudo"),
        ("env A=1 sudo -u app ls", "sudo"),
        ("(cd /a && sudo ls)", "sudo"),
        ("echo x | sudo tee /etc/x", "sudo"),
        ("echo $(sudo id)", "sudo"),
        ('["sudo", "ls"]', "sudo"),
        ("doas ls", "sudo"),
        ("su -c 'npm ci' node", "su"),
        ("su - app", "su"),
        ("echo 'root:root' | chpasswd", "chpasswd"),
        ("apt-get update && apt-get install -y sudo", "installed"),
        ("apk add --no-cache doas", "installed"),
    ],
)
def test_flags_the_use_and_the_package(run: str, clause: str) -> None:
    """Wherever in the RUN it stands."""
    assert red(POLICY, f"FROM a\nRUN {run}\n") == [(2, clause)]


@pytest.mark.parametrize(
    "run",
    [
        "echo sudo",
        "which sudo",
        "command -v sudo",
        "usermod -aG sudo app",
        "rm -f /usr/bin/sudo",
        "apt-get purge -y sudo",
        "gosu app ls",
        "setpriv --reuid=1000 ls",
        "runuser -u app -- ls",
        "echo 'use sudo here' > README",
        "pip install sudo-make",
    ],
)
def test_passes_what_only_names_it(run: str) -> None:
    """A word is no use."""
    assert red(POLICY, f"FROM a\nRUN {run}\n") == []


def test_flags_each_line_once() -> None:
    """Heredocs and continued lines have a finding for each line."""
    text = "FROM a\nRUN <<E\nsudo a\nsudo b && sudo c\nE\nONBUILD RUN sudo d\n"
    assert red(POLICY, text) == [(3, "sudo"), (4, "sudo"), (6, "sudo")]


def test_passes_sudo_in_a_stage_that_is_left_behind() -> None:
    """What is not in the shipped image's lineage is not installed in it."""
    assert red(POLICY, "FROM a AS b\nRUN apt-get install -y sudo\nFROM c\nCOPY --from=b /x /x\n") == []
    assert red(POLICY, "FROM a AS b\nRUN apt-get install -y sudo\nFROM b\n") == [(2, "installed")]


@pytest.mark.parametrize(("mode", "found"), [(0o4755, 1), (0o644, 0)])
def test_looks_for_a_program_in_the_image(mode: int, found: int) -> None:
    """A file that can be run, in a layer of one's own."""
    entry = FileEntry("/usr/bin/sudo", "file", mode, 0, 0, 10, 0, "", 0)
    layer = Layer(0, "sha256:a", 10, None, (entry,))
    image = ImageFacts(reference="a", id="b", config=ImageConfig(), layers=(layer,))
    assert len(list(catalog.load()[POLICY].image(ImageTarget(image)))) == found
