from collections.abc import Iterator

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker

from app.workers.heartbeat import Heartbeat, dead_threads
from tests.app.harness import eventually


@pytest.fixture
def worker() -> Iterator[dramatiq.Worker]:
    """A real worker with two threads and a queue, on dramatiq's broker in memory."""
    broker = StubBroker()
    broker.declare_queue("articles")
    worker = dramatiq.Worker(broker, worker_timeout=50, worker_threads=2)
    worker.start()
    yield worker
    worker.stop(timeout=5_000)


def test_sees_missing_broker_connection(worker: dramatiq.Worker) -> None:
    """A consumer without an open connection to a broker is named by its queue."""
    assert dead_threads(worker) == "no broker connection for queue articles, articles.DQ"


def test_sees_dead_worker_thread(worker: dramatiq.Worker) -> None:
    """Worker threads that ended are counted."""
    thread = worker.workers[0]
    thread.stop()
    eventually(lambda: not thread.is_alive(), "the thread ends")
    assert dead_threads(worker) == "1 of 2 worker threads are gone"


def test_sees_worker_without_queue() -> None:
    """A worker that consumes nothing does no work."""
    worker = dramatiq.Worker(StubBroker(), worker_timeout=50, worker_threads=1)
    worker.start()
    assert dead_threads(worker) == "no queue is consumed"
    worker.stop(timeout=5_000)


def test_refuses_broker_it_cannot_ask(worker: dramatiq.Worker, tmp_path: object) -> None:
    """The heartbeat of a broker that it cannot ask would prove nothing."""
    with pytest.raises(TypeError, match="StubBroker"):
        Heartbeat(tmp_path).after_worker_boot(worker.broker, worker)  # type: ignore[arg-type]
