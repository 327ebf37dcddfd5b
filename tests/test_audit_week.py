"""The week of an audit in words."""

from __future__ import annotations

import numpy as np

from data.audits.week import week_summary
from geo.audit import AreaTable
from geo.siting.pairs import pairs_of_seconds
from maps.audit_week import holiday_in_words, week_in_words


def told(hours: list[str], share: float, weights: list[float], near: list[tuple[int, int]]):
    home, site = np.array(near, np.int64).reshape(-1, 2).T
    pairs = pairs_of_seconds(
        home, site, np.zeros(len(home)), demands=len(weights), sites=len(hours)
    )
    from data.audits.week import open_week

    area = AreaTable(
        np.array(["A"], object),
        np.array(["甲社区"], object),
        np.array([""], object),
        np.zeros(len(weights), np.int32),
        np.zeros(len(hours), np.int32),
    )
    return week_summary(
        pairs,
        np.array(weights),
        unit="households",
        hours=hours,
        week=open_week(hours),
        counted=np.arange(len(hours)),
        share=share,
        areas={"community": area},
    )


def test_a_gap_at_noon_on_sundays_is_told():
    week = told(
        ["24/7", "Mo-Sa 00:00-24:00; Su 00:00-12:00,14:00-24:00; PH off"],
        0.95,
        [90, 10],
        [(0, 0), (1, 1)],
    )
    assert week_in_words(week, 0.95, "zh") == ["周日 12–14 时低于 95 %，最低 90 %。"]
    assert week_in_words(week, 0.95, "en") == ["Sundays 12–14 h below 95 %, 90 % at the least."]
    assert holiday_in_words(week, 0.95, "zh") == "法定节假日：24 小时中 0 小时达到要求，最高 90 %。"
    assert week["areas"]["community"][0]["below"] == week["below"]
    assert week["hours_below"] == 2


def test_a_promise_that_is_kept_all_week_is_told_so():
    week = told(["24/7"], 1.0, [5], [(0, 0)])
    assert week_in_words(week, 1.0, "zh") == ["一周每个小时都不低于 100 %。"]


def test_a_promise_that_no_hour_keeps_is_held_against_the_best_hour():
    week = told(["Mo-Fr 08:00-18:00"], 1.0, [80, 20], [(0, 0)])
    said = week_in_words(week, 1.0, "zh")
    assert said[0].startswith("即使所有站点都开放也只有 80 %")
    assert said[1:] == [
        "周一至周五 0–8 时低于最好时段，最低 0 %。",
        "周一至周五 18–24 时低于最好时段，最低 0 %。",
        "周六、周日全天低于最好时段，最低 0 %。",
    ]
    english = week_in_words(week, 1.0, "en")
    assert english[-1] == "Saturdays, Sundays all day below the best hour, 0 % at the least."
