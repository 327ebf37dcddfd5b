"""The pages for people: the city, service circles, coverage."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import HTMLResponse, Response

from api.parameters import split_words
from api.rights import menu_of, right
from api.security import page_policy
from api.service import ServiceDependency
from data.models import STATION_KINDS
from geo.standards import PROFILES, SIGNAL_WAITS_S
from maps.catchment import catchment_page
from maps.city import city_page
from maps.coverage import coverage_page
from maps.messages import LANGUAGES
from maps.page import PageContext

router = APIRouter(include_in_schema=False)

DEFAULT_MINUTES = 15.0
LANGUAGE_COOKIE = "lang"
A_YEAR_S = 365 * 24 * 3600


def page_context(
    request: Request,
    service: ServiceDependency,
    lang: Annotated[str | None, Query(description="zh or en; kept in a cookie.")] = None,
) -> PageContext:
    """Read what every page says about the city."""
    found = service.city_facts()
    settings = service.settings
    language = page_language(lang, request.cookies.get(LANGUAGE_COOKIE), settings.language)
    return PageContext(
        city_name=found.name,
        is_sample=found.is_sample,
        attribution=found.attribution,
        bounds=found.bounds,
        language=language,
        network_version=found.network["version"] if found.network else "",
        counts=found.counts,
        profile=settings.default_profile,
        waits=settings.waits,
        query={k: v for k, v in request.query_params.multi_items() if k != "lang"},
        account=menu_of(request, language),
    )


def page_language(asked: str | None, before: str | None, own: str) -> str:
    """Take the language asked for now, else that asked for before, else the service's own.

    A language there is not is Chinese, never an error; ``en-GB`` is English. The browser is not
    asked: the pages are Chinese first and English by a switch.

    Parameters
    ----------
    asked, before : str or None
        From the query and from the cookie.
    own : str
        From the settings.
    """
    if asked:
        word = asked.strip().lower().replace("_", "-").split("-")[0]
        return word if word in LANGUAGES else LANGUAGES[0]
    return next(language for language in (before, own, *LANGUAGES) if language in LANGUAGES)


Context = Annotated[PageContext, Depends(page_context)]


@router.get("/", openapi_extra=right("viewer"))
def city(context: Context) -> Response:
    """Show the city."""
    return page_response(context, city_page(context))


@router.get("/maps/catchment", openapi_extra=right("viewer"))
def catchment(
    context: Context, station: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None
) -> Response:
    """Show the circles of a station, or of any point."""
    return page_response(context, catchment_page(context, station=station))


@router.get("/maps/coverage", openapi_extra=right("viewer"))
def coverage(
    context: Context,
    kinds: Annotated[list[str], Query()] = [],  # noqa: B006
    minutes: Annotated[float, Query(gt=0, le=120)] = DEFAULT_MINUTES,
    profile: str | None = None,
    waits: str | None = None,
) -> Response:
    """Show who reaches a station in how many minutes; unknown words are as if not given."""
    page = coverage_page(
        context,
        kinds=[kind for kind in split_words(kinds) if kind in STATION_KINDS],
        minutes=minutes,
        profile=profile if profile and profile in PROFILES else context.profile,
        waits=waits if waits and waits in SIGNAL_WAITS_S else context.waits,
    )
    return page_response(context, page)


def page_response(context: PageContext, html: str) -> Response:
    """Answer with a page, its policy and the language it is kept in."""
    response = HTMLResponse(
        html,
        headers={"Content-Security-Policy": page_policy(html), "Cache-Control": "no-cache"},
    )
    response.set_cookie(
        LANGUAGE_COOKIE, context.language, max_age=A_YEAR_S, samesite="lax", httponly=True
    )
    return response
