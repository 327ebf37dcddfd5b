"""Grids of a community as the database takes and gives them, bit by bit: images of an edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import shapely
from sqlalchemy import Connection, text

from data.plans.community import Community
from data.plans.edit_result import EditResult
from data.plans.models import STAFF

_OWN = ("code", "name", "kind", "parent_id", "branch", *STAFF, "crossings", "counts", "geom")
_COLUMNS = ", ".join(("id", "plan_id", "community_id", "version", *_OWN))
_PUT_GRIDS = text(
    f"INSERT INTO plan_grids ({_COLUMNS}) SELECT {_COLUMNS}"
    " FROM jsonb_populate_recordset(NULL::plan_grids, CAST(:rows AS jsonb))"
    " ON CONFLICT (id) DO UPDATE SET " + ", ".join(f"{c} = excluded.{c}" for c in _OWN)
)


def images_of(result: EditResult) -> dict[str, Any]:
    """Make the images ``before`` and ``after`` an edit that `write_images` takes.

    Each has the grids there were, the ids of those there were not, the outline in hexadecimal
    EWKB where it changed, and the buildings that moved with their grids.
    """
    before, after = result.before, result.after
    touched = [*result.changed, *result.removed]
    moved = np.flatnonzero(before.grid_of != after.grid_of)
    outline = before.outline is not after.outline

    def side(of: Community) -> dict[str, Any]:
        return {
            "grids": [of.grids[g].image(of.plan_id, of.id) for g in touched if g in of.grids],
            "gone": [g for g in touched if g not in of.grids],
            "outline": outline_hex(of.outline) if outline else None,
            "buildings": [[int(of.building[n]), int(of.grid_of[n])] for n in moved],
        }

    return {"before": side(before), "after": side(after)}


def outline_hex(outline: shapely.Geometry) -> str:
    """Write an outline as the database takes it: hexadecimal EWKB of a multipolygon."""
    whole = outline if outline.geom_type == "MultiPolygon" else shapely.multipolygons([outline])
    return str(shapely.to_wkb(shapely.set_srid(whole, 4326), hex=True, include_srid=True))


def write_images(
    connection: Connection, plan_id: int, community_id: int, image: Mapping[str, Any]
) -> int:
    """Bring a community to an image of an edit; gives its new version.

    Grids first, then the buildings that move, then the grids that go: no building is ever
    without a grid.
    """
    bound = {"plan": plan_id, "community": community_id}
    version: int = connection.execute(
        text(
            "UPDATE plan_communities SET version = version + 1, pending = true"
            + (", outline = CAST(:outline AS geometry)" if image["outline"] else "")
            + " WHERE plan_id = :plan AND community_id = :community RETURNING version"
        ),
        bound | ({"outline": image["outline"]} if image["outline"] else {}),
    ).scalar_one()
    if image["grids"]:
        put_grids(connection, image["grids"])
    if image["buildings"]:
        connection.execute(
            text(
                "UPDATE plan_buildings b SET grid_id = m.grid FROM"
                " unnest(CAST(:b AS bigint[]), CAST(:g AS bigint[])) AS m (building, grid)"
                " WHERE b.plan_id = :plan AND b.building_id = m.building"
            ),
            bound
            | {
                "b": [b for b, _ in image["buildings"]],
                "g": [g for _, g in image["buildings"]],
            },
        )
    if image["gone"]:
        connection.execute(
            text("DELETE FROM plan_grids WHERE plan_id = :plan AND id = ANY(:ids)"),
            bound | {"ids": image["gone"]},
        )
    return version


def put_grids(connection: Connection, images: Sequence[Mapping[str, Any]]) -> None:
    """Write grids as `GridRow.image` gives them; versions of those there are already go on."""
    connection.execute(_PUT_GRIDS, {"rows": orjson.dumps(images).decode()})


def new_grid_ids(connection: Connection, count: int) -> list[int]:
    """Take the next ids of grids."""
    if not count:
        return []
    given = connection.execute(
        text(
            "SELECT nextval(pg_get_serial_sequence('plan_grids', 'id'))"
            " FROM generate_series(1, :count)"
        ),
        {"count": count},
    )
    return list(given.scalars())


def with_versions(connection: Connection, community: Community, grids: Sequence[int]) -> Community:
    """Give grids the versions the database has raised them to."""
    found = connection.execute(
        text("SELECT id, version FROM plan_grids WHERE id = ANY(:ids)"), {"ids": list(grids)}
    )
    versions = {row.id: row.version for row in found}
    rows = {g: replace(r, version=versions.get(g, r.version)) for g, r in community.grids.items()}
    return replace(community, grids=rows)
