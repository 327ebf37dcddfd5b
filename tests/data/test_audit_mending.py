"""Which change of a gap is named: enough for the least money, else the least a household."""

from __future__ import annotations

import numpy as np

from data.audits.mending import cheapest_first, mended_by_links, mended_by_sites
from geo.siting.pairs import pairs_of_seconds


def test_the_cheapest_that_mends_half_goes_before_one_that_mends_more():
    options = [
        {"kind": "site", "gain": 100, "cost": 90_000},
        {"kind": "gate", "gain": 60, "cost": 10_000},
        {"kind": "link", "gain": 10, "cost": 500},
        {"kind": "footbridge", "gain": 100, "cost": 2e6},
        {"kind": "crossing", "gain": 0, "cost": 1},
    ]
    assert [o["kind"] for o in cheapest_first(options, 100)] == [
        *("gate", "site", "footbridge", "link")
    ]
    few = [o for o in options if o["kind"] in ("link", "site")]
    assert [o["kind"] for o in cheapest_first(few, 1000)] == ["link", "site"]


def test_a_site_is_chosen_by_its_price_where_it_mends_enough():
    # Homes 0 to 9 of 10 households; site 0 stands already, 1 reaches all dearly, 2 six cheaply.
    weight = np.full(10, 10.0)
    zone = np.zeros(10, np.int32)
    home = np.concatenate([np.arange(10), np.arange(6), np.arange(2)])
    site = np.concatenate([np.full(10, 1), np.full(6, 2), np.full(2, 3)])
    pairs = pairs_of_seconds(home, site, np.full(18, 60.0), demands=10, sites=4)
    about = {
        "zones": 1,
        "first": 1,
        "kind": "site",
        "code": np.array(["a", "b", "c"], object),
        "name": np.array(["", "", ""], object),
        "lonlat": np.zeros((3, 2)),
    }
    found = mended_by_sites(pairs, weight, zone, cost=np.array([9e4, 5e4, 10.0]), **about)
    assert [(c["code"], c["gain"], c["cost"]) for c in found[0]] == [("b", 60, 5e4)]
    same = mended_by_sites(pairs, weight, zone, cost=np.full(3, 1e5), **about)
    assert [(c["code"], c["gain"]) for c in same[0]] == [("a", 100)]
    nobody = mended_by_sites(pairs, weight, zone - 1, cost=np.full(3, 1e5), **about)
    assert nobody == [[]]


def test_doubtful_links_count_for_the_zone_they_mend():
    found = mended_by_links(
        np.array([5.0, 6, 7]),
        np.array([0, 1, -1], np.int32),
        np.array([True, False, True]),
        zones=2,
        cost=500,
    )
    assert found == [[{"kind": "link", "gain": 5.0, "cost": 500}], []]
