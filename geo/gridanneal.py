"""How long and how hard a piece is improved, and what each wish costs there."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from geo import gridgraph, gridsearch
from geo.gridpieces import Piece
from geo.standards import GridLimits, GridWeights

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
Scenario = Literal["fewest", "fresh", "least_change", "rebalance"]

SCENARIOS: tuple[Scenario, ...] = ("fewest", "fresh", "least_change", "rebalance")
OVER_PRICE = 300.0
_STEPS_A_CELL = 800
_LEAST_STEPS = 200_000
CHUNK = 25_000


@dataclass(frozen=True, slots=True)
class Settings:
    """How a design is searched for.

    Attributes
    ----------
    limits : GridLimits
    weights : GridWeights
    scenario : str
    seed : int
    effort : float
        Multiplies the steps of the search; 1 is about a second for 400 cells.
    exact_s : float
        Seconds for each exact model of a small piece; 0 asks for none.
    deadline : float
        `time.monotonic` after which the best so far is taken.
    cancelled : callable
    """

    limits: GridLimits
    weights: GridWeights
    scenario: Scenario
    seed: int
    effort: float
    exact_s: float
    deadline: float
    cancelled: Callable[[], bool]

    def stop(self) -> bool:
        """Whether to take the best so far."""
        return time.monotonic() > self.deadline or self.cancelled()


@dataclass(slots=True)
class Found:
    """The grids found for a piece, how far above the limits they are, and what they cost."""

    grid: Ints
    over: float
    cost: float
    complete: bool
    grids_proven: int | None = None
    cost_bound: float | None = None


def terms_of(piece: Piece, grids: int, settings: Settings) -> Floats:
    """Terms of the search (`geo.gridgraph`) for a piece in so many grids."""
    terms = np.zeros(gridgraph.TERMS)
    w, limits, graph = settings.weights, settings.limits, piece.graph
    terms[gridgraph.LIMIT_HOUSEHOLDS] = limits.households
    terms[gridgraph.LIMIT_PEOPLE] = limits.people
    terms[gridgraph.TARGET] = max(1.0, float(graph.households.sum()) / grids)
    terms[gridgraph.SCALE_M] = max(1.0, math.sqrt(float(graph.area_m2.sum()) / grids))
    terms[gridgraph.OVER] = OVER_PRICE
    terms[gridgraph.BALANCE] = w.balance
    terms[gridgraph.CUT] = w.cut
    terms[gridgraph.SHAPE] = w.shape
    terms[gridgraph.BARRIER] = w.barriers
    terms[gridgraph.BIND] = w.courtyard
    terms[gridgraph.SPLIT] = w.compounds
    terms[gridgraph.STATION] = w.station
    terms[gridgraph.CHANGE] = w.change
    terms[gridgraph.GRID] = w.grids
    return terms


def steps_of(piece: Piece, settings: Settings) -> int:
    """How many moves are tried to improve a piece."""
    return int(max(_LEAST_STEPS, _STEPS_A_CELL * len(piece.graph)) * settings.effort)


def improve(
    piece: Piece,
    start: Ints,
    grids: int,
    settings: Settings,
    rng: NDArray[np.uint64],
    *,
    hot: float = 1.0,
) -> Found:
    """Anneal from a temperature on, in chunks so that a time limit or a cancellation is heard."""
    terms = terms_of(piece, grids, settings)
    arrays = piece.graph.arrays()
    steps = steps_of(piece, settings)
    chunks = max(1, math.ceil(steps / CHUNK))
    cold = 0.01
    grid = start
    cost, excess = gridsearch.costs(arrays, terms, start, grids)
    best = Found(start, float(excess.sum()), float(cost.sum()), complete=True)
    for chunk in range(chunks):
        if settings.stop():
            best.complete = False
            break
        warm = hot * (cold / hot) ** (chunk / chunks)
        cool = hot * (cold / hot) ** ((chunk + 1) / chunks)
        met, over, total, grid = gridsearch.anneal(
            arrays, terms, grid, grids, max(1, steps // chunks), warm, cool, 0.06, rng
        )
        if (over, total) < (best.over - 1e-9, math.inf) or (
            over <= best.over + 1e-9 and total < best.cost
        ):
            best = Found(met, over, total, complete=True)
    return best
