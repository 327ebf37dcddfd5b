"""Publications: for publishers; what the public sees is in `api.routers.riders`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.parameters import seen_version
from api.responses import JsonResponse, row_etag
from api.rights import CurrentAccount, right
from api.routers.stations import IfMatch
from api.service import ServiceDependency
from data.editions.checklist import CheckedStation
from data.editions.edition import list_editions
from data.editions.publications import (
    Publication,
    PublicationDraft,
    change_publication,
    create_publication,
    list_publications,
    read_publication,
)
from data.editions.publishing import allow_stations, checked_stations, publish, withdraw
from data.editions.reports import list_reports, resolve_report

router = APIRouter(prefix="/api/v1/publications", tags=["publications"])

WALKED = "norm"
"""How riders walk the last metres to an entrance: decides which streets count."""


class PublicationBody(BaseModel):
    """A new publication."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "slug": "huantai-riders",
                "title": "桓台小哥驿站地图",
                "kinds": ["rider_station"],
            }
        },
    )

    slug: str = Field(description="Of the short address; small letters, digits, hyphens.")
    title: str
    title_en: str = ""
    kinds: list[str] = ["rider_station"]
    area: str | None = Field(None, max_length=64, description="Code of an area; null: whole city.")
    left_out: list[int] = Field([], max_length=5000, description="Stations not to show.")


class PublicationChanges(BaseModel):
    """Some fields of a publication (JSON merge patch)."""

    model_config = ConfigDict(extra="forbid")

    title: str = ""
    title_en: str = ""
    kinds: list[str] = []
    area: str | None = Field(None, max_length=64)
    left_out: list[int] = Field([], max_length=5000)


class PublishBody(BaseModel):
    """How to publish."""

    model_config = ConfigDict(extra="forbid")

    unready: Annotated[
        Literal["refuse", "leave_out"],
        Field(description="What to do about stations whose check list has a bad line."),
    ] = "refuse"


@router.get("", summary="Publications", openapi_extra=right("publisher"))
def publications(service: ServiceDependency) -> Response:
    """List all publications, the one changed last first."""
    with service.database.connect() as connection:
        found = list_publications(connection)
    return JsonResponse({"publications": [one.as_json() for one in found]})


@router.post("", summary="Set up a publication", status_code=201, openapi_extra=right("publisher"))
def create(service: ServiceDependency, account: CurrentAccount, body: PublicationBody) -> Response:
    """Set up a publication; nothing is public before an edition is published."""
    draft = PublicationDraft(
        **body.model_dump() | {"kinds": tuple(body.kinds), "left_out": tuple(body.left_out)}
    )
    with service.database.transaction(actor=account.name) as connection:
        made = create_publication(connection, draft)
    return _one(made, status_code=201, headers={"Location": f"{router.prefix}/{made.slug}"})


@router.get(
    "/{slug}", summary="One publication with its editions", openapi_extra=right("publisher")
)
def one(service: ServiceDependency, slug: str) -> Response:
    """Read a publication; its entity tag is its version."""
    with service.database.connect() as connection:
        found = read_publication(connection, slug)
        editions = list_editions(connection, found.id)
    return _one(found, editions=editions)


@router.patch("/{slug}", summary="Change a publication", openapi_extra=right("publisher"))
def change(
    service: ServiceDependency,
    account: CurrentAccount,
    slug: str,
    body: PublicationChanges,
    if_match: IfMatch = None,
) -> Response:
    """Change title, kinds, area, or stations left out; editions stay as they are."""
    version = seen_version(if_match)
    changes = body.model_dump(include=body.model_fields_set)
    for name in ("kinds", "left_out"):
        if name in changes:
            changes[name] = tuple(changes[name])
    with service.database.transaction(actor=account.name) as connection:
        return _one(change_publication(connection, slug, changes, version=version))


@router.get(
    "/{slug}/stations", summary="Stations with their check lists", openapi_extra=right("publisher")
)
def stations(service: ServiceDependency, slug: str) -> Response:
    """List every station the publication could show, and what each still lacks."""
    city, travel = service.circles.city(), service.circles.travel(WALKED)
    with service.database.connect() as connection:
        publication = read_publication(connection, slug)
        found = checked_stations(connection, publication, city, travel)
    return JsonResponse(
        {
            "checked_at": dt.datetime.now(dt.UTC),
            "ready": sum(s.ready and not s.left_out for s in found),
            "not_ready": sum(not s.ready and not s.left_out for s in found),
            "left_out": sum(s.left_out for s in found),
            "stations": [_checked(s) for s in found],
        }
    )


@router.post(
    "/{slug}/stations/allow",
    summary="Mark all shown stations as public",
    openapi_extra=right("publisher"),
)
def allow(service: ServiceDependency, account: CurrentAccount, slug: str) -> Response:
    """Mark every station the publication shows as public, in one transaction."""
    with service.database.transaction(actor=account.name) as connection:
        publication = read_publication(connection, slug)
        return JsonResponse({"allowed": allow_stations(connection, publication)})


@router.post(
    "/{slug}/editions",
    summary="Publish the next edition",
    status_code=201,
    openapi_extra=right("publisher"),
)
def publish_edition(
    service: ServiceDependency,
    account: CurrentAccount,
    slug: str,
    body: PublishBody | None = None,
    if_match: IfMatch = None,
) -> Response:
    """Publish; the short address shows the new edition at once."""
    version = seen_version(if_match)
    unready = (body or PublishBody()).unready
    city, travel = service.circles.city(), service.circles.travel(WALKED)
    with service.database.transaction(actor=account.name) as connection:
        made = publish(
            connection, slug, city, travel, version=version, editor=account.name, unready=unready
        )
        now = read_publication(connection, slug)
    service.published.clear()
    return JsonResponse(
        {
            "number": made.number,
            "published_at": made.published_at,
            "editor": made.editor,
            "digest": made.digest,
            "stations": len(made.content["stations"]),
            "address": f"/s/{slug}",
            "version": now.version,
        },
        status_code=201,
        headers={"Location": f"/s/{slug}/{made.number}", "ETag": row_etag(now.version)},
    )


@router.post(
    "/{slug}/withdraw", summary="Take a publication off the net", openapi_extra=right("publisher")
)
def take_down(
    service: ServiceDependency, account: CurrentAccount, slug: str, if_match: IfMatch = None
) -> Response:
    """Take all editions off the net; they are kept, and the next edition brings them back."""
    version = seen_version(if_match)
    with service.database.transaction(actor=account.name) as connection:
        found = withdraw(connection, slug, version=version)
    service.published.clear()
    return _one(found)


@router.get("/{slug}/reports", summary="What riders found wrong", openapi_extra=right("publisher"))
def reports(
    service: ServiceDependency,
    slug: str,
    state: Annotated[Literal["open", "resolved"] | None, Query()] = None,
) -> Response:
    """List reports, open ones first, each with place and time and nothing about who."""
    with service.database.connect() as connection:
        publication = read_publication(connection, slug)
        found = list_reports(connection, publication.id, state=state)
    return JsonResponse({"reports": found})


@router.post(
    "/{slug}/reports/{report_id}/resolve",
    summary="Mark a report as dealt with",
    openapi_extra=right("publisher"),
)
def resolve(
    service: ServiceDependency, account: CurrentAccount, slug: str, report_id: int
) -> Response:
    """Mark a report as dealt with."""
    with service.database.transaction(actor=account.name) as connection:
        publication = read_publication(connection, slug)
        return JsonResponse(
            resolve_report(connection, publication.id, report_id, actor=account.name)
        )


def _one(
    publication: Publication,
    *,
    editions: list[dict[str, Any]] | None = None,
    status_code: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    body = publication.as_json()
    if editions is not None:
        body["editions"] = editions
    tag = {"ETag": row_etag(publication.version), "Cache-Control": "no-cache"}
    return JsonResponse(body, status_code=status_code, headers=tag | (headers or {}))


def _checked(station: CheckedStation) -> dict[str, Any]:
    row = {k: v for k, v in station.row.items() if k != "published"}
    return row | {
        "ready": station.ready,
        "left_out": station.left_out,
        "checks": [{"key": c.key, "verdict": c.verdict, "value": c.value} for c in station.checks],
    }
