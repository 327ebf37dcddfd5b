"""What the database means when it refuses a row: its constraints in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from data.errors import ConflictError, Fault, InvalidRowError
from data.models import (
    AREA_LEVELS,
    BASE_LAYERS,
    BUILDING_KINDS,
    COMPOUND_KINDS,
    COUNT_SOURCES,
    COVERAGE_STATES,
    FACILITIES,
    GATE_ACCESS,
    GRID_KINDS,
    STATION_KINDS,
    STATION_STATUSES,
)
from geo.errors import GridcircleError

_KINDS = {
    "compounds": COMPOUND_KINDS,
    "grids": GRID_KINDS,
    "buildings": BUILDING_KINDS,
    "stations": STATION_KINDS,
}

# By the constraint's name without ck_ and the table: field, reason, remedy.
_RULES: dict[str, tuple[str, str, str]] = {
    "code_given": ("code", "the code is empty", "Give every row a code of its own."),
    "name_given": ("name", "the name is empty", "Give it a name."),
    "kind_given": ("kind", "the kind is empty", "Give it a kind."),
    "source_length": ("source", "longer than 200 characters", "Shorten it."),
    "name_length": ("name", "too long", "Shorten it to 200 characters."),
    "address_length": ("address", "longer than 500 characters", "Shorten it."),
    "opening_hours_length": ("opening_hours", "longer than 500 characters", "Shorten it."),
    "unit_length": ("unit", "longer than 50 characters", "Shorten it."),
    "geom_on_earth": (
        "geom",
        "empty, or outside longitude -180 to 180 and latitude -90 to 90",
        "Name the coordinate system the file is in; these are not degrees.",
    ),
    "geom_valid": (
        "geom",
        "the polygon crosses or touches itself",
        "Mend the polygon, for example with Fix geometries in QGIS.",
    ),
    "district_on_top": ("parent_id", "a district lies in no other area", "Leave the parent out."),
    "floors": ("floors", "not from 1 to 200", "Correct the number of floors."),
    "units": ("units", "not from 0 to 100", "Correct the number of units."),
    "households": ("households", "not from 0 to 20,000", "Correct the count of households."),
    "people": ("people", "not from 0 to 100,000", "Correct the count of people."),
    "households_has_source": (
        "households_source",
        "a count needs a source, and a source a count",
        "Say surveyed or estimated with a count, none without.",
    ),
    "people_has_source": (
        "people_source",
        "a count needs a source, and a source a count",
        "Say surveyed or estimated with a count, none without.",
    ),
    "area_m2": ("area_m2", "not above 0 and at most 1,000,000 m²", "Correct the floor area."),
    "places": (
        "places",
        "not a whole number from 0 to 100,000",
        "Give how many people the station seats or serves at a time.",
    ),
    "cost": ("cost", "below 0", "Give yuan, 0 or more, or leave it out."),
    "facilities": ("facilities", "an unknown facility", f"Use: {', '.join(FACILITIES)}."),
    "level": ("level", "an unknown level", f"Use: {', '.join(AREA_LEVELS)}."),
    "access": ("access", "an unknown access", f"Use: {', '.join(GATE_ACCESS)}."),
    "status": ("status", "an unknown status", f"Use: {', '.join(STATION_STATUSES)}."),
    "layer": ("layer", "an unknown layer", f"Use: {', '.join(BASE_LAYERS)}."),
    "state": ("state", "an unknown state", f"Use: {', '.join(COVERAGE_STATES)}."),
    "min_zoom": ("min_zoom", "not from 0 to 22", "Correct the zoom level."),
    **{
        f"{count}_source": (
            f"{count}_source",
            "an unknown source of a count",
            f"Use: {', '.join(COUNT_SOURCES)}.",
        )
        for count in ("households", "people", "floors")
    },
    **{
        rule: ("geom", reason, "Make the change with the edits of the plan, which keep it right.")
        for rule, reason in (
            ("partition", "grids of a community overlap or leave a gap"),
            ("border", "the border of the community would move"),
            ("buildings", "a building would lie outside its grid"),
            ("draft_only", "only grids of a draft are changed"),
        )
    },
    "nested": (
        "parent_id",
        "an area lies in one of a higher level only: community, street, district",
        "Correct the level or the parent.",
    ),
}


def refusal(error: DBAPIError | psycopg.Error) -> GridcircleError | None:
    """Say why the database refused a row; None where the row is not to blame.

    Parameters
    ----------
    error : DBAPIError or psycopg.Error
        What SQLAlchemy or psycopg raised.

    Returns
    -------
    GridcircleError or None
        `InvalidRowError` with a fault that names field and rule, or `ConflictError` where a key
        is taken or the row is still needed by others.
    """
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, psycopg.Error):
        return None
    diagnosis = cause.diag
    table = diagnosis.table_name or ""
    detail = _detail(diagnosis.message_detail)
    if isinstance(cause, errors.CheckViolation):
        short = (diagnosis.constraint_name or "").removeprefix("ck_").removeprefix(f"{table}_")
        if short == "kind":
            rule = ("kind", "an unknown kind", f"Use: {', '.join(_KINDS.get(table, ()))}.")
        else:
            rule = _RULES.get(short, (short, diagnosis.message_primary or "refused", ""))
        return _invalid(table, *rule, detail=detail)
    if isinstance(cause, errors.NotNullViolation):
        field = diagnosis.column_name or ""
        return _invalid(table, field, "a value is missing", "Give a value.", detail=detail)
    if isinstance(cause, errors.UniqueViolation):
        return ConflictError(
            f"A row of {table} with this key exists already{detail}.",
            remedy="Change the row that exists, or give another code.",
        )
    if isinstance(cause, errors.ForeignKeyViolation):
        return ConflictError(
            f"A row of {table} names, or is named by, another row{detail}.",
            remedy="Name a row that exists; delete the rows that need this one first.",
        )
    if isinstance(cause, errors.DataError):
        message = (diagnosis.message_primary or str(cause)).rstrip(".")
        where = f" ({diagnosis.context})" if diagnosis.context else ""
        return InvalidRowError(
            f"A value does not fit its column: {message}{_cut(where)}.",
            remedy="Correct the value: shorten the text, or give a number in range.",
        )
    return None


@contextmanager
def refusals_explained() -> Iterator[None]:
    """Raise what the database refuses inside as `refusal` says it; other errors as they are."""
    try:
        yield
    except (DBAPIError, psycopg.Error) as error:
        refused = refusal(error)
        if refused is None:
            raise
        raise refused from error


def prove(connection: Connection) -> None:
    """Let the database look at what is pending now, and say what it refuses.

    Raises
    ------
    GridcircleError
        As `refusal`: for plans, if grids overlap, leave a gap or are not nested, whatever wrote
        them.
    """
    with refusals_explained():
        connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        connection.execute(text("SET CONSTRAINTS ALL DEFERRED"))


def _invalid(table: str, field: str, reason: str, remedy: str, *, detail: str) -> InvalidRowError:
    fault = Fault(field, None, reason, remedy)
    return InvalidRowError(f"{table}.{field}: {reason}{detail}.", remedy=remedy, faults=(fault,))


def _detail(words: Any) -> str:
    return _cut(f" ({str(words).rstrip('.')})") if words else ""


def _cut(words: str) -> str:
    return words if len(words) <= 160 else words[:156] + " …)"
