"""The words of the pages, Chinese first."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

LANGUAGES = ("zh", "en")
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
    # One file for all pages, and one for each group of pages: plans.zh.json, plans.en.json.
    for path in sorted(
        _FOLDER.glob(f"*{language}.json"), key=lambda p: (p.name.count("."), p.name)
    ):
        words |= json.loads(path.read_text("utf-8"))
    return words
