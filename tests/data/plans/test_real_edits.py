"""Random edits of all kinds in the database on real cells: nothing lost, all undone."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import orjson
import pytest
import shapely
from plan_town import plan_state
from real_cells import CITIES, Place, place
from sqlalchemy import Connection, text

from data.database import Database
from data.errors import ConflictError, InvalidRowError, NotFoundError
from data.plans.cells import cells_of
from data.plans.community import Community, load_community
from data.plans.edits import edit
from data.plans.from_grids import plan_from_grids
from data.plans.given import GivenGrid
from data.plans.undo import redo, undo
from geo.errors import PartitionError

STEPS = 120
CODE = "370303001001"


def write(connection: Connection, here: Place) -> tuple[int, int]:
    """Write a place and a draft of its grids; gives the draft and the community."""
    community = connection.execute(
        text(
            "INSERT INTO areas (code, level, name, geom) VALUES (:code, 'community', '真社区',"
            " ST_Multi(ST_GeomFromWKB(:wkb, 4326))) RETURNING id"
        ),
        {"code": CODE, "wkb": here.outline.wkb},
    ).scalar_one()
    connection.execute(
        text(
            "INSERT INTO buildings (code, kind, households, households_source, people,"
            " people_source, community_id, geom) VALUES (:code, 'multi_storey', :h,"
            " 'surveyed', :p, 'surveyed', :community, ST_Multi(ST_GeomFromWKB(:wkb, 4326)))"
        ),
        [
            {"code": f"b{n}", "h": int(h), "p": int(p), "community": community, "wkb": shape.wkb}
            for n, (h, p, shape) in enumerate(
                zip(here.households, here.people, here.footprints, strict=True)
            )
        ],
    )
    connection.execute(
        text(
            "INSERT INTO base_features (source, source_key, layer, kind, name, min_zoom, geom)"
            " VALUES ('test', :key, 'road', 'residential', :name, 12,"
            " ST_GeomFromWKB(:wkb, 4326))"
        ),
        [
            {"key": f"r{n}", "name": str(name or f"街{n}"), "wkb": street.wkb}
            for n, (street, name) in enumerate(zip(here.streets, here.street_names, strict=True))
        ],
    )
    grids = [
        GivenGrid(f"{CODE}{serial:03d}", f"网格{serial}", "base", CODE, shape)
        for serial, shape in enumerate(here.grids.values(), 1)
    ]
    report = plan_from_grids(connection, "真实", grids, author="test")
    assert report.findings == []
    return report.plan, community


def geojson(shape: shapely.Geometry) -> dict[str, Any]:
    return dict(orjson.loads(shapely.to_geojson(shape)))


def random_request(here: Place, community: Community, rng: np.random.Generator) -> dict[str, Any]:
    bases = [g for g in community.grids.values() if g.kind != "micro"]
    one = bases[int(rng.integers(len(bases)))]
    touching = [g for g in bases if g.id != one.id and g.shape.intersects(one.shape)]
    other = touching[int(rng.integers(len(touching)))] if touching else one
    west, south, east, north = one.shape.bounds
    spot = np.array([rng.uniform(west, east), rng.uniform(south, north)])
    size = np.array([east - west, north - south])
    ring = geojson(shapely.Point(spot).buffer(rng.uniform(0.05, 0.3) * size.min(), 3))
    line = geojson(
        shapely.LineString([spot - size * [1, rng.normal()], spot, spot + size * [1, rng.normal()]])
    )
    corners = shapely.get_coordinates(one.shape)
    corner = corners[int(rng.integers(len(corners)))]
    away = shapely.distance(shapely.points(community.point), one.shape)
    near = np.argsort(np.where(community.grid_of == one.id, np.inf, away))[:12]
    given = rng.choice(near, int(rng.integers(1, 4)), replace=False)
    roads = here.streets[shapely.intersects(here.streets, one.shape)]
    street = np.flatnonzero(here.streets == rng.choice(roads))[0] if len(roads) else 0
    kinds: list[tuple[float, dict[str, Any]]] = [
        (3, {"kind": "split", "grid": one.id, "line": line}),
        (2, {"kind": "split", "grid": one.id,
             "street": str(here.street_names[street] or f"街{street}")}),
        (2.5, {"kind": "merge", "grids": [one.id, other.id]}),
        (2, {"kind": "transfer", "to": one.id, "patch": ring}),
        (6, {"kind": "transfer", "to": one.id,
             "buildings": [int(community.building[n]) for n in given]}),
        (2, {"kind": "draw", "patch": ring,
             "grid_kind": str(rng.choice(["base", "exclusive", "micro"]))}),
        (2, {"kind": "reshape", "between": [one.id, other.id], "line": line}),
        (4, {"kind": "reshape", "vertex": corner.tolist(),
             "to": (corner + rng.normal(0, 0.03, 2) * size).tolist()}),
        (1, {"kind": "rename", "grid": one.id, "name": f"网格{rng.integers(99)}",
             "staff": {"full_time": int(rng.integers(5))}}),
        (1, {"kind": "change_kind", "grid": one.id,
             "grid_kind": "base" if one.kind == "exclusive" else "exclusive"}),
        (0.5, {"kind": "renumber"}),
    ]  # fmt: skip
    weights = np.array([weight for weight, _ in kinds])
    return kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))][1]


@pytest.mark.parametrize("city", CITIES)
def test_any_edits_of_a_real_community_lose_nothing_and_are_all_undone(
    database: Database, city: str
) -> None:
    here = place(city, 0)
    with database.transaction("test") as connection:
        plan, community_id = write(connection, here)
        kept = cells_of(connection, [community_id])[community_id]
    assert shapely.coverage_is_valid(kept.shape)
    assert shapely.area(kept.shape).sum() == pytest.approx(here.outline.area, rel=1e-6)
    rng = np.random.default_rng(3)
    first = plan_state(database, plan)
    total = (here.households.sum(), here.people.sum(), len(here.homes))
    kinds: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    done = undone = 0
    for _ in range(STEPS):
        with database.connect() as connection:
            community = load_community(connection, plan, community_id)
        chance = rng.random()
        try:
            with database.transaction("test") as connection:
                if chance < (0.5 if undone else 0.1):
                    back = not undone or chance < 0.2
                    (undo if back else redo)(connection, plan, author="test")
                    kinds["undo" if back else "redo"] += 1
                    done += -1 if back else 1
                    undone += 1 if back else -1
                else:
                    request = random_request(here, community, rng) | {"community": community_id}
                    edit(connection, plan, request, version=community.version, author="test")
                    kinds[request["kind"]] += 1
                    done += 1
                    undone = 0
        except (PartitionError, InvalidRowError, ConflictError, NotFoundError) as error:
            assert error.remedy  # noqa: PT017 — that it may be refused is the point
            refused[str(error)[:30]] += 1
            continue
        with database.connect() as connection:
            after = load_community(connection, plan, community_id)
        assert after.partition().flaws() == []
        sums = after.sums()
        bases = [g for g, row in after.grids.items() if row.kind != "micro"]
        assert tuple(sum(sums[g][n] for g in bases) for n in range(3)) == total
        areas = shapely.area([after.grids[g].shape for g in bases])
        assert areas.sum() == pytest.approx(here.outline.area, rel=1e-6)
    assert sum(kinds.values()) > STEPS / 2, refused
    assert len(kinds) >= 9, kinds
    assert not [why for why in refused if why.startswith("Boundaries would overlap")]
    for _ in range(done):
        with database.transaction("test") as connection:
            undo(connection, plan, author="test")
    assert plan_state(database, plan) == first
