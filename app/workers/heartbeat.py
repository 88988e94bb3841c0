"""The workers' sign of life, for healthcheck.py.

Each worker process keeps a file named for its process id: `MONOTONIC_SECONDS PARENT_PID ok`, or in place of
`ok` what is wrong. A process that is stopped or gone no longer refreshes its file. The monotonic clock is the
kernel's, so the probe, another process, can compare it, and no change of the wall clock can make it err.
"""

import logging
import os
import threading
import time
from pathlib import Path

from dramatiq import Broker, Middleware, Worker
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.worker import ConsumerThread

logger = logging.getLogger(__name__)

BEAT_SECONDS = 2.0
#: While something is wrong: the health check hears soon that a start or a reconnection has succeeded.
RETRY_SECONDS = 0.5


class Heartbeat(Middleware):
    """Starts the beat when a worker process has booted and ends it before the process's threads stop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._beat: _Beat | None = None

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Begin; dramatiq calls this in each process, when all its threads are started."""
        if not isinstance(broker, RabbitmqBroker):
            raise TypeError(f"the heartbeat asks RabbitMQ, and the broker is {type(broker).__name__}")
        self._beat = _Beat(self._folder, worker, broker)
        self._beat.start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """End: a process that is stopping on purpose is no failure to report."""
        if self._beat is not None:
            self._beat.stop()


class _Beat(threading.Thread):
    def __init__(self, folder: Path, worker: Worker, broker: RabbitmqBroker) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._file = folder / str(os.getpid())
        self._worker = worker
        self._broker = broker
        self._stopping = threading.Event()

    def run(self) -> None:
        while True:
            problem = dead_threads(self._worker) or self._silent_broker()
            try:
                self._write(problem or "ok")
            except OSError as error:
                logger.error("the heartbeat cannot be written: %s", error)  # noqa: TRY400 - the path says it all
            if self._stopping.wait(RETRY_SECONDS if problem else BEAT_SECONDS):
                self._file.unlink(missing_ok=True)
                return

    def stop(self) -> None:
        self._stopping.set()
        self.join(BEAT_SECONDS)

    def _silent_broker(self) -> str | None:
        """Ask RabbitMQ for the smallest answer there is, over a connection of this thread.

        A frozen broker gives none: the thread waits here, and the file grows old, which says the same.
        """
        try:
            self._broker.channel.basic_qos(prefetch_count=1)
        except Exception as error:  # noqa: BLE001 - whatever it is, the broker did not answer
            del self._broker.connection
            return f"RabbitMQ does not answer: {type(error).__name__}"
        return None

    def _write(self, condition: str) -> None:
        self._file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{time.monotonic():.1f} {os.getppid()} {condition}\n", encoding="utf-8")
        draft.replace(self._file)  # the probe never sees half a line


def dead_threads(worker: Worker) -> str | None:
    """Return what has died or is cut off in this worker, or None."""
    working = sum(thread.is_alive() for thread in worker.workers)
    if working < worker.worker_threads:
        return f"{worker.worker_threads - working} of {worker.worker_threads} worker threads are gone"
    if not worker.consumers:
        return "no queue is consumed"
    cut_off = [name for name, thread in sorted(worker.consumers.items()) if not _is_consuming(thread)]
    return f"no broker connection for queue {', '.join(cut_off)}" if cut_off else None


def _is_consuming(thread: ConsumerThread) -> bool:
    connection = getattr(thread.consumer, "connection", None)
    return thread.is_alive() and connection is not None and bool(connection.is_open)
