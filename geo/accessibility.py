"""Accessibility beyond yes and no: distributions, inequality, floating catchments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from geo.siting.pairs import Pairs

Vector = NDArray[np.float64]


def weighted_mean(values: Vector, weight: Vector) -> float:
    """Mean over the known values; NaN where nothing is known."""
    known = np.isfinite(values) & (weight > 0)
    total = float(weight[known].sum())
    return float((values[known] * weight[known]).sum()) / total if total else float("nan")


def weighted_quantile(values: Vector, weight: Vector, share: float) -> float:
    """Least value that at least ``share`` of the weight does not exceed; NaN counts as infinite.

    Parameters
    ----------
    values, weight : ndarray, shape (n,)
    share : float
        0 to 1; 0.9 for the 90th percentile.

    Returns
    -------
    float
        Infinite where the share lies among what has no value; NaN without weight.
    """
    counted = weight > 0
    if not counted.any():
        return float("nan")
    filled = np.where(np.isfinite(values[counted]), values[counted], np.inf)
    order = np.argsort(filled, kind="stable")
    cumulative = np.cumsum(weight[counted][order])
    at = int(np.searchsorted(cumulative, share * cumulative[-1] * (1 - 1e-12)))
    return float(filled[order][min(at, len(order) - 1)])


def gini(values: Vector, weight: Vector) -> float:
    """Gini coefficient of a quantity over weighted units: 0 all alike, near 1 one has it all.

    References
    ----------
    Lerman and Yitzhaki (1989), the covariance form for weighted data.
    """
    known = np.isfinite(values) & (weight > 0)
    v, w = values[known], weight[known]
    if not len(v):
        return float("nan")
    order = np.argsort(v, kind="stable")
    v, w = v[order], w[order] / w.sum()
    mean = float((v * w).sum())
    if mean <= 0:
        return 0.0
    area = np.cumsum(v * w) / mean  # Lorenz curve at the upper end of each unit
    below = np.concatenate([[0.0], area[:-1]])
    return float(1.0 - (w * (area + below)).sum())


@dataclass(frozen=True, slots=True)
class Floating:
    """Floating catchments.

    Attributes
    ----------
    ratio : ndarray, shape (m,), float64
        Supply of each station by weight it may serve; NaN where nobody is in reach.
    access : ndarray, shape (n,), float64
        Sum of the ratios each demand point reaches.
    """

    ratio: Vector
    access: Vector


E2SFCA_STEPS = ((1 / 3, 1.0), (2 / 3, 0.68), (1.0, 0.22))
"""Shares of the cutoff and their weights: the Gaussian weights of Luo and Qi (2009)."""


def two_step(
    pairs: Pairs,
    weight: Vector,
    supply: Vector,
    *,
    cutoff_s: float,
    steps: tuple[tuple[float, float], ...] = ((1.0, 1.0),),
) -> Floating:
    """Two-step floating catchment areas, enhanced where ``steps`` weigh nearer walks more.

    Parameters
    ----------
    pairs : Pairs
    weight : ndarray, shape (n,)
        Households.
    supply : ndarray, shape (m,)
        Square metres, places, or 1 each.
    cutoff_s : float
        Seconds.
    steps : tuple of (share of the cutoff, weight)
        Rising; one step of weight 1 is plain 2SFCA, `E2SFCA_STEPS` is E2SFCA.

    References
    ----------
    Luo and Wang (2003); Luo and Qi (2009).
    """
    near = pairs.within(pairs.limit(cutoff_s))
    decay = np.zeros(len(near))
    for share, value in reversed(steps):
        decay[near.cost <= near.limit(cutoff_s * share)] = value
    of_site = np.repeat(np.arange(near.sites), np.diff(near.site_offsets))
    load = np.bincount(of_site, weights=weight[near.demand] * decay, minlength=near.sites)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(load > 0, supply / load, np.nan)
    access = np.bincount(
        near.demand, weights=np.nan_to_num(ratio)[of_site] * decay, minlength=near.demands
    )
    return Floating(ratio, access.astype(np.float64))


def straight_to_nearest(xy: Vector, station_xy: Vector) -> Vector:
    """Straight distance from each point to the nearest station; infinite without stations.

    Parameters
    ----------
    xy : ndarray, shape (n, 2)
        Metres.
    station_xy : ndarray, shape (m, 2)
        Metres.
    """
    if not len(station_xy) or not len(xy):
        return np.full(len(xy), np.inf)
    distance, _ = cKDTree(station_xy).query(xy)
    return np.asarray(distance, float)


def false_circles(
    straight_m: Vector, seconds: Vector, *, radius_m: float, cutoff_s: float
) -> NDArray[np.bool_]:
    """Homes that a circle on the map covers and no walk does.

    Parameters
    ----------
    straight_m, seconds : ndarray, shape (n,)
        Straight distance to the nearest station, walk to the nearest by the network (NaN: none).
    radius_m, cutoff_s : float
    """
    return (straight_m <= radius_m) & ~(seconds <= cutoff_s)
