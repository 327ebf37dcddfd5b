"""The catchment page: circles of a station or of any point."""

from __future__ import annotations

from maps.page import PageContext, map_page


def catchment_page(context: PageContext, *, station: int | None) -> str:
    """Write the catchment page.

    Parameters
    ----------
    context : PageContext
    station : int, optional
        The station to begin with; without one the page asks for a click.
    """
    return map_page(context, "catchment", data={"station": station})
