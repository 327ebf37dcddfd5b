"""Logging in, editing, administering and logging out in a real Chromium."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

import pytest
from people import PASSWORD, add_person
from playwright.sync_api import Browser, Page, expect
from running import running
from sqlalchemy import text
from town import seed_layers, seed_network

from data.accounts.account import Grant
from data.database import Database
from data.settings import Settings

SHOTS = os.environ.get("SCREENSHOTS", "")
"""Folder to put pictures of the pages into, for people to look at."""

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def town(make_database: Callable[[], Database]) -> Iterator[Database]:
    database = make_database()
    with database.transaction("test") as connection:
        seed_layers(connection)
        seed_network(connection)
    add_person(database, "admin", Grant("administrator"))
    add_person(database, "城西规划员", Grant("planner", "C1"))
    yield database
    database.close()


@pytest.fixture(scope="module")
def url(town: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = Settings.load(
        home=tmp_path_factory.mktemp("home"),
        database_url=town.url,
        accounts="on",
        oidc_issuer="http://127.0.0.1:9",
        oidc_client_id="x",
        oidc_label="市统一身份认证",
    )
    with running(settings, town) as address:
        yield address


@pytest.fixture(params=["desktop", "phone"])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    phone = request.param == "phone"
    context = browser.new_context(
        viewport=PHONE if phone else DESKTOP,  # type: ignore[arg-type]
        # The pages of accounts are plain forms: on the phone nothing runs a script.
        has_touch=phone,
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.get_by_label("账号名").fill(name)
    page.get_by_label("密码").fill(password)
    page.get_by_role("button", name="登录").click()


def picture(page: Page, name: str) -> None:
    if SHOTS:
        size = page.viewport_size or DESKTOP
        page.screenshot(path=f"{SHOTS}/{name}-{size['width']}.png", full_page=True)


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_log_in_edit_and_log_out(page: Page, url: str, town: Database) -> None:
    with town.transaction("test") as connection:
        connection.execute(text("UPDATE stations SET name = '城西党群服务中心' WHERE code = 'S1'"))
    page.goto(f"{url}/?lang=zh")
    assert page.url.startswith(f"{url}/login?next=")
    picture(page, "login")
    assert fits(page)
    log_in(page, "城西规划员", "falsch falsch")
    expect(page.get_by_role("alert")).to_contain_text("不正确")
    picture(page, "login-failed")
    log_in(page, "城西规划员")
    page.wait_for_url(f"{url}/?lang=zh")
    page.wait_for_load_state("networkidle")
    menu = page.locator(".gc-account")
    menu.locator("summary").click()
    expect(menu).to_contain_text("城西规划员")
    picture(page, "menu")
    assert fits(page)
    assert page.locator(".gc-account-menu").bounding_box()["x"] >= 0
    # What a script of a page of ours does, with the cookie it cannot see.
    answer = page.evaluate(
        """async () => {
          const listed = await (await fetch("/api/v1/stations")).json();
          const change = async (code) => {
            const found = listed.features.find((f) => f.properties.code === code);
            const answer = await fetch(`/api/v1/stations/${found.id}`, {
              method: "PATCH",
              headers: {"Content-Type": "application/json",
                        "If-Match": `"${found.properties.version}"`},
              body: JSON.stringify({name: "改过的名字"}),
            });
            return answer.status;
          };
          return {west: await change("S1"), east: await change("S3"), cookie: document.cookie};
        }"""
    )
    assert answer["west"] == 200
    assert answer["east"] == 403
    assert "gridcircle" not in answer["cookie"]
    with town.connect() as connection:
        names = dict(map(tuple, connection.execute(text("SELECT code, name FROM stations"))))
        author = connection.scalar(
            text("SELECT actor FROM history WHERE table_name = 'stations' ORDER BY id DESC LIMIT 1")
        )
    assert (names["S1"], names["S3"]) == ("改过的名字", "小哥驿站东")
    assert author == "城西规划员"
    page.get_by_role("button", name="退出登录").click()
    page.wait_for_url(f"{url}/login")
    page.goto(f"{url}/maps/coverage")
    assert "/login" in page.url
    page.go_back()
    assert "改过的名字" not in page.content()


def test_an_administrator_adds_somebody_who_changes_the_password(
    page: Page, url: str, town: Database, browser: Browser
) -> None:
    width = page.viewport_size["width"]  # type: ignore[index]
    name = f"小王{width}"
    page.goto(f"{url}/login?next=/admin/accounts&lang=zh")
    log_in(page, "admin")
    page.wait_for_url(f"{url}/admin/accounts")
    form = page.locator("form[action='/admin/accounts']")
    form.get_by_label("账号名").fill(name)
    form.get_by_label("角色").select_option("planner")
    form.get_by_label("范围").fill("C2")
    form.get_by_role("button", name="新增").click()
    password = page.locator(".gc-secret code").inner_text()
    picture(page, "secret")
    page.get_by_role("link", name="返回", exact=True).click()
    card = page.locator(".gc-accounts > li", has_text=name)
    expect(card).to_contain_text("规划")
    expect(card).to_contain_text("城东社区 C2")
    card.get_by_text("管理", exact=True).click()
    picture(page, "admin")
    assert fits(page)
    page.goto(f"{url}/admin/accounts?lang=en")
    picture(page, "admin-en")
    assert fits(page)

    # In another browser, without any script.
    theirs = browser.new_context(java_script_enabled=False).new_page()
    theirs.goto(f"{url}/login?lang=zh")
    log_in(theirs, name, password)
    theirs.wait_for_url(f"{url}/account")
    expect(theirs.get_by_role("alert")).to_contain_text("请先改成只有您知道的密码")
    theirs.get_by_label("当前密码").fill(password)
    for label in ("新密码", "再输一次新密码"):
        theirs.get_by_label(label, exact=True).fill("four-words-that-i-chose")
    theirs.get_by_role("button", name="保存").click()
    expect(theirs.get_by_role("status")).to_contain_text("密码已修改")
    theirs.get_by_label("用途").fill("QGIS")
    theirs.get_by_label("规划").check()
    theirs.get_by_role("button", name="新建令牌").click()
    assert re.fullmatch(r"gridcircle_[\w-]{43}", theirs.locator(".gc-secret code").inner_text())
    theirs.goto(f"{url}/account")
    expect(theirs.get_by_role("cell", name="QGIS")).to_be_visible()
    theirs.goto(f"{url}/admin/accounts")
    expect(theirs.get_by_text("您的账号没有打开此页的权限")).to_be_visible()
    theirs.context.close()

    page.goto(f"{url}/account?lang=zh")
    picture(page, "account")
    assert fits(page)


def test_a_page_whose_session_ended_says_so_and_leads_back_after_the_log_in(
    browser: Browser, url: str, town: Database
) -> None:
    context = browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{url}/login?next=/maps/catchment&lang=zh")
    log_in(page, "城西规划员")
    page.wait_for_url(f"{url}/maps/catchment")
    page.wait_for_load_state("networkidle")
    with town.transaction("test") as connection:
        connection.execute(text("DELETE FROM account_sessions"))
    page.locator(".folium-map").click(position={"x": 300, "y": 300})
    expect(page.locator("#gc-problem")).to_contain_text("登录已失效")
    page.goto(f"{url}/maps/coverage?minutes=10")
    log_in(page, "城西规划员")
    page.wait_for_url(f"{url}/maps/coverage?minutes=10**")
    context.close()


def test_targets_on_a_phone_are_large_enough_and_nothing_comes_from_elsewhere(
    browser: Browser, url: str
) -> None:
    context = browser.new_context(viewport=PHONE)  # type: ignore[arg-type]
    page = context.new_page()
    requests: list[str] = []
    faults: list[str] = []
    page.on("request", lambda r: requests.append(r.url))
    page.on("console", lambda m: faults.append(m.text) if m.type in {"error", "warning"} else None)
    page.goto(f"{url}/login?next=/admin/accounts&lang=zh")
    log_in(page, "admin")
    page.wait_for_url(f"{url}/admin/accounts")
    for path in ("/admin/accounts", "/account"):
        page.goto(f"{url}{path}")
        small = page.evaluate(
            """() => [...document.querySelectorAll(
                 "button, summary, select, .gc-bar a, input:not([type=hidden], [type=checkbox])")]
               .filter((e) => e.checkVisibility())
               .filter((e) => e.getBoundingClientRect().height < 43.5)
               .map((e) => e.outerHTML.slice(0, 90))"""
        )
        assert small == []
    assert all(request.startswith((f"{url}/", "data:")) for request in requests)
    assert faults == []
    context.close()
