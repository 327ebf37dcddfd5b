"""OGC API Features and Tiles by tipg on the views of the schema ``ogc``, for QGIS and its like.

tipg does its work, and the writing of large answers, on the event loop it is called from. So it
gets a loop and a thread of its own: the service stays quick while QGIS loads a city.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from collections.abc import Callable
from typing import Annotated, Any

import asyncpg  # type: ignore[import-untyped]
from ciso8601 import parse_rfc3339
from cql2 import Expr
from fastapi import FastAPI, Query, Request
from fastapi import Path as PathParameter
from morecantile import tms as known_tile_matrix_sets
from morecantile.defaults import TileMatrixSets
from sqlalchemy import make_url
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.templating import Jinja2Templates
from starlette.types import Message, Receive, Scope, Send
from tipg import collections as tipg_collections
from tipg import dependencies as tipg_dependencies
from tipg import factory as tipg_factory
from tipg.collections import Catalog, Collection, pg_get_collection_index
from tipg.database import connection_factory
from tipg.errors import DEFAULT_STATUS_CODES, TiPgError
from tipg.errors import NotFound as TipgNotFound
from tipg.factory import Endpoints
from tipg.settings import DatabaseSettings

from api import problems
from api.parameters import parse_bbox
from api.security import page_policy
from data.errors import InvalidRowError, NotFoundError
from maps.reference import ogc_templates, reference_page

SCHEMA = "ogc"
"""Views in this schema leave, and nothing else does."""
TITLE = "Gridcircle: OGC API Features and Tiles"
TILE_MATRIX_SETS = ("WebMercatorQuad", "WorldCRS84Quad")
POOL_SIZE = 4
MAX_WAIT_S = 60.0
MOUNTED_AT = "/ogc"

_SCOPE = {
    "type",
    "asgi",
    "http_version",
    "method",
    "scheme",
    "path",
    "raw_path",
    "query_string",
    "headers",
    "client",
    "server",
}
_LANGUAGES: dict[str, Any] = {name: name for name in ("cql2-text", "cql2-json")}


class OgcService:
    """The OGC API as an ASGI application that runs on a loop and a thread of its own.

    Parameters
    ----------
    url : callable
        Gives the SQLAlchemy URL of the database, once it is open.
    data_version : callable
        Gives a word that changes with the data: the list of collections is then read anew.
    """

    def __init__(self, url: Callable[[], str], data_version: Callable[[], str]) -> None:
        self._url = url
        self._data_version = data_version
        self._listed_version: str | None = None
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._listing = asyncio.Lock()
        self.app = _application()

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer on the loop of our own; the whole answer comes back at once."""
        if scope["type"] != "http":
            return
        messages = await asyncio.wrap_future(
            asyncio.run_coroutine_threadsafe(self._answer(scope), self._loop)
        )
        for message in messages:
            await send(message)

    def start(self) -> None:
        """Start the thread and open the pool of connections."""
        self._thread = threading.Thread(target=self._loop.run_forever, name="ogc", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(MAX_WAIT_S)

    def stop(self) -> None:
        """Close the pool and end the thread; safe where it was never started."""
        if self._thread is not None:
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(MAX_WAIT_S)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(MAX_WAIT_S)
            self._thread = None
        if not self._loop.is_closed():
            self._loop.close()

    async def _answer(self, scope: Scope) -> list[Message]:
        await self._list_collections()
        messages: list[Message] = []
        # As if nothing stood around it: tipg makes its links from what is nearest.
        own = {k: v for k, v in scope.items() if k in _SCOPE} | {"root_path": MOUNTED_AT}

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            messages.append(message)

        try:
            await self.app(own, receive, send)
        except Exception:
            # Starlette raises again, for the log, what it has answered with 500.
            if not messages:
                raise
        _allow_styles(messages)
        return messages

    async def _open(self) -> None:
        self.app.state.pool = await asyncpg.create_pool(
            **_asyncpg_arguments(self._url()),
            min_size=1,
            max_size=POOL_SIZE,
            init=connection_factory([SCHEMA], "pg_temp"),
            setup=_only_read,
        )

    async def _close(self) -> None:
        await self.app.state.pool.close()
        await self._loop.shutdown_asyncgens()

    async def _list_collections(self) -> None:
        """Read names, columns and extents of the views, when the data has changed since."""
        version = self._data_version()
        async with self._listing:
            if version == self._listed_version:
                return
            async with self.app.state.pool.acquire() as connection:
                found = await pg_get_collection_index(
                    connection, DatabaseSettings(schemas=[SCHEMA], functions=[])
                )
            for collection in found:
                collection.id = collection.table
                collection.title = collection.description or collection.table
            self.app.state.collection_catalog = Catalog(
                collections={c.id: c for c in sorted(found, key=lambda c: c.id)},
                last_updated=dt.datetime.now(dt.UTC),
            )
            self._listed_version = version


def _allow_styles(messages: list[Message]) -> None:
    """Let pages have their own style; JSON and tiles need nothing."""
    headers = MutableHeaders(scope=messages[0])
    if headers.get("content-type", "").startswith("text/html"):
        html = b"".join(message.get("body", b"") for message in messages[1:])
        headers["Content-Security-Policy"] = page_policy(html.decode())


async def _only_read(connection: asyncpg.Connection) -> None:
    await connection.execute("SET default_transaction_read_only = on")


def _asyncpg_arguments(url: str) -> dict[str, Any]:
    """Split a SQLAlchemy URL into what asyncpg takes; a socket's folder is its host."""
    parts = make_url(url)
    host = parts.query.get("host", parts.host)
    port = parts.query.get("port", parts.port)
    return {
        "host": host,
        "port": int(port) if isinstance(port, str | int) else None,
        "user": parts.username,
        "password": parts.password,
        "database": parts.database,
    }


def _application() -> FastAPI:
    # The layer inside a tile is named like the collection, not "default".
    tipg_collections.mvt_settings.set_mvt_layername = True
    tipg_factory.mvt_settings.set_mvt_layername = True
    app = FastAPI(title=TITLE, openapi_url="/api", docs_url=None, redoc_url=None)

    @app.get("/api.html", name="swagger_ui_html", include_in_schema=False)
    def reference(request: Request) -> HTMLResponse:
        return HTMLResponse(reference_page(app.openapi(), root=request.scope["root_path"]))

    endpoints = Endpoints(
        title=TITLE,
        templates=Jinja2Templates(env=ogc_templates()),
        collection_dependency=_collection,
        supported_tms=TileMatrixSets(
            {name: known_tile_matrix_sets.get(name) for name in TILE_MATRIX_SETS}
        ),
        with_tiles_viewer=False,  # it loads its map library from another host
    )
    app.include_router(endpoints.router)
    app.dependency_overrides |= {
        tipg_dependencies.bbox_query: _bbox,
        tipg_dependencies.datetime_query: _datetime,
        tipg_dependencies.filter_query: _filter,
    }
    _install_errors(app)
    return app


def _collection(
    request: Request,
    collectionId: Annotated[str, PathParameter(description="Name of the collection")],  # noqa: N803
) -> Collection:
    catalog: Catalog = request.app.state.collection_catalog
    if collectionId not in catalog["collections"]:
        raise NotFoundError(
            f"There is no collection {collectionId!r}.",
            remedy=f"Use one of: {', '.join(catalog['collections'])}.",
        )
    return catalog["collections"][collectionId]


def _bbox(
    bbox: Annotated[str | None, Query(description="west,south,east,north in degrees")] = None,
) -> list[float] | None:
    if bbox is not None and bbox.count(",") == 5:  # with heights, which nothing here has
        west, south, _, east, north, _ = bbox.split(",")
        bbox = f"{west},{south},{east},{north}"
    corners = parse_bbox(bbox)
    return None if corners is None else list(corners)


def _datetime(
    datetime: Annotated[str | None, Query(description="One moment or begin/end (RFC 3339)")] = None,
) -> list[str] | None:
    if datetime is None:
        return None
    moments = datetime.split("/")
    try:
        for moment in moments:
            if moment not in {"..", ""}:
                parse_rfc3339(moment)
    except ValueError as error:
        raise InvalidRowError(
            f"The moment {moment[:40]!r} cannot be read.",
            remedy="Write 2026-01-31T00:00:00Z, or two of them with / between; .. is open.",
        ) from error
    if len(moments) > 2 or set(moments) <= {"..", ""}:
        raise InvalidRowError(
            f"{datetime[:80]!r} is no interval.", remedy="Give one moment, or begin/end."
        )
    return moments


def _filter(
    query: Annotated[str | None, Query(alias="filter", description="CQL2")] = None,
    language: Annotated[str | None, Query(alias="filter-lang")] = None,
) -> Expr | None:
    try:
        return tipg_dependencies.filter_query(query, _LANGUAGES.get(language or ""))
    except Exception as error:  # cql2 raises nothing more particular
        raise InvalidRowError(
            f"The filter cannot be read as CQL2: {str(error).splitlines()[-1].strip(' =')}.",
            remedy="Write it like kind = 'high_rise' AND households > 100.",
        ) from error


def _install_errors(app: FastAPI) -> None:
    problems.install(app)

    async def ours(request: Request, error: Exception) -> Response:
        status = next(
            DEFAULT_STATUS_CODES[kind]
            for kind in type(error).__mro__
            if kind in DEFAULT_STATUS_CODES
        )
        # A wrong property name in a query is no wrong address.
        status = 422 if status == 404 and not isinstance(error, TipgNotFound) else status
        return problems.http_response(HTTPException(status, str(error)), request.url.path)

    async def refused(request: Request, error: Exception) -> Response:
        return problems.http_response(
            HTTPException(422, f"The database cannot compare that: {error}"), request.url.path
        )

    app.add_exception_handler(TiPgError, ours)
    for kind in (asyncpg.DataError, asyncpg.SyntaxOrAccessError):
        app.add_exception_handler(kind, refused)
