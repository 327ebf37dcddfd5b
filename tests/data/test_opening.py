"""Opening hours: four states, past midnight, Chinese public holidays as they are arranged."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opening_hours import OpeningHours

from data.opening import TIME_ZONE, hours_in_words, opening_at, timeline

DAILY = "Mo-Su 08:00-20:00; PH off"
OFFICE = "Mo-Fr 08:30-12:00,13:30-17:30; PH off"


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=TIME_ZONE)


@pytest.mark.parametrize(
    ("hours", "when", "state", "until"),
    [
        ("24/7", "2026-10-01T03:00", "open", None),
        ("Mo-Su 08:00-20:00", "2026-11-21T12:00", "open", "2026-11-21T20:00"),
        ("Mo-Su 08:00-20:00", "2026-11-21T20:00", "closed", "2026-11-22T08:00"),
        # Past midnight: open at one at night, from the evening before.
        ("22:00-02:00", "2026-11-21T01:00", "open", "2026-11-21T02:00"),
        ("22:00-02:00", "2026-11-21T02:00", "closed", "2026-11-21T22:00"),
        ("Fr 18:00-26:00", "2026-11-21T01:30", "open", "2026-11-21T02:00"),
        ("Sa,Su 09:00-17:00", "2026-11-20T12:00", "closed", "2026-11-21T09:00"),
        # The National Day holiday of 2026 lasts from 1 to 7 October, the Sunday between included.
        (DAILY, "2026-09-30T21:00", "closed", "2026-10-08T08:00"),
        (DAILY, "2026-10-01T12:00", "holiday", "2026-10-08T08:00"),
        (DAILY, "2026-10-04T12:00", "holiday", "2026-10-08T08:00"),
        (DAILY, "2026-10-07T12:00", "holiday", "2026-10-08T08:00"),
        (DAILY, "2026-10-08T12:00", "open", "2026-10-08T20:00"),
        # Spring Festival 2026: 15 February (a Sunday before the eve) is no public holiday by name.
        (OFFICE, "2026-02-17T10:00", "holiday", "2026-02-24T08:30"),
        # A holiday on a day that is closed anyway changes nothing.
        (OFFICE, "2026-10-03T10:00", "closed", "2026-10-08T08:30"),
        # Saturdays and Sundays worked to make up for National Day and Spring Festival.
        (OFFICE, "2025-09-28T10:00", "open", "2025-09-28T12:00"),
        (OFFICE, "2025-10-11T13:00", "closed", "2025-10-11T13:30"),
        (OFFICE, "2026-02-14T10:00", "open", "2026-02-14T12:00"),
        (OFFICE, "2026-02-28T18:00", "closed", "2026-03-02T08:30"),
        (OFFICE, "2026-10-17T10:00", "closed", "2026-10-19T08:30"),
        ("Mo-Fr 08:00-20:00; Sa 09:00-12:00", "2026-10-10T15:00", "open", "2026-10-10T20:00"),
        ("Mo-Fr,PH 22:00-02:00", "2026-10-11T01:00", "open", "2026-10-11T02:00"),
        ("Mo-Fr", "2026-10-10T15:00", "open", "2026-10-11T00:00"),
        # Nothing is said of working days as such.
        ("Sa,Su 09:00-17:00", "2026-10-10T10:00", "open", "2026-10-10T17:00"),
        ("Mo-Su 08:00-20:00; We off", "2026-10-10T10:00", "open", "2026-10-10T20:00"),
        # Other hours on holidays.
        ("Mo-Su 06:00-22:00; PH 09:00-17:00", "2026-05-01T10:00", "open", "2026-05-01T17:00"),
        ("Mo-Su 06:00-22:00; PH 09:00-17:00", "2026-05-01T18:00", "holiday", "2026-05-02T09:00"),
        ("Mo-Fr,PH 09:00-17:00", "2026-10-03T10:00", "open", "2026-10-03T17:00"),
        # Not said, not readable, said to be uncertain.
        (None, "2026-11-21T12:00", "unknown", None),
        ("", "2026-11-21T12:00", "unknown", None),
        ("九点到五点", "2026-11-21T12:00", "unknown", None),
        ("Mo-Su 08:00-20:00 unknown", "2026-11-21T12:00", "unknown", None),
    ],
)
def test_state_and_next_change(hours, when, state, until) -> None:
    found = opening_at(hours, at(when))
    assert found.state == state
    assert found.until == (None if until is None else at(until))


def test_a_moment_of_another_time_zone_is_the_same_moment() -> None:
    utc = dt.datetime(2026, 11, 21, 0, 30, tzinfo=dt.UTC)  # 08:30 in China
    assert opening_at("Mo-Su 08:00-20:00", utc).state == "open"


def test_a_timeline_begins_now_and_alternates() -> None:
    line = timeline(DAILY, at("2026-09-29T12:00"), days=12)
    assert line.minutes[0] == 0
    assert line.minutes == tuple(sorted(set(line.minutes)))
    assert all(a != b for a, b in zip(line.states, line.states[1:], strict=False))
    assert line.states[:4] == ("open", "closed", "open", "closed")
    assert line.states.count("holiday") == 1
    assert line.minutes[-1] <= 12 * 24 * 60


@given(
    st.sampled_from(
        ["24/7", "22:00-02:00", "Mo-Sa 07:00-21:00; Su 09:00-12:00", "Mo-Su 05:30-23:30", "Fr off"]
    ),
    st.datetimes(dt.datetime(2025, 1, 1), dt.datetime(2027, 12, 31)),  # noqa: DTZ001
)
def test_without_holidays_it_agrees_with_the_library_asked_moment_by_moment(hours, when) -> None:
    when = when.replace(second=0, microsecond=0)
    plain = OpeningHours(hours)
    line = timeline(hours, when.replace(tzinfo=TIME_ZONE), days=3)
    for minute in range(0, 3 * 24 * 60, 61):
        moment = when + dt.timedelta(minutes=minute)
        now = [s for m, s in zip(line.minutes, line.states, strict=True) if m <= minute][-1]
        assert (now == "open") == plain.is_open(moment)


@pytest.mark.parametrize(
    ("hours", "chinese", "english"),
    [
        ("24/7", "全天 24 小时", "24 hours a day"),
        ("Mo-Su 07:00-22:00", "每天 07:00–22:00", "daily 07:00–22:00"),
        (OFFICE, "周一至周五 08:30–12:00、13:30–17:30；节假日休息",
         "Mon-Fri 08:30–12:00,13:30–17:30; public holidays closed"),
        ("Sa,Su off", "周六、周日休息", "Sat,Sun closed"),
        (None, "", ""),
        ("   ", "", ""),
    ],
)  # fmt: skip
def test_hours_in_words(hours, chinese, english) -> None:
    assert hours_in_words(hours, "zh") == chinese
    assert hours_in_words(hours, "en") == english
