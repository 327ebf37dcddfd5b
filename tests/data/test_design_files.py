"""Designs from files: the sample town and a real country, read back from what was written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from data.designs.files import DesignChoices, DesignInputs, design_to_file
from data.errors import SourceFileError
from data.importers.layers import read_layer
from data.sample import SampleFiles, write_sample
from geo.standards import GridLimits

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> SampleFiles:
    return write_sample(tmp_path_factory.mktemp("town"))


@pytest.fixture(scope="module")
def plan(town: SampleFiles, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A plan made by the command, and what it told."""
    out = tmp_path_factory.mktemp("plan") / "plan.gpkg"
    done = gridcircle(
        "--buildings", town.buildings, "--areas", town.areas, "--network", town.osm,
        "--stations", town.stations, "--grids", town.grids, "--out", out,
        "--effort", 0.1, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out, json.loads(done.stdout)


def gridcircle(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from api.cli import main; main()", "design", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def quiet(stage: str, share: float) -> None:
    """Progress nobody reads."""


def test_the_plan_holds_every_household_of_the_ledger_once(plan, town):
    out, told = plan
    grids, cells, micro = (gpd.read_file(out, layer=n) for n in ("grids", "cells", "microgrids"))
    ledger = pd.read_csv(town.buildings)
    for table in (grids, cells, micro):
        assert table["households"].sum() == ledger["户数"].sum()
        assert table["people"].sum() == ledger["人口"].sum()
    assert (
        cells.groupby("grid_code")["households"].sum().to_dict()
        == grids.set_index("code")["households"].to_dict()
    )
    assert (
        micro.groupby("grid_code")["households"].sum().to_dict()
        == grids.set_index("code")["households"].to_dict()
    )
    assert told["totals"]["households"] == ledger["户数"].sum()


def test_every_grid_keeps_the_limits_and_is_one_piece_of_its_community(plan, town):
    grids = gpd.read_file(plan[0], layer="grids")
    assert grids["households"].max() <= 300
    assert grids["people"].max() <= 1000
    assert not grids["over_limit"].any()
    assert (shapely.get_num_geometries(grids.geometry.array) == 1).all()
    metres = grids.to_crs(grids.estimate_utm_crs())
    areas = gpd.read_file(town.areas).set_index("编码").to_crs(metres.crs)
    for code, mine in metres.groupby("community_code"):
        whole = shapely.union_all(mine.geometry.array)
        assert whole.symmetric_difference(areas.geometry[code]).area < 5
        assert shapely.area(mine.geometry.array).sum() == pytest.approx(whole.area, abs=5)


def test_codes_are_new_or_those_of_the_present_plan_and_never_twice(plan, town):
    grids = gpd.read_file(plan[0], layer="grids")
    present = set(gpd.read_file(town.grids)["网格编码"])
    assert grids["code"].is_unique
    assert grids["code"].str.fullmatch(r"\d{15}").all()
    kept = grids["present_code"].notna()
    assert set(grids["code"][kept]) <= present
    assert not set(grids["code"][~kept]) & set(grids["code"][kept])
    assert (grids["code"].str[:12] == grids["community_code"]).all()


def test_the_report_compares_with_the_present_plan_and_states_its_bounds(plan):
    told = plan[1]
    assert told["kept"]
    assert told["present"]["grids"] == 134
    assert told["totals"]["moved"] >= told["totals"]["moved_bound"] > 0
    assert told["totals"]["grids"] >= told["totals"]["bound"] >= 131
    assert told["totals"]["grids"] <= 1.15 * told["totals"]["bound"]
    assert sum(one["workers"] for one in told["communities"]) == told["totals"]["grids"]
    assert all(one["building_heads"] > 0 for one in told["communities"])


def test_a_limit_below_a_building_ends_with_code_4_and_says_which(town, tmp_path):
    out = tmp_path / "small.geojson"
    done = gridcircle(
        "--buildings", town.buildings, "--areas", town.areas, "--network", town.osm,
        "--max-households", 60, "--out", out, "--effort", 0.02,
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert "One building alone has" in done.stdout
    assert len(gpd.read_file(out)) > 600


def test_errors_name_the_file_and_write_nothing(town, tmp_path):
    out = tmp_path / "plan.gpkg"
    with pytest.raises(SourceFileError, match="no buildings"):
        design_to_file(DesignInputs(None, town.areas), out, DesignChoices(), progress=quiet)
    streets = gpd.read_file(town.areas)
    streets[streets["级别"] != "社区"].to_file(tmp_path / "streets.geojson")
    above = DesignInputs(town.buildings, tmp_path / "streets.geojson")
    with pytest.raises(SourceFileError, match="no area of the level community"):
        design_to_file(above, out, DesignChoices(), progress=quiet)
    with pytest.raises(SourceFileError, match="no base grid with this code"):
        design_to_file(
            DesignInputs(town.buildings, town.areas, grids=town.grids),
            out,
            DesignChoices(locked=("X1",), effort=0.01),
            progress=quiet,
        )
    assert not out.exists()


def test_selected_grids_are_rebalanced_and_no_other_moves(town, tmp_path):
    present = gpd.read_file(town.grids)
    first = present.iloc[[0]]
    near = present[
        present.touches(first.geometry.iloc[0]) & (present["社区编码"] == first["社区编码"].iloc[0])
    ]
    chosen = [first["网格编码"].iloc[0], *near["网格编码"].iloc[:2]]
    out = tmp_path / "plan.gpkg"
    design_to_file(
        DesignInputs(town.buildings, town.areas, town.osm, grids=town.grids),
        out,
        DesignChoices(scenario="rebalance", selected=chosen, effort=0.05),
        progress=quiet,
    )
    made = gpd.read_file(out, layer="grids")
    before = present.set_index("网格编码")["户数"]
    after = made.set_index("code")["households"]
    others = [code for code in before.index if code not in chosen]
    # The counts of the two files agree but for the homes on a border of the present plan.
    assert (after[others] == before[others]).all()
    new = after[~after.index.isin(before.index)]
    assert after[chosen].sum() + new.sum() == before[chosen].sum()
    assert max(after[chosen].max(), new.max()) <= 300


@pytest.mark.skipif(
    not (SHARED / "liechtenstein").exists(), reason="the Liechtenstein extract is not here"
)
def test_a_real_country_is_designed_from_its_map_alone(tmp_path):
    osm = SHARED / "liechtenstein" / "liechtenstein.osm.pbf"
    out = tmp_path / "plan.gpkg"
    result = design_to_file(
        DesignInputs(None, osm, osm),
        out,
        DesignChoices(GridLimits(300, 1000), effort=0.05),
        progress=quiet,
    )
    assert len(result.communities) == 11
    grids = gpd.read_file(out, layer="grids")
    assert grids["households"].max() <= 300 or not result.kept
    assert result.totals["in_one_piece"] == 1.0
    assert any("estimated" in warning for warning in result.warnings)
    assert np.isclose(grids["households"].sum(), result.totals["households"])


def test_branches_and_staff_are_counted_from_ledgers(town, tmp_path):
    codes = pd.read_csv(town.buildings, dtype=str).iloc[:, 0]
    members = pd.DataFrame({"楼栋编码": codes, "党员数": np.arange(len(codes)) % 3})
    members.to_csv(tmp_path / "members.csv", index=False)
    communities, _ = read_layer(town.areas, "areas")
    communities = communities[communities["level"] == "community"]
    staff = pd.DataFrame({"社区编码": communities["code"], "专职网格员": 10, "楼长": 10_000})
    staff.to_excel(tmp_path / "staff.xlsx", index=False)
    out = tmp_path / "plan.gpkg"
    done = gridcircle(
        "--buildings", town.buildings, "--areas", town.areas, "--network", town.osm, "--out", out,
        "--members", tmp_path / "members.csv", "--branch-least", 60, "--branch-most", 260,
        "--staff", tmp_path / "staff.xlsx", "--effort", 0.02, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    grids, layer = (gpd.read_file(out, layer=n) for n in ("grids", "branches"))
    assert grids["party_members"].sum() == members["党员数"].sum() == layer["party_members"].sum()
    assert (grids["branch"] != "").all()
    assert len(layer) == len(told["branches"]) < len(grids)
    for one in told["branches"]:
        own = grids[grids["branch"] == one["name"]]
        assert sorted(own["code"]) == sorted(one["grids"])
        assert own["party_members"].sum() == one["party_members"]
        assert one["outside"] or 60 <= one["party_members"] <= 260
        assert set(own["community_code"]) == {one["community_code"]}
    for one in told["communities"]:
        assert one["spare_workers"] == 10 - one["workers"] < 0
        assert one["spare_building_heads"] == 10_000 - one["building_heads"]
        assert "spare_unit_heads" not in one


@pytest.mark.parametrize(
    ("option", "text", "word"),
    [
        ("--members", "楼栋编码,党员数\nnowhere,3\n", "nowhere"),
        ("--members", "楼栋编码,党员数\nB1,many\n", "many"),
        ("--members", "楼栋编码\nB1\n", "members"),
        ("--staff", "社区编码,楼长\n999,3\n", "999"),
    ],
)
def test_wrong_ledgers_of_counts_are_told_with_their_row(town, tmp_path, option, text, word):
    (tmp_path / "counts.csv").write_text(text, "utf-8")
    out = tmp_path / "plan.gpkg"
    done = gridcircle(
        "--buildings", town.buildings, "--areas", town.areas, "--out", out,
        option, tmp_path / "counts.csv",
    )  # fmt: skip
    assert done.returncode == 1
    assert word in done.stderr
    assert "counts.csv" in done.stderr
    assert not out.exists()
