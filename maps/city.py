"""The city page: base map, layers, stations, search."""

from __future__ import annotations

from maps.page import PageContext, map_page


def city_page(context: PageContext) -> str:
    """Write the city page.

    Parameters
    ----------
    context : PageContext
    """
    return map_page(context, "city", data={})
