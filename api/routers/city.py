"""The city this service holds, and the ways people walk."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from api.responses import JsonResponse
from api.rights import right
from api.service import ServiceDependency
from data.city import estimated_share
from geo.standards import PROFILES, SIGNAL_WAITS_S

router = APIRouter(prefix="/api/v1", tags=["city"])


@router.get("/city", summary="The city", openapi_extra=right("viewer"))
def city(service: ServiceDependency) -> Response:
    """Name, bounds, attribution, what the layers hold, and the current walking network.

    ``estimated_share`` tells what part of the households and people no ledger counts; null where
    there are none.
    """
    found = service.city_facts()
    estimated = {
        unit: estimated_share(found.counts[f"{unit}_estimated"], found.counts[unit])
        for unit in ("households", "people")
    }
    return JsonResponse(
        {
            "name": found.name,
            "is_sample": found.is_sample,
            "attribution": found.attribution,
            "bounds": found.bounds,
            "counts": found.counts,
            "estimated_share": estimated,
            "network": found.network,
        }
    )


@router.get("/profiles", summary="Travel profiles and signal waits", openapi_extra=right("viewer"))
def profiles(service: ServiceDependency) -> Response:
    """List speeds and waits with their sources, and what holds when a request names none."""
    settings = service.settings
    return JsonResponse(
        {
            "profiles": [
                {
                    "name": profile.name,
                    "speed_mps": profile.speed_mps,
                    "mode": profile.mode,
                    "steps": profile.steps,
                    "label": {"zh": profile.label_zh, "en": profile.label_en},
                    "source": profile.source,
                }
                for profile in PROFILES.values()
            ],
            "waits": [
                {"name": name, "seconds": seconds} for name, seconds in SIGNAL_WAITS_S.items()
            ],
            "defaults": {
                "profile": settings.default_profile,
                "waits": settings.waits,
                "minutes": settings.minutes,
                "max_snap_m": settings.max_snap_m,
            },
        }
    )
