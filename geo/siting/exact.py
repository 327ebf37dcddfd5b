"""Exact answers: siting as mixed-integer programmes for HiGHS, with the bound it proves."""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csc_array

from geo.siting.pairs import SitingError

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Programme:
    """Minimise ``cost @ v`` under ``low <= rows @ v <= high`` and ``0 <= v <= upper``.

    Attributes
    ----------
    cost, upper : ndarray, shape (v,)
    lower : ndarray, shape (v,)
    whole : int
        How many of the first variables are whole numbers.
    rows : sparse array, shape (r, v)
    low, high : ndarray, shape (r,)
    """

    cost: Vector
    lower: Vector
    upper: Vector
    whole: int
    rows: csc_array
    low: Vector
    high: Vector


@dataclass(frozen=True, slots=True)
class Solved:
    """What the solver found.

    Attributes
    ----------
    values : ndarray or None
        None where it found none in time.
    bound : float
        No solution costs less.
    infeasible : bool
    """

    values: Vector | None
    bound: float
    infeasible: bool


class Rows:
    """Rows of a programme, gathered as entries."""

    def __init__(self, variables: int) -> None:
        self._variables = variables
        self._row: list[NDArray[np.int64]] = []
        self._column: list[NDArray[np.int64]] = []
        self._value: list[Vector] = []
        self._low: list[Vector] = []
        self._high: list[Vector] = []
        self._count = 0

    def add(
        self,
        row: NDArray[np.integer],
        column: NDArray[np.integer],
        value: Vector | float,
        *,
        low: Vector,
        high: Vector,
    ) -> None:
        """Add ``len(low)`` rows; ``row`` counts from the first of them."""
        self._row.append(np.asarray(row, np.int64) + self._count)
        self._column.append(np.asarray(column, np.int64))
        self._value.append(np.broadcast_to(np.asarray(value, float), len(row)))
        self._low.append(np.asarray(low, float))
        self._high.append(np.asarray(high, float))
        self._count += len(low)

    def programme(self, *, cost: Vector, lower: Vector, upper: Vector, whole: int) -> Programme:
        """Close the programme."""
        entries = (np.concatenate(self._row), np.concatenate(self._column))
        rows = coo_array(
            (np.concatenate(self._value), entries), shape=(self._count, self._variables)
        ).tocsc()
        return Programme(
            cost, lower, upper, whole, rows, np.concatenate(self._low), np.concatenate(self._high)
        )


def solve(
    programme: Programme, *, start: Vector | None, time_limit_s: float, tolerance: float
) -> Solved:
    """Solve a programme.

    Parameters
    ----------
    programme : Programme
    start : ndarray or None
        A solution in hand.
    time_limit_s : float
        Of the solver; what it has proved by then counts.
    tolerance : float
        Relative gap at which it stops.

    Raises
    ------
    SitingError
        If the solver fails for a reason of its own.
    """
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(programme.cost), len(programme.low)
    lp.col_cost_ = programme.cost
    lp.col_lower_, lp.col_upper_ = programme.lower, programme.upper
    lp.row_lower_, lp.row_upper_ = programme.low, programme.high
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = programme.rows.indptr
    lp.a_matrix_.index_ = programme.rows.indices
    lp.a_matrix_.value_ = programme.rows.data
    lp.integrality_ = [highspy.HighsVarType.kInteger] * programme.whole + [
        highspy.HighsVarType.kContinuous
    ] * (len(programme.cost) - programme.whole)
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("time_limit", float(time_limit_s))
    solver.setOptionValue("mip_rel_gap", float(tolerance))
    solver.setOptionValue("mip_abs_gap", 1e-7)
    solver.setOptionValue("random_seed", 1)
    solver.passModel(lp)
    if start is not None:
        hint = highspy.HighsSolution()
        hint.col_value = start.tolist()
        solver.setSolution(hint)
    solver.run()
    status = solver.getModelStatus()
    if status == highspy.HighsModelStatus.kInfeasible:
        return Solved(None, np.inf, infeasible=True)
    if status not in (
        highspy.HighsModelStatus.kOptimal,
        highspy.HighsModelStatus.kTimeLimit,
        highspy.HighsModelStatus.kInterrupt,
        highspy.HighsModelStatus.kSolutionLimit,
    ):
        raise SitingError(
            f"The solver stopped with {solver.modelStatusToString(status)}.",
            remedy="Check that weights, costs and capacities are finite and not negative.",
        )
    info = solver.getInfo()
    found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    values = np.asarray(solver.getSolution().col_value) if found else None
    return Solved(values, float(info.mip_dual_bound), infeasible=False)
