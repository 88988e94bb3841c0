"""Requests that never reach a service."""

import json

import httpx
import pytest

from app.limits import BODY_BYTES


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ("{", ["body", 1]),
        ('{"title": "t"}', ["body"]),
        ('{"title": " ", "text": "x"}', ["body", "title"]),
        ('{"title": "t", "text": "a\\u0000b"}', ["body", "text"]),
        ('{"title": "t", "text": "\\ud800"}', ["body", "text"]),
        ('{"title": "t", "text": "x", "\\ud800": 1}', ["body"]),
        ('{"title": "t", "url": "file:///etc/passwd"}', ["body", "url"]),
        ('{"title": "t", "text": "x", "status": "processed"}', ["body", "status"]),
        (json.dumps({"title": "t" * 501, "text": "x"}), ["body", "title"]),
    ],
)
def test_refuses_unusable_article(lonely_api: httpx.Client, body: str, place: list[str | int]) -> None:
    """An article that cannot be stored is refused, with the place of what is wrong, before any service is asked."""
    answer = lonely_api.post("/articles", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == place


def test_refusal_does_not_repeat_the_input(lonely_api: httpx.Client) -> None:
    """A refusal stays short however long the input is."""
    answer = lonely_api.post("/articles", json={"title": "t", "text": "x" * 500_001})
    assert answer.status_code == 422
    assert len(answer.content) < 500


@pytest.mark.parametrize("declared", [True, False])
def test_refuses_body_that_would_fill_the_memory(lonely_api: httpx.Client, declared: bool) -> None:  # noqa: FBT001 - a case
    """A body over the limit is 413, with a declared length or in chunks."""
    body = b" " * (BODY_BYTES + 1)
    chunks = (body[start : start + 1_000_000] for start in range(0, len(body), 1_000_000))
    answer = lonely_api.post("/articles", content=body if declared else chunks)
    assert answer.status_code == 413
    assert "8000000 bytes" in answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/articles?status=lost",
        "/articles?limit=0",
        "/articles?limit=101",
        "/articles?offset=-1",
        "/articles?offset=99999999999999999999",
        "/articles?q=%00",
        "/articles/not-an-id",
    ],
)
def test_refuses_unusable_query(lonely_api: httpx.Client, path: str) -> None:
    """What PostgreSQL could not take never gets there."""
    assert lonely_api.get(path).status_code == 422


@pytest.mark.parametrize("percent", [-1, 101, 1.5, "half", None])
def test_refuses_progress_that_is_no_percent(lonely_api: httpx.Client, percent: object) -> None:
    """Progress is a whole number of percent."""
    path = "/articles/00000000-0000-4000-8000-000000000000/progress"
    assert lonely_api.put(path, json={"percent": percent}).status_code == 422


def test_describes_itself(lonely_api: httpx.Client) -> None:
    """Each operation of the OpenAPI document has a summary, a description and its failures."""
    document = lonely_api.get("/openapi.json").json()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len(operations) == 6
    assert all(operation["summary"] and operation["description"] for operation in operations)
    assert "503" in document["paths"]["/articles"]["post"]["responses"]
