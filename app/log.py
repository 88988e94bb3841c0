"""Logs: one JSON object a line on standard output."""

import json
import logging
import sys
from datetime import UTC, datetime


class _JsonFormatter(logging.Formatter):
    """Writes time, level, logger, process, message and, where there is one, the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


class _NotAHealthProbe(logging.Filter):
    """Drops the access lines of /health: a probe every few seconds would bury the rest."""

    def filter(self, record: logging.LogRecord) -> bool:
        return '"GET /health HTTP' not in record.getMessage()


def configure_logging(level: str) -> None:
    """Send every logger's records of this level and above to standard output, as it is at this moment."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in ("uvicorn", "uvicorn.access", "uvicorn.error"):
        # uvicorn started from its own command line has given these handlers of their own.
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").addFilter(_NotAHealthProbe())
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # it logs a traceback for each refused connection
