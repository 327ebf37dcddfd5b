"""The application: routers, what stands before them, and its life from start to stop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette_cramjam.compression import Compression
from starlette_cramjam.middleware import CompressionMiddleware

import maps
from api import problems, rights
from api.errors import FormRefusedError
from api.lane import lane_protocol
from api.ogc import MOUNTED_AT
from api.problem_pages import as_page
from api.published import ServeReady
from api.responses import MVT, JsonResponse
from api.rights import Gate, enforce, right
from api.routers import (
    accounts,
    audits,
    catchments,
    city,
    compounds,
    coverage,
    health,
    history,
    layers,
    pages,
    photos,
    plan_design,
    plan_imports,
    plan_pages,
    plan_people,
    plan_review,
    plan_scenarios,
    plan_take,
    plans,
    publications,
    publish,
    riders,
    rule_sets,
    search,
    stations,
    tiles,
)
from api.routers import problems as problem_kinds
from api.schemas import PROBLEM_RESPONSES
from api.security import CONTENT_POLICY, HEADERS, LOOPBACK_HOSTS, Guard, page_policy
from api.service import Service
from api.sign_on import SignOn
from data.database import Database
from data.editions.photos import MOST_BYTES
from data.errors import RightMissingError
from data.settings import Settings
from maps.reference import reference_page

DESCRIPTION = """Community grids (社区网格) and walking service circles (服务圈) of one city.

Coordinates are WGS84 degrees, longitude first. Walking times follow the network, access legs
included; every result names its speed, waits and network version. Lists come in pages, with links
in the body and the Link header. A write names the version it saw in If-Match. Every error is a
problem document (RFC 9457) with a remedy.
"""

STATIC = Path(maps.__file__).parent / "static"
"""Scripts, styles and fonts of the pages."""


def create_app(settings: Settings, *, database: Database | None = None) -> FastAPI:
    """Make the application; nothing is opened before it starts.

    Parameters
    ----------
    settings : Settings
    database : Database, optional
        An open database to use instead of the settings' one; the caller closes it.
    """
    service = Service(settings, database)

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        try:
            await run_in_threadpool(service.start)
            yield
        finally:
            await run_in_threadpool(service.stop)

    app = FastAPI(
        title="Gridcircle",
        version="1",
        description=DESCRIPTION,
        openapi_url=None,  # a route of its own below, with its right like all others
        docs_url=None,  # it would load its scripts from another host
        redoc_url=None,
        responses=PROBLEM_RESPONSES,
        dependencies=[Depends(enforce)],
        lifespan=life,
        generate_unique_id_function=lambda route: "_".join([*map(str, route.tags), route.name]),
    )
    app.state.service = service
    app.state.sign_on = SignOn(settings)
    for part in (
        accounts,
        city,
        layers,
        stations,
        catchments,
        coverage,
        audits,
        rule_sets,
        history,
        search,
        tiles,
        plan_design,  # before plans: /plans/design is no id
        plan_imports,
        plans,
        plan_review,
        plan_scenarios,
        plan_people,
        plan_take,
        health,
        pages,
        publications,
        compounds,  # before publish and riders, whose addresses hold names there
        publish,
        photos,  # before riders, whose addresses hold names there
        riders,
        plan_pages,
        problem_kinds,
    ):
        app.include_router(part.router)
    app.mount(MOUNTED_AT, Gate(service.ogc, service, "viewer"))
    app.mount("/static", Gate(StaticAssets(directory=STATIC), service, "public"))

    @app.get("/api/v1/openapi.json", include_in_schema=False, openapi_extra=right("viewer"))
    def openapi() -> Response:
        return JsonResponse(rights.openapi_document(app))

    @app.get("/docs", include_in_schema=False, openapi_extra=right("viewer"))
    def reference() -> Response:
        page = reference_page(app.openapi())
        return HTMLResponse(page, headers={"Content-Security-Policy": page_policy(page)})

    problems.install(
        app,
        mistake_headers={**HEADERS, "Content-Security-Policy": CONTENT_POLICY},
        shown=as_page,
    )
    rights.install(app)
    for kind in (RightMissingError, FormRefusedError):
        app.add_exception_handler(kind, accounts.refused)
    # Last added, first asked.
    app.add_middleware(
        CompressionMiddleware,
        compression=[Compression.br, Compression.gzip],
        compression_level=4,
        minimum_size=1000,
        # Answers may be large, and packing them would hold up the event loop for nothing: the
        # service speaks to its own machine. A proxy in front may pack them.
        exclude_path={r"/tiles/.*", r"/api/.*", r"/ogc/.*", r"/s/.*"},
        exclude_mediatype={MVT, "font/woff2", "image/png"},
    )
    app.add_middleware(HeadAsGet)
    if settings.accounts == "on":
        app.add_middleware(rights.KeepPrivate)
    hosts = {*LOOPBACK_HOSTS, settings.host, *settings.allowed_hosts}
    larger = {
        photos.PATH: MOST_BYTES + 1,
        plan_imports.IMPORT_PATH: plan_imports.MAX_UPLOAD_BYTES,
    }
    app.add_middleware(Guard, hosts=hosts, larger=larger)
    app.add_middleware(ServeReady, shelf=service.published, hosts=hosts)
    app.state.protocol = lane_protocol(service.published, hosts)
    return app


class StaticAssets(StaticFiles):
    """Files of the pages: kept for a year where the address names the file's version."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Answer with the file and how long to keep it."""
        response = super().file_response(*args, **kwargs)
        scope: Scope = kwargs.get("scope") or args[2]
        named = b"v=" in scope.get("query_string", b"")
        response.headers["Cache-Control"] = (
            "public, max-age=31536000, immutable" if named else "public, max-age=3600"
        )
        return response


class HeadAsGet:
    """ASGI middleware: every address that takes GET takes HEAD (RFC 9110, 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer HEAD as GET without the body."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {
                    "type": "http.response.body",
                    "body": b"",
                    "more_body": message.get("more_body", False),
                }
            await send(message)

        await self.app({**scope, "method": "GET"}, receive, send_head)
