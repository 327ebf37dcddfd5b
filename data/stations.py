"""Stations: create, replace, change and delete, checked and guarded by the row's version."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from opening_hours import OpeningHours, ParserError  # type: ignore[attr-defined]
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from data.constraints import refusal
from data.errors import Fault, InvalidRowError, NotFoundError, StaleRowError
from data.layers import Feature, read_feature
from data.models import FACILITIES, STATION_KINDS, STATION_STATUSES

LONGEST = {"name": 200, "address": 500, "code": 64, "opening_hours": 500}
"""Most characters of each text."""
MOST_PLACES = 100_000
"""Most places of a station; more is a slip of the pen."""

_COLUMNS = (
    "code",
    "kind",
    "name",
    "address",
    "opening_hours",
    "area_m2",
    "places",
    "facilities",
    "status",
    "published",
    "verified_on",
)
_PLACE = "ST_SetSRID(ST_MakePoint(:lon, :lat), 4326)"
_COMMUNITY = (
    f"(SELECT id FROM areas WHERE level = 'community' AND ST_Covers(geom, {_PLACE})"
    " ORDER BY id LIMIT 1)"
)
_OUTSIDE = f"NOT EXISTS (SELECT FROM areas WHERE ST_Covers(geom, {_PLACE}))"


@dataclass(frozen=True, slots=True, kw_only=True)
class StationDraft:
    """What somebody wants a station to be.

    Attributes
    ----------
    kind, status : str
        Of `data.models.STATION_KINDS` and `data.models.STATION_STATUSES`.
    name, address : str
    lon, lat : float
        The entrance, WGS84 degrees.
    opening_hours : str or None
        OpenStreetMap ``opening_hours`` syntax; None where unknown.
    area_m2 : float or None
        Floor area in square metres.
    places : int or None
        People it serves at a time: seats, or desks of a service hall. None where nobody counted.
    facilities : tuple of str
        Of `data.models.FACILITIES`.
    published : bool
        Whether the public may see it.
    verified_on : date or None
        When somebody was there last and found it as written; not in the future.
    code : str or None
        Key in the source; None gives a new station ``local:<id>``.
    """

    kind: str
    name: str
    lon: float
    lat: float
    address: str = ""
    opening_hours: str | None = None
    area_m2: float | None = None
    places: int | None = None
    facilities: tuple[str, ...] = ()
    status: str = "open"
    published: bool = False
    verified_on: dt.date | None = None
    code: str | None = None


FIELDS = tuple(field.name for field in dataclasses.fields(StationDraft))
"""Fields a writer may set."""


def check_station(draft: StationDraft) -> tuple[Fault, ...]:
    """Every rule of stations that a draft breaks; empty when it is sound."""
    faults = [
        *_check_choice("kind", draft.kind, STATION_KINDS),
        *_check_choice("status", draft.status, STATION_STATUSES),
        *_check_name(draft),
        *_check_place(draft),
        *_check_opening_hours(draft.opening_hours),
    ]
    if draft.area_m2 is not None and not (0 < draft.area_m2 <= 1e6):
        faults.append(
            Fault("area_m2", draft.area_m2, "is not a floor area", "Give square metres above 0.")
        )
    if draft.places is not None and not (0 <= draft.places <= MOST_PLACES):
        faults.append(
            Fault(
                "places",
                draft.places,
                f"is not from 0 to {MOST_PLACES:,}",
                "Give how many people the station seats or serves at a time.",
            )
        )
    if draft.verified_on is not None and draft.verified_on > _tomorrow():
        faults.append(
            Fault(
                "verified_on",
                draft.verified_on.isoformat(),
                "lies in the future",
                "Give the day somebody was there.",
            )
        )
    for facility in draft.facilities:
        faults += _check_choice("facilities", facility, FACILITIES)
    return tuple(faults)


def create_station(connection: Connection, draft: StationDraft) -> Feature:
    """Add a station and return it.

    Raises
    ------
    InvalidRowError
        If the draft breaks a rule; every fault is listed.
    ConflictError
        If the code is taken.
    """
    _refuse_faults(draft)
    values = _values(draft)
    new_id = connection.execute(
        text("SELECT nextval(pg_get_serial_sequence('stations', 'id'))")
    ).scalar_one()
    values["code"] = draft.code or f"local:{new_id}"
    names = ", ".join(_COLUMNS)
    marks = ", ".join(f":{column}" for column in _COLUMNS)
    try:
        connection.execute(
            text(
                f"INSERT INTO stations (id, source, {names}, geom, community_id, outside_areas)"
                f" VALUES (:id, 'api', {marks}, {_PLACE}, {_COMMUNITY}, {_OUTSIDE})"
            ),
            {**values, "id": new_id},
        )
    except IntegrityError as error:
        raise refusal(error) or error from error
    return read_feature(connection, "stations", new_id)


def replace_station(
    connection: Connection, station_id: int, draft: StationDraft, *, version: int
) -> Feature:
    """Give a station new values in every field and return it.

    Parameters
    ----------
    connection : Connection
    station_id : int
    draft : StationDraft
        A ``code`` of None keeps the present code.
    version : int
        The row version the writer saw.

    Raises
    ------
    NotFoundError
        If there is no such station.
    StaleRowError
        If the station has changed since that version; it carries the present row.
    InvalidRowError, ConflictError
        As `create_station`.
    """
    present = _lock(connection, station_id, version)
    return _write(connection, station_id, present, draft)


def change_station(
    connection: Connection, station_id: int, changes: Mapping[str, Any], *, version: int
) -> Feature:
    """Give a station new values in some fields (names of `FIELDS`) and return it.

    Raises
    ------
    NotFoundError, StaleRowError, InvalidRowError, ConflictError
        As `replace_station`.
    """
    present = _lock(connection, station_id, version)
    return _write(
        connection, station_id, present, dataclasses.replace(draft_of(present), **changes)
    )


def delete_station(connection: Connection, station_id: int, *, version: int) -> None:
    """Take a station away; its history stays.

    Raises
    ------
    NotFoundError, StaleRowError
        As `replace_station`.
    """
    _lock(connection, station_id, version)
    connection.execute(text("DELETE FROM stations WHERE id = :id"), {"id": station_id})


def draft_of(feature: Feature) -> StationDraft:
    """Take the values a station has now, as a draft to change."""
    properties = feature["properties"]
    lon, lat = feature["geometry"]["coordinates"]
    values = {name: properties[name] for name in FIELDS if name in properties}
    verified = values.get("verified_on")
    if isinstance(verified, str):
        values["verified_on"] = dt.date.fromisoformat(verified)
    return StationDraft(
        **values | {"facilities": tuple(values["facilities"]), "lon": lon, "lat": lat}
    )


def _lock(connection: Connection, station_id: int, version: int) -> Feature:
    """Hold the row against other writers until the transaction ends, if it is the one seen."""
    present = connection.execute(
        text("SELECT version FROM stations WHERE id = :id FOR UPDATE"), {"id": station_id}
    ).scalar_one_or_none()
    if present is None:
        raise NotFoundError(
            f"There is no station {station_id}.",
            remedy=f"It may have been deleted: see the history of stations {station_id}.",
        )
    feature = read_feature(connection, "stations", station_id)
    if present != version:
        raise StaleRowError(
            f"Station {station_id} is at version {present}, not {version}: "
            "somebody changed it meanwhile.",
            present=feature,
            remedy=f"Look at the present row, then write again with version {present}.",
        )
    return feature


def _write(
    connection: Connection, station_id: int, present: Feature, draft: StationDraft
) -> Feature:
    if draft.code is None:
        draft = dataclasses.replace(draft, code=present["properties"]["code"])
    _refuse_faults(draft)
    if _values(draft) == _values(draft_of(present)):
        return present  # nothing differs: no new version, no history
    marks = ", ".join(f"{column} = :{column}" for column in _COLUMNS)
    # The point is kept as it is unless it moved: what leaves is rounded to a centimetre.
    old = draft_of(present)
    place = (
        f", geom = {_PLACE}, community_id = {_COMMUNITY}, outside_areas = {_OUTSIDE}"
        if (draft.lon, draft.lat) != (old.lon, old.lat)
        else ""
    )
    try:
        connection.execute(
            text(f"UPDATE stations SET {marks}{place} WHERE id = :id"),
            {**_values(draft), "id": station_id},
        )
    except IntegrityError as error:
        raise refusal(error) or error from error
    return read_feature(connection, "stations", station_id)


def _values(draft: StationDraft) -> dict[str, Any]:
    values = dataclasses.asdict(draft)
    for name in ("name", "address", "code"):
        values[name] = values[name].strip() if values[name] is not None else None
    values["opening_hours"] = (draft.opening_hours or "").strip() or None
    values["facilities"] = [f for f in FACILITIES if f in draft.facilities]
    return values


def _refuse_faults(draft: StationDraft) -> None:
    faults = check_station(draft)
    if faults:
        first = faults[0]
        raise InvalidRowError(
            f"The station breaks {'a rule' if len(faults) == 1 else f'{len(faults)} rules'}: "
            f"{first.field} {first.reason}.",
            remedy=first.remedy,
            faults=faults,
        )


def _tomorrow() -> dt.date:
    """The latest date it is anywhere on earth."""
    return (dt.datetime.now(dt.UTC) + dt.timedelta(hours=14)).date()


def _check_choice(field: str, value: str, allowed: tuple[str, ...]) -> list[Fault]:
    if value in allowed:
        return []
    near = get_close_matches(str(value), allowed, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    return [Fault(field, value, "is not in the list", f"{hint}Use one of: {', '.join(allowed)}.")]


def _check_name(draft: StationDraft) -> list[Fault]:
    faults = []
    if not draft.name.strip():
        faults.append(Fault("name", draft.name, "is empty", "Give the station a name."))
    for field in ("name", "address", "code"):
        longest = LONGEST[field]
        value = getattr(draft, field)
        if value is None:
            continue
        if len(value) > longest:
            faults.append(
                Fault(
                    field, f"{value[:40]}…", f"has {len(value)} characters", f"At most {longest}."
                )
            )
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
            faults.append(
                Fault(field, value, "holds control characters", "Write it on one line of text.")
            )
    return faults


def _check_place(draft: StationDraft) -> list[Fault]:
    faults = []
    for field, limit in (("lon", 180.0), ("lat", 90.0)):
        value = getattr(draft, field)
        if not math.isfinite(value) or abs(value) > limit:
            hint = "Longitude and latitude may be swapped. " if field == "lat" else ""
            faults.append(
                Fault(
                    field,
                    value,
                    f"is not between -{limit:g} and {limit:g} degrees",
                    f"{hint}Give WGS84 degrees.",
                )
            )
    return faults


def _check_opening_hours(value: str | None) -> list[Fault]:
    if value is None or not value.strip():
        return []
    remedy = (
        "Use the OpenStreetMap opening_hours syntax: 'Mo-Fr 08:30-18:00; Sa 09:00-12:00' or '24/7'."
    )
    if len(value) > LONGEST["opening_hours"]:
        return [Fault("opening_hours", f"{value[:40]}…", "is too long", remedy)]
    try:
        OpeningHours(value)
    except ParserError as error:
        place = re.search(r"--> 1:(\d+)", str(error))
        rest = f" from {value[int(place[1]) - 1 :]!r} on" if place else ""
        return [Fault("opening_hours", value, f"is not in opening_hours syntax{rest}", remedy)]
    return []
