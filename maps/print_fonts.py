"""The pages' own font for printed sheets: as many of its parts as a text needs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from fpdf import FPDF

from maps.assets import STATIC

FOLDER = STATIC / "vendor" / "noto-sans-sc"
_FACE = re.compile(r"url\(\./(files/[^)]+)\).*?unicode-range:\s*([^;]+);", re.DOTALL)


@lru_cache(maxsize=1)
def font_parts() -> dict[Path, tuple[tuple[int, int], ...]]:
    """Files of the font with the ranges of characters each is for, as its style sheet says."""
    parts = {}
    for file, ranges in _FACE.findall((FOLDER / "400.css").read_text("utf-8")):
        spans = []
        for one in ranges.split(","):
            first, _, last = one.strip().removeprefix("U+").partition("-")
            spans.append((int(first, 16), int(last or first, 16)))
        parts[FOLDER / file] = tuple(spans)
    return parts


def files_for(text: Iterable[str]) -> list[Path]:
    """Files that hold every character of a text, Latin first.

    Parameters
    ----------
    text : iterable of str
        A string, or several.
    """
    left = {ord(character) for piece in text for character in piece}
    latin = FOLDER / "files" / "noto-sans-sc-latin-400-normal.woff2"
    parts = font_parts()
    chosen = []
    for path in [latin, *sorted(parts.keys() - {latin})]:
        here = {c for c in left if any(first <= c <= last for first, last in parts[path])}
        if here or path == latin:
            chosen.append(path)
        left -= here
    return chosen


def use_font(pdf: FPDF, text: Iterable[str], *, size_pt: float) -> None:
    """Set the font of a document so that it has every character of a text.

    Only the glyphs that are used go into the file.

    Parameters
    ----------
    pdf : FPDF
    text : iterable of str
        Everything that will be written.
    size_pt : float
    """
    names = []
    for path in files_for(text):
        name = path.stem.removesuffix("-400-normal")
        pdf.add_font(name, fname=path)
        names.append(name)
    pdf.set_font(names[0], size=size_pt)
    pdf.set_fallback_fonts(names[1:], exact_match=False)
