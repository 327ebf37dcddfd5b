"""What the database refuses, whatever program writes it."""

from __future__ import annotations

import pytest
from plan_town import PlanTown
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from data.constraints import refusal


def refused(town: PlanTown, statement: str) -> str:
    with pytest.raises(DBAPIError) as error, town.database.transaction("script") as connection:
        connection.execute(text(statement), {"plan": town.draft, "old": town.published})
    assert refusal(error.value) is not None
    return str(error.value.orig)


ONE = "id = (SELECT min(id) FROM plan_grids WHERE plan_id = :plan)"


def test_a_grid_that_shrinks_leaves_a_gap(town: PlanTown) -> None:
    reason = refused(
        town,
        "UPDATE plan_grids SET geom = ST_Difference(geom, ST_Expand(ST_Centroid(geom), 1e-4))"
        f" WHERE {ONE}",
    )
    assert "overlap or leave a gap at 118." in reason


def test_a_grid_that_grows_overlaps(town: PlanTown) -> None:
    reason = refused(
        town,
        f"UPDATE plan_grids SET geom = ST_Envelope(ST_Expand(geom, 1e-4)) WHERE {ONE}",
    )
    assert "overlap or leave a gap" in reason


def test_a_vertex_that_only_one_side_has_is_refused(town: PlanTown) -> None:
    reason = refused(town, f"UPDATE plan_grids SET geom = ST_Segmentize(geom, 0.001) WHERE {ONE}")
    assert "overlap or leave a gap" in reason


def test_a_grid_that_is_deleted_leaves_a_gap(town: PlanTown) -> None:
    assert "gap" in refused(town, f"DELETE FROM plan_grids WHERE {ONE}")


def test_two_pieces_are_no_grid(town: PlanTown) -> None:
    refused(town, f"UPDATE plan_grids SET geom = ST_Multi(geom) WHERE {ONE}")


def test_a_building_lies_in_its_grid(town: PlanTown) -> None:
    reason = refused(
        town,
        "UPDATE plan_buildings SET grid_id ="
        " (SELECT max(id) FROM plan_grids WHERE plan_id = :plan)"
        " WHERE plan_id = :plan AND building_id ="
        " (SELECT min(building_id) FROM plan_buildings WHERE plan_id = :plan)",
    )
    assert "does not lie in its grid" in reason


def test_the_border_does_not_move_even_if_the_grids_follow(town: PlanTown) -> None:
    moved = (
        "WITH moved AS (UPDATE plan_communities"
        " SET outline = ST_Translate(outline, 0.001, 0) WHERE plan_id = :plan)"
        " UPDATE plan_grids SET geom = ST_Translate(geom, 0.001, 0) WHERE plan_id = :plan"
    )
    assert "border" in refused(town, moved)


def test_micro_grids_nest_in_their_base_grid(town: PlanTown) -> None:
    outside = (
        "INSERT INTO plan_grids (plan_id, community_id, code, kind, parent_id, geom)"
        " SELECT plan_id, community_id, 'm1', 'micro', id,"
        " ST_Envelope(ST_Expand(ST_Point(ST_XMax(geom), ST_YMax(geom)), 1e-4))"
        f" FROM plan_grids WHERE {ONE}"
    )
    assert "micro-grid m1" in refused(
        town,
        outside.replace("ST_Point(", "ST_SetSRID(ST_Point(").replace(
            "ST_YMax(geom))", "ST_YMax(geom)), 4326)"
        ),
    )


def test_grids_of_a_published_plan_are_not_written(town: PlanTown) -> None:
    assert "not a draft" in refused(
        town, "UPDATE plan_grids SET name = 'x' WHERE plan_id = :old AND :plan > 0"
    )


def test_an_edit_by_hand_that_keeps_a_partition_is_let_through(town: PlanTown) -> None:
    with town.database.transaction("script") as connection:
        connection.execute(
            text(f"UPDATE plan_grids SET name = '新名', geom = ST_Reverse(geom) WHERE {ONE}"),
            {"plan": town.draft},
        )
