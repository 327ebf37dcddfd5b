"""Base grids proposed from cells: balanced, contiguous, compact, with stated bounds.

Grids never cross communities, so each connected piece of a community is designed by itself. Hard
rules are kept or the design says where and why they could not be; wishes are weighed by a preset.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from geo.cells import Cells
from geo.errors import DesignError
from geo.gridanneal import SCENARIOS, Found, Scenario, Settings
from geo.gridbounds import fewest_moved
from geo.gridpieces import Draft, prepare
from geo.gridpresent import kept_codes
from geo.gridreasons import Reason, overloaded, oversized, strayed
from geo.gridsolve import solve_piece
from geo.standards import GRID_PRESETS, GridLimits, GridWeights

__all__ = [
    "SCENARIOS",
    "CommunityDesign",
    "Design",
    "Reason",
    "Scenario",
    "design",
    "scenario_named",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class CommunityDesign:
    """What was found for one community.

    Attributes
    ----------
    community : int
    cells, grids, exclusive : int
        Cells, base grids and exclusive grids.
    households, people : float
    bound : int
        No design has fewer base grids; see `geo.gridbounds` and `pieces`.
    gap : float
        Grids above the bound as a share of the bound; 0 where the number is proven least.
    pieces : int
        Connected pieces once exclusive sites are taken out; each needs grids of its own.
    moved, moved_bound : float or None
        Households whose grid changes against the present plan, and how few that could ever be;
        None without a present plan.
    cost : float
        Of the preset's wishes, lower is better.
    kept : bool
        Whether every hard rule is kept (a single building above a limit is told of, not counted).
    cost_bound : float or None
        No design with as many grids costs less, proven by `geo.gridexact`; None where the
        community was too large to list every possible grid, or no proof was asked for.
    complete : bool
        False where the search was stopped before it had spent its steps.
    reasons : tuple of Reason
    """

    community: int
    cells: int
    grids: int
    exclusive: int
    households: float
    people: float
    bound: int
    gap: float
    pieces: int
    moved: float | None
    moved_bound: float | None
    cost: float
    cost_bound: float | None
    kept: bool
    complete: bool
    reasons: tuple[Reason, ...]

    @property
    def fewest_proven(self) -> bool:
        """Whether no design has fewer base grids."""
        return self.grids <= self.bound


@dataclass(frozen=True, slots=True)
class Design:
    """A proposal: the grid of every cell, and what is known about it.

    Attributes
    ----------
    grid : ndarray, shape (n,), int32
        Grid of each cell, numbered from 0.
    community : ndarray, shape (g,), int32
    exclusive : ndarray, shape (g,), bool
        Whether it is the grid of an exclusive site.
    households, people : ndarray, shape (g,), float64
    present : ndarray, shape (g,), int32
        Grid of the present plan whose code it keeps; -1 for a new one.
    communities : tuple of CommunityDesign
    limits : GridLimits
    preset, scenario : str
    seed : int
    """

    grid: Ints
    community: Ints
    exclusive: NDArray[np.bool_]
    households: Floats
    people: Floats
    present: Ints
    communities: tuple[CommunityDesign, ...]
    limits: GridLimits
    preset: str
    scenario: str
    seed: int

    @property
    def kept(self) -> bool:
        """Whether every hard rule is kept everywhere."""
        return all(one.kept for one in self.communities)


def design(
    cells: Cells,
    households: Floats,
    people: Floats,
    *,
    limits: GridLimits | None = None,
    preset: str = "standard",
    weights: GridWeights | None = None,
    scenario: Scenario = "fewest",
    present: NDArray[np.integer] | None = None,
    selected: NDArray[np.integer] | None = None,
    locked: NDArray[np.bool_] | None = None,
    station_m: Floats | None = None,
    seed: int = 1,
    effort: float = 1.0,
    exact_s: float = 0.0,
    time_limit_s: float = math.inf,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Design:
    """Propose base grids.

    Deterministic: the same input and seed give the same grids, as long as neither the time limit
    nor a cancellation ends the search early; the best so far is then returned, always with every
    cell in one grid and every grid in one piece.

    Parameters
    ----------
    cells : Cells
    households, people : ndarray, shape (n,)
        Load of each cell.
    limits : GridLimits, optional
        Default 300 households and 1,000 people.
    preset : str
        Key of `geo.standards.GRID_PRESETS`; ``weights`` overrides it.
    scenario : {"fewest", "fresh", "least_change", "rebalance"}
        ``fewest`` takes the least number of grids that keeps the limits; ``fresh`` ignores the
        present plan and may take a grid or two more where the wishes gain by it; ``least_change``
        starts from the present plan and moves as few households as it can; ``rebalance`` designs
        the ``selected`` grids anew and leaves all others.
    present : ndarray, shape (n,), optional
        Grid of each cell in the present plan; -1 in none. Needed by the last two scenarios and by
        ``locked``.
    selected : ndarray, optional
        Present grids to re-balance.
    locked : ndarray, shape (n,), bool, optional
        Cells that stay in their present grid.
    station_m : ndarray, shape (n,), optional
        Metres from each cell to the nearest red station (`geo.cells.nearest_m`).
    seed : int
    effort : float
        Multiplies the steps of the search.
    exact_s : float
        Seconds for each of two exact models of a piece small enough (`geo.gridexact`): the design
        is then the proven best, or its gap is known. Only where no plan is to be kept.
    time_limit_s : float
        Seconds for the whole design.
    progress, cancelled : callable, optional

    Raises
    ------
    DesignError
        If arrays do not fit the cells, loads are not numbers, the preset is unknown, or the
        scenario lacks what it needs.
    """
    count = len(cells)
    weights = weights if weights is not None else _preset(preset)
    given_present = present is not None
    now = np.full(count, -1, np.int64) if present is None else np.asarray(present, np.int64)
    lock = np.zeros(count, np.bool_) if locked is None else np.asarray(locked, np.bool_)
    station = np.zeros(count) if station_m is None else np.asarray(station_m, np.float64)
    loads = (np.asarray(households, np.float64), np.asarray(people, np.float64))
    _check(count, loads, now, lock, station, scenario, selected, given_present=given_present)
    settings = Settings(
        limits or GridLimits(),
        weights,
        scenario,
        int(seed),
        effort,
        exact_s,
        time.monotonic() + time_limit_s,
        cancelled or (lambda: False),
    )
    frozen = np.zeros(count, np.bool_)
    if scenario == "rebalance":
        frozen = (now >= 0) & ~np.isin(now, np.asarray(selected))
    grid = np.full(count, -1, np.int32)
    made: list[tuple[int, bool, int]] = []  # community, exclusive, present grid
    numbers, firsts = np.unique(cells.community, return_index=True)
    drafts = [
        prepare(cells, int(community), mine, loads, now, lock, frozen, station, settings.limits)
        for community, mine in zip(numbers, np.split(np.arange(count), firsts[1:]), strict=True)
    ]
    tasks = [
        (piece, (settings.seed, draft.community, number))
        for draft in drafts
        for number, piece in enumerate(draft.pieces)
    ]
    results: list[Found] = []
    # The compiled search lets go of the interpreter, so threads do. Each piece has its own seed.
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for found in pool.map(lambda task: solve_piece(task[0], settings, seed=task[1]), tasks):
            results.append(found)
            if progress is not None:
                progress("Grids", len(results) / len(tasks))
    waiting = iter(results)
    outcomes = [
        _assemble(draft, [next(waiting) for _ in draft.pieces], loads, lock, settings, grid, made)
        for draft in drafts
    ]
    owner = np.array([one[0] for one in made], np.int32)
    exclusive = np.array([one[1] for one in made], np.bool_)
    kept = np.array([one[2] for one in made], np.int32)
    if given_present:
        kept = kept_codes(grid, now, loads[0], kept, free=scenario in ("fewest", "fresh"))
        outcomes = [
            _with_moves(one, cells, grid, now, kept, loads, settings.limits) for one in outcomes
        ]
    return Design(
        grid,
        owner,
        exclusive,
        np.bincount(grid, loads[0], len(made)).astype(np.float64),
        np.bincount(grid, loads[1], len(made)).astype(np.float64),
        kept,
        tuple(outcomes),
        settings.limits,
        preset,
        scenario,
        int(seed),
    )


def scenario_named(name: str) -> Scenario:
    """Find a scenario by name.

    Raises
    ------
    DesignError
        If there is none of that name.
    """
    for scenario in SCENARIOS:
        if scenario == name:
            return scenario
    raise DesignError(
        f"There is no scenario {name!r}.", remedy=f"Use one of: {', '.join(SCENARIOS)}."
    )


def _preset(name: str) -> GridWeights:
    if name not in GRID_PRESETS:
        raise DesignError(
            f"There is no preset {name!r}.", remedy=f"Use one of: {', '.join(GRID_PRESETS)}."
        )
    return GRID_PRESETS[name].weights


def _check(
    count: int,
    loads: tuple[Floats, Floats],
    present: NDArray[np.int64],
    locked: NDArray[np.bool_],
    station: Floats,
    scenario: str,
    selected: NDArray[np.integer] | None,
    *,
    given_present: bool,
) -> None:
    arrays = {
        "households": loads[0],
        "people": loads[1],
        "present": present,
        "locked": locked,
        "station_m": station,
    }
    for name, array in arrays.items():
        if array.shape != (count,):
            raise DesignError(
                f"{name} has {len(array)} values for {count} cells.", remedy="Give one a cell."
            )
    for name, array in zip(("households", "people"), loads, strict=True):
        bad = np.flatnonzero(~np.isfinite(array) | (array < 0))
        if len(bad):
            raise DesignError(
                f"Cell {bad[0]}: {name} is {array[bad[0]]}.", remedy="Give a number of 0 or more."
            )
    scenario_named(scenario)
    if scenario in ("least_change", "rebalance") and not given_present:
        raise DesignError(
            f"The scenario {scenario} starts from a present plan, and none is given.",
            remedy="Give the present grids, or use the scenario fewest.",
        )
    if scenario == "rebalance" and (selected is None or not np.isin(present, selected).any()):
        raise DesignError(
            "None of the grids to re-balance is in the present plan.",
            remedy="Name at least one grid of the present plan.",
        )
    if (locked & (present < 0)).any():
        cell = int(np.flatnonzero(locked & (present < 0))[0])
        raise DesignError(
            f"Cell {cell} is locked but is in no grid of the present plan.",
            remedy="Lock only cells that have a grid.",
        )


def _assemble(
    draft: Draft,
    results: list[Found],
    loads: tuple[Floats, Floats],
    locked: NDArray[np.bool_],
    settings: Settings,
    grid: Ints,
    made: list[tuple[int, bool, int]],
) -> CommunityDesign:
    """Number the grids of a community: writes `grid` for its cells and appends to `made`."""
    mine, limits = draft.mine, settings.limits
    for members, kept in draft.sites:
        grid[members] = len(made)
        made.append((draft.community, True, kept))
    before = len(made)
    for members, kept in draft.frozen:
        grid[members] = len(made)
        made.append((draft.community, False, kept))
    for piece, found in zip(draft.pieces, results, strict=True):
        used, label = np.unique(found.grid, return_inverse=True)
        grid[piece.cells] = len(made) + label.ravel()
        for one in used.tolist():
            kept = int(piece.labels[one]) if one < len(piece.labels) else -1
            made.append((draft.community, False, kept))
    alone = 0
    for members, near, border in draft.loose:
        # Land nobody lives on that exclusive sites cut off joins the longest border.
        usable = grid[near] >= 0
        if usable.any():
            grid[members] = int(np.bincount(grid[near][usable], border[usable]).argmax())
        else:
            grid[members] = len(made)
            made.append((draft.community, False, -1))
            alone += 1
    over = sum(found.over for found in results)
    reasons = oversized(mine, loads, limits)
    if over > 1e-9:
        ours = np.concatenate([piece.cells for piece in draft.pieces])
        reasons.extend(overloaded(ours, grid, loads, limits, locked))
    apart = strayed(grid, made, draft, locked)
    reasons.extend(apart)
    bound = alone + len(draft.frozen)
    for piece, found in zip(draft.pieces, results, strict=True):
        bound += max(piece.bound, found.grids_proven or 0)
    floors = [found.cost_bound for found in results]
    grids = len(made) - before
    return CommunityDesign(
        draft.community,
        len(mine),
        grids,
        len(draft.sites),
        float(loads[0][mine].sum()),
        float(loads[1][mine].sum()),
        bound,
        (grids - bound) / bound if bound else 0.0,
        len(draft.pieces) + alone,
        None,
        None,
        sum(found.cost for found in results),
        None if None in floors else float(sum(floor or 0.0 for floor in floors)),
        over <= 1e-9 and not apart,
        all(found.complete for found in results),
        tuple(reasons),
    )


def _with_moves(
    outcome: CommunityDesign,
    cells: Cells,
    grid: Ints,
    present: NDArray[np.int64],
    kept: Ints,
    loads: tuple[Floats, Floats],
    limits: GridLimits,
) -> CommunityDesign:
    mine = cells.community == outcome.community
    here = mine & (present >= 0)
    moved = float(loads[0][here][kept[grid[here]] != present[here]].sum())
    bound = fewest_moved(
        np.minimum(loads[0][mine], limits.households),
        np.minimum(loads[1][mine], limits.people),
        present[mine],
        (limits.households, limits.people),
    )
    return replace(outcome, moved=moved, moved_bound=bound)
