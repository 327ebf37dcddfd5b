"""The history that the database writes, and giving rows back from it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from data.database import Database
from data.errors import ConflictError, InvalidRowError, NotFoundError
from data.history import restore, row_at, row_history

SQUARE = "SRID=4326;MULTIPOLYGON(((117 36, 117.1 36, 117.1 36.1, 117 36.1, 117 36)))"


def add(connection: Connection, table: str, **values: Any) -> int:
    columns = ", ".join(values)
    bound = ", ".join(f":{name}" for name in values)
    row: int = connection.execute(
        text(f"INSERT INTO {table} ({columns}) VALUES ({bound}) RETURNING id"), values
    ).scalar_one()
    return row


def add_station(connection: Connection, code: str = "r1", **values: Any) -> int:
    return add(
        connection,
        "stations",
        **{
            "code": code,
            "kind": "red_station",
            "name": "红色驿站",
            "geom": "SRID=4326;POINT(117.95 36.95)",
            **values,
        },
    )


def image(connection: Connection, table: str, row: int) -> tuple[Any, ...]:
    """The row with its geometry as bytes, without version and time."""
    columns = connection.scalars(
        text(
            "SELECT column_name FROM information_schema.columns WHERE table_name = :table"
            " AND table_schema = 'public' AND column_name NOT IN ('version', 'updated_at', 'geom')"
            " ORDER BY ordinal_position"
        ),
        {"table": table},
    )
    return tuple(
        connection.execute(
            text(f"SELECT {', '.join(columns)}, ST_AsEWKB(geom) FROM {table} WHERE id = :row"),
            {"row": row},
        ).one()
    )


def test_insert_change_and_delete_are_written_with_who_when_before_and_after(
    database: Database,
) -> None:
    with database.transaction("甲") as connection:
        row = add_station(connection, facilities=["water", "rest"])
    with database.transaction("乙") as connection:
        connection.execute(text("UPDATE stations SET name = '小哥驿站', kind = 'rider_station'"))
    with database.transaction("丙") as connection:
        connection.execute(text("DELETE FROM stations"))
        now = connection.scalar(text("SELECT now()"))
        deleted, changed, inserted = row_history(connection, "stations", row)

    assert [c.actor for c in (inserted, changed, deleted)] == ["甲", "乙", "丙"]
    assert [c.operation for c in (inserted, changed, deleted)] == ["insert", "update", "delete"]
    assert [c.version for c in (inserted, changed, deleted)] == [1, 2, 2]
    assert inserted.before is None
    assert inserted.after is not None
    assert inserted.after["facilities"] == ["water", "rest"]
    assert inserted.after["geom"] == "0101000020E6100000CDCCCCCCCC7C5D409A99999999794240"
    assert changed.before is not None
    assert changed.after is not None
    assert {k: v for k, v in changed.before.items() if k != "updated_at"} == {
        "name": "红色驿站",
        "kind": "red_station",
        "version": 1,
    }
    assert {k: v for k, v in changed.after.items() if k != "updated_at"} == {
        "name": "小哥驿站",
        "kind": "rider_station",
        "version": 2,
    }
    assert deleted.after is None
    assert deleted.before is not None
    assert deleted.before["name"] == "小哥驿站"
    assert deleted.at == now


def test_a_transaction_rolled_back_leaves_no_history(database: Database) -> None:
    with database.engine.connect() as connection:
        add_station(connection)
        connection.rollback()
        assert connection.scalar(text("SELECT count(*) FROM history")) == 0


def test_a_change_without_a_named_actor_is_by_unknown(database: Database) -> None:
    with database.transaction("甲"):
        pass  # leaves an empty setting in the session
    with database.engine.begin() as connection:
        row = add_station(connection)
        assert row_history(connection, "stations", row)[0].actor == "unknown"


def test_an_update_that_changes_nothing_raises_no_version_and_leaves_no_history(
    database: Database,
) -> None:
    with database.transaction("甲") as connection:
        row = add_station(connection)
        connection.execute(text("UPDATE stations SET name = name, version = version + 5"))
        connection.execute(
            text("UPDATE stations SET geom = ST_SetSRID(ST_MakePoint(117.95, 36.95), 4326)")
        )
        assert connection.scalar(text("SELECT version FROM stations")) == 1
        assert len(row_history(connection, "stations", row)) == 1


def test_a_shift_of_the_last_bit_of_a_coordinate_is_a_change(database: Database) -> None:
    with database.transaction("甲") as connection:
        row = add_station(connection)
        connection.execute(
            text("UPDATE stations SET geom = 'SRID=4326;POINT(117.95000000000002 36.95)'")
        )
        assert [c.operation for c in row_history(connection, "stations", row)] == [
            "update",
            "insert",
        ]


def test_one_statement_writes_one_entry_for_each_row_it_changed(database: Database) -> None:
    with database.transaction("甲") as connection:
        connection.execute(
            text(
                "INSERT INTO premises (code, kind, geom) SELECT 'p' || n, 'shop',"
                " ST_SetSRID(ST_MakePoint(117, 36 + n / 1000.0), 4326)"
                " FROM generate_series(1, 500) n"
            )
        )
        connection.execute(
            text("UPDATE premises SET name = CASE WHEN id % 2 = 0 THEN '店' ELSE name END")
        )
        counts = dict(
            connection.execute(
                text("SELECT operation, count(*) FROM history GROUP BY operation")
            ).all()
        )
        assert counts == {"insert": 500, "update": 250}


def test_what_a_foreign_key_takes_away_is_in_the_history_too(database: Database) -> None:
    with database.transaction("甲") as connection:
        compound = add(connection, "compounds", code="c", geom=SQUARE)
        gate = add(
            connection, "gates", code="g", compound_id=compound, geom="SRID=4326;POINT(117 36)"
        )
        building = add(connection, "buildings", code="b", compound_id=compound, geom=SQUARE)
        connection.execute(text("DELETE FROM compounds"))
        assert row_history(connection, "gates", gate)[0].operation == "delete"
        assert row_history(connection, "buildings", building)[0].after["compound_id"] is None  # type: ignore[index]


def test_history_cannot_be_changed_or_deleted(database: Database) -> None:
    with database.transaction("甲") as connection:
        add_station(connection)
    for statement in (
        "UPDATE history SET actor = '乙'",
        "DELETE FROM history",
        "TRUNCATE history",
        "TRUNCATE stations",
    ):
        with (
            pytest.raises(IntegrityError, match="not allowed"),
            database.transaction("乙") as connection,
        ):
            connection.execute(text(statement))


def test_the_id_of_a_row_does_not_change(database: Database) -> None:
    with database.transaction("甲") as connection:
        add_station(connection)
        with pytest.raises(IntegrityError, match="does not change"), connection.begin_nested():
            connection.execute(text("UPDATE stations SET id = id + 1"))


def test_any_earlier_state_comes_back_to_the_last_bit(database: Database) -> None:
    # Coordinates that no decimal writes exactly.
    with database.transaction("甲") as connection:
        row = add(
            connection,
            "buildings",
            code="b",
            geom="SRID=4326;MULTIPOLYGON(((117.1 36.2, 117.30000000000004 36.2, 117.3 36.4,"
            " 117.1 36.2)))",
            households=0,
            households_source="estimated",
        )
        states = [image(connection, "buildings", row)]
        for change in (
            "floors = 6, floors_source = 'surveyed'",
            "geom = ST_Multi(ST_Buffer(ST_SetSRID(ST_MakePoint(117.7, 36.1), 4326), 0.001))",
            "name = '三号楼 \"东\" \\ 单元', households = NULL, households_source = 'none'",
        ):
            connection.execute(text(f"UPDATE buildings SET {change}"))
            states.append(image(connection, "buildings", row))
        entries = [change.id for change in row_history(connection, "buildings", row)][::-1]
        for entry, state in zip(entries, states, strict=True):
            restore(connection, "buildings", row, entry, side="after")
            assert image(connection, "buildings", row) == state
        for entry, state in zip(entries[1:], states, strict=False):
            restore(connection, "buildings", row, entry)
            assert image(connection, "buildings", row) == state


def test_a_deleted_row_comes_back_with_its_id_and_a_higher_version(database: Database) -> None:
    with database.transaction("甲") as connection:
        row = add_station(connection, area_m2=30.25, published=True, facilities=["aed"])
        connection.execute(text("UPDATE stations SET address = '人民路1号'"))
        before = image(connection, "stations", row)
        connection.execute(text("DELETE FROM stations"))
        entry = row_history(connection, "stations", row)[0]
        restored = restore(connection, "stations", row, entry.id)
        assert restored.version == 3
        assert image(connection, "stations", row) == before
        assert [c.operation for c in row_history(connection, "stations", row)][:2] == [
            "insert",
            "delete",
        ]
        # and the next new row does not collide with it
        assert add_station(connection, "r2") > row


def test_a_row_comes_back_without_links_to_what_is_gone(database: Database) -> None:
    with database.transaction("甲") as connection:
        area = add(connection, "areas", code="a", level="community", name="甲社区", geom=SQUARE)
        row = add_station(connection, community_id=area)
        connection.execute(text("DELETE FROM stations"))
        connection.execute(text("DELETE FROM areas"))
        entry = row_history(connection, "stations", row)[0]
        restored = restore(connection, "stations", row, entry.id)
        assert restored.unlinked == ("community_id",)


def test_an_entrance_does_not_come_back_without_its_building(database: Database) -> None:
    with database.transaction("甲") as connection:
        building = add(connection, "buildings", code="b", geom=SQUARE)
        row = add(
            connection, "entrances", code="e", building_id=building, geom="SRID=4326;POINT(117 36)"
        )
        connection.execute(text("DELETE FROM buildings"))
        entry = row_history(connection, "entrances", row)[0]
        with pytest.raises(ConflictError, match="buildings"), connection.begin_nested():
            restore(connection, "entrances", row, entry.id)
        restore(
            connection, "buildings", building, row_history(connection, "buildings", building)[0].id
        )
        restore(connection, "entrances", row, entry.id)


def test_a_code_given_to_another_row_is_not_taken_back(database: Database) -> None:
    with database.transaction("甲") as connection:
        row = add_station(connection)
        connection.execute(text("DELETE FROM stations"))
        add_station(connection)
        entry = row_history(connection, "stations", row)[0]
        with pytest.raises(ConflictError, match="exists already"):
            restore(connection, "stations", row, entry.id)


def test_undoing_an_insert_is_refused_with_what_to_do_instead(database: Database) -> None:
    with database.transaction("甲") as connection:
        row = add_station(connection)
        entry = row_history(connection, "stations", row)[0]
        with pytest.raises(InvalidRowError, match="no row") as caught:
            restore(connection, "stations", row, entry.id)
        assert "Delete" in caught.value.remedy


def test_a_change_of_another_row_is_not_found(database: Database) -> None:
    with database.transaction("甲") as connection:
        one, other = add_station(connection), add_station(connection, "r2")
        entry = row_history(connection, "stations", one)[0]
        with pytest.raises(NotFoundError):
            restore(connection, "stations", other, entry.id, side="after")
        with pytest.raises(NotFoundError):
            row_history(connection, "history", 1)


def test_history_is_read_page_by_page(database: Database) -> None:
    with database.transaction("甲") as connection:
        row = add_station(connection)
        for number in range(5):
            connection.execute(text("UPDATE stations SET name = :n"), {"n": f"驿站{number}"})
        whole = row_history(connection, "stations", row)
        first = row_history(connection, "stations", row, limit=4)
        rest = row_history(connection, "stations", row, limit=4, older_than=first[-1].id)
        assert first + rest == whole
        assert len(whole) == 6
        assert whole[-1].to_dict()["after"]["geom"] == {
            "type": "Point",
            "coordinates": [117.95, 36.95],
        }


CHANGES = st.lists(
    st.one_of(
        st.tuples(
            st.just("name"),
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20),
        ),
        st.tuples(st.just("area_m2"), st.one_of(st.none(), st.floats(1e-6, 1e6))),
        st.tuples(
            st.just("geom"),
            st.tuples(st.floats(-180, 180), st.floats(-90, 90)).map(
                lambda p: f"SRID=4326;POINT({p[0]!r} {p[1]!r})"
            ),
        ),
        st.tuples(st.just("facilities"), st.lists(st.sampled_from(["rest", "water", "aed"]))),
        st.tuples(st.just("delete"), st.none()),
    ),
    min_size=1,
    max_size=8,
)


@given(changes=CHANGES)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_the_state_after_every_change_can_be_had_whatever_came_later(
    database: Database, changes: list[tuple[str, Any]]
) -> None:
    with database.engine.connect() as connection:  # rolled back
        row = add_station(connection)
        states = [image(connection, "stations", row)]
        for column, value in changes:
            if column == "delete":
                connection.execute(text("DELETE FROM stations WHERE id = :row"), {"row": row})
                entry = row_history(connection, "stations", row)[0]
                assert row_at(connection, "stations", row, entry.id, side="after") is None
                restore(connection, "stations", row, entry.id)
            else:
                connection.execute(
                    text(f"UPDATE stations SET {column} = :value WHERE id = :row"),
                    {"value": value, "row": row},
                )
            state = image(connection, "stations", row)
            if state != states[-1]:
                states.append(state)
        entries = row_history(connection, "stations", row)[::-1]
        seen = []
        for entry in entries:
            if entry.operation == "delete":
                continue
            restore(connection, "stations", row, entry.id, side="after")
            if not seen or image(connection, "stations", row) != seen[-1]:
                seen.append(image(connection, "stations", row))
        assert seen == states
