"""Sheets: vector, the font in them, every station on them, a QR code that leads to the map."""

from __future__ import annotations

import datetime as dt
import io
import re

import numpy as np
import pypdfium2
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data.editions.base_map import encode
from data.editions.edition import Edition
from maps.print.font import can_write, font_for
from maps.print.frame import Frame, spread
from maps.print.pictures import as_png, icon_png, qr_png, qr_svg
from maps.print.poster import poster
from maps.print.sheet import Sheet
from maps.print.sign import door_sign

ADDRESS = "https://grids.example.org/s/huantai-riders"
LON, LAT = 118.1, 36.95


def edition(count: int) -> Edition:
    rng = np.random.default_rng(count)
    kinds = ("rider_station", "red_station", "service_centre")
    stations = [
        {
            "id": number,
            "kind": kinds[number % 3],
            "name": f"镇府街第{number}小哥驿站",
            "address": f"兴桓路 {number} 号",
            "community": "城东社区",
            "lon": round(LON + float(rng.uniform(0, 0.05)), 6),
            "lat": round(LAT + float(rng.uniform(0, 0.03)), 6),
            "hours": ("Mo-Su 07:00-22:00", "24/7", None)[number % 3],
            "facilities": ["water", "microwave", "ebike_charging"][: number % 4],
            "verified_on": "2026-11-01" if number % 2 else None,
        }
        for number in range(1, count + 1)
    ]
    line = np.array([[LON, LAT + 0.01], [LON + 0.05, LAT + 0.02]])
    base = {
        "bounds": [LON, LAT, LON + 0.05, LAT + 0.03],
        "water": [[encode(np.array([[LON, LAT], [LON + 0.05, LAT], [LON + 0.05, LAT + 0.002]]))]],
        "green": [], "rail": [encode(line + 0.003)], "main": [encode(line)], "minor": [],
        "names": [[LON + 0.02, LAT + 0.014, "迎宾大道", 1]],
    }  # fmt: skip
    content = {
        "format": 1, "slug": "huantai-riders", "title": "桓台小哥驿站地图",
        "title_en": "Rider stations of Huantai", "number": 7,
        "published_at": "2026-11-21T08:00:00Z", "city": "桓台县", "is_sample": False,
        "attribution": "© OpenStreetMap contributors", "kinds": list(kinds), "stations": stations,
    }  # fmt: skip
    return Edition(7, dt.datetime(2026, 11, 21, 8, tzinfo=dt.UTC), "李编辑", "d", content, base)


def pages(pdf: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(pdf)
    return [document[n].get_textpage().get_text_range() for n in range(len(document))]


def codes(png: bytes) -> list[str]:
    return [code.text for code in zxingcpp.read_barcodes(Image.open(io.BytesIO(png)))]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(("paper", "width", "height"), [("a4", 210, 297), ("a3", 297, 420)])
@pytest.mark.parametrize("count", [1, 9, 48])
def test_a_poster_names_every_station_edition_and_date(paper, width, height, language, count):
    made = poster(edition(count), paper, language, address=ADDRESS)
    document = pypdfium2.PdfDocument(made)
    assert document[0].get_width() / 72 * 25.4 == pytest.approx(width, abs=0.2)
    assert document[0].get_height() / 72 * 25.4 == pytest.approx(height, abs=0.2)
    text = "".join(pages(made))
    for number in range(1, count + 1):
        assert f"镇府街第{number}小哥驿站" in text
    title = "桓台小哥驿站地图" if language == "zh" else "Rider stations of Huantai"
    street = ("迎宾大道",) if count == 48 else ()  # fewer stations may lie elsewhere
    for words in (title, "2026-11-21", "7", ADDRESS, "OpenStreetMap", *street):
        assert words in text
    scale = ("米", "公里", "北") if language == "zh" else (" m", " km", "N")
    assert scale[2] in text
    assert any(unit in text for unit in scale[:2])
    assert "李编辑" not in text


def test_a_poster_is_vector_with_its_font_inside() -> None:
    made = poster(edition(9), "a4", "zh", address=ADDRESS)
    assert b"/FontFile2" in made
    assert b"/Subtype /Image" not in made
    assert len(made) < 600_000
    document = pypdfium2.PdfDocument(made)
    kinds = {item.type for item in document[0].get_objects()}
    assert pypdfium2.raw.FPDF_PAGEOBJ_IMAGE not in kinds
    assert {pypdfium2.raw.FPDF_PAGEOBJ_PATH, pypdfium2.raw.FPDF_PAGEOBJ_TEXT} <= kinds


@pytest.mark.parametrize("paper", ["a4", "a3", "phone"])
def test_the_qr_code_of_a_sheet_leads_to_the_short_address(paper: str) -> None:
    png = as_png(poster(edition(12), paper, "zh", address=ADDRESS), width_px=1080)
    assert codes(png) == [ADDRESS]
    assert Image.open(io.BytesIO(png)).width == 1080


def test_the_same_edition_gives_the_same_bytes() -> None:
    first = poster(edition(5), "a4", "zh", address=ADDRESS)
    assert poster(edition(5), "a4", "zh", address=ADDRESS) == first


def test_a_sheet_is_painted_where_the_map_is() -> None:
    png = as_png(poster(edition(9), "a4", "zh", address=ADDRESS), width_px=800)
    colours = {c for _, c in Image.open(io.BytesIO(png)).convert("RGB").getcolors(1 << 24)}

    def near(*want: int) -> bool:
        return any(max(abs(a - b) for a, b in zip(c, want, strict=True)) < 10 for c in colours)

    assert near(0xBC, 0xD9, 0xEA)  # water
    assert near(0xA4, 0x5F, 0x00)  # a rider station's mark
    assert near(0x14, 0x30, 0x4D)  # the head


def test_a_sign_says_what_when_and_where_on_one_page() -> None:
    made = edition(4)
    circle = {
        "type": "Polygon",
        "coordinates": [[[LON, LAT], [LON + 0.01, LAT], [LON + 0.01, LAT + 0.01], [LON, LAT]]],
    }
    for shape in (circle, None):
        pdf = door_sign(
            made, 3, "zh", address=f"{ADDRESS}#s3", base_map=made.base_map, circle=shape,
            minutes=10,
        )  # fmt: skip
        (text,) = pages(pdf)
        for words in (
            "镇府街第3小哥驿站",
            "饮水",
            "微波炉",
            "电动车充电",
            "每天 07:00–22:00",
            "步行 10 分钟",
        ):
            assert words in text
        assert codes(as_png(pdf, width_px=1200)) == [f"{ADDRESS}#s3"]


def test_qr_codes_by_themselves_are_read_back() -> None:
    assert codes(qr_png(ADDRESS)) == [ADDRESS]
    assert qr_svg(ADDRESS).startswith(b"<?xml")
    assert Image.open(io.BytesIO(icon_png(192))).size == (192, 192)


def test_two_fonts_in_one_process_keep_their_letters() -> None:
    for words in ("世纪楼院红色驿站", "步行十分钟可到的范围"):
        sheet = Sheet(100, 50, words=[words], title="x")
        sheet.text(5, 20, words, 5)
        assert words in "".join(pages(sheet.finish()))
    assert font_for(frozenset("世纪")) == font_for(frozenset("纪世"))


def test_letters_the_font_has_not_are_boxes_and_long_words_are_cut() -> None:
    assert can_write("驿站\U0001f6f5") == "驿站□"
    sheet = Sheet(100, 50, words=["字" * 3, "…"], title="x")
    sheet.text(5, 20, "字" * 80, 5, width=40)
    text = "".join(pages(sheet.finish()))
    assert "…" in text
    assert sheet.width_of(text.strip(), 5) <= 41


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet="一二三，。；a b12:–", max_size=80), st.floats(12, 60))
def test_lines_fit_and_lose_nothing(words: str, width: float) -> None:
    sheet = Sheet(100, 50, words=["一二三，。；ab12:–…"], title="x")
    found = sheet.lines(words, 4, width)
    assert "".join("".join(found).split()) == "".join(can_write(words).split())
    for line in found[1:]:
        assert len(line) == 0 or line[0] not in "，。；" or set(words) <= set("，。； ")


def test_a_number_or_a_word_is_not_cut_in_two() -> None:
    words = "周一至周五 09:00–11:30、14:00–17:30；周六 09:00–11:30 public holidays"
    sheet = Sheet(100, 50, words=[words], title="x")
    for width in range(30, 90):
        for line in sheet.lines(words, 4, width):
            for part in re.findall("[!-~–]+", line):
                assert part in re.findall("[!-~–]+", words), (width, line)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(20, 180), st.floats(20, 120)), min_size=1, max_size=40))
def test_marks_do_not_cover_each_other_and_stay_in_the_frame(places) -> None:
    frame = Frame(10, 10, 190, 120, "EPSG:4548", 0, 0, 1)
    marks = spread(np.array(places), 5.0, frame)
    assert (marks >= [10, 10]).all()
    assert (marks <= [200, 130]).all()
    step = np.hypot(*(marks[:, None] - marks[None]).transpose(2, 0, 1))
    np.fill_diagonal(step, np.inf)
    assert step.min() > 4.0
