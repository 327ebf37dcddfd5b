"""The inspection pack of an audit: figures, ledger, layers, pages and inputs, written and read."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from data.audits.inputs import FILES
from data.audits.place import Place
from data.errors import SourceFileError

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


README = """\
体检检查包 / Inspection pack

summary.json   全部数字、规则集、输入版本与摘要（digest） / all figures, rules, inputs, digest
report*.html   报告；report.public.html 可公开 / reports; report.public.html may be published
report.pdf     A4 打印 / for print
ledger.xlsx    台账 / ledger
audit.gpkg     图层 / layers
rules.json     所用规则集 / the rule set as used
inputs/        全部输入（路网、楼栋、站点、区域） / all inputs (network, buildings, stations, areas)
manifest.json  每个文件的 SHA-256 / SHA-256 of every file

复现 / To reproduce:

    gridcircle audit --pack THIS_FOLDER_OR_ZIP --out again/

得到同样的 digest 即完全复现。 / The same digest means the same figures.
只有地理与数量，没有任何个人信息。 / Geography and counts only, nothing about persons.
"""


def write_pack(
    out: Path,
    summary: Mapping[str, Any],
    homes: pd.DataFrame,
    *,
    place: Place | None,
    changes: Mapping[str, Any] | None,
    pages: Mapping[str, str | bytes],
    inputs: Mapping[str, bytes] | None,
) -> list[Path]:
    """Write summary, ledger, GeoPackage, rule set, pages and inputs; all of them or none.

    Parameters
    ----------
    out : Path
    summary : mapping
    homes : DataFrame
        One row a building.
    place : Place or None
        For the outlines of areas; without it the GeoPackage has none.
    changes : mapping or None
        As `data.audits.compare.compare` makes it.
    pages : mapping of file name to content
    inputs : mapping of file name to content, or None
        As `data.audits.inputs.inputs_of` writes them; None for an audit that kept none.

    Returns
    -------
    list of Path
        The files, sorted.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".gridcircle-") as name:
        draft = Path(name)
        _json(draft / "summary.json", summary)
        _json(draft / "rules.json", summary["rule_set"])
        (draft / "README.txt").write_text(README, "utf-8")
        if changes is not None:
            _json(draft / "changes.json", changes)
        write_ledger(draft / "ledger.xlsx", summary, homes)
        write_geopackage(draft / "audit.gpkg", summary, homes, place)
        contents = dict(pages) | {f"inputs/{part}": c for part, c in (inputs or {}).items()}
        for page, text in contents.items():
            (draft / page).parent.mkdir(exist_ok=True)
            (draft / page).write_bytes(text if isinstance(text, bytes) else text.encode())
        files = sorted(path.relative_to(draft) for path in draft.rglob("*") if path.is_file())
        _json(draft / "manifest.json", {str(f): _digest(draft / f) for f in files})
        written = []
        for file in sorted([*files, Path("manifest.json")]):
            (out / file).parent.mkdir(exist_ok=True)
            shutil.move(draft / file, out / file)
            written.append(out / file)
    if changes is None:
        (out / "changes.json").unlink(missing_ok=True)
    return written


def zip_pack(folder: Path) -> bytes:
    """Put the files of a pack into one ZIP: the same files give the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            # Arrays, workbook and PDF are compressed already.
            stored = path.suffix in (".npz", ".xlsx", ".pdf")
            entry = zipfile.ZipInfo(str(path.relative_to(folder)))
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    return out.getvalue()


def unzip_pack(content: bytes, out: Path) -> list[Path]:
    """Write the files of a ZIP of a pack into a folder, checked against its manifest.

    Raises
    ------
    SourceFileError
        If it is no pack, or a file is not the one that was packed; nothing is written then.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".gridcircle-") as name:
        draft = Path(name)
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                manifest = json.loads(archive.read("manifest.json"))
                # Only what the manifest names; extract keeps every path below the folder.
                for file in manifest:
                    archive.extract(file, draft)
                archive.extract("manifest.json", draft)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise SourceFileError(f"This is no pack of an audit: {error}.") from error
        for file, digest in manifest.items():
            if _digest(draft / file) != digest:
                raise SourceFileError(f"{file} is not the file that was packed.")
        out.mkdir(exist_ok=True)
        (out / "changes.json").unlink(missing_ok=True)
        written = []
        for path in sorted(p for p in draft.rglob("*") if p.is_file()):
            target = out / path.relative_to(draft)
            target.parent.mkdir(exist_ok=True)
            shutil.move(path, target)
            written.append(target)
    return written


PACK_MOST_BYTES = 4 << 30
"""Bytes read from one file of a pack at most."""


@dataclass(frozen=True, slots=True)
class ReadPack:
    """What an audit is made again from.

    Attributes
    ----------
    summary : dict
        What it told.
    rules : dict
        As `geo.rulesets.RuleSet.to_dict` wrote them.
    inputs : dict of str to bytes
    """

    summary: dict[str, Any]
    rules: dict[str, Any]
    inputs: dict[str, bytes]


def read_pack(path: Path) -> ReadPack:
    """Read a pack, a folder or a ZIP, and check its files against its manifest.

    Raises
    ------
    SourceFileError
        If something is missing, changed or no pack at all.
    """
    wanted = ("manifest.json", "summary.json", "rules.json", *(f"inputs/{f}" for f in FILES))
    try:
        if path.is_dir():
            found = {f: (path / f).read_bytes() for f in wanted if (path / f).is_file()}
        else:
            with zipfile.ZipFile(path) as archive:
                sizes = {i.filename: i.file_size for i in archive.infolist()}
                found = {
                    f: archive.read(f) for f in wanted if 0 <= sizes.get(f, -1) <= PACK_MOST_BYTES
                }
        for name in wanted:
            if name not in found:
                raise SourceFileError(
                    f"{path.name} is no whole pack: it has no {name}.",
                    remedy="Give pack.zip of the service, or the folder that --out wrote.",
                )
        manifest = json.loads(found["manifest.json"])
        for name in wanted[1:]:
            if hashlib.sha256(found[name]).hexdigest() != manifest.get(name):
                raise SourceFileError(
                    f"{path.name}: {name} is not the file that was packed.",
                    remedy="Fetch the pack again; what was changed in it cannot be relied on.",
                )
        return ReadPack(
            json.loads(found["summary.json"]),
            json.loads(found["rules.json"]),
            {f: found[f"inputs/{f}"] for f in FILES},
        )
    except (OSError, zipfile.BadZipFile, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SourceFileError(
            f"{path.name} cannot be read as a pack: {error}.",
            remedy="Give pack.zip of the service, or the folder that --out wrote.",
        ) from error


def reproduces(packed: Mapping[str, Any], summary: Mapping[str, Any]) -> bool:
    """Whether an audit made from a pack's inputs says what the pack says.

    Parameters
    ----------
    packed, summary : mapping
        The summary in the pack, and the one made from it. Where both have the same layout every
        figure must agree; a pack of an older version must agree in the answer to each rule.
    """
    if packed.get("format") == summary["format"]:
        return bool(packed["digest"] == summary["digest"])
    told, now = (
        [[rule[key] for key in ("id", "verdict", "numerator", "denominator")] for rule in one]
        for one in (packed["rules"], summary["rules"])
    )
    return told == now


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
_UNKNOWN = {
    "stations_without_area": "{n} 处站点缺面积 stations without floor area",
    "stations_without_places": "{n} 处站点缺座位数 stations without places",
    "hours_unknown": "{n} 处站点缺开放时间 stations without hours",
    "areas_unknown": "{n} 个区域因此无法判定 areas undecided for it",
    "areas_not_counted": "{n} 个区域没有网格员人数 areas without a count of workers",
}
"""What is not known, by the fact of a rule's result."""
_STATION_COLUMNS = (
    ("code", "编号 Code"),
    ("name", "名称 Name"),
    ("kind", "类型 Kind"),
    ("community", "社区 Community"),
    ("area_m2", "面积㎡ Area m²"),
    ("places", "座位数 Places"),
    ("hours", "开放时间 Hours"),
    ("lon", "经度 Lon"),
    ("lat", "纬度 Lat"),
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
        [
            "规则 Rule",
            "结论 Verdict",
            "达标数",
            "总数",
            "单位",
            "数值",
            "要求",
            "未知 Unknown",
            "条款",
            "来源",
        ],
        [
            [
                titles[r["id"]],
                _VERDICTS[r["verdict"]],
                r["numerator"],
                r["denominator"],
                r["unit"],
                r["value"],
                r["required"],
                "；".join(
                    title.format(n=r["facts"][fact])
                    for fact, title in _UNKNOWN.items()
                    if r["facts"].get(fact)
                ),
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
    _sheet(
        book,
        "站点 Stations",
        [title for _, title in _STATION_COLUMNS],
        [
            [station.get(column) for column, _ in _STATION_COLUMNS]
            for station in summary["stations"]
        ],
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
        [
            "序号",
            "社区",
            "数量",
            "楼栋",
            "最远分钟",
            "经度",
            "纬度",
            "最省一步",
            "可补",
            "费用（元）",
        ],
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
                z["change"].get("cost") if z["change"] else None,
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


_CHANGES = {
    "link": "核实路网缺口 check a doubtful link",
    "gate": "开一道门 open a gate",
    "crossing": "加过街或小路 crossing or path",
    "footbridge": "架便桥 footbridge",
    "hours": "延长开放时间 longer hours",
    "site": "新设站点 new station",
}


def _change(change: Mapping[str, Any] | None) -> str:
    if change is None:
        return ""
    named = change.get("name") or change.get("code")
    return _CHANGES[change["kind"]] + (f": {named}" if named else "")


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


def write_geopackage(
    path: Path, summary: Mapping[str, Any], homes: pd.DataFrame, place: Place | None
) -> None:
    """Write buildings, stations, areas by level, gap zones, proposals and doubtful links."""
    layers: dict[str, gpd.GeoDataFrame] = {}
    layers["buildings"] = gpd.GeoDataFrame(
        homes.drop(columns=["lon", "lat"]),
        geometry=gpd.points_from_xy(homes["lon"], homes["lat"]),
        crs="EPSG:4326",
    )
    points = pd.DataFrame(summary["stations"])
    if len(points):
        layers["stations"] = gpd.GeoDataFrame(
            points, geometry=gpd.points_from_xy(points["lon"], points["lat"]), crs="EPSG:4326"
        )
    main = next((r for r in summary["rules"] if r["id"] == summary["main_rule"]), None)
    areas = place.areas if place is not None else {}
    for level, shapes in place.shapes.items() if place is not None else ():
        rows = pd.DataFrame({"code": areas[level].code, "name": areas[level].name})
        if main is not None and main["areas"].get(level):
            found = pd.DataFrame(main["areas"][level])[
                ["code", "numerator", "denominator", "share", "verdict"]
            ]
            rows = rows.merge(found, on="code", how="left")
        layers[f"{level}_areas"] = gpd.GeoDataFrame(rows, geometry=shapes, crs="EPSG:4326")
    zones = pd.DataFrame(
        [
            {k: v for k, v in zone.items() if k not in ("outline", "change", "options")}
            | {
                "change": (zone["change"] or {}).get("kind"),
                "gain": (zone["change"] or {}).get("gain"),
                "cost": (zone["change"] or {}).get("cost"),
            }
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
    links = np.array(summary.get("links", []), float).reshape(-1, 2, 2)
    if len(links):
        layers["doubtful_links"] = gpd.GeoDataFrame(
            {"number": np.arange(1, len(links) + 1)},
            geometry=shapely.linestrings(links),
            crs="EPSG:4326",
        )
    notes = {
        "rule_set": f"{summary['rule_set']['name']} {summary['rule_set']['version']}",
        "network_version": next(
            (i["version"] for i in summary["inputs"] if i["kind"] == "network"), ""
        ),
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
