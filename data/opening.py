"""Opening hours: whether a place is open now, until when, on Chinese public holidays too.

Hours are OpenStreetMap ``opening_hours``, read by the library opening-hours. Its own table of
Chinese holidays has one day of each; the library holidays has the days as the State Council
arranges them each year (known for this and past years, the statutory days for later ones). So
``PH`` is written out as these dates before the hours are read. Saturdays and Sundays
that are worked to make up for a holiday (调休) have the hours given for ``Mo-Fr``, if any are.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

import holidays
from opening_hours import OpeningHours, ParserError  # type: ignore[attr-defined]

State = Literal["open", "closed", "holiday", "unknown"]

TIME_ZONE = ZoneInfo("Asia/Shanghai")
COUNTRY = "CN"

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()  # noqa: SIM905
_KEYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su", "PH", "off", "closed")
_WORD = re.compile(rf"\b({'|'.join(_KEYS)})\b")
_WORDS = {
    "zh": dict(
        zip(
            _KEYS,
            ("周一", "周二", "周三", "周四", "周五", "周六", "周日", "节假日", "休息", "休息"),
            strict=True,
        )
    ),
    "en": dict(
        zip(
            _KEYS,
            (
                "Mon",
                "Tue",
                "Wed",
                "Thu",
                "Fri",
                "Sat",
                "Sun",
                "public holidays",
                "closed",
                "closed",
            ),
            strict=True,
        )
    ),
}
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Opening:
    """What a place is at one moment.

    Attributes
    ----------
    state : {"open", "closed", "holiday", "unknown"}
        ``holiday`` is closed on a public holiday whose hours differ from the day's usual ones.
    until : datetime or None
        When an open place closes, or a closed one opens; None where that is never, or unknown.
    """

    state: State
    until: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """What a place will be, from a moment on.

    Attributes
    ----------
    start : datetime
    minutes : tuple of int
        When each state begins, minutes after `start`, rising from 0.
    states : tuple of State
        As long as `minutes`; never the same twice in a row.
    days : int
        How far it reaches; what comes later is unknown.
    """

    start: dt.datetime
    minutes: tuple[int, ...]
    states: tuple[State, ...]
    days: int


def is_readable(hours: str | None) -> bool:
    """Whether hours are given and can be read."""
    if hours is None or not hours.strip():
        return False
    try:
        OpeningHours(hours)
    except ParserError:
        return False
    return True


def timeline(hours: str | None, start: dt.datetime, *, days: int) -> Timeline:
    """States of a place in the coming days.

    Parameters
    ----------
    hours : str or None
        OpenStreetMap ``opening_hours``; what cannot be read is unknown throughout.
    start : datetime
        With a time zone; taken to the minute.
    days : int
    """
    start = start.astimezone(TIME_ZONE).replace(second=0, microsecond=0)
    if not is_readable(hours):
        return Timeline(start, (0,), ("unknown",), days)
    assert hours is not None  # noqa: S101
    end = start + days * _DAY
    with_holidays = _read(hours, start.year - 1, end.year + 1)
    pieces = list(_pieces(with_holidays, start, end))
    free = _holiday_dates(start.year - 1, end.year + 1)
    if re.search(r"\bPH\b", hours):
        usual = list(_pieces(OpeningHours(_without_holidays(hours) or "off"), start, end))
        pieces = _mark_holidays(pieces, usual, free, start, end)
    minutes: list[int] = []
    states: list[State] = []
    for begin, state in pieces:
        if not states or states[-1] != state:
            minutes.append(round((begin - start).total_seconds() / 60))
            states.append(state)
    return Timeline(start, tuple(minutes), tuple(states), days)


def opening_at(hours: str | None, when: dt.datetime, *, days: int = 31) -> Opening:
    """State of a place at one moment, and when that changes.

    Parameters
    ----------
    hours : str or None
    when : datetime
        With a time zone.
    days : int
        How far to look for the change.
    """
    line = timeline(hours, when, days=days)
    now = line.states[0]
    if now == "unknown":
        return Opening("unknown", None)
    for minute, state in zip(line.minutes, line.states, strict=True):
        if (state == "open") != (now == "open"):
            return Opening(now, line.start + dt.timedelta(minutes=minute))
    return Opening(now, None)


def hours_in_words(hours: str | None, language: str) -> str:
    """Hours as people say them; empty where none are given, as they stand where too special."""
    if hours is None or not hours.strip():
        return ""
    if hours.strip() == "24/7":
        return "全天 24 小时" if language == "zh" else "24 hours a day"
    chinese = language == "zh"
    names = _WORDS[language]
    rules = []
    for rule in hours.split(";"):
        words = rule.strip().replace("Mo-Su", "每天" if chinese else "daily")
        words = _WORD.sub(lambda m: names[m[1]], words)
        if chinese:
            words = re.sub(r"(?<=[一二三四五六日])-(?=周)", "至", words)
            words = re.sub(r"(?<=\d),\s*(?=\d)", "、", words)
            words = words.replace(",", "、").replace("节假日 休息", "节假日休息")
            words = re.sub(r"(?<=[一二三四五六日]) 休息", "休息", words)
        words = re.sub(r"(?<=\d)-(?=\d\d:)", "–", words)
        rules.append(re.sub(r"(?<=[,、])\s+", "" if chinese else " ", words))
    return ("；" if chinese else "; ").join(rule for rule in rules if rule)


def _pieces(
    read: OpeningHours, start: dt.datetime, end: dt.datetime
) -> list[tuple[dt.datetime, State]]:
    """Begin and state of each stretch; the library speaks wall-clock time without a zone."""
    plain, stop = start.replace(tzinfo=None), end.replace(tzinfo=None)
    found: list[tuple[dt.datetime, State]] = []
    for piece in read.intervals(plain, stop):
        begin, word = piece[0], str(piece[2]).rsplit(".", maxsplit=1)[-1].lower()
        if begin >= stop:
            break
        state: State = "open" if word == "open" else "closed" if word == "closed" else "unknown"
        found.append((max(begin, plain).replace(tzinfo=start.tzinfo), state))
    return found or [(start, "closed")]


def _mark_holidays(
    pieces: Sequence[tuple[dt.datetime, State]],
    usual: Sequence[tuple[dt.datetime, State]],
    free: frozenset[dt.date],
    start: dt.datetime,
    end: dt.datetime,
) -> list[tuple[dt.datetime, State]]:
    """Call closed stretches of holidays ``holiday`` where the usual hours of the day differ."""
    marked: list[tuple[dt.datetime, State]] = []
    day = start
    while day < end:
        midnight = (day + _DAY).replace(hour=0, minute=0)
        stop = min(midnight, end)
        mine = _between(pieces, day, stop)
        special = day.date() in free and mine != _between(usual, day, stop)
        marked += [(at, "holiday" if special and s == "closed" else s) for at, s in mine]
        day = midnight
    return marked


def _between(
    pieces: Sequence[tuple[dt.datetime, State]], begin: dt.datetime, end: dt.datetime
) -> list[tuple[dt.datetime, State]]:
    """Cut stretches to one day, each state once in a row."""
    inside: list[tuple[dt.datetime, State]] = []
    for at, state in pieces:
        if at >= end:
            break
        if at <= begin:
            inside = [(begin, state)]
        elif not inside or inside[-1][1] != state:
            inside.append((at, state))
    return inside


@lru_cache(maxsize=64)
def _holiday_dates(first_year: int, last_year: int) -> frozenset[dt.date]:
    """Public holidays; weekend days inside a holiday belong to it."""
    named = set(holidays.country_holidays(COUNTRY, years=range(first_year, last_year + 1)))
    days = sorted(named)
    for before, after in itertools.pairwise(days):
        between = [before + n * _DAY for n in range(1, (after - before).days)]
        if len(between) <= 2 and all(day.weekday() >= 5 for day in between):
            named.update(between)
    return frozenset(named)


@lru_cache(maxsize=8)
def _holiday_selector(first_year: int, last_year: int) -> str:
    """Holidays as a list of dates in ``opening_hours`` syntax."""
    ranges: list[list[dt.date]] = []
    for day in sorted(_holiday_dates(first_year, last_year)):
        if ranges and day - ranges[-1][1] == _DAY:
            ranges[-1][1] = day
        else:
            ranges.append([day, day])
    return ",".join(
        _date(first) if first == last else f"{_date(first)}-{_date(last)}" for first, last in ranges
    )


def _date(day: dt.date) -> str:
    return f"{day.year} {_MONTHS[day.month - 1]} {day.day:02}"


@lru_cache(maxsize=8)
def _worked_weekends(first_year: int, last_year: int) -> tuple[dt.date, ...]:
    """Weekend days that are worked, as the State Council announced them."""
    named = holidays.country_holidays(COUNTRY, years=range(first_year, last_year + 1))
    return tuple(
        day for day in sorted(named.weekend_workdays) if first_year <= day.year <= last_year
    )


_WORKING_DAYS = re.compile(r"^(?:Mo-Fr|Mo,Tu,We,Th,Fr)(\s+\d[\d:,+\- ]*)?$")
"""A rule of exactly the working days with hours or none; others say nothing about make-up days."""


_LIST_WITH_HOLIDAYS = re.compile(
    r"^((?:[A-Z][a-z](?:-[A-Z][a-z])?|PH)(?:,(?:[A-Z][a-z](?:-[A-Z][a-z])?|PH))*)(\s.*)?$"
)


def _split_rule(rule: str) -> tuple[str | None, str | None, bool]:
    """Part a rule into that of weekdays and that of holidays; whether it is understood."""
    if not re.search(r"\bPH\b", rule):
        return rule, None, True
    match = _LIST_WITH_HOLIDAYS.match(rule)
    if match is None:
        return rule, None, False
    days = [day for day in match[1].split(",") if day != "PH"]
    rest = match[2] or ""
    return (",".join(days) + rest if days else None), rest.strip(), True


def _without_holidays(hours: str) -> str:
    rules = [_split_rule(rule.strip())[0] for rule in hours.split(";")]
    return "; ".join(rule for rule in rules if rule and "PH" not in rule)


@lru_cache(maxsize=1024)
def _read(hours: str, first_year: int, last_year: int) -> OpeningHours:
    rules: list[str] = []
    made_up = ",".join(map(_date, _worked_weekends(first_year, last_year)))
    worked: list[str] = []
    for rule in hours.split(";"):
        weekdays, holiday, understood = _split_rule(rule.strip())
        if not understood:
            # A holiday in some other selector: the library's own table, a day for each.
            return OpeningHours(hours, country=COUNTRY)
        if weekdays:
            rules.append(weekdays)
            if made_up and (match := _WORKING_DAYS.match(weekdays)):
                worked.append(f"{made_up}{match[1] or ''}")
        if holiday is not None:
            rules.append(f"{_holiday_selector(first_year, last_year)} {holiday}".strip())
    # Last, so that the hours of Saturdays and Sundays give way.
    written = "; ".join([*rules, *worked])
    try:
        return OpeningHours(written, country=COUNTRY)
    except ParserError:
        return OpeningHours(hours, country=COUNTRY)
