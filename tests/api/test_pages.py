"""Pages over HTTP: language, policy, files that stay."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode

import httpx
import pytest

PAGES = ["/", "/maps/catchment?station=1", "/maps/coverage?minutes=10&kinds=red_station"]


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_chinese_first_and_english_by_a_switch_that_is_remembered(url, path):
    joint = "&" if "?" in path else "?"
    with httpx.Client(base_url=url, headers={"Accept-Language": "en-US,en"}) as browser:
        assert '<html lang="zh-CN">' in browser.get(path).text
        assert '<html lang="en">' in browser.get(f"{path}{joint}lang=en").text
        assert '<html lang="en">' in browser.get("/").text
        assert '<html lang="zh-CN">' in browser.get(f"{path}{joint}lang=zh").text
        assert '<html lang="zh-CN">' in browser.get(f"{path}{joint}lang=xx").text


@pytest.mark.parametrize("path", [*PAGES, "/docs"])
def test_everything_a_page_loads_is_here_and_its_inline_scripts_are_named_by_digest(
    client, url, path
):
    answer = client.get(path)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    for script in re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.+?)</script>", answer.text, re.S):
        if script.strip():
            digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']", answer.text)
    loaded = re.findall(r"<(?:script|link|img)[^>]*?(?:src|href)=\"([^\"]+)\"", answer.text)
    for address in loaded:
        assert address.startswith(("/", "data:")), address
        if address.startswith("/"):
            assert client.get(address).status_code == 200, address


def test_files_named_with_their_digest_are_kept_and_others_asked_for_again(client):
    page = client.get("/").text
    (address, *_) = re.findall(r"src=\"(/static/[^\"]+\?v=[^\"]+)\"", page)
    kept = client.get(address)
    assert "immutable" in kept.headers["cache-control"]
    assert kept.headers["etag"]
    again = client.get(address, headers={"If-None-Match": kept.headers["etag"]})
    assert again.status_code == 304
    assert "immutable" not in client.get(address.split("?")[0]).headers["cache-control"]
    assert client.get("/static/../app.py").status_code == 404
    assert client.get("/static/%2e%2e/page.py").status_code == 404


def test_a_made_up_city_says_so_on_every_page(client):
    for path in PAGES:
        assert "gc-sample" in client.get(path).text


@pytest.mark.parametrize("asked", ["xx", "fr-FR", "中文", "%00", "e", "x" * 500, "zh&lang=qq"])
def test_a_language_there_is_not_is_chinese_whatever_was_asked_before(url: str, asked: str) -> None:
    with httpx.Client(base_url=url, timeout=300) as browser:
        assert '<html lang="en">' in browser.get("/?lang=en-GB").text
        answer = browser.get(f"/?lang={asked}")
        assert answer.status_code == 200
        assert '<html lang="zh-CN">' in answer.text
        for address in ("/maps/catchment", "/maps/coverage"):
            assert browser.get(f"{address}?lang={asked}").status_code == 200


BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/no-such-page", 404, "没有这个页面"),
        ("/s/gone", 404, "没有这个页面"),
        ("/audits/999999", 404, "没有这个页面"),
        ("/plans/abc/edit", 422, "地址里的参数不对"),
        ("/maps/coverage?minutes=soon", 422, "地址里的参数不对"),
    ],
)
def test_a_browser_at_a_wrong_address_reads_a_page_and_a_program_a_document(
    client, path, status, words
):
    page = client.get(path, headers=BROWSER)
    assert page.status_code == status
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert f"<h1>{words}</h1>" in page.text
    # Riders know one map; the ways to the pages of planners are not theirs.
    assert ("/plans?lang=" in page.text) == (not path.startswith("/s/"))
    document = client.get(path)
    assert document.status_code == status
    assert document.headers["content-type"] == "application/problem+json"
    joint = "&" if "?" in path else "?"
    english = client.get(f"{path}{joint}lang=en", headers=BROWSER)
    assert '<html lang="en">' in english.text


def test_what_stands_in_a_wrong_address_is_text_on_its_page(client):
    page = client.get("/s/%3Cscript%3Ealert(1)%3C%2Fscript%3E?lang=en", headers=BROWSER)
    assert page.status_code == 404
    assert "<script" not in page.text


def test_every_way_between_pages_is_on_every_page_and_answers(client):
    for path in ("/", "/plans", "/audits", "/rule-sets", "/publish"):
        page = client.get(path).text
        row, menu = (
            re.search(rf'<div class="{name}">(.*?)</div>', page, re.S)
            for name in ("gc-pages", "gc-menu-pages")
        )
        assert row is not None
        assert menu is not None
        ways = re.findall(r'href="([^"]+)"', menu[1])
        assert ways == re.findall(r'href="([^"]+)"', row[1])
        assert len(ways) == 7
        assert menu[1].count("aria-current") == 1
        for way in ways:
            assert client.get(way).status_code == 200, way
