"""The page that sets proposals of grids side by side: a map each, one table of figures."""

from __future__ import annotations

import jinja2
from branca.element import MacroElement
from folium.elements import JSCSSMixin

from maps.page import PageContext, map_page


def scenarios_page(context: PageContext, plan: int) -> str:
    """Write the page of a plan and the proposals made from it.

    Parameters
    ----------
    context : PageContext
    plan : int
        Id of the plan; what there is, the script asks.
    """
    return map_page(
        context,
        "plan_scenarios",
        data={"plan": plan},
        scripts=("plan_grids", "plan_design"),
        parts=(_Style(),),
    )


class _Style(JSCSSMixin, MacroElement):
    """Brings the styles of this page, which come after those of every page."""

    _template = jinja2.Template("")

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.default_js = []
        self.default_css = [("plans_css", ""), ("scenarios_css", "")]
