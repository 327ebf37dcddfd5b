"""Where something is, as rights see it: the narrowest area around it."""

from __future__ import annotations

from sqlalchemy import Connection, text

from data.errors import NotFoundError

_NARROWEST = """
    SELECT code FROM areas WHERE ST_Covers(geom, {point})
     ORDER BY array_position(ARRAY['community', 'street', 'district'], level::text), id LIMIT 1
"""


def area_at(connection: Connection, lon: float, lat: float) -> str | None:
    """Code of the community, or else street or district, at a point; None where there is none.

    Parameters
    ----------
    connection : Connection
    lon, lat : float
        WGS84 degrees.
    """
    point = "ST_SetSRID(ST_MakePoint(:lon, :lat), 4326)"
    code: str | None = connection.scalar(
        text(_NARROWEST.format(point=point)), {"lon": lon, "lat": lat}
    )
    return code


def area_of_station(connection: Connection, station_id: int) -> str | None:
    """Code of the narrowest area a station stands in, its row held until the transaction ends.

    Raises
    ------
    NotFoundError
        If there is no such station.
    """
    found = connection.execute(
        text("SELECT id FROM stations WHERE id = :id FOR UPDATE"), {"id": station_id}
    ).scalar_one_or_none()
    if found is None:
        raise NotFoundError(
            f"There is no station {station_id}.",
            remedy=f"It may have been deleted: see the history of stations {station_id}.",
        )
    point = "(SELECT geom FROM stations WHERE id = :id)"
    code: str | None = connection.scalar(text(_NARROWEST.format(point=point)), {"id": station_id})
    return code


def area_code(connection: Connection, area_id: int) -> str | None:
    """Code of an area; None where there is none with this id."""
    code: str | None = connection.scalar(
        text("SELECT code FROM areas WHERE id = :id"), {"id": area_id}
    )
    return code


def area_codes(connection: Connection) -> list[tuple[str, str, str]]:
    """Every area as code, name and level: districts first, then streets and communities."""
    rows = connection.execute(
        text(
            "SELECT code, name, level FROM areas"
            " ORDER BY array_position(ARRAY['district', 'street', 'community'], level::text), code"
        )
    )
    return [(row.code, row.name, row.level) for row in rows]
