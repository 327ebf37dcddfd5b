"""Layers a design is written as, EPSG:4326: grids, cells, micro-grids, communities."""

from __future__ import annotations

import math

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from data.designs.homes import Homes
from data.designs.result import DesignFileResult
from geo.cells import Cells
from geo.crs import unproject
from geo.griddesign import Design
from geo.microgrids import KINDS, MicroGrids


def codes_of(
    made: Design, cells: Cells, communities: gpd.GeoDataFrame, present: NDArray[np.object_]
) -> NDArray[np.object_]:
    """Codes of grids: kept ones, else the community's code and the next free serial of 3 digits.

    Serials run from west to east in rows from north to south (DB6101/T 3185-2024), base grids
    before exclusive ones.
    """
    codes = np.full(len(made.community), "", object)
    kept = made.present >= 0
    codes[kept] = present[made.present[kept]] if kept.any() else codes[kept]
    taken = set(codes[kept])
    middle = shapely.get_coordinates(shapely.centroid(cells.geometry))
    size = np.maximum(np.bincount(made.grid, cells.area_m2, len(codes)), 1e-9)
    x, y = (np.bincount(made.grid, cells.area_m2 * middle[:, k], len(codes)) / size for k in (0, 1))
    for community in np.unique(made.community):
        mine = np.flatnonzero(made.community == community)
        rows = max(1, round(math.sqrt(len(mine))))
        height = max(1.0, float(np.ptp(y[mine])) / rows)
        row = np.minimum(rows - 1, (y[mine].max() - y[mine]) // height)
        order = mine[np.lexsort((x[mine], row, made.exclusive[mine]))]
        base = str(communities["code"].iloc[community])
        serial = 0
        for grid in order:
            if codes[grid]:
                continue
            while True:
                serial += 1
                code = f"{base}{serial:03d}" if base.isdigit() else f"{base}-{serial:03d}"
                if code not in taken:
                    break
            codes[grid] = code
            taken.add(code)
    return codes


def _degrees(shapes: NDArray[np.object_], crs: str) -> NDArray[np.object_]:
    moved: NDArray[np.object_] = shapely.transform(shapes, lambda xy: unproject(xy, crs))
    return moved


def grid_layer(
    made: Design,
    cells: Cells,
    homes: Homes,
    communities: gpd.GeoDataFrame,
    codes: NDArray[np.object_],
    present: NDArray[np.object_],
    crs: str,
) -> gpd.GeoDataFrame:
    """Grids with counts, the present grid each goes on from, and whether it is above a limit."""
    order = np.argsort(made.grid, kind="stable")
    starts = np.searchsorted(made.grid[order], np.arange(len(codes)))
    shapes = np.array(
        [shapely.coverage_union_all(g) for g in np.split(cells.geometry[order], starts[1:])],
        dtype=object,
    )
    inside = cells.cell_of_building >= 0
    lived = inside & (homes.households + homes.people > 0)
    buildings = np.bincount(made.grid[cells.cell_of_building[lived]], minlength=len(codes))
    over = (made.households > made.limits.households) | (made.people > made.limits.people)
    return gpd.GeoDataFrame(
        {
            "code": codes,
            "name": "",
            "kind": np.where(made.exclusive, "exclusive", "base"),
            "community_code": communities["code"].to_numpy(object)[made.community],
            "households": made.households.round().astype(np.int64),
            "people": made.people.round().astype(np.int64),
            "buildings": buildings,
            "area_m2": np.bincount(made.grid, cells.area_m2, len(codes)).round(1),
            "present_code": [present[k] if k >= 0 else None for k in made.present],
            "over_limit": over & ~made.exclusive,
        },
        geometry=_degrees(shapes, crs),
        crs="EPSG:4326",
    ).sort_values("code", ignore_index=True)


def cell_layer(
    made: Design,
    cells: Cells,
    homes: Homes,
    communities: gpd.GeoDataFrame,
    codes: NDArray[np.object_],
    households: NDArray[np.float64],
    people: NDArray[np.float64],
    crs: str,
) -> gpd.GeoDataFrame:
    """Cells with their buildings, grid and counts."""
    inside = np.flatnonzero(cells.cell_of_building >= 0)
    names = pd.Series(homes.ids[inside]).groupby(cells.cell_of_building[inside]).agg(";".join)
    return gpd.GeoDataFrame(
        {
            "building": names.reindex(range(len(cells))).to_numpy(object),
            "grid_code": codes[made.grid],
            "community_code": communities["code"].to_numpy(object)[cells.community],
            "households": households.round().astype(np.int64),
            "people": people.round().astype(np.int64),
        },
        geometry=_degrees(cells.geometry, crs),
        crs="EPSG:4326",
    )


def micro_layer(micro: MicroGrids, codes: NDArray[np.object_], crs: str) -> gpd.GeoDataFrame:
    """Micro-grids with kind, counts and heads."""
    owner = codes[micro.grid]
    return gpd.GeoDataFrame(
        {
            "code": [
                f"{code}-{serial:03d}" for code, serial in zip(owner, micro.serial, strict=True)
            ],
            "kind": np.array(KINDS, object)[micro.kind],
            "grid_code": owner,
            "households": micro.households,
            "people": micro.people,
            "building_heads": micro.buildings,
            "unit_heads": micro.units,
        },
        geometry=_degrees(micro.geometry, crs),
        crs="EPSG:4326",
    )


def community_layer(result: DesignFileResult, communities: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Communities with their figures, and reasons in Chinese."""
    rows = pd.DataFrame(result.communities)
    rows["reasons"] = ["\n".join(r["message_zh"] for r in one) for one in rows["reasons"]]
    return gpd.GeoDataFrame(
        rows.drop(columns="community"),
        geometry=communities.geometry.array[rows["community"].to_numpy()],
        crs="EPSG:4326",
    )
