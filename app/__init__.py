"""The reading-app backend: a FastAPI service and Dramatiq workers over PostgreSQL, RabbitMQ and Redis."""

__version__ = "0.1.0"
