"""Logging in and out over HTTP, as browsers and programs do; with a real provider beside."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import oidc_provider_mock
import pytest
from people import HTML, PASSWORD, add_person, browsing, form_token, log_in, token_for
from running import running
from sqlalchemy import text
from starlette.requests import HTTPConnection
from town import seed_layers

from api.rights import client_address
from data.accounts.account import Grant
from data.accounts.store import find_account, list_accounts
from data.database import Database
from data.settings import Settings


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """Address of a real OpenID Connect provider on this machine's loopback."""
    with oidc_provider_mock.run_server_in_thread(require_nonce=True) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture(scope="module")
def town(make_database: Callable[[], Database]) -> Iterator[Database]:
    database = make_database()
    with database.transaction("test") as connection:
        seed_layers(connection)
    add_person(database, "chef", Grant("administrator"))
    add_person(database, "规划员", Grant("planner", "C1"))
    yield database
    database.close()


@pytest.fixture(scope="module")
def url(town: Database, provider: str, tmp_path_factory) -> Iterator[str]:
    settings = Settings.load(
        home=tmp_path_factory.mktemp("home"),
        database_url=town.url,
        accounts="on",
        oidc_issuer=provider,
        oidc_client_id="gridcircle",
        oidc_client_secret="geheim",
        oidc_label="市统一身份",
    )
    with running(settings, town) as address:
        yield address


@pytest.fixture
def browser(url: str) -> Iterator[httpx.Client]:
    with browsing(url) as client:
        yield client


@pytest.fixture(autouse=True)
def fresh_attempts(town: Database) -> None:
    with town.transaction("test") as connection:
        connection.execute(text("DELETE FROM login_attempts"))


def session_of(client: httpx.Client) -> str | None:
    return client.cookies.get("gridcircle")


# --- log in and out -----------------------------------------------------------------------------


def test_a_page_leads_to_the_log_in_and_back_to_itself(browser):
    asked = browser.get("/maps/coverage?minutes=10&kinds=red_station", headers=HTML)
    assert asked.status_code == 303
    login = asked.headers["location"]
    assert urlsplit(login).path == "/login"
    wanted = parse_qs(urlsplit(login).query)["next"][0]
    entered = log_in(browser, "规划员", next_address=wanted)
    assert entered.headers["location"] == "/maps/coverage?minutes=10&kinds=red_station"
    page = browser.get(entered.headers["location"], headers=HTML)
    assert page.status_code == 200
    assert "规划员" in page.text
    assert "/admin/accounts" not in page.text


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(browser):
    entered = log_in(browser, "chef")
    cookie = next(c for c in entered.headers.get_list("set-cookie") if c.startswith("gridcircle="))
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert parts >= {"httponly", "samesite=lax", "path=/"}
    assert "secure" not in parts  # plain HTTP on the loopback
    assert not any(part.startswith("domain") for part in parts)


def test_over_https_the_cookies_are_secure_and_bound_to_the_host(url):
    # As a proxy on this machine says it; uvicorn believes that only from the loopback.
    secure = {"X-Forwarded-Proto": "https", "Origin": url.replace("http:", "https:")}
    with httpx.Client(base_url=url, headers=secure) as client:
        page = client.get("/login")
        set_cookies = page.headers.get_list("set-cookie")
        login = next(c for c in set_cookies if c.startswith("__Host-gridcircle-login="))
        assert "secure" in login.lower()
        assert "samesite=strict" in login.lower()
        cookie = login.partition(";")[0]
        entered = client.post(
            "/login",
            data={"name": "chef", "password": PASSWORD, "form_token": form_token(page)},
            headers={"Cookie": cookie},
        )
        assert entered.status_code == 303
        session = next(
            c for c in entered.headers.get_list("set-cookie") if c.startswith("__Host-gridcircle=")
        )
        assert {"secure", "httponly", "path=/"} <= {p.strip().lower() for p in session.split(";")}
        held = session.partition(";")[0]
        assert client.get("/api/v1/account", headers={"Cookie": held}).status_code == 200
        # The same value without the protection of its name is no session over HTTPS.
        bare = held.replace("__Host-", "")
        assert client.get("/api/v1/account", headers={"Cookie": bare}).status_code == 401


def test_a_session_fixed_beforehand_is_not_the_one_that_is_opened(browser):
    browser.cookies.set("gridcircle", "planted-by-somebody-else", domain="127.0.0.1")
    log_in(browser, "chef")
    values = {c.value for c in browser.cookies.jar if c.name == "gridcircle"}
    fresh = values - {"planted-by-somebody-else"}
    assert len(fresh) == 1
    planted = httpx.get(
        f"{browser.base_url}/api/v1/account", cookies={"gridcircle": "planted-by-somebody-else"}
    )
    assert planted.status_code == 401


def test_logging_in_again_opens_a_new_session_and_ends_the_old(browser, url):
    log_in(browser, "chef")
    first = session_of(browser)
    page = httpx.get(f"{url}/login")  # a form for a browser that is logged in already
    browser.cookies.set(
        "gridcircle-login", page.cookies["gridcircle-login"], domain="127.0.0.1", path="/"
    )
    browser.post(
        "/login", data={"name": "chef", "password": PASSWORD, "form_token": form_token(page)}
    )
    assert session_of(browser) not in {first, None}
    assert httpx.get(f"{url}/api/v1/account", cookies={"gridcircle": first}).status_code == 401


def test_who_is_logged_in_is_led_past_the_log_in_page(browser):
    log_in(browser, "chef")
    answer = browser.get("/login", params={"next": "/maps/coverage"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/maps/coverage")


def test_after_the_log_out_the_cookie_opens_nothing(browser, url):
    log_in(browser, "chef")
    cookie = session_of(browser)
    page = browser.get("/", headers=HTML)
    out = browser.post("/logout", data={"form_token": form_token(page)}, headers=HTML)
    assert (out.status_code, out.headers["location"]) == (303, "/login")
    assert session_of(browser) is None
    assert httpx.get(f"{url}/api/v1/city", cookies={"gridcircle": cookie}).status_code == 401


def test_a_wrong_password_an_unknown_name_and_a_disabled_account_look_alike(browser, town):
    add_person(town, "gone", Grant("viewer"))
    with town.transaction("test") as connection:
        connection.execute(text("UPDATE accounts SET disabled_at = now() WHERE name = 'gone'"))
    seen = set()
    for name, password in (("chef", "falsch"), ("nobody", PASSWORD), ("gone", PASSWORD)):
        answer = log_in(browser, name, password)
        assert answer.status_code == 401
        assert session_of(browser) is None
        assert password not in answer.text
        seen.add(
            re.sub(r'name="form_token" value="\w+"', "", answer.text).replace(f'"{name}"', '""')
        )
    assert len(seen) == 1


def test_too_many_failures_are_told_with_how_long_to_wait(browser):
    for _ in range(5):
        assert log_in(browser, "chef", "falsch").status_code == 401
    answer = log_in(browser, "chef")
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 900
    assert "分钟" in answer.text
    assert session_of(browser) is None


def test_the_next_address_never_leads_to_another_host(browser):
    for address in ("https://evil.example", "//evil.example", "/\\evil.example"):
        entered = log_in(browser, "chef", next_address=address)
        assert entered.headers["location"] == "/"
        page = browser.get("/", headers=HTML)
        browser.post("/logout", data={"form_token": form_token(page)})


def test_a_name_with_markup_stays_a_name(browser):
    answer = log_in(browser, '"><script>alert(1)</script>', "falsch", next_address='/"><b>')
    assert "<script>alert" not in answer.text
    assert '"><b>' not in answer.text


def test_the_log_in_page_may_not_be_framed_or_kept(browser):
    page = browser.get("/login")
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    assert browser.get("/login?lang=en").text.count("Log in") >= 2


def test_addresses_behind_a_proxy_are_counted_apart(url, town):
    for _ in range(5):
        with browsing(url) as client:
            client.headers["X-Forwarded-For"] = "203.0.113.5"
            log_in(client, "chef", "falsch")
    for address, status in (("203.0.113.5", 429), ("203.0.113.6", 303)):
        with browsing(url) as client:
            client.headers["X-Forwarded-For"] = address
            assert log_in(client, "chef").status_code == status


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_an_address_is_counted_by_what_one_host_has(host, counted):
    scope = {"type": "http", "client": (host, 1), "headers": []}
    assert client_address(HTTPConnection(scope)) == counted


def test_a_session_in_use_goes_on_and_one_left_alone_ends(browser, town):
    log_in(browser, "chef")

    def idle(minutes: int) -> None:
        with town.transaction("test") as connection:
            connection.execute(
                text("UPDATE account_sessions SET seen_at = now() - make_interval(mins => :m)"),
                {"m": minutes},
            )

    idle(119)
    assert browser.get("/api/v1/account").status_code == 200
    with town.connect() as connection:
        fresh = connection.scalar(
            text("SELECT count(*) FROM account_sessions WHERE seen_at > now() - interval '1 min'")
        )
    assert fresh == 1
    idle(121)
    assert browser.get("/api/v1/account").status_code == 401


# --- forged requests ----------------------------------------------------------------------------


def test_a_log_in_form_from_elsewhere_logs_nobody_in(browser, url):
    # Logging a victim in to the attacker's account is an attack too.
    other = httpx.get(f"{url}/login")
    answer = browser.post(
        "/login", data={"name": "chef", "password": PASSWORD, "form_token": form_token(other)}
    )
    assert answer.status_code == 403
    assert session_of(browser) is None


def test_a_write_with_a_cookie_must_come_from_a_page_of_ours(browser, url):
    log_in(browser, "chef")
    cookies = {"gridcircle": session_of(browser)}
    body = {"kind": "red_station", "name": "x", "lon": 118.1, "lat": 36.95}

    def write(**headers: str) -> int:
        return httpx.post(
            f"{url}/api/v1/stations", json=body, cookies=cookies, headers=headers
        ).status_code

    assert write() == 403
    assert write(Origin="http://evil.example") == 403
    assert write(Origin="null") == 403
    assert write(**{"Sec-Fetch-Site": "cross-site"}) == 403
    assert write(**{"Sec-Fetch-Site": "same-site", "Origin": url}) == 403
    assert write(Origin=url) == 201
    assert write(**{"Sec-Fetch-Site": "same-origin"}) == 201


@pytest.mark.parametrize(
    "path",
    [
        "/logout",
        "/account/password",
        "/account/tokens",
        "/account/tokens/1/revoke",
        "/admin/accounts",
        "/admin/accounts/1/grants",
        "/admin/accounts/1/grants/remove",
        "/admin/accounts/1/password",
        "/admin/accounts/1/disable",
        "/admin/accounts/1/enable",
    ],
)
def test_no_form_is_taken_without_the_token_of_its_session(browser, url, path, town):
    log_in(browser, "chef")
    with browsing(url) as other:
        log_in(other, "chef")
        foreign = form_token(other.get("/account"))
    with town.connect() as connection:
        before = [str(a) for a in list_accounts(connection)]
    for token in ("", foreign, "x"):
        data = {"form_token": token, "name": "neu", "role": "administrator"}
        answer = browser.post(path, data=data, headers=HTML)
        assert answer.status_code == 403
        assert "页面已过期" in answer.text
    with town.connect() as connection:
        after = [str(a) for a in list_accounts(connection)]
    strip = re.compile(r"logged_in_at=.*")
    assert [strip.sub("", a) for a in before] == [strip.sub("", a) for a in after]
    assert browser.get("/api/v1/account").status_code == 200


# --- API tokens ---------------------------------------------------------------------------------


def test_a_token_is_made_shown_once_used_and_revoked(browser, url):
    log_in(browser, "chef")
    page = browser.get("/account")
    made = browser.post(
        "/account/tokens",
        data={
            "name": "夜间脚本",
            "roles": ["viewer"],
            "days": "30",
            "form_token": form_token(page),
        },
    )
    token = re.search(r"gridcircle_[\w-]{43}", made.text)[0]
    assert made.headers["cache-control"] == "no-store"
    again = browser.get("/account")
    assert "夜间脚本" in again.text
    assert token not in again.text
    bearer = {"Authorization": f"Bearer {token}"}
    basic = "Basic " + base64.b64encode(f"qgis:{token}".encode()).decode()
    assert httpx.get(f"{url}/api/v1/city", headers=bearer).status_code == 200
    assert httpx.get(f"{url}/ogc/collections", headers={"Authorization": basic}).status_code == 200
    assert httpx.get(f"{url}/admin/accounts", headers=bearer).status_code == 403
    token_id = re.search(r"/account/tokens/(\d+)/revoke", again.text)[1]
    browser.post(f"/account/tokens/{token_id}/revoke", data={"form_token": form_token(again)})
    assert httpx.get(f"{url}/api/v1/city", headers=bearer).status_code == 401
    assert "已撤销" in browser.get("/account").text


def test_a_wrong_token_is_refused_even_beside_a_good_cookie(browser):
    log_in(browser, "chef")
    for header in ("Bearer gridcircle_x", "Bearer", "Basic !!!", "Basic eDp5", "Digest x", ""):
        answer = browser.get("/api/v1/city", headers={"Authorization": header})
        assert answer.status_code == 401, header


def test_a_token_fills_in_no_forms(url, town):
    with town.connect() as connection:
        chef = find_account(connection, "chef").id
    bearer = {"Authorization": f"Bearer {token_for(town, chef, 'administrator')}"}
    answer = httpx.post(f"{url}/admin/accounts", data={"name": "x"}, headers=bearer)
    assert answer.status_code == 403
    assert answer.json()["type"].endswith("form-refused")


def test_a_password_is_no_token(url):
    basic = "Basic " + base64.b64encode(f"chef:{PASSWORD}".encode()).decode()
    assert httpx.get(f"{url}/api/v1/city", headers={"Authorization": basic}).status_code == 401


def test_no_secret_comes_into_the_log(url, town, caplog):
    caplog.set_level(logging.DEBUG)
    with town.connect() as connection:
        chef = find_account(connection, "chef").id
    token = token_for(town, chef, "viewer")
    with browsing(url) as client:
        log_in(client, "chef", "ein-falsches-geheimnis")
        log_in(client, "chef")
        cookie = session_of(client)
        client.get("/nowhere", headers={"Authorization": f"Bearer {token}"})
        client.get("/maps/coverage")
    ours = "".join(
        record.getMessage() for record in caplog.records if record.name.startswith("gridcircle")
    )
    uvicorns = "".join(r.getMessage() for r in caplog.records if r.name.startswith("uvicorn"))
    for secret in (token, cookie, PASSWORD, "ein-falsches-geheimnis"):
        assert secret not in ours + uvicorns


# --- one's own account and those of others ------------------------------------------------------


def test_a_given_password_must_be_changed_before_anything_else(browser, town, url):
    add_person(town, "neuling", Grant("viewer"), must=True)
    log_in(browser, "neuling", next_address="/maps/coverage")
    led = browser.get("/maps/coverage", headers=HTML)
    assert (led.status_code, led.headers["location"]) == (303, "/account")
    refused = browser.get("/api/v1/city")
    assert refused.json()["type"] == "/api/v1/problems/password-due"
    page = browser.get("/account")
    with browsing(url) as elsewhere:
        log_in(elsewhere, "neuling")
        old = session_of(elsewhere)
    form = {"old": PASSWORD, "form_token": form_token(page)}
    for new, again, said in (
        ("ein-neues-langes-wort", "anderes-langes-wort", "不一致"),
        ("kurz", "kurz", "太容易"),
    ):
        answer = browser.post("/account/password", data=form | {"new": new, "again": again})
        assert answer.status_code == 422
        assert said in answer.text
    wrong = {"old": "x", "new": "ein-neues-langes-wort", "again": "ein-neues-langes-wort"}
    assert "不正确" in browser.post("/account/password", data=form | wrong).text
    done = browser.post("/account/password", data=wrong | form)
    assert done.status_code == 303
    assert browser.get("/api/v1/city").status_code == 200
    assert httpx.get(f"{url}/api/v1/account", cookies={"gridcircle": old}).status_code == 401
    with browsing(url) as elsewhere:
        assert log_in(elsewhere, "neuling").status_code == 401
        assert log_in(elsewhere, "neuling", "ein-neues-langes-wort").status_code == 303


def test_an_administrator_adds_grants_resets_and_disables(browser, town, url):
    log_in(browser, "chef")
    page = browser.get("/admin/accounts")
    csrf = {"form_token": form_token(page)}
    made = browser.post(
        "/admin/accounts", data=csrf | {"name": "小王", "role": "planner", "area": "C1"}
    )
    password = re.search(r"<code>([\w-]{23})</code>", made.text)[1]
    with town.connect() as connection:
        account = find_account(connection, "小王")
    assert account.grants == (Grant("planner", "C1"),)
    assert account.must_change
    with browsing(url) as theirs:
        assert log_in(theirs, "小王", password).status_code == 303
        base = f"/admin/accounts/{account.id}"
        browser.post(f"{base}/grants", data=csrf | {"role": "publisher", "area": ""})
        browser.post(f"{base}/grants/remove", data=csrf | {"role": "planner", "area": "C1"})
        with town.connect() as connection:
            assert find_account(connection, "小王").grants == (Grant("publisher"),)
        browser.post(f"{base}/disable", data=csrf)
        assert theirs.get("/api/v1/account").status_code == 401
        assert log_in(theirs, "小王", password).status_code == 401
        browser.post(f"{base}/enable", data=csrf)
        reset = browser.post(f"{base}/password", data=csrf)
        newer = re.search(r"<code>([\w-]{23})</code>", reset.text)[1]
        assert newer != password
        assert log_in(theirs, "小王", newer).status_code == 303
    events = browser.get("/admin/accounts").text
    assert events.index("重置密码</td>") < events.index("新增</td>")


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        ({"name": "chef", "role": "viewer"}, 409, "已被使用"),
        ({"name": "", "role": "viewer"}, 422, "请检查"),
        ({"name": "x1", "role": "mayor"}, 422, "请检查"),
        ({"name": "x2", "role": "planner", "area": "nowhere"}, 422, "请检查"),
    ],
)
def test_what_cannot_be_saved_is_told(browser, form, status, said):
    log_in(browser, "chef")
    csrf = {"form_token": form_token(browser.get("/admin/accounts"))}
    answer = browser.post("/admin/accounts", data=csrf | form)
    assert answer.status_code == status
    assert said in answer.text


def test_the_last_administrator_cannot_lock_everybody_out(browser, town):
    log_in(browser, "chef")
    csrf = {"form_token": form_token(browser.get("/admin/accounts"))}
    with town.connect() as connection:
        chef = find_account(connection, "chef").id
    for path in ("disable", "grants/remove"):
        answer = browser.post(
            f"/admin/accounts/{chef}/{path}", data=csrf | {"role": "administrator", "area": ""}
        )
        assert answer.status_code == 409
        assert "最后一位" in answer.text


def test_an_administrator_of_a_street_is_shown_and_allowed_only_its_own(browser, town):
    add_person(town, "街道管理员", Grant("administrator", "T1"))
    with town.connect() as connection:
        ids = {account.name: account.id for account in list_accounts(connection)}
    log_in(browser, "街道管理员")
    page = browser.get("/admin/accounts")
    assert f"/admin/accounts/{ids['规划员']}/password" in page.text
    assert f"/admin/accounts/{ids['chef']}/password" not in page.text
    csrf = {"form_token": form_token(page)}
    for path, form in (
        (f"/admin/accounts/{ids['chef']}/password", {}),
        (f"/admin/accounts/{ids['chef']}/disable", {}),
        (f"/admin/accounts/{ids['街道管理员']}/grants", {"role": "administrator", "area": ""}),
        (f"/admin/accounts/{ids['规划员']}/grants", {"role": "planner", "area": "D1"}),
        ("/admin/accounts", {"name": "y", "role": "planner", "area": ""}),
    ):
        answer = browser.post(path, data=csrf | form)
        assert answer.status_code == 403, path
        assert "<code>" not in answer.text
    assert browser.post("/admin/accounts/999999/disable", data=csrf).status_code == 404


def test_who_may_not_open_a_page_is_told_so_in_words(browser):
    log_in(browser, "规划员")
    answer = browser.get("/admin/accounts", headers=HTML)
    assert answer.status_code == 403
    assert "没有打开此页的权限" in answer.text
    assert answer.headers["content-type"].startswith("text/html")


def test_a_form_sent_after_the_session_ended_leads_to_the_log_in(browser):
    answer = browser.post(
        "/account/password",
        data={"x": "y"},
        headers=HTML | {"Referer": f"{browser.base_url}/account"},
    )
    assert answer.headers["location"] == "/login?next=%2Faccount"


# --- OpenID Connect -----------------------------------------------------------------------------


def sign_on(browser: httpx.Client, subject: str, **claims: object) -> httpx.Response:
    """Go to the provider, log in there, come back."""
    began = browser.get("/login/sign-on", params={"next": "/maps/coverage"})
    assert began.status_code in {302, 303}
    at_provider = began.headers["location"]
    provider = f"{urlsplit(at_provider).scheme}://{urlsplit(at_provider).netloc}"
    if claims:
        httpx.put(f"{provider}/users/{subject}", json=claims).raise_for_status()
    back = httpx.post(at_provider, data={"sub": subject})
    assert back.status_code == 302, back.text
    return browser.get(back.headers["location"])


def test_who_signs_on_elsewhere_comes_in_without_rights_until_given_some(browser, town):
    assert "市统一身份" in browser.get("/login").text
    entered = sign_on(browser, "sub-1", preferred_username="王工")
    assert entered.status_code == 303, entered.text
    assert entered.headers["location"] == "/maps/coverage"
    account = browser.get("/api/v1/account").json()
    assert (account["name"], account["grants"]) == ("王工", [])
    assert browser.get("/api/v1/city").status_code == 403
    assert "还没有任何权限" in browser.get("/account").text
    assert "没有本地密码" in browser.get("/account").text
    with town.transaction("test") as connection:
        made = find_account(connection, "王工")
        connection.execute(
            text("INSERT INTO account_grants VALUES (:id, 'viewer', '')"), {"id": made.id}
        )
    assert browser.get("/api/v1/city").status_code == 200
    again = sign_on(browser, "sub-1", preferred_username="anders")
    assert again.status_code == 303
    assert browser.get("/api/v1/account").json()["name"] == "王工"


def test_the_name_at_the_provider_opens_no_account_here(browser):
    entered = sign_on(browser, "sub-2", preferred_username="chef")
    assert entered.status_code == 303
    assert browser.get("/api/v1/account").json()["name"] == "chef-2"


def test_a_provider_that_tells_no_name_gives_an_account_all_the_same(browser):
    assert sign_on(browser, "sub-9").status_code == 303
    assert browser.get("/api/v1/account").json()["name"].startswith("user")


def test_a_disabled_account_stays_out_by_sign_on_too(browser, town):
    sign_on(browser, "sub-3", preferred_username="weg")
    with town.transaction("test") as connection:
        connection.execute(text("UPDATE accounts SET disabled_at = now() WHERE name = 'weg'"))
    browser.cookies.clear()
    answer = sign_on(browser, "sub-3")
    assert answer.headers["location"] == "/login?failed=sign-on"
    assert session_of(browser) is None


def test_an_answer_of_the_provider_is_good_once_for_one_browser_and_one_state(browser, url):
    began = browser.get("/login/sign-on")
    back = httpx.post(began.headers["location"], data={"sub": "sub-4"}).headers["location"]
    with browsing(url) as victim:  # an attacker's answer, slipped to somebody else
        answer = victim.get(back)
        assert answer.headers["location"] == "/login?failed=sign-on"
        assert session_of(victim) is None
    wrong_state = re.sub(r"state=[^&]+", "state=forged", back)
    kept = dict(browser.cookies)
    assert browser.get(wrong_state).headers["location"] == "/login?failed=sign-on"
    assert session_of(browser) is None
    assert "gridcircle-sign-on" not in browser.cookies  # taken back, whatever came of it
    assert "没有成功" in browser.get("/login?failed=sign-on").text
    browser.cookies.update(kept)
    assert browser.get(back).headers["location"] == "/"
    browser.cookies.clear()
    browser.cookies.update(kept)
    assert browser.get(back).headers["location"] == "/login?failed=sign-on"  # the code is spent


def test_a_changed_or_foreign_sign_on_cookie_is_refused(browser):
    began = browser.get("/login/sign-on")
    back = httpx.post(began.headers["location"], data={"sub": "sub-5"}).headers["location"]
    good = browser.cookies["gridcircle-sign-on"]
    for cookie in (good[:-2] + "xx", "nonsense", ""):
        answer = httpx.get(back, cookies={"gridcircle-sign-on": cookie})
        assert answer.headers["location"] == "/login?failed=sign-on"


def test_the_way_to_the_provider_uses_state_nonce_and_pkce(browser):
    query = parse_qs(urlsplit(browser.get("/login/sign-on").headers["location"]).query)
    assert query["code_challenge_method"] == ["S256"]
    assert {"state", "nonce", "code_challenge"} <= set(query)
    assert query["scope"] == ["openid profile"]


def test_a_provider_that_does_not_answer_is_told_and_the_password_still_works(town, tmp_path):
    settings = Settings.load(
        home=tmp_path,
        database_url=town.url,
        accounts="on",
        oidc_issuer="http://127.0.0.1:9",
        oidc_client_id="x",
    )
    with running(settings, town) as address, browsing(address) as client:
        assert client.get("/login/sign-on").headers["location"] == "/login?failed=sign-on"
        assert log_in(client, "chef").status_code == 303
