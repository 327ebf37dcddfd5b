"""Cells of plans are those of geo.cells: shared, kept, and made anew when their sources change."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from plan_town import PlanTown, community_ids
from sqlalchemy import text
from town import line, lonlat, polygon, seed_layers

from data.database import Database
from data.location import locate
from data.migrations import versions
from data.plans.cells import CommunityCells, cells_of
from data.plans.community import load_community
from data.plans.design_cells import design_cells
from data.plans.edits import edit
from data.plans.patches import building_parts
from data.plans.reading import list_cells
from data.plans.suggest import suggest
from data.surroundings import in_metres
from geo.cells import Surroundings
from geo.crs import projected_crs


def cells(town: PlanTown, code: str = "C1") -> CommunityCells:
    community = town.communities[code]
    with town.database.transaction("test") as connection:
        return cells_of(connection, [community])[community]


def rows(town: PlanTown) -> list[Any]:
    with town.database.connect() as connection:
        return list(
            connection.execute(
                text("SELECT id, community_id, ST_AsBinary(geom) FROM cells ORDER BY id")
            )
        )


def write(town: PlanTown, sql: str, **bound: Any) -> None:
    with town.database.transaction("test") as connection:
        connection.execute(text(sql), bound)
        locate(connection)


ROAD = (
    "INSERT INTO base_features (source, source_key, layer, kind, name, min_zoom, geom)"
    " VALUES ('test', 'r1', 'road', :kind, '新路', 10, ST_GeomFromText(:wkt, 4326))"
)


def outline(town: PlanTown, code: str = "C1") -> shapely.Geometry:
    with town.database.connect() as connection:
        return load_community(connection, town.draft, town.communities[code]).outline


def test_every_part_of_a_community_is_in_exactly_one_cell(town: PlanTown) -> None:
    made = cells(town)
    assert shapely.coverage_is_valid(made.shape)
    assert shapely.area(made.shape).sum() == pytest.approx(outline(town).area, rel=1e-9)
    with town.database.connect() as connection:
        community = load_community(connection, town.draft, town.communities["C1"])
    assert (community.building == made.building).all()
    inside = shapely.intersects(made.shape[made.cell_of], shapely.points(community.point))
    assert inside.all()


def test_cells_are_made_once_and_kept_as_they_were_made(town: PlanTown) -> None:
    assert rows(town) == []
    made = cells(town)
    kept = rows(town)
    again = cells(town)
    assert rows(town) == kept
    assert [s.wkb for s in again.shape] == [s.wkb for s in made.shape]
    assert (again.cell_of == made.cell_of).all()
    assert (again.building == made.building).all()


def test_a_reading_connection_makes_cells_and_keeps_nothing(town: PlanTown) -> None:
    with town.database.connect() as connection:
        found = list_cells(connection, town.draft, community=town.communities["C1"])
    assert len(found) == len(cells(town).building)


def test_two_who_ask_at_once_get_the_same_cells(town: PlanTown) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: cells(town), range(4)))
    wkb = [[s.wkb for s in one.shape] for one in found]
    assert all(one == wkb[0] for one in wkb)
    assert len(rows(town)) == len(wkb[0])


def test_a_building_that_moves_away_and_back_has_its_cell_again(town: PlanTown) -> None:
    made = cells(town)
    building = int(made.building[3])
    move = "UPDATE buildings SET geom = ST_Translate(geom, :dx, 0) WHERE id = :id"
    write(town, move, id=building, dx=2.0**-13)
    write(town, move, id=building, dx=-(2.0**-13))
    again = cells(town)
    assert again.building.tolist() == made.building.tolist()
    assert [s.wkb for s in again.shape[again.cell_of]] == [s.wkb for s in made.shape[made.cell_of]]


def test_cells_of_a_community_in_no_plan_are_kept_with_their_buildings(
    database: Database,
) -> None:
    with database.transaction("test") as connection:
        seed_layers(connection)
        community = community_ids(connection)["C1"]
        made = cells_of(connection, [community])[community]
    with database.connect() as connection:
        kept = cells_of(connection, [community])[community]
    assert len(made.building) > 0
    assert kept.building.tolist() == made.building.tolist()
    assert kept.cell_of.tolist() == made.cell_of.tolist()


def test_a_database_of_before_gets_cells_when_they_are_asked_for(town: PlanTown) -> None:
    made = cells(town)
    (file,) = Path(versions.__path__[0]).glob("v*_cells.py")
    migration = import_module(f"{versions.__name__}.{file.stem}")
    with town.database.engine.connect() as connection:
        for statement in (*migration.DOWNGRADE, *migration.UPGRADE):
            connection.execute(text(statement))
        assert connection.execute(text("SELECT count(*) FROM building_cells")).scalar_one()
        community = town.communities["C1"]
        again = cells_of(connection, [community])[community]
        assert [s.wkb for s in again.shape] == [s.wkb for s in made.shape]
        chosen = int(made.building[0])
        grid = load_community(connection, town.draft, community)
        assert set(building_parts(connection, grid, int(grid.grid_of[0])))
        assert chosen in again.building
        connection.rollback()


def test_a_new_building_moves_the_cells_around_it_only(town: PlanTown) -> None:
    before, other = cells(town), cells(town, "C2")
    write(
        town,
        "INSERT INTO buildings (code, kind, households, households_source, geom) VALUES"
        " ('NEW', 'multi_storey', 9, 'surveyed', ST_GeomFromText(:wkt, 4326))",
        wkt=polygon(160, 160, 170, 170),
    )
    after = cells(town)
    was = dict(zip(before.building.tolist(), before.shape[before.cell_of], strict=True))
    now = dict(zip(after.building.tolist(), after.shape[after.cell_of], strict=True))
    (new,) = set(now) - set(was)
    far = [b for b in was if not shapely.dwithin(was[b], now[new], 1e-7)]
    assert far
    for building in far:
        assert shapely.symmetric_difference(was[building], now[building]).area < 1e-14
    assert [s.wkb for s in cells(town, "C2").shape] == [s.wkb for s in other.shape]


def test_a_new_street_parts_cells_and_a_path_does_not(town: PlanTown) -> None:
    before = cells(town)
    course = line((200, -60), (230, 1060))
    write(town, ROAD, kind="footway", wkt=course)
    assert [s.wkb for s in cells(town).shape] == [s.wkb for s in before.shape]
    write(town, "UPDATE base_features SET kind = :kind WHERE name = '新路'", kind="residential")
    after = cells(town)
    street = shapely.LineString([lonlat(200, -60), lonlat(230, 1060)])
    inhabited = after.shape[np.unique(after.cell_of)]
    cut = shapely.length(shapely.intersection(shapely.buffer(inhabited, -2e-6), street))
    assert cut.max() < 0.02 * street.length
    assert (
        shapely.length(shapely.intersection(shapely.buffer(before.shape, -2e-6), street)).max()
        > cut.max()
    )


def test_a_compound_that_gets_a_wall_makes_cells_anew(town: PlanTown) -> None:
    cells(town)
    before = rows(town)
    write(town, "UPDATE compounds SET walled = NOT walled")
    cells(town)
    assert {row[0] for row in rows(town)}.isdisjoint({row[0] for row in before})


def test_buildings_on_one_another_share_a_cell_and_go_together(town: PlanTown) -> None:
    wkt = polygon(160, 160, 190, 190)
    for code in ("LOW", "HIGH"):
        write(
            town,
            "INSERT INTO buildings (code, kind, households, households_source, geom) VALUES"
            " (:code, 'multi_storey', 9, 'surveyed', ST_GeomFromText(:wkt, 4326))",
            code=code,
            wkt=wkt,
        )
    made = cells(town)
    with town.database.connect() as connection:
        low, high = connection.execute(
            text("SELECT id FROM buildings WHERE code IN ('LOW', 'HIGH') ORDER BY id")
        ).scalars()
        community = load_community(connection, town.draft, town.communities["C1"])
        place = {int(b): n for n, b in enumerate(community.building)}
        grid = int(community.grid_of[place[low]])
        parts = building_parts(connection, community, grid)
    cell = dict(zip(made.building.tolist(), made.cell_of.tolist(), strict=True))
    assert cell[low] == cell[high]
    assert parts[place[low]].equals(parts[place[high]])


def test_a_suggestion_gives_buildings_on_one_another_together(town: PlanTown) -> None:
    # Two buildings on one spot at the boundary bring their grid over its limit.
    for code in ("LOW", "HIGH"):
        write(
            town,
            "INSERT INTO buildings (code, kind, households, households_source, geom) VALUES"
            " (:code, 'multi_storey', 30, 'surveyed', ST_GeomFromText(:wkt, 4326))",
            code=code,
            wkt=polygon(370, 160, 385, 180),
        )
    with town.database.transaction("test") as connection:
        pair = set(
            connection.execute(
                text("SELECT id FROM buildings WHERE code IN ('LOW', 'HIGH')")
            ).scalars()
        )
        community = load_community(connection, town.draft, town.communities["C1"])
        place = {int(b): n for n, b in enumerate(community.building)}
        (grid,) = {int(community.grid_of[place[b]]) for b in pair}
        households = community.sums()[grid][0]
        connection.execute(
            text("UPDATE plans SET household_limit = :most WHERE id = :plan"),
            {"most": households - 1, "plan": town.draft},
        )
        found = suggest(connection, grid, town.draft)
        assert found
        with_pair = [f for f in found if pair & set(f["edit"].get("buildings", ()))]
        assert with_pair
        for one in with_pair:
            assert pair <= set(one["edit"]["buildings"])
        best = with_pair[0]
        result = edit(connection, town.draft, best["edit"], version=None, author="test")
        sums = result.after.sums()
        for key, figures in best["after"].items():
            assert dict(
                zip(("households", "people", "buildings"), sums[int(key)], strict=True)
            ) == (figures)


def test_the_cells_of_a_deleted_building_go_to_its_neighbours(town: PlanTown) -> None:
    before = cells(town)
    gone = int(before.building[0])
    write(town, "DELETE FROM buildings WHERE id = :id", id=gone)
    after = cells(town)
    assert gone not in after.building
    assert shapely.area(after.shape).sum() == pytest.approx(outline(town).area, rel=1e-9)


def test_a_design_starts_from_the_kept_cells(town: PlanTown) -> None:
    made = cells(town)
    area = outline(town)
    crs = projected_crs(area.bounds).to_wkt()
    with town.database.connect() as connection:
        homes = connection.execute(
            text(
                "SELECT id, community_id, ST_AsBinary(geom) FROM buildings"
                " WHERE community_id = :c ORDER BY id"
            ),
            {"c": town.communities["C1"]},
        ).all()
    told: list[float] = []
    found = design_cells(
        town.database,
        np.array([town.communities["C1"]]),
        in_metres(np.array([area]), crs),
        np.array([h[0] for h in homes]),
        np.array([h[1] for h in homes]),
        in_metres(shapely.from_wkb([bytes(h[2]) for h in homes]), crs),
        Surroundings(),
        np.array([False]),
        crs,
        author="test",
        progress=told.append,
    )
    assert told
    assert len(found) == len(made.shape)
    assert (found.cell_of_building == made.cell_of).all()
    assert found.area_m2.sum() == pytest.approx(in_metres(np.array([area]), crs)[0].area, rel=1e-6)
    # Every length of border is either between two cells or on the border of the community.
    around = shapely.length(found.geometry).sum()
    assert 2 * found.border_m.sum() + found.outer_m.sum() == pytest.approx(around, rel=1e-4)
