"""`gridcircle audit`: a rule set held against a city, a pack out, an exit code.

The city comes from files, from an earlier pack, from the database, or from a running service.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.commands.console import Stages, errors_for_people, show, stages, warn
from api.commands.options import ActorOption, DatumOption, DemandOption, JsonOption, MaxSnapOption
from geo.standards import DEFAULT_MAX_SNAP_M

if TYPE_CHECKING:
    from data.audits.place import Place

EXIT_NOT_PASSED = 4
"""The audit was made; the city does not pass."""
EXIT_UNDECIDED = 5
"""The audit was made; data is missing to say whether the city passes."""
EXIT_NOT_REPRODUCED = 6
"""The audit was made again from a pack; its figures are others than those of the pack."""
DEFAULT_RULES = "circle-10"


@dataclass(frozen=True, slots=True)
class _Made:
    """An audit that was made and written."""

    summary: dict[str, Any]
    changes: Mapping[str, Any] | None
    files: list[Path]
    number: int | None = None
    is_new: bool = True


def audit(
    out: Annotated[Path, typer.Option("--out", file_okay=False, help="Folder of the report.")],
    network: Annotated[
        Path | None,
        typer.Option(
            "--network",
            exists=True,
            dir_okay=False,
            help="OpenStreetMap extract, .osm or .osm.pbf.",
        ),
    ] = None,
    stations: Annotated[
        Path | None,
        typer.Option(
            "--stations",
            exists=True,
            dir_okay=False,
            help="Stations: CSV or XLSX with id,lon,lat[,kind,name], or a vector file of points.",
        ),
    ] = None,
    demand: DemandOption = None,
    rules: Annotated[
        str | None,
        typer.Option(
            "--rules",
            help="Rule set by name, or a .toml file, or a rules.json. "
            f"Default {DEFAULT_RULES}; of a pack its own.",
        ),
    ] = None,
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
        Path | None,
        typer.Option(
            "--grids",
            exists=True,
            dir_okay=False,
            help="Grids (网格); a column full_time (专职网格员) counts their workers.",
        ),
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
    pack: Annotated[
        Path | None,
        typer.Option(
            "--pack", exists=True, help="Make the audit of a pack (folder or ZIP) again from it."
        ),
    ] = None,
    service: Annotated[
        str | None,
        typer.Option(
            "--service", help="Let a running service make and keep the audit: its address."
        ),
    ] = None,
    token: Annotated[
        str,
        typer.Option(
            "--token",
            envvar="GRIDCIRCLE_TOKEN",
            show_envvar=True,
            help="API token of an auditor, for --service.",
        ),
    ] = "",
    database: Annotated[
        bool,
        typer.Option(
            "--database", help="Audit the city in the database, and keep the audit there."
        ),
    ] = False,
    previous: Annotated[
        Path | None,
        typer.Option(
            "--previous",
            exists=True,
            help="Report folder of an audit to compare with; --service and --database compare with "
            "the last one they keep.",
        ),
    ] = None,
    max_snap: MaxSnapOption = DEFAULT_MAX_SNAP_M,
    datum: DatumOption = "wgs84",
    actor: ActorOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Audit (体检) a city against a rule set and write a pack.

    Writes summary.json, rules.json, ledger.xlsx, audit.gpkg, report.html, report.en.html,
    report.public.html, report.pdf and inputs/. Exit code 0: passed; 4: not passed; 5: cannot be
    said; 6: a pack was not reproduced; 1: an error.
    """
    code = 0
    with errors_for_people(as_json=as_json):
        from data.audits.files import AuditFiles, read_place, read_summary
        from data.audits.pack import read_pack, reproduces
        from data.errors import SourceFileError

        given = [
            name
            for name, value in (
                ("--network", network),
                ("--pack", pack),
                ("--service", service),
                ("--database", database or None),
            )
            if value is not None
        ]
        if len(given) != 1:
            raise SourceFileError(
                f"{' and '.join(given)} were given together." if given else "No city was given.",
                remedy="Give one of: --network with --stations, --pack, --service, --database.",
            )
        before = read_summary(previous) if previous is not None else None
        packed = None
        with stages() as progress:
            if service is not None:
                made = _by_service(service, token, rules or DEFAULT_RULES, out, progress)
            elif database:
                made = _in_database(rules or DEFAULT_RULES, out, actor, progress)
            elif pack is not None:
                from data.audits.inputs import place_from
                from geo.rulesets import rule_set

                packed = read_pack(pack)
                chosen = _rules_of(rules) if rules else rule_set(packed.rules, origin="rules.json")
                made = _from_place(place_from(packed.inputs), chosen, before, out, progress)
            else:
                if network is None or stations is None:
                    raise SourceFileError(
                        "--stations is missing.", remedy="Give the stations' file with --network."
                    )
                files = AuditFiles(network, stations, demand, areas, compounds, grids, premises)
                chosen = _rules_of(rules or DEFAULT_RULES)
                place = read_place(files, datum=datum, max_snap_m=max_snap, progress=progress)
                made = _from_place(place, chosen, before, out, progress)
        summary = made.summary
        for warning in summary["warnings"]:
            warn(warning)
        code = {"pass": 0, "fail": EXIT_NOT_PASSED}.get(summary["verdict"], EXIT_UNDECIDED)
        reproduced = None
        if packed is not None and rules is None:
            reproduced = reproduces(packed.summary, summary)
            code = code if reproduced else EXIT_NOT_REPRODUCED
        show(
            {
                "verdict": summary["verdict"],
                "exit_code": code,
                "digest": summary["digest"],
                "audit": made.number,
                "is_new": made.is_new,
                "reproduced": reproduced,
                "rules": [
                    {k: r[k] for k in ("id", "verdict", "numerator", "denominator", "value")}
                    for r in summary["rules"]
                ],
                "changed": None if made.changes is None else not made.changes["same"],
                "files": [str(path) for path in made.files],
            },
            text="\n".join([*_lines(made, reproduced=reproduced), f"Written to {out}"]),
            as_json=as_json,
        )
    if code:
        raise typer.Exit(code)


def _is_file(rules: str) -> bool:
    return rules.endswith((".toml", ".json"))


def _rules_of(name: str) -> Any:
    from data.rules import open_rule_set

    return open_rule_set(name)


def _from_place(
    place: Place, rules: Any, before: Mapping[str, Any] | None, out: Path, progress: Stages
) -> _Made:
    from data.audits.compare import compare
    from data.audits.conduct import conduct
    from data.audits.inputs import inputs_of
    from data.audits.pack import write_pack
    from maps.audit_pack import pack_pages

    found = conduct(place, rules, progress=progress)
    changes = compare(before, found.summary) if before is not None else None
    progress("Writing", 0.0)
    made_on = dt.datetime.now(tz=dt.UTC).astimezone().date().isoformat()
    written = write_pack(
        out,
        found.summary,
        found.homes,
        place=place,
        changes=changes,
        pages=pack_pages(
            found.summary, found.homes, place.shapes, made_on=made_on, changes=changes
        ),
        inputs=inputs_of(place),
    )
    return _Made(found.summary, changes, written)


def _in_database(rules: str, out: Path, actor: str, progress: Stages) -> _Made:
    from data.audits.compare import compare
    from data.audits.rulebook import named_rule_set
    from data.audits.runs import last_audit, read_audit, run_audit
    from data.circles import Circles
    from data.database import open_database
    from data.settings import get_settings
    from maps.audit_pack import write_kept_pack

    settings = get_settings()
    with open_database(settings, progress=progress) as opened:
        if _is_file(rules):
            chosen = _rules_of(rules)
        else:
            with opened.connect() as connection:
                chosen = named_rule_set(connection, rules)
        progress("Auditing", 0.2)
        number, is_new = run_audit(opened, Circles(opened, settings).city(), chosen, actor=actor)
        with opened.connect() as connection:
            kept = read_audit(connection, number)
            last = last_audit(connection, chosen.name, before=number)
            before = read_audit(connection, last) if last is not None else None
            progress("Writing", 0.8)
            written = write_kept_pack(connection, kept, before, out)
    changes = compare(before.summary, kept.summary) if before is not None else None
    return _Made(kept.summary, changes, written, number, is_new)


def _by_service(address: str, token: str, rules: str, out: Path, progress: Stages) -> _Made:
    import json

    from api.audit_client import AuditClient
    from data.audits.pack import unzip_pack

    client = AuditClient(address, token)
    try:
        progress("Auditing", 0.1)
        told, is_new = client.make(_rules_of(rules).to_dict() if _is_file(rules) else rules)
        progress("Fetching the pack", 0.7)
        written = unzip_pack(client.pack(told["id"]), out)
    finally:
        client.close()
    changes = out / "changes.json"
    return _Made(
        json.loads((out / "summary.json").read_text("utf-8")),
        json.loads(changes.read_text("utf-8")) if changes in written else None,
        written,
        told["id"],
        is_new,
    )


def _lines(made: _Made, *, reproduced: bool | None) -> list[str]:
    summary = made.summary
    rules = summary["rule_set"]
    lines = [
        f"{summary['city']['name']}: {summary['verdict']} ({rules['name']} {rules['version']})"
    ]
    for rule in summary["rules"]:
        share = rule["value"]
        lines.append(
            f"  {rule['verdict']:8}{rule['id']:22}{rule['numerator']:>12,.0f} / "
            f"{rule['denominator']:,.0f} {rule['unit']}"
            + (f"  {share:.1%}" if share is not None and share <= 1 else "")
        )
    if made.number is not None and not made.is_new:
        lines.append(f"  the city is as it was: audit {made.number} still holds")
    if made.changes is not None:
        lines.append(
            "  nothing changed since the audit before"
            if made.changes["same"]
            else f"  {len(made.changes['areas'])} areas changed since the audit before"
        )
    if reproduced is not None:
        lines.append(
            "  the same figures as in the pack"
            if reproduced
            else "  OTHER figures than in the pack: see which version of Gridcircle wrote it"
        )
    return lines
