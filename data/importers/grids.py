"""A layer of grids as a plan: repaired into a partition of every community, draft or published."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from pyogrio.errors import DataSourceError
from sqlalchemy import Connection, text

from data.database import Database
from data.errors import SourceFileError
from data.importers.keep import write
from data.importers.layers import TAKEN_CODE, read_layer
from data.importers.report import ImportReport
from data.importers.vectors import read_vector
from data.plans.compare import compare_plans
from data.plans.export import GBK_SHORT, TITLES
from data.plans.from_grids import plan_from_grids
from data.plans.given import GivenGrid, PlanReport
from data.plans.imports import keep_import
from data.plans.models import STAFF
from data.plans.states import change_state
from geo.partition import snapped
from geo.repair import TOLERANCE_M

Progress = Callable[[str, float], None]

EXPORT_COLUMNS = ("plan", "plan_seq")
"""Columns of our own exports that say which plan, and which state of it, a file was made from."""


@dataclass(slots=True)
class GridImport(ImportReport):
    """Report of an import of grids.

    Attributes
    ----------
    plan : int or None
        Id of the plan that was made.
    repair : dict
        What was closed, cut and moved, and what could not be decided.
    conflicts : list of dict
        Of a file this service gave out: grids that somebody has changed in the plan since.
    changed_in_file : list of dict
        Of such a file: grids that the file changes and nobody else has.
    """

    plan: int | None = None
    repair: dict[str, Any] = field(default_factory=dict)
    conflicts: list[dict[str, Any]] = field(default_factory=list)
    changed_in_file: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values; ``repair`` is the report's own, not a copy.

        A prefecture has tens of thousands of places mended.
        """
        return replace(self, repair={}).plain() | {"repair": self.repair}

    def plain(self) -> dict[str, Any]:
        """As `ImportReport.to_dict` gives it."""
        return ImportReport.to_dict(self)


def import_grids(
    database: Database,
    path: Path | str,
    *,
    actor: str,
    name: str | None = None,
    publish: bool = False,
    tolerance_m: float = TOLERANCE_M,
    crs: str | None = None,
    file_layer: str | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> GridImport:
    """Make a plan from a vector file of grids, in one transaction.

    Slivers, gaps and overlaps up to the tolerance are closed; what is wider is settled, marked
    and listed. A file that comes back from an export of a plan becomes a draft based on that plan,
    with a report of what others changed there meanwhile.

    Parameters
    ----------
    database : Database
    path : Path
        Any file GDAL reads; attributes by the names in ``headers.toml``.
    actor : str
    name : str, optional
        Of the plan; the file's name by default.
    publish : bool
        Publish it at once.
    tolerance_m : float
        Metres.
    crs, file_layer : str, optional
        As in `data.importers.layers.import_layer`.
    dry_run : bool
        Do everything, report, and keep nothing.
    progress : callable, optional

    Raises
    ------
    SourceFileError
        If the file cannot be read.
    NotFoundError
        If there are no communities.
    """
    path = Path(path)
    if progress is not None:
        progress(f"Reading {path.name}", 0.05)
    file_layer = file_layer or _own_layer(path)
    frame, read = read_layer(path, "grids", crs=crs, file_layer=file_layer)
    raw = read_vector(path, layer=file_layer, crs=crs).frame.rename(columns=_TITLES)
    report = GridImport(
        "grids",
        path.name,
        read=read.read,
        rejected=read.rejected,
        warnings=read.warnings,
        left_out_columns=[
            c
            for c in read.left_out_columns
            if _TITLES.get(c.name, c.name) not in {*EXPORT_COLUMNS, *_EXTRA}
        ],
    )
    grids = _with_parts(_given(frame, raw), raw, report)
    source = _source(raw)

    def rows(connection: Connection) -> None:
        based_on = source[0] if source and _known(connection, source[0]) else None
        made = plan_from_grids(
            connection,
            name or path.stem,
            grids,
            author=actor,
            tolerance_m=tolerance_m,
            based_on=based_on,
            progress=progress,
        )
        if len(made.left_out) == len(grids):
            raise SourceFileError(
                f"None of the {len(grids)} grids of {path.name} lies in a community.",
                remedy="Check the coordinate system of the file, and that the communities of its "
                "city are imported.",
                zh=(
                    f"文件 {path.name} 的 {len(grids)} 个网格没有一个落在社区范围内。",
                    "请检查文件的坐标系，并确认已导入该城市的社区范围。",
                ),
            )
        if publish and _is_published(connection, made.plan):
            report.unchanged = made.grids
            connection.execute(text("DELETE FROM plans WHERE id = :id"), {"id": made.plan})
            return
        report.plan = made.plan
        report.inserted = made.grids
        report.repair = made.to_dict()
        report.warnings += _warnings(made)
        if source is not None and based_on is not None:
            report.conflicts, report.changed_in_file = _conflicts(
                connection, grids, set(raw.columns), *source
            )
            if report.conflicts:
                report.warnings.append(
                    f"{len(report.conflicts)} grids were changed in plan {based_on} since this "
                    "file was exported; see the report."
                )
        keep_import(
            connection,
            made,
            file_name=path.name,
            author=actor,
            tolerance_m=tolerance_m,
            conflicts=report.conflicts,
            report=_kept(report, based_on),
        )
        if publish:
            change_state(connection, made.plan, "published", author=actor, comment=path.name)

    write(database, rows, report, path, actor=actor, dry_run=dry_run)
    return report


_EXTRA = ("branch", *STAFF)
_TITLES = {
    title: name
    for name, title in (*TITLES.items(), *GBK_SHORT.items())
    if name in ("code", *_EXTRA)
}
"""Chinese titles of our own exports."""


def _kept(report: GridImport, based_on: int | None) -> dict[str, Any]:
    """What stays readable with the plan; places, conflicts and grids have tables of their own."""
    said = report.to_dict()
    names = ("read", "rejected", "left_out_columns", "warnings", "changed_in_file")
    repair = ("moved_m2", "added", "left_out", "renamed", "branches")
    return (
        {name: said[name] for name in names}
        | {name: report.repair[name] for name in repair}
        | {"based_on": based_on}
    )


def _own_layer(path: Path) -> str | None:
    """Of our own GeoPackages, which hold buildings too, the layer of grids."""
    if path.suffix.lower() != ".gpkg":
        return None
    try:
        names = pyogrio.list_layers(path)[:, 0].tolist()
    except (DataSourceError, OSError):
        return None  # reading it says what is wrong
    return "grids" if "grids" in names else None


def _given(frame: gpd.GeoDataFrame, raw: gpd.GeoDataFrame) -> list[GivenGrid]:
    extra: dict[str, dict[str, Any]] = {}
    if "code" in raw and any(column in raw for column in _EXTRA):
        extra = {str(row["code"]): row for row in raw.drop(columns="geometry").to_dict("records")}
    records = frame.to_dict("records")
    grids = []
    for record in records:
        own = extra.get(record["code"], {})
        grids.append(
            GivenGrid(
                code=record["code"],
                name=record.get("name") or "",
                kind=record.get("kind") or "base",
                community=record.get("community_code"),
                shape=record["geometry"],
                branch=_word(own.get("branch")),
                staff=tuple(_number(own.get(role)) for role in STAFF),
            )
        )
    return grids


def _with_parts(
    grids: list[GivenGrid], raw: gpd.GeoDataFrame, report: GridImport
) -> list[GivenGrid]:
    """Take features with the code of another in, as parts of a grid that somebody split.

    As in a split here, the largest part keeps code, name and staff; the others get new codes.
    """
    place = {grid.code: n for n, grid in enumerate(grids)}
    result, others = list(grids), []
    for reject in [r for r in report.rejected if r.reason.startswith(TAKEN_CODE)]:
        at = place.get(str(reject.value))
        shape = raw.geometry.get(reject.row)
        if at is None or shape is None or shape.is_empty:
            continue
        report.rejected.remove(reject)
        whole = result[at]
        large, small = sorted((whole.shape, shape), key=shapely.area, reverse=True)
        result[at] = replace(whole, shape=large)
        part = replace(whole, name="", shape=small, staff=(0,) * len(STAFF))
        others.append(part)
        report.warnings.append(
            f"Feature {reject.row} has the code {whole.code} of another; the larger keeps it, the "
            "smaller is given a new one."
        )
    return result + others


def _word(value: Any) -> str:
    return str(value)[:200] if isinstance(value, str) else ""


def _number(value: Any) -> int:
    if not isinstance(value, int | float | np.number) or not math.isfinite(float(value)):
        return 0
    return int(min(max(value, 0), 10_000))


def _source(raw: gpd.GeoDataFrame) -> tuple[int, int] | None:
    """Plan and state that an export names; None for any other file."""
    if not all(column in raw for column in EXPORT_COLUMNS):
        return None
    values = raw[list(EXPORT_COLUMNS)].apply(pd.to_numeric, errors="coerce").dropna()
    if not len(values) or (values["plan"] != values["plan"].iloc[0]).any():
        return None
    return int(values["plan"].iloc[0]), int(values["plan_seq"].min())


def _known(connection: Connection, plan: int) -> bool:
    return bool(
        connection.execute(text("SELECT 1 FROM plans WHERE id = :id"), {"id": plan}).first()
    )


def _is_published(connection: Connection, plan: int) -> bool:
    """Whether the published plan says the same as a new one."""
    published = connection.execute(
        text("SELECT id FROM plans WHERE state = 'published'")
    ).scalar_one_or_none()
    if published is None:
        return False
    compared = compare_plans(connection, plan, int(published))
    return not compared["grids"] and not compared["moved"]


def _warnings(made: PlanReport) -> list[str]:
    warnings = []
    closed = len(made.findings) - made.undecided
    if closed:
        warnings.append(f"{closed} slivers, gaps or overlaps were closed.")
    if made.undecided:
        worst = max((f for f in made.findings if not f["decided"]), key=lambda f: f["area_m2"])
        warnings.append(
            f"{made.undecided} places are wider than the tolerance and need a look, the largest"
            f" a {worst['rule']} of {worst['area_m2']:,.0f} m² at {worst['at'][0]}, "
            f"{worst['at'][1]} in community {worst['community']}."
        )
    for one in made.branches:
        parts = " and ".join(", ".join(codes) for codes in one["grids"])
        warnings.append(
            f"The branch {one['branch']} of community {one['community']} rests on grids that are "
            f"no neighbours: {parts}. Give each part a branch of its own."
        )
    if made.added:
        warnings.append(f"Grids were made for what none covered: {_some(made.added)}.")
    if made.renamed:
        pairs = [f"{old} → {new}" for old, new in made.renamed]
        warnings.append(f"Codes were given anew: {_some(pairs)}.")
    if made.left_out:
        warnings.append(f"Grids outside every community were left out: {_some(made.left_out)}.")
    return warnings


def _some(words: list[str]) -> str:
    return ", ".join(words[:5]) + (f" and {len(words) - 5} more" if len(words) > 5 else "")


@dataclass(frozen=True, slots=True)
class _Seen:
    """A grid of a plan as far as a file can change it."""

    shape: shapely.Geometry
    name: str
    kind: str
    branch: str
    staff: tuple[int, ...]

    @classmethod
    def of(cls, image: Mapping[Any, Any]) -> _Seen:
        shape = image["geom"]
        shape = shapely.from_wkb(shape if isinstance(shape, str) else bytes(shape))
        return cls(
            shapely.set_srid(shape, 0),
            image["name"],
            image["kind"],
            image["branch"],
            tuple(image[role] for role in STAFF),
        )


def _conflicts(
    connection: Connection,
    grids: Sequence[GivenGrid],
    columns: set[str],
    plan: int,
    seq: int,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What others changed in a plan since a file was exported, and what the file changes.

    The state of the export is found again from the edits after it, undone and redone ones too: the
    first that touched a grid still knows how it was.
    """
    now = {
        row["code"]: _Seen.of(row)
        for row in connection.execute(
            text(
                f"SELECT code, name, kind, branch, {', '.join(STAFF)}, ST_AsBinary(geom) AS geom"
                " FROM plan_grids WHERE plan_id = :plan"
            ),
            {"plan": plan},
        ).mappings()
    }
    edits = connection.execute(
        text(
            "SELECT e.kind, e.author, e.at, a.code AS community,"
            " coalesce(o.before, e.before) AS before,"
            " coalesce(o.after, e.after) AS after FROM plan_edits e"
            " LEFT JOIN areas a ON a.id = e.community_id"
            " LEFT JOIN plan_edits o ON e.kind IN ('undo', 'redo')"
            "  AND o.seq = (e.request ->> 'of')::bigint"
            " WHERE e.plan_id = :plan AND e.seq > :seq ORDER BY e.seq"
        ),
        {"plan": plan, "seq": seq},
    ).all()
    exported: dict[str, _Seen | None] = {}
    last: dict[str, Any] = {}
    for edit in edits:
        if edit.before is None:
            continue  # a note, or a change of state
        was, is_now = (
            (edit.after, edit.before) if edit.kind == "undo" else (edit.before, edit.after)
        )
        before = {g["code"]: g for g in was["grids"]}
        for code in before.keys() | {g["code"] for g in is_now["grids"]}:
            if code not in exported:
                exported[code] = _Seen.of(before[code]) if code in before else None
            last[code] = edit
    base: dict[str, _Seen | None] = {**now, **exported}
    in_file = {grid.code: grid for grid in grids}
    changes = {}
    for code in base.keys() | in_file.keys():
        found = _file_change(base.get(code), in_file.get(code), columns)
        if found:
            changes[code] = found
    conflicts = [
        {
            "code": code,
            "community": last[code].community,
            "kind": last[code].kind,
            "author": last[code].author,
            "at": last[code].at.isoformat(),
            "edited_in_file": code in changes,
            "in_file": changes.get(code),
        }
        for code, was in sorted(exported.items())
        if not _alike(was, now.get(code))
    ]
    told = {conflict["code"] for conflict in conflicts}
    only_here = [{"code": c, "in_file": w} for c, w in sorted(changes.items()) if c not in told]
    return conflicts, only_here


def _alike(one: _Seen | None, other: _Seen | None) -> bool:
    if one is None or other is None:
        return one is other
    return (
        (one.name, one.kind, one.branch, one.staff)
        == (other.name, other.kind, other.branch, other.staff)
    ) and bool(shapely.equals(one.shape, other.shape))


def _file_change(was: _Seen | None, grid: GivenGrid | None, columns: set[str]) -> str | None:
    """What a file does to a grid: ``new``, ``gone``, ``boundary`` or ``figures``, or None."""
    if was is None or grid is None:
        if grid is None:
            return None if was is None else "gone"
        return "new"
    shape = grid.shape
    one = shape.geoms[0] if len(getattr(shape, "geoms", ())) == 1 else shape
    if not shapely.equals(snapped(one), was.shape):
        return "boundary"
    same = (grid.name, grid.kind) == (was.name, was.kind)
    if "branch" in columns:
        same = same and grid.branch == was.branch
    same = same and all(
        there == here
        for role, there, here in zip(STAFF, grid.staff, was.staff, strict=True)
        if role in columns
    )
    return None if same else "figures"
