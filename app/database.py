"""The database: how it is reached, and how long anything may take."""

from typing import Any

import psycopg
from psycopg import errors
from psycopg.abc import RV, PQGen
from sqlalchemy import Dialect, Engine, create_engine, event
from sqlalchemy.orm import Session, sessionmaker

from app.settings import Settings

CONNECT_SECONDS = 2
STATEMENT_SECONDS = 4


class _BoundedConnection(psycopg.Connection[Any]):
    """A connection that gives up on a server which holds the socket open and says nothing (frozen, cut off).

    The server's own statement_timeout cannot help then, and psycopg would wait for ever.
    """

    answer_seconds: float = STATEMENT_SECONDS + 1

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.answer_seconds)
        except errors._WaitTimeout:  # noqa: SLF001 - the documented exception of this method has no public name
            self.pgconn.finish()  # marks it as closed, so that the pool drops it
            message = f"PostgreSQL gave no answer within {self.answer_seconds:g} s"
            raise psycopg.OperationalError(message) from None


def make_engine(settings: Settings, *, statement_seconds: int = STATEMENT_SECONDS) -> Engine:
    """Build the engine; it connects at the first use.

    Every wait is bounded: 2 s for a connection of the pool, 2 s to connect, 3 s for a lock, 4 s for a
    statement, and 1 s over that for a server that does not keep to it.
    """
    engine = create_engine(
        settings.database_url.get_secret_value(),
        pool_size=10,
        max_overflow=5,
        pool_timeout=2,
        pool_pre_ping=True,
        pool_recycle=1800,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "options": f"-c statement_timeout={statement_seconds}s -c lock_timeout=3s",
            "application_name": "reading-app",
        },
    )

    def connect(_: Dialect, __: object, args: tuple[Any, ...], named: dict[str, Any]) -> _BoundedConnection:
        connection = _BoundedConnection.connect(*args, **named)
        connection.answer_seconds = statement_seconds + 1
        return connection

    event.listen(engine, "do_connect", connect)
    return engine


def make_sessions(settings: Settings) -> sessionmaker[Session]:
    """Build the factory of sessions on an engine of its own."""
    return sessionmaker(make_engine(settings), expire_on_commit=False)
