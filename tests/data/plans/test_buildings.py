"""Plans follow the buildings: what an import adds, moves or deletes is counted at once."""

from __future__ import annotations

from plan_town import PlanTown, line
from sqlalchemy import text
from town import polygon

from data.location import locate
from data.plans.community import load_community
from data.plans.edits import edit
from data.plans.reading import read_plan
from data.plans.undo import undo


def figures(town: PlanTown) -> tuple[int, int]:
    with town.database.connect() as connection:
        totals = [read_plan(connection, p)["totals"] for p in (town.draft, town.published)]
    assert totals[0]["households"] == totals[1]["households"]
    return totals[0]["buildings"], totals[0]["households"]


def add(town: PlanTown, code: str, x: float, y: float, households: int) -> None:
    with town.database.transaction("import") as connection:
        connection.execute(
            text(
                "INSERT INTO buildings (code, kind, households, households_source, geom) VALUES"
                " (:code, 'multi_storey', :n, 'surveyed', ST_GeomFromText(:wkt, 4326))"
            ),
            {"code": code, "n": households, "wkt": polygon(x, y, x + 10, y + 10)},
        )
        locate(connection)


def test_a_new_building_is_counted_in_every_plan(town: PlanTown) -> None:
    buildings, households = figures(town)
    add(town, "NEW", 160, 160, 40)
    assert figures(town) == (buildings + 1, households + 40)


def test_a_building_that_moves_or_goes_is_followed(town: PlanTown) -> None:
    add(town, "NEW", 160, 160, 40)
    before = figures(town)
    with town.database.transaction("import") as connection:
        connection.execute(
            text("UPDATE buildings SET geom = ST_GeomFromText(:wkt, 4326) WHERE code = 'NEW'"),
            {"wkt": polygon(860, 160, 870, 170)},
        )
        locate(connection)
        grid = connection.execute(
            text(
                "SELECT g.community_id FROM plan_buildings p JOIN buildings b"
                " ON b.id = p.building_id JOIN plan_grids g ON g.id = p.grid_id"
                " WHERE b.code = 'NEW' AND p.plan_id = :plan"
            ),
            {"plan": town.draft},
        ).scalar_one()
    assert grid == town.communities["C2"]
    assert figures(town) == before
    with town.database.transaction("import") as connection:
        connection.execute(text("DELETE FROM buildings WHERE code = 'NEW'"))
        locate(connection)
    assert figures(town) == (before[0] - 1, before[1] - 40)


def test_undoing_an_older_edit_keeps_a_building_that_came_after_it(town: PlanTown) -> None:
    with town.database.transaction("test") as connection:
        community = load_community(connection, town.draft, town.communities["C1"])
        edit(
            connection,
            town.draft,
            {
                "kind": "split",
                "community": community.id,
                "grid": min(community.grids),
                "line": line((120, -60), (120, 1060)),
            },
            version=1,
            author="test",
        )
    add(town, "NEW", 60, 160, 40)
    before = figures(town)
    with town.database.transaction("test") as connection:
        undo(connection, town.draft, author="test")
    assert figures(town) == before
