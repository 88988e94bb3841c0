"""The app's stack as compose.yaml says it, the faults that befall it, and what became of the articles meanwhile."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.app.harness import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dockproof.collect.engine import Engine
    from dockproof.collect.run import Project

LOAD = Path(__file__).with_name("load.py").read_text(encoding="utf-8")
SETTLE_SECONDS = 150.0
"""Longest wait for what was acknowledged; a message that was lost after all is sent again after 60 seconds."""

# Counts results instead of trusting that there is one, and makes a task long enough to be killed in the middle.
AUDIT = """
CREATE TABLE result (article_id uuid NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE FUNCTION note_result() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO result (article_id) VALUES (NEW.id); RETURN NEW; END $$;
CREATE TRIGGER note_result AFTER UPDATE OF processed_at ON articles
  FOR EACH ROW WHEN (NEW.processed_at IS NOT NULL) EXECUTE FUNCTION note_result();
CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_sleep(2); RETURN NEW; END $$;
CREATE TRIGGER take_time BEFORE UPDATE OF processed_at ON articles
  FOR EACH ROW WHEN (NEW.processed_at IS NOT NULL AND NEW.title LIKE 'slow-%') EXECUTE FUNCTION take_time();
"""


@dataclass(frozen=True)
class Record:
    """One answer of the load generator; times are the kernel's, in seconds since the epoch.

    Attributes:
        kind: `save` or `ready`.
        status: of the HTTP answer, 0 where there was none.
        article: id of the article that was acknowledged.
        down: services that readiness named.
        why: the answer's own words where it was an error.
    """

    kind: str
    begin: float
    end: float
    status: int
    article: str | None = None
    down: tuple[str, ...] = ()
    why: str = ""

    @property
    def seconds(self) -> float:
        """How long the caller waited."""
        return self.end - self.begin


@dataclass
class Load:
    """A load generator in a container of its own, beside the stack."""

    engine: Engine
    name: str

    def records(self) -> list[Record]:
        """Return what it noted until now."""
        answer = self.engine.docker("logs", self.name, timeout=30)
        lines = [json.loads(line) for line in answer.stdout.splitlines()]
        assert not answer.stderr.strip(), answer.stderr
        return [_record(line) for line in lines if line["kind"] != "end"]

    def has_settled(self, since: float) -> bool:
        """Whether, of what was asked since then, the last save was acknowledged and the last readiness was good."""
        last = {record.kind: record for record in self.records() if record.begin >= since}
        good = {"save": 201, "ready": 200}
        return all(kind in last and last[kind].status == status for kind, status in good.items())

    def finish(self) -> list[Record]:
        """Let the requests in hand end, and return all that it noted."""
        self.engine.docker("stop", "--time", "30", self.name, timeout=60)
        records = self.records()
        assert '"kind": "end"' in self.engine.logs(self.name, 1), "the load did not end by itself"
        return records


def _record(line: dict[str, Any]) -> Record:
    why = str(line.get("error") or line.get("detail") or "")
    down = tuple(line.get("down") or ())
    return Record(line["kind"], line["begin"], line["end"], line["status"], line.get("id"), down, why)


@dataclass(frozen=True)
class Blow:
    """When a fault was complete, when its mending began, and when it was mended."""

    begin: float
    end: float
    over: float


@dataclass(frozen=True)
class Row:
    """A row of the table: what befell the stack and what became of the work.

    Attributes:
        saves: requests to save an article.
        acknowledged: those that were answered 201.
        lost: acknowledged and not processed in the end.
        duplicated: articles that were given two results.
        slowest: longest wait of a caller for an answer, in seconds.
        recovery: seconds from the fault's end to the first save acknowledged after it and the last result for an
            article acknowledged before.
    """

    fault: str
    saves: int
    acknowledged: int
    lost: int
    duplicated: int
    slowest: float
    recovery: float

    HEAD = ("fault", "requests", "acknowledged", "lost", "duplicated", "slowest s", "recovery s")

    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        counts = map(str, (self.saves, self.acknowledged, self.lost, self.duplicated))
        return (self.fault, *counts, f"{self.slowest:.1f}", f"{self.recovery:.1f}")


@dataclass
class Stack:
    """The running stack.

    Attributes:
        image: of the API; it runs the load generator too.
        rows: of the table, as faults are done.
    """

    engine: Engine
    project: Project
    image: str
    rows: list[Row] = field(default_factory=list)

    def container(self, service: str) -> str:
        """The container of a service, of those that only the stack needs too."""
        labels = (f"com.docker.compose.project={self.project.name}", f"com.docker.compose.service={service}")
        filters = [f"--filter=label={label}" for label in labels]
        return self.engine.docker("ps", "--all", "--quiet", "--no-trunc", *filters).stdout.strip()

    def sql(self, statement: str) -> list[str]:
        """Run SQL in the database's own container and return the lines of its answer."""
        client = ["psql", "--username=app", "--dbname=app", "-v", "ON_ERROR_STOP=1", "--quiet", "-At"]
        answer = self.engine.docker("exec", "-i", self.container("postgres"), *client, stdin=statement)
        return answer.stdout.splitlines()

    def wait_until_healthy(self, service: str, seconds: float = 60.0) -> None:
        """Wait for a service's own health check."""
        container = self.container(service)

        def healthy() -> bool:
            state = self.engine.inspect(container)[0]["State"]
            return bool(state["Running"] and state["Health"]["Status"] == "healthy")

        eventually(healthy, f"{service} is healthy", seconds)

    @contextlib.contextmanager
    def load(self, prefix: str, targets: tuple[str, ...] = ("http://api:8000",)) -> Iterator[Load]:
        """Save articles for as long as the block runs: four threads, at most 600 in at most two minutes."""
        plan = {"targets": targets, "prefix": prefix, "savers": 4, "pause": 0.2, "seconds": 120, "saves": 600}
        name = f"{self.project.name}-load-{prefix}"
        labels = {**self.engine.lease.labels, "dockproof.test": "faults"}
        place = [f"--network={self.project.name}_backend", *(f"--label={k}={v}" for k, v in labels.items())]
        command = ["--entrypoint=python", self.image, "-I", "-c", LOAD, json.dumps(plan)]
        self.engine.docker("run", "--detach", "--no-healthcheck", f"--name={name}", *place, *command)
        try:
            yield Load(self.engine, name)
        finally:
            self.engine.docker("rm", "--force", name, check=False)

    def blow(self, kind: str, service: str, seconds: float) -> Blow:
        """Let a fault befall a service for so long."""
        with FAULTS[kind](self.engine, self.container(service)):
            begin = time.time()
            time.sleep(seconds)
            end = time.time()
        return Blow(begin, end, time.time())

    def settled(self, fault: str, records: list[Record], over: float) -> Row:
        """Wait until what was acknowledged is processed, and add the row of the table.

        Args:
            fault: its name in the table.
            records: of the load.
            over: when the fault was over.
        """
        saves = [record for record in records if record.kind == "save"]
        acknowledged = {record.article: record.end for record in saves if record.status == 201}
        deadline = time.monotonic() + SETTLE_SECONDS
        while (results := self._results(acknowledged)).keys() < acknowledged.keys():
            if time.monotonic() > deadline:
                break
            time.sleep(1)
        row = Row(
            fault,
            len(saves),
            len(acknowledged),
            len(acknowledged.keys() - results.keys()),
            sum(len(times) > 1 for times in results.values()),
            max(record.seconds for record in records),
            self._recovery(acknowledged, results, over),
        )
        self.rows.append(row)
        return row

    def _results(self, acknowledged: dict[str | None, float]) -> dict[str | None, list[float]]:
        """Return the times of results by article, of those that are acknowledged and have any."""
        found: dict[str | None, list[float]] = {}
        for line in self.sql("SELECT article_id, extract(epoch FROM at) FROM result"):
            article, at = line.split("|")
            if article in acknowledged:
                found.setdefault(article, []).append(float(at))
        return found

    @staticmethod
    def _recovery(
        acknowledged: dict[str | None, float], results: dict[str | None, list[float]], over: float
    ) -> float:
        after = [end for end in acknowledged.values() if end >= over]
        before = [max(results[a]) for a, end in acknowledged.items() if end < over and a in results]
        return max(0.0, min(after, default=over) - over, max(before, default=over) - over)


Fault = contextlib.AbstractContextManager[None]


@contextlib.contextmanager
def _stopped(engine: Engine, container: str) -> Iterator[None]:
    engine.docker("stop", "--time", "10", container)
    yield
    engine.docker("start", container)


@contextlib.contextmanager
def _frozen(engine: Engine, container: str) -> Iterator[None]:
    engine.docker("pause", container)
    yield
    engine.docker("unpause", container)


@contextlib.contextmanager
def _cut_off(engine: Engine, container: str) -> Iterator[None]:
    networks = engine.inspect(container)[0]["NetworkSettings"]["Networks"]
    for network in networks:
        engine.docker("network", "disconnect", "--force", network, container)
    yield
    for network, settings in networks.items():
        aliases = [f"--alias={alias}" for alias in settings["Aliases"]]
        engine.docker("network", "connect", *aliases, network, container)


@contextlib.contextmanager
def _restarted(engine: Engine, container: str) -> Iterator[None]:
    engine.docker("restart", "--time", "10", container)
    yield


FAULTS: dict[str, Callable[[Engine, str], Fault]] = {
    "stopped": _stopped,
    "frozen": _frozen,
    "cut off": _cut_off,
    "restarted": _restarted,
}


def table(rows: list[Row]) -> str:
    """Return the rows as a table of text."""
    lines = [Row.HEAD, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if not place else cell.rjust(width) for place, (cell, width) in enumerate(pairs)
        )
        for pairs in (list(zip(line, widths, strict=True)) for line in lines)
    )
