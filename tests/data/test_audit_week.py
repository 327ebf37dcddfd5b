"""The week of an audit reads opening hours as the riders' map does."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.audits.week import HOLIDAY, MONDAY, open_holiday, open_week
from data.opening import opening_at

HOURS = (
    "Mo-Su 08:00-20:00; PH off",
    "Mo-Fr 08:30-12:00,13:30-17:30; PH off",
    "Mo-Fr 08:00-18:00; Sa,Su,PH 09:00-12:00",
    "22:00-02:00",
    "24/7",
    "Fr 18:00-26:00",
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(HOURS), st.integers(0, 167))
def test_every_hour_is_what_the_riders_map_says(hours, hour):
    when = MONDAY + dt.timedelta(hours=hour, minutes=30)
    assert (open_week([hours])[0, hour] == 1) == (opening_at(hours, when).state == "open")


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(HOURS), st.integers(0, 23))
def test_a_holiday_is_what_the_riders_map_says(hours, hour):
    when = HOLIDAY + dt.timedelta(hours=hour, minutes=30)
    assert (open_holiday([hours])[0, hour] == 1) == (opening_at(hours, when).state == "open")


def test_holidays_are_closed_where_hours_say_so_and_not_elsewhere():
    states = open_holiday(HOURS)
    assert states.sum(axis=1).tolist() == [0, 0, 3, 4, 24, 0]


@pytest.mark.parametrize("hours", [None, "", "whenever"])
def test_what_cannot_be_read_is_unknown(hours):
    assert np.unique(open_week([hours])).tolist() == [2]
    assert open_week([]).shape == (0, 168)
