"""`gridcircle coverage`: minutes from every home to its nearest station, files in and files out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.commands.console import errors_for_people, show, stages, warn
from api.commands.options import (
    DatumOption,
    DemandOption,
    JsonOption,
    KindsOption,
    MaxSnapOption,
    NetworkOption,
    ProfileOption,
    SpeedOption,
    StationsOption,
    WaitsOption,
)
from geo.standards import DEFAULT_MAX_SNAP_M


def coverage(
    network: NetworkOption,
    stations: StationsOption,
    out: Annotated[
        Path,
        typer.Option("--out", dir_okay=False, help="File to write: .parquet, .csv, .gpkg, …"),
    ],
    minutes: Annotated[
        float, typer.Option("--minutes", min=0.1, max=240, help="Cutoff in minutes.")
    ] = 15,
    demand: DemandOption = None,
    summary: Annotated[
        Path | None,
        typer.Option("--summary", dir_okay=False, help="Also write sums by area as CSV."),
    ] = None,
    profile: ProfileOption = "norm",
    speed: SpeedOption = None,
    waits: WaitsOption = "none",
    max_snap: MaxSnapOption = DEFAULT_MAX_SNAP_M,
    kind: KindsOption = None,
    datum: DatumOption = "wgs84",
    as_json: JsonOption = False,
) -> None:
    """Compute for every demand point the walk to its nearest station.

    Writes demand_id, seconds, station_id and state: covered, gap, unsnapped (no street within
    the limit) or disconnected (on an island of the network).
    """
    with errors_for_people(as_json=as_json):
        from data.coverage_files import coverage_to_file

        with stages() as progress:
            result = coverage_to_file(
                network,
                stations,
                out,
                cutoff_s=round(minutes * 60),
                demand_path=demand,
                summary_path=summary,
                profile_name=profile,
                speed_mps=speed,
                waits=waits,
                max_snap_m=max_snap,
                kinds=kind or (),
                datum=datum,
                progress=progress,
            )
        for warning in result.warnings:
            warn(warning)
        show(result.to_dict(), text=result.describe(), as_json=as_json)
