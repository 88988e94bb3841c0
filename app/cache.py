"""The cache of what readers ask for: entries live in Redis for seconds, and a dead Redis only slows.

Every entry belongs to a scope ("articles", or one article). A scope's generation, a random token in Redis, is
part of the entry's key. Dropping the token forgets all entries of the scope at once, and a slow reader that
stores an old answer after a writer's drop stores it under a token that nobody asks for any more.

While Redis is away from one process and at hand for another, a read can be stale, but never for longer than
the entries' time to live.
"""

import logging
import time
from collections.abc import Callable
from typing import TypeVar, cast
from uuid import uuid4

import redis
from pydantic import BaseModel, ValidationError
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.settings import Settings

Model = TypeVar("Model", bound=BaseModel)
Answer = TypeVar("Answer")

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 0.5
#: After a failure Redis is left alone for this long, so that at most one request in it pays the wait.
PAUSE_SECONDS = 5.0
#: Far over any entry's time to live: a token may only go when its entries have.
_GENERATION_SECONDS = 86_400


def connect(settings: Settings) -> "redis.Redis":
    """Build a client that connects at its first command; no wait is over half a second, none is repeated."""
    return redis.Redis.from_url(
        settings.redis_url.get_secret_value(),
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=30,
    )


class Cache:
    """Answers from Redis where it can, from the loader where it cannot."""

    def __init__(self, client: "redis.Redis", ttl: int) -> None:
        self._client = client
        self._ttl = ttl
        self._paused_until = 0.0

    def get_or_load(self, scope: str, key: str, model: type[Model], load: Callable[[], Model]) -> Model:
        """Return the entry, or load and keep it; what the loader raises passes through and is not kept."""
        generation = self._generation(scope)
        name = f"{scope}:{generation}:{key}"
        found = self._try(lambda: self._client.get(name)) if generation else None
        if isinstance(found, bytes):
            try:
                return model.model_validate_json(found)
            except ValidationError:
                logger.info("entry %s is of another version of the app", name)
        loaded = load()
        if generation:
            self._try(lambda: self._client.set(name, loaded.model_dump_json(), ex=self._ttl))
        return loaded

    def drop(self, *scopes: str) -> None:
        """Forget every entry of the scopes."""
        self._try(lambda: self._client.delete(*map(_generation_name, scopes)))

    def _generation(self, scope: str) -> str | None:
        """Return the scope's token, a new one where there is none; None without Redis."""
        fresh = uuid4().hex
        found = self._try(
            lambda: (
                self._client.set(_generation_name(scope), fresh, nx=True, get=True, ex=_GENERATION_SECONDS)
                or fresh
            )
        )
        return found.decode() if isinstance(found, bytes) else cast("str | None", found)

    def _try(self, command: Callable[[], Answer]) -> Answer | None:
        if time.monotonic() < self._paused_until:
            return None
        try:
            return command()
        except redis.RedisError as error:
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            logger.warning("Redis does not answer, going on without it: %s", error)
            return None


def _generation_name(scope: str) -> str:
    return f"{scope}:generation"
