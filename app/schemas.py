"""What goes over HTTP."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from app.models import Status


def _without_nul(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not hold the NUL character")
    return value


#: PostgreSQL stores every character but NUL.
Storable = AfterValidator(_without_nul)
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), Storable]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500_000), Storable]


class NewArticle(BaseModel):
    """An article to save: a title, and its text or the URL where it stands (kept as text, never fetched)."""

    model_config = ConfigDict(extra="forbid")

    title: Title
    text: Text | None = None
    url: Annotated[AnyHttpUrl, Field(max_length=2_000)] | None = None

    @model_validator(mode="after")
    def _has_content(self) -> Self:
        if self.text is None and self.url is None:
            raise ValueError("give text, url or both")
        return self


class Progress(BaseModel):
    """How far the reader has come."""

    model_config = ConfigDict(extra="forbid")

    percent: Annotated[int, Field(ge=0, le=100, description="0 unread, 100 read to the end")]


class ArticleSummary(BaseModel):
    """An article as it stands in a list. What the worker computes is null until `status` is `processed`."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    title: str
    url: str | None
    status: Status
    word_count: int | None
    reading_minutes: int | None
    excerpt: str | None
    error: Annotated[str | None, Field(description="Why the status is `failed`")]
    progress: Annotated[int, Field(description="Percent read")]
    created_at: datetime
    processed_at: datetime | None


class ArticleDetail(ArticleSummary):
    """An article to read."""

    text: str | None


class ArticlePage(BaseModel):
    """A page of the list, newest first."""

    items: list[ArticleSummary]
    total: Annotated[int, Field(description="Articles that match, on all pages")]
    limit: int
    offset: int


class Problem(BaseModel):
    """Why a request got no result."""

    detail: str
