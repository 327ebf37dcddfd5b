"""What the ``type`` of a problem document leads to."""

from __future__ import annotations

import inspect

from fastapi import APIRouter
from starlette.responses import Response

from api.problems import HTTP_KINDS, INTERNAL, INVALID_REQUEST, KINDS, NOT_JSON, PROBLEMS_PATH
from api.responses import JsonResponse
from api.rights import right
from data.errors import NotFoundError

router = APIRouter(prefix=PROBLEMS_PATH, tags=["problems"])

_EXPLAINED = {
    kind.slug: {
        "type": f"{PROBLEMS_PATH}/{kind.slug}",
        "status": kind.status,
        "title": kind.title,
        "description": (inspect.getdoc(error) or "").split("\n")[0]
        if error.__module__.split(".")[0] in {"api", "data", "geo"}
        else kind.title,
    }
    for error, kind in reversed(list(KINDS.items()))
} | {
    kind.slug: {
        "type": f"{PROBLEMS_PATH}/{kind.slug}",
        "status": kind.status,
        "title": kind.title,
        "description": kind.title,
    }
    for kind in (INVALID_REQUEST, NOT_JSON, INTERNAL, *HTTP_KINDS.values())
}


@router.get("", summary="Kinds of problems", openapi_extra=right("public"))
async def problems() -> Response:
    """List every kind of problem this service answers with."""
    return JsonResponse({"problems": [_EXPLAINED[slug] for slug in sorted(_EXPLAINED)]})


@router.get("/{slug}", summary="One kind of problem", openapi_extra=right("public"))
async def problem(slug: str) -> Response:
    """Explain one kind of problem: what its ``type`` leads to."""
    if slug not in _EXPLAINED:
        raise NotFoundError(f"No problem is named {slug!r}.", remedy=f"See {PROBLEMS_PATH}.")
    return JsonResponse(_EXPLAINED[slug])
