"""What is wrong in an OpenStreetMap file: counted and named by id, never dropped in silence."""

from __future__ import annotations

from dataclasses import dataclass

REMEDY = "Mend it on openstreetmap.org or in the extract, or use a larger extract."


@dataclass(frozen=True, slots=True, order=True)
class OsmProblem:
    """One thing of a map file that could not be used as it is.

    Attributes
    ----------
    element : str
        ``way/123``, ``relation/4`` or ``node/5``.
    reason : str
        What is wrong, one of few sentences so that problems can be counted by it.
    detail : str
        The value or number behind it; may be empty.
    kept : bool
        Whether the element is used nevertheless, mended or in part.
    """

    element: str
    reason: str
    detail: str = ""
    kept: bool = False


def count_by_reason(problems: list[OsmProblem]) -> dict[str, int]:
    """How many problems of each reason there are, most frequent first."""
    counts: dict[str, int] = {}
    for problem in problems:
        counts[problem.reason] = counts.get(problem.reason, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
