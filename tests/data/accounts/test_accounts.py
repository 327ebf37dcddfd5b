"""Accounts in a real PostGIS: rights by area, log-in, sessions, tokens."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from town import lonlat, seed_layers

from data.accounts.account import (
    LOCAL,
    ROLE_RIGHTS,
    ROLES,
    Account,
    Grant,
    may,
    may_anywhere,
    may_manage,
)
from data.accounts.login import MOST_BY_ADDRESS, MOST_BY_NAME, MOST_BY_PAIR, check_login
from data.accounts.passwords import check_password, random_password
from data.accounts.places import area_at, area_of_station
from data.accounts.secrets import form_token, is_form_token
from data.accounts.sessions import (
    account_of_cookie,
    account_of_token,
    add_token,
    close_session,
    list_tokens,
    open_session,
    revoke_token,
)
from data.accounts.store import (
    account_of_sign_on,
    add_account,
    change_password,
    ensure_administrator,
    find_account,
    list_accounts,
    list_events,
    reset_password,
    set_disabled,
    set_grants,
)
from data.database import Database
from data.errors import (
    ConflictError,
    InvalidRowError,
    LoginError,
    NotFoundError,
    RightMissingError,
    TooManyAttemptsError,
)

PASSWORD = "korrekt-pferd-batterie"


@pytest.fixture
def town(database: Database) -> Database:
    with database.transaction("test") as connection:
        seed_layers(connection)
    return database


def add(database: Database, name: str, *grants: Grant, by: Account = LOCAL) -> int:
    with database.transaction("test") as connection:
        return add_account(connection, name, grants, by=by, password=PASSWORD, must_change=False).id


def logged_in(database: Database, account_id: int) -> Account:
    with database.transaction("test") as connection:
        cookie = open_session(connection, account_id, hours=1)
        found = account_of_cookie(connection, cookie)
    assert found is not None
    return found.account


# --- rights -------------------------------------------------------------------------------------


def test_a_grant_reaches_its_area_and_those_below_it_and_no_others(town):
    street = logged_in(town, add(town, "街道规划员", Grant("planner", "T1")))
    west = logged_in(town, add(town, "城西规划员", Grant("planner", "C1")))
    city = logged_in(town, add(town, "全市规划员", Grant("planner")))
    reached = {
        account.name: {code for code in ("D1", "T1", "C1", "C2") if may(account, "planner", code)}
        for account in (street, west, city)
    }
    assert reached == {
        "街道规划员": {"T1", "C1", "C2"},
        "城西规划员": {"C1"},
        "全市规划员": {"D1", "T1", "C1", "C2"},
    }
    for outside in (None, ""):  # what lies in no area belongs to the city
        assert not may(street, "planner", outside)
        assert may(city, "planner", outside)
    assert not may(street, "planner", "T2")
    assert not may(street, "publisher", "C1")


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_its_rights_and_no_others(role):
    account = Account(1, "x", (Grant(role),))
    have = {right for right in ROLES if may(account, right, "C1")}
    assert have == ROLE_RIGHTS[role]
    assert "viewer" in have
    if role != "administrator":
        assert have == {"viewer", role}


def test_a_misspelt_right_is_no_right_at_all():
    for ask in (lambda: may(LOCAL, "planer", None), lambda: may_anywhere(LOCAL, "")):
        with pytest.raises(ValueError, match="no right"):
            ask()


CODES = st.sampled_from(["D1", "T1", "T2", "C1", "C2", "C3"])
PARENT = {"T1": "D1", "T2": "D1", "C1": "T1", "C2": "T1", "C3": "T2"}


def above(code: str) -> set[str]:
    """The area and all around it, by walking up: the other way round than the database does."""
    found = {code}
    while code in PARENT:
        code = PARENT[code]
        found.add(code)
    return found


@given(
    st.lists(st.builds(Grant, st.sampled_from(ROLES), st.one_of(st.just(""), CODES)), max_size=5),
    st.sampled_from(ROLES),
    st.one_of(st.none(), CODES),
)
def test_rights_agree_with_walking_up_from_the_place(grants, right, place):
    everything = {*PARENT, *PARENT.values()}
    below = {top: frozenset(c for c in everything if top in above(c)) for top in everything}
    account = Account(1, "x", tuple(grants), below)
    expected = any(
        right in ROLE_RIGHTS[g.role]
        and (not g.area_code or (place and g.area_code in above(place)))
        for g in grants
    )
    assert may(account, right, place) == expected
    assert may_anywhere(account, right) >= may(account, right, place)


def test_places_have_the_narrowest_area_around_them(town):
    with town.transaction("test") as connection:
        assert area_at(connection, *lonlat(100, 100)) == "C1"
        assert area_at(connection, *lonlat(1000, 100)) == "C2"
        assert area_at(connection, *lonlat(9000, 100)) is None
        codes = dict(map(tuple, connection.execute(text("SELECT code, id FROM stations"))))
        assert area_of_station(connection, codes["S1"]) == "C1"
        assert area_of_station(connection, codes["S3"]) == "C2"
        connection.execute(text("DELETE FROM areas WHERE code = 'C1'"))
        assert area_at(connection, *lonlat(100, 100)) == "T1"
        with pytest.raises(NotFoundError):
            area_of_station(connection, 10**6)


# --- keeping accounts ---------------------------------------------------------------------------


def test_names_that_people_would_mix_up_are_one_name(town):
    add(town, "Ｌｉ Wei")
    with pytest.raises(ConflictError, match="already"):
        add(town, "LI WEI")
    with town.connect() as connection:
        assert find_account(connection, "li wei").name == "Li Wei"


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "a\nb", "local", "UNKNOWN", "a\u202eb"])
def test_a_name_that_misleads_is_refused(town, name):
    with pytest.raises(InvalidRowError, match="account name"):
        add(town, name)


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("kurz", "characters"),
        ("a" * 30, "repeats"),
        ("my-anna-secret-1", "name"),
        ("é" * 257, "ch"),
    ],
)
def test_a_password_that_is_easily_guessed_is_refused_and_not_repeated(password, why):
    with pytest.raises(InvalidRowError, match=why) as raised:
        check_password(password, "Anna")
    assert password not in str(raised.value)


def test_random_passwords_pass_and_differ():
    made = {random_password() for _ in range(50)}
    assert len(made) == 50
    for password in made:
        check_password(password, "admin")


def test_no_secret_stands_in_the_database(town):
    anna = add(town, "Anna", Grant("planner"))
    with town.transaction("test") as connection:
        cookie = open_session(connection, anna, hours=1)
        account = account_of_cookie(connection, cookie).account
        token = add_token(connection, account, "script", roles=("planner",), days=1)
    with pytest.raises(LoginError):
        check_login(town, "mein-geheimes-passwort", "falsch", "127.0.0.1")
    with town.connect() as connection:
        rows = "".join(
            str(connection.execute(text(f"SELECT t::text FROM {table} t")).scalars().all())
            for table in (
                "accounts",
                "account_grants",
                "account_sessions",
                "account_tokens",
                "account_events",
                "login_attempts",
                "history",
            )
        )
    for secret in (PASSWORD, cookie, token, "mein-geheimes-passwort", "falsch"):
        assert secret not in rows
        assert secret.encode().hex() not in rows
    assert "$argon2id$" in rows


def test_the_first_start_adds_an_administrator_once(town):
    assert ensure_administrator(town, PASSWORD) == "admin"
    assert ensure_administrator(town, "noch-ein-passwort-hier") is None
    account = logged_in(town, check_login(town, "admin", PASSWORD, "127.0.0.1"))
    assert account.must_change
    assert may(account, "administrator", None)


def test_the_last_administrator_of_the_city_stays(town):
    admin = add(town, "chef", Grant("administrator"))
    add(town, "street", Grant("administrator", "T1"))
    for change in (
        lambda c: set_disabled(c, admin, disabled=True, by=LOCAL),
        lambda c: set_grants(c, admin, [Grant("viewer")], by=LOCAL),
    ):
        with pytest.raises(ConflictError, match="last administrator"), town.transaction("t") as c:
            change(c)
    second = add(town, "zweite", Grant("administrator"))
    with town.transaction("t") as connection:
        set_disabled(connection, admin, disabled=True, by=LOCAL)
    with pytest.raises(ConflictError), town.transaction("t") as connection:
        set_grants(connection, second, [], by=LOCAL)


def test_two_administrators_cannot_disable_each_other_at_once(town):
    both = [add(town, name, Grant("administrator")) for name in ("eins", "zwei")]

    def disable(account_id: int) -> bool:
        try:
            with town.transaction("t") as connection:
                set_disabled(connection, account_id, disabled=True, by=LOCAL)
                time.sleep(0.2)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(disable, both)) == [False, True]


def test_an_administrator_of_a_street_manages_it_and_cannot_reach_further(town):
    manager = logged_in(town, add(town, "街道管理员", Grant("administrator", "T1")))
    boss = add(town, "chef", Grant("administrator"))
    nobody = add(town, "niemand")
    mine = add(town, "mine", Grant("planner", "C1"), by=manager)
    refused = [
        lambda c: add_account(c, "neu", [Grant("viewer")], by=manager, password=PASSWORD),
        lambda c: add_account(c, "neu", [Grant("planner", "D1")], by=manager, password=PASSWORD),
        lambda c: add_account(c, "neu", [], by=manager, password=PASSWORD),
        lambda c: set_grants(c, mine, [Grant("planner", "D1")], by=manager),
        lambda c: set_grants(c, boss, [Grant("viewer", "C1")], by=manager),
        lambda c: set_grants(c, manager.id, [Grant("administrator")], by=manager),
        lambda c: set_disabled(c, boss, disabled=True, by=manager),
        lambda c: reset_password(c, boss, PASSWORD, by=manager),
        lambda c: reset_password(c, nobody, PASSWORD, by=manager),
    ]
    for attempt in refused:
        with pytest.raises(RightMissingError), town.transaction("t") as connection:
            attempt(connection)
    with town.transaction("t") as connection:
        set_grants(connection, mine, [Grant("publisher", "C2")], by=manager)
        set_disabled(connection, mine, disabled=True, by=manager)
        assert {a.name for a in list_accounts(connection)} == {
            "街道管理员", "chef", "niemand", "mine"
        }  # fmt: skip
        events = list_events(connection)
    assert events[0]["what"] == "disabled"
    assert events[0]["actor"] == "街道管理员"
    planner = logged_in(town, add(town, "planer", Grant("planner")))
    assert not may_manage(planner, (Grant("viewer", "C1"),))


def test_grants_name_roles_and_areas_that_exist(town):
    for grant in (Grant("planner", "nowhere"), Grant("mayor")):
        with pytest.raises(InvalidRowError, match="is no"):
            add(town, "x", grant)


def test_events_are_only_added_to(town):
    add(town, "x", Grant("viewer"))
    with pytest.raises(Exception, match="only added to"), town.transaction("t") as connection:
        connection.execute(text("DELETE FROM account_events"))


# --- log-in -------------------------------------------------------------------------------------


def test_the_right_password_finds_the_account_and_a_wrong_one_never_says_why(town):
    anna = add(town, "Anna", Grant("viewer"))
    shut = add(town, "Zu", Grant("viewer"))
    with town.transaction("t") as connection:
        set_disabled(connection, shut, disabled=True, by=LOCAL)
    assert check_login(town, " anna ".strip(), PASSWORD, "127.0.0.1") == anna
    said = set()
    for name, password in (("Anna", "falsch"), ("Niemand", PASSWORD), ("Zu", PASSWORD), ("", "")):
        with pytest.raises(LoginError) as raised:
            check_login(town, name, password, "127.0.0.1")
        said.add((str(raised.value), raised.value.remedy))
    assert len(said) == 1


def test_an_unknown_name_takes_as_long_as_a_wrong_password(town):
    add(town, "Anna", Grant("viewer"))

    def seconds(name: str, number: int) -> float:
        began = time.perf_counter()
        with pytest.raises(LoginError):
            check_login(town, name, "falsch", f"10.0.{number}.1")
        return time.perf_counter() - began

    seconds("warm", 0)
    # By turns, so that whatever else the machine does slows both.
    pairs = [(seconds("Anna", n), seconds("Niemand", n)) for n in range(1, 12)]
    ratio = statistics.median(known / unknown for known, unknown in pairs)
    assert 0.5 < ratio < 2


def test_a_name_is_locked_for_an_address_after_some_failures_also_with_the_right_password(town):
    anna = add(town, "Anna", Grant("viewer"))
    for name in ("Anna", "Niemand"):
        for _ in range(MOST_BY_PAIR):
            with pytest.raises(LoginError):
                check_login(town, name, "falsch", "10.0.0.1")
        with pytest.raises(TooManyAttemptsError) as raised:
            check_login(town, name, PASSWORD, "10.0.0.1")
        assert 0 < raised.value.wait_s <= 15 * 60
    assert check_login(town, "Anna", PASSWORD, "10.0.0.2") == anna  # she herself, elsewhere
    with town.transaction("t") as connection:
        assert any(e["what"] == "last try before lock" for e in list_events(connection))
        connection.execute(text("UPDATE login_attempts SET at = at - interval '16 minutes'"))
    assert check_login(town, "Anna", PASSWORD, "10.0.0.1") == anna


def test_guessing_one_name_from_many_places_locks_it_until_a_new_password(town):
    anna = add(town, "Anna", Grant("viewer"))
    with town.transaction("t") as connection:
        connection.execute(
            text(
                "INSERT INTO login_attempts (name_sha256, address)"
                " SELECT sha256('anna'), '10.1.' || n || '.1' FROM generate_series(1, :n) n"
            ),
            {"n": MOST_BY_NAME},
        )
    with pytest.raises(TooManyAttemptsError):
        check_login(town, "Anna", PASSWORD, "10.9.9.9")
    with town.transaction("t") as connection:
        reset_password(connection, anna, "ein-neues-langes-wort", by=LOCAL)
    assert check_login(town, "Anna", "ein-neues-langes-wort", "10.9.9.9") == anna


def test_guessing_many_names_from_one_address_locks_the_address(town):
    add(town, "Anna", Grant("viewer"))
    with town.transaction("t") as connection:
        connection.execute(
            text(
                "INSERT INTO login_attempts (name_sha256, address)"
                " SELECT sha256(n::text::bytea), '10.0.0.1' FROM generate_series(1, :n) n"
            ),
            {"n": MOST_BY_ADDRESS},
        )
    with pytest.raises(TooManyAttemptsError):
        check_login(town, "Anna", PASSWORD, "10.0.0.1")


def test_a_success_forgives_the_failures_before_it(town):
    add(town, "Anna", Grant("viewer"))
    for _ in range(3):
        for _ in range(MOST_BY_PAIR - 1):
            with pytest.raises(LoginError):
                check_login(town, "Anna", "falsch", "10.0.0.1")
        check_login(town, "Anna", PASSWORD, "10.0.0.1")


def test_many_guesses_at_once_count_like_one_after_the_other(town):
    add(town, "Anna", Grant("viewer"))

    def guess(number: int) -> type:
        try:
            check_login(town, "Anna", f"falsch {number}", "10.0.0.1")
        except (LoginError, TooManyAttemptsError) as error:
            return type(error)
        raise AssertionError

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(guess, range(16)))
    assert outcomes.count(LoginError) == MOST_BY_PAIR


# --- sessions and tokens ------------------------------------------------------------------------


def test_a_session_ends_by_log_out_time_idleness_disabling_and_a_new_password(town):
    anna = add(town, "Anna", Grant("viewer"))
    endings = {
        "log-out": close_session,
        "time": lambda c, _: c.execute(text("UPDATE account_sessions SET expires_at = now()")),
        "idle": lambda c, _: c.execute(
            text("UPDATE account_sessions SET seen_at = now() - interval '121 minutes'")
        ),
        "password": lambda c, _: change_password(c, anna, "ein-anderes-langes-wort"),
        "disabled": lambda c, _: set_disabled(c, anna, disabled=True, by=LOCAL),
    }
    add(town, "chef", Grant("administrator"))
    for how, end in endings.items():
        with town.transaction("t") as connection:
            cookie = open_session(connection, anna, hours=1)
            assert account_of_cookie(connection, cookie) is not None, how
        with town.transaction("t") as connection:
            end(connection, cookie)
        with town.connect() as connection:
            assert account_of_cookie(connection, cookie) is None, how


def test_a_change_of_rights_holds_at_the_next_request(town):
    anna = add(town, "Anna", Grant("planner", "C1"))
    add(town, "chef", Grant("administrator"))
    with town.transaction("t") as connection:
        cookie = open_session(connection, anna, hours=1)
        set_grants(connection, anna, [Grant("viewer", "C1")], by=LOCAL)
    with town.connect() as connection:
        assert not may(account_of_cookie(connection, cookie).account, "planner", "C1")


def test_a_token_reaches_no_further_than_its_roles_and_its_account(town):
    anna = add(town, "Anna", Grant("planner", "T1"), Grant("publisher", "C1"))
    add(town, "chef", Grant("administrator"))
    account = logged_in(town, anna)
    with town.transaction("t") as connection:
        token = add_token(connection, account, "script", roles=("planner",), days=30)
        for roles in (("administrator",), ("auditor",)):
            with pytest.raises(RightMissingError, match="is no"):
                add_token(connection, account, "more", roles=roles, days=30)
        by_token = account_of_token(connection, token).account
        assert (by_token.name, by_token.grants) == ("Anna", (Grant("planner", "T1"),))
        assert may(by_token, "planner", "C2")
        assert not may(by_token, "publisher", "C1")
        with pytest.raises(RightMissingError, match="cannot make tokens"):
            add_token(connection, by_token, "child", roles=("planner",), days=30)
        set_grants(connection, anna, [Grant("planner", "C1")], by=LOCAL)
        assert not may(account_of_token(connection, token).account, "planner", "C2")


def test_an_administrator_may_make_a_token_for_less(town):
    account = logged_in(town, add(town, "chef", Grant("administrator", "T1")))
    with town.transaction("t") as connection:
        token = add_token(connection, account, "read", roles=("viewer",), days=1)
        assert account_of_token(connection, token).account.grants == (Grant("viewer", "T1"),)


def test_a_token_ends_by_revoking_time_disabling_and_reset(town):
    anna = add(town, "Anna", Grant("viewer"))
    add(town, "chef", Grant("administrator"))
    account = logged_in(town, anna)
    endings = [
        lambda c: revoke_token(c, account, list_tokens(c, anna)[0].id),
        lambda c: c.execute(text("UPDATE account_tokens SET expires_at = now()")),
        lambda c: reset_password(c, anna, "ein-anderes-langes-wort", by=LOCAL),
        lambda c: set_disabled(c, anna, disabled=True, by=LOCAL),
    ]
    for end in endings:
        with town.transaction("t") as connection:
            token = add_token(connection, account, "script", roles=("viewer",), days=1)
            assert account_of_token(connection, token) is not None
        with town.transaction("t") as connection:
            end(connection)
        with town.connect() as connection:
            assert account_of_token(connection, token) is None


def test_nobody_revokes_the_token_of_another(town):
    anna, bert = (logged_in(town, add(town, n, Grant("viewer"))) for n in ("Anna", "Bert"))
    with town.transaction("t") as connection:
        add_token(connection, anna, "script", roles=("viewer",), days=1)
        with pytest.raises(NotFoundError):
            revoke_token(connection, bert, list_tokens(connection, anna.id)[0].id)


@pytest.mark.parametrize(
    ("name", "roles", "days"), [("", ("viewer",), 1), ("x", (), 1), ("x", ("viewer",), 367)]
)
def test_a_token_needs_a_name_roles_and_an_end(town, name, roles, days):
    account = logged_in(town, add(town, "Anna", Grant("viewer")))
    with pytest.raises(InvalidRowError), town.transaction("t") as connection:
        add_token(connection, account, name, roles=roles, days=days)


def test_who_signs_on_elsewhere_gets_an_account_without_rights_and_never_that_of_another(town):
    anna = add(town, "anna", Grant("planner"))
    with town.transaction("t") as connection:
        first = account_of_sign_on(connection, issuer="https://id", subject="1", wished_name="anna")
        again = account_of_sign_on(connection, issuer="https://id", subject="1", wished_name="neu")
        other = account_of_sign_on(connection, issuer="https://id", subject="2", wished_name="")
        reserved = account_of_sign_on(
            connection, issuer="https://id", subject="3", wished_name="local"
        )
    assert (first.name, first.grants, again.id) == ("anna-2", (), first.id)
    assert first.id != anna
    assert (other.name, reserved.name) == ("user", "user-2")
    with pytest.raises(LoginError):
        check_login(town, "anna-2", "", "127.0.0.1")


def test_a_form_token_belongs_to_its_cookie():
    assert is_form_token("a", form_token("a"))
    for wrong in ("", form_token("b"), "ä", form_token("a") + "x"):
        assert not is_form_token("a", wrong)
