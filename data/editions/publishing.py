"""Publications: set up, check, preview, publish as numbered editions, take off the net."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import orjson
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from data.circles import City, Travel
from data.constraints import refusal
from data.editions.base_map import pack_base_map
from data.editions.checklist import CheckedStation, check_stations, has_phone, read_candidates
from data.errors import Fault, InvalidRowError, NotFoundError, StaleRowError
from data.layers import area_id
from data.models import STATION_KINDS
from data.opening import TIME_ZONE

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{1,38}[a-z0-9]")
RESERVED_SLUGS = ("sw", "manifest", "static", "embed", "api")
MOST_STATIONS = 1000
"""Stations in one edition; a larger city publishes by district."""
FORMAT = 1
"""Of the content of an edition; what reads old editions looks at it."""

Unready = Literal["refuse", "leave_out"]


@dataclass(frozen=True, slots=True)
class Publication:
    """One station map, as its publishers see it.

    Attributes
    ----------
    slug : str
        Of its short address; never changes.
    title, title_en : str
    kinds : tuple of str
    area : str or None
        Code of an area; None for the whole city.
    left_out : tuple of int
        Ids of stations that are not shown.
    state : str
        draft, published or withdrawn.
    current_number : int or None
        Edition the short address shows.
    version : int
    updated_at : datetime
    """

    id: int
    slug: str
    title: str
    title_en: str
    kinds: tuple[str, ...]
    area: str | None
    left_out: tuple[int, ...]
    state: str
    current_number: int | None
    version: int
    updated_at: dt.datetime

    def as_json(self) -> dict[str, Any]:
        """Write as JSON members."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PublicationDraft:
    """What somebody wants a publication to be; see `Publication`."""

    slug: str
    title: str
    title_en: str = ""
    kinds: tuple[str, ...] = ("rider_station",)
    area: str | None = None
    left_out: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Edition:
    """One edition as it left the service.

    Attributes
    ----------
    number : int
        From 1.
    published_at : datetime
    editor : str
        Who published it; not in `content`, for it does not leave.
    digest : str
        SHA-256 of content and base map, hexadecimal.
    content : dict
        Only what the public sees.
    base_map : dict
        As `data.editions.base_map.pack_base_map` makes it.
    """

    number: int
    published_at: dt.datetime
    editor: str
    digest: str
    content: dict[str, Any]
    base_map: dict[str, Any]


_COLUMNS = (
    "id, slug, title, title_en, kinds, area, left_out, state, current_number, version, updated_at"
)


def list_publications(connection: Connection) -> list[Publication]:
    """All publications, the one changed last first."""
    rows = connection.execute(
        text(f"SELECT {_COLUMNS} FROM publications ORDER BY updated_at DESC, id DESC")
    )
    return [_publication(row) for row in rows.mappings()]


def read_publication(connection: Connection, slug: str, *, lock: bool = False) -> Publication:
    """One publication.

    Raises
    ------
    NotFoundError
        If there is none of this slug.
    """
    row = (
        connection.execute(
            text(
                f"SELECT {_COLUMNS} FROM publications WHERE slug = :slug"
                + (" FOR UPDATE" if lock else "")
            ),
            {"slug": slug},
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise NotFoundError(
            f"There is no publication {slug[:60]!r}.", remedy="List them: /api/v1/publications."
        )
    return _publication(row)


def create_publication(connection: Connection, draft: PublicationDraft) -> Publication:
    """Set up a publication; nothing is public yet.

    Raises
    ------
    InvalidRowError
        If the draft breaks a rule; every fault is listed.
    ConflictError
        If the slug is taken.
    NotFoundError
        If the area does not exist.
    """
    _refuse_faults(draft)
    if draft.area is not None:
        area_id(connection, draft.area)
    try:
        connection.execute(
            text(
                "INSERT INTO publications (slug, title, title_en, kinds, area, left_out)"
                " VALUES (:slug, :title, :title_en, :kinds, :area, :left_out)"
            ),
            _values(draft),
        )
    except IntegrityError as error:
        raise refusal(error) or error from error
    return read_publication(connection, draft.slug)


def change_publication(
    connection: Connection, slug: str, changes: Mapping[str, Any], *, version: int
) -> Publication:
    """Change title, kinds, area or stations left out; what is published stays as it is.

    Raises
    ------
    NotFoundError, StaleRowError, InvalidRowError
    """
    present = _lock(connection, slug, version)
    draft = PublicationDraft(
        **{
            name: changes.get(name, getattr(present, name))
            for name in ("slug", "title", "title_en", "kinds", "area", "left_out")
        }
    )
    if draft.slug != slug:
        raise InvalidRowError(
            "The short address of a publication stays as it is: it is printed on walls.",
            remedy="Set up another publication.",
            faults=(Fault("slug", draft.slug, "cannot change", "Leave it out."),),
        )
    _refuse_faults(draft)
    if draft.area is not None:
        area_id(connection, draft.area)
    connection.execute(
        text(
            "UPDATE publications SET title = :title, title_en = :title_en, kinds = :kinds,"
            " area = :area, left_out = :left_out, version = version + 1, updated_at = now()"
            " WHERE slug = :slug"
        ),
        _values(draft),
    )
    return read_publication(connection, slug)


def checked_stations(
    connection: Connection, publication: Publication, city: City, travel: Travel
) -> list[CheckedStation]:
    """Every station the publication could show, with its check list.

    Parameters
    ----------
    connection : Connection
    publication : Publication
    city : City
    travel : Travel
        How people walk to an entrance.
    """
    rows = read_candidates(connection, publication.kinds, publication.area)
    today = dt.datetime.now(TIME_ZONE).date()
    left_out = set(publication.left_out)
    return [
        CheckedStation(s.row, s.checks, s.row["id"] in left_out)
        for s in check_stations(city, travel, rows, today=today)
    ]


def allow_stations(connection: Connection, publication: Publication) -> int:
    """Mark as public every station the publication shows; gives how many were not before.

    A new ledger marks none; to press a button for each of three hundred would be no check.
    """
    rows = read_candidates(connection, publication.kinds, publication.area)
    wanted = [row["id"] for row in rows if row["id"] not in set(publication.left_out)]
    done = connection.execute(
        text("UPDATE stations SET published = true WHERE id = ANY(:ids) AND NOT published"),
        {"ids": wanted},
    )
    return int(done.rowcount)


def preview_edition(
    connection: Connection,
    publication: Publication,
    city: City,
    travel: Travel,
    *,
    unready: Unready = "leave_out",
) -> Edition:
    """Make the edition that publishing would make now, without keeping it.

    Raises
    ------
    InvalidRowError
        As `publish`.
    """
    number = _next_number(connection, publication.id)
    checked = checked_stations(connection, publication, city, travel)
    return _edition(connection, publication, checked, number, editor="", unready=unready)


def publish(
    connection: Connection,
    slug: str,
    city: City,
    travel: Travel,
    *,
    version: int,
    editor: str,
    unready: Unready = "refuse",
) -> Edition:
    """Publish the next edition; the short address shows it from now on.

    Parameters
    ----------
    connection : Connection
        Inside one transaction.
    slug : str
    city : City
    travel : Travel
    version : int
        Version of the publication that was seen.
    editor : str
    unready : {"refuse", "leave_out"}
        What to do about stations whose check list has a bad line.

    Raises
    ------
    NotFoundError, StaleRowError
        If the publication is unknown, or changed meanwhile.
    InvalidRowError
        If no station is left, or `unready` is ``refuse`` and one is not ready; every station's
        bad checks are listed.
    """
    publication = _lock(connection, slug, version)
    number = _next_number(connection, publication.id)
    checked = checked_stations(connection, publication, city, travel)
    edition = _edition(connection, publication, checked, number, editor=editor, unready=unready)
    connection.execute(
        text(
            "INSERT INTO editions (publication_id, number, published_at, editor, digest, content,"
            " base_map) VALUES (:publication_id, :number, :published_at, :editor, :digest,"
            " CAST(:content AS jsonb), CAST(:base_map AS jsonb))"
        ),
        {
            "publication_id": publication.id,
            "number": number,
            "published_at": edition.published_at,
            "editor": editor,
            "digest": edition.digest,
            "content": orjson.dumps(edition.content).decode(),
            "base_map": orjson.dumps(edition.base_map).decode(),
        },
    )
    connection.execute(
        text(
            "UPDATE publications SET state = 'published', current_number = :number,"
            " version = version + 1, updated_at = now() WHERE id = :id"
        ),
        {"id": publication.id, "number": number},
    )
    return edition


def withdraw(connection: Connection, slug: str, *, version: int) -> Publication:
    """Take a publication off the net; its editions are kept and it can be published again.

    Raises
    ------
    NotFoundError, StaleRowError
    InvalidRowError
        If it is not published.
    """
    publication = _lock(connection, slug, version)
    if publication.state != "published":
        raise InvalidRowError(
            f"The publication {slug} is not published.", remedy="There is nothing to take off."
        )
    connection.execute(
        text(
            "UPDATE publications SET state = 'withdrawn', version = version + 1,"
            " updated_at = now() WHERE id = :id"
        ),
        {"id": publication.id},
    )
    return read_publication(connection, slug)


def list_editions(connection: Connection, publication_id: int) -> list[dict[str, Any]]:
    """Number, time, editor, digest and count of stations of each edition, the newest first."""
    rows = connection.execute(
        text(
            "SELECT number, published_at, editor, digest,"
            " jsonb_array_length(content -> 'stations') AS stations"
            " FROM editions WHERE publication_id = :id ORDER BY number DESC"
        ),
        {"id": publication_id},
    )
    return [dict(row) for row in rows.mappings()]


def read_edition(connection: Connection, slug: str, number: int | None = None) -> Edition:
    """Read a public edition: the current one, or an older one by number.

    Raises
    ------
    NotFoundError
        If there is no such publication or edition, or it has been taken off the net.
    """
    row = (
        connection.execute(
            text(
                "SELECT e.number, e.published_at, e.editor, e.digest, e.content, e.base_map"
                " FROM publications p JOIN editions e ON e.publication_id = p.id"
                " WHERE p.slug = :slug AND p.state = 'published'"
                " AND e.number = coalesce(CAST(:number AS integer), p.current_number)"
            ),
            {"slug": slug, "number": number},
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        which = "" if number is None else f" in edition {number}"
        raise NotFoundError(
            f"There is no station map {slug[:60]!r}{which}.",
            remedy="It may have been taken down; ask who gave you the address.",
        )
    return Edition(**row)


def public_maps(connection: Connection) -> list[dict[str, Any]]:
    """Published maps for whoever looks for them: slug, titles, edition, date, stations."""
    rows = connection.execute(
        text(
            "SELECT p.slug, e.content ->> 'title' AS title, e.content ->> 'title_en' AS title_en,"
            " e.number, e.published_at, jsonb_array_length(e.content -> 'stations') AS stations"
            " FROM publications p JOIN editions e"
            " ON e.publication_id = p.id AND e.number = p.current_number"
            " WHERE p.state = 'published' ORDER BY p.slug"
        )
    )
    return [dict(row) for row in rows.mappings()]


def _edition(
    connection: Connection,
    publication: Publication,
    checked: Sequence[CheckedStation],
    number: int,
    *,
    editor: str,
    unready: Unready,
) -> Edition:
    wanted = [station for station in checked if not station.left_out]
    if unready == "refuse":
        _refuse_unready(wanted)
    shown = [station.row for station in wanted if station.ready]
    if not shown:
        raise InvalidRowError(
            "No station is left to publish.",
            remedy="Choose kinds and area that have open stations, and mend what the check list "
            "shows.",
        )
    if len(shown) > MOST_STATIONS:
        raise InvalidRowError(
            f"{len(shown)} stations are too many for one phone page.",
            remedy=f"Publish by area, at most {MOST_STATIONS} stations each.",
        )
    city = connection.execute(text("SELECT name, is_sample, attribution FROM city")).one_or_none()
    published_at = dt.datetime.now(dt.UTC).replace(microsecond=0)
    content: dict[str, Any] = {
        "format": FORMAT,
        "slug": publication.slug,
        "title": publication.title,
        "title_en": publication.title_en or publication.title,
        "number": number,
        "published_at": published_at.isoformat().replace("+00:00", "Z"),
        "city": city.name if city else "",
        "is_sample": bool(city and city.is_sample),
        "attribution": city.attribution if city else "",
        "kinds": list(publication.kinds),
        "stations": [_published(row) for row in shown],
    }
    base_map = pack_base_map(connection, np.array([[row["lon"], row["lat"]] for row in shown]))
    digest = hashlib.sha256(
        orjson.dumps([content, base_map], option=orjson.OPT_SORT_KEYS)
    ).hexdigest()
    return Edition(number, published_at, editor, digest, content, base_map)


def _published(row: Mapping[str, Any]) -> dict[str, Any]:
    """Write only what the public sees of a station: no code, no source, no version."""
    return {
        "id": row["id"],
        "kind": row["kind"],
        "name": row["name"],
        "address": row["address"],
        "community": row["community"],
        "lon": row["lon"],
        "lat": row["lat"],
        "hours": row["opening_hours"],
        "facilities": list(row["facilities"]),
        "verified_on": row["verified_on"].isoformat() if row["verified_on"] else None,
        "photo": row["photo"],
    }


_REASONS = {
    "public": ("is not marked as public", "Set published on the station."),
    "personal": ("holds a mobile number", "Take the number out of name, address and hours."),
    "entrance": (
        "lies farther than 30 m from a walkable street",
        "Move the point to the entrance, or correct the streets.",
    ),
    "hours": ("has no readable opening hours", "Give them: Mo-Su 08:00-20:00; PH off."),
    "facilities": ("lists no facility", "Say what riders find there."),
}


def _refuse_unready(stations: Sequence[CheckedStation]) -> None:
    faults = tuple(
        Fault(
            f"stations.{station.row['id']}.{check.key}",
            station.row["name"],
            _REASONS[check.key][0],
            _REASONS[check.key][1],
        )
        for station in stations
        for check in station.checks
        if check.verdict == "bad"
    )
    if faults:
        count = sum(not station.ready for station in stations)
        raise InvalidRowError(
            f"{count} of {len(stations)} stations are not ready: "
            f"{faults[0].value} {faults[0].reason}.",
            remedy="Mend them, leave them out, or publish with unready=leave_out.",
            faults=faults,
        )


def _next_number(connection: Connection, publication_id: int) -> int:
    newest = connection.execute(
        text("SELECT max(number) FROM editions WHERE publication_id = :id"), {"id": publication_id}
    ).scalar_one()
    return (newest or 0) + 1


def _lock(connection: Connection, slug: str, version: int) -> Publication:
    present = read_publication(connection, slug, lock=True)
    if present.version != version:
        raise StaleRowError(
            f"The publication {slug} is at version {present.version}, not {version}: "
            "somebody changed it meanwhile.",
            present={"properties": present.as_json()},
            remedy=f"Look at it as it is now, then write again with version {present.version}.",
        )
    return present


def _refuse_faults(draft: PublicationDraft) -> None:
    faults = []
    if SLUG.fullmatch(draft.slug) is None or draft.slug in RESERVED_SLUGS:
        faults.append(
            Fault(
                "slug",
                draft.slug[:60],
                "is not a short address",
                "Use 3 to 40 small letters, digits and hyphens, for example huantai-riders.",
            )
        )
    for field in ("title", "title_en"):
        words = getattr(draft, field)
        if (field == "title" and not words.strip()) or len(words) > 80:
            faults.append(
                Fault(
                    field,
                    words[:40],
                    "is empty or longer than 80 characters",
                    "Give a short title.",
                )
            )
        if has_phone(words):
            faults.append(Fault(field, words[:40], "holds a mobile number", "Take it out."))
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in words):
            faults.append(Fault(field, words[:40], "holds control characters", "One line only."))
    if not draft.kinds:
        faults.append(Fault("kinds", [], "is empty", f"Use: {', '.join(STATION_KINDS)}."))
    faults += [
        Fault("kinds", kind[:40], "is no kind of station", f"Use: {', '.join(STATION_KINDS)}.")
        for kind in draft.kinds
        if kind not in STATION_KINDS
    ]
    if faults:
        raise InvalidRowError(
            f"The publication breaks a rule: {faults[0].field} {faults[0].reason}.",
            remedy=faults[0].remedy,
            faults=tuple(faults),
        )


def _values(draft: PublicationDraft) -> dict[str, Any]:
    return {
        "slug": draft.slug,
        "title": draft.title.strip(),
        "title_en": draft.title_en.strip(),
        "kinds": [kind for kind in STATION_KINDS if kind in draft.kinds],
        "area": draft.area,
        "left_out": sorted(set(draft.left_out)),
    }


def _publication(row: Mapping[Any, Any]) -> Publication:
    return Publication(**{**row, "kinds": tuple(row["kinds"]), "left_out": tuple(row["left_out"])})
