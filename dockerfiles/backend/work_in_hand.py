"""The gate's work for a worker that is about to be stopped: each article must be processed once, whoever does it.

It runs in a container of the worker's image (compose.yaml, `x-dockproof: stop`), which holds the app and its settings.
The rows of some articles are locked and their messages sent; a worker then waits for the lock, task in hand. Once
PostgreSQL shows that the container to be stopped does, `in hand` is printed, and the locks are let go a second later:
in the middle of the stop. A trigger counts how often each article gets a result.
"""  # noqa: INP001 - a script of the gate, no package

import os
import sys
import time
from collections.abc import Sequence
from uuid import UUID, uuid4

from sqlalchemy import bindparam, func, select, text
from sqlalchemy.orm import Session, sessionmaker

from app.broker import article_message, make_broker
from app.database import make_sessions
from app.models import Article
from app.settings import load_settings

ARTICLES = 24
ROUNDS = 5
#: Under the three seconds that the app waits for a lock.
TAKE_SECONDS = 1.5
HOLD_SECONDS = 1.0
DONE_SECONDS = 40.0

_COUNTER = """
CREATE TABLE {name} (article uuid NOT NULL);
CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN INSERT INTO {name} VALUES (NEW.id); RETURN NULL; END $$;
CREATE TRIGGER {name} AFTER UPDATE OF processed_at ON articles
    FOR EACH ROW WHEN (NEW.processed_at IS NOT NULL AND NEW.title = '{name}') EXECUTE FUNCTION {name}();
"""
_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND host(client_addr) IN :addresses"
).bindparams(bindparam("addresses", expanding=True))


def save(sessions: sessionmaker[Session], title: str) -> list[UUID]:
    """Save articles that the outbox leaves alone for the time of the test."""
    later = func.now() + text("interval '1 hour'")
    with sessions.begin() as session:
        rows = [Article(title=title, text="in hand", publish_at=later) for _ in range(ARTICLES)]
        session.add_all(rows)
        session.flush()
        return [row.id for row in rows]


def give(sessions: sessionmaker[Session], ids: Sequence[UUID], addresses: Sequence[str]) -> bool:
    """Send the articles' messages under lock; tell whether one of these addresses took one."""
    broker = make_broker(load_settings(), middleware=[])
    with sessions.begin() as session:
        session.execute(select(Article.id).where(Article.id.in_(ids)).with_for_update())
        for each in ids:
            broker.enqueue(article_message(each))
        deadline = time.monotonic() + TAKE_SECONDS
        while not session.scalar(_WAITING, {"addresses": addresses}):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        print("in hand", flush=True)  # noqa: T201 - the gate waits for it
        time.sleep(HOLD_SECONDS)
    return True


def counts(sessions: sessionmaker[Session], name: str) -> dict[UUID, int]:
    """Return how often each article got a result."""
    with sessions() as session:
        found = session.execute(text(f"SELECT article, count(*) FROM {name} GROUP BY article"))  # noqa: S608 - its own name
        return {article: count for article, count in found}  # noqa: C416 - rows are no tuples to the type checker


def wait(sessions: sessionmaker[Session], name: str, ids: Sequence[UUID]) -> str:
    """Wait until all are done, and a moment for what is done twice; return what is wrong."""
    deadline = time.monotonic() + DONE_SECONDS
    while len(counts(sessions, name)) < len(ids) and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(HOLD_SECONDS)
    found = counts(sessions, name)
    lost = [each for each in ids if each not in found]
    twice = [each for each, count in found.items() if count > 1]
    wrong = [f"{len(lost)} of {len(ids)} tasks were lost"] * bool(lost)
    wrong += [f"{len(twice)} of {len(ids)} tasks were done more than once"] * bool(twice)
    return "; ".join(wrong)


def main() -> int:
    """Give work until the container has some in hand, and see it done."""
    addresses = os.environ["DOCKPROOF_TARGET"].split()
    sessions = make_sessions(load_settings())
    name = f"in_hand_{uuid4().hex}"
    with sessions.begin() as session:
        session.execute(text(_COUNTER.format(name=name)))
    ids: list[UUID] = []
    for _ in range(ROUNDS):
        ids += save(sessions, name)
        if give(sessions, ids[-ARTICLES:], addresses):
            break
    else:
        print(f"no worker at {' '.join(addresses)} took a task")  # noqa: T201 - the answer
        return 1
    wrong = wait(sessions, name, ids)
    print(wrong or f"{len(ids)} tasks done once each")  # noqa: T201 - the answer
    with sessions.begin() as session:
        session.execute(text(f"DROP FUNCTION {name}() CASCADE; DROP TABLE {name}"))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
