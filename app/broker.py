"""The queue: how RabbitMQ is reached, and the one message that goes through it."""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID

from dramatiq import Message, Middleware
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from app.settings import Settings

QUEUE = "articles"
ACTOR = "process_article"

#: pika's limits, in seconds: a dead or blocked broker is noticed, not waited for. The URL may say otherwise.
_BOUNDS = {
    "heartbeat": "10",
    "blocked_connection_timeout": "5",
    "socket_timeout": "2",
    "stack_timeout": "3",
    "connection_attempts": "1",
}


def bounded_url(url: str) -> str:
    """Return the AMQP URL with a limit for every wait."""
    parts = urlsplit(url)
    query = _BOUNDS | dict(parse_qsl(parts.query, keep_blank_values=True))
    return urlunsplit(parts._replace(query=urlencode(query)))


def make_broker(settings: Settings, middleware: list[Middleware]) -> RabbitmqBroker:
    """Build the broker; it connects at the first use. RabbitMQ confirms every message that it takes."""
    url = bounded_url(settings.rabbitmq_url.get_secret_value())
    return RabbitmqBroker(url=url, confirm_delivery=True, middleware=middleware)


def article_message(article_id: UUID) -> "Message[None]":
    """Build the message that asks a worker to process the article."""
    return Message(queue_name=QUEUE, actor_name=ACTOR, args=(str(article_id),), kwargs={}, options={})
