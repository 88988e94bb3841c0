"""The actors: `dramatiq app.workers.tasks`. Each worker process imports this module once."""

from uuid import UUID

import dramatiq
from dramatiq.middleware import AgeLimit, Retries, TimeLimit
from sqlalchemy import func, select

from app.analysis import NothingToReadError, analyse
from app.broker import ACTOR, QUEUE, make_broker
from app.cache import Cache, connect
from app.database import make_sessions
from app.library import LISTS, scope_of
from app.log import configure_logging
from app.models import Article, Status
from app.settings import load_settings
from app.workers.heartbeat import Heartbeat

_settings = load_settings()
configure_logging(_settings.log_level)
broker = make_broker(_settings, [AgeLimit(), TimeLimit(), Retries(), Heartbeat(_settings.heartbeat_dir)])
dramatiq.set_broker(broker)
sessions = make_sessions(_settings)
cache = Cache(connect(_settings), _settings.cache_ttl)


@dramatiq.actor(
    actor_name=ACTOR,
    queue_name=QUEUE,
    max_retries=5,
    min_backoff=1_000,
    max_backoff=30_000,
    time_limit=30_000,
)
def process_article(article_id: str) -> None:
    """Compute what the article shows beside its text.

    A message may come twice. The row is locked while it is worked on, and only one without a result is, so
    there is one result. Retries are for a database that is away; after them the outbox delivers anew, more
    slowly. An article that the outbox gave up is still done when its message comes after all.
    """
    with sessions.begin() as session:
        open_ = select(Article).where(Article.id == UUID(article_id), Article.processed_at.is_(None))
        article = session.scalar(open_.with_for_update())
        if article is None:
            return
        _fill_in(article)
    cache.drop(LISTS, scope_of(article.id))


def _fill_in(article: Article) -> None:
    try:
        found = analyse(article.text or article.url or "")
    except NothingToReadError as error:
        article.status, article.error = Status.FAILED, str(error)
    else:
        article.status, article.error = Status.PROCESSED, None
        article.word_count, article.reading_minutes = found.word_count, found.reading_minutes
        article.excerpt = found.excerpt
    article.processed_at = func.now()
    article.publish_at = None
