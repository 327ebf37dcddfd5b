"""What somebody sees in a browser whose address cannot be answered: what is wrong, and ways on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2

from maps.account_menu import account_words
from maps.assets import asset
from maps.messages import LANGUAGES, messages
from maps.page import PageContext

_TEMPLATES = Path(__file__).parent / "templates"
_TITLES = (404, 422, 503)
"""Statuses with words of their own; any other is a page that failed."""


def problem_page(
    context: PageContext, problem: Mapping[str, Any], *, ways: bool, home: bool
) -> str:
    """Write the page of a problem.

    Parameters
    ----------
    context : PageContext
    problem : mapping
        The problem document (RFC 9457).
    ways : bool
        Whether to show the ways to the other pages: only to who may open them.
    home : bool
        Whether to show the way to the city: not to riders, who know one map only.
    """
    words = messages(context.language)
    status = problem["status"]
    kind = str(status) if status in _TITLES else "failed"
    chinese = context.language == "zh"
    detail = problem.get("detail_zh" if chinese else "detail", "")
    remedy = problem.get("remedy_zh" if chinese else "remedy", "")
    other = next(language for language in LANGUAGES if language != context.language)
    return (
        _environment()
        .get_template("plain.html")
        .render(
            context=context,
            words={
                **account_words(context.language),
                **words,
                "title_problem": words[f"problem_{kind}"],
            },
            page="problem",
            panel="problem.html",
            ways=ways,
            home=home,
            other=other,
            other_address=f"?lang={other}",
            styles=[
                asset("vendor/noto-sans-sc/400.css"),
                asset("gridcircle/gridcircle.css"),
                asset("gridcircle/navigation.css"),
                asset("gridcircle/accounts.css"),
            ],
            problem="",
            notice="",
            text=words[f"problem_{kind}_text"],
            detail=" ".join(part for part in (detail, remedy) if part),
            number=problem.get("mistake", ""),
        )
    )


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
