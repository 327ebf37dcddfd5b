"""Publications: station maps as their publishers set them up; nothing here is public."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, text

from data.constraints import refusals_explained
from data.editions.checklist import has_phone
from data.errors import Fault, InvalidRowError, NotFoundError, StaleRowError
from data.layers import area_id
from data.models import STATION_KINDS

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{1,38}[a-z0-9]")
RESERVED_SLUGS = ("sw", "manifest", "static", "embed", "api")


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
    with refusals_explained():
        connection.execute(
            text(
                "INSERT INTO publications (slug, title, title_en, kinds, area, left_out)"
                " VALUES (:slug, :title, :title_en, :kinds, :area, :left_out)"
            ),
            _values(draft),
        )
    return read_publication(connection, draft.slug)


def change_publication(
    connection: Connection, slug: str, changes: Mapping[str, Any], *, version: int
) -> Publication:
    """Change title, kinds, area or stations left out; what is published stays as it is.

    Raises
    ------
    NotFoundError, StaleRowError, InvalidRowError
    """
    present = hold_publication(connection, slug, version)
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


def hold_publication(connection: Connection, slug: str, version: int) -> Publication:
    """Hold a publication until the transaction ends, if it is as somebody saw it.

    Raises
    ------
    NotFoundError, StaleRowError
        If the publication is unknown, or changed meanwhile.
    """
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
