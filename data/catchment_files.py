"""Catchments from files to files: one polygon a station and cutoff, with the homes it serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, cast

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from data.city_files import (
    CityFiles,
    Progress,
    Walk,
    read_city_files,
    read_station_files,
    snap_city,
)
from data.errors import SourceFileError
from data.results import VECTOR_DRIVERS, check_ending, write_layers
from geo.catchment import STEP_M, Catchment, DemandPoints, catchments
from geo.crs import unproject
from geo.field import FieldIndex
from geo.standards import profile_named, signal_wait_s

METHODS = ("network", "lines")


@dataclass(frozen=True, slots=True)
class CatchmentFileResult:
    """What a catchment run over files made.

    Attributes
    ----------
    out : str
        The file written.
    stations : int
        Stations with catchments.
    catchments : int
        Rows written.
    false_inside, false_outside : int
        Demand points on the wrong side of a polygon, over all rows.
    notes : dict
        Cutoffs, profile, speed, waits, network version.
    warnings : list of str
    """

    out: str
    stations: int
    catchments: int
    false_inside: int
    false_outside: int
    notes: dict[str, str]
    warnings: list[str]

    def to_dict(self) -> dict[str, object]:
        """All of it, for JSON."""
        return asdict(self)

    def describe(self) -> str:
        """A few lines for people."""
        return (
            f"{self.catchments:,} catchments of {self.stations:,} stations; "
            f"{self.notes['minutes']} minutes, {self.notes['profile']} at "
            f"{self.notes['speed_mps']} m/s, waits {self.notes['waits']}\n"
            f"Homes on the wrong side of a polygon: {self.false_inside} inside, "
            f"{self.false_outside} outside\n"
            f"Written to {self.out}"
        )


def catchments_to_file(
    network_path: Path,
    stations_path: Path,
    out: Path,
    *,
    cutoffs_s: Sequence[float],
    demand_path: Path | None,
    profile_name: str,
    speed_mps: float | None,
    waits: str,
    max_snap_m: float,
    kinds: Sequence[str],
    datum: str,
    method: str,
    with_lines: bool,
    progress: Progress,
) -> CatchmentFileResult:
    """Compute the catchments of the stations of a file and write them.

    Parameters
    ----------
    network_path, stations_path, demand_path : Path
        See the command `gridcircle catchments`.
    out : Path
        Written whole or not at all.
    cutoffs_s : sequence of float
        Seconds.
    profile_name, speed_mps, waits : str, float, str
        How people walk, `geo.standards`.
    max_snap_m : float
        Metres.
    kinds : sequence of str
        Only stations of these kinds; all when empty.
    datum : str
        Of the stations' coordinates.
    method : {"network", "lines"}
    with_lines : bool
        Also write the reached streets as a layer.
    progress : callable

    Raises
    ------
    SourceFileError
        If a file cannot be read or written, or no station is on the network.
    ProfileError
        If the profile, speed or waits are unknown.
    """
    profile = profile_named(profile_name, speed_mps=speed_mps)
    signal_wait_s(waits)
    check_ending(out, layers=2 if with_lines else 1)
    if out.suffix.lower() not in (*VECTOR_DRIVERS, ".parquet"):
        raise SourceFileError(
            f"{out.name}: catchments are polygons, and a {out.suffix} file has no geometry.",
            remedy="Write a .gpkg, .geojson or .parquet file.",
        )
    if method not in METHODS:
        raise SourceFileError(
            f"There is no polygon method {method!r}.", remedy=f"Use one of: {', '.join(METHODS)}."
        )
    cutoffs = sorted(set(cutoffs_s))
    stations = read_station_files(stations_path, datum=datum, kinds=kinds)
    city = read_city_files(network_path, demand_path, progress=progress)
    progress("Walking", 0.0)
    walk = snap_city(city, stations.lonlat, profile, waits=waits, max_snap_m=max_snap_m)
    warnings = [*stations.warnings, *city.warnings]
    on_network = walk.stations.edge >= 0
    warnings += [
        f"Station {name} is farther than {max_snap_m:g} m from every walkable street, or shut in "
        "by barriers: it has no catchment."
        for name in stations.ids[~on_network]
    ]
    rows = np.flatnonzero(on_network)
    made = _catchments(walk, city, rows, cutoffs, method, max_snap_m, with_lines=with_lines)
    notes = {
        "minutes": ", ".join(f"{c / 60:g}" for c in cutoffs),
        "profile": profile.name,
        "speed_mps": f"{profile.speed_mps:g}",
        "waits": waits,
        "max_snap_m": f"{max_snap_m:g}",
        "method": method,
        "network_version": city.network.version,
        "network_source": city.network.source,
    }
    progress("Writing", 0.0)
    ids = stations.ids[rows]
    frame = gpd.GeoDataFrame(
        {
            "station_id": [ids[c.station] for c in made],
            "minutes": [c.cutoff_s / 60 for c in made],
            "reached_m": [round(c.reached_m, 3) for c in made],
            "households": [_sum(city.demand.households[c.demand]) for c in made],
            "people": [_sum(city.demand.people[c.demand]) for c in made],
            "demand": [len(c.demand) for c in made],
            "false_inside": [c.false_inside for c in made],
            "false_outside": [c.false_outside for c in made],
            "estimated": [city.demand.estimated] * len(made),
            "profile": profile.name,
            "speed_mps": profile.speed_mps,
            "waits": waits,
            "network": city.network.version[:12],
        },
        geometry=_degrees([c.polygon for c in made], city.network.crs),
        crs="EPSG:4326",
    )
    layers: dict[str, gpd.GeoDataFrame] = {"catchments": frame}
    if with_lines:
        layers["lines"] = gpd.GeoDataFrame(
            frame[["station_id", "minutes", "reached_m", "profile", "speed_mps", "waits"]],
            geometry=_degrees([c.lines for c in made], city.network.crs),
            crs="EPSG:4326",
        )
    write_layers(out, layers, notes=notes)
    return CatchmentFileResult(
        str(out),
        len(rows),
        len(made),
        sum(c.false_inside for c in made),
        sum(c.false_outside for c in made),
        notes,
        warnings,
    )


def _catchments(
    walk: Walk,
    city: CityFiles,
    rows: NDArray[np.int64],
    cutoffs_s: Sequence[float],
    method: str,
    max_snap_m: float,
    *,
    with_lines: bool,
) -> list[Catchment]:
    if not len(rows):
        return []
    index = FieldIndex(
        city.network,
        walk.impedance,
        barriers=city.barriers,
        max_snap_m=max_snap_m,
        step_m=STEP_M,
    )
    return catchments(
        index,
        walk.stations.take(rows),
        walk.station_xy[rows],
        cutoffs_s=cutoffs_s,
        method=cast("Literal['network', 'lines']", method),
        demand=DemandPoints(walk.demand, walk.demand_xy) if len(walk.demand) else None,
        barriers=city.barriers,
        with_lines=with_lines,
    )


def _sum(values: np.ndarray) -> float:
    return float(np.nansum(values))


def _degrees(shapes: list[shapely.Geometry], crs: str) -> np.ndarray:
    return np.asarray(shapely.transform(np.array(shapes, object), lambda xy: unproject(xy, crs)))
