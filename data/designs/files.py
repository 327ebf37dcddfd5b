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

from data.designs.communities import read_communities, tell_overlaps
from data.designs.homes import Homes, read_homes
from data.designs.layers import cell_layer, codes_of, community_layer, grid_layer, micro_layer
from data.designs.people import add_staffing, branches_of, read_members, read_staff
from data.designs.present import present_of, rows_of
from data.designs.result import DesignFileResult
from data.importers.layers import read_layer
from data.importers.osm import read_osm
from data.importers.stations import read_stations
from data.importers.vectors import read_vector
from data.results import LAYERED_ENDINGS, check_ending, write_layers
from data.surroundings import in_metres, surroundings
from geo.cells import Cells, Surroundings, build_cells, nearest_m
from geo.crs import projected_crs
from geo.griddesign import Design, Scenario, design
from geo.gridfigures import Figures, figures
from geo.microgrids import microgrids
from geo.standards import GridLimits

Progress = Callable[[str, float], None]
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
    ground = _read_ground(inputs, warnings)
    communities, homes, crs = ground.communities, ground.homes, ground.crs
    areas = in_metres(communities.geometry.array, crs)
    tell_overlaps(areas, communities, warnings)
    cells = build_cells(areas, homes.shapes, ground.around, progress=progress)
    outside = cells.cell_of_building < 0
    if outside.any():
        warnings.append(
            f"{outside.sum():,} buildings with {homes.households[outside].sum():,.0f} households "
            "are in no community and so in no grid."
        )
    households, people = cells.count(homes.households), cells.count(homes.people)
    # Read before the search: what is wrong with them should not cost its time.
    members = None if inputs.members is None else read_members(inputs.members, homes.rows)
    staff = (
        None
        if inputs.staff is None
        else read_staff(inputs.staff, [str(code) for code in communities["code"]])
    )
    station_m = _station_m(inputs.stations, cells, crs, warnings)
    present = ground.present
    now = None if present is None else present_of(cells, homes.shapes, present, crs)
    codes = np.array([] if present is None else present["code"], dtype=object)
    locked = rows_of(choices.locked, codes, "--lock")
    made = design(
        cells,
        households,
        people,
        limits=choices.limits,
        preset=choices.preset,
        scenario=choices.scenario,
        present=now,
        selected=rows_of(choices.selected, codes, "--select"),
        locked=None if now is None else np.isin(now, locked) & (now >= 0),
        station_m=station_m,
        seed=choices.seed,
        effort=choices.effort,
        time_limit_s=choices.time_limit_s,
        progress=progress,
        cancelled=cancelled,
    )
    found = figures(cells, made.grid, made.exclusive, households, people, made.limits)
    before = None if now is None else figures(cells, now, None, households, people, made.limits)
    result = _result(out, made, communities, found, before, warnings)
    progress("Micro-grids", 0.0)
    micro = microgrids(cells, made.grid, homes.buildings(), seed=choices.seed)
    grid_codes = codes_of(made, cells, communities, codes)
    heads = {
        "building_heads": np.bincount(micro.grid, micro.buildings, len(grid_codes)).astype(int),
        "unit_heads": np.bincount(micro.grid, micro.units, len(grid_codes)).astype(int),
    }
    add_staffing(result.communities, made, heads, staff)
    result.totals["microgrids"] = len(micro.grid)
    progress("Writing", 0.0)
    layers: dict[str, gpd.GeoDataFrame | pd.DataFrame] = {
        "grids": grid_layer(made, cells, homes, communities, grid_codes, codes, crs).merge(
            pd.DataFrame({"code": grid_codes, **heads}), on="code", validate="1:1"
        )
    }
    if layered:
        layers["cells"] = cell_layer(
            made, cells, homes, communities, grid_codes, households, people, crs
        )
        layers["microgrids"] = micro_layer(micro, grid_codes, crs)
        layers["communities"] = community_layer(result, communities)
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
    write_layers(out, layers, notes={key: str(value) for key, value in result.settings.items()})
    return result


@dataclass(frozen=True, slots=True)
class _Ground:
    """What the files say: outlines and the present plan in EPSG:4326, the rest in metres."""

    crs: str
    communities: gpd.GeoDataFrame
    homes: Homes
    around: Surroundings
    present: gpd.GeoDataFrame | None


def _read_ground(inputs: DesignInputs, warnings: list[str]) -> _Ground:
    communities = read_communities(inputs.areas, warnings)
    crs = projected_crs(communities.total_bounds).to_wkt()
    city = None
    if inputs.network is not None:
        city = read_osm(inputs.network, parts=("buildings", "compounds", "base"))
    homes = read_homes(inputs.buildings, city, crs, warnings)
    homes.households, homes.people = np.rint(homes.households), np.rint(homes.people)
    compounds = city.compounds if city is not None else _NO_COMPOUNDS
    if inputs.compounds is not None:
        compounds, report = read_layer(inputs.compounds, "compounds")
        warnings += report.told()
        if "walled" not in compounds.columns:
            compounds["walled"] = True
    present = None
    sites = [np.empty(0, object)]
    if inputs.sites is not None:
        sites.append(_polygons(inputs.sites))
    if inputs.grids is not None:
        present, report = read_layer(inputs.grids, "grids")
        warnings += report.told()
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
    return _Ground(crs, communities, homes, around, present)


def _polygons(path: Path) -> NDArray[np.object_]:
    shapes: NDArray[np.object_] = np.asarray(read_vector(path).frame.geometry.array, object)
    chosen: NDArray[np.object_] = shapes[shapely.get_dimensions(shapes) == 2]
    return chosen


def _station_m(
    path: Path | None, cells: Cells, crs: str, warnings: list[str]
) -> NDArray[np.float64] | None:
    """Metres from each cell to the nearest open red station, as the crow flies."""
    if path is None:
        return None
    stations, report = read_stations(path)
    warnings += report.told()
    red = stations[(stations["kind"] == "red_station") & (stations["status"] == "open")]
    return nearest_m(cells, shapely.get_coordinates(in_metres(red.geometry.array, crs)))


def _result(
    out: Path,
    made: Design,
    communities: gpd.GeoDataFrame,
    found: Figures,
    before: Figures | None,
    warnings: list[str],
) -> DesignFileResult:
    return DesignFileResult(
        out=str(out),
        kept=not any(one.reasons for one in made.communities) and made.kept,
        totals=_totals(made, found),
        present=None if before is None else asdict(before),
        communities=[
            {
                **asdict(one),
                "code": communities["code"].iloc[one.community],
                "name": communities["name"].iloc[one.community],
                "reasons": [asdict(reason) for reason in one.reasons],
            }
            for one in made.communities
        ],
        settings={
            "scenario": made.scenario,
            "preset": made.preset,
            "max_households": made.limits.households,
            "max_people": made.limits.people,
            "seed": made.seed,
        },
        warnings=warnings,
    )


def _totals(made: Design, found: Figures) -> dict[str, object]:
    bound = sum(one.bound for one in made.communities)
    moved = [one.moved for one in made.communities if one.moved is not None]
    return {
        **asdict(found),
        "bound": bound,
        "over_bound": (found.grids - bound) / bound if bound else 0.0,
        "moved": sum(moved) if moved else None,
        "moved_bound": sum(one.moved_bound or 0.0 for one in made.communities) if moved else None,
        "complete": all(one.complete for one in made.communities),
    }
