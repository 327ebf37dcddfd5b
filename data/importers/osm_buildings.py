"""Buildings and their entrances from an OpenStreetMap file."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from data.importers.osm_elements import OsmNodes
from data.importers.osm_ground import ResidentialGround, nearest_outline
from data.importers.osm_kinds import (
    MAX_UNITS,
    address,
    building_flats,
    building_floors,
    building_kind,
    is_building,
    odd_numbers,
)
from data.importers.osm_polygons import Outlines, multipolygons
from data.importers.osm_problems import OsmProblem
from geo.crs import project

ENTRANCE_REACH_M = 1.0
"""How far from an outline its entrance may be mapped."""

_NOT_FOR_ARRIVING = frozenset({"no", "exit", "emergency", "garage", "service"})


def buildings(
    outlines: Outlines, ground: ResidentialGround, crs: str
) -> tuple[gpd.GeoDataFrame, list[OsmProblem]]:
    """Make buildings with the columns of the table ``buildings``.

    No household is made up here: ``households`` is filled only from ``building:flats`` and then
    marked as surveyed; people never.

    Parameters
    ----------
    outlines : Outlines
    ground : ResidentialGround
        On it a building without a use is a home.
    crs : str
        Projected CRS, metres, for footprints.
    """
    rows = outlines.where(is_building)
    polygons = outlines.polygons[rows]
    footprint_m2 = shapely.area(shapely.transform(polygons, lambda xy: project(xy, crs)))
    middles = shapely.get_coordinates(shapely.point_on_surface(polygons)).reshape(-1, 2)
    homely = ground.covers(middles)
    records = []
    problems = []
    for i, row in enumerate(rows):
        tags = outlines.tags[row]
        floors, floors_source = building_floors(tags)
        flats = building_flats(tags)
        kind = building_kind(
            tags,
            floors,
            footprint_m2=float(footprint_m2[i]),
            on_residential_ground=bool(homely[i]),
        )
        records.append(
            (
                f"osm:{outlines.keys[row]}",
                tags.get("name", ""),
                address(tags),
                kind,
                floors,
                floors_source,
                None,
                flats,
                "none" if flats is None else "surveyed",
                None,
                "none",
            )
        )
        problems += [
            OsmProblem(outlines.keys[row], f"{key} is not a number in range", value, kept=True)
            for key, value in odd_numbers(tags)
        ]
    columns = [
        "code",
        "name",
        "address",
        "kind",
        "floors",
        "floors_source",
        "units",
        "households",
        "households_source",
        "people",
        "people_source",
    ]
    frame = pd.DataFrame.from_records(records, columns=columns).astype(
        {"floors": "Int16", "units": "Int16", "households": "Int32", "people": "Int32"}
    )
    return gpd.GeoDataFrame(frame, geometry=multipolygons(polygons), crs="EPSG:4326"), problems


def entrances(nodes: OsmNodes, homes: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Entrances on the outlines of buildings: code, building_code, unit and geometry.

    Parameters
    ----------
    nodes : OsmNodes
    homes : GeoDataFrame
        From `buildings`.
    """
    rows = np.array(
        [
            i
            for i, tags in enumerate(nodes.tags)
            if tags.get("entrance", "no") not in _NOT_FOR_ARRIVING
        ],
        dtype=np.int64,
    )
    owner = nearest_outline(homes.geometry.to_numpy(), nodes.lonlat[rows], ENTRANCE_REACH_M)
    rows, owner = rows[owner >= 0], owner[owner >= 0]
    tags = [nodes.tags[i] for i in rows]
    return gpd.GeoDataFrame(
        {
            "code": [f"osm:node/{nodes.ids[i]}" for i in rows],
            "building_code": homes["code"].to_numpy()[owner],
            "unit": [t.get("addr:unit") or t.get("ref") or "" for t in tags],
            "is_staircase": [t["entrance"] == "staircase" for t in tags],
        },
        geometry=shapely.points(nodes.lonlat[rows]),
        crs="EPSG:4326",
    )


def with_units(homes: gpd.GeoDataFrame, doors: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Count the ``units`` of buildings from their staircase entrances (单元门), where mapped."""
    counted = doors.loc[doors["is_staircase"], "building_code"].value_counts()
    units = homes["code"].map(counted).clip(upper=MAX_UNITS)
    return homes.assign(units=units.astype("Int16"))
