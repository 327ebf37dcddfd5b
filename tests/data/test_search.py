"""Search by name."""

from __future__ import annotations

import pytest
from town import lonlat

from data.database import Database
from data.errors import InvalidRowError
from data.search import search


def names(town: Database, query: str, limit: int = 20) -> list[str]:
    with town.connect() as connection:
        return [f["properties"]["name"] for f in search(connection, query, limit=limit)]


def test_part_of_a_name_finds_stations_that_are_not_closed(town):
    assert names(town, "驿站") == ["未来驿站", "小哥驿站东", "红色驿站一号"]


def test_the_whole_name_comes_first_then_names_that_begin_with_it(town):
    found = names(town, "2-4号楼")
    assert found[0] == "2-4号楼"
    assert set(found) == {"2-4号楼", "12-4号楼"}


def test_width_and_case_of_letters_do_not_matter(town):
    with town.connect() as connection:
        wide = search(connection, "ｓ１")
    assert wide[0]["properties"]["code"] == "S1"


def test_a_street_of_many_rows_is_found_once_with_the_box_of_all(town):
    with town.connect() as connection:
        (road,) = search(connection, "迎宾大道")
    west, south, east, north = road["bbox"]
    assert (west, east) == pytest.approx((lonlat(0, 0)[0], lonlat(1500, 0)[0]), abs=1e-6)
    assert south == north == pytest.approx(lonlat(0, 500)[1], abs=1e-6)


def test_what_looks_like_a_pattern_is_taken_as_text(town):
    assert names(town, "%") == []
    assert names(town, "_号") == []


def test_the_limit_holds(town):
    assert len(names(town, "号楼", limit=5)) == 5


@pytest.mark.parametrize("query", ["", "  ", "长" * 101])
def test_an_empty_or_endless_text_is_refused(town, query):
    with town.connect() as connection, pytest.raises(InvalidRowError):
        search(connection, query)
