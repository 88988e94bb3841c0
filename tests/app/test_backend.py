"""The backend on real services: API and workers as processes, PostgreSQL, RabbitMQ and Redis in containers."""

import concurrent.futures
import time
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from app.broker import article_message, make_broker
from app.settings import Settings
from tests.app.harness import ROOT, Program, Services, eventually, migrate
from tests.app.test_healthcheck import probe

pytestmark = pytest.mark.engine

Article = dict[str, Any]


def save(api: httpx.Client, title: str, text: str = "one two three") -> Article:
    """Save an article and return it as acknowledged."""
    answer = api.post("/articles", json={"title": title, "text": text})
    assert answer.status_code == 201, answer.text
    article: Article = answer.json()
    return article


def read(api: httpx.Client, article: Article) -> Article:
    """Read an article."""
    answer = api.get(f"/articles/{article['id']}")
    assert answer.status_code == 200, answer.text
    found: Article = answer.json()
    return found


def when_done(api: httpx.Client, article: Article, seconds: float = 30.0) -> Article:
    """Return the article as it is when the worker is done with it."""

    def done() -> Article | None:
        found = read(api, article)
        return None if found["status"] == "pending" else found

    return eventually(done, f"the worker is done with {article['title']!r}", seconds)


def row(services: Services, article: Article) -> tuple[Any, ...]:
    """Return the whole row of an article as the database has it."""
    conninfo = services.settings["DATABASE_URL"].replace("+psycopg", "")
    with psycopg.connect(conninfo) as connection:
        found = connection.execute("SELECT * FROM articles WHERE id = %s", [article["id"]]).fetchone()
    assert found is not None
    return found


@pytest.mark.usefixtures("worker")
def test_processes_saved_article(api: httpx.Client) -> None:
    """A saved article is pending, and soon has its word count, reading time and excerpt."""
    saved = save(api, "On ferries", "The ferry leaves at noon. " * 100)
    assert (saved["status"], saved["word_count"]) == ("pending", None)
    article = when_done(api, saved)
    assert (article["status"], article["word_count"], article["reading_minutes"]) == ("processed", 500, 3)
    assert article["excerpt"].startswith("The ferry leaves at noon. The ferry")
    assert len(article["excerpt"]) <= 280


@pytest.mark.usefixtures("worker")
def test_says_why_article_failed(api: httpx.Client) -> None:
    """An article that cannot be processed is failed, with the reason, and not tried for ever."""
    article = when_done(api, save(api, "Nothing", "?!"))
    assert (article["status"], article["error"]) == ("failed", "the text holds no word")


@pytest.mark.usefixtures("worker")
def test_keeps_url_as_text(api: httpx.Client) -> None:
    """An article may be a URL; it is kept and measured as text."""
    answer = api.post("/articles", json={"title": "Link", "url": "https://example.com/a"})
    article = when_done(api, answer.json())
    assert answer.headers["Location"] == f"/articles/{article['id']}"
    assert (article["status"], article["url"], article["text"]) == (
        "processed",
        "https://example.com/a",
        None,
    )


@pytest.mark.usefixtures("worker")
def test_lists_filters_and_pages(api: httpx.Client) -> None:
    """The list is newest first; status and words narrow it; its pages join without gap or overlap."""
    marker = f"marker{time.monotonic_ns()}"
    contents = {"oak": "a", "elm": "b", "ash": "?"}
    saved = [when_done(api, save(api, f"{marker} {title}", text)) for title, text in contents.items()]
    newest_first = [article["id"] for article in reversed(saved)]

    def ids(**query: str | int) -> list[str]:
        page = api.get("/articles", params={"q": marker, **query}).json()
        return [article["id"] for article in page["items"]]

    assert ids() == newest_first
    assert ids(status="failed") == newest_first[:1]
    assert ids(q=f"{marker.upper()} elm") == [newest_first[1]]
    assert ids(q=f"{marker}%") == []
    assert ids(limit=2) + ids(limit=2, offset=2) == newest_first
    page = api.get("/articles", params={"q": marker, "limit": 1}).json()
    assert (page["total"], page["limit"], page["offset"]) == (3, 1, 0)
    assert "text" not in page["items"][0]


def test_records_progress(api: httpx.Client) -> None:
    """Progress is there at the next read and in the next list, though both were cached before."""
    article = save(api, f"progress{time.monotonic_ns()}")
    listing = {"q": article["title"]}
    assert (
        read(api, article)["progress"]
        == api.get("/articles", params=listing).json()["items"][0]["progress"]
        == 0
    )
    assert api.put(f"/articles/{article['id']}/progress", json={"percent": 40}).json()["progress"] == 40
    assert (
        read(api, article)["progress"]
        == api.get("/articles", params=listing).json()["items"][0]["progress"]
        == 40
    )


def test_does_not_know_what_was_never_saved(api: httpx.Client) -> None:
    """An unknown id is 404, for reading and for progress."""
    path = "/articles/00000000-0000-4000-8000-000000000000"
    assert api.get(path).status_code == 404
    assert api.put(f"{path}/progress", json={"percent": 1}).status_code == 404


@pytest.mark.usefixtures("worker")
def test_serves_reads_from_the_cache(api: httpx.Client, services: Services) -> None:
    """While PostgreSQL is frozen, what was just read is still answered."""
    article = when_done(api, save(api, "cached"))
    time.sleep(0.5)  # the worker's drop of the old answer comes after its commit
    read(api, article)
    with services.containers["postgres"].frozen():
        begin = time.monotonic()
        assert read(api, article)["title"] == "cached"
        assert time.monotonic() - begin < 1


@pytest.mark.usefixtures("worker")
def test_repeated_delivery_gives_one_result(api: httpx.Client, services: Services) -> None:
    """Twenty messages for one article, most of them at once, leave the row that the first one wrote."""
    article = when_done(api, save(api, "twice"))
    before = row(services, article)
    deliver(services, article, times=20)
    assert when_done(api, save(api, "after the twenty"))["status"] == "processed"
    assert row(services, article) == before


def deliver(services: Services, article: Article, times: int = 1) -> None:
    """Put messages for the article on the queue, and wait until all are taken off it."""
    settings = Settings(**{name.lower(): value for name, value in services.settings.items()})  # type: ignore[arg-type]
    broker = make_broker(settings, [])
    for _ in range(times):
        broker.enqueue(article_message(UUID(article["id"])))
    eventually(lambda: not sum(broker.get_queue_message_counts("articles")), "the queue is empty")
    broker.close()


@pytest.mark.parametrize(
    ("container", "name"), [("postgres", "postgresql"), ("redis", "redis"), ("rabbitmq", "rabbitmq")]
)
def test_readiness_names_frozen_service(
    api: httpx.Client, services: Services, container: str, name: str
) -> None:
    """One frozen service is named, in bounded time; the others stay ok, and the process lives."""
    eventually(lambda: api.get("/health/ready").status_code == 200, "everything is ready")
    with services.containers[container].frozen():
        begin = time.monotonic()
        answer = api.get("/health/ready")
        assert time.monotonic() - begin < 4
        assert answer.status_code == 503
        assert [service for service, why in answer.json()["services"].items() if why != "ok"] == [name]
        assert api.get("/health").status_code == 200
    eventually(lambda: api.get("/health/ready").status_code == 200, "everything is ready again")


def test_dead_redis_only_slows(api: httpx.Client, services: Services) -> None:
    """Without Redis every request still works, and waits little."""
    with services.containers["redis"].frozen():
        begin = time.monotonic()
        article = save(api, "no cache")
        for _ in range(5):
            assert read(api, article)["title"] == "no cache"
        assert api.get("/articles").status_code == 200
        assert time.monotonic() - begin < 3


def test_frozen_database_is_503_in_bounded_time(api: httpx.Client, services: Services) -> None:
    """A database that holds the connection and says nothing is given up on; afterwards all is well."""
    with services.containers["postgres"].frozen():
        begin = time.monotonic()
        answer = api.post("/articles", json={"title": "t", "text": "x"})
        assert answer.status_code == 503
        assert time.monotonic() - begin < 9
    eventually(lambda: api.get("/articles").status_code == 200, "the database is used again")


@pytest.mark.usefixtures("worker")
def test_dead_broker_loses_nothing(
    api: httpx.Client, services: Services, worker_settings: dict[str, str]
) -> None:
    """Articles are saved at once while RabbitMQ is dead; the workers turn unhealthy; later all is processed."""
    broker = services.containers["rabbitmq"]
    health = {name: worker_settings[name] for name in ("HEARTBEAT_DIR", "DRAMATIQ_PROCESSES")}
    eventually(lambda: probe("worker", **health).returncode == 0, "the workers are healthy")
    broker.stop()
    begin = time.monotonic()
    saved = [save(api, f"while the broker is dead {number}") for number in range(3)]
    assert time.monotonic() - begin < 3
    assert "refused" in api.get("/health/ready").json()["services"]["rabbitmq"].lower()
    complaint = eventually(lambda: probe("worker", **health).stdout, "the workers are unhealthy", 15)
    assert "no broker connection" in complaint or "RabbitMQ does not answer" in complaint
    broker.start()
    assert {when_done(api, article, 90)["status"] for article in saved} == {"processed"}
    eventually(lambda: probe("worker", **health).returncode == 0, "the workers are healthy again")


def test_outbox_repeats_what_was_lost(api: httpx.Client, services: Services, worker: Program) -> None:
    """An article whose message was lost is due again, and then processed."""
    conninfo = services.settings["DATABASE_URL"].replace("+psycopg", "")
    lost = "00000000-0000-4000-8000-00000000abcd"
    with psycopg.connect(conninfo) as connection:
        connection.execute("DELETE FROM articles WHERE id = %s", [lost])
        connection.execute(
            "INSERT INTO articles (id, title, text, status, progress, publish_at, deliveries)"
            " VALUES (%s, 'lost', 'a b', 'pending', 0, now() + interval '2 seconds', 1)",
            [lost],
        )
    assert worker.process.poll() is None
    assert when_done(api, {"id": lost, "title": "lost"})["status"] == "processed"


@pytest.mark.usefixtures("worker")
def test_outbox_gives_up_after_ten_deliveries(api: httpx.Client, services: Services) -> None:
    """What ten deliveries did not get processed is failed; a message that comes after all still gets it done."""
    conninfo = services.settings["DATABASE_URL"].replace("+psycopg", "")
    hopeless = {"id": "00000000-0000-4000-8000-00000000dead", "title": "hopeless"}
    with psycopg.connect(conninfo) as connection:
        connection.execute("DELETE FROM articles WHERE id = %s", [hopeless["id"]])
        connection.execute(
            "INSERT INTO articles (id, title, text, status, progress, publish_at, deliveries)"
            " VALUES (%s, 'hopeless', 'a b', 'pending', 0, now() - interval '1 hour', 10)",
            [hopeless["id"]],
        )
    assert when_done(api, hopeless)["error"] == "not processed after 10 deliveries"
    deliver(services, hopeless)
    late = eventually(
        lambda: read(api, hopeless) if read(api, hopeless)["word_count"] else None, "it is processed"
    )
    assert (late["status"], late["error"]) == ("processed", None)


def test_migrations_run_twice_at_once(services: Services) -> None:
    """Migrations that start together wait for each other, and the second finds nothing to do."""
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(migrate, [services.settings] * 3))
    assert [run.returncode for run in runs] == [0, 0, 0], [run.stderr for run in runs]


def test_migrations_give_the_models(services: Services) -> None:
    """The schema that the migrations make is the one that the models describe."""
    done = migrate(services.settings, "-m", "alembic", "-c", str(ROOT / "app" / "alembic.ini"), "check")
    assert done.returncode == 0, done.stdout + done.stderr
