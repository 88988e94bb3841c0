"""Bring the database's schema up to date: `python -m app.migrate`. Two at once are safe: one waits."""

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.exc import SQLAlchemyError

from app.health import reason
from app.log import configure_logging
from app.settings import SettingsError, load_settings


def main() -> int:
    """Migrate to the newest revision; return 1 where the database refuses, 2 where a setting is wrong."""
    try:
        configure_logging(load_settings().log_level)
        command.upgrade(Config(Path(__file__).with_name("alembic.ini")), "head")
    except SettingsError as error:
        return _fail(str(error), 2)
    except SQLAlchemyError as error:
        return _fail(reason(error), 1)
    return 0


def _fail(message: str, code: int) -> int:
    print(f"app.migrate: {message}", file=sys.stderr)  # noqa: T201 - the answer of a command
    return code


if __name__ == "__main__":
    sys.exit(main())
