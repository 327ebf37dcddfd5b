"""`gridcircle audit`: a rule set held against a city, files in, a report out, an exit code."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from api.commands.console import errors_for_people, show, stages, warn
from api.commands.options import (
    DatumOption,
    DemandOption,
    JsonOption,
    MaxSnapOption,
    NetworkOption,
    StationsOption,
)
from geo.standards import DEFAULT_MAX_SNAP_M

EXIT_NOT_PASSED = 4
"""The audit was made; the city does not pass."""
EXIT_UNDECIDED = 5
"""The audit was made; data is missing to say whether the city passes."""


def audit(
    network: NetworkOption,
    stations: StationsOption,
    out: Annotated[Path, typer.Option("--out", file_okay=False, help="Folder of the report.")],
    demand: DemandOption = None,
    rules: Annotated[
        str, typer.Option("--rules", help="Rule set by name, or a .toml file, or a rules.json.")
    ] = "circle-10",
    areas: Annotated[
        Path | None,
        typer.Option(
            "--areas",
            exists=True,
            dir_okay=False,
            help="Districts, streets, communities; default: those of the extract.",
        ),
    ] = None,
    compounds: Annotated[
        Path | None,
        typer.Option("--compounds", exists=True, dir_okay=False, help="Compounds (小区)."),
    ] = None,
    grids: Annotated[
        Path | None, typer.Option("--grids", exists=True, dir_okay=False, help="Grids (网格).")
    ] = None,
    premises: Annotated[
        Path | None,
        typer.Option(
            "--premises",
            exists=True,
            dir_okay=False,
            help="Where stations could open; default: the buildings outside.",
        ),
    ] = None,
    previous: Annotated[
        Path | None,
        typer.Option("--previous", exists=True, help="Report folder of an audit to compare with."),
    ] = None,
    max_snap: MaxSnapOption = DEFAULT_MAX_SNAP_M,
    datum: DatumOption = "wgs84",
    as_json: JsonOption = False,
) -> None:
    """Audit (体检) a city against a rule set and write a report.

    Writes summary.json, rules.json, ledger.xlsx, audit.gpkg, report.html, report.en.html,
    report.public.html and report.pdf. Exit code 0: passed; 4: not passed; 5: cannot be said;
    1: an error.
    """
    code = 0
    with errors_for_people(as_json=as_json):
        from data.audits.compare import compare
        from data.audits.conduct import conduct
        from data.audits.files import AuditFiles, read_place, read_summary, write_pack
        from data.rules import open_rule_set
        from maps.audit import report_page
        from maps.audit_pdf import audit_pdf

        chosen = open_rule_set(rules)
        before = read_summary(previous) if previous is not None else None
        files = AuditFiles(network, stations, demand, areas, compounds, grids, premises)
        with stages() as progress:
            place = read_place(files, datum=datum, max_snap_m=max_snap, progress=progress)
            found = conduct(place, chosen, progress=progress)
            changes = compare(before, found.summary) if before is not None else None
            progress("Writing", 0.0)
            made_on = dt.datetime.now(tz=dt.UTC).astimezone().date().isoformat()
            pages: dict[str, str | bytes] = {
                name: report_page(
                    found.summary,
                    found.homes,
                    place.shapes,
                    language=language,
                    made_on=made_on,
                    changes=changes,
                    public=public,
                )
                for name, language, public in (
                    ("report.html", "zh", False),
                    ("report.en.html", "en", False),
                    ("report.public.html", "zh", True),
                )
            }
            pages["report.pdf"] = audit_pdf(
                found.summary, found.homes, place.shapes, language="zh", made_on=made_on
            )
            written = write_pack(out, found, place, changes, pages)
        for warning in place.warnings:
            warn(warning)
        summary = found.summary
        code = {"pass": 0, "fail": EXIT_NOT_PASSED}.get(summary["verdict"], EXIT_UNDECIDED)
        lines = [f"{place.name}: {summary['verdict']} ({chosen.name} {chosen.version})"]
        for rule in summary["rules"]:
            share = rule["value"]
            lines.append(
                f"  {rule['verdict']:8}{rule['id']:22}{rule['numerator']:>12,.0f} / "
                f"{rule['denominator']:,.0f} {rule['unit']}"
                + (f"  {share:.1%}" if share is not None and share <= 1 else "")
            )
        if changes is not None:
            lines.append(
                "  nothing changed since the last audit"
                if changes["same"]
                else f"  {len(changes['areas'])} areas changed since the last audit"
            )
        lines.append(f"Written to {out}")
        show(
            {
                "verdict": summary["verdict"],
                "exit_code": code,
                "digest": summary["digest"],
                "rules": [
                    {k: r[k] for k in ("id", "verdict", "numerator", "denominator", "value")}
                    for r in summary["rules"]
                ],
                "changed": None if changes is None else not changes["same"],
                "files": [str(path) for path in written],
            },
            text="\n".join(lines),
            as_json=as_json,
        )
    if code:
        raise typer.Exit(code)
