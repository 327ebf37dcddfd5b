"""Siting: where to open stations, on sparse walks from homes to sites, with proved bounds.

One concept a file: `pairs` (who walks where), `questions` (cover all, cover most, shortest walk,
fairest), `cases` (what is asked and answered), `covers` and `worths` (how each kind is solved),
`cover_search` (cheaper covers), `curve` (what each further station adds), `exact` (HiGHS),
`bounds` (what nothing can beat), `reductions` (what cannot matter), `kernels` (compiled).
"""

from geo.siting.cases import Limit, Sites, SiteState, Siting
from geo.siting.curve import MarginalCurve, marginal_curve
from geo.siting.pairs import Pairs, SitingError, pairs_of_rows, pairs_of_seconds, walk_pairs
from geo.siting.questions import cover_all, cover_most, fairest, shortest_walk

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
