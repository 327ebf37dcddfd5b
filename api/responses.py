"""JSON and GeoJSON answers, written by orjson; entity tags; pages of a list with links."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import Request
from starlette.responses import JSONResponse, Response

GEOJSON = "application/geo+json"
MVT = "application/vnd.mapbox-vector-tile"

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z


def dump(content: Any) -> bytes:
    """JSON bytes; NaN becomes null."""
    return orjson.dumps(content, option=_OPTIONS)


class JsonResponse(JSONResponse):
    """``application/json`` by orjson."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Write the body; bytes are taken as they are."""
        return content if isinstance(content, bytes) else dump(content)


class GeoJsonResponse(JsonResponse):
    """``application/geo+json`` (RFC 7946)."""

    media_type = GEOJSON


def row_etag(version: int) -> str:
    """Entity tag of a row: its version."""
    return f'"{version}"'


def strong_etag(body: bytes) -> str:
    """Entity tag of exactly these bytes."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def is_known(request: Request, etag: str) -> bool:
    """Whether If-None-Match names this entity tag: the client has it already.

    If-None-Match compares weakly (RFC 9110, 13.1.2).
    """
    named = request.headers.get("if-none-match")
    if named is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in named.split(",")]
    return "*" in tags or etag in tags


def revalidated(
    request: Request, body: bytes, *, media_type: str, cache_control: str, etag: str | None = None
) -> Response:
    """Answer with the body and its entity tag, or 304 where the client has it already."""
    tag = etag or strong_etag(body)
    headers = {"ETag": tag, "Cache-Control": cache_control}
    if is_known(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def page_links(
    request: Request, *, limit: int, offset: int, returned: int, matched: int, media_type: str
) -> list[dict[str, str]]:
    """Links to this page of a list, the first, the next and the one before."""

    def link(rel: str, start: int) -> dict[str, str]:
        url = request.url.include_query_params(limit=limit, offset=start)
        return {"rel": rel, "href": str(url), "type": media_type}

    links = [link("self", offset), link("first", 0)]
    if offset + returned < matched and returned:
        links.append(link("next", offset + returned))
    if offset > 0:
        links.append(link("prev", max(0, min(offset, matched) - limit)))
    return links


def link_header(links: list[dict[str, str]]) -> str:
    """Write the same links as a Link header (RFC 8288)."""
    return ", ".join(f'<{link["href"]}>; rel="{link["rel"]}"' for link in links)


def feature_collection(
    request: Request,
    features: list[Any],
    *,
    matched: int,
    limit: int,
    offset: int,
    members: Mapping[str, Any] | None = None,
) -> GeoJsonResponse:
    """One page of features: a FeatureCollection with counts and links, in body and header."""
    links = page_links(
        request,
        limit=limit,
        offset=offset,
        returned=len(features),
        matched=matched,
        media_type=GEOJSON,
    )
    return GeoJsonResponse(
        {
            "type": "FeatureCollection",
            "numberMatched": matched,
            "numberReturned": len(features),
            **(members or {}),
            "links": links,
            "features": features,
        },
        headers={"Link": link_header(links)},
    )
