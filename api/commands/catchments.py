"""`gridcircle catchments`: walking catchments of stations, files in and files out."""

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
    MinutesOption,
    NetworkOption,
    ProfileOption,
    SpeedOption,
    StationsOption,
    WaitsOption,
)
from geo.standards import DEFAULT_CUTOFFS_S, DEFAULT_MAX_SNAP_M


def catchments(
    network: NetworkOption,
    stations: StationsOption,
    out: Annotated[
        Path, typer.Option("--out", dir_okay=False, help="File to write: .gpkg, .geojson, …")
    ],
    minutes: MinutesOption = None,
    demand: DemandOption = None,
    profile: ProfileOption = "norm",
    speed: SpeedOption = None,
    waits: WaitsOption = "none",
    max_snap: MaxSnapOption = DEFAULT_MAX_SNAP_M,
    kind: KindsOption = None,
    datum: DatumOption = "wgs84",
    method: Annotated[
        str,
        typer.Option(
            "--method",
            help="Polygon: network (field of remaining walking time) or lines (buffered streets).",
        ),
    ] = "network",
    lines: Annotated[
        bool, typer.Option("--lines", help="Also write the reached streets as a layer.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compute the walking catchment (服务圈) of every station for each cutoff.

    Writes station_id, minutes, reached_m and households with the polygon as geometry.
    Households are counted by routed time, never by the polygon.
    """
    with errors_for_people(as_json=as_json):
        from data.catchment_files import catchments_to_file

        with stages() as progress:
            result = catchments_to_file(
                network,
                stations,
                out,
                cutoffs_s=[round(m * 60) for m in minutes] if minutes else DEFAULT_CUTOFFS_S,
                demand_path=demand,
                profile_name=profile,
                speed_mps=speed,
                waits=waits,
                max_snap_m=max_snap,
                kinds=kind or (),
                datum=datum,
                method=method,
                with_lines=lines,
                progress=progress,
            )
        for warning in result.warnings:
            warn(warning)
        show(result.to_dict(), text=result.describe(), as_json=as_json)
