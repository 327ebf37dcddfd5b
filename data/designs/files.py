"""Base grids proposed from files to a file: buildings and communities in, a plan out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from data.design_people import (
    add_staffing,
    branches_of,
    read_members,
    read_staff,
    told_of_staff,
)
from data.errors import SourceFileError
from data.importers.demand import read_demand
from data.importers.layers import read_layer
from data.importers.osm import OsmCity, read_osm
from data.importers.report import ImportReport
from data.importers.stations import read_stations
from data.importers.tables import TABLE_ENDINGS
from data.importers.vectors import read_vector
from data.results import LAYERED_ENDINGS, check_ending, write_layers
from data.surroundings import in_metres, surroundings
from geo.cells import Cells, build_cells, nearest_m
from geo.crs import projected_crs, unproject
from geo.dasymetric import estimate_households, estimate_people
from geo.griddesign import Design, Scenario, design
from geo.gridfigures import Figures, figures
from geo.microgrids import KINDS, Buildings, MicroGrids, microgrids
from geo.standards import GridLimits

Progress = Callable[[str, float], None]
JOIN_M = 15.0
"""How far a ledger's point may lie from the footprint it is taken for."""
_NO_COMPOUNDS = gpd.GeoDataFrame({"code": [], "walled": []}, geometry=[], crs="EPSG:4326")
_NO_BASE = gpd.GeoDataFrame({"layer": [], "kind": []}, geometry=[], crs="EPSG:4326")


@dataclass(frozen=True, slots=True)
class DesignInputs:
    """Files a design is made from.

    Attributes
    ----------
    buildings : Path or None
        Vector file of footprints or points, or a ledger with coordinates; None takes the
        buildings of ``network``.
    areas : Path
        Areas; those of the level community are designed, or all where no level is given.
    network : Path or None
        OpenStreetMap file: streets, water, railways, compounds, footprints.
    streets, compounds, sites, stations, grids : Path or None
        More lines that bound cells; compounds; exclusive sites; stations; the present plan.
    members, staff : Path or None
        Ledgers of counts: party members by building, and staff by community.
    """

    buildings: Path | None
    areas: Path
    network: Path | None = None
    streets: Path | None = None
    compounds: Path | None = None
    sites: Path | None = None
    stations: Path | None = None
    grids: Path | None = None
    members: Path | None = None
    staff: Path | None = None


@dataclass(frozen=True, slots=True)
class DesignChoices:
    """What is wanted of a design; see `geo.griddesign.design`.

    Attributes
    ----------
    locked, selected : sequence of str
        Codes of present grids that stay, and that are to be re-balanced.
    branch_members : tuple of int
        Fewest and most party members of a branch, where members are given.
    """

    limits: GridLimits = field(default_factory=GridLimits)
    preset: str = "standard"
    scenario: Scenario = "fewest"
    locked: Sequence[str] = ()
    selected: Sequence[str] = ()
    seed: int = 1
    effort: float = 1.0
    time_limit_s: float = math.inf
    branch_members: tuple[int, int] = (3, 50)


@dataclass(frozen=True, slots=True)
class DesignFileResult:
    """What a design over files came to.

    Attributes
    ----------
    out : str
        The file written.
    kept : bool
        Whether every grid keeps the limits; False also where one building alone is above them.
    totals : dict
        Figures of the whole plan; ``present`` has those of the present plan where one was given.
    communities : list of dict
        Figures, bounds, reasons and staff of each community.
    warnings : list of str
    branches : list of dict
        Party branches, where members are given.
    """

    out: str
    kept: bool
    totals: dict[str, object]
    present: dict[str, object] | None
    communities: list[dict[str, object]]
    settings: dict[str, object]
    warnings: list[str]
    branches: list[dict[str, object]] = field(default_factory=list)

    def to_dict(self) -> dict[str, object]:
        """All of it, for JSON."""
        return asdict(self)

    def describe(self) -> str:
        """Some lines for people."""
        t = self.totals
        lines = [
            f"{t['grids']:,} base grids and {t['exclusive']:,} exclusive ones in "
            f"{len(self.communities):,} communities; at least {t['bound']:,} are needed "
            f"({t['over_bound']:.1%} above)",
            f"  {t['households']:,.0f} households, {t['people']:,.0f} people; "
            f"{t['within_limits']:.1%} of grids within {self.settings['max_households']} "
            f"households and {self.settings['max_people']} people",
            f"  {t.get('microgrids', 0):,} micro-grids; "
            f"load spread {t['load_spread']:.1%}, compounds split {t['compounds_split']}, "
            f"grids across a barrier {t['barrier_crossings']}, compactness {t['compactness']:.2f}",
        ]
        if self.present is not None:
            lines.append(
                f"  present plan: {self.present['grids']:,} grids, "
                f"{self.present['within_limits']:.1%} within the limits; moved "
                f"{t['moved']:,.0f} households, never fewer than {t['moved_bound']:,.0f}"
            )
        for one in self.communities:
            moved = "" if one["moved"] is None else f", moved {one['moved']:g}"
            lines.append(
                f"  {one['code']} {one['name']}: {one['grids']} grids (bound {one['bound']}), "
                f"{one['households']:g} households{moved}"
            )
            lines += [f"      {text}" for text in told_of_staff(one)]
            reasons = cast("list[dict[str, object]]", one["reasons"])
            lines += [f"      {reason['message']}" for reason in reasons[:5]]
            if len(reasons) > 5:
                lines.append(f"      and {len(reasons) - 5} more")
        if self.branches:
            outside = sum(bool(one["outside"]) for one in self.branches)
            lines.append(
                f"  {len(self.branches):,} party branches"
                + (f", {outside:,} of them outside the range of members" if outside else "")
            )
        lines.append(f"Wrote {self.out}")
        return "\n".join(lines)


@dataclass(slots=True)
class _Homes:
    """Buildings with their counts, one a footprint or point."""

    ids: NDArray[np.object_]
    shapes: NDArray[np.object_]
    households: NDArray[np.float64]
    people: NDArray[np.float64]
    floors: NDArray[np.float64]
    units: NDArray[np.float64]
    kind: NDArray[np.object_]
    rows: list[list[str]]
    """Codes in the ledger of what stands there; a footprint may take several rows."""


def design_to_file(
    inputs: DesignInputs,
    out: Path,
    choices: DesignChoices,
    *,
    progress: Progress,
    cancelled: Callable[[], bool] | None = None,
) -> DesignFileResult:
    """Design base grids from files and write them.

    Parameters
    ----------
    inputs : DesignInputs
    out : Path
        A GeoPackage holds grids, cells, microgrids and communities; other kinds hold grids only.
    choices : DesignChoices
    progress : callable
    cancelled : callable, optional

    Raises
    ------
    SourceFileError
        If a file cannot be read or lacks what is needed; nothing is written.
    """
    layered = out.suffix.lower() in LAYERED_ENDINGS
    check_ending(out, layers=4 + (inputs.members is not None) if layered else 1)
    warnings: list[str] = []
    progress("Reading", 0.0)
    communities = _communities(inputs.areas, warnings)
    crs = projected_crs(communities.total_bounds).to_wkt()
    city = None
    if inputs.network is not None:
        city = read_osm(inputs.network, parts=("buildings", "compounds", "base"))
    homes = _homes(inputs, city, crs, warnings)
    homes.households, homes.people = np.rint(homes.households), np.rint(homes.people)
    compounds = city.compounds if city is not None else _NO_COMPOUNDS
    if inputs.compounds is not None:
        compounds, report = read_layer(inputs.compounds, "compounds")
        _tell(report, warnings)
        if "walled" not in compounds.columns:
            compounds["walled"] = True
    present = None
    sites = [np.empty(0, object)]
    if inputs.sites is not None:
        sites.append(_polygons(inputs.sites))
    if inputs.grids is not None:
        present, report = read_layer(inputs.grids, "grids")
        _tell(report, warnings)
        if "kind" in present.columns:
            sites.append(np.asarray(present.geometry.array, object)[present["kind"] == "exclusive"])
            present = present[present["kind"] == "base"].reset_index(drop=True)
    around = surroundings(
        city.base if city is not None else _NO_BASE,
        compounds,
        np.concatenate(sites),
        crs,
        streets=read_vector(inputs.streets).frame if inputs.streets is not None else None,
    )
    areas = in_metres(communities.geometry.array, crs)
    _check_overlaps(areas, communities, warnings)
    cells = build_cells(areas, homes.shapes, around, progress=progress)
    outside = cells.cell_of_building < 0
    if outside.any():
        warnings.append(
            f"{outside.sum():,} buildings with {homes.households[outside].sum():,.0f} households "
            "are in no community and so in no grid."
        )
    households, people = cells.count(homes.households), cells.count(homes.people)
    # Read before the search: what is wrong with them should not cost its time.
    members = None if inputs.members is None else read_members(inputs.members, homes.rows)
    present_staff = (
        None
        if inputs.staff is None
        else read_staff(inputs.staff, [str(code) for code in communities["code"]])
    )
    station_m = None
    if inputs.stations is not None:
        stations, report = read_stations(inputs.stations)
        _tell(report, warnings)
        red = stations[(stations["kind"] == "red_station") & (stations["status"] == "open")]
        points = shapely.get_coordinates(in_metres(red.geometry.array, crs))
        station_m = nearest_m(cells, points)
    now = None if present is None else present_of(cells, homes.shapes, present, crs)
    codes = np.array([] if present is None else present["code"], dtype=object)
    made = design(
        cells,
        households,
        people,
        limits=choices.limits,
        preset=choices.preset,
        scenario=choices.scenario,
        present=now,
        selected=_rows_of(choices.selected, codes, "--select"),
        locked=None
        if now is None
        else np.isin(now, _rows_of(choices.locked, codes, "--lock")) & (now >= 0),
        station_m=station_m,
        seed=choices.seed,
        effort=choices.effort,
        time_limit_s=choices.time_limit_s,
        progress=progress,
        cancelled=cancelled,
    )
    if now is None and choices.locked:
        _rows_of(choices.locked, codes, "--lock")
    grid_codes = _codes(made, cells, communities, codes)
    settings: dict[str, object] = {
        "scenario": made.scenario,
        "preset": made.preset,
        "max_households": made.limits.households,
        "max_people": made.limits.people,
        "seed": made.seed,
    }
    found = figures(cells, made.grid, made.exclusive, households, people, made.limits)
    result = DesignFileResult(
        str(out),
        not any(one.reasons for one in made.communities) and made.kept,
        _totals(made, found),
        None
        if now is None
        else _figures_of(figures(cells, now, None, households, people, made.limits)),
        [
            {
                **asdict(one),
                "code": communities["code"].iloc[one.community],
                "name": communities["name"].iloc[one.community],
                "reasons": [asdict(reason) for reason in one.reasons],
            }
            for one in made.communities
        ],
        settings,
        warnings,
    )
    progress("Micro-grids", 0.0)
    micro = microgrids(
        cells,
        made.grid,
        Buildings(
            homes.shapes,
            homes.households.astype(np.int64),
            homes.people.astype(np.int64),
            homes.floors,
            homes.units,
            homes.kind,
        ),
        seed=choices.seed,
    )
    heads = {
        "building_heads": np.bincount(micro.grid, micro.buildings, len(grid_codes)).astype(int),
        "unit_heads": np.bincount(micro.grid, micro.units, len(grid_codes)).astype(int),
    }
    add_staffing(result.communities, made, heads, present_staff)
    result.totals["microgrids"] = len(micro.grid)
    progress("Writing", 0.0)
    layers: dict[str, gpd.GeoDataFrame | pd.DataFrame] = {
        "grids": _grid_layer(made, cells, homes, communities, grid_codes, codes, crs).merge(
            pd.DataFrame({"code": grid_codes, **heads}), on="code", validate="1:1"
        )
    }
    if layered:
        layers["cells"] = _cell_layer(
            made, cells, homes, communities, grid_codes, households, people, crs
        )
        layers["microgrids"] = _micro_layer(micro, grid_codes, crs)
        layers["communities"] = _community_layer(result, communities)
    if members is not None:
        order = {code: n for n, code in enumerate(layers["grids"]["code"])}
        outlines = np.asarray(cast("gpd.GeoDataFrame", layers["grids"]).geometry.array, object)
        columns, branch_layer, told = branches_of(
            made,
            cells,
            cells.count(members),
            outlines[[order[code] for code in grid_codes]],
            communities,
            grid_codes,
            choices.branch_members,
        )
        result.branches.extend(told)
        layers["grids"] = layers["grids"].merge(columns, on="code", validate="1:1")
        if layered:
            layers["branches"] = branch_layer
    write_layers(out, layers, notes={key: str(value) for key, value in settings.items()})
    return result


def _tell(report: ImportReport, warnings: list[str]) -> None:
    warnings += [f"{report.file}: {text}" for text in report.warnings]
    warnings += [
        f"{report.file} row {one.row}: {one.field} {one.value!r} {one.reason}. {one.remedy}"
        for one in report.rejected[:20]
    ]
    if len(report.rejected) > 20:
        warnings.append(f"{report.file}: {len(report.rejected) - 20} more rows were rejected.")


def _communities(path: Path, warnings: list[str]) -> gpd.GeoDataFrame:
    if path.name.lower().endswith((".osm", ".osm.pbf", ".o5m")):
        frame = read_osm(path, parts=("areas",)).areas
    else:
        frame, report = read_layer(path, "areas")
        _tell(report, warnings)
    chosen = frame[frame["level"] == "community"].sort_values("code").reset_index(drop=True)
    if not len(chosen):
        raise SourceFileError(
            f"{path.name} has no area of the level community.",
            remedy="Grids are designed within communities 社区; give their outlines.",
        )
    return chosen


def _polygons(path: Path) -> NDArray[np.object_]:
    shapes: NDArray[np.object_] = np.asarray(read_vector(path).frame.geometry.array, object)
    chosen: NDArray[np.object_] = shapes[shapely.get_dimensions(shapes) == 2]
    return chosen


def _homes(inputs: DesignInputs, city: OsmCity | None, crs: str, warnings: list[str]) -> _Homes:
    if inputs.buildings is None:
        if city is None or not len(city.buildings):
            raise SourceFileError(
                "There are no buildings.",
                remedy="Give --buildings, or a --network file that holds buildings.",
            )
        return _of_frame(city.buildings, crs, warnings)
    path = inputs.buildings
    if path.suffix.lower() not in TABLE_ENDINGS:
        frame = read_vector(path).frame
        if (shapely.get_dimensions(np.asarray(frame.geometry.array, object)) == 2).any():
            rows, report = read_layer(path, "buildings")
            _tell(report, warnings)
            if not len(rows):
                raise SourceFileError(f"{path.name}: no building can be used.")
            return _of_frame(rows, crs, warnings)
    ledger, report = read_demand(path)
    _tell(report, warnings)
    if not len(ledger):
        raise SourceFileError(f"{path.name}: no building can be used.")
    return _joined(ledger, city, crs, warnings)


def _number(frame: pd.DataFrame, column: str) -> NDArray[np.float64]:
    if column not in frame.columns:
        return np.full(len(frame), np.nan)
    return pd.to_numeric(frame[column], errors="coerce").to_numpy(float, na_value=np.nan)


def _of_frame(frame: gpd.GeoDataFrame, crs: str, warnings: list[str]) -> _Homes:
    shapes = in_metres(frame.geometry.array, crs)
    kind = (
        frame["kind"].to_numpy(object)
        if "kind" in frame.columns
        else np.full(len(frame), "other", object)
    )
    homes = _Homes(
        frame["code"].to_numpy(object),
        shapes,
        _number(frame, "households"),
        _number(frame, "people"),
        _number(frame, "floors"),
        _number(frame, "units"),
        kind,
        [[str(code)] for code in frame["code"]],
    )
    unknown = ~np.isfinite(homes.households)
    if unknown.any():
        guess = estimate_households(shapely.area(shapes), homes.floors, kind)
        homes.households = np.where(unknown, guess, homes.households)
        if guess[unknown].any():
            warnings.append(
                f"Households of {int((guess[unknown] > 0).sum()):,} buildings are estimated from "
                "footprint and floors."
            )
    return _with_people(homes)


def _with_people(homes: _Homes) -> _Homes:
    unknown = ~np.isfinite(homes.people)
    guess = estimate_people(np.rint(homes.households).astype(np.int64))
    homes.people = np.where(unknown, guess, homes.people).astype(np.float64)
    return homes


def _joined(
    ledger: gpd.GeoDataFrame, city: OsmCity | None, crs: str, warnings: list[str]
) -> _Homes:
    """A ledger of points, each put on the footprint it stands in or next to."""
    points = in_metres(ledger.geometry.array, crs)
    counts = {name: _number(ledger, name) for name in ("households", "people")}
    blank = int((~np.isfinite(counts["households"])).sum())
    if blank:
        warnings.append(f"{blank:,} rows of the ledger have no households and count as 0.")
    households = np.nan_to_num(counts["households"])
    guess = estimate_people(np.rint(households).astype(np.int64))
    people = np.where(np.isfinite(counts["people"]), counts["people"], guess)
    ids = ledger["id"].to_numpy(object)
    if city is None or not len(city.buildings):
        empty = np.full(len(points), np.nan)
        return _Homes(
            ids,
            points,
            households,
            people,
            empty,
            empty,
            np.full(len(points), "other", object),
            [[str(code)] for code in ids],
        )
    prints = city.buildings
    shapes = in_metres(prints.geometry.array, crs)
    at, of = shapely.STRtree(shapes).query_nearest(points, max_distance=JOIN_M, all_matches=True)
    order = np.lexsort((of, at))
    at, first = np.unique(at[order], return_index=True)
    of = of[order][first]
    alone = np.setdiff1d(np.arange(len(points)), at)
    if len(alone):
        warnings.append(
            f"{len(alone):,} rows of the ledger are more than {JOIN_M:g} m from any footprint and "
            "stand as points."
        )
    names = prints["code"].to_numpy(object).copy()
    names[of] = ids[at]
    rows: list[list[str]] = [[] for _ in range(len(shapes))]
    for print_, row in zip(of.tolist(), at.tolist(), strict=True):
        rows[print_].append(str(ids[row]))

    def put(values: NDArray[np.float64]) -> NDArray[np.float64]:
        summed = np.bincount(of, values[at], len(shapes)).astype(np.float64)
        return np.concatenate([summed, values[alone]])

    def known(column: str) -> NDArray[np.float64]:
        return np.concatenate([_number(prints, column), np.full(len(alone), np.nan)])

    return _Homes(
        np.concatenate([names, ids[alone]]),
        np.concatenate([shapes, points[alone]]),
        put(households),
        put(people),
        known("floors"),
        known("units"),
        np.concatenate([prints["kind"].to_numpy(object), np.full(len(alone), "other", object)]),
        rows + [[str(code)] for code in ids[alone]],
    )


def _check_overlaps(
    areas: NDArray[np.object_], communities: gpd.GeoDataFrame, warnings: list[str]
) -> None:
    one, other = shapely.STRtree(areas).query(areas, predicate="overlaps")
    for a, b in zip(one[one < other], other[one < other], strict=True):
        shared = shapely.intersection(areas[a], areas[b]).area
        if shared > 10:
            warnings.append(
                f"Communities {communities['name'].iloc[a]} and {communities['name'].iloc[b]} "
                f"overlap by {shared:,.0f} m²; buildings there go to the first."
            )


def present_of(
    cells: Cells, buildings: NDArray[np.object_], present: gpd.GeoDataFrame, crs: str
) -> NDArray[np.int64]:
    """Present grid of each cell: the one its building's middle, or its own, lies in; -1 in none.

    ``buildings`` are those the cells were built for, in metres of ``crs``; ``present`` is in
    EPSG:4326.
    """
    middle = shapely.point_on_surface(cells.geometry)
    inside = np.flatnonzero(cells.cell_of_building >= 0)[::-1]
    middle[cells.cell_of_building[inside]] = shapely.point_on_surface(buildings[inside])
    cell, grid = shapely.STRtree(in_metres(present.geometry.array, crs)).query(
        middle, predicate="intersects"
    )
    now = np.full(len(cells), -1, np.int64)
    order = np.lexsort((-grid, cell))
    now[cell[order]] = grid[order]
    # A present grid belongs to one community: what it has in another is not its own.
    home = np.full(len(present), -1, np.int64)
    for one in np.unique(now[now >= 0]):
        home[one] = np.bincount(cells.community[now == one]).argmax()
    now[(now >= 0) & (home[now] != cells.community)] = -1
    return now


def _rows_of(wanted: Sequence[str], codes: NDArray[np.object_], option: str) -> NDArray[np.int64]:
    place = {str(code): row for row, code in enumerate(codes)}
    for code in wanted:
        if code not in place:
            raise SourceFileError(
                f"{option} {code}: the present plan has no base grid with this code.",
                remedy="Give codes of --grids.",
            )
    return np.array([place[code] for code in wanted], np.int64)


def _codes(
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


def _totals(made: Design, found: Figures) -> dict[str, object]:
    bound = sum(one.bound for one in made.communities)
    moved = [one.moved for one in made.communities if one.moved is not None]
    return {
        **_figures_of(found),
        "bound": bound,
        "over_bound": (found.grids - bound) / bound if bound else 0.0,
        "moved": sum(moved) if moved else None,
        "moved_bound": sum(one.moved_bound or 0.0 for one in made.communities) if moved else None,
        "complete": all(one.complete for one in made.communities),
    }


def _figures_of(found: Figures) -> dict[str, object]:
    return asdict(found)


def _degrees(shapes: NDArray[np.object_], crs: str) -> NDArray[np.object_]:
    moved: NDArray[np.object_] = shapely.transform(shapes, lambda xy: unproject(xy, crs))
    return moved


def _grid_layer(
    made: Design,
    cells: Cells,
    homes: _Homes,
    communities: gpd.GeoDataFrame,
    codes: NDArray[np.object_],
    present: NDArray[np.object_],
    crs: str,
) -> gpd.GeoDataFrame:
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


def _cell_layer(
    made: Design,
    cells: Cells,
    homes: _Homes,
    communities: gpd.GeoDataFrame,
    codes: NDArray[np.object_],
    households: NDArray[np.float64],
    people: NDArray[np.float64],
    crs: str,
) -> gpd.GeoDataFrame:
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


def _micro_layer(micro: MicroGrids, codes: NDArray[np.object_], crs: str) -> gpd.GeoDataFrame:
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


def _community_layer(result: DesignFileResult, communities: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    rows = pd.DataFrame(result.communities)
    rows["reasons"] = ["\n".join(r["message_zh"] for r in one) for one in rows["reasons"]]
    return gpd.GeoDataFrame(
        rows.drop(columns="community"),
        geometry=communities.geometry.array[rows["community"].to_numpy()],
        crs="EPSG:4326",
    )
