"""Pages as text: nothing of another host, nothing unescaped, the same words in both languages."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from api.security import page_policy
from maps.assets import STATIC
from maps.catchment import catchment_page
from maps.city import city_page
from maps.coverage import coverage_page
from maps.messages import FRAME_PARTS, LANGUAGES, messages, words_of
from maps.page import PageContext
from maps.plans import (
    plan_compare_page,
    plan_edit_page,
    plan_import_page,
    plan_review_page,
    plans_page,
)

CONTEXT = PageContext(
    city_name="试验镇",
    is_sample=True,
    attribution="© 试验 contributors",
    bounds=(118.1, 36.95, 118.12, 36.96),
    language="zh",
    network_version="0123456789abcdef",
    counts={"households": 1234, "people": 3456, "stations": 5},
)
PLAN_PAGES: dict[str, Callable[[PageContext], str]] = {
    "plans": lambda context: plans_page(context, upload_bytes=1 << 20),
    "plan_import": lambda context: plan_import_page(context, 7),
    "plan_edit": lambda context: plan_edit_page(context, 7),
    "plan_review": lambda context: plan_review_page(context, 7),
    "plan_compare": lambda context: plan_compare_page(context, 7, other=None),
}
ALL_PAGES = ("city", "catchment", "coverage", *PLAN_PAGES)
OWN = STATIC / "gridcircle"
WORDS = STATIC.parent / "messages"


def page(name: str, context: PageContext) -> str:
    if name in PLAN_PAGES:
        return PLAN_PAGES[name](context)
    if name == "city":
        return city_page(context)
    if name == "catchment":
        return catchment_page(context, station=7)
    return coverage_page(context, kinds=["red_station"], minutes=10, profile="norm", waits="none")


class Markup(HTMLParser):
    """Addresses, tags and visible text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.script: list[str] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        self.tags.append((tag, dict(attrs)))
        self.addresses += [v or "" for k, v in attrs if k in {"src", "href", "action", "data"}]

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        (self.script if self._inside == "script" else self.text).append(data)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ALL_PAGES)
def test_every_address_in_a_page_is_of_this_service(name: str, language: str) -> None:
    found = Markup(page(name, replace(CONTEXT, language=language))).addresses
    assert len(found) > 10
    strange = [a for a in found if not re.match(r"(/(?!/)|#|\?|data:,$)", a)]
    assert strange == []


@pytest.mark.parametrize("name", ALL_PAGES)
def test_every_asset_a_page_names_is_there_with_its_digest(name: str) -> None:
    assets = [a for a in Markup(page(name, CONTEXT)).addresses if a.startswith("/static/")]
    assert len(assets) >= 8
    for address in assets:
        path, _, version = address.removeprefix("/static/").partition("?v=")
        assert hashlib.sha256((STATIC / path).read_bytes()).hexdigest().startswith(version)
        assert len(version) == 12


def test_styles_and_scripts_of_ours_name_no_other_host() -> None:
    for path in [*OWN.iterdir(), *(STATIC / "vendor").rglob("*.css")]:
        # Names of XML languages look like addresses and are never asked for.
        text = re.sub(r"url\('data:[^']*'\)", "", path.read_text("utf-8"))
        text = text.replace("http://www.w3.org/2000/svg", "")
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        assert not re.search(r"https?://|url\(\s*['\"]?//|@import", text), path.name


def test_every_font_and_image_of_the_styles_is_there() -> None:
    for path in (STATIC / "vendor").rglob("*.css"):
        for address in re.findall(r"url\(['\"]?([^)'\"]+)['\"]?\)", path.read_text("utf-8")):
            if not address.startswith(("data:", "#", "%23")):  # %23: inside an SVG in the style
                assert (path.parent / address).is_file(), f"{path.name}: {address}"


@pytest.mark.parametrize("name", ALL_PAGES)
def test_markup_in_a_name_stays_text(name: str) -> None:
    evil = "</script></title><img src=x onerror=alert(1)>{{ 7 * 7 }}"
    context = replace(
        CONTEXT, city_name=evil, attribution=evil, is_sample=True, query={"station": evil}
    )
    found = Markup(page(name, context))
    assert not [tag for tag, attributes in found.tags if tag == "img" or "onerror" in attributes]
    assert evil in "".join(found.text)
    assert "49" not in "".join(found.text)
    data = next(text for text in found.script if text.startswith("{"))
    assert json.loads(data)["attribution"] == evil


@pytest.mark.parametrize("name", ALL_PAGES)
def test_the_same_page_twice_is_the_same_bytes(name: str) -> None:
    assert page(name, CONTEXT) == page(name, CONTEXT)


@pytest.mark.parametrize("name", ALL_PAGES)
def test_the_policy_of_a_page_allows_its_own_scripts_and_no_inline_others(name: str) -> None:
    html = page(name, CONTEXT)
    policy = page_policy(html)
    assert "'unsafe-inline'" not in policy.split("style-src")[0]
    assert not re.search(r"<[^>]+\son\w+\s*=", html)


@pytest.mark.parametrize("name", ALL_PAGES)
def test_a_page_may_be_enlarged_with_two_fingers(name: str) -> None:
    found = re.findall(r'<meta name="viewport"[^>]*content="([^"]*)"', page(name, CONTEXT))
    assert found == ["width=device-width, initial-scale=1"]


def test_templates_let_pages_be_enlarged() -> None:
    for template in (STATIC.parent / "templates").glob("*.html"):
        said = template.read_text("utf-8")
        assert "user-scalable" not in said, template.name
        assert "maximum-scale" not in said, template.name


def test_only_a_sample_city_is_called_one() -> None:
    words = messages("zh")["sample"]
    assert words in "".join(Markup(city_page(CONTEXT)).text)
    assert words not in "".join(Markup(city_page(replace(CONTEXT, is_sample=False))).text)


def test_the_language_switch_keeps_the_question() -> None:
    html = coverage_page(
        replace(CONTEXT, query={"kinds": "red_station", "minutes": "10"}),
        kinds=["red_station"],
        minutes=10,
        profile="norm",
        waits="none",
    )
    assert "?kinds=red_station&minutes=10&lang=en" in Markup(html).addresses
    assert '<html lang="zh-CN">' in html


PART_NAMES = sorted({path.name.split(".")[0] for path in WORDS.glob("*.json")})


def part(name: str, language: str) -> dict[str, str]:
    return json.loads((WORDS / f"{name}.{language}.json").read_text())


@pytest.mark.parametrize("name", PART_NAMES)
def test_both_languages_have_the_same_words_with_the_same_gaps(name: str) -> None:
    chinese, english = part(name, "zh"), part(name, "en")
    assert list(chinese) == list(english)
    for key, text in chinese.items():
        assert text.strip(), key
        assert english[key].strip(), key
        gaps = [sorted(re.findall(r"\{\w+\}", words[key])) for words in (chinese, english)]
        assert gaps[0] == gaps[1], key


def test_a_word_of_this_frame_stands_in_one_file_only() -> None:
    for language in LANGUAGES:
        files = [part(name, language) for name in ("common", *FRAME_PARTS)]
        assert len(messages(language)) == sum(len(words) for words in files)


def test_no_part_says_again_what_is_common_to_all() -> None:
    common = {key: (text, part("common", "en")[key]) for key, text in part("common", "zh").items()}
    for name in set(PART_NAMES) - {"common"}:
        english = part(name, "en")
        own = {key: (text, english[key]) for key, text in part(name, "zh").items()}
        assert not own.items() & common.items(), name


def test_every_word_a_script_asks_for_is_there() -> None:
    known = set(messages("zh"))
    # Pages of a frame of their own have their own words.
    own = {"riders.js": "public", "publish.js": "publish"}
    asked: set[str] = set()
    for path in OWN.glob("*.js"):
        found = set(re.findall(r"\bword\(\"(\w+)\"", path.read_text("utf-8")))
        there = set(words_of(own[path.name], language="zh")) if path.name in own else known
        assert found <= there, path.name
        asked |= found
    assert len(asked) > 30


def test_every_kind_facility_and_status_has_a_word() -> None:
    from data.models import COVERAGE_STATES, FACILITIES, STATION_KINDS, STATION_STATUSES

    known = set(messages("zh"))
    assert known >= {*STATION_KINDS, *COVERAGE_STATES}
    assert known >= {f"f_{name}" for name in FACILITIES}
    assert known >= {f"status_{name}" for name in STATION_STATUSES}


def test_scripts_never_write_markup() -> None:
    for path in OWN.glob("*.js"):
        text = Path(path).read_text("utf-8")
        assert not re.search(r"innerHTML\s*\+?=|insertAdjacentHTML|document\.write|\beval\(", text)
