"""The outbox: articles that wait for the worker are handed to RabbitMQ from their rows.

Saving an article writes its row and nothing else, so a broker that is down neither loses an article nor makes
its reader wait. One thread of each API process publishes what is due. A message that was lost after all (a
broker wiped, a process killed between claim and publish) is published again later; the actor processes an
article once.
"""

import logging
import threading
from uuid import UUID

from dramatiq import BrokerConnectionError
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from pika.exceptions import AMQPError  # type: ignore[import-untyped]
from sqlalchemy import Interval, cast, func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from app.broker import article_message
from app.cache import Cache
from app.health import reason
from app.library import LISTS, scope_of
from app.models import Article, Status

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 3.0
BATCH = 100
#: The wait before the first repetition; it doubles with each delivery. Ten deliveries span 17 hours.
REPEAT_SECONDS = 60
MAX_DELIVERIES = 10


class Outbox(threading.Thread):
    """Publishes what is due: at once after `wake`, and every few seconds."""

    def __init__(self, sessions: sessionmaker[Session], broker: RabbitmqBroker, cache: Cache) -> None:
        # A daemon: a broker that holds a publish must not hold the process when it stops; the rows remain.
        super().__init__(name="outbox", daemon=True)
        self._sessions = sessions
        self._broker = broker
        self._cache = cache
        self._due = threading.Event()
        self._stopping = False

    def wake(self) -> None:
        """Publish now, in the background."""
        self._due.set()

    def stop(self, timeout: float) -> None:
        """Stop after the message in hand; wait at most `timeout` seconds for it."""
        self._stopping = True
        self._due.set()
        self.join(timeout)

    def run(self) -> None:
        """Sweep until stopped; a database or broker that is away is tried again at the next sweep."""
        while not self._stopping:
            self._due.clear()
            try:
                while self.sweep() == BATCH and not self._stopping:
                    pass
                # Between publishes nothing else would answer RabbitMQ's heartbeats.
                self._broker.connection.process_data_events(0)
            except (SQLAlchemyError, BrokerConnectionError, AMQPError, OSError) as error:
                self._forget_connection()
                logger.warning("nothing can be published now: %s", reason(error))
            except Exception:
                logger.exception("the outbox met what it does not know, and goes on")
            self._due.wait(SWEEP_SECONDS)

    def sweep(self) -> int:
        """Publish one batch of what is due and return how many articles it had.

        Raises:
            BrokerConnectionError: The broker is away; what was claimed and not published is due again.
        """
        self._give_up()
        claimed = self._claim()
        for position, article_id in enumerate(claimed):
            try:
                self._broker.enqueue(article_message(article_id))
            except BaseException:
                self._release(claimed[position:])
                raise
        return len(claimed)

    def _claim(self) -> list[UUID]:
        """Take what is due, and make it due again later whatever happens; SKIP LOCKED shares it out."""
        due = (
            select(Article.id)
            .where(Article.publish_at <= func.now())
            .order_by(Article.publish_at)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
        again = func.now() + cast(f"{REPEAT_SECONDS} seconds", Interval) * func.power(2, Article.deliveries)
        with self._sessions.begin() as session:
            claim = (
                update(Article)
                .where(Article.id.in_(due.scalar_subquery()))
                .values(publish_at=again, deliveries=Article.deliveries + 1)
                .returning(Article.id)
            )
            return list(session.scalars(claim, execution_options={"synchronize_session": False}))

    def _give_up(self) -> None:
        """Fail what is due and was delivered so often that nothing better can be hoped for."""
        hopeless = (Article.publish_at <= func.now()) & (Article.deliveries >= MAX_DELIVERIES)
        failed = {
            "status": Status.FAILED,
            "error": f"not processed after {MAX_DELIVERIES} deliveries",
            "publish_at": None,
        }
        with self._sessions.begin() as session:
            give_up = update(Article).where(hopeless).values(failed).returning(Article.id)
            failed_ids = list(session.scalars(give_up, execution_options={"synchronize_session": False}))
        if failed_ids:
            self._cache.drop(LISTS, *map(scope_of, failed_ids))

    def _release(self, article_ids: list[UUID]) -> None:
        with self._sessions.begin() as session:
            session.execute(
                update(Article)
                .where(Article.id.in_(article_ids), Article.status == Status.PENDING)
                .values(publish_at=func.now(), deliveries=func.greatest(Article.deliveries - 1, 0)),
                execution_options={"synchronize_session": False},
            )

    def _forget_connection(self) -> None:
        # dramatiq keeps this thread's connection until told that it is of no more use.
        del self._broker.connection
