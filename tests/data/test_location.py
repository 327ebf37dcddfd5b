"""Linking rows to the compound, community and grid they lie in."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from sqlalchemy import Connection, text

from data.database import Database
from data.importers.upsert import upsert
from data.location import Located, locate

LON, LAT = 118.1, 36.95
X = 1 / 89_020  # degrees of longitude in a metre, near enough at this latitude
Y = 1 / 110_990


def frame(shapes: list[Any], **columns: Any) -> gpd.GeoDataFrame:
    """Rows from shapes in metres east and north of a corner."""
    moved = shapely.transform(np.array(shapes), lambda xy: xy * (X, Y) + (LON, LAT))
    return gpd.GeoDataFrame(columns, geometry=moved, crs=4326)


def put(connection: Connection, table: str, shapes: list[Any], **columns: Any) -> None:
    count = len(shapes)
    columns = {"code": [f"{table}{i}" for i in range(count)], **columns}
    upsert(connection, table, frame(shapes, **columns), source="test")


def links(connection: Connection, table: str, *columns: str) -> dict[str, tuple[Any, ...]]:
    """Codes that the rows of a table are linked to."""
    targets = {"compound_id": "compounds", "community_id": "areas", "grid_id": "grids"}
    picked = ", ".join(
        f"(SELECT code FROM {targets.get(c, 'areas')} r WHERE r.id = t.{c})"
        if c.endswith("_id")
        else f"t.{c}"
        for c in columns
    )
    rows = connection.execute(text(f"SELECT t.code, {picked} FROM {table} t ORDER BY t.code"))
    return {row[0]: tuple(row[1:]) for row in rows}


@pytest.fixture
def town(database: Database) -> Database:
    """A street of two communities side by side, one nested compound, two grids."""
    with database.transaction("import") as connection:
        put(
            connection,
            "areas",
            [
                shapely.box(0, 0, 2000, 1000),
                shapely.box(0, 0, 1000, 1000),
                shapely.box(1000, 0, 2000, 1000),
            ],
            level=["street", "community", "community"],
            name=["街道", "西社区", "东社区"],
        )
        put(
            connection,
            "compounds",
            [
                shapely.box(100, 100, 500, 500),
                shapely.box(100, 100, 200, 200),
                shapely.box(1100, 100, 1500, 500),
            ],
        )
        put(
            connection,
            "grids",
            [
                shapely.box(0, 0, 1000, 500),
                shapely.box(0, 500, 1000, 1000),
                shapely.box(0, 0, 200, 200),
            ],
            kind=["base", "base", "micro"],
        )
    return database


def test_a_building_lies_in_the_smallest_compound_and_in_its_community_and_grid(
    town: Database,
) -> None:
    with town.transaction("import") as connection:
        put(
            connection,
            "buildings",
            [
                shapely.box(120, 120, 140, 140),  # in the compound inside the compound
                shapely.box(300, 300, 320, 320),
                shapely.box(190, 300, 1200, 310),  # most of it in the east, its middle in the west
                shapely.box(1200, 200, 1220, 220),
                shapely.box(5000, 0, 5020, 20),  # outside everything
            ],
        )
        located = locate(connection)
        assert links(connection, "buildings", "compound_id", "community_id", "grid_id") == {
            "buildings0": ("compounds1", "areas1", "grids0"),
            "buildings1": ("compounds0", "areas1", "grids0"),
            "buildings2": (None, "areas1", "grids0"),
            "buildings3": ("compounds2", "areas2", None),
            "buildings4": (None, None, None),
        }
        assert located.buildings == 4
        assert located.buildings_outside == 1


def test_a_court_counts_where_its_walls_are(town: Database) -> None:
    ring = shapely.box(300, 300, 340, 340).difference(shapely.box(310, 310, 330, 330))
    with town.transaction("import") as connection:
        put(connection, "buildings", [ring])
        locate(connection)
        assert links(connection, "buildings", "compound_id") == {"buildings0": ("compounds0",)}


def test_locating_twice_changes_nothing_and_leaves_no_history(town: Database) -> None:
    with town.transaction("import") as connection:
        put(connection, "buildings", [shapely.box(120, 120, 140, 140)])
        put(connection, "stations", [shapely.Point(300, 300)], kind="red_station", name="驿站")
        put(connection, "gates", [shapely.Point(95, 300)])
        first = locate(connection)
        before = connection.scalar(text("SELECT count(*) FROM history"))
        second = locate(connection)
        after = connection.scalar(text("SELECT count(*) FROM history"))
    assert first == Located(2, 3, 3, 1, 1, 1, 0, 0)
    assert second == Located(0, 0, 0, 0, 0, 0, 0, 0)
    assert before == after


def test_compounds_grids_and_areas_find_what_they_lie_in(town: Database) -> None:
    with town.transaction("import") as connection:
        put(
            connection,
            "areas",
            [shapely.box(-500, -500, 5000, 5000)],
            code=["county"],
            level="district",
            name="县",
        )
        locate(connection)
        assert links(connection, "compounds", "community_id") == {
            "compounds0": ("areas1",),
            "compounds1": ("areas1",),
            "compounds2": ("areas2",),
        }
        assert links(connection, "grids", "community_id")["grids2"] == ("areas1",)
        assert links(connection, "areas", "parent_id") == {
            "areas0": ("county",),
            "areas1": ("areas0",),
            "areas2": ("areas0",),
            "county": (None,),
        }


def test_a_station_outside_every_area_is_kept_and_flagged_until_it_moves_in(
    town: Database,
) -> None:
    with town.transaction("import") as connection:
        put(
            connection,
            "stations",
            [shapely.Point(300, 300), shapely.Point(-10, 300), shapely.Point(1000, 300)],
            kind="rider_station",
            name="驿站",
        )
        located = locate(connection)
        assert located.stations_outside == 1
        assert links(connection, "stations", "community_id", "outside_areas") == {
            "stations0": ("areas1", False),
            "stations1": (None, True),
            "stations2": ("areas1", False),  # on the border of two: the first
        }
        put(
            connection,
            "stations",
            [shapely.Point(10, 300)],
            code=["stations1"],
            kind="rider_station",
            name="驿站",
        )
        assert locate(connection).stations_outside == 0


def test_links_follow_when_an_outline_moves(town: Database) -> None:
    with town.transaction("import") as connection:
        put(connection, "buildings", [shapely.box(980, 300, 990, 310)])
        locate(connection)
        put(
            connection,
            "areas",
            [shapely.box(0, 0, 950, 1000), shapely.box(950, 0, 2000, 1000)],
            code=["areas1", "areas2"],
            level="community",
            name=["西社区", "东社区"],
        )
        assert locate(connection).buildings == 1
        assert links(connection, "buildings", "community_id") == {"buildings0": ("areas2",)}


def test_a_building_named_to_a_compound_stays_there_within_thirty_metres(
    town: Database,
) -> None:
    with town.transaction("import") as connection:
        put(
            connection,
            "buildings",
            [
                shapely.box(510, 300, 520, 310),  # 15 m from the outline
                shapely.box(560, 300, 570, 310),  # 65 m
                shapely.box(150, 150, 160, 160),  # in it, and in a smaller one
                shapely.box(1200, 200, 1210, 210),  # in another
            ],
            compound_code="compounds0",
        )
        locate(connection)
        assert links(connection, "buildings", "compound_id") == {
            "buildings0": ("compounds0",),
            "buildings1": (None,),
            "buildings2": ("compounds0",),
            "buildings3": ("compounds2",),
        }


def test_a_gate_without_a_compound_gets_the_nearest_within_fifteen_metres(
    town: Database,
) -> None:
    with town.transaction("import") as connection:
        put(
            connection,
            "gates",
            [shapely.Point(95, 300), shapely.Point(84, 300), shapely.Point(1090, 300)],
        )
        put(
            connection,
            "gates",
            [shapely.Point(95, 310)],
            code=["named"],
            compound_code=["compounds2"],
        )
        assert locate(connection).gates == 2
        assert links(connection, "gates", "compound_id") == {
            "gates0": ("compounds0",),
            "gates1": (None,),
            "gates2": ("compounds2",),
            "named": ("compounds2",),
        }


def test_ten_thousand_buildings_agree_with_shapely(database: Database) -> None:
    rng = np.random.default_rng(7)
    xy = rng.uniform(-100, 3100, (10_000, 2))
    footprints = shapely.box(xy[:, 0], xy[:, 1], xy[:, 0] + 9, xy[:, 1] + 7)
    cells = [
        shapely.box(x, y, x + 500, y + 500)
        for x in range(0, 3000, 500)
        for y in range(0, 3000, 500)
    ]
    with database.transaction("import") as connection:
        put(connection, "areas", cells, level="community", name="社区")
        put(connection, "buildings", list(footprints))
        locate(connection)
        kept = links(connection, "buildings", "community_id")
        points = shapely.from_wkb(
            [
                bytes(row[0])
                for row in connection.execute(
                    text("SELECT ST_AsBinary(ST_PointOnSurface(geom)) FROM buildings ORDER BY code")
                )
            ]
        )
        areas = shapely.from_wkb(
            [
                bytes(row[0])
                for row in connection.execute(
                    text("SELECT ST_AsBinary(geom) FROM areas ORDER BY id")
                )
            ]
        )
    tree = shapely.STRtree(areas)
    expected: dict[int, int] = {}
    for point, area in zip(*tree.query(points, predicate="covered_by"), strict=True):
        expected.setdefault(int(point), int(area))
        expected[int(point)] = min(expected[int(point)], int(area))
    found = {
        i: int(code[0].removeprefix("areas"))
        for i, code in enumerate(kept.values())
        if code[0] is not None
    }
    assert found == expected
    assert 8_000 < len(found) < 10_000
