"""Publications: check list, frozen editions, old ones kept, only published fields."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from town import lonlat, seed_layers, seed_network

from data.circles import Circles
from data.database import Database
from data.editions.base_map import decode, encode
from data.editions.edition import list_editions, public_maps, read_edition
from data.editions.publications import (
    PublicationDraft,
    change_publication,
    create_publication,
    read_publication,
)
from data.editions.publishing import checked_stations, preview_edition, publish, withdraw
from data.editions.reports import add_report, list_reports, resolve_report, without_personal_data
from data.errors import ConflictError, InvalidRowError, NotFoundError, StaleRowError
from data.settings import Settings

DRAFT = PublicationDraft("huantai-riders", "桓台小哥驿站", kinds=("rider_station", "red_station"))


class Desk:
    """A publisher's desk: the made town, its streets in memory."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.circles = Circles(database, settings)
        self.travel = self.circles.travel("norm")

    def write(self, work, *args, **options):
        with self.database.transaction("publisher") as connection:
            return work(connection, *args, **options)

    def sql(self, statement: str, **values):
        with self.database.transaction("publisher") as connection:
            return connection.execute(text(statement), values)

    def publish(self, slug="huantai-riders", *, unready="refuse"):
        seen = self.write(read_publication, slug).version
        city = self.circles.city()
        return self.write(
            publish, slug, city, self.travel, version=seen, editor="李编辑", unready=unready
        )

    def checks(self, slug="huantai-riders"):
        publication = self.write(read_publication, slug)
        found = self.write(checked_stations, publication, self.circles.city(), self.travel)
        return {s.row["name"]: {c.key: c.verdict for c in s.checks} for s in found}


@pytest.fixture
def desk(database: Database, settings: Settings) -> Desk:
    with database.transaction("test") as connection:
        seed_layers(connection)
        seed_network(connection)
        connection.execute(
            text("UPDATE stations SET opening_hours = 'Mo-Su 08:00-22:00', verified_on = :day"),
            {"day": dt.datetime.now(dt.UTC).date() - dt.timedelta(days=10)},
        )
    desk = Desk(database, settings)
    desk.write(create_publication, DRAFT)
    return desk


def test_the_check_list_finds_what_is_missing(desk: Desk) -> None:
    x, y = lonlat(1160, 150)  # 40 m from the nearest streets
    desk.sql(
        "UPDATE stations SET geom = ST_SetSRID(ST_MakePoint(:x, :y), 4326), opening_hours = NULL,"
        " facilities = '{}', verified_on = NULL, published = false,"
        " address = '联系 13812345678' WHERE code = 'S3'", x=x, y=y,
    )  # fmt: skip
    checks = desk.checks()
    assert set(checks) == {"红色驿站一号", "小哥驿站东"}  # open ones of the kinds
    assert set(checks["红色驿站一号"].values()) == {"good"}
    assert checks["小哥驿站东"] == {
        "public": "bad", "personal": "bad", "entrance": "bad", "hours": "bad",
        "facilities": "bad", "verified": "warning", "photo": "good",
    }  # fmt: skip


def test_an_entrance_at_thirty_metres_is_near_and_beyond_is_not(desk: Desk) -> None:
    for metres, verdict in ((29, "good"), (31, "bad")):
        x, y = lonlat(1200 + metres, 150)
        desk.sql(
            "UPDATE stations SET geom = ST_SetSRID(ST_MakePoint(:x, :y), 4326) WHERE code = 'S3'",
            x=x, y=y,
        )  # fmt: skip
        assert desk.checks()["小哥驿站东"]["entrance"] == verdict


def test_ninety_days_without_a_look_are_too_long(desk: Desk) -> None:
    from data.opening import TIME_ZONE

    today = dt.datetime.now(TIME_ZONE).date()
    for days, verdict in ((90, "good"), (91, "warning")):
        desk.sql("UPDATE stations SET verified_on = :d", d=today - dt.timedelta(days=days))
        assert desk.checks()["红色驿站一号"]["verified"] == verdict


def test_stations_that_are_not_ready_stop_an_edition_unless_left_out(desk: Desk) -> None:
    desk.sql("UPDATE stations SET opening_hours = NULL WHERE code = 'S3'")
    with pytest.raises(InvalidRowError, match="小哥驿站东") as error:
        desk.publish()
    assert [f.field.split(".")[2] for f in error.value.faults] == ["hours"]
    with pytest.raises(NotFoundError):
        desk.write(read_edition, "huantai-riders")
    edition = desk.publish(unready="leave_out")
    assert [s["name"] for s in edition.content["stations"]] == ["红色驿站一号"]


def test_an_edition_holds_only_the_published_fields_and_not_its_editor(desk: Desk) -> None:
    desk.publish()
    edition = desk.write(read_edition, "huantai-riders")
    assert edition.number == 1
    assert edition.editor == "李编辑"
    for station in edition.content["stations"]:
        assert set(station) == {
            "id", "kind", "name", "address", "community", "lon", "lat", "hours", "facilities",
            "verified_on", "photo",
        }  # fmt: skip
    left = json.dumps([edition.content, edition.base_map], ensure_ascii=False)
    for internal in ("李编辑", "S2", "S3", "town", "version"):
        assert internal not in left
    assert edition.content["city"] == "试验镇"


def test_editions_are_numbered_and_old_ones_kept_as_they_were(desk: Desk) -> None:
    first = desk.publish()
    desk.sql("UPDATE stations SET name = '新名驿站' WHERE code = 'S2'")
    second = desk.publish()
    assert (first.number, second.number) == (1, 2)
    assert first.digest != second.digest
    old = desk.write(read_edition, "huantai-riders", 1)
    assert "红色驿站一号" in [s["name"] for s in old.content["stations"]]
    now = desk.write(read_edition, "huantai-riders")
    assert "新名驿站" in [s["name"] for s in now.content["stations"]]
    publication = desk.write(read_publication, "huantai-riders")
    assert [e["number"] for e in desk.write(list_editions, publication.id)] == [2, 1]
    for statement in ("UPDATE editions SET editor = 'x'", "DELETE FROM editions"):
        with pytest.raises(DBAPIError, match="stays as it is"):
            desk.sql(statement)


def test_what_is_withdrawn_is_gone_and_comes_back_with_the_next_edition(desk: Desk) -> None:
    desk.publish()
    assert [m["slug"] for m in desk.write(public_maps)] == ["huantai-riders"]
    seen = desk.write(read_publication, "huantai-riders").version
    with pytest.raises(StaleRowError):
        desk.write(withdraw, "huantai-riders", version=seen - 1)
    assert desk.write(withdraw, "huantai-riders", version=seen).state == "withdrawn"
    for number in (None, 1):
        with pytest.raises(NotFoundError):
            desk.write(read_edition, "huantai-riders", number)
    assert desk.write(public_maps) == []
    with pytest.raises(InvalidRowError, match="not published"):
        desk.write(withdraw, "huantai-riders", version=seen + 1)
    assert desk.publish().number == 2
    assert desk.write(read_edition, "huantai-riders", 1).number == 1


def test_area_and_stations_left_out_narrow_the_choice(desk: Desk) -> None:
    seen = desk.write(read_publication, "huantai-riders")
    changed = desk.write(change_publication, "huantai-riders", {"area": "C2"}, version=seen.version)
    assert set(desk.checks()) == {"小哥驿站东"}
    ids = desk.write(checked_stations, changed, desk.circles.city(), desk.travel)
    desk.write(
        change_publication, "huantai-riders", {"left_out": (ids[0].row["id"],)},
        version=changed.version,
    )  # fmt: skip
    with pytest.raises(InvalidRowError, match="No station is left"):
        desk.publish()


def test_a_preview_is_the_edition_to_come_and_keeps_nothing(desk: Desk) -> None:
    publication = desk.write(read_publication, "huantai-riders")
    seen = desk.write(preview_edition, publication, desk.circles.city(), desk.travel)
    made = desk.publish()
    assert seen.content["stations"] == made.content["stations"]
    assert seen.base_map == made.base_map
    assert seen.number == made.number == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("slug", "X"), ("slug", "sw"), ("slug", "a b c"), ("title", " "), ("title", "字" * 81),
     ("title", "找小王 13812345678"), ("kinds", ()), ("kinds", ("shop",))],
)  # fmt: skip
def test_a_publication_that_breaks_a_rule_is_refused_by_field(desk: Desk, field, value) -> None:
    values = {"slug": "another-one", "title": "甲", field: value}
    with pytest.raises(InvalidRowError) as error:
        desk.write(create_publication, PublicationDraft(**values))
    assert [fault.field for fault in error.value.faults] == [field]


def test_a_slug_is_given_once_and_an_area_must_exist(desk: Desk) -> None:
    with pytest.raises(ConflictError):
        desk.write(create_publication, DRAFT)
    with pytest.raises(NotFoundError, match="XX"):
        desk.write(create_publication, PublicationDraft("other-one", "甲", area="XX"))


def test_the_base_map_holds_main_streets_and_what_is_near_stations(desk: Desk) -> None:
    packed = desk.publish().base_map
    assert {name for *_, name, _ in packed["names"]} >= {"迎宾大道"}
    assert len(packed["main"]) >= 1
    assert len(packed["water"]) >= 1
    west, south, east, north = packed["bounds"]
    for part in [*packed["main"], *packed["minor"], *(r for p in packed["water"] for r in p)]:
        line = decode(part)
        assert (line >= [west - 1e-3, south - 1e-3]).all()
        assert (line <= [east + 1e-3, north + 1e-3]).all()
    assert sum(len(str(packed[k])) for k in ("main", "minor", "water", "green", "rail")) < 100_000


@given(st.lists(st.tuples(st.floats(-180, 180), st.floats(-90, 90)), min_size=1, max_size=60))
def test_encoded_lines_come_back_to_a_metre(points) -> None:
    line = np.array(points)
    assert np.abs(decode(encode(line)) - line).max() <= 0.5001e-5


def test_the_encoding_is_the_published_one() -> None:
    # The example of the algorithm's description.
    line = np.array([[-120.2, 38.5], [-120.95, 40.7], [-126.453, 43.252]])
    assert encode(line) == "_p~iF~ps|U_ulLnnqC_mqNvxq`@"


def test_reports_are_kept_with_place_and_time_and_without_persons(desk: Desk) -> None:
    edition = desk.publish()
    station = edition.content["stations"][0]
    note = "门锁了，打 138 1234 5678 或 a.b@qq.com 鲁C12345"
    number = desk.write(add_report, "huantai-riders", edition, station["id"], "closed", note)
    publication = desk.write(read_publication, "huantai-riders")
    (report,) = desk.write(list_reports, publication.id)
    assert report["note"] == "门锁了，打 … 或 … …"
    assert (report["lon"], report["lat"]) == (station["lon"], station["lat"])
    assert report["at"] <= dt.datetime.now(dt.UTC) + dt.timedelta(seconds=5)
    done = desk.write(resolve_report, publication.id, number, actor="李编辑")
    assert (done["state"], done["resolved_by"]) == ("resolved", "李编辑")
    assert desk.write(list_reports, publication.id, state="open") == []
    with pytest.raises(NotFoundError):
        desk.write(resolve_report, publication.id, 999, actor="x")


def test_reports_name_a_reason_and_a_station_of_the_edition(desk: Desk) -> None:
    edition = desk.publish()
    station = edition.content["stations"][0]["id"]
    with pytest.raises(InvalidRowError):
        desk.write(add_report, "huantai-riders", edition, station, "bad", "")
    with pytest.raises(InvalidRowError):
        desk.write(add_report, "huantai-riders", edition, station, "other", "x" * 201)
    with pytest.raises(NotFoundError):
        desk.write(add_report, "huantai-riders", edition, 10**9, "other", "")


def test_one_station_takes_fifty_open_reports_and_no_more(desk: Desk) -> None:
    edition = desk.publish()
    station = edition.content["stations"][0]["id"]
    for _ in range(50):
        desk.write(add_report, "huantai-riders", edition, station, "moved", "")
    with pytest.raises(ConflictError):
        desk.write(add_report, "huantai-riders", edition, station, "moved", "")


@given(st.text(max_size=300))
def test_no_long_number_survives_in_a_note(words: str) -> None:
    kept = without_personal_data(words)
    assert len(kept) <= 200
    assert "\n" not in kept
