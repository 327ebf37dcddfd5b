"""Reductions of covering: homes and sites that cannot matter are left out without loss."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geo.kernels import kernel
from geo.siting.pairs import Pairs, pairs_of


@kernel
def _implied_homes(offsets, site, s_offsets, demand, need):  # type: ignore[no-untyped-def]
    """Homes that are covered whenever another home is: its sites are among theirs."""
    gone = need <= 0
    order = np.argsort(offsets[1:] - offsets[:-1], kind="mergesort")
    mark = np.full(len(s_offsets) - 1, -1, np.int64)
    for i in order:
        begin, end = offsets[i], offsets[i + 1]
        if gone[i] or end == begin:
            continue
        rare = site[begin]
        for k in range(begin, end):
            mark[site[k]] = i
            j = site[k]
            if s_offsets[j + 1] - s_offsets[j] < s_offsets[rare + 1] - s_offsets[rare]:
                rare = j
        for k in range(s_offsets[rare], s_offsets[rare + 1]):
            other = demand[k]
            size = offsets[other + 1] - offsets[other]
            if other == i or gone[other] or size < end - begin or need[other] > need[i]:
                continue
            if size == end - begin and need[other] == need[i] and other < i:
                continue
            missed = size - (end - begin)  # this many of the other's sites may be no site of i
            for q in range(offsets[other], offsets[other + 1]):
                if mark[site[q]] != i:
                    missed -= 1
                    if missed < 0:
                        break
            if missed >= 0:
                gone[other] = True
    return gone


@kernel
def _needless_sites(s_offsets, demand, offsets, site, price, fixed, closed):  # type: ignore[no-untyped-def]
    """Sites whose homes another site, no dearer, covers as well."""
    gone = closed.copy()
    mark = np.full(len(offsets) - 1, -1, np.int64)
    order = np.argsort(s_offsets[1:] - s_offsets[:-1], kind="mergesort")
    for j in order:
        begin, end = s_offsets[j], s_offsets[j + 1]
        if gone[j] or fixed[j]:
            continue
        if begin == end:
            gone[j] = True
            continue
        rare = demand[begin]
        for k in range(begin, end):
            i = demand[k]
            mark[i] = j
            if offsets[i + 1] - offsets[i] < offsets[rare + 1] - offsets[rare]:
                rare = i
        for k in range(offsets[rare], offsets[rare + 1]):
            other = site[k]
            size = s_offsets[other + 1] - s_offsets[other]
            if other == j or gone[other] or size < end - begin or price[other] > price[j]:
                continue
            met = 0
            spare = size - (end - begin)
            for q in range(s_offsets[other], s_offsets[other + 1]):
                if mark[demand[q]] == j:
                    met += 1
                else:
                    spare -= 1
                    if spare < 0:
                        break
            if met == end - begin:
                gone[j] = True
                break
    return gone


def reduced_cover(
    pairs: Pairs,
    need: NDArray[np.int32],
    *,
    price: NDArray[np.float64],
    forced: NDArray[np.bool_],
    closed: NDArray[np.bool_],
) -> tuple[Pairs, NDArray[np.int64], NDArray[np.bool_]]:
    """Leave out homes implied by others and sites that others replace, until nothing changes.

    Gives the pairs of the homes left (sites keep their numbers), those homes, and which sites are
    out. Sites are only left out where every need is at most 1.
    """
    missing = need.copy()
    at = np.repeat(forced, np.diff(pairs.site_offsets))
    missing -= np.bincount(pairs.demand[at], minlength=pairs.demands).astype(np.int32)
    single = int(need.max(initial=0)) <= 1
    homes = np.arange(pairs.demands)
    out = closed.copy()
    now = pairs
    for _ in range(4):
        # Forced sites already count in what is missing.
        gone = _implied_homes(
            *_rows(now, out | forced, len(homes)), missing[homes].astype(np.int64)
        )
        kept = np.flatnonzero(~gone)
        before = len(homes), int(out.sum())
        homes = homes[kept]
        now = pairs_of(now, kept)
        if single:
            out = closed | _needless_sites(
                now.site_offsets, now.demand, now.demand_offsets, now.site, price, forced, out
            )
        if (len(homes), int(out.sum())) == before:
            break
    return now, homes, out


def _rows(
    pairs: Pairs, out: NDArray[np.bool_], homes: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64], NDArray[np.int32]]:
    """Offsets and members both ways without the sites that are out."""
    kept = ~out[pairs.site]
    offsets = np.concatenate([[0], np.cumsum(kept)])[pairs.demand_offsets]
    by_site = np.repeat(~out, np.diff(pairs.site_offsets))
    s_offsets = np.concatenate([[0], np.cumsum(by_site)])[pairs.site_offsets]
    assert len(offsets) == homes + 1  # noqa: S101
    return offsets, pairs.site[kept], s_offsets, pairs.demand[by_site]
