"""Rule sets over HTTP: those that come along, and the city's own in versions that stay."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.responses import JsonResponse
from api.rights import CurrentAccount, right
from api.routers.pages import Context, page_response
from api.service import ServiceDependency
from data.audits.rulebook import (
    keep_rule_set,
    list_rule_sets,
    named_rule_set,
    withdraw_rule_set,
)
from data.rules import read_toml, write_toml
from geo.rulesets import RuleSetError
from maps.rule_sets import rule_sets_page

router = APIRouter(tags=["rules"])

TOML = "application/toml"
Name = Annotated[str, Path(max_length=64)]


class RuleSetGiven(BaseModel):
    """A rule set, as an object or as the text of a TOML file."""

    model_config = ConfigDict(extra="forbid")

    rule_set: dict[str, Any] | None = None
    toml: str | None = Field(default=None, max_length=200_000)


@router.get(
    "/api/v1/rule-sets",
    summary="Rule sets",
    response_class=JsonResponse,
    openapi_extra=right("viewer"),
)
def index(service: ServiceDependency) -> Response:
    """List the rule sets, each with its rules, clauses and sources, and its versions."""
    with service.database.connect() as connection:
        return JsonResponse({"rule_sets": list_rule_sets(connection)})


@router.post(
    "/api/v1/rule-sets",
    summary="Keep a version of a rule set",
    status_code=201,
    response_class=JsonResponse,
    openapi_extra=right("auditor"),
)
def keep(service: ServiceDependency, account: CurrentAccount, body: RuleSetGiven) -> Response:
    """Check a rule set and keep it under its name and version; versions never change."""
    if (body.rule_set is None) == (body.toml is None):
        raise RuleSetError(
            "The rule set is given neither or twice.", remedy="Give rule_set or toml."
        )
    content = body.rule_set if body.rule_set is not None else read_toml(body.toml or "").to_dict()
    with service.database.transaction(actor=account.name) as connection:
        made = keep_rule_set(connection, content, actor=account.name)
    return JsonResponse(
        made.to_dict(),
        status_code=201,
        headers={"Location": f"/api/v1/rule-sets/{made.name}?version={made.version}"},
    )


@router.get(
    "/api/v1/rule-sets/{name}",
    summary="One rule set",
    response_class=JsonResponse,
    openapi_extra=right("viewer"),
)
def read(service: ServiceDependency, name: Name, version: str | None = None) -> Response:
    """Read a rule set, its newest version unless one is named."""
    with service.database.connect() as connection:
        return JsonResponse(named_rule_set(connection, name, version).to_dict())


@router.get(
    "/api/v1/rule-sets/{name}/rules.toml",
    summary="One rule set as TOML",
    response_class=Response,
    responses={200: {"content": {TOML: {}}}},
    openapi_extra=right("viewer"),
)
def toml(service: ServiceDependency, name: Name, version: str | None = None) -> Response:
    """Write a rule set as TOML, as the command line and other services read it."""
    with service.database.connect() as connection:
        found = named_rule_set(connection, name, version)
    return Response(
        write_toml(found),
        media_type=TOML,
        headers={"Content-Disposition": f'attachment; filename="{found.name}.toml"'},
    )


@router.delete(
    "/api/v1/rule-sets/{name}",
    summary="Withdraw a rule set",
    status_code=204,
    openapi_extra=right("auditor"),
)
def withdraw(service: ServiceDependency, account: CurrentAccount, name: Name) -> Response:
    """Hide one of the city's own from new audits; those made by it keep their copy."""
    with service.database.transaction(actor=account.name) as connection:
        withdraw_rule_set(connection, name)
    return Response(status_code=204)


@router.get("/rule-sets", include_in_schema=False, openapi_extra=right("viewer"))
def page(context: Context, service: ServiceDependency) -> Response:
    """Show rule sets; copy, write and keep the city's own."""
    with service.database.connect() as connection:
        rule_sets = list_rule_sets(connection)
    return page_response(context, rule_sets_page(context, rule_sets=rule_sets))
