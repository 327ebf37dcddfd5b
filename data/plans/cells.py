"""Cells of communities: what moves when a building is given to another grid.

They are those of `geo.cells`, on whole billionths of a degree: editor, edits and proposals share
them. They are made when they are first asked for, kept, and made anew when a building, the border
of the community, or a street, wall, railway or water in it has changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from data.surroundings import BOUNDING, ROADS, in_metres, read_surroundings, surroundings
from geo.cellfit import fitted
from geo.cells import build_cells
from geo.crs import projected_crs, unproject

EDITION = 1
"""To be raised when the same sources give other cells: those that are kept are then made anew."""


@dataclass(frozen=True, slots=True)
class CommunityCells:
    """Cells of one community: a coverage of it.

    Attributes
    ----------
    shape : ndarray, shape (n,), object
        Polygons, WGS84 degrees on whole billionths.
    building : ndarray, shape (b,), int64
        Ids of the buildings of the community, rising.
    cell_of : ndarray, shape (b,), int64
        Index of the cell of each. Buildings that lie on one another share a cell; parks, squares
        and fields are cells without a building.
    """

    shape: NDArray[np.object_]
    building: NDArray[np.int64]
    cell_of: NDArray[np.int64]


_DIGESTS = f"""
SELECT a.id, md5(concat_ws('/', :edition, md5(ST_AsBinary(a.geom)),
    (SELECT string_agg(b.id || md5(ST_AsBinary(b.geom)), ',' ORDER BY b.id)
       FROM buildings b WHERE b.community_id = a.id),
    (SELECT string_agg(own, ',' ORDER BY own) FROM
        (SELECT x.layer || x.kind || md5(ST_AsBinary(x.geom)) AS own FROM base_features x
          WHERE {BOUNDING} AND ST_Intersects(a.geom, x.geom)) lines),
    (SELECT string_agg(own, ',' ORDER BY own) FROM
        (SELECT x.walled || md5(ST_AsBinary(x.geom)) AS own FROM compounds x
          WHERE ST_Intersects(a.geom, x.geom)) walls))) AS digest,
    (SELECT s.digest FROM cell_sets s WHERE s.community_id = a.id) AS kept
  FROM areas a WHERE a.id = ANY(:ids) ORDER BY a.id
"""
"""A digest of all that the cells of communities are made from."""


def cells_of(connection: Connection, communities: Sequence[int]) -> dict[int, CommunityCells]:
    """Give the cells of communities, made now where there are none or they are out of date.

    Those that are made now are kept if the transaction may write.

    Parameters
    ----------
    connection : Connection
    communities : sequence of int
        Ids of areas; those that are no community have no cells.
    """
    kept, missing = _kept(connection, communities)
    return _read(connection, kept) | _make(connection, missing)


def cells_of_buildings(
    connection: Connection, community: int, buildings: Sequence[int]
) -> dict[int, shapely.Polygon]:
    """Give the cells of some buildings of a community, as `cells_of`; WGS84 degrees."""
    _, missing = _kept(connection, [community])
    if missing:
        made = _make(connection, missing)[community]
        wanted = {int(b) for b in buildings}
        return {
            b: made.shape[cell]
            for b, cell in zip(made.building.tolist(), made.cell_of.tolist(), strict=True)
            if b in wanted
        }
    rows = connection.execute(
        text(
            "SELECT b.building_id, ST_AsBinary(c.geom) AS geom FROM building_cells b"
            " JOIN cells c ON c.id = b.cell_id"
            " WHERE b.building_id = ANY(:ids) AND b.community_id = :community"
        ),
        {"ids": [int(b) for b in buildings], "community": community},
    )
    return {row.building_id: shapely.from_wkb(bytes(row.geom)) for row in rows}


def _kept(connection: Connection, communities: Sequence[int]) -> tuple[list[int], dict[int, str]]:
    """Communities whose cells are up to date, and those without with the digest of theirs."""
    bound = {"ids": list(communities), "edition": EDITION, "roads": list(ROADS)}
    rows = connection.execute(text(_DIGESTS), bound).all()
    kept = [row.id for row in rows if row.digest == row.kept]
    return kept, {row.id: row.digest for row in rows if row.digest != row.kept}


def _make(connection: Connection, missing: Mapping[int, str]) -> dict[int, CommunityCells]:
    if not missing:
        return {}
    writes = connection.execute(text("SHOW transaction_read_only")).scalar_one() == "off"
    found = {}
    for community, digest in missing.items():
        found[community] = _made(connection, community)
        if writes:
            _keep(connection, community, digest, found[community])
    return found


def _read(connection: Connection, communities: Sequence[int]) -> dict[int, CommunityCells]:
    if not communities:
        return {}
    bound = {"ids": list(communities)}
    rows = connection.execute(
        text(
            "SELECT community_id, id, ST_AsBinary(geom) AS geom FROM cells"
            " WHERE community_id = ANY(:ids) ORDER BY community_id, id"
        ),
        bound,
    ).all()
    homes = connection.execute(
        text(
            "SELECT c.community_id, b.building_id, b.cell_id FROM building_cells b"
            " JOIN cells c ON c.id = b.cell_id WHERE c.community_id = ANY(:ids)"
            " ORDER BY b.building_id"
        ),
        bound,
    ).all()
    found = {}
    community = np.array([row.community_id for row in rows], np.int64)
    ids = np.array([row.id for row in rows], np.int64)
    shapes = shapely.from_wkb(np.array([bytes(row.geom) for row in rows], object))
    home = np.array([tuple(h) for h in homes], np.int64).reshape(-1, 3)
    for one in communities:
        own, here = community == one, home[:, 0] == one
        found[one] = CommunityCells(
            shapes[own], home[here, 1], np.searchsorted(ids[own], home[here, 2])
        )
    return found


def _made(connection: Connection, community: int) -> CommunityCells:
    outline = shapely.from_wkb(
        bytes(
            connection.execute(
                text("SELECT ST_AsBinary(geom) FROM areas WHERE id = :id"), {"id": community}
            ).scalar_one()
        )
    )
    rows = connection.execute(
        text(
            "SELECT b.id, ST_AsBinary(b.geom) AS geom, ST_AsBinary(ST_PointOnSurface(b.geom))"
            " AS point FROM buildings b WHERE b.community_id = :id ORDER BY b.id"
        ),
        {"id": community},
    ).all()
    homes = shapely.from_wkb(np.array([bytes(row.geom) for row in rows], object))
    points = shapely.from_wkb(np.array([bytes(row.point) for row in rows], object))
    crs = projected_crs(outline.bounds).to_wkt()
    base, compounds = read_surroundings(connection, [community])
    made = build_cells(
        in_metres(np.array([outline], object), crs),
        in_metres(homes, crs),
        surroundings(base, compounds, np.empty(0, object), crs),
    )
    turned = shapely.transform(made.geometry, lambda xy: unproject(xy, crs))
    shapes = fitted(turned, outline)
    shapes = shapes[[shape is not None for shape in shapes]]
    # A building belongs to the cell its point lies in, as to the grid: of several to the first.
    cell_of = np.full(len(points), -1, np.int64)
    tree = shapely.STRtree(shapes)
    home, cell = tree.query(points, predicate="intersects")
    cell_of[home[::-1]] = cell[::-1]
    lost = np.flatnonzero(cell_of < 0)
    if len(lost):
        cell_of[lost] = tree.query_nearest(points[lost], all_matches=False)[1]
    return CommunityCells(shapes, np.array([row.id for row in rows], np.int64), cell_of)


def _keep(connection: Connection, community: int, digest: str, cells: CommunityCells) -> None:
    refresh_points(connection, [community])  # of a community in no plan there are none yet
    # Of two who make the same cells at once the second waits here and leaves those of the first.
    kept = connection.execute(
        text(
            "INSERT INTO cell_sets AS s (community_id, digest) VALUES (:community, :digest)"
            " ON CONFLICT (community_id) DO UPDATE SET digest = excluded.digest"
            " WHERE s.digest <> excluded.digest RETURNING community_id"
        ),
        {"community": community, "digest": digest},
    ).scalar_one_or_none()
    if kept is None:
        return
    connection.execute(
        text("DELETE FROM cells WHERE community_id = :community"), {"community": community}
    )
    ids = (
        connection.execute(
            text(
                "INSERT INTO cells (community_id, geom)"
                " SELECT :community, ST_SetSRID(ST_GeomFromWKB(g), 4326)"
                " FROM unnest(CAST(:shapes AS bytea[])) WITH ORDINALITY AS t (g, n) ORDER BY n"
                " RETURNING id"
            ),
            {"community": community, "shapes": shapely.to_wkb(cells.shape).tolist()},
        )
        .scalars()
        .all()
    )
    connection.execute(
        text(
            "UPDATE building_cells b SET cell_id = t.cell FROM"
            " unnest(CAST(:b AS bigint[]), CAST(:c AS bigint[])) AS t (building, cell)"
            " WHERE b.building_id = t.building AND b.community_id = :community"
        ),
        {
            "community": community,
            "b": cells.building.tolist(),
            "c": np.sort(np.array(ids, np.int64))[cells.cell_of].tolist(),
        },
    )


def refresh_points(connection: Connection, communities: Sequence[int]) -> None:
    """Bring the points of the buildings of communities up to date."""
    bound = {"ids": list(communities)}
    connection.execute(
        text(
            "DELETE FROM building_cells c WHERE c.community_id = ANY(:ids) AND NOT EXISTS"
            " (SELECT FROM buildings b WHERE b.id = c.building_id"
            " AND b.community_id = c.community_id)"
        ),
        bound,
    )
    connection.execute(
        text(
            "INSERT INTO building_cells AS c (building_id, community_id, point)"
            " SELECT id, community_id, ST_SetSRID(ST_MakePoint(round(ST_X(p)::numeric, 9)::float8,"
            " round(ST_Y(p)::numeric, 9)::float8), 4326)"
            " FROM (SELECT id, community_id, ST_PointOnSurface(geom) AS p FROM buildings"
            " WHERE community_id = ANY(:ids)) b"
            " ON CONFLICT (building_id) DO UPDATE SET community_id = excluded.community_id,"
            " point = excluded.point, cell_id = NULL"
            " WHERE (c.community_id, ST_AsBinary(c.point))"
            " IS DISTINCT FROM (excluded.community_id, ST_AsBinary(excluded.point))"
        ),
        bound,
    )
    # A building that moved away and back finds the digest as it was, but has lost its cell.
    connection.execute(
        text(
            "DELETE FROM cell_sets s WHERE s.community_id = ANY(:ids) AND EXISTS"
            " (SELECT FROM building_cells b WHERE b.community_id = s.community_id"
            " AND b.cell_id IS NULL)"
        ),
        bound,
    )


@dataclass(frozen=True, slots=True)
class Homes:
    """Buildings of a community: what a plan counts.

    Attributes
    ----------
    building : ndarray, shape (n,), int64
        Ids, rising.
    point : ndarray, shape (n, 2), float64
        The point that stands for each, WGS84 degrees.
    households, people : ndarray, shape (n,), int64
        Zero where not known.
    """

    building: NDArray[np.int64]
    point: NDArray[np.float64]
    households: NDArray[np.int64]
    people: NDArray[np.int64]


def read_homes(connection: Connection, community_id: int) -> Homes:
    """Read the buildings of a community with their points."""
    rows = connection.execute(
        text(
            "SELECT c.building_id, ST_X(c.point), ST_Y(c.point), coalesce(b.households, 0),"
            " coalesce(b.people, 0) FROM building_cells c JOIN buildings b ON b.id = c.building_id"
            " WHERE c.community_id = :community ORDER BY c.building_id"
        ),
        {"community": community_id},
    ).all()
    numbers = np.array([(r[0], r[3], r[4]) for r in rows], np.int64).reshape(-1, 3)
    points = np.array([(r[1], r[2]) for r in rows], float).reshape(-1, 2)
    return Homes(numbers[:, 0], points, numbers[:, 1], numbers[:, 2])
