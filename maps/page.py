"""The base of every page: a Folium map with local assets, a bar, a panel and its language."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import folium
import jinja2
from branca.element import Element, Figure, MacroElement
from folium.elements import JSCSSMixin

from geo.standards import DEFAULT_CUTOFFS_S, PROFILES, SIGNAL_WAITS_S
from maps.account_menu import AccountMenu
from maps.assets import asset, localise
from maps.messages import LANGUAGES, messages
from maps.templating import environment

_TEMPLATES = Path(__file__).parent / "templates"
_VIEWPORT = re.compile(r'<meta name="viewport"[^>]*>')
_ZOOMS = '<meta name="viewport" content="width=device-width, initial-scale=1">'


@dataclass(frozen=True, slots=True)
class PageContext:
    """What every page says about the city and its data.

    Attributes
    ----------
    city_name : str
    is_sample : bool
        Whether the city is made up; every page then says so.
    attribution : str
        Of the map data.
    bounds : tuple of float or None
        West, south, east, north, WGS84 degrees.
    language : str
        One of `maps.messages.LANGUAGES`.
    network_version : str
        Empty where there is no network.
    counts : dict of str to int
        Rows by layer, households and people.
    profile, waits : str
        What holds where nobody chooses otherwise, as in `geo.standards`.
    query : dict of str to str
        The query of the page without its language, for the link to the other language.
    account : AccountMenu or None
        Who is logged in; None where nobody is.
    """

    city_name: str
    is_sample: bool
    attribution: str
    bounds: tuple[float, float, float, float] | None
    language: str
    network_version: str
    counts: dict[str, int]
    profile: str = "norm"
    waits: str = "none"
    query: dict[str, str] = field(default_factory=dict)
    account: AccountMenu | None = None


def map_page(
    context: PageContext,
    name: str,
    *,
    data: dict[str, Any],
    scripts: Sequence[str] = (),
    parts: Sequence[MacroElement] = (),
) -> str:
    """Write a page with a map.

    Parameters
    ----------
    context : PageContext
    name : str
        Of the page: its panel is ``templates/<name>.html``, its script
        ``static/gridcircle/<name>.js``.
    data : dict
        What the script needs, as JSON.
    scripts : sequence of str
        Scripts of ours that stand before the page's own: names below ``static/gridcircle``.
    parts : sequence of MacroElement
        Folium plugins and styles the page needs besides.
    """
    words = messages(context.language)
    west, south, east, north = context.bounds or (117.9, 36.2, 118.1, 36.4)
    chart = folium.Map(
        location=[(south + north) / 2, (west + east) / 2],
        zoom_start=14,
        tiles=None,
        zoom_control=False,
        min_zoom=8,
        max_zoom=19,
    )
    chart._id = "city"  # noqa: SLF001 — a random one otherwise: the same page, other bytes
    shared = {
        "page": name,
        "language": context.language,
        "words": words,
        "bounds": [[south, west], [north, east]],
        "attribution": context.attribution,
        "hasNetwork": bool(context.network_version),
        "counts": context.counts,
        "defaults": {"profile": context.profile, "waits": context.waits},
        "profiles": [
            {
                "name": p.name,
                "label": p.label_zh if context.language == "zh" else p.label_en,
                "speed_mps": p.speed_mps,
            }
            for p in PROFILES.values()
            if p.mode == "walk"
        ],
        "waits": dict(SIGNAL_WAITS_S),
        "minutes": [seconds // 60 for seconds in DEFAULT_CUTOFFS_S],
        **data,
    }
    other = next(language for language in LANGUAGES if language != context.language)
    frame = (
        environment()
        .get_template("frame.html")
        .render(
            context=context,
            words=words,
            page=name,
            other=other,
            other_address="?" + urlencode({**context.query, "lang": other}),
            panel=f"{name}.html",
            terms=_terms(words),
            speed=_speed(context),
            scripts=[
                asset(f"gridcircle/{script}.js") for script in ("base", "map", *scripts, name)
            ],
            # No tag can end the script block early.
            data=json.dumps(shared, ensure_ascii=False).replace("<", "\\u003c"),
        )
    )
    # Branca writes the title as it is.
    figure = Figure(title=html.escape(f"{words[f'title_{name}']} · {context.city_name}"))
    chart.add_to(figure)
    # Browsers ask for an icon unless a page says that it has none.
    figure.header.add_child(Element('<link rel="icon" href="data:,">'))
    figure.html.add_child(_Raw(frame))
    for part in (_Shared(), *parts, _Start()):  # type: ignore[no-untyped-call]
        chart.add_child(part)
    localise(figure)
    page = str(figure.render()).replace("<html>", f'<html lang="{_html_language(context)}">', 1)
    # Folium forbids enlarging the page with two fingers; who sees badly needs to (WCAG 1.4.4).
    return _VIEWPORT.sub(lambda _: _ZOOMS, page, count=1)


def _terms(words: dict[str, str]) -> list[dict[str, str]]:
    """The words of the trade in both languages, explained in the page's."""
    chinese, english = messages("zh"), messages("en")
    return [
        {"zh": chinese[key], "en": english[key], "meaning": words[f"meaning_{name}"]}
        for key in words
        if (name := key.removeprefix("term_")) != key
    ]


def _speed(context: PageContext) -> str:
    """The walking speed that holds where nobody chooses otherwise, in words."""
    profile = PROFILES[context.profile]
    return profile.label_zh if context.language == "zh" else profile.label_en


def _html_language(context: PageContext) -> str:
    return "zh-CN" if context.language == "zh" else "en"


class _Raw(Element):
    """Markup that is finished: it is not a template again, whatever a name holds."""

    def __init__(self, text: str) -> None:
        super().__init__("")
        self._text = text

    def render(self, **_: Any) -> str:
        """Give the markup as it is."""
        return self._text


class _Start(MacroElement):
    """Hands the map to the page's scripts once Folium has made it, plugins and all."""

    _template = jinja2.Template(
        "{% macro script(this, kwargs) %}Gridcircle.start({{ this._parent.get_name() }});"
        "{% endmacro %}"
    )


class _Shared(JSCSSMixin, MacroElement):
    """Brings the scripts and styles of every page."""

    _template = jinja2.Template("")

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.default_js = [("protomaps", "")]
        self.default_css = [("noto_css", ""), ("gridcircle_css", ""), ("navigation_css", "")]
