"""The pages of grid plans: the list, the editor, the review, the comparison."""

from __future__ import annotations

from typing import Any

import jinja2
from branca.element import MacroElement
from folium.elements import JSCSSMixin
from folium.plugins import GeoMan

from maps.page import PageContext, map_page


def plans_page(context: PageContext, *, upload_bytes: int) -> str:
    """Write the list of plans.

    Parameters
    ----------
    context : PageContext
    upload_bytes : int
        Most bytes of a file to import.
    """
    return _page(
        context,
        "plans",
        data={"uploadBytes": upload_bytes},
        scripts=("plan_nets", "plan_upload"),
    )


def plan_import_page(context: PageContext, plan: int) -> str:
    """Write what an import made of its file: both sides, what was mended, what is to decide.

    Parameters
    ----------
    context : PageContext
    plan : int
    """
    return _page(context, "plan_import", data={"plan": plan}, scripts=("plan_changes",))


def plan_edit_page(context: PageContext, plan: int) -> str:
    """Write the editor of a plan.

    Parameters
    ----------
    context : PageContext
    plan : int
        Id of the plan; whether there is one, and whether it may be edited, the script asks.
    """
    return _page(
        context,
        "plan_edit",
        data={"plan": plan},
        scripts=(
            "plan_changes",
            "plan_cells",
            "plan_lines",
            "plan_tools",
            "plan_preview",
            "plan_limits",
            "plan_design",
            "plan_take",
            "plan_people",
            "plan_stale",
        ),
        drawing=True,
    )


def plan_review_page(context: PageContext, plan: int) -> str:
    """Write the review of a plan: what it changes, comments, approval.

    Parameters
    ----------
    context : PageContext
    plan : int
    """
    return _page(context, "plan_review", data={"plan": plan}, scripts=("plan_sides",))


def plan_compare_page(context: PageContext, plan: int, *, other: int | None) -> str:
    """Write the comparison of two plans.

    Parameters
    ----------
    context : PageContext
    plan : int
        The later one, on the right.
    other : int or None
        The earlier one, on the left; None for the published plan.
    """
    return _page(
        context, "plan_compare", data={"plan": plan, "other": other}, scripts=("plan_sides",)
    )


def _page(
    context: PageContext,
    name: str,
    *,
    data: dict[str, Any],
    scripts: tuple[str, ...] = (),
    drawing: bool = False,
) -> str:
    parts: list[MacroElement] = [_Style()]
    if drawing:
        parts.append(_Drawing())
    return map_page(context, name, data=data, scripts=("plan_grids", *scripts), parts=parts)


class _Style(JSCSSMixin, MacroElement):
    """Brings the style of these pages, which comes after that of every page."""

    _template = jinja2.Template("")

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.default_js = []
        self.default_css = [("plans_css", "")]


class _Drawing(GeoMan):
    """Leaflet-Geoman without buttons of its own: the page's toolbar starts its tools."""

    def __init__(self) -> None:
        buttons = (
            "draw_marker",
            "draw_circle_marker",
            "draw_polyline",
            "draw_rectangle",
            "draw_polygon",
            "draw_circle",
            "draw_text",
            "edit_mode",
            "drag_mode",
            "cut_polygon",
            "removal_mode",
            "rotate_mode",
        )
        super().__init__(**dict.fromkeys(buttons, False))  # type: ignore[no-untyped-call]
        self._id = "geoman"  # a random one otherwise: the same page, other bytes
