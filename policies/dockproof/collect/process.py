"""Start a tool, bounded in time, and leave no process of it behind.

Every tool runs in a session of its own, so that a signal reaches all of its children: at the time limit, at
Ctrl-C, and when a sibling of a parallel phase fails.
"""

from __future__ import annotations

import contextlib
import contextvars
import fcntl
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from pathlib import Path
from typing import IO, TYPE_CHECKING, Generic, TypeVar

from dockproof.errors import NotLookedError
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType

KEEP = 32 * 1024 * 1024
"""Bytes of a tool's output that are kept, its last ones: a flooded log must not fill the memory."""

TAIL_LINES = 25
"""Lines of a tool's output that an error shows."""

GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL for a tool that is stopped early."""

CHUNK = 64 * 1024

PIPE = 1024 * 1024
"""Bytes of the pipe of a stream."""

POLL = 0.02
"""Seconds between two looks at threads or at a tool that is being ended."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Completed(NamedTuple):
    """How a tool ended.

    Attributes:
        seconds: wall time.
        truncated: whether the output was longer than `KEEP` bytes and lost its beginning.
    """

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    seconds: float
    truncated: bool = False

    @property
    def log(self) -> str:
        """The last lines that it printed, those of standard error last."""
        return tail("\n".join(part.strip() for part in (self.stdout, self.stderr) if part.strip()))


def tail(text: str, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a text, each cut at 400 characters."""
    return "\n".join(line.rstrip()[:400] for line in text.rstrip().splitlines()[-lines:])


class Scope:
    """The tools of one phase: cancelling it ends them all, and lets none of its threads start another."""

    def __init__(self, parent: Scope | None = None) -> None:
        self._parent = parent
        self._lock = threading.Lock()
        self._live: set[subprocess.Popen[bytes]] = set()
        self._cancelled = False

    def given_up(self) -> bool:
        """Tell whether it, or a scope around it, was cancelled."""
        return self._cancelled or (self._parent is not None and self._parent.given_up())

    def add(self, process: subprocess.Popen[bytes]) -> None:
        """Count a tool in, here and in every scope around."""
        with self._lock:
            self._live.add(process)
        if self._parent:
            self._parent.add(process)

    def discard(self, process: subprocess.Popen[bytes]) -> None:
        """Count a tool out."""
        with self._lock:
            self._live.discard(process)
        if self._parent:
            self._parent.discard(process)

    def cancel(self) -> None:
        """End every tool of the scope."""
        self._cancelled = True
        with self._lock:
            live = list(self._live)
        for process in live:
            _signal(process, signal.SIGTERM)


class Home:
    """Where the tools of a run live: their temporary files have one folder, and each carries the run's name.

    So what a killed run leaves, its own next start finds: a folder, and processes by `ended`.
    """

    VARIABLE = "DOCKPROOF_RUN"

    def __init__(self) -> None:
        """Live nowhere: temporary files are the system's."""
        self.run = ""
        self.folder: Path | None = None

    def move(self, run: str = "", folder: Path | None = None) -> None:
        """Live elsewhere from now on."""
        self.run, self.folder = run, folder

    @property
    def environment(self) -> dict[str, str]:
        """What tools are told of it."""
        return {self.VARIABLE: self.run, "TMPDIR": str(self.folder)} if self.folder else {}

    def temporary(self) -> tempfile.TemporaryDirectory[str]:
        """Make a folder for a while; a context manager that removes it."""
        return tempfile.TemporaryDirectory(prefix="dockproof-", dir=self.folder)


home = Home()


def end_all_of(run: str) -> None:
    """Kill the tools that a run left, which must be dead itself; without a /proc they end by themselves."""
    mark = f"{Home.VARIABLE}={run}".encode()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it ended, or is another user's
            if mark in environment.read_bytes().split(b"\0"):
                os.kill(int(environment.parent.name), signal.SIGKILL)


_scope: contextvars.ContextVar[Scope] = contextvars.ContextVar("scope")
_everything = Scope()


class Cancelled(NotLookedError):  # noqa: N818 - it is no error of its own: a sibling failed first
    """A tool was ended, or not started, because its phase was given up."""


def run(
    argv: Sequence[str],
    *,
    timeout: float,
    stdin: str | IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    check: bool = True,
    what: str = "",
) -> Completed:
    """Run a tool to its end.

    Args:
        argv: the program and its arguments.
        timeout: seconds of wall time; then its whole process group is ended.
        stdin: text for its standard input, or an open file such as another tool's output; none = empty.
        env: variables on top of this process's own.
        cwd: working folder.
        check: whether an exit code other than 0 is an error.
        what: what it is run for, as "build api"; stands in the error. Default: the program's name.

    Raises:
        NotLookedError: it cannot be started, failed (with `check`) or did not end in time.
    """
    began = time.monotonic()
    name = what or os.path.basename(argv[0])  # noqa: PTH119 - text, not a path that is opened
    with _started(argv, stdin=stdin, env=env, cwd=cwd, stderr=subprocess.PIPE) as process:
        output, errors = _Drain(process.stdout), _Drain(process.stderr)
        if not _wait(process, timeout):
            _end(process)
            raise NotLookedError(
                f"{name} did not end within {timeout:g} s and was stopped", output.log(errors)
            )
        completed = Completed(
            tuple(argv),
            process.returncode,
            output.text(),
            errors.text(),
            time.monotonic() - began,
            output.truncated or errors.truncated,
        )
    if _scope.get(_everything).given_up():
        raise Cancelled(f"{name} was stopped: the run was given up", completed.log)
    if check and completed.exit_code:
        raise NotLookedError(f"{name} failed with exit code {completed.exit_code}", completed.log)
    return completed


@contextlib.contextmanager
def stream(argv: Sequence[str], *, timeout: float, what: str = "") -> Iterator[IO[bytes]]:
    """Run a tool and read its standard output as it comes.

    Leaving the block early ends the tool. Its failure is raised at the end of the block, in place of whatever
    error the cut-off output caused inside.

    Raises:
        NotLookedError: it cannot be started, failed, or did not end in time.
    """
    name = what or argv[0]
    with tempfile.TemporaryFile() as errors, _started(argv, stderr=errors) as process:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        _widen(process.stdout)
        watchdog = _Watchdog(process, timeout)
        try:
            yield process.stdout
            finished = _wait(process, GRACE)
        except Exception as error:
            if _wait(process, GRACE) and process.returncode:
                raise _failure(name, process, errors, watchdog) from error
            raise
        finally:
            watchdog.cancel()
        if not finished or process.returncode:
            raise _failure(name, process, errors, watchdog)


def _widen(pipe: IO[bytes]) -> None:
    """Let writer and reader wait for each other less often, where the system has room for it (Linux)."""
    number = getattr(fcntl, "F_SETPIPE_SZ", None)
    if number is not None:
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, number, PIPE)


class _Watchdog:
    """Ends a tool when its time is up."""

    def __init__(self, process: subprocess.Popen[bytes], timeout: float) -> None:
        self.timeout = timeout
        self.fired = False
        self._process = process
        self._timer = threading.Timer(timeout, self._fire)
        self._timer.daemon = True
        self._timer.start()

    def _fire(self) -> None:
        self.fired = True
        _signal(self._process, signal.SIGKILL)

    def cancel(self) -> None:
        """Let the tool live; its time no longer matters."""
        self._timer.cancel()


def _failure(
    name: str, process: subprocess.Popen[bytes], errors: IO[bytes], watchdog: _Watchdog
) -> NotLookedError:
    _end(process)
    errors.seek(0, os.SEEK_END)
    errors.seek(max(0, errors.tell() - CHUNK))
    log = tail(errors.read().decode("utf-8", "replace"))
    if watchdog.fired:
        return NotLookedError(f"{name} did not end within {watchdog.timeout:g} s and was stopped", log)
    return NotLookedError(f"{name} failed with exit code {process.returncode}", log)


def parallel(action: Callable[[Item], Result], items: Sequence[Item], workers: int) -> list[Result]:
    """Do an action for each item in threads and return the results in order.

    The first failure, or Ctrl-C, ends the tools of the others and is raised. The waiting thread sleeps instead of
    waiting for a lock: Ctrl-C may strike between any two steps, and must never strike a holder of what the
    others need.
    """
    crew = _Crew(action, items, Scope(_scope.get(_everything)))
    threads = [threading.Thread(target=crew.work) for _ in range(max(1, min(workers, len(items))))]
    try:
        for thread in threads:
            thread.start()
        while not crew.errors and any(thread.is_alive() for thread in threads):
            time.sleep(POLL)
    finally:
        with undisturbed():
            crew.stop()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
    if crew.errors:
        raise crew.errors[0]
    return [crew.results[number] for number in range(len(items))]


class _Crew(Generic[Item, Result]):
    """What the threads of `parallel` share."""

    def __init__(self, action: Callable[[Item], Result], items: Sequence[Item], scope: Scope) -> None:
        self.results: dict[int, Result] = {}
        self.errors: list[BaseException] = []
        self._action, self._scope = action, scope
        self._expected = len(items)
        self._todo = deque(enumerate(items))

    def work(self) -> None:
        """Do one item after the other until none is left or somebody failed."""
        while self._todo and not self.errors:
            try:
                number, item = self._todo.popleft()
            except IndexError:  # another thread was faster
                return
            self._do(number, item)

    def _do(self, number: int, item: Item) -> None:
        try:
            with within(self._scope):
                self.results[number] = self._action(item)
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is waited for
            self.errors.append(error)

    def stop(self) -> None:
        """Give up what is not done yet."""
        if len(self.results) < self._expected:
            self._todo.clear()
            self._scope.cancel()


@contextlib.contextmanager
def within(scope: Scope) -> Iterator[None]:
    """Count the tools that this thread starts in the block to a scope."""
    token = _scope.set(scope)
    try:
        yield
    finally:
        _scope.reset(token)


def pause(seconds: float) -> None:
    """Wait between two looks at something.

    Raises:
        Cancelled: the phase was given up.
    """
    time.sleep(seconds)
    if _scope.get(_everything).given_up():
        raise Cancelled("the run was given up")


_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Make SIGTERM and SIGHUP end the program as Ctrl-C does, so that clean-up runs; main thread only.

    What has another action than to end the program at once keeps it: `nohup` has SIGHUP ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    taken = [number for number in _ENDS[1:] if signal.getsignal(number) == signal.SIG_DFL]
    for number in taken:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Let Ctrl-C, and what `interruptible` makes of one, wait until a clean-up is through; main thread only.

    The block must be bounded.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = {number: signal.signal(number, lambda number, _: held.append(number)) for number in _ENDS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for first in held[:1]:
            signal.raise_signal(first)


@contextlib.contextmanager
def _started(
    argv: Sequence[str],
    *,
    stderr: int | IO[bytes],
    stdin: str | IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a tool; whatever happens inside the block, it has ended afterwards."""
    scope = _scope.get(_everything)
    if scope.given_up():
        raise Cancelled(f"{argv[0]} was not started: the run was given up")
    with _input(stdin) as source:
        process = _popen(argv, source, stderr, env, cwd)
        scope.add(process)
        try:
            if scope.given_up():
                _signal(process, signal.SIGTERM)
            yield process
        finally:
            _end(process)
            scope.discard(process)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


@contextlib.contextmanager
def _input(text: str | IO[bytes] | None) -> Iterator[int | IO[bytes]]:
    """Offer a text as a file: unlike a pipe it cannot block when the tool does not read it."""
    if not isinstance(text, str):
        yield subprocess.DEVNULL if text is None else text
        return
    with tempfile.TemporaryFile() as file:
        file.write(text.encode())
        file.seek(0)
        yield file


def _popen(
    argv: Sequence[str],
    stdin: int | IO[bytes],
    stderr: int | IO[bytes],
    env: Mapping[str, str] | None,
    cwd: str | os.PathLike[str] | None,
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(argv),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, **home.environment, **(env or {})},
            cwd=cwd,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise NotLookedError(f"cannot start {argv[0]}: {error}") from error


def _wait(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal a tool with all its children, while its pid is surely its own (not yet waited for)."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a tool that still runs and all its children: ask, wait a little, then kill.

    The leader is looked at without being waited for, so that its pid names the group until the kill.
    """
    if process.poll() is not None:
        return
    _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while os.waitid(os.P_PID, process.pid, flags) is None and time.monotonic() < deadline:
        time.sleep(POLL)
    _signal(process, signal.SIGKILL)
    process.wait()


class _Drain:
    """Reads a pipe to its end in a thread and keeps the last `KEEP` bytes."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        assert pipe is not None  # noqa: S101 - a pipe was asked for
        self._pipe = pipe
        self._chunks: deque[bytes] = deque()
        self._kept = 0
        self.truncated = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(ValueError, OSError):  # closed under our hands after a kill
            while chunk := os.read(self._pipe.fileno(), CHUNK):
                self._chunks.append(chunk)
                self._kept += len(chunk)
                while self._kept > KEEP:
                    self._kept -= len(self._chunks.popleft())
                    self.truncated = True

    def text(self) -> str:
        """Return what was read; waits a moment for the rest, which a surviving grandchild may withhold."""
        self._thread.join(GRACE)
        return b"".join(self._chunks).decode("utf-8", "replace")

    def log(self, errors: _Drain) -> str:
        """Return the last lines of this pipe and of the one for errors."""
        return tail(self.text() + "\n" + errors.text())
