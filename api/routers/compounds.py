"""Navigation maps of compounds: publishing them, and what the public then sees."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.published import Ready, ReadyResponse, make_ready
from api.responses import JsonResponse
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
from data.errors import NotFoundError
from data.opening import TIME_ZONE
from maps.compound_data import COMPOUND_DATA
from maps.compound_page import compound_page
from maps.messages import LANGUAGES
from maps.print.compound import compound_sheet
from maps.print.pictures import as_png, qr_png, qr_svg

router = APIRouter(include_in_schema=False)

Form = Literal[
    "embed", "map.html", "map.pdf", "map-a3.pdf", "map.png", "map.geojson", "map.csv", "map.kml",
    "map.gpx", "qr.svg", "qr.png",
]  # fmt: skip


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
    service.published.clear()
    return JsonResponse(_about(compound_id, made), status_code=201)


@router.post("/publish/compounds/{compound_id}/withdraw", openapi_extra=right("publisher"))
def withdraw(service: ServiceDependency, account: CurrentAccount, compound_id: int) -> Response:
    """Take a compound's maps off the net."""
    with service.database.transaction(actor=account.name) as connection:
        taken = withdraw_compound(connection, compound_id)
    service.published.clear()
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


@router.get("/s/c/{compound_id}/editions/{number}/{name}", openapi_extra=right(PUBLIC))
def part_of_older(
    request: Request, service: ServiceDependency, compound_id: int, number: int, name: Form
) -> Response:
    """Give another form of one edition."""
    return _answer(request, service, compound_id, number, name)


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
    state = service.published.state
    path = request.url.path
    try:
        with service.database.connect() as connection:
            edition = read_compound_edition(connection, compound_id, number)
            newest = number is None or (
                read_compound_edition(connection, compound_id).number == edition.number
            )
    except NotFoundError:
        service.published.drop(path)
        raise
    address = f"{public_base(request, service)}{_path(compound_id)}"
    published_at = edition.published_at
    key = ("compound", compound_id, edition.number, published_at, newest, name, language, address)
    ready = service.made_public.get(
        (*key, number is None),
        lambda: _make(edition, compound_id, name, language, address, number, newest=newest),
    )
    # Only addresses that pages link: anything else could fill the shelf.
    if request.url.query in {"", "lang=zh", "lang=en"}:
        host, query = request.headers.get("host", "").lower(), request.scope["query_string"]
        service.published.put(host, path, query, ready, state=state)
    return ReadyResponse(ready)


def _make(
    edition: CompoundEdition,
    compound_id: int,
    name: str,
    language: str,
    address: str,
    number: int | None,
    *,
    newest: bool,
) -> Ready:
    cache = {"Cache-Control": CURRENT if number is None else OLD}
    compound = edition.compound
    drawn: dt.date = edition.published_at.astimezone(TIME_ZONE).date()
    if name in {"page", "embed", "map.html"}:
        html = compound_page(
            compound,
            language,
            today=drawn,
            number=edition.number,
            address=None if name == "map.html" else _path(compound_id),
            embed=name == "embed",
            newest=newest,
        )
        policy = page_policy(html)
        headers = cache | {"Content-Language": language}
        if name == "embed":
            policy = policy.replace("frame-ancestors 'self'", "frame-ancestors *")
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return make_ready(
            html.encode(),
            media_type="text/html; charset=utf-8",
            headers=headers | {"Content-Security-Policy": policy},
        )
    if name in COMPOUND_DATA:
        media_type, write = COMPOUND_DATA[name]
        shared = {
            "Access-Control-Allow-Origin": "*",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        return make_ready(write(edition, address), media_type=media_type, headers=cache | shared)
    if name == "qr.svg":
        return make_ready(qr_svg(address), media_type="image/svg+xml", headers=cache)
    if name == "qr.png":
        return make_ready(qr_png(address), media_type="image/png", headers=cache)
    pdf = compound_sheet(
        compound,
        language,
        today=drawn,
        address=address,
        number=edition.number,
        paper="a3" if name == "map-a3.pdf" else "a4",
    )
    if name in {"map.pdf", "map-a3.pdf"}:
        return make_ready(pdf, media_type="application/pdf", headers=cache)
    return make_ready(as_png(pdf, width_px=1240), media_type="image/png", headers=cache)
