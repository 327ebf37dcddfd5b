"""The words of the pages and sheets, Chinese first."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

LANGUAGES = ("zh", "en")
FRAME_PARTS = ("frame", "plans", "design", "imports")
"""Groups of pages in the frame of the planner's pages. A word stands in one of them only."""
_FOLDER = Path(__file__).parent / "messages"


def messages(language: str) -> dict[str, str]:
    """Words of the planner's pages by key.

    Raises
    ------
    KeyError
        If the language is not one of `LANGUAGES`.
    """
    return words_of(*FRAME_PARTS, language=language)


@lru_cache
def words_of(*parts: str, language: str) -> dict[str, str]:
    """Words of some pages by key: those common to all, and their own, which come before them.

    Parameters
    ----------
    parts : str
        Each has a file ``messages/PART.LANGUAGE.json``.
    language : str

    Raises
    ------
    KeyError
        If the language is not one of `LANGUAGES`.
    """
    if language not in LANGUAGES:
        raise KeyError(language)
    words: dict[str, str] = {}
    for part in ("common", *parts):
        words |= json.loads((_FOLDER / f"{part}.{language}.json").read_text("utf-8"))
    return words
