"""Siting: where to open stations, on sparse walks from homes to sites, with proved bounds.

One concept a file: `pairs` (who walks where), `questions` (cover all, cover most, shortest walk,
fairest), `curve` (what each further station adds), `exact` (HiGHS), `bounds` (Lagrangian),
`kernels` (compiled).
"""

from geo.siting.curve import MarginalCurve, marginal_curve
from geo.siting.pairs import Pairs, SitingError, pairs_of_rows, pairs_of_seconds, walk_pairs
from geo.siting.questions import (
    Limit,
    Sites,
    SiteState,
    Siting,
    cover_all,
    cover_most,
    fairest,
    shortest_walk,
)

__all__ = [
    "Limit",
    "MarginalCurve",
    "Pairs",
    "SiteState",
    "Sites",
    "Siting",
    "SitingError",
    "cover_all",
    "cover_most",
    "fairest",
    "marginal_curve",
    "pairs_of_rows",
    "pairs_of_seconds",
    "shortest_walk",
    "walk_pairs",
]
