"""What a reader can do with articles."""

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, defer, sessionmaker

from app.cache import Cache
from app.models import Article, Status
from app.schemas import ArticleDetail, ArticlePage, ArticleSummary, NewArticle

LISTS = "articles"


def scope_of(article_id: UUID) -> str:
    """Return the cache scope of one article."""
    return f"article:{article_id}"


class UnknownArticleError(LookupError):
    """There is no article of this id."""


class Library:
    """The articles, in the database behind the cache.

    Every method raises sqlalchemy's OperationalError or TimeoutError where the database gives no answer.
    """

    def __init__(self, sessions: sessionmaker[Session], cache: Cache, saved: Callable[[], None]) -> None:
        """Take what to call after an article was saved: it must return at once."""
        self._sessions = sessions
        self._cache = cache
        self._saved = saved

    def save(self, new: NewArticle) -> ArticleDetail:
        """Store the article as pending; from here on nothing can lose it."""
        article = Article(title=new.title, text=new.text, url=str(new.url) if new.url else None)
        with self._sessions.begin() as session:
            session.add(article)
            session.flush()
            session.refresh(article)
            detail = ArticleDetail.model_validate(article)
        self._cache.drop(LISTS)
        self._saved()
        return detail

    def read(self, article_id: UUID) -> ArticleDetail:
        """Return the article, its text too.

        Raises:
            UnknownArticleError: There is none of this id.
        """
        return self._cache.get_or_load(
            scope_of(article_id), "detail", ArticleDetail, lambda: self._load(article_id)
        )

    def list(self, *, status: Status | None, search: str | None, limit: int, offset: int) -> ArticlePage:
        """Return a page of the articles of this status that hold every searched word, newest first."""
        key = f"{status or ''}:{limit}:{offset}:{search or ''}"
        return self._cache.get_or_load(
            LISTS, key, ArticlePage, lambda: self._load_page(status, search, limit, offset)
        )

    def record_progress(self, article_id: UUID, percent: int) -> ArticleDetail:
        """Store how far the reader has come.

        Raises:
            UnknownArticleError: There is no article of this id.
        """
        with self._sessions.begin() as session:
            article = session.get(Article, article_id, with_for_update=True)
            if article is None:
                raise UnknownArticleError(str(article_id))
            article.progress = percent
            detail = ArticleDetail.model_validate(article)
        self._cache.drop(LISTS, scope_of(article_id))
        return detail

    def _load(self, article_id: UUID) -> ArticleDetail:
        with self._sessions() as session:
            article = session.get(Article, article_id)
            if article is None:
                raise UnknownArticleError(str(article_id))
            return ArticleDetail.model_validate(article)

    def _load_page(self, status: Status | None, search: str | None, limit: int, offset: int) -> ArticlePage:
        matches = [Article.status == status] if status else []
        matches += [
            or_(Article.title.icontains(word, autoescape=True), Article.text.icontains(word, autoescape=True))
            for word in (search or "").split()
        ]
        page = select(Article).where(*matches).order_by(Article.created_at.desc(), Article.id.desc())
        with self._sessions() as session:
            total = session.scalar(select(func.count()).select_from(Article).where(*matches)) or 0
            rows = session.scalars(page.options(defer(Article.text)).limit(limit).offset(offset))
            items = [ArticleSummary.model_validate(row) for row in rows]
        return ArticlePage(items=items, total=total, limit=limit, offset=offset)
