"""Builds say where they failed."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from dockproof.collect import build
from dockproof.collect.build import Failure
from dockproof.collect.compose import Manifest
from dockproof.collect.engine import Engine
from dockproof.collect.standins import StandIns
from dockproof.errors import NotLookedError, UsageError

LOG = """#0 building with "default" instance using docker driver

#5 [builder 2/3] RUN sleep 9
#6 [runtime 2/2] RUN pip install nothing
#6 0.400 ERROR: no such package
#6 ERROR: process "/bin/sh -c pip install nothing" did not complete successfully: exit code: 1
#5 CANCELED
#5 ERROR: process "/bin/sh -c sleep 9" did not complete: context canceled
------
 > [runtime 2/2] RUN pip install nothing:
0.400 ERROR: no such package
------
Dockerfile:12
--------------------
  10 |     FROM x AS runtime
  11 |
  12 | >>> RUN pip install nothing
--------------------
ERROR: failed to solve: process "/bin/sh -c pip install nothing" did not complete successfully: exit code: 1
"""


def test_failure_has_step_line_and_sentence() -> None:
    """The step that failed is the cause, not one that was cancelled for it."""
    assert build.explain(LOG) == Failure(
        step="[runtime 2/2] RUN pip install nothing",
        line=12,
        message='process "/bin/sh -c pip install nothing" did not complete successfully: exit code: 1',
    )


def test_failed_steps_own_lines_are_shown() -> None:
    """Lines of steps beside it are left out."""
    assert "no such package" in build.step_log(LOG)
    assert "sleep" not in build.step_log(LOG)


def test_parse_error_has_its_line() -> None:
    """A Dockerfile that BuildKit refuses reaches no step."""
    log = "ERROR: failed to solve: dockerfile parse error on line 3: unknown instruction: RUNN\n"
    assert build.explain(log) == Failure("", 3, "dockerfile parse error on line 3: unknown instruction: RUNN")


def test_log_without_an_error_explains_nothing() -> None:
    """Nothing is made up."""
    assert build.explain("killed") == Failure("", 0, "")


@pytest.mark.engine
def test_build_is_repeatable_and_carries_no_mark(
    engine: Engine, stack: Manifest, stand_ins: StandIns, web: str
) -> None:
    """The same service gives the same image, without a label of ours."""
    assert build.build(engine, stack.services["web"], stand_ins) == web
    labels = engine.inspect_image(web)["Config"].get("Labels") or {}
    assert not [name for name in labels if name.startswith("dockproof.run")]


@pytest.mark.engine
def test_failed_build_names_service_file_line_and_step(
    engine: Engine, stack: Manifest, stand_ins: StandIns
) -> None:
    """The message leads to the line, the log is the step's own."""
    with pytest.raises(
        NotLookedError, match=r"build of broken-build failed at dockerfile_inline:2, step .*RUN echo"
    ) as caught:
        build.build(engine, stack.services["broken-build"], stand_ins)
    assert "the last words" in caught.value.log


@pytest.mark.engine
def test_build_that_hangs_is_stopped(engine: Engine, web: str) -> None:
    """A step that never ends is ended at the limit."""
    with pytest.raises(NotLookedError, match="build of endless did not end within 3 s"):
        build.build_on(engine, web, "RUN sleep 1000", name="endless", timeout=3)


@pytest.mark.engine
def test_image_can_be_built_on_another(engine: Engine, web: str) -> None:
    """An image mutant is really built on the good image; a whole Dockerfile may name it."""
    assert engine.inspect_image(build.build_on(engine, web, "USER 0", name="root"))["Config"]["User"] == "0"
    text = "FROM {image} AS one\nFROM one\nLABEL a=b"
    labels = engine.inspect_image(build.build_on(engine, web, text, name="whole"))["Config"]["Labels"]
    assert labels["a"] == "b"


@pytest.mark.engine
def test_service_without_build_is_a_usage_error(engine: Engine, stack: Manifest) -> None:
    """There is nothing to build of a service that only uses an image."""
    with pytest.raises(UsageError, match="broker has no `build:`"):
        build.build(engine, stack.services["broker"])


@pytest.mark.engine
def test_interrupted_build_leaves_no_process(engine: Engine, web: str, tmp_path: Path) -> None:
    """Ctrl-C during a build ends it at once, and its tags are gone."""
    program = f"""
        from pathlib import Path
        from dockproof.collect import build
        from dockproof.collect.engine import Engine
        with Engine.connect() as engine:
            Path({str(tmp_path / "lease")!r}).write_text(engine.lease.id)
            build.build_on(engine, {web!r}, "RUN sleep 1000 # {time.time()}", name="interrupted")
    """
    sources = str(Path(__file__).parents[2] / "policies")
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": sources},
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 20
        while not (lease := _text(tmp_path / "lease")) or not _tags(engine, lease):
            assert time.monotonic() < deadline, "the build never began"
            time.sleep(0.1)
        child.send_signal(2)
        assert child.wait(20) != 0
    finally:
        child.kill()
        child.wait()
    assert not _tags(engine, lease)
    assert (
        f"interrupted:{lease}"
        not in subprocess.run(["ps", "axww"], capture_output=True, text=True, check=True).stdout
    )


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def _tags(engine: Engine, lease: str) -> str:
    return engine.docker(
        "image", "ls", "--filter", f"reference=dockproof.localhost/*/*:{lease}", "--quiet"
    ).stdout
