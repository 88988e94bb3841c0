"""The tables."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, DateTime, Enum, Index, SmallInteger, func, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Status(StrEnum):
    """How far the worker is with an article."""

    PENDING = "pending"
    PROCESSED = "processed"
    FAILED = "failed"


class Base(DeclarativeBase):
    """What all tables share."""


class Article(Base):
    """A saved article. The row is the truth: what the queue holds can be made again from it.

    `publish_at` is the outbox: the time from which the article is due to be handed to the queue (again), or
    null when nothing is left to do. `deliveries` counts the times that this was done.
    """

    __tablename__ = "articles"
    __table_args__ = (
        CheckConstraint("text IS NOT NULL OR url IS NOT NULL", name="articles_has_content"),
        CheckConstraint("progress BETWEEN 0 AND 100", name="articles_progress_is_percent"),
        CheckConstraint(
            "(status = 'pending') = (publish_at IS NOT NULL)", name="articles_pending_is_published"
        ),
        Index("articles_newest_first", text("created_at DESC"), text("id DESC")),
        Index("articles_due", "publish_at", postgresql_where=text("publish_at IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    title: Mapped[str]
    text: Mapped[str | None]
    url: Mapped[str | None]
    status: Mapped[Status] = mapped_column(
        Enum(
            Status,
            name="articles_status",
            native_enum=False,
            create_constraint=True,
            length=16,
            values_callable=lambda members: [member.value for member in members],
        ),
        default=Status.PENDING,
    )
    word_count: Mapped[int | None]
    reading_minutes: Mapped[int | None]
    excerpt: Mapped[str | None]
    error: Mapped[str | None]
    progress: Mapped[int] = mapped_column(SmallInteger, default=0)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    processed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    publish_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), default=func.now())
    deliveries: Mapped[int] = mapped_column(SmallInteger, default=0)
