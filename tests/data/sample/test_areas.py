"""Areas and grids of the sample: nested codes, a coverage, about 300 households."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from data.sample import SampleFiles


@pytest.fixture(scope="module")
def areas(county: SampleFiles) -> gpd.GeoDataFrame:
    return gpd.read_file(county.areas)


@pytest.fixture(scope="module")
def grids(county: SampleFiles) -> gpd.GeoDataFrame:
    return gpd.read_file(county.grids)


@pytest.fixture(scope="module")
def homes(county: SampleFiles) -> gpd.GeoDataFrame:
    frame = pd.read_csv(county.buildings, dtype={"楼栋编码": str})
    return gpd.GeoDataFrame(
        frame, geometry=gpd.points_from_xy(frame["经度"], frame["纬度"]), crs=4326
    )


def covers_exactly(parts: gpd.GeoSeries, whole: shapely.Geometry) -> bool:
    """Parts overlap nowhere, leave no gap and share every vertex."""
    shapes = parts.to_numpy()
    if not shapely.coverage_is_valid(shapes):
        return False
    union = shapely.coverage_union_all(shapes)
    return bool(
        np.isclose(shapely.area(shapes).sum(), whole.area, rtol=1e-9)
        and union.symmetric_difference(whole).area < 1e-12
    )


def test_streets_and_communities_tile_the_district(areas: gpd.GeoDataFrame) -> None:
    (district,) = areas.loc[areas["级别"] == "区县", "geometry"]
    for level, count in (("街道", 3), ("社区", 10)):
        parts = areas.loc[areas["级别"] == level, "geometry"]
        assert len(parts) == count
        assert covers_exactly(parts, district)


def test_codes_nest_by_six_three_and_three_digits(areas: gpd.GeoDataFrame) -> None:
    assert areas["编码"].is_unique
    length = {"区县": 6, "街道": 9, "社区": 12}
    known = set(areas["编码"])
    for row in areas.itertuples():
        assert len(row.编码) == length[row.级别]
        assert row.编码.isdigit()
        if row.级别 != "区县":
            assert row.上级编码 == row.编码[:-3]
            assert row.上级编码 in known
        else:
            assert row.编码.startswith("3799"), "no real prefecture has this code"


def test_each_community_is_parted_exactly_into_its_grids(
    areas: gpd.GeoDataFrame, grids: gpd.GeoDataFrame
) -> None:
    assert len(grids) == 134
    assert shapely.coverage_is_valid(grids.geometry.to_numpy())
    for row in areas[areas["级别"] == "社区"].itertuples():
        own = grids[grids["社区编码"] == row.编码]
        assert covers_exactly(own.geometry, row.geometry)
        assert list(own["网格编码"]) == [f"{row.编码}{i:03d}" for i in range(1, len(own) + 1)]


def test_each_grid_is_one_piece(grids: gpd.GeoDataFrame) -> None:
    assert set(grids.geom_type) == {"Polygon"}
    assert grids.is_valid.all()


def test_grids_hold_about_300_households_and_all_of_them(
    grids: gpd.GeoDataFrame, homes: gpd.GeoDataFrame
) -> None:
    where = gpd.sjoin(homes, grids[["网格编码", "社区编码", "geometry"]], predicate="within")
    assert len(where) == len(homes), "every building lies in exactly one grid"
    assert (where["社区编码"] == where["楼栋编码"].str[:12]).all()
    counted = where.groupby("网格编码")[["户数", "人口"]].sum()
    given = grids.set_index("网格编码")[["户数", "人口"]].loc[counted.index]
    assert (counted == given).all(axis=None)
    assert len(counted) == len(grids), "no grid is empty"
    assert counted["户数"].mean() == pytest.approx(293, abs=2)
    assert counted["户数"].between(100, 600).all()
    assert counted["户数"].between(200, 400).mean() > 0.8


def test_communities_are_of_like_size(homes: gpd.GeoDataFrame) -> None:
    size = homes.groupby(homes["楼栋编码"].str[:12])["户数"].sum()
    assert size.between(0.75 * size.mean(), 1.25 * size.mean()).all()
