"""The publisher's desk: publications, check lists, preview, publishing, QR codes, reports."""

from __future__ import annotations

import html
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from data.models import STATION_KINDS
from maps.assets import asset
from maps.messages import LANGUAGES, messages, words_of
from maps.page import PageContext
from maps.public_page import public_words
from maps.templating import environment

_FOLDER = Path(__file__).parent


@lru_cache(maxsize=len(LANGUAGES))
def desk_words(language: str) -> dict[str, str]:
    """Words of the publisher's desk.

    Raises
    ------
    KeyError
        If the language is not one of `maps.messages.LANGUAGES`.
    """
    public = public_words(language)
    shared = messages(language)
    return (
        words_of("publish", language=language)
        | {k: v for k, v in public.items() if k.startswith(("kind_", "reason_"))}
        | {k: v for k, v in shared.items() if k.startswith(("nav_", "p_"))}
        | {"brand": shared["brand"], "sample": shared["sample"]}
    )


def publish_page(
    context: PageContext, areas: list[dict[str, Any]], compounds: list[dict[str, Any]]
) -> str:
    """Write the publisher's desk.

    Parameters
    ----------
    context : PageContext
    areas : list of dict
        ``code``, ``name`` and ``level`` of each area that a map may be of.
    compounds : list of dict
        ``id`` and ``name`` of each compound that has a name.
    """
    words = desk_words(context.language)
    other = next(language for language in LANGUAGES if language != context.language)
    data = {"language": context.language, "words": words, "kinds": STATION_KINDS, "areas": areas}
    return (
        environment()
        .get_template("publish.html")
        .render(
            context=context,
            words=words,
            page="publish",
            other=other,
            language="zh-CN" if context.language == "zh" else "en",
            title=html.unescape(words["title"]),
            kinds=STATION_KINDS,
            areas=areas,
            compounds=compounds,
            asset=asset,
            data=json.dumps(data, ensure_ascii=False).replace("<", "\\u003c"),
        )
    )
