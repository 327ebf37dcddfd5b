"""Options that several commands share, so that they are spelt and explained once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from geo.standards import DEFAULT_MAX_SNAP_M, PROFILES, SIGNAL_WAITS_S

NetworkOption = Annotated[
    Path,
    typer.Option(
        "--network",
        exists=True,
        dir_okay=False,
        help="OpenStreetMap extract, .osm or .osm.pbf.",
    ),
]
StationsOption = Annotated[
    Path,
    typer.Option(
        "--stations",
        exists=True,
        dir_okay=False,
        help="Stations: CSV or XLSX with id,lon,lat[,kind,name], or any vector file of points.",
    ),
]
DemandOption = Annotated[
    Path | None,
    typer.Option(
        "--demand",
        exists=True,
        dir_okay=False,
        help="Who walks: a vector file with an id and optional households, people. "
        "Default: the buildings of the extract, their households estimated.",
    ),
]
MinutesOption = Annotated[
    list[float] | None,
    typer.Option("--minutes", min=0.1, max=240, help="Cutoff in minutes; give it once or more."),
]
ProfileOption = Annotated[
    str,
    typer.Option(
        "--profile",
        help="Travel profile: "
        + ", ".join(f"{p.name} ({p.label_en})" for p in PROFILES.values())
        + ".",
    ),
]
SpeedOption = Annotated[
    float | None,
    typer.Option("--speed", help="Metres per second; overrides the profile's speed."),
]
WaitsOption = Annotated[
    str,
    typer.Option(
        "--waits",
        help="Waiting at a signal-controlled crossing: "
        + ", ".join(f"{name} ({seconds:g} s)" for name, seconds in SIGNAL_WAITS_S.items())
        + ".",
    ),
]
MaxSnapOption = Annotated[
    float,
    typer.Option(
        "--max-snap",
        min=0,
        max=5000,
        help=f"Metres a point may lie from a walkable street (default {DEFAULT_MAX_SNAP_M:g}).",
    ),
]
KindsOption = Annotated[
    list[str] | None,
    typer.Option("--kind", help="Only stations of this kind; give it once or more."),
]
DatumOption = Annotated[
    str,
    typer.Option(
        "--datum", help="Datum of the coordinates in the file: wgs84, cgcs2000, gcj02 or bd09."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for machines.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Check and report everything, write nothing.")
]
ActorOption = Annotated[
    str, typer.Option("--actor", help="Who does this, for the history of changes.")
]
