"""Audits over HTTP: made, listed, read, compared, explained, and their pages."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import HTMLResponse, Response

from api.parameters import parse_bbox
from api.responses import JsonResponse, link_header, page_links
from api.rights import CurrentAccount, right
from api.routers.pages import LANGUAGE_COOKIE, Context, page_response
from api.security import page_policy
from api.service import ServiceDependency
from data.audits.compare import compare as compare_summaries
from data.audits.explain import explain_home, read_main_rule
from data.audits.inputs import place_from
from data.audits.pack import write_geopackage, write_ledger, zip_pack
from data.audits.rulebook import list_rule_sets, named_rule_set
from data.audits.runs import (
    KeptAudit,
    audit_homes,
    audit_inputs,
    audit_places,
    audit_shapes,
    last_audit,
    list_audits,
    read_audit,
    run_audit,
)
from data.audits.small_week import SmallWeeks, small_weeks
from data.audits.whatif import what_if
from data.errors import NotFoundError
from data.rules import checked
from geo.rulesets import rule_set
from maps.audit import report_page
from maps.audit_pack import write_kept_pack
from maps.audit_week import holiday_in_words, week_in_words, week_of
from maps.audits import audit_page, audits_page
from maps.messages import LANGUAGES

router = APIRouter(tags=["audits"])

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PDF = "application/pdf"
GEOPACKAGE = "application/geopackage+sqlite3"
ZIP = "application/zip"
PLACES_MOST = 20_000

Longitude = Annotated[float, Field(ge=-180, le=180)]
Latitude = Annotated[float, Field(ge=-90, le=90)]


class AuditRequest(BaseModel):
    """What to audit against."""

    model_config = ConfigDict(extra="forbid")

    rules: str = Field(
        default="circle-10",
        max_length=64,
        description="Name of a rule set: of the city's own, or one that comes along.",
    )
    version: str | None = Field(
        default=None, max_length=64, description="Its version; the newest if left out."
    )
    rule_set: dict[str, Any] | None = Field(
        default=None, description="The city's own rule set, instead of a name."
    )


@router.post(
    "/api/v1/audits", summary="Audit the city", status_code=201, openapi_extra=right("auditor")
)
def make(
    request: Request, service: ServiceDependency, account: CurrentAccount, body: AuditRequest
) -> Response:
    """Hold a rule set against the city and keep the result whole.

    The same inputs and rules give the same figures and are kept once: then the answer is 200 and
    the audit there is.
    """
    if body.rule_set is not None:
        rules = checked(rule_set(body.rule_set, origin="rule_set"))
    else:
        with service.database.connect() as connection:
            rules = named_rule_set(connection, body.rules, body.version)
    number, is_new = run_audit(service.database, service.circles.city(), rules, actor=account.name)
    with service.database.connect() as connection:
        kept = read_audit(connection, number)
    return JsonResponse(
        _told(kept),
        status_code=201 if is_new else 200,
        headers={"Location": str(request.url_for("read", audit_id=number))},
    )


@router.get(
    "/api/v1/audits",
    summary="Kept audits",
    response_class=JsonResponse,
    openapi_extra=right("viewer"),
)
def index(
    request: Request,
    service: ServiceDependency,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
) -> Response:
    """List kept audits, the newest first."""
    with service.database.connect() as connection:
        rows, matched = list_audits(connection, limit=limit, offset=offset)
    links = page_links(
        request,
        limit=limit,
        offset=offset,
        returned=len(rows),
        matched=matched,
        media_type="application/json",
    )
    return JsonResponse(
        {"numberMatched": matched, "numberReturned": len(rows), "audits": rows, "links": links},
        headers={"Link": link_header(links)},
    )


@router.get(
    "/api/v1/audits/{audit_id:int}",
    summary="One audit",
    response_class=JsonResponse,
    openapi_extra=right("viewer"),
)
def read(service: ServiceDependency, audit_id: int) -> Response:
    """Read an audit: rules, figures by area, reasons, zones, proposals, quality, inputs."""
    return JsonResponse(_told(_kept(service, audit_id)))


@router.get(
    "/api/v1/audits/{audit_id:int}/compare/{before_id:int}",
    summary="Two audits compared",
    response_class=JsonResponse,
    openapi_extra=right("viewer"),
)
def compare(service: ServiceDependency, audit_id: int, before_id: int) -> Response:
    """Say what got better or worse since an earlier audit, by area, and what changed."""
    before, after = _kept(service, before_id), _kept(service, audit_id)
    return JsonResponse(
        {
            "before": {"id": before.id, "created_at": before.created_at},
            "after": {"id": after.id, "created_at": after.created_at},
            **compare_summaries(before.summary, after.summary),
        }
    )


@router.get(
    "/api/v1/audits/{audit_id:int}/week",
    summary="Coverage over the hours of the week",
    response_class=JsonResponse,
    openapi_extra=right("viewer"),
)
def week(
    service: ServiceDependency,
    audit_id: int,
    level: Annotated[
        Literal["", "district", "street", "community", "grid", "compound"], Query()
    ] = "",
    code: Annotated[str, Query(max_length=120)] = "",
    lang: Literal["zh", "en"] = "zh",
) -> Response:
    """Read what is covered in each hour of the week, in the city or in one area, also in words.

    ``surely`` are 168 numbers from Monday midnight, ``holiday`` 24 of a public holiday; ``below``
    and ``words`` say when the promise is not kept. The weeks of grids and compounds are worked out
    when asked for, from what the audit was made from; the first takes as long as a walk through
    the city.
    """
    kept = _kept(service, audit_id)
    found = kept.summary.get("week", {})
    cover = week_of(found, level, code) if "required" in found else None
    if cover is None and "required" in found and level in kept.summary["levels"]:
        cover = _small_week(service, kept, level, code)
    if cover is None:
        raise NotFoundError(
            f"Audit {audit_id} has no week of {level or 'the city'} {code}.".replace(" .", "."),
            remedy="Name a level and a code that the audit lists, or neither; audits made before "
            "weeks or their inputs were kept have none.",
        )
    required = found["required"]
    told = {key: value for key, value in cover.items() if key != "areas"}
    words = [*week_in_words(cover, required, lang), holiday_in_words(cover, required, lang)]
    return JsonResponse(told | {"unit": found["unit"], "required": required, "words": words})


@router.get(
    "/api/v1/audits/{audit_id:int}/homes",
    summary="Its buildings",
    response_class=JsonResponse,
    openapi_extra=right("viewer"),
)
def homes(
    service: ServiceDependency,
    audit_id: int,
    bbox: Annotated[
        str, Query(description="West, south, east, north, degrees.", max_length=120)
    ] = "-180,-90,180,90",
    limit: Annotated[int, Query(ge=1, le=PLACES_MOST)] = PLACES_MOST,
    false_circles: Annotated[
        bool, Query(description="Only those inside the circle on the map and outside on foot.")
    ] = False,
) -> Response:
    """Buildings in a box as rows of id, lon, lat, reason, minutes, households, name.

    Those outside come first; ``more`` says that there were too many for one answer.
    """
    by_households = _kept(service, audit_id).summary["unit"] == "households"
    box = parse_bbox(bbox) or (-180.0, -90.0, 180.0, 90.0)
    with service.database.connect() as connection:
        rows, more = audit_places(
            connection,
            audit_id,
            box,
            by_households=by_households,
            most=limit,
            false_circles=false_circles,
        )
    return JsonResponse({"rows": rows, "more": more})


@router.get(
    "/api/v1/audits/{audit_id:int}/homes/{building_id:int}",
    summary="One building explained",
    response_class=JsonResponse,
    openapi_extra=right("viewer"),
)
def home(service: ServiceDependency, audit_id: int, building_id: int) -> Response:
    """Explain a building: route, where the time goes, what stands in the way, what else is near."""
    kept = _kept(service, audit_id)
    city = service.circles.city()
    with service.database.connect() as connection:
        return JsonResponse(explain_home(connection, city, service.walks, kept, building_id))


class WhatIf(BaseModel):
    """Stations placed and shut, streets joined, gates opened; longitude first."""

    model_config = ConfigDict(extra="forbid")

    stations: list[tuple[Longitude, Latitude]] = Field(default=[], max_length=100)
    links: list[tuple[tuple[Longitude, Latitude], tuple[Longitude, Latitude]]] = Field(
        default=[], max_length=100
    )
    gates: list[tuple[Longitude, Latitude]] = Field(default=[], max_length=100)
    closed: list[Annotated[str, Field(max_length=120)]] = Field(default=[], max_length=2000)


@router.post(
    "/api/v1/audits/{audit_id:int}/what-if",
    summary="What a change would cover",
    response_class=JsonResponse,
    openapi_extra=right("auditor"),
)
def try_out(service: ServiceDependency, audit_id: int, body: WhatIf) -> Response:
    """Count who would be covered with more or fewer stations, footbridges, gates; keeps nothing."""
    city = service.circles.city()
    with service.database.connect() as connection:
        return JsonResponse(
            what_if(
                connection,
                city,
                service.audit_rules.get(audit_id, lambda: read_main_rule(connection, audit_id)),
                stations=body.stations,
                links=body.links,
                gates=body.gates,
                closed=body.closed,
            )
        )


@router.get(
    "/api/v1/audits/{audit_id:int}/report.html",
    summary="Its report as one page",
    response_class=HTMLResponse,
    openapi_extra=right("viewer"),
)
def report(
    request: Request,
    service: ServiceDependency,
    audit_id: int,
    lang: str | None = None,
    public: bool = False,  # noqa: FBT001 — a query parameter
    previous: int | None = None,
) -> Response:
    """Write the report: needs no other file, prints on A4; ``public`` leaves single homes out."""
    kept = _kept(service, audit_id)
    asked = lang or request.cookies.get(LANGUAGE_COOKIE)
    before = _kept(service, previous) if previous is not None else None
    with service.database.connect() as connection:
        frame = audit_homes(connection, audit_id)
        shapes = audit_shapes(connection, audit_id)
    page = report_page(
        kept.summary,
        frame,
        shapes,
        language=asked if asked in LANGUAGES else service.settings.language,
        made_on=kept.created_at[:10],
        changes=compare_summaries(before.summary, kept.summary) if before else None,
        public=public,
    )
    return HTMLResponse(page, headers={"Content-Security-Policy": page_policy(page)})


@router.get(
    "/api/v1/audits/{audit_id:int}/report.pdf",
    summary="Its report as PDF",
    response_class=Response,
    responses={200: {"content": {PDF: {}}}},
    openapi_extra=right("viewer"),
)
def pdf(
    service: ServiceDependency,
    audit_id: int,
    lang: str | None = None,
    public: bool = False,  # noqa: FBT001 — a query parameter
) -> Response:
    """Write the report on A4: fonts embedded, page numbers, a map plate a community."""
    from maps.audit_pdf import audit_pdf

    kept = _kept(service, audit_id)
    with service.database.connect() as connection:
        frame = audit_homes(connection, audit_id)
        shapes = audit_shapes(connection, audit_id)
    content = audit_pdf(
        kept.summary,
        frame,
        shapes,
        language=lang if lang in LANGUAGES else service.settings.language,
        made_on=kept.created_at[:10],
        public=public,
    )
    return Response(
        content,
        media_type=PDF,
        headers={"Content-Disposition": f'inline; filename="audit-{audit_id}.pdf"'},
    )


@router.get(
    "/api/v1/audits/{audit_id:int}/ledger.xlsx",
    summary="Its ledger",
    response_class=Response,
    responses={200: {"content": {XLSX: {}}}},
    openapi_extra=right("viewer"),
)
def ledger(service: ServiceDependency, audit_id: int) -> Response:
    """Write the ledger: a sheet a level, and every building outside with reason and station."""
    kept = _kept(service, audit_id)
    with service.database.connect() as connection:
        frame = audit_homes(connection, audit_id)
    return _attached(audit_id, "xlsx", XLSX, lambda path: write_ledger(path, kept.summary, frame))


@router.get(
    "/api/v1/audits/{audit_id:int}/audit.gpkg",
    summary="Its layers",
    response_class=Response,
    responses={200: {"content": {GEOPACKAGE: {}}}},
    openapi_extra=right("viewer"),
)
def geopackage(service: ServiceDependency, audit_id: int) -> Response:
    """Write buildings, stations, areas, gap zones, proposals and doubtful links as a GeoPackage."""
    kept = _kept(service, audit_id)
    with service.database.connect() as connection:
        frame = audit_homes(connection, audit_id).drop(columns="building_id")
        inputs = audit_inputs(connection, audit_id)
    place = place_from(inputs) if inputs is not None else None
    return _attached(
        audit_id,
        "gpkg",
        GEOPACKAGE,
        lambda path: write_geopackage(path, kept.summary, frame, place),
    )


@router.get(
    "/api/v1/audits/{audit_id:int}/pack.zip",
    summary="Its inspection pack",
    response_class=Response,
    responses={200: {"content": {ZIP: {}}}},
    openapi_extra=right("auditor"),
)
def pack(
    service: ServiceDependency,
    audit_id: int,
    previous: Annotated[
        int | None,
        Query(ge=0, description="Audit to compare with; the last by the same rule set if left out"),
    ] = None,
) -> Response:
    """Pack all of it: reports, ledger, layers, rules, and every input.

    ``gridcircle audit --pack pack.zip --out again/`` makes the same figures from it alone.
    """
    kept = _kept(service, audit_id)
    with service.database.connect() as connection:
        if previous is None:
            previous = last_audit(connection, kept.summary["rule_set"]["name"], before=audit_id)
        before = read_audit(connection, previous) if previous is not None else None
        with tempfile.TemporaryDirectory() as folder:
            write_kept_pack(connection, kept, before, Path(folder))
            content = zip_pack(Path(folder))
    return Response(
        content,
        media_type=ZIP,
        headers={"Content-Disposition": f'attachment; filename="audit-{audit_id}.zip"'},
    )


@router.get("/audits", include_in_schema=False, openapi_extra=right("viewer"))
def audits(context: Context, service: ServiceDependency) -> Response:
    """Show the kept audits, and make new ones."""
    with service.database.connect() as connection:
        rule_sets = list_rule_sets(connection)
    return page_response(context, audits_page(context, rule_sets=rule_sets))


@router.get("/audits/{audit_id:int}", include_in_schema=False, openapi_extra=right("viewer"))
def audit(context: Context, service: ServiceDependency, audit_id: int) -> Response:
    """Show one audit: verdict, map, areas, zones, proposals, explanations."""
    kept = _kept(service, audit_id)
    return page_response(context, audit_page(context, number=kept.id, created_at=kept.created_at))


def _small_week(
    service: ServiceDependency, kept: KeptAudit, level: str, code: str
) -> dict[str, Any] | None:
    """The week of a grid or compound; None where the audit's inputs are not kept or know it not."""
    rows = next(r for r in kept.summary["rules"] if r["id"] == kept.summary["main_rule"])["areas"]
    if not any(row["code"] == code for row in rows.get(level, [])):
        return None

    def walked() -> SmallWeeks | None:
        with service.database.connect() as connection:
            files = audit_inputs(connection, kept.id)
        if files is None:
            return None
        rules = rule_set(kept.summary["rule_set"], origin=f"audit {kept.id}")
        main = next(rule for rule in rules.rules if rule.id == kept.summary["main_rule"])
        return small_weeks(place_from(files), main)

    weeks = service.small_weeks.get(kept.id, walked)
    return None if weeks is None else weeks.of(level, code)


def _attached(
    audit_id: int, ending: str, media_type: str, write: Callable[[Path], None]
) -> Response:
    """Send a file that a library can only write to a path."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"audit.{ending}"
        write(path)
        content = path.read_bytes()
    return Response(
        content,
        media_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="audit-{audit_id}.{ending}"'},
    )


def _kept(service: ServiceDependency, number: int) -> KeptAudit:
    with service.database.connect() as connection:
        return read_audit(connection, number)


def _told(kept: KeptAudit) -> dict[str, Any]:
    return {
        "id": kept.id,
        "created_at": kept.created_at,
        "actor": kept.actor,
        **kept.summary,
    }
