"""Coverage from files to files: every demand point, its walk to the nearest station, its state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.city_files import CityFiles, Progress, read_city_files, read_station_files, snap_city
from data.results import VECTOR_DRIVERS, check_ending, write_layers
from geo.coverage import STATE_NAMES, Coverage, State
from geo.coverage import coverage as walk_coverage
from geo.standards import profile_named, signal_wait_s


@dataclass(frozen=True, slots=True)
class CoverageFileResult:
    """What a coverage run over files found.

    Attributes
    ----------
    out : str
        The file written.
    demand_points, stations : int
    households : float or None
        None where the demand has no counts.
    states : dict
        Demand points by state.
    households_by_state : dict or None
    notes : dict
        Cutoff, profile, speed, waits, network version.
    warnings : list of str
    """

    out: str
    demand_points: int
    stations: int
    households: float | None
    states: dict[str, int]
    households_by_state: dict[str, float] | None
    notes: dict[str, str]
    warnings: list[str]

    def to_dict(self) -> dict[str, object]:
        """All of it, for JSON."""
        return asdict(self)

    def describe(self) -> str:
        """A few lines for people."""
        unit, by_state = "demand points", dict[str, float](self.states)
        total = float(self.demand_points)
        if self.households_by_state is not None and self.households:
            unit, by_state, total = "households", self.households_by_state, self.households
        lines = [
            f"{self.demand_points:,} demand points, {self.stations:,} stations; "
            f"{float(self.notes['cutoff_s']) / 60:g} minutes, {self.notes['profile']} at "
            f"{self.notes['speed_mps']} m/s, waits {self.notes['waits']}"
        ]
        for name, count in by_state.items():
            share = 100 * count / total if total else 0.0
            lines.append(f"  {name:13}{count:12,.0f} {unit}  {share:5.1f} %")
        lines.append(f"Written to {self.out}")
        return "\n".join(lines)


def coverage_to_file(
    network_path: Path,
    stations_path: Path,
    out: Path,
    *,
    cutoff_s: float,
    demand_path: Path | None,
    summary_path: Path | None,
    profile_name: str,
    speed_mps: float | None,
    waits: str,
    max_snap_m: float,
    kinds: Sequence[str],
    datum: str,
    progress: Progress,
) -> CoverageFileResult:
    """Walk from every demand point to its nearest station and write what was found.

    Parameters
    ----------
    network_path, stations_path, demand_path : Path
        See the command `gridcircle coverage`; without demand the buildings of the extract walk.
    out, summary_path : Path
        Written whole or not at all.
    cutoff_s : float
        Seconds.
    profile_name, speed_mps, waits : str, float, str
        How people walk, `geo.standards`.
    max_snap_m : float
        Metres.
    kinds : sequence of str
        Only stations of these kinds; all when empty.
    datum : str
        Of the stations' coordinates.
    progress : callable

    Raises
    ------
    SourceFileError
        If a file cannot be read or written.
    ProfileError
        If the profile, speed or waits are unknown.
    """
    profile = profile_named(profile_name, speed_mps=speed_mps)
    signal_wait_s(waits)
    check_ending(out)
    if summary_path is not None:
        check_ending(summary_path)

    stations = read_station_files(stations_path, datum=datum, kinds=kinds)
    city = read_city_files(
        network_path, demand_path, progress=progress, with_areas=summary_path is not None
    )
    progress("Walking", 0.0)
    walk = snap_city(city, stations.lonlat, profile, waits=waits, max_snap_m=max_snap_m)
    found = walk_coverage(
        city.network, walk.impedance, walk.demand, walk.stations, cutoff_s=cutoff_s
    )

    notes = {
        "cutoff_s": f"{cutoff_s:g}",
        "profile": profile.name,
        "speed_mps": f"{profile.speed_mps:g}",
        "waits": waits,
        "max_snap_m": f"{max_snap_m:g}",
        "network_version": city.network.version,
        "network_source": city.network.source,
    }
    progress("Writing", 0.0)
    write_layers(out, {"coverage": _frame(city, stations.ids, found, out)}, notes=notes)
    if summary_path is not None:
        write_layers(summary_path, {"summary": summarise_areas(city, found, notes)}, notes=notes)

    households = city.demand.households
    known = bool(np.isfinite(households).any())
    return CoverageFileResult(
        out=str(out),
        demand_points=len(found.state),
        stations=len(stations.ids),
        households=float(np.nansum(households)) if known else None,
        states={n: int((found.state == i).sum()) for i, n in enumerate(STATE_NAMES)},
        households_by_state={
            n: float(np.nansum(households[found.state == i])) for i, n in enumerate(STATE_NAMES)
        }
        if known
        else None,
        notes=notes,
        warnings=[*stations.warnings, *city.warnings],
    )


def _frame(
    city: CityFiles, station_ids: NDArray[np.object_], found: Coverage, out: Path
) -> pd.DataFrame:
    nearest = np.full(len(found.state), None, dtype=object)
    reached = found.facility >= 0
    nearest[reached] = station_ids[found.facility[reached]]
    frame = pd.DataFrame(
        {
            "demand_id": city.demand.ids,
            "seconds": found.seconds,
            "station_id": nearest,
            "state": np.asarray(STATE_NAMES, dtype=object)[found.state],
        }
    )
    if out.suffix.lower() in VECTOR_DRIVERS:
        points = gpd.points_from_xy(*city.demand.lonlat.T)
        frame = gpd.GeoDataFrame(frame, geometry=points, crs="EPSG:4326")
    return frame


def summarise_areas(city: CityFiles, found: Coverage, notes: dict[str, str]) -> pd.DataFrame:
    """Sums by state for the whole file and for each administrative area of the map file.

    Returns
    -------
    DataFrame
        One row an area: level, code, name, demand, households, people, then for every state its
        demand points and households, the covered share (of households where they are known, else
        of demand points), and the notes that say how it was computed.
    """
    demand = city.demand
    points = gpd.GeoDataFrame(geometry=gpd.points_from_xy(*demand.lonlat.T), crs="EPSG:4326")
    groups: list[tuple[str, str, str, NDArray[np.int64]]] = [
        ("all", "", "", np.arange(len(demand.ids)))
    ]
    if len(city.areas):
        inside = points.sindex.query(city.areas.geometry.array, predicate="intersects")
        for number, area in enumerate(city.areas.itertuples()):
            members = inside[1][inside[0] == number]
            groups.append((str(area.level), str(area.code), str(area.name), members))
    rows = []
    for level, code, name, members in groups:
        state = found.state[members]
        households = demand.households[members]
        covered_homes = float(np.nansum(households[state == State.COVERED]))
        total = float(np.nansum(households))
        covered, whole = (
            (covered_homes, total)
            if total
            else (float((state == State.COVERED).sum()), float(len(members)))
        )
        row: dict[str, object] = {
            "level": level,
            "code": code,
            "name": name,
            "demand": len(members),
            "households": total,
            "people": float(np.nansum(demand.people[members])),
        }
        for i, state_name in enumerate(STATE_NAMES):
            row[state_name] = int((state == i).sum())
            row[f"{state_name}_households"] = float(np.nansum(households[state == i]))
        row["covered_share"] = round(covered / whole, 6) if whole else np.nan
        rows.append({**row, **notes})
    return pd.DataFrame(rows)
