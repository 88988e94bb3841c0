"""Tools are bounded in time and leave no process behind."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from dockproof.collect import process
from dockproof.errors import NotLookedError

SOURCES = Path(__file__).parents[2] / "policies"
FAMILY = "sleep 300 & echo $! > {file}; sleep 300"
"""A tool with a child of its own, whose pid it writes down."""


def ended(file: Path, seconds: float = 5) -> bool:
    """Tell whether the process whose pid stands in a file ends in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        text = file.read_text().strip() if file.exists() else ""
        if text and not _runs(int(text)):
            return True
        time.sleep(0.02)
    return False


def _runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def wait_for(file: Path) -> None:
    """Wait until a file holds something."""
    deadline = time.monotonic() + 10
    while not (file.exists() and file.read_text().strip()):
        assert time.monotonic() < deadline, f"{file} was never written"
        time.sleep(0.02)


def test_returns_output_exit_code_and_time() -> None:
    """Both streams, the code and the seconds come back."""
    done = process.run(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout=10, check=False)
    assert (done.stdout, done.stderr, done.exit_code) == ("out\n", "err\n", 3)
    assert done.log == "out\nerr"
    assert 0 < done.seconds < 10


def test_passes_input_however_long() -> None:
    """A tool that reads its input gets all of it; one that does not is not waited for."""
    text = "x" * 1_000_000
    assert process.run(["wc", "-c"], timeout=10, stdin=text).stdout.strip() == "1000000"
    assert process.run(["true"], timeout=10, stdin=text).exit_code == 0


def test_failure_names_the_tool_and_shows_its_last_lines() -> None:
    """The error says what failed and how, and carries the end of the log."""
    with pytest.raises(NotLookedError, match="checking the disk failed with exit code 7") as caught:
        process.run(["sh", "-c", "seq 100; exit 7"], timeout=10, what="checking the disk")
    assert caught.value.log.splitlines()[0] == "76"
    assert caught.value.log.splitlines()[-1] == "100"


def test_missing_tool_is_an_error_that_names_it() -> None:
    """A tool that is not installed could not look."""
    with pytest.raises(NotLookedError, match="cannot start no-such-tool"):
        process.run(["no-such-tool"], timeout=10)


def test_time_limit_ends_the_tool_and_its_children(tmp_path: Path) -> None:
    """A tool that hangs is stopped with everything it started, and what it said is kept."""
    file = tmp_path / "pid"
    with pytest.raises(NotLookedError, match=r"did not end within 0\.5 s") as caught:
        process.run(["sh", "-c", f"echo before; {FAMILY.format(file=file)}"], timeout=0.5)
    assert "before" in caught.value.log
    assert ended(file)


def test_tool_that_ignores_the_polite_signal_is_killed(tmp_path: Path) -> None:
    """SIGKILL follows SIGTERM."""
    file = tmp_path / "pid"
    script = f"trap '' TERM; echo $$ > {file}; while :; do sleep 0.1; done"
    began = time.monotonic()
    with pytest.raises(NotLookedError, match="did not end"):
        process.run(["sh", "-c", script], timeout=0.3)
    assert time.monotonic() - began < 0.3 + process.GRACE + 3
    assert ended(file)


def test_flood_keeps_its_end() -> None:
    """An endless log does not fill the memory: its last part is kept, and that is said."""
    done = process.run(["sh", "-c", "yes | head -c 40000000; echo the end"], timeout=60)
    assert done.truncated
    assert len(done.stdout) <= process.KEEP + process.CHUNK
    assert done.stdout.endswith("the end\n")


def test_stream_gives_output_and_reports_failure_at_its_end() -> None:
    """What was read before the tool failed is not mistaken for the whole."""
    with (
        pytest.raises(NotLookedError, match="failed with exit code 5") as caught,
        process.stream(["sh", "-c", "echo part; echo why >&2; exit 5"], timeout=10, what="reader") as pipe,
    ):
        assert pipe.read() == b"part\n"
    assert caught.value.log == "why"


def test_stream_explains_an_error_of_its_reader_by_the_tools_failure() -> None:
    """A parser that chokes on a cut-off stream is not the cause."""
    with (
        pytest.raises(NotLookedError, match="failed with exit code 5"),
        process.stream(["sh", "-c", "echo part; exit 5"], timeout=10) as pipe,
    ):
        raise ValueError(pipe.read())


def test_stream_is_bounded_in_time() -> None:
    """A tool that stops talking is ended, and the reader sees the end of the stream."""
    with (
        pytest.raises(NotLookedError, match="did not end within 0"),
        process.stream(["sh", "-c", "echo part; sleep 300"], timeout=0.5) as pipe,
    ):
        assert pipe.read() == b"part\n"


def test_leaving_a_stream_early_ends_the_tool() -> None:
    """An endless tool does not outlive its reader."""
    with contextlib.suppress(NotLookedError), process.stream(["yes"], timeout=60) as pipe:
        first = pipe.read(2)
    assert first == b"y\n"


def test_parallel_returns_results_in_order() -> None:
    """The slowest comes first if it stood first."""
    found = process.parallel(
        lambda seconds: process.run(
            ["sh", "-c", f"sleep {seconds}; echo {seconds}"], timeout=10
        ).stdout.strip(),
        ["0.3", "0.1", "0.2"],
        workers=3,
    )
    assert found == ["0.3", "0.1", "0.2"]


def test_failure_of_an_action_is_raised_as_it_is() -> None:
    """Whatever an action raises reaches the caller, also what the machinery itself could raise."""

    def fail(number: int) -> None:
        raise IndexError(number)

    with pytest.raises(IndexError, match="1"):
        process.parallel(fail, [1], workers=4)
    assert process.parallel(str, [], workers=4) == []


def test_first_failure_ends_the_siblings(tmp_path: Path) -> None:
    """One failed build does not let the others run to their end; it is the one that is reported."""
    file = tmp_path / "pid"
    began = time.monotonic()
    with pytest.raises(NotLookedError, match="exit code 9"):
        process.parallel(
            lambda script: process.run(["sh", "-c", script], timeout=300),
            [FAMILY.format(file=file), "sleep 0.5; exit 9"],
            workers=2,
        )
    assert time.monotonic() - began < 20
    assert ended(file)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_tools_of_threads_and_runs_clean_up(number: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C and SIGTERM during a parallel phase leave no tool, and `finally` blocks run."""
    pids = [tmp_path / "one", tmp_path / "two"]
    program = f"""
        from pathlib import Path
        from dockproof.collect import process
        scripts = {[FAMILY.format(file=file) for file in pids]!r}
        with process.interruptible():
            try:
                process.parallel(lambda script: process.run(["sh", "-c", script], timeout=300), scripts, 2)
            finally:
                with process.undisturbed():
                    process.run(["touch", {str(tmp_path / "cleaned")!r}], timeout=10)
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        stderr=subprocess.DEVNULL,
    )
    try:
        for file in pids:
            wait_for(file)
        child.send_signal(number)
        assert child.wait(20) != 0
    finally:
        child.kill()
        child.wait()
    assert all(ended(file) for file in pids)
    assert (tmp_path / "cleaned").exists()


def said_by(program: str) -> list[str]:
    """Run a program of a few lines and return the words that it prints."""
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


def test_signal_during_a_clean_up_is_obeyed_when_that_is_through() -> None:
    """It is neither lost nor does it cut the clean-up short, also where one stands in another."""
    program = """
        import os, signal
        from dockproof.collect.process import interruptible, undisturbed
        with interruptible():
            try:
                with undisturbed():
                    with undisturbed():
                        os.kill(os.getpid(), signal.SIGTERM)
                        print("inner")
                    print("outer")
            except KeyboardInterrupt:
                print("obeyed")
    """
    assert said_by(program) == ["inner", "outer", "obeyed"]


def test_signal_that_has_another_action_keeps_it() -> None:
    """Under `nohup` SIGHUP is ignored, and a program that pytest runs in may have a handler of its own."""
    program = """
        import os, signal
        from dockproof.collect.process import interruptible
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda number, frame: print("own"))
        with interruptible():
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    """
    assert said_by(program) == ["own", "own"]


def test_tools_of_a_dead_run_are_ended_and_no_others() -> None:
    """They are told by the variable that each tool of a run carries."""
    runs = [
        subprocess.Popen(["sleep", "60"], env={**os.environ, process.Home.VARIABLE: run})
        for run in ("dead", "living")
    ]
    try:
        process.end_all_of("dead")
        assert runs[0].wait(5) == -signal.SIGKILL
        assert runs[1].poll() is None
    finally:
        for each in runs:
            each.kill()
            each.wait()


def test_tools_live_where_the_run_does(tmp_path: Path) -> None:
    """Their temporary files lie in the run's folder, and go with it."""
    home = process.Home()
    assert home.environment == {}
    home.move("run", tmp_path)
    assert home.environment == {"DOCKPROOF_RUN": "run", "TMPDIR": str(tmp_path)}
    with home.temporary() as folder:
        assert Path(folder).parent == tmp_path
    assert list(tmp_path.iterdir()) == []
