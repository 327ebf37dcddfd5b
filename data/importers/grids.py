"""A layer of grids as a plan: repaired into a partition of every community, draft or published."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
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
from data.importers.keep import write
from data.importers.layers import read_layer
from data.importers.report import ImportReport
from data.importers.vectors import read_vector
from data.plans.compare import compare_plans
from data.plans.create import GivenGrid, PlanReport, plan_from_grids
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
    """

    plan: int | None = None
    repair: dict[str, Any] = field(default_factory=dict)
    conflicts: list[dict[str, Any]] = field(default_factory=list)


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
    raw = read_vector(path, layer=file_layer, crs=crs).frame
    report = GridImport(
        "grids",
        path.name,
        read=read.read,
        rejected=read.rejected,
        warnings=read.warnings,
        left_out_columns=[
            c for c in read.left_out_columns if c.name not in {*EXPORT_COLUMNS, *_EXTRA}
        ],
    )
    grids = _given(frame, raw)
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
        if publish and _is_published(connection, made.plan):
            report.unchanged = made.grids
            connection.execute(text("DELETE FROM plans WHERE id = :id"), {"id": made.plan})
            return
        report.plan = made.plan
        report.inserted = made.grids
        report.repair = made.to_dict()
        report.warnings += _warnings(made)
        if source is not None and based_on is not None:
            report.conflicts = _conflicts(connection, frame, *source)
            if report.conflicts:
                report.warnings.append(
                    f"{len(report.conflicts)} grids were changed in plan {based_on} since this "
                    "file was exported; see the report."
                )
        if publish:
            change_state(connection, made.plan, "published", author=actor, comment=path.name)

    write(database, rows, report, path, actor=actor, dry_run=dry_run)
    return report


_EXTRA = ("branch", *STAFF)


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


def _conflicts(
    connection: Connection, frame: gpd.GeoDataFrame, plan: int, seq: int
) -> list[dict[str, Any]]:
    """Grids of the plan that were changed after the export, and whether the file did so too."""
    edits = connection.execute(
        text(
            "SELECT seq, kind, author, at, before, after FROM plan_edits"
            " WHERE plan_id = :plan AND seq > :seq AND state = 'done' ORDER BY seq"
        ),
        {"plan": plan, "seq": seq},
    ).all()
    exported: dict[str, Any] = {}
    last: dict[str, Any] = {}
    for edit in edits:
        before = {g["code"]: g for g in edit.before["grids"]}
        codes = before.keys() | {g["code"] for g in edit.after["grids"]}
        for code in codes:
            exported.setdefault(code, before.get(code))
            last[code] = edit
    in_file = {row.code: row.geometry for row in frame.itertuples()}
    conflicts = []
    for code, image in sorted(exported.items()):
        shape = in_file.get(code)
        if image is None:
            touched = shape is not None
        elif shape is None:
            touched = True
        else:
            was = shapely.set_srid(shapely.from_wkb(image["geom"]), 0)
            one = shape.geoms[0] if len(getattr(shape, "geoms", ())) == 1 else shape
            touched = not shapely.equals(snapped(one), was)
        conflicts.append(
            {
                "code": code,
                "kind": last[code].kind,
                "author": last[code].author,
                "at": last[code].at.isoformat(),
                "edited_in_file": touched,
            }
        )
    return conflicts
