"""A plan as files: GeoPackage, Shapefile in UTF-8 or GBK, GeoJSON, KML, GeoParquet, XLSX ledger."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from sqlalchemy import Connection, text

from data.errors import InvalidRowError
from data.plans.micro_stale import STALE
from data.plans.models import STAFF
from data.plans.reading import newest_edit, read_plan, require_plan
from geo.grid_rules import Broken, load_broken


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """One way a plan leaves: ending of the file's name and media type."""

    ending: str
    media_type: str


FORMATS = MappingProxyType(
    {
        "gpkg": ExportFormat("gpkg", "application/geopackage+sqlite3"),
        "shp": ExportFormat("shp.zip", "application/zip"),
        "shp-gbk": ExportFormat("gbk.shp.zip", "application/zip"),
        "geojson": ExportFormat("geojson", "application/geo+json"),
        "kml": ExportFormat("kml", "application/vnd.google-earth.kml+xml"),
        "parquet": ExportFormat("parquet", "application/vnd.apache.parquet"),
        "xlsx": ExportFormat(
            "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        ),
    }
)

TITLES = {
    "code": "网格编码",
    "name": "名称",
    "kind": "类型",
    "community_code": "社区编码",
    "community": "社区",
    "street": "街道",
    "parent": "上级网格",
    "households": "户数",
    "people": "人口",
    "buildings": "楼栋数",
    "stations": "红色驿站",
    "branch": "党支部",
    "grid_head": "网格长",
    "full_time": "专职网格员",
    "part_time": "兼职网格员",
    "building_heads": "楼长",
    "unit_heads": "单元长",
    "broken": "超限说明",
    "area_m2": "面积平方米",
}
"""Chinese titles of the columns of a ledger."""

# Ten bytes at most, as shapefiles have it.
_SHORT = {
    "community_code": "comm_code",
    "building_heads": "bld_heads",
    "households": "households",
    "unit_heads": "unit_heads",
}
GBK_SHORT = {
    "full_time": "专职员",
    "part_time": "兼职员",
    "area_m2": "面积",
}
HEADS_TITLES = (
    "微网格编码",
    "名称",
    "类型",
    "基础网格编码",
    "基础网格",
    "社区",
    "户数",
    "人口",
    "应配楼长",
    "应配单元长",
    "备注",
)
"""Columns of the ledger of building and unit heads."""
STALE_ZH = "计数已过时"
"""In the ledger, of a micro-grid whose buildings have changed since it was counted."""
_MICRO_ZH = {"unit": "高层单元", "building": "多层楼栋", "bungalows": "平房", "empty": "无住户"}
_KINDS_ZH = {"base": "基础网格", "exclusive": "专属网格", "micro": "微网格"}


def export_plan(connection: Connection, plan_id: int, name: str, folder: Path) -> Path:
    """Write a plan into a file.

    The GeoPackage, GeoJSON and GeoParquet name the plan and its state, so that
    ``gridcircle import grids`` of the edited file can tell what others have changed meanwhile.

    Parameters
    ----------
    connection : Connection
    plan_id : int
    name : str
        One of `FORMATS`.
    folder : Path
        Where the file goes.

    Returns
    -------
    Path

    Raises
    ------
    InvalidRowError
        If there is no such format.
    NotFoundError
        If there is no such plan.
    """
    if name not in FORMATS:
        raise InvalidRowError(
            f"There is no format {name!r}.",
            remedy=f"Use one of: {', '.join(FORMATS)}.",
            zh=(f"没有导出格式 {name}。", f"请使用：{'、'.join(FORMATS)}。"),
        )
    frame = plan_frame(connection, plan_id)
    path = folder / f"plan-{plan_id}.{FORMATS[name].ending}"
    match name:
        case "gpkg":
            pyogrio.write_dataframe(frame, path, layer="grids", driver="GPKG")
            buildings = _buildings(connection, plan_id)
            if len(buildings):
                pyogrio.write_dataframe(
                    buildings, path, layer="buildings", driver="GPKG", append=True
                )
        case "shp" | "shp-gbk":
            _shapefile(frame, path, folder, gbk=name == "shp-gbk")
        case "geojson":
            pyogrio.write_dataframe(frame, path, driver="GeoJSON", COORDINATE_PRECISION=9)
        case "kml":
            kml = frame.rename(columns={"name": "Name"}).drop(columns=["plan", "plan_seq"])
            pyogrio.write_dataframe(kml, path, driver="KML")
        case "parquet":
            frame.to_parquet(path, index=False)
        case _:
            _workbook(connection, plan_id, frame, path)
    return path


def plan_frame(connection: Connection, plan_id: int) -> gpd.GeoDataFrame:
    """Every grid of a plan with its figures, one row each, EPSG:4326."""
    plan = require_plan(connection, plan_id)
    rows = (
        connection.execute(
            text(
                "SELECT g.code, g.name, g.kind, a.code AS community_code, a.name AS community,"
                " coalesce(s.name, '') AS street, coalesce(o.code, '') AS parent,"
                " coalesce((g.counts ->> 'households')::int, f.households, 0)::int AS households,"
                " coalesce((g.counts ->> 'people')::int, f.people, 0)::int AS people,"
                " coalesce((g.counts ->> 'buildings')::int, f.buildings, 0)::int AS buildings,"
                " (SELECT count(*) FROM stations t WHERE t.kind = 'red_station'"
                "   AND t.status = 'open' AND ST_Intersects(t.geom, g.geom))::int AS stations,"
                f" g.branch, {', '.join(f'g.{role}' for role in STAFF)}, g.crossings,"
                " round(ST_Area(g.geom::geography))::int AS area_m2, ST_AsBinary(g.geom) AS geom"
                " FROM plan_grids g JOIN areas a ON a.id = g.community_id"
                " LEFT JOIN areas s ON s.id = a.parent_id"
                " LEFT JOIN plan_grids o ON o.id = g.parent_id"
                " LEFT JOIN LATERAL (SELECT sum(t.households) AS households,"
                "   sum(t.people) AS people, count(*) AS buildings"
                "   FROM plan_buildings b JOIN buildings t ON t.id = b.building_id"
                "   LEFT JOIN building_cells c ON c.building_id = b.building_id"
                "   WHERE b.grid_id = coalesce(g.parent_id, g.id)"
                "   AND (g.kind <> 'micro' OR ST_Intersects(g.geom, c.point))) f ON true"
                " WHERE g.plan_id = :plan ORDER BY g.code"
            ),
            {"plan": plan_id},
        )
        .mappings()
        .all()
    )
    seq, _ = newest_edit(connection, plan_id)
    frame = pd.DataFrame([dict(r) for r in rows])
    shapes = shapely.from_wkb([bytes(r["geom"]) for r in rows])
    broken = [
        "；".join(
            b.message_zh
            for b in (
                *load_broken(
                    r["kind"],
                    r["households"],
                    r["people"],
                    household_limit=plan.household_limit,
                    people_limit=plan.people_limit,
                ),
                *(Broken(**b) for b in r["crossings"]),
            )
        )
        for r in rows
    ]
    frame = frame.drop(columns=["geom", "crossings"], errors="ignore")
    frame["broken"] = broken
    frame["plan"] = np.int64(plan_id)
    frame["plan_seq"] = np.int64(seq)
    return gpd.GeoDataFrame(frame, geometry=shapes, crs="EPSG:4326")


def _buildings(connection: Connection, plan_id: int) -> gpd.GeoDataFrame:
    rows = connection.execute(
        text(
            "SELECT t.code, t.name, g.code AS grid_code, t.households, t.people,"
            " ST_AsBinary(c.point) AS geom FROM plan_buildings b"
            " JOIN plan_grids g ON g.id = b.grid_id JOIN buildings t ON t.id = b.building_id"
            " JOIN building_cells c ON c.building_id = b.building_id"
            " WHERE b.plan_id = :plan ORDER BY t.code"
        ),
        {"plan": plan_id},
    ).all()
    return gpd.GeoDataFrame(
        {
            "code": [r.code for r in rows],
            "name": [r.name for r in rows],
            "grid_code": [r.grid_code for r in rows],
            "households": pd.array([r.households for r in rows], "Int32"),
            "people": pd.array([r.people for r in rows], "Int32"),
        },
        geometry=shapely.from_wkb([bytes(r.geom) for r in rows]),
        crs="EPSG:4326",
    )


def _shapefile(frame: gpd.GeoDataFrame, path: Path, folder: Path, *, gbk: bool) -> None:
    frame = frame.drop(columns=["plan", "plan_seq"])
    if gbk:
        frame["kind"] = frame["kind"].map(_KINDS_ZH)
        frame = frame.rename(columns=TITLES | GBK_SHORT)
        for column in frame.columns.drop("geometry"):
            if not pd.api.types.is_numeric_dtype(frame[column]):
                frame[column] = frame[column].map(
                    lambda word: str(word).encode("gbk", "replace").decode("gbk")
                )
    else:
        frame = frame.rename(columns=_SHORT)
    base = folder / "grids.shp"
    # Readers of GBK know no more than GBK: what it lacks is a question mark.
    pyogrio.write_dataframe(
        frame, base, driver="ESRI Shapefile", encoding="GBK" if gbk else "UTF-8"
    )
    parts = sorted(folder.glob("grids.*"))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in parts:
            archive.write(part, part.name)


def _workbook(connection: Connection, plan_id: int, frame: gpd.GeoDataFrame, path: Path) -> None:
    from openpyxl import Workbook
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    plan = read_plan(connection, plan_id)
    book = Workbook()
    sheet: Any = book.active
    sheet.title = "网格台账"
    columns = [c for c in TITLES if c in frame]
    sheet.append([TITLES[c] for c in columns])
    rows = frame[columns].copy()
    rows["kind"] = rows["kind"].map(_KINDS_ZH)
    for row in rows.itertuples(index=False):
        sheet.append([_inert(v) for v in row])
    for n, column in enumerate(columns, 1):
        sheet.cell(1, n).font = Font(bold=True)
        sheet.column_dimensions[get_column_letter(n)].width = (
            20 if column in ("code", "name", "broken", "community") else 12
        )
    sheet.freeze_panes = "C2"
    _heads_sheet(connection, plan_id, book)
    notes: Any = book.create_sheet("说明")
    for key, value in (
        ("方案", plan["name"]),
        ("编号", plan_id),
        ("状态", plan["state"]),
        ("序号", plan["seq"]),
        ("网格数", plan["totals"]["grids"]),
        ("户数", plan["totals"]["households"]),
        ("人口", plan["totals"]["people"]),
        ("户数上限", plan["limits"]["households"]),
        ("人数上限", plan["limits"]["people"]),
    ):
        notes.append([key, _inert(value)])
    book.save(path)


def _heads_sheet(connection: Connection, plan_id: int, book: Any) -> None:
    """Micro-grids with the heads they need, a row each; no sheet where none were made by rule."""
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    rows = connection.execute(
        text(
            "SELECT m.code, m.name, m.counts, m.stale, p.code AS grid, p.name AS grid_name,"
            f" a.name AS community FROM (SELECT g.*, {STALE} AS stale FROM plan_grids g"
            "  WHERE g.plan_id = :plan AND g.kind = 'micro' AND g.counts IS NOT NULL) m"
            " JOIN plan_grids p ON p.id = m.parent_id JOIN areas a ON a.id = m.community_id"
            " ORDER BY m.code"
        ),
        {"plan": plan_id},
    ).all()
    if not rows:
        return
    sheet: Any = book.create_sheet("楼长单元长台账")
    sheet.append(list(HEADS_TITLES))
    for row in rows:
        counts = row.counts
        cells = (row.code, row.name, _MICRO_ZH[counts["kind"]], row.grid, row.grid_name)
        numbers = (counts[key] for key in ("households", "people", "buildings", "units"))
        stale = STALE_ZH if row.stale else ""
        sheet.append([_inert(v) for v in (*cells, row.community, *numbers, stale)])
    for n, title in enumerate(HEADS_TITLES, 1):
        sheet.cell(1, n).font = Font(bold=True)
        wide = title.endswith(("编码", "名称", "网格", "社区"))
        sheet.column_dimensions[get_column_letter(n)].width = 20 if wide else 12
    sheet.freeze_panes = "C2"


def _inert(value: Any) -> Any:
    """A cell no spreadsheet runs as a formula."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value
