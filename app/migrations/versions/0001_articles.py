"""The articles, and the outbox in them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "articles",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("text", sa.String()),
        sa.Column("url", sa.String()),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("word_count", sa.Integer()),
        sa.Column("reading_minutes", sa.Integer()),
        sa.Column("excerpt", sa.String()),
        sa.Column("error", sa.String()),
        sa.Column("progress", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("processed_at", sa.DateTime(timezone=True)),
        sa.Column("publish_at", sa.DateTime(timezone=True)),
        sa.Column("deliveries", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("status IN ('pending', 'processed', 'failed')", name="articles_status"),
        sa.CheckConstraint("text IS NOT NULL OR url IS NOT NULL", name="articles_has_content"),
        sa.CheckConstraint("progress BETWEEN 0 AND 100", name="articles_progress_is_percent"),
        sa.CheckConstraint(
            "(status = 'pending') = (publish_at IS NOT NULL)", name="articles_pending_is_published"
        ),
    )
    op.create_index("articles_newest_first", "articles", [sa.text("created_at DESC"), sa.text("id DESC")])
    op.create_index(
        "articles_due", "articles", ["publish_at"], postgresql_where=sa.text("publish_at IS NOT NULL")
    )


def downgrade() -> None:
    """Drop the table, the articles with it."""
    op.drop_table("articles")
