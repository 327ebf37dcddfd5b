"""Search stays quick where there are very many rows: real plans on 100,000 buildings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from data.database import Database
from data.search import SEARCH_STATEMENTS, search, search_parameters
from data.search_index import grams

BUILDINGS = 100_000
COMMON = "号楼"
QUERIES = (
    "号",  # in nearly every name
    COMMON,
    "1",
    "1号楼",
    "12-7号楼",
    "锦绣",  # in a few hundred addresses
    "路17号",
    "馨",  # in one name
    "馨园幼",
    "馨园幼儿园",
    "没有这个",
    "B0077",  # the beginning of codes
    "路",
)


@pytest.fixture(scope="module")
def large(make_database: Callable[[], Database]) -> Iterator[Database]:
    """A city of 100,000 buildings, a third without a name, and 30,000 pieces of 1,500 streets."""
    database = make_database()
    with database.transaction("test") as connection:
        connection.execute(
            text("""
                INSERT INTO buildings (code, name, address, geom)
                SELECT 'B' || lpad(i::text, 6, '0'),
                       CASE WHEN i % 3 = 0 THEN '' WHEN i % 3 = 1 THEN i % 40 || '号楼'
                            ELSE i % 97 || '-' || i % 23 || '号楼' END,
                       CASE WHEN i % 3 = 0 THEN '' ELSE
                            (ARRAY['锦绣','柳泉','人民','中心','共青团','新村'])[1 + i % 6]
                            || CASE WHEN i % 7 = 0 THEN '大街' ELSE '路' END || i % 400 || '号' END,
                       ST_Multi(ST_Expand(ST_SetSRID(ST_MakePoint(
                            118 + i % 400 * 0.0004, 36 + i / 400 * 0.0004), 4326), 0.0001))
                  FROM generate_series(1, :count) i
            """),
            {"count": BUILDINGS},
        )
        connection.execute(
            text("UPDATE buildings SET name = '馨园幼儿园' WHERE code = 'B004242'"),
        )
        connection.execute(
            text("""
                INSERT INTO base_features (source, source_key, layer, kind, name, geom)
                SELECT 'osm', 'way/' || i, 'road', 'street', CASE WHEN i % 2 = 0 THEN '' ELSE
                       chr(20000 + i % 1500) || chr(20000 + i * 7 % 1500) || '路' END,
                       ST_SetSRID(ST_MakeLine(ST_MakePoint(118 + i * 1e-5, 36),
                                              ST_MakePoint(118 + i * 1e-5, 36.001)), 4326)
                  FROM generate_series(1, 30000) i
            """)
        )
        connection.execute(text("ANALYZE buildings, base_features"))
    yield database
    database.close()


def plans(connection: Connection, query: str) -> list[dict[str, Any]]:
    """What the database does for each rank of a search, measured, until 20 hits are found."""
    bound = search_parameters(connection, query)
    made: list[dict[str, Any]] = []
    for statement in SEARCH_STATEMENTS:
        (plan,) = connection.execute(
            text(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}"), bound | {"limit": 20}
        ).scalar_one()
        made.append(plan)
        if plan["Plan"]["Actual Rows"] == 20:
            break
    return made


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


@pytest.mark.parametrize("query", QUERIES)
def test_every_rank_is_answered_from_an_index(large: Database, query: str) -> None:
    with large.connect() as connection:
        for plan in plans(connection, query):
            scans = [
                (node["Node Type"], node.get("Relation Name"))
                for node in nodes(plan["Plan"])
                if node["Node Type"].endswith("Seq Scan")
            ]
            assert [s for s in scans if s[1] in ("buildings", "base_features")] == []


@pytest.mark.parametrize("query", QUERIES)
def test_a_search_takes_at_most_20_ms_in_the_database(large: Database, query: str) -> None:
    with large.connect() as connection:
        taken = min(
            sum(p["Planning Time"] + p["Execution Time"] for p in plans(connection, query))
            for _ in range(5)
        )
        if taken > 20:
            # The machine may be busy with something else: so is reading every row, then, which
            # takes 100 ms or more.
            (plan,) = connection.execute(
                text(
                    "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) SELECT count(*) FROM buildings"
                    " WHERE strpos(lower(normalize(name, NFKC)), :query) > 0"
                    " OR strpos(lower(normalize(address, NFKC)), :query) > 0"
                ),
                {"query": query},
            ).scalar_one()
            assert taken <= plan["Execution Time"] / 8


def by_scan(connection: Connection, query: str) -> list[tuple[str, int]]:
    """All hits of the same search without any index, as one reads its definition, with ranks."""
    return [
        (row.hit, row.rank)
        for row in connection.execute(
            text("""
                SELECT 'buildings/' || id AS hit, rank FROM (
                SELECT buildings.id, n, code,
                       CASE WHEN n = q THEN 0 WHEN starts_with(n, q) THEN 1
                            WHEN strpos(n, q) > 0 THEN 2
                            WHEN starts_with(lower(code), q) THEN 3 ELSE 4 END AS rank
                  FROM buildings,
                       lower(normalize(name, NFKC)) n, lower(normalize(address, NFKC)) a,
                       lower(normalize(:query, NFKC)) q
                 WHERE strpos(n, q) > 0 OR strpos(a, q) > 0 OR starts_with(lower(code), q)) hits
                 ORDER BY rank, CASE WHEN rank < 3 THEN length(n) END,
                          CASE WHEN rank = 3 THEN code END COLLATE "C", id
            """),
            {"query": query},
        )
    ]


@settings(max_examples=40, deadline=None)
@given(
    query=st.text(alphabet="号楼路街锦绣泉馨园0123456789-bB１％%_\\'", min_size=1, max_size=5),
    limit=st.sampled_from([1, 5, 50]),
)
def test_the_index_finds_what_a_scan_of_all_rows_finds(
    large: Database, query: str, limit: int
) -> None:
    with large.connect() as connection:
        hits = [f["id"] for f in search(connection, query, limit=limit)]
        found = [hit for hit in hits if hit.startswith("buildings/")]
        every = by_scan(connection, query)
    in_order = [hit for hit, rank in every if rank < 4]
    assert found[: len(in_order)] == in_order[: len(found)]
    # Hits by address come in no order.
    assert set(found[len(in_order) :]) <= {hit for hit, rank in every if rank == 4}
    assert len(set(hits)) == len(hits) <= limit
    if len(found) == len(hits):
        assert len(found) == min(limit, len(every))


def test_a_text_holds_all_grams_of_its_parts(database: Database) -> None:
    name = "Ｂ座２-4号楼（北）"
    with database.connect() as connection:
        folded, kept = connection.execute(
            text("SELECT gridcircle_folded(:name), gridcircle_grams(:name)"), {"name": name}
        ).one()
    assert folded == "b座2-4号楼(北)"
    for start in range(len(folded)):
        for end in range(start + 1, len(folded) + 1):
            assert set(grams(folded[start:end])) <= set(kept)


def test_a_name_kept_in_full_width_is_found_by_half_width(database: Database) -> None:
    with database.transaction("test") as connection:
        connection.execute(
            text(
                "INSERT INTO stations (code, kind, name, geom) VALUES ('x', 'red_station',"
                " 'Ｂ座红色驿站', ST_SetSRID(ST_MakePoint(118, 36), 4326))"
            )
        )
    with database.connect() as connection:
        assert [f["properties"]["code"] for f in search(connection, "b座")] == ["x"]
