"""The database: how it is reached, and how long anything may take."""

import time
from collections.abc import Generator
from typing import Any

import psycopg
from psycopg.abc import PQGen, RV
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session, sessionmaker

from app.settings import Settings

CONNECT_SECONDS = 2
STATEMENT_SECONDS = 5
#: Over the statement's limit: the server gets to say itself that a statement took too long.
ANSWER_SECONDS = STATEMENT_SECONDS + 2


class _BoundedConnection(psycopg.Connection[Any]):
    """A connection that gives up on a server which holds the socket open and says nothing (stopped, cut off).

    The server's own statement_timeout cannot help then, and libpq waits for ever.
    """

    def wait(self, gen: PQGen[RV], interval: float = 0.1) -> RV:
        return super().wait(self._until_deadline(gen), interval)

    def _until_deadline(self, gen: PQGen[RV]) -> Generator[Any, Any, RV]:
        """Pass everything through; psycopg sends a falsy value whenever an interval went by without an event."""
        deadline = time.monotonic() + ANSWER_SECONDS
        try:
            state = next(gen)
            while True:
                ready = yield state
                if not ready and time.monotonic() > deadline:
                    self.pgconn.finish()  # marks it as closed, so that the pool drops it
                    raise psycopg.OperationalError(f"PostgreSQL gave no answer within {ANSWER_SECONDS} s")
                state = gen.send(ready)
        except StopIteration as stop:
            value: RV = stop.value
            return value


def make_engine(settings: Settings, *, statement_seconds: int = STATEMENT_SECONDS) -> Engine:
    """Build the engine; it connects at the first use.

    Every wait is bounded: 2 s for a connection of the pool, 2 s to connect, 3 s for a lock, 5 s for a statement.
    """
    url = make_url(settings.database_url.get_secret_value())
    options = f"-c statement_timeout={statement_seconds}s -c lock_timeout=3s"

    def connect() -> psycopg.Connection[Any]:
        arguments = url.translate_connect_args(username="user", database="dbname") | dict(url.query)
        bounds = {"connect_timeout": CONNECT_SECONDS, "options": options, "application_name": "reading-app"}
        return _BoundedConnection.connect(**(bounds | arguments))

    return create_engine(
        url,
        creator=connect,
        pool_size=10,
        max_overflow=5,
        pool_timeout=2,
        pool_pre_ping=True,
        pool_recycle=1800,
    )


def make_sessions(settings: Settings) -> sessionmaker[Session]:
    """Build the factory of sessions on an engine of its own."""
    return sessionmaker(make_engine(settings), expire_on_commit=False)
