"""The coverage page: minutes from every home, gaps and sums."""

from __future__ import annotations

from collections.abc import Sequence

from maps.page import PageContext, map_page


def coverage_page(
    context: PageContext, *, kinds: Sequence[str], minutes: float, profile: str, waits: str
) -> str:
    """Write the coverage page.

    Parameters
    ----------
    context : PageContext
    kinds : sequence of str
        Station kinds chosen at first; empty for all.
    minutes : float
        Cutoff chosen at first.
    profile, waits : str
        As in `geo.standards`.
    """
    chosen = {"kinds": list(kinds), "minutes": minutes, "profile": profile, "waits": waits}
    return map_page(context, "coverage", data={"chosen": chosen})
