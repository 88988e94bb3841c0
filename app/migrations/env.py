"""Runs the migrations in one transaction, under a lock that lets one migration run at a time."""

from alembic import context
from sqlalchemy import text

from app.database import make_engine
from app.models import Base
from app.settings import load_settings

#: Any number, the same for every run.
_LOCK = 7_216_150_001
_STATEMENT_SECONDS = 300


def _migrate() -> None:
    engine = make_engine(load_settings(), statement_seconds=_STATEMENT_SECONDS)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata)
        with context.begin_transaction():
            # Held to the transaction's end, and taken before the schema's revision is read.
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            context.run_migrations()
    engine.dispose()


if context.is_offline_mode():
    context.configure(dialect_name="postgresql", target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    _migrate()
