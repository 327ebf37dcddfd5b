"""Problems as pages: who opens an address in a browser reads words, not JSON."""

from __future__ import annotations

import json
import logging

from fastapi import Request
from starlette.responses import HTMLResponse, Response

from api.rights import opens_page
from api.routers.pages import page_context
from api.security import page_policy
from api.service import Service
from maps.problem_page import problem_page

PUBLIC_PAGES = "/s/"

log = logging.getLogger("gridcircle.api")


def as_page(request: Request, answer: Response) -> Response:
    """Give a problem document as a page where a browser opened a page's address.

    Parameters
    ----------
    request : Request
    answer : Response
        The problem document.

    Returns
    -------
    Response
        With the same status. The document itself for programs and scripts, for the addresses of
        OGC, and where not even the city's name can be had.
    """
    if not opens_page(request) or request.url.path.startswith("/ogc"):
        return answer
    service: Service = request.app.state.service
    try:
        context = page_context(request, service, request.query_params.get("lang"))
        home = not request.url.path.startswith(PUBLIC_PAGES)
        known = service.settings.accounts == "off" or context.account is not None
        page = problem_page(context, json.loads(bytes(answer.body)), ways=home and known, home=home)
    except Exception:  # the problem itself is what must be answered
        log.warning("No page of the problem at %s", request.url.path, exc_info=True)
        return answer
    own = {"content-type", "content-length", "content-security-policy"}
    kept = {name: value for name, value in answer.headers.items() if name not in own}
    return HTMLResponse(
        page,
        status_code=answer.status_code,
        headers={**kept, "Content-Security-Policy": page_policy(page), "Vary": "Accept"},
    )
