"""Navigation maps of compounds: publishing them, and what the public then sees."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.published import Ready, ReadyResponse, make_ready
from api.responses import GEOJSON, JsonResponse
from api.rights import PUBLIC, CurrentAccount, right
from api.routers.riders import CURRENT, OLD, public_base
from api.security import page_policy
from api.service import Service, ServiceDependency
from data.editions.compound_editions import (
    CompoundEdition,
    publish_compound,
    read_compound_edition,
    withdraw_compound,
)
from data.editions.compound_map import as_geojson
from data.errors import NotFoundError
from data.opening import TIME_ZONE
from maps.compound_page import compound_page
from maps.messages import LANGUAGES
from maps.print.compound import compound_sheet
from maps.print.sheet import as_png, qr_png, qr_svg

router = APIRouter(include_in_schema=False)

Form = Literal["map.html", "map.pdf", "map.png", "map.geojson", "qr.svg", "qr.png"]


@router.get("/publish/compounds/{compound_id}/edition", openapi_extra=right("publisher"))
def state(service: ServiceDependency, compound_id: int) -> Response:
    """Tell which edition of a compound is public, if any."""
    with service.database.connect() as connection:
        try:
            return JsonResponse(_about(compound_id, read_compound_edition(connection, compound_id)))
        except NotFoundError:
            return JsonResponse({"number": None, "address": _path(compound_id)})


@router.post("/publish/compounds/{compound_id}/editions", openapi_extra=right("publisher"))
def publish(service: ServiceDependency, account: CurrentAccount, compound_id: int) -> Response:
    """Publish a compound as it is now; its address stays the same."""
    with service.database.transaction(actor=account.name) as connection:
        made = publish_compound(connection, compound_id, editor=account.name)
    return JsonResponse(_about(compound_id, made), status_code=201)


@router.post("/publish/compounds/{compound_id}/withdraw", openapi_extra=right("publisher"))
def withdraw(service: ServiceDependency, account: CurrentAccount, compound_id: int) -> Response:
    """Take a compound's maps off the net."""
    with service.database.transaction(actor=account.name) as connection:
        taken = withdraw_compound(connection, compound_id)
    return JsonResponse({"number": None, "address": _path(compound_id), "withdrawn": taken})


# Short names of station maps have three letters or more: "c" is none.
@router.get("/s/c/{compound_id}", openapi_extra=right(PUBLIC))
def page(request: Request, service: ServiceDependency, compound_id: int) -> Response:
    """Show the newest edition."""
    return _answer(request, service, compound_id, None, "page")


@router.get("/s/c/{compound_id}/{name}", openapi_extra=right(PUBLIC))
def part(request: Request, service: ServiceDependency, compound_id: int, name: Form) -> Response:
    """Give another form of the newest edition."""
    return _answer(request, service, compound_id, None, name)


@router.get("/s/c/{compound_id}/editions/{number}", openapi_extra=right(PUBLIC))
def older(request: Request, service: ServiceDependency, compound_id: int, number: int) -> Response:
    """Show one edition by its number."""
    return _answer(request, service, compound_id, number, "page")


def _path(compound_id: int) -> str:
    return f"/s/c/{compound_id}"


def _about(compound_id: int, edition: CompoundEdition) -> dict[str, object]:
    return {
        "number": edition.number,
        "published_at": edition.published_at,
        "address": _path(compound_id),
    }


def _answer(
    request: Request, service: Service, compound_id: int, number: int | None, name: str
) -> Response:
    asked = request.query_params.get("lang", "zh")
    language = asked if asked in LANGUAGES else "zh"
    with service.database.connect() as connection:
        edition = read_compound_edition(connection, compound_id, number)
    address = f"{public_base(request, service)}{_path(compound_id)}"
    key = ("compound", compound_id, edition.number, number, name, language, address)
    return ReadyResponse(
        service.made_public.get(
            key, lambda: _make(edition, compound_id, name, language, address, number)
        )
    )


def _make(
    edition: CompoundEdition,
    compound_id: int,
    name: str,
    language: str,
    address: str,
    number: int | None,
) -> Ready:
    cache = {"Cache-Control": CURRENT if number is None else OLD}
    compound = edition.compound
    drawn: dt.date = edition.published_at.astimezone(TIME_ZONE).date()
    if name in {"page", "map.html"}:
        html = compound_page(
            compound,
            language,
            today=drawn,
            number=edition.number,
            address=_path(compound_id) if name == "page" else None,
        )
        policy = {"Content-Security-Policy": page_policy(html), "Content-Language": language}
        return make_ready(
            html.encode(), media_type="text/html; charset=utf-8", headers=cache | policy
        )
    if name == "map.geojson":
        return make_ready(
            as_geojson(compound),
            media_type=GEOJSON,
            headers=cache | {"Access-Control-Allow-Origin": "*"},
        )
    if name == "qr.svg":
        return make_ready(qr_svg(address), media_type="image/svg+xml", headers=cache)
    if name == "qr.png":
        return make_ready(qr_png(address), media_type="image/png", headers=cache)
    pdf = compound_sheet(compound, language, today=drawn, address=address)
    if name == "map.pdf":
        return make_ready(pdf, media_type="application/pdf", headers=cache)
    return make_ready(as_png(pdf, width_px=1240), media_type="image/png", headers=cache)
