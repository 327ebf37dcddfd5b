"""A whole city into the database: map first, then areas, grids, counts and stations, in order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text

from data.database import Database
from data.importers.grids import import_grids
from data.importers.households import estimate_missing, import_households
from data.importers.keep import write
from data.importers.layers import import_layer
from data.importers.osm_load import import_osm
from data.importers.report import ImportReport
from data.importers.stations import import_stations

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class CitySources:
    """The files of a city; what is None is left out.

    Attributes
    ----------
    osm : Path
        Map: streets, buildings, compounds, base map.
    areas, compounds, grids : Path or None
        Vector files.
    households : Path or None
        Building ledger; without it households are estimated.
    stations : Path or None
        Station ledger or vector file.
    name : str or None
        Name of the city.
    is_sample : bool
        Whether the city is made up.
    """

    osm: Path
    areas: Path | None = None
    compounds: Path | None = None
    grids: Path | None = None
    households: Path | None = None
    stations: Path | None = None
    name: str | None = None
    is_sample: bool = False


def import_city(
    database: Database, sources: CitySources, *, actor: str, progress: Progress
) -> list[ImportReport]:
    """Import the files of a city; each is one transaction, and a second run changes nothing.

    Parameters
    ----------
    database : Database
    sources : CitySources
    actor : str
        Who does this, for the history.
    progress : callable
        Told stage and share done.

    Returns
    -------
    list of ImportReport
        One a file, and one for the estimates.
    """
    reports = [
        import_osm(
            database,
            sources.osm,
            actor=actor,
            name=sources.name,
            is_sample=sources.is_sample,
            progress=progress,
        )
    ]
    for layer in ("areas", "compounds"):
        path = getattr(sources, layer)
        if path is not None:
            reports.append(import_layer(database, path, layer, actor=actor, progress=progress))
    if sources.households is not None:
        reports.append(
            import_households(database, sources.households, actor=actor, progress=progress)
        )
    reports.append(estimate(database, sources.osm, actor=actor, progress=progress))
    if sources.grids is not None:
        reports.append(_grids(database, sources.grids, actor=actor, progress=progress))
    if sources.stations is not None:
        reports.append(import_stations(database, sources.stations, actor=actor, progress=progress))
    return reports


def _grids(database: Database, path: Path, *, actor: str, progress: Progress) -> ImportReport:
    """Publish the grids as a plan, unless one is published: planners' work is not overwritten."""
    with database.connect() as connection:
        published = connection.execute(
            text("SELECT name FROM plans WHERE state = 'published'")
        ).scalar_one_or_none()
        communities = connection.execute(
            text("SELECT count(*) FROM areas WHERE level = 'community'")
        ).scalar_one()
    if published is not None:
        report = ImportReport("grids", path.name)
        if not _was_imported(database, path):
            report.warnings.append(
                f"not read: the plan {published} is published; gridcircle import grids makes a "
                "draft of the file"
            )
        return report
    if not communities:
        return import_layer(database, path, "grids", actor=actor, progress=progress)
    return import_grids(
        database, path, actor=actor, name="现行网格", publish=True, progress=progress
    )


def _was_imported(database: Database, path: Path) -> bool:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with database.connect() as connection:
        found = connection.execute(
            text("SELECT 1 FROM imports WHERE kind = 'grids' AND file_sha256 = :digest LIMIT 1"),
            {"digest": digest},
        ).scalar_one_or_none()
    return found is not None


def estimate(
    database: Database, path: Path, *, actor: str, progress: Progress | None = None
) -> ImportReport:
    """Estimate households of the buildings that no ledger counts, in one transaction.

    Parameters
    ----------
    database : Database
    path : Path
        The map whose footprints are used, for the note of the import.
    actor : str
        Who does this, for the history.
    progress : callable, optional
    """
    if progress is not None:
        progress("Estimating households that no ledger counts", 0.5)
    report = ImportReport("estimate", path.name)

    def rows(connection: Connection) -> None:
        report.updated = estimate_missing(connection)

    return write(database, rows, report, path, actor=actor)


def database_status(database: Database) -> dict[str, object]:
    """What the database holds: its name, the city, the network and rows by layer."""
    with database.connect() as connection:
        city = connection.execute(text("SELECT name, is_sample FROM city")).one_or_none()
        network = connection.execute(
            text("SELECT version, nodes, edges FROM network_versions WHERE is_current")
        ).one_or_none()
        counts = {
            table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
            for table in ("areas", "compounds", "gates", "buildings", "stations", "grids")
        }
        revision = connection.execute(
            text("SELECT version_num FROM gridcircle_revision")
        ).scalar_one()
    return {
        "database": database.name,
        "revision": revision,
        "city": None if city is None else city.name,
        "sample": None if city is None else city.is_sample,
        "network": None if network is None else network.version,
        "network_nodes": 0 if network is None else network.nodes,
        "network_edges": 0 if network is None else network.edges,
        **counts,
    }
