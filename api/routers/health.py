"""Whether the process is up, and whether it can answer about the city."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from starlette.responses import Response

from api.errors import NotReadyError
from api.responses import JsonResponse
from api.rights import right
from api.service import Service, ServiceDependency

router = APIRouter(tags=["health"])

_NO_STORE = {"Cache-Control": "no-store"}


@router.get("/health", summary="Is the process up?", openapi_extra=right("public"))
async def health() -> Response:
    """Answer as long as the process lives; touches nothing else."""
    return JsonResponse({"status": "up"}, headers=_NO_STORE)


@router.get(
    "/ready",
    summary="Can it answer about the city?",
    responses={503: {"description": "Not yet; `reasons` says what is missing."}},
    openapi_extra=right("public"),
)
def ready(service: ServiceDependency) -> Response:
    """Check database, tables, walking network and the city in memory; 503 with reasons if not."""
    checks: dict[str, Any] = {}
    reasons: list[str] = []
    _check_database(service, checks, reasons)
    if "database" in checks:
        state = service.circles.state()
        checks["city"] = state.counts
        reasons += state.missing
    return JsonResponse(
        {"status": "not ready" if reasons else "ready", "reasons": reasons, **checks},
        status_code=503 if reasons else 200,
        headers=_NO_STORE,
    )


def _check_database(service: Service, checks: dict[str, Any], reasons: list[str]) -> None:
    try:
        with service.database.connect() as connection:
            row = connection.execute(
                text(
                    "SELECT current_setting('server_version') AS postgresql,"
                    " postgis_lib_version() AS postgis,"
                    " (SELECT version_num FROM gridcircle_revision) AS tables"
                )
            ).one()
    except NotReadyError as error:
        reasons.append(str(error))
    except OperationalError:
        reasons.append("The database does not answer.")
    else:
        checks["database"] = dict(row._mapping)  # noqa: SLF001 — public in spite of its name
