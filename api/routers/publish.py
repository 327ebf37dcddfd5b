"""The publisher's desk as a page, and the preview of the edition to come."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from fastapi import APIRouter
from sqlalchemy import text
from starlette.responses import HTMLResponse, Response

from api.responses import GEOJSON
from api.rights import right
from api.routers.pages import Context
from api.routers.publications import WALKED
from api.security import page_policy
from api.service import ServiceDependency
from data.editions.compound_map import as_geojson, read_compound_map
from data.editions.publications import read_publication
from data.editions.publishing import preview_edition
from data.opening import TIME_ZONE
from maps.compound_page import compound_page
from maps.messages import LANGUAGES
from maps.print.compound import compound_sheet
from maps.print.pictures import as_png
from maps.public_page import public_page
from maps.publish_page import publish_page

router = APIRouter(include_in_schema=False)


@router.get("/publish", openapi_extra=right("publisher"))
def desk(context: Context, service: ServiceDependency) -> Response:
    """Show the publisher's desk."""
    with service.database.connect() as connection:
        areas = connection.execute(
            text(
                "SELECT a.code, a.name, a.level FROM areas a"
                " LEFT JOIN areas p ON p.id = a.parent_id"
                " ORDER BY CASE WHEN a.level = 'community' THEN p.code ELSE a.code END,"
                " a.level DESC, a.code"
            )
        ).mappings()
        listed = [dict(area) for area in areas]
        named = connection.execute(
            text("SELECT id, name FROM compounds WHERE name <> '' ORDER BY name, id")
        ).mappings()
        compounds = [dict(compound) for compound in named]
    return _page(publish_page(context, listed, compounds), context.language)


@router.get("/publish/{slug}/preview", openapi_extra=right("publisher"))
def preview(context: Context, service: ServiceDependency, slug: str) -> Response:
    """Show the page as publishing would make it now; nothing is kept."""
    city, travel = service.circles.city(), service.circles.travel(WALKED)
    with service.database.connect() as connection:
        publication = read_publication(connection, slug)
        edition = preview_edition(connection, publication, city, travel)
    page = public_page(
        edition,
        context.language,
        base=f"/s/{slug}",
        now=dt.datetime.now(TIME_ZONE),
        form="preview",
    )
    return _page(page, context.language)


def _page(page: str, language: str) -> Response:
    response = HTMLResponse(
        page,
        headers={"Content-Security-Policy": page_policy(page), "Cache-Control": "no-store"},
    )
    response.headers["Content-Language"] = language
    return response


@router.get("/publish/compounds/{compound_id}/{name}", openapi_extra=right("publisher"))
def compound(
    service: ServiceDependency,
    compound_id: int,
    name: Literal["map.html", "map.pdf", "map.png", "map.geojson"],
    lang: str = "zh",
) -> Response:
    """Give the navigation map of a compound for couriers."""
    with service.database.connect() as connection:
        found = read_compound_map(connection, compound_id)
    if name == "map.geojson":
        return Response(as_geojson(found), media_type=GEOJSON)
    language = lang if lang in LANGUAGES else "zh"
    today = dt.datetime.now(TIME_ZONE).date()
    if name == "map.html":
        return _page(compound_page(found, language, today=today), language)
    pdf = compound_sheet(found, language, today=today)
    if name == "map.pdf":
        return Response(pdf, media_type="application/pdf")
    return Response(as_png(pdf, width_px=1240), media_type="image/png")
