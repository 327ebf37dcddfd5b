"""Which lot becomes what: parks, schools, works, markets and the five kinds of compound."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from data.sample.lots import Lot
from data.sample.plan import TownPlan
from data.sample.size import TownSize

Scores = NDArray[np.float64]

COMPOUND_ORDER = ("urban_village", "new", "work_unit", "courtyard")
"""Kinds of compound inside the ring, those that need most room first."""

_BEST_HA = {
    "urban_village": (2.6, 5.5),
    "new": (2.0, 4.4),
    "work_unit": (1.2, 2.6),
    "courtyard": (0.7, 2.0),
}
_ZONE = {
    "urban_village": {"old": -0.6, "inner": -0.2, "outer": 0.9, "works": 0.0},
    "new": {"old": -1.5, "inner": 0.3, "outer": 0.35, "works": -1.0},
    "work_unit": {"old": 0.0, "inner": 0.3, "outer": 0.2, "works": -0.8},
    "courtyard": {"old": 1.6, "inner": 0.5, "outer": -0.3, "works": -2.0},
}


_LEFTOVER: dict[str, tuple[tuple[str, float], ...]] = {
    "outer": (
        ("field", 0.34),
        ("works", 0.14),
        ("depot", 0.1),
        ("commercial", 0.12),
        ("garden", 0.16),
        ("waste", 0.14),
    ),
    "inner": (
        ("commercial", 0.26),
        ("office", 0.2),
        ("garden", 0.26),
        ("school", 0.08),
        ("market", 0.06),
        ("waste", 0.14),
    ),
    "old": (("shops", 0.55), ("garden", 0.3), ("office", 0.15)),
}
_GARDEN_M2 = 11_000.0


def leftover_use(zone: str, area_m2: float, rng: np.random.Generator) -> str:
    """Draw what becomes of a lot nobody has chosen: small ones are gardens."""
    if area_m2 < _GARDEN_M2 and zone != "old":
        return "garden"
    uses, chances = zip(*_LEFTOVER.get(zone, _LEFTOVER["outer"]), strict=True)
    return str(rng.choice(uses, p=chances))


class Uses:
    """Hands out the lots of a town, each once.

    Parameters
    ----------
    plan : TownPlan
    lots : list of Lot
    rng : Generator
    """

    def __init__(self, plan: TownPlan, lots: list[Lot], rng: np.random.Generator) -> None:
        self._lots = lots
        self._rng = rng
        self._free = np.array([lot.role == "block" for lot in lots])
        self._centre = np.array([lot.centre for lot in lots])
        self._ha = np.array([lot.area_m2 for lot in lots]) / 1e4
        self._zone = np.array([lot.zone for lot in lots])
        self._middle = np.array(plan.size.centre_m)
        self._from_middle = np.hypot(*(self._centre - self._middle).T)
        self._from_river = _distance(self._centre, plan.river)
        self._from_rail = _distance(self._centre, plan.rail)
        self._busy = np.array(
            [
                any(plan.edges[e].kind == "avenue" for e in plan.blocks[lot.block].edges)
                for lot in lots
            ]
        )

    def take(self, lot: int) -> None:
        """Mark a lot as used."""
        self._free[lot] = False

    def left(self) -> list[int]:
        """Lots inside the ring that have no use yet."""
        return [int(i) for i in np.flatnonzero(self._free)]

    def _noise(self, size: float) -> Scores:
        return self._rng.normal(0, size, len(self._lots))

    def best(self, score: Scores) -> int | None:
        """Take the free lot with the highest score."""
        score = np.where(self._free, score, -np.inf)
        lot = int(score.argmax())
        if not np.isfinite(score[lot]):
            return None
        self.take(lot)
        return lot

    def public(self, size: TownSize) -> list[tuple[int, str]]:
        """Take the lots that are not for living: (lot, use)."""
        n = size.compounds
        chosen: list[tuple[int, str]] = []

        def add(use: str, score: Scores, count: int, *, apart_m: float = 0.0) -> None:
            for _ in range(count):
                spread = score.copy()
                same = [lot for lot, u in chosen if u == use]
                if same and apart_m:
                    off = np.hypot(
                        *(self._centre[:, None] - self._centre[same][None]).transpose(2, 0, 1)
                    ).min(axis=1)
                    spread += 2.0 * np.minimum(off / apart_m, 1.0)
                lot = self.best(spread)
                if lot is not None:
                    chosen.append((lot, use))

        ha, noise = self._ha, self._noise
        for lot in np.flatnonzero(self._free & (self._zone == "works") & (ha > 1.5)):
            self.take(int(lot))
            chosen.append((int(lot), "works" if self._rng.random() < 0.8 else "depot"))
        add("station", -self._from_rail / 40 - self._from_middle / 900 - np.abs(ha - 2), 1)
        add(
            "park",
            -np.abs(ha - 5) / 2 - self._from_river / 1500 + noise(0.4),
            max(1, n // 16),
            apart_m=1500,
        )
        add("government", -np.abs(ha - 3) - self._from_middle / 900 + noise(0.3), max(1, n // 80))
        add(
            "hospital",
            -np.abs(ha - 3) - self._from_middle / 1200 + noise(0.3),
            max(1, n // 60),
            apart_m=2500,
        )
        add(
            "commercial",
            self._busy * 2.0 - self._from_middle / 900 - np.abs(ha - 2) / 2 + noise(0.4),
            max(2, n // 11),
        )
        add(
            "market",
            -np.abs(ha - 1.6) - (self._zone == "works") * 9 + noise(0.4),
            max(1, n // 24),
            apart_m=1300,
        )
        add(
            "school",
            -np.abs(ha - 2.8) / 1.5 - (self._zone == "works") * 9 + noise(0.4),
            max(2, n // 8),
            apart_m=900,
        )
        return chosen

    def candidates(self, kind: str) -> Iterator[int]:
        """Lots for a kind of compound, the best first; take one that turns out to fit."""
        low, high = _BEST_HA[kind]
        off = np.maximum(low - self._ha, 0) * 2 + np.maximum(self._ha - high, 0) * 0.7
        zone = np.array([_ZONE[kind].get(z, 0.0) for z in self._zone])
        near_works = -self._from_rail / 1500 if kind == "work_unit" else 0.0
        score = zone - off + near_works + self._noise(0.35)
        for lot in np.argsort(-score, kind="stable"):
            if self._free[lot]:
                yield int(lot)


def _distance(xy: Scores, line: Scores) -> Scores:
    step = max(1, len(line) // 120)
    off = np.hypot(*(xy[:, None] - line[None, ::step]).transpose(2, 0, 1))
    return np.asarray(off.min(axis=1))
