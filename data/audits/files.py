"""Audits from files to files: a place read without a database, and the pack that is written."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from data.audits.conduct import Audit, Progress
from data.audits.place import HomeRows, Place, SiteRows, StationRows, located
from data.audits.staff import with_workers, workers_in_file
from data.city_files import CityFiles, read_city_files
from data.errors import SourceFileError
from data.importers.layers import read_layer
from data.importers.stations import read_stations
from data.models import AREA_LEVELS
from geo.audit import AreaTable

LEVEL_NAMES = {
    "city": "全市",
    "district": "区县",
    "street": "街道",
    "community": "社区",
    "grid": "网格",
    "compound": "小区",
}
ROWS_MOST = 1_000_000
"""Rows of a sheet: what a spreadsheet shows."""


@dataclass(frozen=True, slots=True)
class AuditFiles:
    """The files of an audit.

    Attributes
    ----------
    network, stations : Path
    demand, areas, compounds, grids, premises : Path or None
    """

    network: Path
    stations: Path
    demand: Path | None = None
    areas: Path | None = None
    compounds: Path | None = None
    grids: Path | None = None
    premises: Path | None = None


def read_place(files: AuditFiles, *, datum: str, max_snap_m: float, progress: Progress) -> Place:
    """Read all that an audit looks at.

    Parameters
    ----------
    files : AuditFiles
    datum : str
        Of the stations' coordinates.
    max_snap_m : float
        Metres a point may lie from a walkable street.
    progress : callable

    Raises
    ------
    SourceFileError
        If a file cannot be read or holds nothing that can be used.
    """
    stations, warnings = _stations(files.stations, datum)
    city = read_city_files(
        files.network, files.demand, progress=progress, with_areas=files.areas is None
    )
    warnings += city.warnings
    homes = _homes(city)
    shapes: dict[str, tuple[NDArray[np.object_], pd.DataFrame]] = {}
    if files.areas is not None:
        frame, report = read_layer(files.areas, "areas")
        warnings += [f"{report.file}: {w}" for w in report.warnings]
    else:
        frame = city.areas
    for level in AREA_LEVELS:
        some = frame[frame["level"] == level] if len(frame) else frame
        if len(some):
            shapes[level] = some.geometry.to_numpy(), some
    for level, path in (("grid", files.grids), ("compound", files.compounds)):
        if path is not None:
            some, report = read_layer(path, f"{level}s")
            warnings += [f"{report.file}: {w}" for w in report.warnings]
            if level == "grid" and "kind" in some:
                some = some[some["kind"] == "base"]
            shapes[level] = some.geometry.to_numpy(), some
    sources = dict.fromkeys(AREA_LEVELS, files.areas) | {"grid": files.grids}
    areas, outlines = {}, {}
    for level, (geometry, rows) in shapes.items():
        areas[level] = AreaTable(
            rows["code"].to_numpy(object),
            rows["name"].to_numpy(object) if "name" in rows else rows["code"].to_numpy(object),
            _parents(rows),
            located(geometry, homes.lonlat),
            located(geometry, stations.lonlat),
            workers_in_file(source, rows["code"].to_numpy(object))
            if (source := sources.get(level)) is not None
            else None,
        )
        outlines[level] = geometry
    areas = with_workers(areas)
    if len(stations.code) and len(homes.code):
        _warn_far(stations, homes, warnings)
    top = next((areas[level] for level in AREA_LEVELS if level in areas), None)
    named = top is not None and len(top.name) == 1 and bool(top.name[0])
    return Place(
        str(top.name[0]) if top is not None and named else files.network.name.split(".")[0],
        False,
        city.network.source,
        city.network,
        city.barriers,
        max_snap_m,
        homes,
        stations,
        _premises(files.premises, warnings),
        areas,
        outlines,
        [
            {
                "name": path.name,
                "kind": "file",
                "part": part,
                "version": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for part in ("network", "stations", "demand", "areas", "compounds", "grids", "premises")
            if (path := getattr(files, part)) is not None
        ],
        warnings,
    )


def _parents(rows: pd.DataFrame) -> NDArray[np.object_]:
    for column in ("parent_code", "community_code"):
        if column in rows:
            return rows[column].fillna("").to_numpy(object)
    return np.full(len(rows), "", object)


def _homes(city: CityFiles) -> HomeRows:
    demand = city.demand
    count = len(demand.ids)
    return HomeRows(
        demand.ids,
        np.full(count, "", object),
        demand.lonlat,
        demand.households,
        demand.people,
        np.full(count, demand.estimated),
        np.arange(count, dtype=np.int32),
        demand.lonlat,
    )


def _stations(path: Path, datum: str) -> tuple[StationRows, list[str]]:
    frame, report = read_stations(path, datum=datum)
    if report.read and not len(frame):
        first = report.rejected[0]
        raise SourceFileError(
            f"{path.name}: no station can be used; row {first.row}: {first.field} "
            f"{first.value!r} {first.reason}.",
            remedy=first.remedy,
        )
    warnings = [f"{report.file}: {warning}" for warning in report.warnings]
    warnings += [
        f"{report.file} row {reject.row}: {reject.field} {reject.value!r} {reject.reason}."
        for reject in report.rejected[:20]
    ]
    frame = frame[frame["status"] == "open"]
    return (
        StationRows(
            frame["code"].to_numpy(object),
            frame["name"].to_numpy(object),
            frame["kind"].to_numpy(object),
            shapely.get_coordinates(frame.geometry.array).reshape(-1, 2),
            pd.to_numeric(frame["area_m2"], errors="coerce").to_numpy(float),
            [frozenset(offered or ()) for offered in frame["facilities"]],
            [h if isinstance(h, str) and h else None for h in frame["opening_hours"]],
        ),
        warnings,
    )


def _premises(path: Path | None, warnings: list[str]) -> SiteRows:
    if path is None:
        none = np.zeros(0, object)
        return SiteRows(none, none, none, np.zeros((0, 2)), np.zeros(0))
    frame, report = read_layer(path, "premises")
    warnings += [f"{report.file}: {w}" for w in report.warnings]
    return SiteRows(
        frame["code"].to_numpy(object),
        frame["name"].to_numpy(object) if "name" in frame else frame["code"].to_numpy(object),
        frame["kind"].to_numpy(object),
        shapely.get_coordinates(frame.geometry.array).reshape(-1, 2),
        np.ones(len(frame)),
    )


def _warn_far(stations: StationRows, homes: HomeRows, warnings: list[str]) -> None:
    """Stations of another city are a mistake of the file or its datum."""
    low, high = homes.lonlat.min(axis=0) - 0.05, homes.lonlat.max(axis=0) + 0.05
    away = ((stations.lonlat < low) | (stations.lonlat > high)).any(axis=1)
    if away.any():
        warnings.append(
            f"{int(away.sum())} of {len(away)} stations lie outside the city; is their datum right?"
        )


def read_summary(path: Path) -> dict[str, Any]:
    """Read the summary of an audit from its folder or file.

    Raises
    ------
    SourceFileError
        If there is none.
    """
    path = path / "summary.json" if path.is_dir() else path
    try:
        summary: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SourceFileError(
            f"{path}: this is not the summary of an audit: {error}.",
            remedy="Give the folder of an earlier audit, or its summary.json.",
        ) from error
    return summary


def write_pack(
    out: Path,
    audit: Audit,
    place: Place,
    changes: dict[str, Any] | None,
    pages: Mapping[str, str | bytes],
) -> list[Path]:
    """Write summary, ledger, GeoPackage, rule set and pages; all of them or none.

    Returns
    -------
    list of Path
        The files, sorted.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".gridcircle-") as name:
        draft = Path(name)
        _json(draft / "summary.json", audit.summary)
        _json(draft / "rules.json", audit.summary["rule_set"])
        if changes is not None:
            _json(draft / "changes.json", changes)
        write_ledger(draft / "ledger.xlsx", audit.summary, audit.homes)
        write_geopackage(draft / "audit.gpkg", audit, place)
        for page, text in pages.items():
            (draft / page).write_bytes(text if isinstance(text, bytes) else text.encode())
        written = []
        for path in sorted(draft.iterdir()):
            shutil.move(path, out / path.name)
            written.append(out / path.name)
    if changes is None:
        (out / "changes.json").unlink(missing_ok=True)
    return written


def _json(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)
    path.write_text(text + "\n", "utf-8")


_HOME_COLUMNS = (
    ("code", "编号"),
    ("name", "名称"),
    ("households", "户数"),
    ("people", "人数"),
    ("reason", "原因"),
    ("minutes", "步行分钟"),
    ("over_minutes", "超出分钟"),
    ("straight_m", "直线米"),
    ("station", "最近站点编号"),
    ("station_name", "最近站点"),
    ("false_circle", "图上圈内"),
    ("zone", "盲区"),
    ("estimated", "户数为估算"),
    ("lon", "经度"),
    ("lat", "纬度"),
)
_HOUR_NAMES = [
    f"{day} {hour}:00"
    for day in ("周一", "周二", "周三", "周四", "周五", "周六", "周日", "节假日")
    for hour in range(24)
]
_REASONS = {"far": "过远", "detour": "绕行", "island": "路网孤岛", "off_network": "不临路"}
_AREA_COLUMNS = (
    ("rule", "规则"),
    ("code", "编号"),
    ("name", "名称"),
    ("parent", "上级"),
    ("numerator", "达标数"),
    ("denominator", "总数"),
    ("share", "比例"),
    ("verdict", "结论"),
)
_VERDICTS = {"pass": "达标", "fail": "未达标", "unknown": "无法判定"}


def write_ledger(path: Path, summary: Mapping[str, Any], homes: pd.DataFrame) -> None:
    """Write the ledger: rules, one sheet a level, buildings outside, zones, proposals, inputs.

    Every text is written as text, so that none is taken for a formula.
    """
    book = Workbook(write_only=True)
    titles = {rule["id"]: rule["title_zh"] for rule in summary["rule_set"]["rules"]}
    clauses = {
        rule["id"]: (rule["clause"], rule["source"]) for rule in summary["rule_set"]["rules"]
    }
    _sheet(
        book,
        "结论 Verdict",
        ["规则 Rule", "结论 Verdict", "达标数", "总数", "单位", "数值", "要求", "条款", "来源"],
        [
            [
                titles[r["id"]],
                _VERDICTS[r["verdict"]],
                r["numerator"],
                r["denominator"],
                r["unit"],
                r["value"],
                r["required"],
                *clauses[r["id"]],
            ]
            for r in summary["rules"]
        ],
    )
    for level in summary["levels"]:
        rows = [
            [
                {"verdict": _VERDICTS[row["verdict"]], "rule": titles[rule["id"]]}.get(
                    column, row.get(column)
                )
                for column, _ in _AREA_COLUMNS
            ]
            for rule in summary["rules"]
            for row in rule["areas"].get(level, [])
        ]
        _sheet(
            book,
            f"{LEVEL_NAMES.get(level, level)} {level}",
            [title for _, title in _AREA_COLUMNS],
            rows,
        )
    if "covered" in homes:
        outside = homes[~homes["covered"] & (homes["reason"] != "")].sort_values(
            ["households", "code"], ascending=[False, True]
        )
        columns = [(c, t) for c, t in _HOME_COLUMNS if c in outside]
        columns += [(level, LEVEL_NAMES.get(level, level)) for level in summary["levels"]]
        table = outside[[c for c, _ in columns]].astype(object)
        table = table.where(table.notna(), None)
        table["reason"] = [_REASONS.get(reason, reason) for reason in table["reason"]]
        _sheet(book, "圈外楼栋 Outside", [t for _, t in columns], table.to_numpy().tolist())
    _sheet(
        book,
        "盲区 Zones",
        ["序号", "社区", "数量", "楼栋", "最远分钟", "经度", "纬度", "最省一步", "可补"],
        [
            [
                z["rank"],
                z.get("community", ""),
                z[summary["unit"]],
                z["buildings"],
                z["minutes_max"],
                z["lon"],
                z["lat"],
                _change(z["change"]),
                z["change"]["gain"] if z["change"] else None,
            ]
            for z in summary.get("zones", [])
        ],
    )
    if "areas" in summary.get("week", {}):
        _sheet(
            book,
            "一周覆盖 Week",
            ["层级", "编号", "名称", "总数", "全部开放时", "低于要求小时", *_HOUR_NAMES],
            [
                [
                    LEVEL_NAMES.get(level, level),
                    *(row[key] for key in ("code", "name", "total", "best", "hours_below")),
                    *row["surely"],
                    *row["holiday"],
                ]
                for level, rows in (
                    ("city", [{**summary["week"], "code": "", "name": summary["city"]["name"]}]),
                    *summary["week"]["areas"].items(),
                )
                for row in rows
            ],
        )
    _sheet(
        book,
        "选址建议 Proposals",
        ["次序", "编号", "名称", "经度", "纬度", "新增覆盖", "累计覆盖", "同数上限"],
        [
            [
                s["rank"],
                s["code"],
                s["name"],
                s["lon"],
                s["lat"],
                s["gain"],
                s["covered"],
                s["at_most"],
            ]
            for s in summary.get("proposals", {}).get("sites", [])
        ],
    )
    _sheet(
        book,
        "输入 Inputs",
        ["类别", "名称", "版本或摘要"],
        [[i.get("part") or i["kind"], i["name"], i["version"]] for i in summary["inputs"]]
        + [["digest", "summary", summary["digest"]]],
    )
    book.save(path)


def _change(change: Mapping[str, Any] | None) -> str:
    if change is None:
        return ""
    if change["kind"] == "link":
        return "核实路网缺口 check a doubtful link"
    return f"新设站点 new station: {change['name'] or change['code']}"


def _sheet(book: Workbook, title: str, head: Sequence[str], rows: list[list[Any]]) -> None:
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    for number, text in enumerate(head, 1):
        sheet.column_dimensions[get_column_letter(number)].width = max(12, min(40, 2 * len(text)))
    cells = []
    for text in head:
        cell = WriteOnlyCell(sheet, text)
        cell.font = Font(bold=True)
        cells.append(cell)
    sheet.append(cells)
    for row in rows[:ROWS_MOST]:
        written = []
        for value in row:
            cell = WriteOnlyCell(sheet, value)
            if isinstance(value, str):
                cell.data_type = "s"
            written.append(cell)
        sheet.append(written)


def write_geopackage(path: Path, audit: Audit, place: Place) -> None:
    """Write buildings, stations, areas by level, gap zones, proposals and doubtful links."""
    layers: dict[str, gpd.GeoDataFrame] = {}
    homes = audit.homes
    layers["buildings"] = gpd.GeoDataFrame(
        homes.drop(columns=["lon", "lat"]),
        geometry=gpd.points_from_xy(homes["lon"], homes["lat"]),
        crs="EPSG:4326",
    )
    summary = audit.summary
    points = pd.DataFrame(summary["stations"])
    if len(points):
        layers["stations"] = gpd.GeoDataFrame(
            points, geometry=gpd.points_from_xy(points["lon"], points["lat"]), crs="EPSG:4326"
        )
    main = next((r for r in summary["rules"] if r["id"] == summary["main_rule"]), None)
    for level, shapes in place.shapes.items():
        rows = pd.DataFrame({"code": place.areas[level].code, "name": place.areas[level].name})
        if main is not None and main["areas"].get(level):
            found = pd.DataFrame(main["areas"][level])[
                ["code", "numerator", "denominator", "share", "verdict"]
            ]
            rows = rows.merge(found, on="code", how="left")
        layers[f"{level}_areas"] = gpd.GeoDataFrame(rows, geometry=shapes, crs="EPSG:4326")
    zones = pd.DataFrame(
        [
            {k: v for k, v in zone.items() if k not in ("outline", "change")}
            | {"change": (zone["change"] or {}).get("kind")}
            for zone in summary.get("zones", [])
        ]
    )
    if len(zones):
        outlines = [shapely.geometry.shape(z["outline"]) for z in summary["zones"]]
        layers["zones"] = gpd.GeoDataFrame(zones, geometry=outlines, crs="EPSG:4326")
    sites = pd.DataFrame(summary.get("proposals", {}).get("sites", []))
    if len(sites):
        layers["proposals"] = gpd.GeoDataFrame(
            sites, geometry=gpd.points_from_xy(sites["lon"], sites["lat"]), crs="EPSG:4326"
        )
    if len(audit.links):
        layers["doubtful_links"] = gpd.GeoDataFrame(
            {"number": np.arange(1, len(audit.links) + 1)},
            geometry=shapely.linestrings(audit.links),
            crs="EPSG:4326",
        )
    notes = {
        "rule_set": f"{summary['rule_set']['name']} {summary['rule_set']['version']}",
        "network_version": place.network.version,
        "digest": summary["digest"],
    }
    for number, (layer, frame) in enumerate(layers.items()):
        frame.to_file(
            path,
            layer=layer,
            driver="GPKG",
            engine="pyogrio",
            append=number > 0,
            dataset_metadata=None if number else notes,
        )
