"""Coverage: how far every home is from its nearest station, sums, gaps, single walks."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from api.parameters import split_words
from api.responses import (
    GeoJsonResponse,
    JsonResponse,
    feature_collection,
    link_header,
    page_links,
)
from api.rights import right
from api.schemas import (
    CoverageLevel,
    FeatureCollection,
    Limit,
    Offset,
    ProfileName,
    RowId,
    Waits,
)
from api.service import ServiceDependency
from data.circles import OPEN
from data.coverage_runs import CoverageRun, Question, coverage_run

router = APIRouter(prefix="/api/v1/coverage", tags=["coverage"])


async def asked(
    service: ServiceDependency,
    kinds: Annotated[
        list[str],
        Query(description="Station kinds that count; all when none is named."),
    ] = [],  # noqa: B006
    minutes: Annotated[float, Query(description="Cutoff, minutes of walking.")] = 15,
    profile: Annotated[ProfileName | None, Query()] = None,
    waits: Annotated[Waits | None, Query()] = None,
    speed_mps: Annotated[float | None, Query(description="Overrides the profile's speed.")] = None,
    status: Annotated[
        list[str],
        Query(description="Station statuses that count: open ones, unless asked otherwise."),
    ] = [],  # noqa: B006
) -> Question:
    """Read what coverage is asked for."""
    return Question(
        tuple(split_words(kinds)),
        minutes,
        service.circles.travel(profile, waits, speed_mps=speed_mps),
        tuple(split_words(status)) or OPEN,
    )


Asked = Annotated[Question, Depends(asked)]


@router.get("", summary="Coverage and its sums", openapi_extra=right("viewer"))
def coverage(
    request: Request,
    service: ServiceDependency,
    question: Asked,
    level: Annotated[CoverageLevel, Query(description="What to sum up by.")] = "community",
    limit: Limit = 100,
    offset: Offset = 0,
) -> Response:
    """Sum up buildings, households and people by state, for the city and for each area.

    States: ``covered``, ``gap`` (beyond the cutoff), ``unsnapped`` (no walkable street near),
    ``disconnected`` (on an island of the network without a station). Only open stations count
    unless another ``status`` is asked for. Areas with most uncovered households come first; id 0
    is what lies in none. ``run`` is the number to ask tiles by.
    """
    run = _run(service, question)
    rows = run.levels[level]
    page = rows[offset : offset + limit]
    links = page_links(
        request,
        limit=limit,
        offset=offset,
        returned=len(page),
        matched=len(rows),
        media_type="application/json",
    )
    base = str(request.base_url).rstrip("/")
    return JsonResponse(
        {
            "run": run.id,
            "parameters": run.parameters,
            "totals": run.totals,
            "level": level,
            "numberMatched": len(rows),
            "numberReturned": len(page),
            "rows": page,
            "tiles": f"{base}/tiles/coverage/{run.id}/{{z}}/{{x}}/{{y}}.mvt",
            "links": [
                *links,
                {
                    "rel": "related",
                    "href": str(request.url_for("gaps").include_query_params(**_query(request))),
                    "type": "application/geo+json",
                },
            ],
        },
        headers={"Link": link_header(links)},
    )


@router.get(
    "/gaps",
    summary="Gap zones",
    response_model=FeatureCollection,
    response_class=GeoJsonResponse,
    openapi_extra=right("viewer"),
)
def gaps(
    request: Request,
    service: ServiceDependency,
    question: Asked,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Response:
    """List clusters of homes beyond the cutoff as polygons, most households first."""
    run = _run(service, question)
    return feature_collection(
        request,
        list(run.zones[offset : offset + limit]),
        matched=len(run.zones),
        limit=limit,
        offset=offset,
        members={"run": run.id, "parameters": run.parameters},
    )


@router.get(
    "/building/{building_id}",
    summary="The walk of one building",
    response_model=FeatureCollection,
    response_class=GeoJsonResponse,
    openapi_extra=right("viewer"),
)
def building(
    request: Request, service: ServiceDependency, question: Asked, building_id: RowId
) -> Response:
    """Find the walk from a building to its nearest station of each kind, the nearest first."""
    walks = service.walks.of_building(service.circles.city(), question, building_id)
    return feature_collection(
        request,
        list(walks),
        matched=len(walks),
        limit=max(len(walks), 1),
        offset=0,
        members={"minutes": question.minutes},
    )


def _run(service: ServiceDependency, question: Question) -> CoverageRun:
    city = service.circles.city()
    return service.runs.get(
        (city.number, question.key), lambda: coverage_run(service.database, city, question)
    )


def _query(request: Request) -> dict[str, Any]:
    kept = {"kinds", "minutes", "profile", "waits", "speed_mps", "status"}
    return {k: v for k, v in request.query_params.items() if k in kept}
