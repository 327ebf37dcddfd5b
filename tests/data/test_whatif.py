"""What-ifs against audits anew with the change really made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text
from town import lonlat, point, seed_layers, seed_network

from data.audits.conduct import conduct
from data.audits.place import Place
from data.audits.runs import place_of
from data.audits.whatif import what_if
from data.circles import Circles
from data.database import Database
from data.errors import InvalidRowError
from data.rules import open_rule_set
from data.settings import Settings
from geo.crs import project
from geo.links import links_between, with_links

RULES = open_rule_set("circle-10")
RULE = next(rule for rule in RULES.rules if rule.id == "reach-10")


@pytest.fixture
def circles(database: Database, tmp_path: Path) -> Circles:
    with database.transaction("test") as connection:
        seed_layers(connection)
        seed_network(connection)
    return Circles(database, Settings.load(home=tmp_path, database_url=database.url))


def place(circles: Circles) -> Place:
    city = circles.city()
    with circles.database.connect() as connection:
        return place_of(connection, city)


def audited(at: Place) -> float:
    rows = conduct(at, RULES).summary["rules"]
    return float(next(row["numerator"] for row in rows if row["id"] == RULE.id))


def tried(circles: Circles, **change: object) -> dict:
    city = circles.city()
    with circles.database.connect() as connection:
        return what_if(connection, city, RULE, **change)  # type: ignore[arg-type]


def made(circles: Circles, *statements: str) -> None:
    with circles.database.transaction("test") as connection:
        for statement in statements:
            connection.execute(text(statement))


def station(code: str, x: float, y: float) -> str:
    return (
        "INSERT INTO stations (code, kind, name, status, geom, source) VALUES"
        f" ('{code}', 'red_station', '{code}', 'open', ST_GeomFromText('{point(x, y)}', 4326),"
        " 'test')"
    )


@pytest.mark.parametrize(
    ("change", "statements"),
    [
        ({"stations": [lonlat(1205, 303)]}, [station("N1", 1205, 303)]),
        (
            {"stations": [lonlat(1205, 303), lonlat(903, 805)], "closed": ["S2"]},
            [
                station("N1", 1205, 303),
                station("N2", 903, 805),
                "UPDATE stations SET status = 'closed' WHERE code = 'S2'",
            ],
        ),
        ({"closed": ["S1"]}, ["UPDATE stations SET status = 'closed' WHERE code = 'S1'"]),
        (
            {"gates": [lonlat(290, 150)]},
            [
                "INSERT INTO gates (code, name, compound_id, geom, source) VALUES ('G9', '东门',"
                f" (SELECT id FROM compounds), ST_GeomFromText('{point(290, 150)}', 4326), 'test')"
            ],
        ),
    ],
    ids=["station", "stations and one shut", "shut", "gate"],
)
def test_a_change_counts_as_it_does_once_it_is_made(
    circles: Circles, change: dict, statements: list[str]
) -> None:
    before = audited(place(circles))
    told = tried(circles, **change)
    assert told["before"] == before
    made(circles, *statements)
    after = audited(place(circles))
    assert told["after"] == after
    # What is kept belongs to the city as it was: now the change is in it.
    assert tried(circles)["before"] == after


def test_a_footbridge_counts_as_it_does_once_it_is_there(circles: Circles) -> None:
    at = place(circles)
    ends = [lonlat(700, 900), lonlat(800, 900)]
    told = tried(circles, links=[tuple(ends)])
    added = links_between(
        at.network, project(np.array(ends), at.network.crs).reshape(1, 2, 2), reach_m=60
    )
    after = audited(replace(at, network=with_links(at.network, added)))
    assert told["after"] == after > told["before"]
    assert np.abs(np.array(told["paths"]) - [ends]).max() < 1e-5


def test_a_station_walled_in_leaves_by_the_gate_that_opens(circles: Circles) -> None:
    made(circles, "DELETE FROM gates", station("IN", 150, 150))
    inside = {"stations": [lonlat(150, 250)]}
    shut = tried(circles)
    opened = tried(circles, gates=[lonlat(290, 150)], **inside)
    assert opened["after"] >= shut["before"]
    assert opened["lost"] == 0


def test_a_rule_without_a_walk_is_refused(circles: Circles) -> None:
    other = next(rule for rule in RULES.rules if rule.walk is None)
    city = circles.city()
    with circles.database.connect() as connection, pytest.raises(InvalidRowError, match="walking"):
        what_if(connection, city, other)


def test_one_search_serves_all_trials_until_the_city_changes(circles: Circles) -> None:
    city = circles.city()
    tried(circles, stations=[lonlat(1205, 303)])
    tried(circles, closed=["S1"])
    assert len(city.kept_walks) == 1
    made(circles, "UPDATE stations SET name = 'x' WHERE code = 'S1'")
    assert len(circles.city().kept_walks) == 0
