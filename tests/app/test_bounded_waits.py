"""Dead and frozen services, played by real sockets: one refuses, one accepts and says nothing."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import pytest
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.broker import bounded_url
from app.cache import PAUSE_SECONDS, Cache, connect
from app.database import make_engine
from app.health import Services, ask_rabbitmq
from app.settings import Settings
from tests.app.harness import free_port


class Answer(BaseModel):
    """What the cache holds here."""

    number: int


@pytest.fixture
def frozen() -> Iterator[str]:
    """The address of a server that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def settings_at(address: str) -> Settings:
    """Return settings with every service at this address."""
    values: dict[str, Any] = {
        "database_url": f"postgresql+psycopg://app@{address}/app",
        "rabbitmq_url": f"amqp://app:app@{address}/%2F",
        "redis_url": f"redis://{address}/0",
    }
    return Settings(**values)


def test_cache_loads_when_redis_refuses() -> None:
    """A dead Redis costs no answer."""
    cache = Cache(connect(settings_at(f"127.0.0.1:{free_port()}")), ttl=30)
    assert cache.get_or_load("scope", "key", Answer, lambda: Answer(number=1)) == Answer(number=1)
    cache.drop("scope")


def test_cache_pays_frozen_redis_once(frozen: str) -> None:
    """A frozen Redis costs one bounded wait, and then none until the pause is over."""
    cache = Cache(connect(settings_at(frozen)), ttl=30)
    begin = time.monotonic()
    for number in range(20):
        assert cache.get_or_load("scope", "key", Answer, lambda n=number: Answer(number=n)).number == number  # type: ignore[misc]
    assert time.monotonic() - begin < min(2.0, PAUSE_SECONDS)


def test_cache_lets_loader_fail() -> None:
    """What the loader raises is the caller's to know."""
    cache = Cache(connect(settings_at(f"127.0.0.1:{free_port()}")), ttl=30)

    def fail() -> Answer:
        raise LookupError("none")

    with pytest.raises(LookupError):
        cache.get_or_load("scope", "key", Answer, fail)


def test_database_gives_up_on_frozen_server(frozen: str) -> None:
    """A server that never says hello is an error within seconds."""
    engine = make_engine(settings_at(frozen))
    begin = time.monotonic()
    with pytest.raises(OperationalError), engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    assert time.monotonic() - begin < 5
    engine.dispose()


def test_readiness_asks_all_at_once_and_names_the_slow_one(frozen: str) -> None:
    """Each question has its own bounded wait, and they run side by side."""
    url = settings_at(frozen).rabbitmq_url.get_secret_value()
    checks = {name: lambda: ask_rabbitmq(url) for name in ("one", "two", "three")}
    begin = time.monotonic()
    readiness = anyio.run(Services(checks | {"good": lambda: None}).ask)
    assert time.monotonic() - begin < 5  # the threads that are left behind end by pika's own limits
    assert readiness.status == "not ready"
    assert readiness.services["good"] == "ok"
    assert {readiness.services[name] for name in checks} == {"no answer within 2 s"}


def test_broker_url_keeps_what_it_says() -> None:
    """Limits are added to the URL; one that it gives stays."""
    url = bounded_url("amqp://u:p@mq:5672/%2F?heartbeat=60")
    assert url.startswith("amqp://u:p@mq:5672/%2F?")
    assert "heartbeat=60" in url
    assert "socket_timeout=" in url


def test_process_lives_without_services(lonely_api: httpx.Client) -> None:
    """/health answers for the process alone."""
    answer = lonely_api.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


def test_readiness_names_every_dead_service(lonely_api: httpx.Client) -> None:
    """/health/ready says 503, with a reason beside each service."""
    answer = lonely_api.get("/health/ready")
    assert answer.status_code == 503
    services = answer.json()["services"]
    assert set(services) == {"postgresql", "redis", "rabbitmq"}
    assert all("refused" in why.lower() for why in services.values()), services


def test_saving_without_database_is_refused_in_time(lonely_api: httpx.Client) -> None:
    """An article that cannot be stored is not acknowledged."""
    begin = time.monotonic()
    answer = lonely_api.post("/articles", json={"title": "t", "text": "x"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert time.monotonic() - begin < 5
