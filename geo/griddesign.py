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
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix

from geo import gridexact, gridsearch
from geo.cells import Cells, components
from geo.errors import DesignError
from geo.gridbounds import fewest_grids, fewest_moved
from geo.gridsearch import Graph
from geo.standards import GRID_PRESETS, GridLimits, GridWeights

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
Progress = Callable[[str, float], None]
Scenario = Literal["fewest", "fresh", "least_change", "rebalance"]

SCENARIOS: tuple[Scenario, ...] = ("fewest", "fresh", "least_change", "rebalance")
_OVER_PRICE = 300.0
_CHANGE_FIRST = 100.0
_STEPS_A_CELL = 800
_LEAST_STEPS = 200_000
_CHUNK = 25_000
_PACKING_STEPS = 300_000
_ATTEMPTS = (
    (0.03, 100.0, 2.0, 0.01, 0.06),
    (0.01, 300.0, 2.0, 0.05, 0.15),
    (0.03, 100.0, 0.5, 0.05, 0.02),
)
"""Weight of other wishes, of equal loads and of too great ones, temperatures at both ends, share of
joined moves: one attempt each, because no one of them packs every community."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a hard rule could not be kept somewhere, or what stands in its way.

    Attributes
    ----------
    rule : str
        ``building_above_limit``, ``households``, ``people``, ``pieces`` or ``no_cells``.
    cell : int
        Cell it is about; -1 for the whole community.
    value, limit : float
    message, message_zh : str
    """

    rule: str
    cell: int
    value: float
    limit: float
    message: str
    message_zh: str


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
class _Piece:
    """One connected piece of a community."""

    cells: NDArray[np.int64]
    graph: Graph
    labels: NDArray[np.int64]
    """Present grids in this piece; label k of the graph is ``labels[k]``."""
    bound: int


@dataclass(slots=True)
class _Found:
    grid: Ints
    over: float
    cost: float
    complete: bool
    grids_proven: int | None = None
    cost_bound: float | None = None


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
        _prepare(cells, int(community), mine, loads, now, lock, frozen, station, settings.limits)
        for community, mine in zip(numbers, np.split(np.arange(count), firsts[1:]), strict=True)
    ]
    tasks = [
        (piece, (settings.seed, draft.community, number))
        for draft in drafts
        for number, piece in enumerate(draft.pieces)
    ]
    results: list[_Found] = []
    # The compiled search lets go of the interpreter, so threads do. Each piece has its own seed.
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for found in pool.map(lambda task: _search(task[0], settings, seed=task[1]), tasks):
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
        kept = _kept_codes(grid, now, loads[0], kept, free=scenario in ("fewest", "fresh"))
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


@dataclass(frozen=True, slots=True)
class _Draft:
    """A community taken apart: exclusive sites, empty land they cut off, pieces to design."""

    community: int
    mine: NDArray[np.int64]
    sites: list[tuple[NDArray[np.int64], int]]
    """Cells of each exclusive site, and the present grid most of them are in."""
    frozen: list[tuple[NDArray[np.int64], int]]
    """Cells of each present grid that is not to be changed, and its number."""
    loose: list[tuple[NDArray[np.int64], NDArray[np.int64], Floats]]
    """Cells of a piece of empty land, its neighbours outside, and the borders with them."""
    pieces: list[_Piece]


def _prepare(
    cells: Cells,
    community: int,
    mine: NDArray[np.int64],
    loads: tuple[Floats, Floats],
    present: NDArray[np.int64],
    locked: NDArray[np.bool_],
    frozen: NDArray[np.bool_],
    station: Floats,
    limits: GridLimits,
) -> _Draft:
    low, high = np.searchsorted(cells.edges[:, 0], [mine[0], mine[-1] + 1])
    edges = cells.edges[low:high] - mine[0]
    border, strength = cells.border_m[low:high], cells.strength[low:high]
    site = cells.site[mine]
    # Exclusive sites: the cells of one that touch are one grid.
    same_site = (site[edges[:, 0]] == site[edges[:, 1]]) & (site[edges[:, 0]] >= 0)
    free = (site < 0) & ~frozen[mine]
    open_both = free[edges[:, 0]] & free[edges[:, 1]]
    piece_of = components(len(mine), edges[same_site | open_both])
    still = mine[~free & (site < 0)]
    draft = _Draft(
        community,
        mine,
        [],
        [(still[present[still] == one], int(one)) for one in np.unique(present[still])],
        [],
        [],
    )
    for number in range(int(piece_of.max()) + 1):
        members = np.flatnonzero(piece_of == number)
        if frozen[mine[members[0]]] and site[members[0]] < 0:
            continue
        load = loads[0][mine[members]].sum() + loads[1][mine[members]].sum()
        if site[members[0]] >= 0:
            draft.sites.append((mine[members], _most_common(present[mine[members]])))
        elif load == 0 and len(members) < len(mine):
            inside = np.zeros(len(mine), np.bool_)
            inside[members] = True
            out = inside[edges[:, 0]] != inside[edges[:, 1]]
            other = np.where(inside[edges[out, 0]], edges[out, 1], edges[out, 0])
            draft.loose.append((mine[members], mine[other], border[out]))
        else:
            draft.pieces.append(
                _piece(
                    cells,
                    mine,
                    members,
                    edges,
                    border,
                    strength,
                    loads,
                    present,
                    locked,
                    station,
                    limits,
                )
            )
    return draft


def _assemble(
    draft: _Draft,
    results: list[_Found],
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
    reasons = _oversized(mine, loads, limits)
    if over > 1e-9:
        ours = np.concatenate([piece.cells for piece in draft.pieces])
        reasons.extend(_overloaded(ours, grid, loads, limits, locked))
    strayed = _strayed(grid, made, draft, locked)
    reasons.extend(strayed)
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
        over <= 1e-9 and not strayed,
        all(found.complete for found in results),
        tuple(reasons),
    )


def _strayed(
    grid: Ints,
    made: list[tuple[int, bool, int]],
    draft: _Draft,
    locked: NDArray[np.bool_],
) -> list[Reason]:
    """Locked cells that could not stay: their grid would be in several pieces."""
    told = []
    kept = np.array([one[2] for one in made])
    for piece in draft.pieces:
        here = piece.cells[locked[piece.cells]]
        label = piece.graph.present[locked[piece.cells]]
        lost = here[kept[grid[here]] != piece.labels[label]]
        told += [
            Reason(
                "pieces",
                int(cell),
                1.0,
                1.0,
                "A locked cell lies apart from the rest of its grid, and a grid is one piece; it "
                "was given to a neighbour. Unlock it or move it first.",
                "锁定单元与其所属网格不相连，网格必须连成一片；已并入相邻网格。请先解锁或调整。",
            )
            for cell in lost.tolist()
        ]
    return told


def _most_common(labels: NDArray[np.int64]) -> int:
    known = labels[labels >= 0]
    return int(np.bincount(known).argmax()) if len(known) else -1


def _oversized(
    mine: NDArray[np.int64], loads: tuple[Floats, Floats], limits: GridLimits
) -> list[Reason]:
    told = []
    for name, zh, load, limit in (
        ("households", "户", loads[0][mine], limits.households),
        ("people", "人", loads[1][mine], limits.people),
    ):
        for at in np.flatnonzero(load > limit).tolist():
            value = float(load[at])
            told.append(
                Reason(
                    "building_above_limit",
                    int(mine[at]),
                    value,
                    float(limit),
                    f"One building alone has {value:g} {name}, the limit is {limit:g}; it has a "
                    "grid to itself. Divide it by units into micro-grids.",
                    f"单栋楼即有 {value:g} {zh}，上限 {limit:g}；"
                    "该楼独立成格，请按单元划分微网格。",
                )
            )
    return told


def _overloaded(
    mine: NDArray[np.int64],
    grid: Ints,
    loads: tuple[Floats, Floats],
    limits: GridLimits,
    locked: NDArray[np.bool_],
) -> list[Reason]:
    told = []
    for number in np.unique(grid[mine]).tolist():
        inside = mine[grid[mine] == number]
        fixed = bool(locked[inside].any())
        for name, zh, load, limit in (
            (
                "households",
                "户",
                np.minimum(loads[0][inside], limits.households),
                limits.households,
            ),
            ("people", "人", np.minimum(loads[1][inside], limits.people), limits.people),
        ):
            if load.sum() > limit + 1e-9:
                value = float(load.sum())
                why = "locked cells hold it together" if fixed else "no allowed division was found"
                why_zh = "锁定单元使其无法拆分" if fixed else "未找到可行的划分"
                told.append(
                    Reason(
                        name,
                        int(inside[0]),
                        value,
                        float(limit),
                        f"A grid has {value:g} {name}, the limit is {limit:g}: {why}. "
                        + ("Unlock some of its cells." if fixed else "Allow more time."),
                        f"网格有 {value:g} {zh}，上限 {limit:g}：{why_zh}。"
                        + ("请解锁部分单元。" if fixed else "请延长计算时间。"),
                    )
                )
    return told


def _piece(
    cells: Cells,
    mine: NDArray[np.int64],
    members: NDArray[np.int64],
    edges: Ints,
    border: Floats,
    strength: Floats,
    loads: tuple[Floats, Floats],
    present: NDArray[np.int64],
    locked: NDArray[np.bool_],
    station: Floats,
    limits: GridLimits,
) -> _Piece:
    number = np.full(len(mine), -1, np.int64)
    number[members] = np.arange(len(members))
    inside = (number[edges[:, 0]] >= 0) & (number[edges[:, 1]] >= 0)
    crossing = (number[edges[:, 0]] >= 0) != (number[edges[:, 1]] >= 0)
    rows = number[edges[inside]]
    both = np.concatenate([rows, rows[:, ::-1]])
    order = np.lexsort((both[:, 1], both[:, 0]))
    which = np.tile(np.flatnonzero(inside), 2)[order]
    indptr = np.searchsorted(both[order, 0], np.arange(len(members) + 1)).astype(np.int32)
    outer = cells.outer_m[mine[members]].copy()
    ends = number[edges[crossing]].max(axis=1) if crossing.any() else np.empty(0, np.int64)
    np.add.at(outer, ends, border[crossing])
    at = mine[members]
    labels = np.unique(present[at][present[at] >= 0])
    now = np.searchsorted(labels, present[at]).astype(np.int32)
    now[present[at] < 0] = -1
    h = np.minimum(loads[0][at], limits.households)
    p = np.minimum(loads[1][at], limits.people)
    compound = cells.compound[at].copy()
    compound[h <= 0] = -1
    names, compound_number = np.unique(compound, return_inverse=True)
    compound_number = compound_number.ravel() - (1 if len(names) and names[0] == -1 else 0)
    metres = np.where(np.isfinite(station[at]), station[at], 2 * gridsearch.STATION_M)
    graph = Graph(
        h,
        p,
        cells.area_m2[at].astype(np.float64),
        outer.astype(np.float64),
        indptr,
        both[order, 1].astype(np.int32),
        border[which].astype(np.float64),
        strength[which].astype(np.float64),
        compound_number.astype(np.int32),
        metres.astype(np.float64),
        now,
        locked[at].copy(),
    )
    return _Piece(at, graph, labels, fewest_grids(h, p, (limits.households, limits.people)))


def _terms(piece: _Piece, grids: int, settings: Settings) -> Floats:
    terms = np.zeros(gridsearch.TERMS)
    w, limits, graph = settings.weights, settings.limits, piece.graph
    terms[gridsearch.LIMIT_HOUSEHOLDS] = limits.households
    terms[gridsearch.LIMIT_PEOPLE] = limits.people
    terms[gridsearch.TARGET] = max(1.0, float(graph.households.sum()) / grids)
    terms[gridsearch.SCALE_M] = max(1.0, math.sqrt(float(graph.area_m2.sum()) / grids))
    terms[gridsearch.OVER] = _OVER_PRICE
    terms[gridsearch.BALANCE] = w.balance
    terms[gridsearch.CUT] = w.cut
    terms[gridsearch.SHAPE] = w.shape
    terms[gridsearch.BARRIER] = w.barriers
    terms[gridsearch.BIND] = w.courtyard
    terms[gridsearch.SPLIT] = w.compounds
    terms[gridsearch.STATION] = w.station
    terms[gridsearch.CHANGE] = w.change
    terms[gridsearch.GRID] = w.grids
    if settings.scenario == "least_change":
        # Moves decide; everything else only between designs that move the same.
        terms[gridsearch.CHANGE] = max(w.change, _CHANGE_FIRST)
        terms[gridsearch.BALANCE] = min(w.balance, 1.0)
    return terms


def _search(piece: _Piece, settings: Settings, *, seed: tuple[int, int, int]) -> _Found:
    """Design one connected piece."""
    rng = np.array(
        [np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] | np.uint64(1)], np.uint64
    )
    kept = settings.scenario in ("least_change", "rebalance") or bool(piece.graph.locked.any())
    if kept and len(piece.labels):
        return _from_present(piece, settings, rng)
    found = _searched(piece, settings, rng)
    if settings.exact_s > 0 and found.over <= 1e-9 and settings.scenario == "fewest":
        found = _proven(piece, found, settings)
    return found


def _proven(piece: _Piece, found: _Found, settings: Settings) -> _Found:
    """Compare with the exact model; take its design where it is better."""
    used = len(np.unique(found.grid))
    wishes = replace(settings, weights=replace(settings.weights, change=0.0))
    exact = gridexact.solve(
        piece.graph,
        {k: _terms(piece, k, wishes) for k in range(piece.bound, used + 1)},
        time_limit_s=settings.exact_s,
    )
    if exact is None:
        return found
    _, grid = np.unique(found.grid, return_inverse=True)
    cost, _ = gridsearch.costs(
        piece.graph.arrays(), _terms(piece, used, wishes), grid.ravel().astype(np.int32), used
    )
    found.cost = float(cost.sum())
    found.grids_proven = exact.grids
    if exact.grids_proven and exact.grids == used:
        found.cost_bound = exact.cost_bound
    if exact.grid is not None and (exact.grids, exact.cost) < (used, found.cost - 1e-9):
        return _Found(exact.grid, 0.0, exact.cost, found.complete, exact.grids, exact.cost_bound)
    return found


def _searched(piece: _Piece, settings: Settings, rng: NDArray[np.uint64]) -> _Found:
    """Search for a design from nothing: pack, then improve."""
    n = len(piece.graph)
    if n == 1 or (piece.bound == 1 and _fits(piece.graph, np.zeros(n, np.int32), settings)):
        whole = np.zeros(n, np.int32)
        terms = _terms(piece, 1, settings)
        cost, over = gridsearch.costs(piece.graph.arrays(), terms, whole, 1)
        return _Found(whole, float(over.sum()), float(cost.sum()), complete=True)
    most = piece.bound + 1 if settings.scenario == "fresh" else piece.bound
    best: _Found | None = None
    grids = piece.bound
    while True:
        start = _packing(piece, grids, settings, rng)
        likened = _likened(piece, start, grids) if settings.weights.change > 0 else piece
        found = _improve(likened, start, grids, settings, rng)
        if best is None or (found.over, found.cost) < (best.over, best.cost):
            best = found
        if grids >= most and best.over <= 1e-9:
            return best
        if settings.stop() or grids >= n:
            break
        grids += 1
    if best.over > 1e-9:
        packed = _packed(piece, settings)
        if packed.over < best.over:
            best = packed
    return _Found(best.grid, best.over, best.cost, complete=False)


def _likened(piece: _Piece, grid: Ints, grids: int) -> _Piece:
    """The piece with present grids numbered as the new grids that share most households."""
    graph, count = piece.graph, len(piece.labels)
    if not count:
        return piece
    known = graph.present >= 0
    shared = np.zeros((grids, count))
    np.add.at(shared, (grid[known], graph.present[known]), graph.households[known])
    number = np.arange(grids, grids + count, dtype=np.int32)  # of those that none goes on as
    for new, old in zip(*linear_sum_assignment(shared, maximize=True), strict=True):
        number[old] = new
    present = graph.present.copy()
    present[known] = number[graph.present[known]]
    return _Piece(piece.cells, replace(graph, present=present), piece.labels, piece.bound)


def _fits(graph: Graph, grid: Ints, settings: Settings) -> bool:
    h = np.bincount(grid, graph.households)
    p = np.bincount(grid, graph.people)
    return bool((h <= settings.limits.households).all() and (p <= settings.limits.people).all())


def _start(piece: _Piece, grids: int, settings: Settings, rng: NDArray[np.uint64]) -> Ints:
    """Cut the piece in two again and again along random spanning trees."""
    terms = _terms(piece, grids, settings)
    arrays = piece.graph.arrays()
    grid = np.zeros(len(piece.graph), np.int32)
    parts = [(np.arange(len(piece.graph)), grids)]
    done = 0
    while parts:
        members, wanted = parts.pop()
        if wanted <= 1 or len(members) < 2:
            grid[members] = done
            done += 1
            continue
        total = float(piece.graph.households[members].sum())
        a = wanted // 2
        room = settings.limits.households
        far = gridsearch.cut_in_two(
            arrays,
            terms,
            members,
            a / wanted,
            total - (wanted - a) * room,
            a * room,
            12,
            rng,
        )
        if not far.any() or far.all():
            grid[members] = done
            done += 1
            continue
        parts.append((members[far], a))
        parts.append((members[~far], wanted - a))
    return grid


def _packing(piece: _Piece, grids: int, settings: Settings, rng: NDArray[np.uint64]) -> Ints:
    """Look for any division into so many grids that keeps the limits; else the nearest to it.

    Loads are made equal before anything else counts: what is too much in one place finds its way
    to where there is room over many borders.
    """
    terms = _terms(piece, grids, settings)
    terms[[gridsearch.SPLIT, gridsearch.STATION, gridsearch.CHANGE, gridsearch.GRID]] = 0.0
    arrays = piece.graph.arrays()
    steps = int(max(_PACKING_STEPS * settings.effort, _steps(piece, settings)))
    best: Ints = np.zeros(len(piece.graph), np.int32)
    least = math.inf
    for attempt, (soft, load, hot, cold, recombine) in enumerate(_ATTEMPTS):
        for wish in (gridsearch.CUT, gridsearch.SHAPE, gridsearch.BARRIER, gridsearch.BIND):
            terms[wish] = soft
        terms[[gridsearch.BALANCE, gridsearch.OVER]] = load
        start = _start(piece, grids, settings, rng)
        for chunk in range(chunks := max(1, math.ceil(steps / _CHUNK))):
            if settings.stop() and least < math.inf:
                return best
            warm, cool = (hot * (cold / hot) ** ((chunk + s) / chunks) for s in (0, 1))
            met, over, _, start = gridsearch.anneal(
                arrays, terms, start, grids, steps // chunks, warm, cool, recombine, rng
            )
            if over < least - 1e-12:
                best, least = met, over
            if least <= 1e-9:
                return best
        if least > 0.2 * (attempt + 1):
            break  # far from it: another attempt would not find one either
    return best


def _steps(piece: _Piece, settings: Settings) -> int:
    return int(max(_LEAST_STEPS, _STEPS_A_CELL * len(piece.graph)) * settings.effort)


def _improve(
    piece: _Piece, start: Ints, grids: int, settings: Settings, rng: NDArray[np.uint64]
) -> _Found:
    """Anneal, in chunks so that a time limit or a cancellation is heard."""
    terms = _terms(piece, grids, settings)
    arrays = piece.graph.arrays()
    steps = _steps(piece, settings)
    chunks = max(1, math.ceil(steps / _CHUNK))
    least_change = settings.scenario == "least_change"
    hot, cold = (0.5, 0.01) if least_change else (1.0, 0.01)
    grid = start
    cost, excess = gridsearch.costs(arrays, terms, start, grids)
    best = _Found(start, float(excess.sum()), float(cost.sum()), complete=True)
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
            best = _Found(met, over, total, complete=True)
    return best


def _packed(piece: _Piece, settings: Settings) -> _Found:
    """A design that surely keeps the limits: grids grown cell by cell while they do."""
    graph = piece.graph
    grid = np.full(len(graph), -1, np.int32)
    done = 0
    for seed in np.argsort(-graph.households, kind="stable").tolist():
        if grid[seed] >= 0:
            continue
        h, p = graph.households[seed], graph.people[seed]
        grid[seed] = done
        edge = [seed]
        while edge:
            cell = edge.pop(0)
            for other in graph.head[graph.indptr[cell] : graph.indptr[cell + 1]].tolist():
                fits = (
                    h + graph.households[other] <= settings.limits.households
                    and p + graph.people[other] <= settings.limits.people
                )
                if grid[other] < 0 and fits:
                    grid[other] = done
                    h, p = h + graph.households[other], p + graph.people[other]
                    edge.append(other)
        done += 1
    cost, over = gridsearch.costs(graph.arrays(), _terms(piece, done, settings), grid, done)
    return _Found(grid, float(over.sum()), float(cost.sum()), complete=False)


def _from_present(piece: _Piece, settings: Settings, rng: NDArray[np.uint64]) -> _Found:
    """Start from the present plan: mend what is in pieces, cut what is too large, then improve."""
    graph = piece.graph
    grid = _mended(graph, len(piece.labels))
    used = max(int(grid.max()) + 1, len(piece.labels))
    terms = _terms(piece, max(1, used), settings)
    arrays = graph.arrays()
    # A small new grid goes to a neighbour that has room.
    settings = replace(
        settings, weights=replace(settings.weights, grids=max(settings.weights.grids, 3.0))
    )
    room = settings.limits.households
    stuck: set[int] = set()
    for _ in range(2 * len(graph)):
        h = np.bincount(grid, graph.households, used)
        p = np.bincount(grid, graph.people, used)
        load = np.maximum(h / room, p / settings.limits.people)
        load[h + p == 0] = 0
        can = np.array(
            [
                g not in stuck
                and load[g] > 1 + 1e-9
                and (~graph.locked[grid == g]).any()
                and (grid == g).sum() > 1
                for g in range(used)
            ]
        )
        if not can.any():
            break
        worst = int(np.where(can, load, 0).argmax())
        members = np.flatnonzero(grid == worst)
        total = float(h[worst])
        # What leaves is as little as must, in one piece; locked cells keep the label.
        far = gridsearch.cut_in_two(
            arrays, terms, members, 1 - min(1.0, 1 / load[worst]), 0.0, total, 60, rng
        )
        if not far.any() or far.all():
            stuck.add(worst)
            continue
        grid = grid.copy()
        grid[members[far]] = used
        used += 1
    return _improve(piece, grid.astype(np.int32), used, settings, rng)


def _mended(graph: Graph, labels: int) -> Ints:
    """The present plan with every grid in one piece and every cell in a grid."""
    n = len(graph)
    grid = graph.present.astype(np.int32).copy()
    rows = np.repeat(np.arange(n), np.diff(graph.indptr))
    same = (grid[rows] == grid[graph.head]) & (grid[rows] >= 0)
    part = components(n, np.column_stack([rows[same], graph.head[same]]).astype(np.int32))
    for label in range(labels):
        mine = np.flatnonzero(grid == label)
        numbers, where = np.unique(part[mine], return_inverse=True)
        if len(numbers) > 1:
            weight = np.bincount(where, graph.households[mine] + 1e-3 + 1e9 * graph.locked[mine])
            grid[mine[where != int(weight.argmax())]] = -1
    used = labels
    while (grid < 0).any():
        # What has no grid joins the neighbour with the longest border.
        loose = np.flatnonzero((grid[rows] < 0) & (grid[graph.head] >= 0))
        if not len(loose):
            free = int(np.flatnonzero(grid < 0)[0])
            grid[free] = used
            used += 1
            continue
        best = loose[int(graph.border_m[loose].argmax())]
        grid[rows[best]] = grid[graph.head[best]]
    return grid


def _kept_codes(
    grid: Ints,
    present: NDArray[np.int64],
    households: Floats,
    kept: Ints,
    *,
    free: bool,
) -> Ints:
    """Which present grid each goes on as, so that most households stay under their code."""
    if not free:
        return kept
    known = present >= 0
    names, label = np.unique(present[known], return_inverse=True)
    shared = coo_matrix(
        (households[known] + 1e-6, (grid[known], label.ravel())), shape=(len(kept), len(names))
    )
    kept = np.full(len(kept), -1, np.int32)
    dense = shared.tocsr()
    # Grids that share nothing are solved apart: the matrix falls into communities.
    pieces = components(
        len(kept) + len(names),
        np.column_stack([shared.row, shared.col + len(kept)]).astype(np.int32),
    )
    order = np.argsort(pieces, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(pieces[order])) + 1):
        rows, columns = group[group < len(kept)], group[group >= len(kept)] - len(kept)
        if len(rows) and len(columns):
            block = dense[rows][:, columns].toarray()
            for r, c in zip(*linear_sum_assignment(block, maximize=True), strict=True):
                if block[r, c] > 0:
                    kept[rows[r]] = names[columns[c]]
    return kept


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
