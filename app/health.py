"""Readiness: does each service that the API needs answer, within a bounded wait?"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

import anyio
import anyio.to_thread
import pika  # type: ignore[import-untyped]
import redis
from pydantic import BaseModel
from sqlalchemy import Engine, text

from app.broker import bounded_url

ANSWER_SECONDS = 2.0


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    """Each service by name: `ok`, or why it failed."""

    status: Literal["ready", "not ready"]
    services: dict[str, str]


class Services:
    """The services to ask, each by a function that returns if it answers and raises if it does not.

    The functions block, so each runs in a thread; one that overstays is left behind, and its limiter keeps at
    most two threads at one dead service.
    """

    def __init__(self, checks: Mapping[str, Callable[[], object]]) -> None:
        self._checks = {name: (check, anyio.CapacityLimiter(2)) for name, check in checks.items()}

    async def ask(self) -> Readiness:
        """Ask all at once."""
        answers = await asyncio.gather(*(self._ask_one(*pair) for pair in self._checks.values()))
        services = dict(zip(self._checks, answers, strict=True))
        ready = all(answer == "ok" for answer in answers)
        return Readiness(status="ready" if ready else "not ready", services=services)

    async def _ask_one(self, check: Callable[[], object], limiter: anyio.CapacityLimiter) -> str:
        try:
            with anyio.fail_after(ANSWER_SECONDS):
                await anyio.to_thread.run_sync(check, abandon_on_cancel=True, limiter=limiter)
        except TimeoutError:
            return f"no answer within {ANSWER_SECONDS:g} s"
        except Exception as error:  # noqa: BLE001 - whatever a client raises, the service did not answer
            return reason(error)
        return "ok"


def reason(error: BaseException) -> str:
    """Say in one line why: class and first line of the innermost cause (clients wrap, some say nothing)."""
    while error.__cause__ is not None:
        error = error.__cause__
    name = type(error).__name__
    line = (str(error).strip() or repr(error)).splitlines()[0]
    return line if line.startswith(name) else f"{name}: {line}"


def ask_postgresql(engine: Engine) -> None:
    """Run the smallest query."""
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))


def ask_rabbitmq(url: str) -> None:
    """Log in and out again."""
    pika.BlockingConnection(pika.URLParameters(bounded_url(url))).close()


def services_of(engine: Engine, cache: redis.Redis, rabbitmq_url: str) -> Services:
    """Build the questions to the three services."""
    return Services(
        {
            "postgresql": partial(ask_postgresql, engine),
            "redis": cache.ping,
            "rabbitmq": partial(ask_rabbitmq, rabbitmq_url),
        }
    )
