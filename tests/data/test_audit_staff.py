"""Workers by area: out of files and the published plan, summed upwards, held against the rule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from plan_town import seed_plan
from sqlalchemy import text
from town import seed_layers

from data.audits.staff import with_workers, workers_in_file, workers_in_plan
from data.database import Database
from data.errors import SourceFileError
from data.plans.from_grids import plan_from_grids
from data.plans.given import GivenGrid
from data.plans.states import change_state
from geo.audit import AreaTable, Homes, StationTable, evaluate
from geo.rulesets import rule_set


def table(
    codes: list[str],
    parents: list[str],
    workers: list[float] | None = None,
    home: tuple[int, ...] = (),
) -> AreaTable:
    return AreaTable(
        np.array(codes, object),
        np.array(codes, object),
        np.array(parents, object),
        np.array(home, np.int32),
        np.zeros(0, np.int32),
        None if workers is None else np.array(workers, float),
    )


def layer(path: Path, column: str, cells: list[object]) -> Path:
    frame = gpd.GeoDataFrame(
        {"网格编码": ["G1", "G2", "G3"], column: cells},
        geometry=[shapely.box(118 + k / 100, 36, 118.01 + k / 100, 36.01) for k in range(3)],
        crs="EPSG:4326",
    )
    frame.to_file(path, driver="GPKG")
    return path


def test_a_column_of_a_grid_file_gives_workers(tmp_path: Path) -> None:
    path = layer(tmp_path / "g.gpkg", "专职网格员", [2, None, 1])
    found = workers_in_file(path, np.array(["G3", "G1", "G2", "G9"], object))
    assert found is not None
    assert np.array_equal(found, [1, 2, np.nan, np.nan], equal_nan=True)
    other = layer(tmp_path / "h.gpkg", "备注", [2, None, 1])
    assert workers_in_file(other, np.array(["G1"], object)) is None


def test_a_name_in_that_column_is_refused_with_its_row(tmp_path: Path) -> None:
    path = layer(tmp_path / "g.gpkg", "专职网格员", ["1", "一名", "2"])
    with pytest.raises(SourceFileError, match="row 2: 专职网格员") as caught:
        workers_in_file(path, np.array(["G1"], object))
    assert "counts workers" in caught.value.remedy


def test_workers_are_summed_upwards_and_unknown_stays_unknown() -> None:
    areas = with_workers(
        {
            "street": table(["S"], [""]),
            "community": table(["A", "B", "C"], ["S", "S", "S"], [np.nan, np.nan, 7]),
            "grid": table(["a1", "a2", "b1"], ["A", "A", "B"], [1, 2, np.nan]),
        }
    )
    assert np.array_equal(areas["community"].workers, [3, np.nan, 7], equal_nan=True)
    assert areas["street"].workers.tolist() == [10]
    assert with_workers({"grid": table(["a"], ["A"])})["grid"].workers is None


def test_the_rule_gives_figures_where_workers_are_counted() -> None:
    households = np.array([600.0, 301, 100])
    homes = Homes(households, households * 3, np.zeros(3, bool), np.zeros((3, 2)))
    nothing = np.zeros(0)
    stations = StationTable(
        np.zeros(0, object), [], nothing, np.zeros((0, 168), np.uint8), np.zeros((0, 2))
    )
    rules = rule_set(
        {
            "name": "x",
            "version": "1",
            "title_zh": "甲",
            "rules": [
                {
                    "id": "a",
                    "kind": "staffing",
                    "title_zh": "甲",
                    "level": "community",
                    "households_per_worker": 300,
                }
            ],
        },
        origin="x",
    )

    def found(workers: list[float]):
        areas = {"community": table(["A", "B", "C"], ["", "", ""], workers, (0, 1, 2))}
        return evaluate(rules, homes, stations, areas, {}).rules[0]

    some = found([2, 1, 1])
    assert (some.numerator, some.denominator, some.verdict) == (2, 3, "fail")
    assert some.areas["community"]["denominator"].tolist() == [2, 2, 1]
    assert some.facts["workers_needed"] == 5
    assert found([2, 2, 1]).verdict == "pass"
    # One that nobody counted could still be enough.
    assert found([2, np.nan, 1]).verdict == "unknown"
    assert found([1, np.nan, 1]).areas["community"]["verdict"].tolist() == [
        "fail",
        "unknown",
        "pass",
    ]


def test_the_published_plan_gives_workers_of_communities_that_filled_them_in(
    make_database: Callable[[], Database],
) -> None:
    database = make_database()
    with database.transaction("test") as connection:
        seed_layers(connection)
        seed_plan(connection)
        assert workers_in_plan(connection) == {}
        rows = connection.execute(
            text(
                "SELECT g.code, g.kind, a.code AS community, ST_AsBinary(g.geom) AS geom"
                " FROM grids g JOIN areas a ON a.id = g.community_id ORDER BY g.code"
            )
        ).all()
        mine = [row.code for row in rows if row.community == "C1"]
        given = [
            GivenGrid(
                row.code,
                "",
                row.kind,
                row.community,
                shapely.from_wkb(bytes(row.geom)),
                staff=(0, 2 if row.code == mine[0] else 0, 0, 0, 0),
            )
            for row in rows
        ]
        report = plan_from_grids(connection, "有编制的网格", given, author="test")
        change_state(connection, report.plan, "published", author="test")
        found = workers_in_plan(connection)
    assert found == {code: 2.0 if code == mine[0] else 0.0 for code in mine}
    database.close()
