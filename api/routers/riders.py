"""Public station maps: no log-in, nothing internal, kept ready to send."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
from typing import Any, Literal
from urllib.parse import parse_qs

import numpy as np
from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection, text
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, Response

from api.errors import BadHeaderError
from api.published import Ready, ReadyResponse, make_ready
from api.responses import JsonResponse, dump
from api.rights import PUBLIC, client_address, right
from api.security import page_policy
from api.service import Service, ServiceDependency
from data.catchments import Origin, draw_catchments
from data.editions.base_map import pack_base_map
from data.editions.compound_editions import public_compounds
from data.editions.edition import Edition, public_maps, read_edition
from data.editions.nearest import RIDE_MAX_S, WALK_MAX_S, as_json
from data.editions.photos import published_photo
from data.editions.publications import SLUG, read_publication
from data.editions.reports import add_report
from data.errors import NotFoundError
from data.opening import TIME_ZONE
from geo.errors import SnapError
from maps.messages import LANGUAGES
from maps.open_data import DATA_FORMS
from maps.print.pictures import as_png, icon_png, qr_png, qr_svg
from maps.print.poster import poster
from maps.print.sign import door_sign
from maps.public_page import Form, public_page, thanks_page

router = APIRouter(include_in_schema=False)

CURRENT = "public, max-age=60, stale-while-revalidate=300, stale-if-error=604800"
"""A phone asks again after a minute, and shows what it has where nobody answers."""
OLD = "public, max-age=86400"
SIGN_MINUTES = 10
"""Of the circle on a door sign: the service circle of a red station."""
_PAPER = re.compile(r"poster-(a[34])\.pdf")
_ICON_SIZE = re.compile(r"icon-(192|512)\.png")
_NUMBER = re.compile(r"[1-9]\d{0,5}")


@router.get("/s/sw.js", openapi_extra=right(PUBLIC))
def service_worker() -> Response:
    """Give the script that keeps maps readable off line; here, so that it may look after /s/."""
    from maps.assets import STATIC

    body = (STATIC / "gridcircle" / "riders-sw.js").read_bytes()
    # A worker fetches under the policy of its own script.
    policy = "default-src 'none'; connect-src 'self'; script-src 'self'"
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": policy}
    return Response(body, media_type="text/javascript", headers=headers)


@router.get("/.well-known/gridcircle-stations", openapi_extra=right(PUBLIC))
def well_known(request: Request, service: ServiceDependency) -> Response:
    """List the maps of stations and compounds there are, at an address every service has."""
    with service.database.connect() as connection:
        found, compounds = public_maps(connection), public_compounds(connection)
    base = public_base(request, service)
    return JsonResponse(
        {
            "maps": [
                {
                    **one,
                    "url": f"{base}/s/{one['slug']}",
                    "feed": f"{base}/s/{one['slug']}/feed.json",
                    "geojson": f"{base}/s/{one['slug']}/stations.geojson",
                }
                for one in found
            ],
            "compounds": [
                {
                    **one,
                    "url": f"{base}/s/c/{one['id']}",
                    "geojson": f"{base}/s/c/{one['id']}/map.geojson",
                }
                for one in compounds
            ],
        },
        headers={"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=300",
                 "Cross-Origin-Resource-Policy": "cross-origin"},
    )  # fmt: skip


class Here(BaseModel):
    """Where a rider stands."""

    model_config = ConfigDict(extra="forbid")

    lon: float = Field(ge=-180, le=180, allow_inf_nan=False)
    lat: float = Field(ge=-90, le=90, allow_inf_nan=False)
    edition: int | None = Field(None, ge=1, le=999_999)


@router.post("/s/{slug}/nearest", openapi_extra=right(PUBLIC))
def nearest(request: Request, service: ServiceDependency, slug: str, body: Here) -> Response:
    """Give riding and walking seconds to every station; where the rider is, is kept nowhere."""
    service.nearest_limit.check(client_address(request))
    edition = _current(service, slug, body.edition)
    rows = edition.content["stations"]
    lonlat = np.array([[row["lon"], row["lat"]] for row in rows])
    city = service.circles.city()
    found = []
    refused: SnapError | None = None
    for profile, most_s in (("ebike", RIDE_MAX_S), ("norm", WALK_MAX_S)):
        try:
            found.append(
                service.station_times.seconds(
                    city, service.circles.travel(profile), key=edition.digest, lonlat=lonlat,
                    lon=body.lon, lat=body.lat, most_s=most_s,
                )
            )  # fmt: skip
        except SnapError as error:
            refused = error
            found.append(np.full(len(rows), np.nan))
    if refused is not None and all(np.isnan(times).all() for times in found):
        raise refused
    return JsonResponse(
        {
            "edition": edition.number,
            "ride": service.circles.travel("ebike").describe(),
            "walk": service.circles.travel("norm").describe(),
            "network_version": city.network.version,
            "stations": as_json(rows, *found),
        },
        headers={"Cache-Control": "no-store"},
    )


class Report(BaseModel):
    """What is wrong at a station."""

    model_config = ConfigDict(extra="forbid")

    station: int = Field(ge=1, le=2**63 - 1)
    edition: int | None = Field(None, ge=1, le=999_999)
    reason: str = Field(max_length=40)
    note: str = Field("", max_length=1000)
    lang: Literal["zh", "en"] = "zh"


@router.post("/s/{slug}/reports", openapi_extra=right(PUBLIC))
async def report(request: Request, service: ServiceDependency, slug: str) -> Response:
    """Take a report from the page's script (JSON) or from its form where no script runs."""
    raw = await request.body()
    media = request.headers.get("content-type", "").split(";")[0].strip()
    if media == "application/json":
        values = json.loads(raw) if raw else {}
    elif media == "application/x-www-form-urlencoded":
        values = {k: v[0] for k, v in parse_qs(raw.decode("utf-8", "replace")).items()}
    else:
        raise BadHeaderError(
            f"Content-Type {media[:60]!r} is not a report.",
            remedy="Send application/json, or the form of the page.",
        )
    try:
        sent = Report.model_validate(values)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(faults) from error
    service.report_limit.check(client_address(request))
    service.reports_limit.check("everybody")

    def keep() -> None:
        edition = _current(service, slug, sent.edition)
        with service.database.transaction(actor="public") as connection:
            add_report(connection, slug, edition, sent.station, sent.reason, sent.note)

    await run_in_threadpool(keep)
    if media == "application/json":
        return JsonResponse({"kept": True}, status_code=201)
    page = thanks_page(sent.lang, f"/s/{slug}")
    return HTMLResponse(page, headers={"Content-Security-Policy": page_policy(page)})


@router.get("/s/{slug}", openapi_extra=right(PUBLIC))
def current(request: Request, service: ServiceDependency, slug: str) -> Any:
    """Show the newest edition."""
    return _ready(request, service, slug, None, "page")


@router.get("/s/{slug}/{name}", openapi_extra=right(PUBLIC))
def part(request: Request, service: ServiceDependency, slug: str, name: str) -> Any:
    """Show an older edition by its number, or another form of the newest."""
    if _NUMBER.fullmatch(name):
        return _ready(request, service, slug, int(name), "page")
    return _ready(request, service, slug, None, name)


@router.get("/s/{slug}/{number}/{name}", openapi_extra=right(PUBLIC))
def part_of_edition(
    request: Request, service: ServiceDependency, slug: str, number: str, name: str
) -> Any:
    """Give another form of an edition."""
    if not _NUMBER.fullmatch(number):
        raise _unknown(name)
    return _ready(request, service, slug, int(number), name)


def _ready(
    request: Request, service: Service, slug: str, number: int | None, name: str
) -> ReadyResponse | Response:
    """Find or make an answer and put it on the shelf."""
    language = request.query_params.get("lang", "zh")
    if language not in LANGUAGES:
        language = "zh"
    state = service.published.state
    path, query = request.url.path, request.scope["query_string"]
    with service.database.connect() as connection:
        try:
            edition = _cached_edition(service, connection, slug, number)
        except NotFoundError:
            service.published.drop(path)
            raise
        newest = (
            edition.number if number is None else read_publication(connection, slug).current_number
        )
    day = dt.datetime.now(TIME_ZONE).date()
    base_url = f"{public_base(request, service)}/s/{slug}"
    key = (edition.digest, newest, day, language, name, base_url)
    ready = service.made_public.get(
        key, lambda: _make(edition, newest, name, language, slug, base_url, number)
    )
    # Only addresses that pages link: anything else could fill the shelf.
    if request.url.query in {"", "lang=zh", "lang=en"}:
        host = request.headers.get("host", "").lower()
        service.published.put(host, path, query, ready, state=state)
    return ReadyResponse(ready)


def _make(
    edition: Edition,
    newest: int | None,
    name: str,
    language: str,
    slug: str,
    base_url: str,
    number: int | None,
) -> Ready:
    cache = CURRENT if number is None else OLD
    forms: dict[str, Form] = {"page": "page", "embed": "embed", "map.html": "single"}
    if name in forms:
        page = public_page(
            edition,
            language,
            base=f"/s/{slug}",
            now=dt.datetime.now(TIME_ZONE),
            newest=newest,
            form=forms[name],
        )
        policy = page_policy(page)
        headers = {"Cache-Control": cache, "Content-Language": language}
        if name == "embed":
            policy = policy.replace("frame-ancestors 'self'", "frame-ancestors *")
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return make_ready(
            page.encode(),
            media_type="text/html; charset=utf-8",
            headers=headers | {"Content-Security-Policy": policy},
        )
    if name in DATA_FORMS:
        media_type, write = DATA_FORMS[name]
        return make_ready(
            write(edition, base_url),
            media_type=media_type,
            headers={
                "Cache-Control": cache,
                "Access-Control-Allow-Origin": "*",
                "Cross-Origin-Resource-Policy": "cross-origin",
            },
        )
    if (paper := _PAPER.fullmatch(name)) is not None or name == "map.png":
        size = paper[1] if paper else "phone"
        pdf = poster(edition, size, language, address=base_url)
        if paper:
            return _file(pdf, "application/pdf", cache)
        return _file(as_png(pdf, width_px=1080), "image/png", cache)
    if name in {"qr.svg", "qr.png"}:
        body = qr_svg(base_url) if name == "qr.svg" else qr_png(base_url)
        return _file(body, "image/svg+xml" if name == "qr.svg" else "image/png", cache)
    if (icon := _ICON_SIZE.fullmatch(name)) is not None:
        return _file(icon_png(int(icon[1])), "image/png", OLD)
    if name == "manifest.webmanifest":
        return _manifest(edition, f"/s/{slug}", language)
    if name == "icon.svg":
        return make_ready(ICON.encode(), media_type="image/svg+xml", headers={"Cache-Control": OLD})
    raise _unknown(name)


def _file(body: bytes, media_type: str, cache: str) -> Ready:
    return make_ready(
        body,
        media_type=media_type,
        headers={"Cache-Control": cache, "Cross-Origin-Resource-Policy": "cross-origin"},
    )


@router.get("/s/{slug}/stations/{station_id}/sign.pdf", openapi_extra=right(PUBLIC))
def sign(request: Request, service: ServiceDependency, slug: str, station_id: int) -> Any:
    """Give the door sign of one station, its circle as the streets are now."""
    language = request.query_params.get("lang", "zh")
    language = language if language in LANGUAGES else "zh"
    edition = _current(service, slug, None)
    row = next((s for s in edition.content["stations"] if s["id"] == station_id), None)
    if row is None:
        raise NotFoundError(
            f"This map has no station {station_id}.", remedy="Open the map and choose one."
        )
    city, travel = service.circles.city(), service.circles.travel("norm")
    address = f"{public_base(request, service)}/s/{slug}"
    photo: bytes | None = None
    if row.get("photo"):
        with service.database.connect() as connection, contextlib.suppress(NotFoundError):
            photo = published_photo(connection, slug, row["photo"]["digest"]).image
    key = ("sign", edition.digest, station_id, language, city.ground, address, photo is None)

    def make() -> Ready:
        with service.database.connect() as connection:
            base_map = pack_base_map(connection, np.array([[row["lon"], row["lat"]]]))
        try:
            origin = Origin(row["lon"], row["lat"])
            (drawn,) = draw_catchments(city, origin, travel, minutes=(SIGN_MINUTES,))
            circle = json.loads(bytes(dump(drawn["geometry"])))
        except SnapError:
            circle = None
        pdf = door_sign(
            edition, station_id, language, address=f"{address}#s{station_id}",
            base_map=base_map, circle=circle, minutes=SIGN_MINUTES, photo=photo,
        )  # fmt: skip
        return _file(pdf, "application/pdf", CURRENT)

    return ReadyResponse(service.made_public.get(key, make))


ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512">'
    '<rect width="512" height="512" rx="96" fill="#14304d"/>'
    '<path d="M256 430C190 330 128 280 128 204a128 128 0 0 1 256 0c0 76-62 126-128 226z"'
    ' fill="#f0b849"/><path d="M256 138l66 116H190z" fill="#14304d"/></svg>'
)


def _manifest(edition: Edition, base: str, language: str) -> Ready:
    content = edition.content
    title = content["title"] if language == "zh" else content["title_en"]
    return make_ready(
        json.dumps(
            {
                "name": title,
                "short_name": title[:12],
                "lang": "zh-CN" if language == "zh" else "en",
                "start_url": base,
                "scope": base,
                "id": base,
                "display": "standalone",
                "background_color": "#f4f2ed",
                "theme_color": "#14304d",
                "icons": [
                    {"src": f"{base}/icon.svg", "sizes": "any", "type": "image/svg+xml"},
                    {"src": f"{base}/icon-192.png", "sizes": "192x192", "type": "image/png"},
                    {"src": f"{base}/icon-512.png", "sizes": "512x512", "type": "image/png"},
                ],
            },
            ensure_ascii=False,
        ).encode(),
        media_type="application/manifest+json",
        headers={"Cache-Control": CURRENT},
    )


def _current(service: Service, slug: str, number: int | None) -> Edition:
    with service.database.connect() as connection:
        return _cached_edition(service, connection, slug, number)


def _cached_edition(
    service: Service, connection: Connection, slug: str, number: int | None
) -> Edition:
    """Read an edition; its content is read once, whether it is public is asked each time."""
    if SLUG.fullmatch(slug) is None:  # a name that no map can have, a NUL byte too
        raise NotFoundError(
            "There is no station map of this name.", remedy="Check the address you were given."
        )
    found = connection.execute(
        text(
            "SELECT e.digest FROM publications p JOIN editions e ON e.publication_id = p.id"
            " WHERE p.slug = :slug AND p.state = 'published'"
            " AND e.number = coalesce(CAST(:number AS integer), p.current_number)"
        ),
        {"slug": slug, "number": number},
    ).scalar_one_or_none()
    return service.editions.get(
        (slug, number, found), lambda: read_edition(connection, slug, number)
    )


def public_base(request: Request, service: Service) -> str:
    """Address of this service as the public writes it, without a slash at the end."""
    return (service.settings.public_url or str(request.base_url)).rstrip("/")


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(
        f"A station map has no form {name[:60]!r}.",
        remedy=f"There are: map.html, embed, {', '.join(DATA_FORMS)}, poster-a3.pdf, "
        "poster-a4.pdf, map.png, qr.svg, qr.png.",
    )
