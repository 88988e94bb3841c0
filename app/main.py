"""The HTTP service: `uvicorn app.main:app`, or `python -m app`."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app import __version__
from app.broker import make_broker
from app.cache import Cache, connect
from app.database import make_engine, make_sessions
from app.health import Alive, Readiness, Services, services_of
from app.library import Library, UnknownArticleError
from app.limits import BodyLimit
from app.log import configure_logging
from app.models import Status
from app.outbox import Outbox
from app.schemas import ArticleDetail, ArticlePage, NewArticle, Problem, Progress, Storable
from app.settings import Settings, load_settings

ABOUT = "Save articles, let the worker measure them, read them and keep your place."
STOP_SECONDS = 2.0

health = APIRouter(tags=["health"])
articles = APIRouter(prefix="/articles", tags=["articles"])
_NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "No article of this id"}
}
_TOO_LARGE: dict[int | str, dict[str, Any]] = {413: {"model": Problem, "description": "Over 8 MB"}}
_UNAVAILABLE: dict[int | str, dict[str, Any]] = {
    503: {"model": Problem, "description": "The database is away"}
}


def _library(request: Request) -> Library:
    library: Library = request.app.state.library
    return library


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


InLibrary = Annotated[Library, Depends(_library)]


@health.get("/health")
async def is_alive() -> Alive:
    """Answer whether the process lives; nothing else is asked."""
    return Alive()


@health.get(
    "/health/ready", responses={503: {"model": Readiness, "description": "A service does not answer"}}
)
async def is_ready(response: Response, services: Annotated[Services, Depends(_services)]) -> Readiness:
    """Answer whether PostgreSQL, Redis and RabbitMQ do, each within two seconds, and name what fails."""
    readiness = await services.ask()
    if readiness.status != "ready":
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    return readiness


@articles.post("", status_code=status.HTTP_201_CREATED, responses=_TOO_LARGE | _UNAVAILABLE)
def save_article(new: NewArticle, request: Request, response: Response, library: InLibrary) -> ArticleDetail:
    """Save an article; it is `pending` until a worker has processed it."""
    saved = library.save(new)
    response.headers["Location"] = str(request.url_for("read_article", article_id=saved.id).path)
    return saved


@articles.get("", responses=_UNAVAILABLE)
def list_articles(
    library: InLibrary,
    status: Annotated[Status | None, Query(description="Only articles of this status")] = None,
    q: Annotated[
        str | None, Query(max_length=200, description="Words, each in title or text"), Storable
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> ArticlePage:
    """List articles, newest first, a page at a time."""
    return library.list(status=status, search=q, limit=limit, offset=offset)


@articles.get("/{article_id}", responses=_NOT_FOUND | _UNAVAILABLE)
def read_article(article_id: UUID, library: InLibrary) -> ArticleDetail:
    """Read an article, its text too."""
    return library.read(article_id)


@articles.put("/{article_id}/progress", responses=_NOT_FOUND | _UNAVAILABLE)
def record_progress(article_id: UUID, progress: Progress, library: InLibrary) -> ArticleDetail:
    """Record how much of the article is read."""
    return library.record_progress(article_id, progress.percent)


def _not_found(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": f"there is no article {error}"}, status.HTTP_404_NOT_FOUND)


def _invalid(_: Request, error: Exception) -> Response:
    """Say what is wrong where, without the input: it can be long, or hold what no UTF-8 answer can."""
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    detail = [{key: problem[key] for key in ("type", "loc", "msg")} for problem in problems]
    body = json.dumps({"detail": detail})  # ASCII: a lone surrogate in a name stays an escape
    return Response(body, status.HTTP_422_UNPROCESSABLE_CONTENT, media_type="application/json")


def _unavailable(_: Request, error: Exception) -> Response:
    problem = {"detail": f"the database does not answer ({type(error).__name__}); try again"}
    return JSONResponse(problem, status.HTTP_503_SERVICE_UNAVAILABLE, {"Retry-After": "2"})


@asynccontextmanager
async def _running(app: FastAPI, settings: Settings) -> AsyncIterator[None]:
    """Hold the services' clients for as long as the app runs. None of them connects before it is used."""
    sessions = make_sessions(settings)
    engine = make_engine(
        settings
    )  # readiness asks over connections of its own: a busy pool is no dead database
    cache_client = connect(settings)
    cache = Cache(cache_client, settings.cache_ttl)
    outbox = Outbox(sessions, make_broker(settings, middleware=[]), cache)
    app.state.library = Library(sessions, cache, saved=outbox.wake)
    app.state.services = services_of(engine, cache_client, settings.rabbitmq_url.get_secret_value())
    outbox.start()
    try:
        yield
    finally:
        await anyio.to_thread.run_sync(outbox.stop, STOP_SECONDS)
        cache_client.close()
        engine.dispose()
        sessions.kw["bind"].dispose()


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the service; without settings it reads the environment when it starts.

    Raises at start:
        SettingsError: A setting is missing or wrong.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loaded = settings or load_settings()
        configure_logging(loaded.log_level)
        async with _running(app, loaded):
            yield

    service = FastAPI(title="Reading app", version=__version__, description=ABOUT, lifespan=lifespan)
    service.add_middleware(BodyLimit)
    service.include_router(health)
    service.include_router(articles)
    service.add_exception_handler(UnknownArticleError, _not_found)
    service.add_exception_handler(RequestValidationError, _invalid)
    for error in (OperationalError, InterfaceError, PoolTimeoutError):
        service.add_exception_handler(error, _unavailable)
    return service


app = create_app()
