"""Every route states its right, and nobody gets past it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from fastapi import FastAPI
from people import HTML, add_person, browsing, log_in, token_for
from PIL import Image
from plan_town import seed_plan
from running import running
from starlette.routing import Mount
from town import lonlat, seed_layers

from api.app import create_app
from api.rights import PUBLIC, SELF, Gate, all_routes, declared_rights, right, safe_next
from data.accounts.account import ROLE_RIGHTS, ROLES, Grant
from data.database import Database
from data.settings import Settings

PUBLIC_ROUTES = {
    "/health",
    "/ready",
    "/static",
    "/login",
    "/login/sign-on",
    "/login/sign-on/back",
    "/api/v1/problems",
    "/api/v1/problems/{slug}",
    # published station maps: only what an edition holds
    "/.well-known/gridcircle-stations",
    "/s/c/{compound_id}",
    "/s/c/{compound_id}/editions/{number}",
    "/s/c/{compound_id}/editions/{number}/{name}",
    "/s/c/{compound_id}/{name}",
    "/s/sw.js",
    "/s/{slug}",
    "/s/{slug}/nearest",
    "/s/{slug}/photos/{name}",
    "/s/{slug}/reports",
    "/s/{slug}/{name}",
    "/s/{slug}/{number}/{name}",
    "/s/{slug}/stations/{station_id}/sign.pdf",
}
"""What needs no log-in, one by one: nothing becomes public by an oversight."""

HOLDERS = {role: (Grant(role),) for role in ROLES}


@pytest.fixture(scope="module")
def app(tmp_path_factory) -> FastAPI:
    return create_app(Settings.load(home=tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="module")
def town(make_database: Callable[[], Database]) -> Iterator[Database]:
    database = make_database()
    with database.transaction("test") as connection:
        seed_layers(connection)
    yield database
    database.close()


@pytest.fixture(scope="module")
def url(town: Database, tmp_path_factory) -> Iterator[str]:
    settings = Settings.load(
        home=tmp_path_factory.mktemp("home"), database_url=town.url, accounts="on"
    )
    with running(settings, town) as address:
        yield address


@pytest.fixture(scope="module")
def people(url: str, town: Database) -> Iterator[dict[str, httpx.Client]]:
    """One browser for each role in the whole city, one for nobody, one without any role."""
    with ExitStack() as stack:
        found = {"nobody": stack.enter_context(browsing(url))}
        for name, grants in {**HOLDERS, "newcomer": ()}.items():
            add_person(town, f"the {name}", *grants)
            found[name] = stack.enter_context(browsing(url))
            assert log_in(found[name], f"the {name}").status_code == 303
        yield found


# --- what routes say ----------------------------------------------------------------------------


def test_every_route_and_mount_states_its_right(app: FastAPI) -> None:
    silent = [(path, sorted(methods)) for path, methods, said in all_routes(app) if not said]
    assert silent == []


def test_every_operation_of_the_openapi_document_states_its_right(app: FastAPI) -> None:
    known = {PUBLIC, SELF, *ROLES}
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            said = operation.get("x-right")
            names = [said] if isinstance(said, str) else said
            assert names, f"{method} {path}"
            assert set(names) <= known, f"{method} {path}"


def test_the_walk_over_routes_sees_everything_that_is_there(app: FastAPI) -> None:
    seen = {path for path, _, _ in all_routes(app)}
    assert {re.sub(r":int}", "}", path) for path in seen} >= set(app.openapi()["paths"])
    assert seen >= {"/", "/docs", "/ogc", "/static", "/tiles/base/{z:int}/{x:int}/{y:int}.mvt"}
    assert len(seen) > 40


def test_a_route_that_says_nothing_is_seen(app: FastAPI, tmp_path) -> None:
    other = create_app(Settings.load(home=tmp_path))

    @other.get("/forgotten")
    def forgotten() -> None: ...

    other.mount("/bare", FastAPI())
    silent = {path for path, _, said in all_routes(other) if not said}
    assert silent == {"/forgotten", "/bare"}


def test_exactly_these_routes_are_public(app: FastAPI) -> None:
    public = {path for path, _, said in all_routes(app) if said and PUBLIC in said}
    assert public == PUBLIC_ROUTES


def test_writes_need_more_than_looking(app: FastAPI) -> None:
    asking = {"/api/v1/catchments", "/s/{slug}/nearest"}  # compute, write nothing
    for path, methods, said in all_routes(app):
        if methods & {"POST", "PUT", "PATCH", "DELETE"} and path not in asking:
            assert "viewer" not in (said or ()), path


def test_a_right_is_one_that_exists() -> None:
    assert right("planner", "publisher") == {"x-right": ["planner", "publisher"]}
    for wrong in ((), ("planer",), ("viewer", "")):
        with pytest.raises(ValueError, match="right"):
            right(*wrong)
    assert declared_rights(Mount("/x", Gate(None, None, "viewer"))) == ("viewer",)


# --- what routes do -----------------------------------------------------------------------------

FILLED = {
    "station_id": "1",
    "building_id": "1",
    "row_id": "1",
    "table": "stations",
    "layer": "stations",
    "feature_id": "1",
    "plan_id": "1",
    "slug": "conflict",
    "run": "1",
    "z": "14",
    "x": "13566",
    "y": "6379",
}
BELOW = {"/ogc": ("/ogc/", "/ogc/collections", "/ogc/collections/stations/items", "/ogc/api")}
"""Where a mount is asked."""


def addresses(app: FastAPI) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Method, a real address, and the rights of every route."""
    for path, methods, said in all_routes(app):
        for address in BELOW.get(path, (path,)):
            filled = re.sub(r"\{(\w+)(:\w+)?\}", lambda m: FILLED.get(m[1], "1"), address)
            for method in sorted(methods - {"HEAD", "OPTIONS"}) or ["GET"]:
                yield method, filled, said or ()


def test_who_is_not_logged_in_gets_nothing_but_what_is_public(
    app: FastAPI, people: dict[str, httpx.Client]
) -> None:
    for method, address, said in addresses(app):
        answer = people["nobody"].request(method, address)
        if PUBLIC in said:
            assert answer.status_code != 401, (method, address)
        else:
            assert answer.status_code == 401, (method, address)
            assert answer.json()["type"] == "/api/v1/problems/login-required"
            assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("role", [*ROLES, "newcomer"])
def test_each_role_is_refused_what_it_must_be_and_nothing_else(
    app: FastAPI, people: dict[str, httpx.Client], role: str
) -> None:
    have = ROLE_RIGHTS.get(role, frozenset())
    refused, let_in = 0, 0
    for method, address, said in addresses(app):
        answer = people[role].request(method, address)
        kind = (
            answer.json()["type"].rpartition("/")[2]
            if answer.headers.get("content-type") == "application/problem+json"
            else ""
        )
        if {PUBLIC, SELF} & set(said) or have & set(said):
            assert kind not in {"right-missing", "login-required"}, (method, address, answer.text)
            let_in += 1
        else:
            assert (answer.status_code, kind) == (403, "right-missing"), (method, address)
            refused += 1
    assert let_in > 10
    assert bool(refused) == (role != "administrator")


@pytest.mark.parametrize("role", ROLES)
def test_a_token_of_a_role_reaches_as_far_as_the_role(
    app: FastAPI, url: str, town: Database, role: str
) -> None:
    boss = add_person(town, f"boss for {role}", Grant("administrator"))
    token = token_for(town, boss, role)
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}) as client:
        for method, address, said in addresses(app):
            answer = client.request(method, address)
            if not ({PUBLIC, SELF} & set(said) or ROLE_RIGHTS[role] & set(said)):
                assert answer.status_code == 403, (method, address)
                assert answer.json()["type"].endswith("right-missing")
            else:
                assert answer.status_code != 401, (method, address)


def test_no_proxy_keeps_for_others_what_one_may_see(people, url):
    for path in ("/", "/api/v1/city", "/tiles/base/14/13566/6379.mvt", "/ogc/collections"):
        answer = people["viewer"].get(path)
        assert answer.status_code == 200
        assert "private" in answer.headers["cache-control"], path
        assert {"cookie", "authorization"} <= {
            word.strip().lower() for word in answer.headers["vary"].split(",")
        }
        again = people["viewer"].get(
            path, headers={"If-None-Match": answer.headers.get("etag", '"x"')}
        )
        assert "private" in again.headers["cache-control"], path
    shared = httpx.get(f"{url}/static/gridcircle/gridcircle.css")
    assert shared.headers["cache-control"].startswith("public")
    assert people["viewer"].get("/account").headers["cache-control"] == "no-store"


def test_the_openapi_document_tells_programs_how_to_come_in(people):
    document = people["viewer"].get("/api/v1/openapi.json").json()
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert document["paths"]["/health"]["get"]["security"] == []
    assert document["paths"]["/api/v1/city"]["get"]["security"] == [{"token": []}]


def test_a_forgotten_route_is_for_administrators_only(town: Database, tmp_path) -> None:
    from people import token_for as token
    from starlette.testclient import TestClient

    other = create_app(
        Settings.load(home=tmp_path, database_url=town.url, accounts="on"), database=town
    )

    @other.get("/forgotten")
    def forgotten() -> str:
        return "secret"

    planner = token(town, add_person(town, "a planner", Grant("planner")), "planner")
    boss = token(town, add_person(town, "a boss", Grant("administrator")), "administrator")
    with TestClient(other, base_url="http://127.0.0.1") as client:
        assert client.get("/forgotten").status_code == 401
        for who, status in ((planner, 403), (boss, 200)):
            answer = client.get("/forgotten", headers={"Authorization": f"Bearer {who}"})
            assert answer.status_code == status


# --- in which area ------------------------------------------------------------------------------

WEST, EAST, NOWHERE = lonlat(300, 300), lonlat(1000, 300), lonlat(9000, 300)


def station(place: tuple[float, float], **more: object) -> dict:
    return {"kind": "rider_station", "name": "驿站", "lon": place[0], "lat": place[1], **more}


@pytest.fixture(scope="module")
def tokens(town: Database) -> dict[str, dict[str, str]]:
    """Headers of people with a role in one community, a street, the city."""
    who = {
        "west planner": Grant("planner", "C1"),
        "east planner": Grant("planner", "C2"),
        "street planner": Grant("planner", "T1"),
        "city planner": Grant("planner"),
        "west publisher": Grant("publisher", "C1"),
        "west administrator": Grant("administrator", "C1"),
    }
    return {
        name: {"Authorization": f"Bearer {token_for(town, add_person(town, name, g), g.role)}"}
        for name, g in who.items()
    }


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=300) as client:
        yield client


@pytest.mark.parametrize(
    ("who", "place", "status"),
    [
        ("west planner", WEST, 201),
        ("west planner", EAST, 403),
        ("west planner", NOWHERE, 403),
        ("east planner", EAST, 201),
        ("east planner", WEST, 403),
        ("street planner", WEST, 201),
        ("street planner", EAST, 201),
        ("street planner", NOWHERE, 403),
        ("city planner", NOWHERE, 201),
        ("west administrator", WEST, 201),
        ("west administrator", EAST, 403),
        ("west publisher", WEST, 403),
    ],
)
def test_a_station_is_added_only_where_one_plans(client, tokens, town, who, place, status):
    before = client.get("/api/v1/stations", headers=tokens[who]).json()["numberMatched"]
    answer = client.post("/api/v1/stations", json=station(place), headers=tokens[who])
    assert answer.status_code == status, answer.text
    after = client.get("/api/v1/stations", headers=tokens[who]).json()["numberMatched"]
    assert after == before + (status == 201)
    if status == 201:
        history = client.get(
            f"/api/v1/history/stations/{answer.json()['id']}", headers=tokens[who]
        ).json()
        assert history["changes"][0]["actor"] == who
    else:
        assert answer.json()["type"] == "/api/v1/problems/right-missing"


@pytest.fixture
def western(client, tokens) -> str:
    made = client.post("/api/v1/stations", json=station(WEST), headers=tokens["city planner"])
    return f"/api/v1/stations/{made.json()['id']}"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_the_planner_of_another_street_changes_and_deletes_nothing(client, tokens, western, method):
    before = client.get(western, headers=tokens["east planner"]).json()
    for version in ('"1"', '"7"'):  # a stale version tells no more than a right one
        answer = client.request(
            method,
            western,
            json=station(WEST, name="x") if method != "DELETE" else None,
            headers=tokens["east planner"] | {"If-Match": version},
        )
        assert answer.status_code == 403
        assert "present" not in answer.json()
    assert client.get(western, headers=tokens["east planner"]).json() == before


def test_a_station_is_moved_only_by_who_plans_here_and_there(client, tokens, western):
    lon, lat = EAST
    seen = {"If-Match": '"1"'}
    for who, status in (("west planner", 403), ("east planner", 403), ("street planner", 200)):
        answer = client.patch(western, json={"lon": lon, "lat": lat}, headers=tokens[who] | seen)
        assert answer.status_code == status, who
    moved = client.get(western, headers=tokens["west planner"]).json()
    assert moved["properties"]["community"] == "城东社区"
    # Nor is it pulled over from the other side.
    lon, lat = WEST
    answer = client.patch(
        western, json={"lon": lon, "lat": lat}, headers=tokens["west planner"] | {"If-Match": '"2"'}
    )
    assert answer.status_code == 403


def test_who_draws_does_not_publish_and_who_publishes_does_not_draw(client, tokens, western):
    seen = {"If-Match": '"1"'}
    show = {"published": True}
    assert (
        client.patch(western, json=show, headers=tokens["west planner"] | seen).status_code == 403
    )
    both = {"published": True, "name": "neu"}
    assert (
        client.patch(western, json=both, headers=tokens["west publisher"] | seen).status_code == 403
    )
    done = client.patch(western, json=show, headers=tokens["west publisher"] | seen)
    assert done.status_code == 200
    assert done.json()["properties"]["published"] is True
    seen = {"If-Match": '"2"'}
    kept = client.patch(western, json={"name": "neu"}, headers=tokens["west planner"] | seen)
    assert kept.json()["properties"]["published"] is True
    # PUT without `published` would take it from the public.
    answer = client.put(
        western, json=station(WEST), headers=tokens["west planner"] | {"If-Match": '"3"'}
    )
    assert answer.status_code == 403


def test_a_photo_is_put_and_taken_back_by_a_publisher_of_its_place_only(
    client, tokens, western
) -> None:
    out = io.BytesIO()
    Image.new("RGB", (400, 300), "green").save(out, "JPEG")
    address = f"{western}/photo"
    for who in ("west planner", "east planner", "street planner"):
        answer = client.put(address, content=out.getvalue(), headers=tokens[who])
        assert answer.status_code == 403, who
    publisher = tokens["west publisher"]
    assert client.put(address, content=out.getvalue()).status_code == 401
    assert client.put(address, content=out.getvalue(), headers=publisher).status_code == 201
    assert client.get(address).status_code == 401
    for who in ("west planner", "east planner", "street planner"):
        for erase in ("", "?erase=true"):
            assert client.delete(address + erase, headers=tokens[who]).status_code == 403, who
    assert client.get(address, headers=publisher).status_code == 200
    # Of a station that is gone old editions may still show it: the whole city's publisher decides.
    deleted = client.delete(western, headers=tokens["west planner"] | {"If-Match": '"1"'})
    assert deleted.status_code == 204
    assert client.delete(f"{address}?erase=true", headers=publisher).status_code == 403


@pytest.fixture(scope="module")
def published_plan(town: Database) -> int:
    with town.transaction("test") as connection:
        return seed_plan(connection)


@pytest.fixture
def draft(client, tokens, published_plan) -> int:
    """A draft that the city's planner has made."""
    made = client.post(
        "/api/v1/plans",
        json={"name": "草案", "source": {"plan": published_plan}},
        headers=tokens["city planner"],
    )
    assert made.status_code == 201, made.text
    return made.json()["id"]


def plan_state(client, headers, plan: int) -> tuple[list, list]:
    """What an unwanted write would change: every grid with its figures, every edit."""
    return (
        client.get(f"/api/v1/plans/{plan}/grids", headers=headers).json()["features"],
        client.get(f"/api/v1/plans/{plan}/edits", headers=headers).json()["edits"],
    )


def renaming(client, headers, plan: int, community: str, name: str) -> tuple[dict, dict]:
    """Body and version of an edit in a community."""
    one = next(
        c
        for c in client.get(f"/api/v1/plans/{plan}/communities", headers=headers).json()[
            "communities"
        ]
        if c["name"] == community
    )
    found = client.get(
        f"/api/v1/plans/{plan}/grids", params={"community": one["id"]}, headers=headers
    ).json()
    body = {
        "kind": "rename",
        "community": one["id"],
        "grid": found["features"][0]["id"],
        "name": name,
    }
    return body, {"If-Match": f'"{one["version"]}"'}


def test_a_planner_edits_undoes_and_redoes_in_his_community_only(client, tokens, draft):
    city = tokens["city planner"]
    here, there = tokens["west planner"], tokens["east planner"]
    address = f"/api/v1/plans/{draft}"
    body, version = renaming(client, city, draft, "城西社区", "西边的名字")
    before = plan_state(client, city, draft)
    for stale in (version, {"If-Match": '"77"'}):  # a stale version tells no more
        answer = client.post(f"{address}/edits", json=body, headers=there | stale)
        assert (answer.status_code, answer.json()["type"][-13:]) == (403, "right-missing")
        assert "present" not in answer.json()
    assert plan_state(client, city, draft) == before
    done = client.post(f"{address}/edits", json=body, headers=here | version)
    assert done.status_code == 200, done.text
    edited = plan_state(client, city, draft)
    assert edited[1][0]["author"] == "west planner"

    for step, wanted in (("undo", before[0]), ("redo", edited[0])):
        now = plan_state(client, city, draft)
        seen = {"If-Match": renaming(client, city, draft, "城西社区", "")[1]["If-Match"]}
        # By the community, and by the plan: whose edit it is turns out in between.
        for ask, headers in (({"community": body["community"]}, there | seen), (None, there)):
            answer = client.post(f"{address}/{step}", json=ask, headers=headers)
            assert (answer.status_code, answer.json()["type"][-13:]) == (403, "right-missing")
        assert plan_state(client, city, draft) == now
        answer = client.post(
            f"{address}/{step}", json={"community": body["community"]}, headers=here | seen
        )
        assert answer.status_code == 200, answer.text
        names = [f["properties"]["name"] for f in plan_state(client, city, draft)[0]]
        assert names == [f["properties"]["name"] for f in wanted]


def test_the_planner_of_a_street_edits_all_its_communities(client, tokens, draft):
    who = tokens["street planner"]
    for community in ("城西社区", "城东社区"):
        body, version = renaming(client, who, draft, community, f"{community}一格")
        answer = client.post(f"/api/v1/plans/{draft}/edits", json=body, headers=who | version)
        assert answer.status_code == 200, answer.text


def test_a_plan_is_published_by_a_publisher_of_the_whole_city_only(
    client, town, tokens, draft, published_plan
):
    boss = add_person(town, "city publisher", Grant("publisher"))
    city = {"Authorization": f"Bearer {token_for(town, boss, 'publisher')}"}
    street = add_person(town, "street publisher", Grant("publisher", "T1"))
    street = {"Authorization": f"Bearer {token_for(town, street, 'publisher')}"}
    address = f"/api/v1/plans/{draft}"
    sent = client.post(f"{address}/state", json={"to": "review"}, headers=tokens["city planner"])
    assert sent.status_code == 200, sent.text
    for who in (tokens["west publisher"], street, tokens["city planner"], tokens["west planner"]):
        answer = client.post(f"{address}/state", json={"to": "published"}, headers=who)
        assert (answer.status_code, answer.json()["type"][-13:]) == (403, "right-missing")
    assert client.get(address, headers=city).json()["state"] == "review"
    assert client.post(f"{address}/state", json={"to": "published"}, headers=city).is_success
    assert client.get(address, headers=city).json()["state"] == "published"
    assert client.get(f"/api/v1/plans/{published_plan}", headers=city).json()["state"] == "archived"


@pytest.mark.parametrize("page", ["", "/{}/edit", "/{}/review", "/{}/compare"])
def test_pages_of_plans_ask_for_the_log_in_and_name_who_is_there(people, url, draft, page):
    path = f"/plans{page.format(draft)}"
    led = people["nobody"].get(path, headers=HTML)
    assert led.status_code == 303
    assert led.headers["location"].startswith("/login?next=%2Fplans")
    shown = people["viewer"].get(path, headers=HTML)
    assert shown.status_code == 200
    assert "the viewer" in shown.text


def test_a_station_that_is_not_there_is_not_found_whoever_asks(client, tokens):
    answer = client.delete(
        "/api/v1/stations/999999", headers=tokens["west planner"] | {"If-Match": '"1"'}
    )
    assert answer.status_code == 404


def test_without_accounts_the_author_is_local_and_everything_is_allowed(town, tmp_path):
    settings = Settings.load(home=tmp_path, database_url=town.url)
    with running(settings, town) as address, httpx.Client(base_url=address, timeout=300) as client:
        made = client.post("/api/v1/stations", json=station(NOWHERE, published=True))
        assert made.status_code == 201
        history = client.get(f"/api/v1/history/stations/{made.json()['id']}").json()
        assert history["changes"][0]["actor"] == "local"
        assert client.get("/api/v1/account").json()["is_local"] is True
        for path in ("/login", "/account", "/admin/accounts"):
            assert client.get(path, headers=HTML).status_code == 404
        assert "gc-account" not in client.get("/").text


# --- where one goes after the log-in ------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
        "evil.example",
        "",
        "/login?next=/x",
        "/logout",
        "/" + "x" * 3000,
        "/%0d%0aSet-Cookie:x\r\n",
    ],
)
def test_another_host_is_never_where_one_goes(address):
    assert safe_next(address) == "/"


def test_addresses_of_ours_are_kept():
    for address in ("/", "/maps/coverage?kinds=a,b&minutes=15", "/admin/accounts"):
        assert safe_next(address) == address
