"""`gridcircle design`: propose base grids, files in and files out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from api.commands.console import EXIT_RULE_BROKEN, errors_for_people, show, stages, warn
from api.commands.options import JsonOption
from geo.standards import GRID_PRESETS, GridLimits

_PRESETS = ", ".join(f"{p.name} ({p.label_en})" for p in GRID_PRESETS.values())


def _file(name: str, text: str) -> object:
    return typer.Option(name, exists=True, dir_okay=False, help=text)


def design(
    areas: Annotated[Path, _file("--areas", "Areas with their level; communities are designed.")],
    out: Annotated[
        Path, typer.Option("--out", dir_okay=False, help="File to write: .gpkg, .geojson, …")
    ],
    buildings: Annotated[
        Path | None,
        _file("--buildings", "Footprints or a ledger with households; default: of --network."),
    ] = None,
    network: Annotated[
        Path | None,
        _file("--network", "OpenStreetMap extract: streets, water, rails, compounds, footprints."),
    ] = None,
    streets: Annotated[
        Path | None, _file("--streets", "More lines that bound grids, with an optional kind.")
    ] = None,
    compounds: Annotated[Path | None, _file("--compounds", "Compounds 小区, polygons.")] = None,
    sites: Annotated[
        Path | None, _file("--sites", "Exclusive sites (markets, schools, works), polygons.")
    ] = None,
    stations: Annotated[Path | None, _file("--stations", "Stations, as for coverage.")] = None,
    grids: Annotated[
        Path | None, _file("--grids", "The present plan, polygons with codes.")
    ] = None,
    members: Annotated[
        Path | None,
        _file("--members", "Party members by building code (a count); proposes branches 党支部."),
    ] = None,
    branch_least: Annotated[
        int, typer.Option("--branch-least", min=1, help="Fewest members of a branch.")
    ] = 3,
    branch_most: Annotated[
        int, typer.Option("--branch-most", min=1, help="Most members of a branch.")
    ] = 50,
    staff: Annotated[
        Path | None,
        _file("--staff", "Workers, building heads, unit heads by community code; tells who lacks."),
    ] = None,
    scenario: Annotated[
        str,
        typer.Option(
            "--scenario",
            help="fewest, fresh, least_change (from --grids) or rebalance (--select of --grids).",
        ),
    ] = "fewest",
    preset: Annotated[str, typer.Option("--preset", help=f"Wishes: {_PRESETS}.")] = "standard",
    max_households: Annotated[
        int, typer.Option("--max-households", min=1, help="Limit of a grid.")
    ] = GridLimits().households,
    max_people: Annotated[
        int, typer.Option("--max-people", min=1, help="Limit of a grid.")
    ] = GridLimits().people,
    lock: Annotated[
        list[str] | None,
        typer.Option("--lock", help="Code of a present grid whose cells stay; once or more."),
    ] = None,
    select: Annotated[
        list[str] | None,
        typer.Option("--select", help="Code of a present grid to re-balance; once or more."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed, the same plan.")] = 1,
    effort: Annotated[
        float, typer.Option("--effort", min=0.01, max=100, help="How long to search; 1 is usual.")
    ] = 1.0,
    time_limit: Annotated[
        float | None,
        typer.Option("--time-limit", min=0.1, help="Seconds; the best so far is written."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Propose base grids 基础网格: balanced, in one piece, compact, within the limits.

    Exit code 4: written, but a hard rule cannot be kept everywhere; the report says where and why.
    """
    with errors_for_people(as_json=as_json):
        from data.designs.files import DesignChoices, DesignInputs, design_to_file
        from geo.griddesign import scenario_named

        with stages() as progress:
            result = design_to_file(
                DesignInputs(
                    buildings,
                    areas,
                    network,
                    streets,
                    compounds,
                    sites,
                    stations,
                    grids,
                    members,
                    staff,
                ),
                out,
                DesignChoices(
                    GridLimits(max_households, max_people),
                    preset,
                    scenario_named(scenario),
                    lock or (),
                    select or (),
                    seed,
                    effort,
                    time_limit or math.inf,
                    (branch_least, branch_most),
                ),
                progress=progress,
            )
        for warning in result.warnings:
            warn(warning)
        show(result.to_dict(), text=result.describe(), as_json=as_json)
    if not result.kept:
        raise typer.Exit(EXIT_RULE_BROKEN)
