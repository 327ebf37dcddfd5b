"""The words of the pages, Chinese first."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

LANGUAGES = ("zh", "en")
PARTS = ("plans.", "design.", "imports.")
"""Groups of pages in this frame with a file of their own, beside the one of all pages. A word
stands in one of them only; pages of another frame have their own words."""
_FOLDER = Path(__file__).parent / "messages"


@lru_cache(maxsize=len(LANGUAGES))
def messages(language: str) -> dict[str, str]:
    """Words of a language by key.

    Raises
    ------
    KeyError
        If the language is not one of `LANGUAGES`.
    """
    if language not in LANGUAGES:
        raise KeyError(language)
    words: dict[str, str] = {}
    for part in ("", *PARTS):
        words |= json.loads((_FOLDER / f"{part}{language}.json").read_text("utf-8"))
    return words
