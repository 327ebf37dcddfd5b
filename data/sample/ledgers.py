"""The ledgers and layers beside the OSM file: Chinese headers, WGS84, always the same bytes."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyogrio
import shapely

from data.sample.areas import Area, Grid
from data.sample.osmfile import Place
from data.sample.stations import Station
from data.sample.town import Town

KIND_TITLES = {
    "new": "新建小区",
    "courtyard": "老旧院落",
    "work_unit": "单位宿舍",
    "urban_village": "城中村",
    "suburban": "城郊村",
}
LEVEL_TITLES = {"district": "区县", "street": "街道", "community": "社区"}

BUILDING_HEADERS = (
    "楼栋编码",
    "社区",
    "小区",
    "楼栋",
    "类型",
    "层数",
    "单元数",
    "户数",
    "人口",
    "经度",
    "纬度",
)
STATION_HEADERS = (
    "编号",
    "名称",
    "类型",
    "经度",
    "纬度",
    "地址",
    "开放时间",
    "面积",
    "座位数",
    "设施",
    "状态",
)


def _write_csv(path: Path, headers: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    """Write a CSV that spreadsheet programs open as UTF-8."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(headers)
        writer.writerows(rows)


def building_type(kind: str) -> str:
    """Name what the ledger calls the buildings of a kind of compound."""
    if kind == "new":
        return "高层"
    return "平房" if kind in ("urban_village", "suburban") else "多层"


def write_buildings(path: Path, towns: list[Town], place: Place) -> int:
    """Write the building ledger, one row for each building people live in; gives the rows."""
    rows: list[tuple[object, ...]] = []
    for town in towns:
        if not town.buildings:
            continue
        lonlat = place.lonlat(np.array([b.xy for b in town.buildings]))
        for b, (lon, lat) in zip(town.buildings, lonlat.tolist(), strict=True):
            compound = town.compounds[b.compound]
            rows.append(
                (
                    b.code,
                    town.community_names[b.code[:12]],
                    compound.name[0],
                    b.label,
                    building_type(compound.kind),
                    b.floors,
                    b.units,
                    b.households,
                    b.people,
                    f"{lon:.7f}",
                    f"{lat:.7f}",
                )
            )
    rows.sort(key=lambda row: str(row[0]))
    _write_csv(path, BUILDING_HEADERS, rows)
    return len(rows)


def write_stations(path: Path, stations: list[Station], place: Place) -> int:
    """Write the station ledger; gives the rows."""
    lonlat = place.lonlat(np.array([s.xy for s in stations])).tolist()
    _write_csv(
        path,
        STATION_HEADERS,
        (
            (
                s.code,
                s.name,
                s.kind,
                f"{lon:.7f}",
                f"{lat:.7f}",
                s.address,
                s.hours,
                s.area_m2,
                "" if s.places is None else s.places,
                "、".join(s.facilities),
                s.status,
            )
            for s, (lon, lat) in zip(stations, lonlat, strict=True)
        ),
    )
    return len(stations)


def _degrees(geometries: list[Any], place: Place) -> np.ndarray:
    return np.asarray(shapely.transform(np.array(geometries, object), place.lonlat))


def _write_geojson(path: Path, features: list[dict[str, Any]], name: str) -> None:
    collection = {"type": "FeatureCollection", "name": name, "features": features}
    text = json.dumps(collection, ensure_ascii=False, separators=(",", ":"))
    path.write_text(text.replace('{"type":"Feature"', '\n{"type":"Feature"') + "\n", "utf-8")


def write_areas(path: Path, areas: list[Area], place: Place) -> int:
    """Write districts, streets and communities as GeoJSON; gives how many."""
    shapes = _degrees([area.geometry for area in areas], place)
    features = [
        {
            "type": "Feature",
            "properties": {
                "编码": area.code,
                "名称": area.name[0],
                "级别": LEVEL_TITLES[area.level],
                "上级编码": area.parent,
                "name_en": area.name[1],
            },
            "geometry": json.loads(shapely.to_geojson(shape)),
        }
        for area, shape in zip(areas, shapes, strict=True)
    ]
    _write_geojson(path, features, "areas")
    return len(features)


def write_compounds(path: Path, towns: list[Town], place: Place) -> int:
    """Write compounds as GeoJSON with the code the OSM file gives them; gives how many."""
    compounds = [c for town in towns for c in town.compounds]
    shapes = _degrees([c.outline for c in compounds], place)
    features = [
        {
            "type": "Feature",
            "properties": {
                "编码": f"osm:way/{c.way + 1}",
                "名称": c.name[0],
                "类型": KIND_TITLES[c.kind],
                "围墙": "有" if c.walled else "无",
            },
            "geometry": json.loads(shapely.to_geojson(shape)),
        }
        for c, shape in zip(compounds, shapes, strict=True)
    ]
    _write_geojson(path, features, "compounds")
    return len(features)


def _staff(grids: list[Grid]) -> dict[str, list[int]]:
    """Numbers of people who work in each grid, by role: most communities have enough, some not.

    Every grid has a head. Every ninth grid has no full-time worker of its own, and large ones have
    two; in every fourth community nobody came for those who left. Counts only, never who.
    """
    communities = sorted({grid.community for grid in grids})
    short = {code for serial, code in enumerate(communities, 1) if serial % 4 == 0}
    full_time = []
    for serial, grid in enumerate(grids, 1):
        if grid.community in short:
            full_time.append(min(1, serial % 4))
        elif serial % 9 == 0:
            full_time.append(0)
        else:
            full_time.append(2 if grid.households > 300 and serial % 4 else 1)
    serials = range(1, len(grids) + 1)
    return {
        "网格长": [1] * len(grids),
        "专职网格员": full_time,
        "兼职网格员": [serial % 3 for serial in serials],
        "楼长": [max(1, round(grid.households / 60)) for grid in grids],
        "单元长": [
            max(1, round(grid.households / (26 if serial % 5 else 40)))
            for serial, grid in zip(serials, grids, strict=True)
        ],
    }


def write_grids(path: Path, grids: list[Grid], place: Place) -> int:
    """Write base grids as a GeoPackage; gives how many."""
    frame = gpd.GeoDataFrame(
        {
            "网格编码": [g.code for g in grids],
            "名称": [g.name for g in grids],
            "类型": ["基础网格"] * len(grids),
            "社区编码": [g.community for g in grids],
            "户数": [g.households for g in grids],
            "人口": [g.people for g in grids],
            **_staff(grids),
        },
        geometry=_degrees([g.geometry for g in grids], place),
        crs="EPSG:4326",
    )
    path.unlink(missing_ok=True)
    # The driver stamps the present time into the file unless it is told another.
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2026-01-01T00:00:00.000Z"})
    try:
        pyogrio.write_dataframe(frame, path, layer="grids", driver="GPKG")
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})
    return len(frame)
