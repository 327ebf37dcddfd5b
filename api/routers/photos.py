"""Photos of stations: publishers upload and take them back, the public sees published ones."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.published import Ready, ReadyResponse, make_ready
from api.responses import JsonResponse, revalidated
from api.rights import PUBLIC, CurrentAccount, right
from api.routers.riders import OLD
from api.schemas import RowId
from api.service import ServiceDependency
from data.accounts.account import require
from data.accounts.places import area_of_station
from data.editions.photos import (
    cleaned,
    photo_history,
    published_photo,
    read_photo,
    remove_photo,
    set_photo,
)
from data.editions.publications import SLUG
from data.errors import NotFoundError

router = APIRouter(tags=["publications"])

WEBP = "image/webp"
PATH = re.compile(r"/api/v1/stations/\d+/photo")
"""Of uploads, which are larger than other bodies."""
_DIGEST = re.compile(r"([0-9a-f]{24})\.webp")


@router.put(
    "/api/v1/stations/{station_id}/photo",
    summary="Give a station a photo",
    status_code=201,
    openapi_extra=right("publisher")
    | {
        "requestBody": {
            "required": True,
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in ("image/jpeg", "image/png", WEBP)
            },
        }
    },
)
async def upload(
    request: Request, service: ServiceDependency, account: CurrentAccount, station_id: RowId
) -> Response:
    """Take a JPEG, PNG or WebP of at most 8 MB as the body; the one before becomes history.

    It is turned upright, made small and written anew as WebP without place, time, camera or any
    other metadata. Faces and number plates do not belong on it. The next edition shows it.
    """
    given = await request.body()

    def keep() -> Response:
        with service.database.transaction(actor=account.name) as connection:
            require(account, "publisher", area_of_station(connection, station_id))
        photo = cleaned(given)
        with service.database.transaction(actor=account.name) as connection:
            set_photo(connection, station_id, photo, actor=account.name)
        return JsonResponse(
            {
                "digest": photo.digest,
                "width": photo.width,
                "height": photo.height,
                "bytes": len(photo.image),
            },
            status_code=201,
            headers={"Location": f"/api/v1/stations/{station_id}/photo"},
        )

    return await run_in_threadpool(keep)


@router.get(
    "/api/v1/stations/{station_id}/photo",
    summary="The photo a station has now",
    response_class=Response,
    responses={200: {"content": {WEBP: {}}}},
    openapi_extra=right("publisher"),
)
def photo(request: Request, service: ServiceDependency, station_id: RowId) -> Response:
    """Give the picture as it would be published."""
    with service.database.connect() as connection:
        found = read_photo(connection, station_id)
    return revalidated(
        request,
        found.image,
        media_type=WEBP,
        cache_control="private, no-cache",
        etag=f'"{found.digest}"',
    )


@router.get(
    "/api/v1/stations/{station_id}/photos",
    summary="Every photo a station ever had",
    openapi_extra=right("publisher"),
)
def history(service: ServiceDependency, station_id: RowId) -> Response:
    """List who added and removed photos, and when; the pictures are not in it."""
    with service.database.connect() as connection:
        return JsonResponse({"photos": photo_history(connection, station_id)})


@router.delete(
    "/api/v1/stations/{station_id}/photo",
    summary="Take a station's photo back",
    openapi_extra=right("publisher"),
)
def take_back(
    service: ServiceDependency,
    account: CurrentAccount,
    station_id: RowId,
    erase: Annotated[
        bool, Query(description="Also out of editions that are published, for good.")
    ] = False,
) -> Response:
    """Show it in no further edition; ``erase`` throws away all its pictures at once."""
    with service.database.transaction(actor=account.name) as connection:
        try:
            area = area_of_station(connection, station_id)
        except NotFoundError:
            area = None  # a station that is gone may still be in old editions
        require(account, "publisher", area)
        removed = remove_photo(connection, station_id, actor=account.name, erase=erase)
    if erase:
        service.published.clear()
    return JsonResponse({"removed": removed, "erased": erase})


@router.get("/s/{slug}/photos/{name}", include_in_schema=False, openapi_extra=right(PUBLIC))
def published(request: Request, service: ServiceDependency, slug: str, name: str) -> Response:
    """Give a photo of a published edition; its address names its bytes."""
    digest = _DIGEST.fullmatch(name)
    if digest is None or SLUG.fullmatch(slug) is None:
        raise NotFoundError("A station map has no such photo.", remedy="Open the map.")
    state = service.published.state
    with service.database.connect() as connection:
        found = published_photo(connection, slug, digest[1])
    ready: Ready = make_ready(
        found.image,
        media_type=WEBP,
        headers={"Cache-Control": OLD, "Cross-Origin-Resource-Policy": "cross-origin"},
    )
    if not request.url.query:
        host = request.headers.get("host", "").lower()
        service.published.put(host, request.url.path, b"", ready, state=state)
    return ReadyResponse(ready)
