"""The public page of a station map: a list that works everywhere, a map where scripts run."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from data.editions.checklist import VERIFIED_DAYS, days_since_verified
from data.editions.edition import Edition
from data.editions.models import REPORT_REASONS
from data.opening import TIME_ZONE, hours_in_words, timeline
from maps.assets import STATIC, asset
from maps.deeplinks import deep_links
from maps.messages import LANGUAGES, words_of
from maps.templating import environment

NEEDS = ("open", "water", "microwave", "charging", "battery_swap", "toilet", "always")
"""Filters, in the order of the buttons."""
DAYS_AHEAD = 30
"""How far ahead opening states are worked out for a page that is asked for again; a page is made
anew each day."""
DAYS_AHEAD_SINGLE = 200
"""The same for a file that nobody makes anew."""

_STATE_LETTERS = {"open": "o", "closed": "c", "holiday": "h", "unknown": "u"}
_FOLDER = Path(__file__).parent

Form = Literal["page", "embed", "single", "preview"]


def public_words(language: str) -> Mapping[str, str]:
    """Words of public pages.

    Raises
    ------
    KeyError
        If the language is not one of `maps.messages.LANGUAGES`.
    """
    return words_of("public", language=language)


@dataclass(frozen=True, slots=True)
class PublicStation:
    """A station of an edition, in the words of one language."""

    row: Mapping[str, Any]
    kind_words: str
    hours_words: str
    facility_words: tuple[str, ...]
    verified_words: str
    verified_old: bool


def public_stations(
    edition: Edition, language: str, today: dt.date, *, words: Mapping[str, str] | None = None
) -> list[PublicStation]:
    """Stations of an edition in words.

    Parameters
    ----------
    edition : Edition
    language : str
    today : date
        What "90 days ago" counts from.
    words : mapping, optional
        Instead of `public_words`.
    """
    words = words or public_words(language)
    return [
        PublicStation(
            row,
            words[f"kind_{row['kind']}"],
            hours_in_words(row["hours"], language),
            tuple(words[f"f_{name}"] for name in row["facilities"]),
            _verified(row["verified_on"], today, words),
            _is_old(row["verified_on"], today),
        )
        for row in edition.content["stations"]
    ]


def public_page(
    edition: Edition,
    language: str,
    *,
    base: str,
    now: dt.datetime,
    newest: int | None = None,
    form: Form = "page",
) -> str:
    """Write the page of an edition.

    Parameters
    ----------
    edition : Edition
    language : str
        One of `maps.messages.LANGUAGES`.
    base : str
        Path of the publication, without a slash at the end.
    now : datetime
        With a time zone; the page is the same all day.
    newest : int, optional
        Number of the newest edition; another one says that it is old.
    form : {"page", "embed", "single", "preview"}
        ``single`` holds all scripts and styles and asks nothing of any host.
    """
    words = public_words(language)
    content = edition.content
    day = now.astimezone(TIME_ZONE)
    midnight = day.replace(hour=0, minute=0, second=0, microsecond=0)
    single = form == "single"
    listed = public_stations(edition, language, day.date())
    rows = content["stations"]
    links = deep_links([(row["lon"], row["lat"]) for row in rows], [row["name"] for row in rows])
    old = newest is not None and edition.number != newest
    here = f"{base}/{edition.number}" if old else base
    data = {
        "language": language,
        "words": {k: v for k, v in words.items() if not k.startswith(("f_", "form_", "kind_"))},
        "number": edition.number,
        "stations": [
            {
                "id": row["id"],
                "kind": row["kind"],
                "name": row["name"],
                "at": [row["lon"], row["lat"]],
                "needs": _needs(row),
                "hours": at,
            }
            for row, at in zip(rows, _hours_numbers(rows), strict=True)
        ],
        "hours": _hours(rows, midnight, DAYS_AHEAD_SINGLE if single else DAYS_AHEAD),
        "base": edition.base_map,
        "attribution": content["attribution"],
        "verifiedDays": VERIFIED_DAYS,
        "form": form,
        "address": None if single or form == "preview" else base,
    }
    return (
        environment()
        .get_template("public.html")
        .render(
            words=words,
            language=language,
            other=next(other for other in LANGUAGES if other != language),
            title=content["title"] if language == "zh" else content["title_en"],
            city=content["city"],
            number=edition.number,
            published=edition.published_at.astimezone(TIME_ZONE).date().isoformat(),
            stations=[
                {
                    **row,
                    **_photo(row, base, draft=form == "preview"),
                    "hours_words": station.hours_words,
                    "facility_words": station.facility_words,
                    "verified_words": station.verified_words,
                    "links": link,
                }
                for row, station, link in zip(rows, listed, links, strict=True)
            ],
            needs=NEEDS,
            reasons=REPORT_REASONS,
            base=base,
            here=here,
            old=old,
            draft=form == "preview",
            embed=form == "embed",
            single=single,
            sample=content["is_sample"],
            attribution=content["attribution"],
            data=_json(data),
            asset=asset,
            leaflet_css=_inline("vendor/leaflet/leaflet.css") if single else "",
            style=_inline("gridcircle/riders.css") if single else "",
            leaflet_js=_inline("vendor/leaflet/leaflet.js") if single else "",
            script=_inline("gridcircle/riders.js") if single else "",
        )
    )


def thanks_page(language: str, base: str) -> str:
    """Write what is shown after a report where no script runs."""
    words = public_words(language)
    return (
        environment()
        .get_template("public_thanks.html")
        .render(words=words, language=language, base=base, asset=asset)
    )


def _verified(verified_on: str | None, today: dt.date, words: Mapping[str, str]) -> str:
    if verified_on is None:
        return words["verified_never"]
    key = "verified_old" if _is_old(verified_on, today) else "verified"
    return words[key].format(d=verified_on)


def _is_old(verified_on: str | None, today: dt.date) -> bool:
    if verified_on is None:
        return True
    days = days_since_verified(dt.date.fromisoformat(verified_on), today)
    return days is None or days > VERIFIED_DAYS


def _photo(row: Mapping[str, Any], base: str, *, draft: bool) -> dict[str, Any]:
    """The photo and where it is; before publishing, where publishers alone see it."""
    photo = row.get("photo")  # editions of before there were photos have none
    if not photo:
        return {"photo": None}
    public = f"{base}/photos/{photo['digest']}.webp"
    private = f"/api/v1/stations/{row['id']}/photo"
    return {"photo": photo, "photo_address": private if draft else public}


def _needs(row: Mapping[str, Any]) -> list[str]:
    """Which filters a station passes, the one that depends on the hour left out."""
    has = set(row["facilities"])
    found = [need for need in ("water", "microwave", "battery_swap", "toilet") if need in has]
    if has & {"phone_charging", "ebike_charging"}:
        found.append("charging")
    if (row["hours"] or "").strip() == "24/7":
        found.append("always")
    return found


def _hours_numbers(rows: list[dict[str, Any]]) -> list[int]:
    """Number of each station's hours among the different ones."""
    numbers: dict[str | None, int] = {}
    return [numbers.setdefault(row["hours"], len(numbers)) for row in rows]


def _hours(rows: list[dict[str, Any]], start: dt.datetime, days: int) -> list[list[Any]]:
    """Lines of states for the different hours: first minute since 1970, steps, letters, end."""
    lines = []
    first = round(start.timestamp() / 60)
    for hours in dict.fromkeys(row["hours"] for row in rows):
        line = timeline(hours, start, days=days)
        steps = [b - a for a, b in zip((0, *line.minutes), line.minutes, strict=False)]
        letters = "".join(_STATE_LETTERS[state] for state in line.states)
        lines.append([first, steps, letters, first + days * 24 * 60])
    return lines


def _json(data: Any) -> str:
    # No tag can end the script block early.
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


@lru_cache(maxsize=8)
def _inline(name: str) -> str:
    """A script or style as it may stand inside a page."""
    text = (STATIC / name).read_text("utf-8")
    return text.replace("</script", "<\\/script").replace("</style", "<\\/style")
