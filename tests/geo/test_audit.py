"""Rule sets held against a made town, every figure counted again by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.rules import open_rule_set, rule_set_names
from geo.audit import (
    AreaTable,
    Homes,
    Reason,
    StationTable,
    Walked,
    accessibility,
    evaluate,
    hour_of,
    reasons,
    second_nearest,
    supply_for,
)
from geo.rulesets import RuleSetError, rule_set
from geo.siting import pairs_of_seconds

KINDS = ("service_centre", "red_station", "rider_station")


def made_city(seed: int, n: int = 60, m: int = 8):
    """Homes and stations on a square, walks 1.3 times the straight line at 1 m/s."""
    rng = np.random.default_rng(seed)
    xy, station_xy = rng.uniform(0, 2500, (n, 2)), rng.uniform(0, 2500, (m, 2))
    homes = Homes(
        rng.integers(0, 60, n).astype(float),
        rng.integers(0, 150, n).astype(float),
        rng.random(n) < 0.2,
        xy,
    )
    stations = StationTable(
        np.array([KINDS[k] for k in rng.integers(0, 3, m)], object),
        [frozenset(["rest"] if k else []) for k in rng.integers(0, 2, m)],
        np.where(rng.random(m) < 0.2, np.nan, rng.uniform(20, 400, m).round()),
        rng.integers(0, 3, (m, 168)).astype(np.uint8),
        station_xy,
    )
    away = np.hypot(*(xy[:, None] - station_xy[None]).transpose(2, 0, 1)) * 1.3
    areas = {}
    for level, step in (("community", 1250), ("grid", 625), ("compound", 500)):
        columns = 2500 // step
        code = np.array([f"{level}{i}" for i in range(columns**2)], object)

        def inside(points, step=step, columns=columns):
            cell = (points // step).astype(int)
            return (cell[:, 0] * columns + cell[:, 1]).astype(np.int32)

        home = inside(xy)
        home[0] = -1
        areas[level] = AreaTable(
            code, code, np.full(len(code), "", object), home, inside(station_xy)
        )
    return homes, stations, areas, away


def walks_of(rules, homes, stations, away):
    found = {}
    for rule in rules.rules:
        key = rule.walk
        if key is None or key in found:
            continue
        rows = stations.chosen(key.stations, key.facility, key.at)
        mask = np.zeros(away.shape[1], bool)
        mask[rows] = True
        demand, site = np.nonzero((away <= 1800) & mask)
        pairs = pairs_of_seconds(
            demand, site, away[demand, site], demands=len(away), sites=away.shape[1]
        )
        some = np.where(mask, away, np.inf)
        nearest = some.min(1, initial=np.inf)
        found[key] = Walked(
            np.where(np.isfinite(nearest), nearest, np.nan),
            (some.argmin(1) if some.shape[1] else np.full(len(away), -1)).astype(np.int32),
            np.zeros(len(away), np.uint8),
            pairs,
        )
    return found


@pytest.mark.parametrize("name", rule_set_names())
@pytest.mark.parametrize("seed", range(3))
def test_every_rule_counts_what_a_recount_counts(name, seed):
    homes, stations, areas, away = made_city(seed)
    rules = open_rule_set(name)
    result = evaluate(rules, homes, stations, areas, walks_of(rules, homes, stations, away))
    for found in result.rules:
        rule = found.rule
        if rule.kind in ("reach", "redundancy"):
            key = rule.walk
            rows = stations.chosen(key.stations, key.facility, key.at)
            within = (np.rint(away[:, rows] * 1000) <= np.rint(rule.cutoff_s * 1000)).sum(1)
            meets = within >= rule.terms.get("count", 1)
            assert found.numerator == homes.households[meets].sum()
            assert found.denominator == homes.households.sum()
            assert (found.verdict == "pass") == (found.numerator >= rule.share * found.denominator)
            for level, table in areas.items():
                frame = found.areas[level].set_index("code")
                assert frame["denominator"].sum() == homes.households.sum()
                assert frame["numerator"].sum() == found.numerator
                first = table.home == 0
                if first.any():
                    assert frame.loc[table.code[0], "numerator"] == (
                        homes.households[first & meets].sum()
                    )
        elif rule.kind == "presence":
            table = areas[rule.terms["level"]]
            rows = stations.chosen(tuple(rule.terms["stations"]))
            good = whole = 0
            for a in range(len(table.code)):
                if homes.households[table.home == a].sum() >= 1:
                    whole += 1
                    good += bool((table.station[rows] == a).sum() >= 1)
            assert (found.numerator, found.denominator) == (good, whole)
        elif rule.kind == "size":
            table = areas["grid"]
            households = [homes.households[table.home == a].sum() for a in range(16)]
            people = [homes.people[table.home == a].sum() for a in range(16)]
            if rule.terms.get("mean"):
                assert found.value == pytest.approx(np.mean(households))
            else:
                small = (np.array(households) <= 300) & (np.array(people) <= 1000)
                assert (found.numerator, found.denominator) == (small.sum(), 16)
        elif "households_per_station" in rule.terms:
            table = areas["community"]
            rows = stations.chosen(tuple(rule.terms["stations"]))
            for row in found.areas["community"].itertuples():
                a = list(table.code).index(row.code)
                needed = -(-homes.households[table.home == a].sum() // 3000)
                assert (row.numerator, row.denominator) == (
                    (table.station[rows] == a).sum(),
                    needed,
                )
        elif rule.kind == "staffing":
            assert found.verdict == "unknown"
        elif rule.kind == "hours":
            rows = stations.chosen(tuple(rule.terms["stations"]))
            assert found.denominator == len(rows)
            assert found.numerator == (stations.week[rows] == 1).all(axis=1).sum()


def test_the_verdict_is_that_of_the_binding_rules_alone():
    homes, stations, areas, away = made_city(2)
    near = np.minimum(away, 100.0)

    def verdict(*rules):
        made = rule_set(
            {"name": "x", "version": "1", "title_zh": "甲", "rules": list(rules)}, origin="x"
        )
        return evaluate(made, homes, stations, areas, walks_of(made, homes, stations, near))

    easy = {"id": "a", "kind": "reach", "title_zh": "甲", "minutes": 15}
    hard = {"id": "b", "kind": "reach", "title_zh": "乙", "minutes": 0.1}
    unknown = {
        "id": "c",
        "kind": "staffing",
        "title_zh": "丙",
        "level": "grid",
        "households_per_worker": 300,
    }
    assert verdict(easy).verdict == "pass"
    assert verdict(easy, hard).verdict == "fail"
    assert verdict(easy, hard | {"binding": False}).verdict == "pass"
    assert verdict(easy, unknown).verdict == "unknown"
    assert verdict(hard, unknown).verdict == "fail"
    only = verdict(hard | {"binding": False})
    assert (only.verdict, only.advisory) == ("fail", True)


def test_a_city_without_stations_or_homes_gets_an_answer():
    rules = open_rule_set("circle-10")
    homes, stations, areas, away = made_city(1)
    none = StationTable(
        stations.kind[:0],
        [],
        stations.area_m2[:0],
        stations.week[:0],
        stations.xy[:0],
    )
    bare = {
        level: AreaTable(t.code, t.name, t.parent, t.home, t.station[:0])
        for level, t in areas.items()
    }
    result = evaluate(rules, homes, none, bare, walks_of(rules, homes, none, away[:, :0]))
    assert result.verdict == "fail"
    assert result.rules[0].numerator == 0
    nobody = Homes(*(getattr(homes, f)[:0] for f in ("households", "people", "estimated", "xy")))
    empty = {
        level: AreaTable(t.code, t.name, t.parent, t.home[:0], t.station)
        for level, t in areas.items()
    }
    result = evaluate(rules, nobody, stations, empty, walks_of(rules, nobody, stations, away[:0]))
    assert result.rules[0].verdict == "unknown"


def test_areas_of_stations_of_unknown_size_are_not_called_failing():
    homes, stations, areas, _ = made_city(3)
    table = areas["community"]
    unknown = StationTable(
        np.full(8, "service_centre", object),
        stations.facilities,
        np.full(8, np.nan),
        stations.week,
        stations.xy,
    )
    made = open_rule_set("circle-10")
    rule = next(r for r in made.rules if r.kind == "capacity")
    small = rule_set(
        {
            "name": "x",
            "version": "1",
            "title_zh": "甲",
            "rules": [
                {"id": "a", "kind": "capacity", "title_zh": "甲", "basis": "ours", **rule.terms}
            ],
        },
        origin="x",
    )
    found = evaluate(small, homes, unknown, areas, {}).rules[0]
    frame = found.areas["community"].set_index("code")
    for code in frame.index:
        a = list(table.code).index(code)
        expected = "unknown" if (table.station == a).any() else "fail"
        assert frame.loc[code, "verdict"] == expected


def capacity(**terms):
    rule = {"id": "a", "kind": "capacity", "title_zh": "甲", "level": "community"} | terms
    return rule_set({"name": "x", "version": "1", "title_zh": "甲", "rules": [rule]}, origin="x")


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.lists(st.none() | st.integers(0, 40), min_size=8, max_size=8),
    st.sampled_from([0.5, 3, 10]),
    st.none() | st.integers(1, 30),
)
def test_places_are_held_against_households_area_by_area(seed, counted, per_100, least):
    homes, stations, areas, _ = made_city(seed)
    places = np.array([np.nan if p is None else p for p in counted])
    stations = replace(stations, places=places)
    terms = {"places_per_100_households": per_100}
    if least is not None:
        terms["min_places"] = least
    found = evaluate(capacity(**terms), homes, stations, areas, {}).rules[0]
    table, frame = areas["community"], found.areas["community"].set_index("code")
    verdicts = []
    for a, code in enumerate(table.code):
        households = int(homes.households[table.home == a].sum())
        if households < 1:
            assert code not in frame.index
            continue
        here = [p for p, of in zip(counted, table.station, strict=True) if of == a]
        # Whole places: the least number that keeps the ratio, counted in tenths without rounding.
        needed = max(-(-households * round(per_100 * 10) // 1000), least or 0)
        seen = sum(p for p in here if p is not None)
        verdict = "pass" if seen >= needed else "unknown" if None in here else "fail"
        verdicts.append(verdict)
        row = frame.loc[code]
        assert (row["numerator"], row["denominator"], row["verdict"]) == (seen, needed, verdict)
    assert (found.numerator, found.denominator) == (verdicts.count("pass"), len(verdicts))
    assert found.facts["areas_unknown"] == verdicts.count("unknown")
    assert found.facts["stations_without_places"] == counted.count(None)
    whole = "fail" if "fail" in verdicts else "unknown" if "unknown" in verdicts else "pass"
    assert found.verdict == whole


def test_where_nobody_counted_places_a_rule_on_them_is_unknown_wherever_a_station_stands():
    homes, stations, areas, _ = made_city(3)
    found = evaluate(capacity(places_per_100_households=3), homes, stations, areas, {}).rules[0]
    table, frame = areas["community"], found.areas["community"].set_index("code")
    for code in frame.index:
        a = list(table.code).index(code)
        assert frame.loc[code, "verdict"] == ("unknown" if (table.station == a).any() else "fail")


@pytest.mark.parametrize(
    "terms",
    [
        {"m2_per_100_households": 30, "places_per_100_households": 3},
        {"m2_per_100_households": 30, "min_places": 3},
        {"places_per_100_households": 3, "households_per_station": 3000},
    ],
)
def test_a_rule_counts_one_capacity(terms):
    with pytest.raises(RuleSetError, match="at once"):
        capacity(**terms)


def test_access_shares_out_places_where_a_rule_counts_them():
    homes, stations, _, away = made_city(5)
    rules = open_rule_set("circle-10")
    walked = walks_of(rules, homes, stations, away)[rules.rules[0].walk]
    seats = np.arange(8.0)
    by_places, by_area = capacity(places_per_100_households=3), capacity(m2_per_100_households=30)
    counted = replace(stations, places=seats, area_m2=np.full(8, 100.0))
    assert supply_for(by_places, counted) == "places"
    assert supply_for(by_area, counted) == "area_m2"
    assert supply_for(by_places, replace(counted, places=None)) == "area_m2"
    assert supply_for(by_area, replace(counted, area_m2=np.full(8, np.nan))) == "places"

    def shared(stations, supply):
        figures = accessibility(
            homes,
            stations,
            walked,
            np.zeros(len(away)),
            cutoff_s=600,
            radius_m=600,
            supply=supply,
        )
        return figures.supply, figures.access

    # The same numbers, whatever they count.
    name, access = shared(counted, "places")
    assert name == "places"
    assert np.array_equal(access, shared(replace(counted, area_m2=seats), "area_m2")[1])
    assert not np.array_equal(access, shared(counted, "area_m2")[1])
    assert shared(replace(counted, places=np.zeros(8)), "places")[0] == "stations"


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(0, 6))
def test_hours_second_stations_and_reasons_agree_with_a_recount(seed, n, m):
    homes, stations, _, away = made_city(seed, n, m)
    rules = open_rule_set("circle-10")
    walked = walks_of(rules, homes, stations, away)[rules.rules[0].walk]
    rows = stations.chosen(("red_station", "service_centre"))
    near = np.full_like(away, np.inf)
    near[:, rows] = np.where(
        np.rint(away[:, rows] * 1000) <= 600_000, np.rint(away[:, rows] * 1000) / 1000, np.inf
    )
    ranked = np.sort(near, axis=1)
    second = second_nearest(walked.pairs.within(600_000))
    expected = ranked[:, 1] if m > 1 else np.full(n, np.inf)
    assert np.array_equal(np.isfinite(second), np.isfinite(expected))
    assert np.allclose(second[np.isfinite(second)], expected[np.isfinite(second)])
    meets = np.isfinite(near).any(1)
    straight = (away[:, rows] / 1.3).min(1) if len(rows) else np.full(n, np.inf)
    why = reasons(homes, walked, straight, cutoff_s=600, speed_mps=1.0, meets=meets)
    assert np.array_equal(why == Reason.NONE, meets)
    assert np.array_equal(why == Reason.DETOUR, ~meets & (straight <= 600))
    figures = accessibility(homes, stations, walked, straight, cutoff_s=600, radius_m=600)
    assert np.array_equal(figures.falsely_covered, (straight <= 600) & ~meets & (homes.weight > 0))
    reached = np.isfinite(walked.seconds)
    assert sum(w for _, _, w in figures.histogram) == homes.weight[reached].sum()


def test_buildings_with_several_entrances_walk_from_the_best():
    pairs = pairs_of_seconds(
        np.array([0, 1, 2, 2]),
        np.array([0, 0, 0, 1]),
        np.array([9.0, 5, 7, 3]),
        demands=3,
        sites=2,
    ).grouped(np.array([0, 0, 1], np.int32), 2)
    assert pairs.demand.tolist() == [0, 1, 1]
    assert pairs.cost.tolist() == [5000, 7000, 3000]
    assert pairs.demand_offsets.tolist() == [0, 1, 3]


def test_hours_of_the_week_begin_on_monday():
    assert (hour_of("Mo 00:00"), hour_of("We 19:00"), hour_of("Su 23:00")) == (0, 67, 167)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "magic"}, "kind 'magic' is not in the list"),
        ({"metres": 5}, "neither or both of minutes and metres"),
        ({"minutes": -1}, "minutes -1 is not a number above 0"),
        ({"share": 2}, "share 2"),
        ({"at": "sometimes"}, "at 'sometimes' is no weekday and hour"),
        ({"at": "We 19:30"}, "is no weekday and hour"),
        ({"stations": "red_station"}, "is no list of kinds"),
        ({"profile": "bird"}, "profile 'bird'"),
        ({"colour": 1}, "no field 'colour'"),
        ({"id": ""}, "it has no id"),
        ({"basis": "hearsay"}, "basis 'hearsay'"),
    ],
)
def test_a_wrong_rule_is_named(change, message):
    rule = {"id": "a", "kind": "reach", "title_zh": "甲", "minutes": 15} | change
    with pytest.raises(RuleSetError, match=message):
        rule_set({"name": "x", "version": "1", "title_zh": "甲", "rules": [rule]}, origin="x.toml")


def test_numbers_not_seen_in_a_text_do_not_bind():
    for name in rule_set_names():
        for rule in open_rule_set(name).rules:
            assert not rule.binding or rule.basis in ("text", "report"), (name, rule.id)


def test_unknown_rule_sets_are_named(tmp_path):
    with pytest.raises(RuleSetError, match="circle-10"):
        raise_remedy("circle-99")
    own = tmp_path / "own.toml"
    own.write_text("name = ", "utf-8")
    with pytest.raises(RuleSetError, match="neither TOML"):
        open_rule_set(str(own))
    with pytest.raises(RuleSetError, match="cannot be read"):
        open_rule_set(str(tmp_path / "none.toml"))


def raise_remedy(name):
    try:
        open_rule_set(name)
    except RuleSetError as error:
        raise RuleSetError(error.remedy) from error
