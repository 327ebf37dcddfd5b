"""Every error as a problem document (RFC 9457): the one place that knows status codes."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api import errors as http
from api.responses import JsonResponse, row_etag
from data import errors as data
from data.constraints import refusal
from geo import errors as geo
from geo.rulesets import RuleSetError

PROBLEM_JSON = "application/problem+json"
PROBLEMS_PATH = "/api/v1/problems"

_LARGEST = 2**63 - 1

log = logging.getLogger("gridcircle.api")


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """What the answer to one kind of error looks like.

    Attributes
    ----------
    slug : str
        Last part of the problem's ``type``, which is a relative address that explains it.
    status : int
        HTTP status.
    title : str
        The same for every problem of the kind.
    """

    slug: str
    status: int
    title: str


INVALID_REQUEST = ProblemKind("invalid-request", 422, "The request breaks a rule")
NOT_JSON = ProblemKind("not-json", 400, "The body is not JSON")
INTERNAL = ProblemKind("internal", 500, "The service made a mistake")
UNKNOWN_ADDRESS = ProblemKind("unknown-address", 404, "There is nothing at this address")

_UNREACHABLE = ProblemKind("database-unavailable", 503, "The database cannot be reached")

KINDS: Mapping[type[Exception], ProblemKind] = MappingProxyType(
    {
        data.NotFoundError: ProblemKind("not-found", 404, "No such row"),
        data.StaleRowError: ProblemKind("stale-row", 412, "Somebody changed the row meanwhile"),
        data.ConflictError: ProblemKind("conflict", 409, "The row collides with another"),
        data.InvalidRowError: ProblemKind("invalid-row", 422, "The row breaks a rule of its layer"),
        data.SourceFileError: ProblemKind("unreadable-file", 422, "The file cannot be read"),
        RuleSetError: ProblemKind("rule-set", 422, "The rule set is unknown or written wrongly"),
        data.SettingsError: ProblemKind("settings", 500, "A setting is wrong"),
        data.DatabaseUnavailableError: _UNREACHABLE,
        geo.CoordinateError: ProblemKind("coordinates", 422, "The coordinates make no sense here"),
        geo.PartitionError: ProblemKind(
            "partition", 422, "The grids would overlap, leave a gap or fall apart"
        ),
        geo.DesignError: ProblemKind("design", 422, "Nothing can be designed from this"),
        geo.ProfileError: ProblemKind("profile", 422, "Unknown profile, wait or cutoff"),
        geo.SnapError: ProblemKind("off-network", 422, "The point is not near a walkable street"),
        geo.NetworkError: ProblemKind("network", 503, "No usable walking network is loaded"),
        http.VersionMissingError: ProblemKind(
            "version-missing", 428, "The write does not name a version"
        ),
        http.BadHeaderError: ProblemKind("bad-header", 400, "A header cannot be read"),
        http.HostRefusedError: ProblemKind("host-refused", 400, "Not an address of this service"),
        http.CrossOriginError: ProblemKind(
            "cross-origin", 403, "Pages of other origins may not write"
        ),
        http.BodyTooLargeError: ProblemKind("body-too-large", 413, "The body is too large"),
        http.BadUploadError: ProblemKind("bad-upload", 400, "The upload cannot be read"),
        http.LoginRequiredError: ProblemKind("login-required", 401, "Not logged in"),
        http.PasswordDueError: ProblemKind(
            "password-due", 403, "The password must be changed first"
        ),
        http.FormRefusedError: ProblemKind("form-refused", 403, "The form is too old"),
        data.LoginError: ProblemKind("login-failed", 401, "Name or password is wrong"),
        data.TooManyAttemptsError: ProblemKind("too-many-attempts", 429, "Too many log-ins failed"),
        data.RightMissingError: ProblemKind("right-missing", 403, "The account may not do this"),
        http.NotReadyError: ProblemKind("not-ready", 503, "Not ready yet"),
        http.TooManyRequestsError: ProblemKind("too-many-requests", 429, "Too many requests"),
        OperationalError: _UNREACHABLE,
        PoolTimeoutError: _UNREACHABLE,
        geo.GridcircleError: ProblemKind("failed", 500, "The request could not be done"),
    }
)
"""Error class → problem; the nearest class in an error's line of descent counts."""

HTTP_KINDS: Mapping[int, ProblemKind] = MappingProxyType(
    {
        404: UNKNOWN_ADDRESS,
        405: ProblemKind("method-not-allowed", 405, "This address does not take that method"),
        413: ProblemKind("body-too-large", 413, "The body is too large"),
    }
)
"""Status of a bare HTTP error → problem."""

_HTTP_REMEDIES = {
    404: "See /api/v1/openapi.json or /docs for the addresses there are.",
    405: "Use one of the methods named in the Allow header.",
}


def kind_of(error: Exception) -> ProblemKind:
    """Find the problem an error becomes."""
    for ancestor in type(error).__mro__:
        if ancestor in KINDS:
            return KINDS[ancestor]
    return INTERNAL


def problem(
    kind: ProblemKind,
    *,
    detail: str,
    instance: str,
    remedy: str = "",
    errors: Sequence[Mapping[str, Any]] = (),
    members: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Write a problem document.

    Parameters
    ----------
    kind : ProblemKind
    detail : str
        What is wrong in this case.
    instance : str
        Path of the request.
    remedy : str
        What to do.
    errors : sequence of mapping
        One for each wrong value: ``field``, ``value``, ``reason``, ``remedy``.
    members, headers : mapping, optional
        Further members of the document; further headers.
    """
    body: dict[str, Any] = {
        "type": f"{PROBLEMS_PATH}/{kind.slug}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "instance": instance,
    }
    if remedy:
        body["remedy"] = remedy
    if errors:
        body["errors"] = list(errors)
    body |= members or {}
    return JsonResponse(
        body,
        status_code=kind.status,
        media_type=PROBLEM_JSON,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def error_response(error: Exception, instance: str) -> Response:
    """Write the problem document of one of our errors."""
    kind = kind_of(error)
    members: dict[str, Any] = {}
    headers: dict[str, str] = {}
    if isinstance(error, data.StaleRowError):
        members["present"] = error.present
        properties = error.present.get("properties")
        if isinstance(properties, dict) and "version" in properties:
            headers["ETag"] = row_etag(properties["version"])
        if "version" in error.present:
            headers["ETag"] = row_etag(int(str(error.present["version"])))
    if isinstance(error, geo.GridcircleError) and error.zh is not None:
        members["detail_zh"], members["remedy_zh"] = error.zh
    if isinstance(error, data.RightMissingError) and error.outside:
        members["outside"] = list(error.outside)
    if isinstance(error, geo.PartitionError) and error.at is not None:
        members["at"] = {"type": "Point", "coordinates": list(error.at)}
    if kind.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "2"
    if isinstance(error, data.TooManyAttemptsError | http.TooManyRequestsError):
        headers["Retry-After"] = str(error.wait_s)
    faults = error.faults if isinstance(error, data.InvalidRowError) else ()
    if isinstance(error, OperationalError | PoolTimeoutError):
        log.error("The database refused a statement: %s", error)
        detail, remedy = "The database does not answer.", "Try again shortly; see /ready."
    else:
        detail, remedy = str(error), getattr(error, "remedy", "")
    return problem(
        kind,
        detail=detail,
        instance=instance,
        remedy=remedy,
        errors=[asdict(fault) for fault in faults],
        members=members,
        headers=headers,
    )


def validation_response(error: RequestValidationError, instance: str) -> Response:
    """Write the problem document of a request that its schema refuses."""
    faults = [_fault(item) for item in error.errors()]
    if any(item["type"] == "json_invalid" for item in error.errors()):
        return problem(
            NOT_JSON,
            detail=f"The body cannot be read as JSON: {faults[0]['reason']}.",
            instance=instance,
            remedy="Send one JSON object in UTF-8.",
        )
    first = faults[0]
    more = f" ({len(faults)} values in all)" if len(faults) > 1 else ""
    return problem(
        INVALID_REQUEST,
        detail=f"{first['field']}: {first['reason']}{more}.",
        instance=instance,
        remedy=first["remedy"],
        errors=faults,
    )


def install(
    app: FastAPI,
    *,
    mistake_headers: Mapping[str, str] | None = None,
    shown: Callable[[Request, Response], Response] = lambda _, answer: answer,
) -> None:
    """Make an application answer every error with a problem document.

    Parameters
    ----------
    app : FastAPI
    mistake_headers : mapping, optional
        Headers of the answer to an error nobody foresaw, which is made outside all middleware.
    shown : callable, optional
        Makes a page of a document where a browser opened a page's address. It may ask the
        database and is therefore run beside the event loop.
    """

    async def answered(request: Request, answer: Response) -> Response:
        return await run_in_threadpool(shown, request, answer)

    async def ours(request: Request, error: Exception) -> Response:
        return await answered(request, error_response(error, request.url.path))

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, DBAPIError)  # noqa: S101
        reason = refusal(error)
        if reason is None:
            return await unforeseen(request, error)
        return await answered(request, error_response(reason, request.url.path))

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 — told apart by registration
        return await answered(request, validation_response(error, request.url.path))

    async def bare(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        return await answered(request, http_response(error, request.url.path))

    async def unforeseen(request: Request, error: Exception) -> Response:
        number = secrets.token_hex(4)
        log.error("Mistake %s at %s", number, request.url.path, exc_info=error)
        answer = problem(
            INTERNAL,
            detail=f"The service made a mistake; the log has it as {number}.",
            instance=request.url.path,
            remedy="Try again; if it stays, report the number with the log.",
            members={"mistake": number},
            headers=mistake_headers,
        )
        return await answered(request, answer)

    app.add_exception_handler(DBAPIError, refused)
    for kind in KINDS:
        app.add_exception_handler(kind, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, bare)
    app.add_exception_handler(Exception, unforeseen)


def http_response(error: HTTPException, instance: str) -> Response:
    """Write the problem document of a bare HTTP error."""
    status = error.status_code
    phrase = HTTPStatus(status).phrase
    kind = HTTP_KINDS.get(status, ProblemKind(phrase.lower().replace(" ", "-"), status, phrase))
    detail = str(error.detail) if error.detail and error.detail != phrase else f"{kind.title}."
    return problem(
        kind,
        detail=detail,
        instance=instance,
        remedy=_HTTP_REMEDIES.get(status, ""),
        headers=dict(error.headers or {}),
    )


_REMEDIES = {
    "missing": "Give it.",
    "extra_forbidden": "Leave it out, or see /docs for the fields there are.",
    "int_parsing": "Give a whole number.",
    "int_type": "Give a whole number.",
    "int_from_float": "Give a whole number.",
    "float_parsing": "Give a number.",
    "float_type": "Give a number.",
    "finite_number": "Give a finite number.",
    "bool_parsing": "Give true or false.",
    "bool_type": "Give true or false.",
    "string_type": "Give text.",
    "list_type": "Give a list.",
    "model_attributes_type": "Send one JSON object with Content-Type: application/json.",
}


def _fault(item: Mapping[str, Any]) -> dict[str, Any]:
    place = [str(part) for part in item["loc"]]
    kind = item["type"]
    context = item.get("ctx", {})
    if kind in {"literal_error", "enum"}:
        remedy = f"Use one of: {context.get('expected', '')}."
    elif kind in _REMEDIES:
        remedy = _REMEDIES[kind]
    else:
        bounds = [
            f"{word} {context[key]}"
            for key, word in (
                ("ge", "at least"),
                ("gt", "more than"),
                ("le", "at most"),
                ("lt", "less than"),
                ("min_length", "at least this long:"),
                ("max_length", "at most this long:"),
            )
            if key in context
        ]
        remedy = f"Give {', '.join(bounds)}." if bounds else "See /docs for what is allowed."
    value = None if kind == "missing" else _short(item.get("input"))
    reason = item["msg"].removeprefix("Value error, ")
    if kind == "json_invalid":
        reason = str(context.get("error", reason))
    return {
        "in": place[0],
        "field": ".".join(place[1:]) or place[0],
        "value": value,
        "reason": reason[:1].lower() + reason[1:],
        "remedy": remedy,
    }


def _short(value: Any) -> Any:
    """Keep a value as it came, unless it is long or JSON has no way to write it back."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int) and -_LARGEST <= value <= _LARGEST:
        return value
    words = value if isinstance(value, str) else repr(value)
    words = words.encode(errors="replace").decode()  # half of a surrogate pair is no character
    return words if len(words) <= 80 else f"{words[:79]}…"
