"""Homes a boundary or a barrier keeps apart, for the grids an edit has reshaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import shapely
from sqlalchemy import Connection, text

from data.plans.branches import with_branches
from data.plans.community import Community
from geo.grid_rules import barrier_broken, compound_broken

TRUNK_ROADS = ("motorway", "trunk")
RIVERS = ("river", "canal")


def with_crossings(connection: Connection, community: Community, grids: Sequence[int]) -> Community:
    """Work out anew which compounds, trunk roads, railways and rivers part these grids.

    Branches of the whole community are looked at as well: a grid between two others may have gone.
    """
    if not len(grids):
        return with_branches(community)
    rows = dict(community.grids)
    shapes = [rows[g].shape for g in grids]
    west, south, east, north = shapely.total_bounds(shapes).tolist()
    box = {"w": west, "s": south, "e": east, "n": north}
    barriers = [
        (row.rule, row.name, shapely.from_wkb(bytes(row.geom)))
        for row in connection.execute(
            text(
                "SELECT CASE layer WHEN 'water' THEN 'river' ELSE layer END AS rule, name,"
                " ST_AsBinary(geom) AS geom FROM base_features"
                " WHERE geom && ST_MakeEnvelope(:w, :s, :e, :n, 4326)"
                " AND ((layer = 'road' AND kind = ANY(:roads)) OR layer = 'rail'"
                "      OR (layer = 'water' AND kind = ANY(:rivers)))"
                " ORDER BY id"
            ),
            {**box, "roads": list(TRUNK_ROADS), "rivers": list(RIVERS)},
        )
    ]
    compounds = connection.execute(
        text(
            "SELECT k.id, k.name, ST_AsBinary(k.geom) AS geom, array_agg(b.id) AS buildings,"
            " coalesce(sum(b.households), 0) AS households"
            " FROM compounds k JOIN buildings b ON b.compound_id = k.id"
            " WHERE k.geom && ST_MakeEnvelope(:w, :s, :e, :n, 4326)"
            " GROUP BY k.id ORDER BY k.id"
        ),
        box,
    ).all()
    place = {int(b): n for n, b in enumerate(community.building)}
    outlines = [shapely.from_wkb(bytes(k.geom)) for k in compounds]
    members = [np.array([place[b] for b in k.buildings if b in place], int) for k in compounds]
    for grid in grids:
        own = community.grid_of == grid
        inside = [int(community.households[m[own[m]]].sum()) if len(m) else 0 for m in members]
        crossings = (
            *barrier_broken(
                rows[grid].shape, barriers, community.point[own], community.households[own]
            ),
            *compound_broken(
                rows[grid].shape,
                [
                    (k.name, outline, int(k.households), here)
                    for k, outline, here in zip(compounds, outlines, inside, strict=True)
                    if here
                ],
                household_limit=community.limits.households,
            ),
        )
        if crossings != rows[grid].crossings:
            rows[grid] = replace(rows[grid], crossings=crossings)
    return with_branches(replace(community, grids=rows))
