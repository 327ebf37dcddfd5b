"""What stands before every request, and what every answer carries."""

from __future__ import annotations

import socket

import httpx
import pytest
from running import running

from api.security import host_name, page_policy
from data.errors import SettingsError
from data.settings import Settings

STATION = {"kind": "red_station", "name": "x", "lon": 118.1, "lat": 36.95}


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::2]:80"])
def test_a_host_that_is_not_ours_is_refused(client, host):
    # DNS rebinding: a foreign page reaches a loopback service through a name of its own.
    answer = client.get("/api/v1/city", headers={"Host": host})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("host", "name"),
    [("localhost:8000", "localhost"), ("[::1]:80", "::1"), ("[::1", ""), ("A.B", "a.b")],
)
def test_a_host_header_gives_its_name(host, name):
    assert host_name(host) == name


@pytest.mark.parametrize("host", ["localhost", "localhost:9999", "127.0.0.1", "[::1]:8000"])
def test_names_of_this_machine_are_ours(client, host):
    assert client.get("/health", headers={"Host": host}).status_code == 200


def test_a_name_of_a_proxy_in_front_can_be_allowed_but_not_every_name(town, tmp_path):
    settings = Settings.load(
        home=tmp_path, database_url=town.url, allowed_hosts="grids.example.org"
    )
    with running(settings, town) as address, httpx.Client(base_url=address, timeout=300) as client:
        assert client.get("/health", headers={"Host": "grids.example.org"}).status_code == 200
        assert client.get("/health", headers={"Host": "example.org"}).status_code == 400
    with pytest.raises(SettingsError, match="host name"):
        Settings.load(allowed_hosts="*")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_page_of_another_origin_may_not_write(client, method, headers):
    before = client.get("/api/v1/stations").json()["numberMatched"]
    path = "/api/v1/stations" if method == "POST" else "/api/v1/stations/1"
    answer = client.request(method, path, json=STATION, headers=headers | {"If-Match": '"1"'})
    assert answer.status_code == 403
    assert answer.json()["type"] == "/api/v1/problems/cross-origin"
    assert client.get("/api/v1/stations").json()["numberMatched"] == before


def test_our_own_pages_may_write(client, url):
    answer = client.post(
        "/api/v1/stations",
        json=STATION,
        headers={"Origin": url, "Sec-Fetch-Site": "same-origin"},
    )
    assert answer.status_code == 201


def test_a_body_beyond_the_limit_is_refused_with_and_without_a_length(client):
    large = b" " * (1 << 21)
    with_length = client.post("/api/v1/stations", content=large)
    in_chunks = client.post(
        "/api/v1/stations",
        content=(large[i : i + 65536] for i in range(0, len(large), 65536)),
        headers={"Content-Type": "application/json"},
    )
    for answer in (with_length, in_chunks):
        assert answer.status_code == 413
        assert answer.json()["type"] == "/api/v1/problems/body-too-large"


@pytest.mark.parametrize(
    "path", ["/health", "/api/v1/city", "/docs", "/nowhere", "/static/nothing.js", "/ogc/"]
)
def test_every_answer_carries_the_security_headers(client, path):
    answer = client.get(path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    policy = answer.headers["content-security-policy"]
    assert "unsafe-eval" not in policy
    assert "http" not in policy


def test_a_page_runs_its_own_inline_scripts_and_no_others():
    policy = page_policy("<script>a()</script><script src='/static/b.js'></script><p onclick=c()>")
    assert policy.count("sha256-") == 1
    script_rule = next(r for r in policy.split("; ") if r.startswith("script-src"))
    assert "unsafe-inline" not in script_rule


def test_the_service_listens_on_loopback_only():
    with pytest.raises(SettingsError, match="loopback"):
        Settings.load(host="0.0.0.0" if not _in_container() else "192.0.2.1")


def _in_container() -> bool:
    from data.settings import in_container

    return in_container()


def test_a_mistake_shows_a_number_and_no_stack_trace(client, town, monkeypatch):
    def broken(_service):
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("api.service.Service.city_facts", broken)
    answer = client.get("/api/v1/city")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["mistake"]
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_a_request_that_is_not_http_does_not_stop_the_service(client, url):
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as raw:
        raw.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        raw.recv(1024)
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/stations", "/health", "/tiles/base/0/0/0.mvt"])
def test_head_is_get_without_the_body(client, path):
    get, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


def test_a_wrong_method_says_which_are_right(client):
    answer = client.put("/api/v1/layers", json={})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"
    assert answer.json()["type"] == "/api/v1/problems/method-not-allowed"


def test_a_body_that_is_not_json_is_told_so(client):
    answer = client.post(
        "/api/v1/stations", content="{", headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["type"] == "/api/v1/problems/not-json"


def test_pages_are_compressed_for_those_who_can_read_it_and_answers_are_not(url):
    with httpx.Client(base_url=url, timeout=300) as own:
        plain = own.get("/docs", headers={"Accept-Encoding": "identity"})
        packed = own.get("/docs", headers={"Accept-Encoding": "gzip"})
        answer = own.get("/api/v1/layers", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
