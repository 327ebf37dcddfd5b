"""The city's own rule sets over HTTP: kept in versions, copied, given out and taken in."""

from __future__ import annotations

import re
import tomllib

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.rules import open_rule_set, read_toml, rule_set_names, write_toml
from geo.rulesets import rule_set

words = st.text(
    st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("\x7f\n\t\"\\'"), max_size=20
)


def own(version: str, minutes: float = 12) -> dict:
    return {
        "name": "our-city",
        "version": version,
        "title_zh": "本市规则",
        "rules": [
            {"id": "r", "kind": "reach", "title_zh": "步行可达", "minutes": minutes, "share": 0.9}
        ],
    }


@settings(deadline=None)
@given(words, words, st.floats(0.01, 1), st.booleans())
def test_a_rule_set_written_as_toml_reads_back_as_the_same(title, note, share, binding):
    rule = {"id": "r", "kind": "reach", "title_zh": "甲" + title, "minutes": 7.5, "share": share}
    rule |= {"binding": binding, "note": note, "stations": ["red_station"]}
    made = rule_set(
        {"name": "x", "version": "1", "title_zh": "乙", "note": note, "rules": [rule]}, origin="x"
    )
    assert read_toml(write_toml(made)).digest == made.digest


@pytest.mark.parametrize("name", rule_set_names())
def test_those_that_come_along_read_back_as_the_same(name):
    made = open_rule_set(name)
    assert read_toml(write_toml(made)).digest == made.digest


def test_versions_are_kept_and_never_change(client: httpx.Client) -> None:
    first = client.post("/api/v1/rule-sets", json={"rule_set": own("2026")})
    assert first.status_code == 201, first.text
    assert client.post("/api/v1/rule-sets", json={"rule_set": own("2026")}).status_code == 201
    changed = client.post("/api/v1/rule-sets", json={"rule_set": own("2026", 15)})
    assert changed.status_code == 409
    assert "new version" in changed.json()["remedy"]
    second = client.post("/api/v1/rule-sets", json={"rule_set": own("2026.2", 15)})
    assert second.status_code == 201
    listed = client.get("/api/v1/rule-sets").json()["rule_sets"]
    mine = next(one for one in listed if one["name"] == "our-city")
    assert (mine["version"], mine["shipped"]) == ("2026.2", False)
    assert [v["version"] for v in mine["versions"]] == ["2026.2", "2026"]
    assert {one["name"] for one in listed if one["shipped"]} == set(rule_set_names())
    old = client.get("/api/v1/rule-sets/our-city", params={"version": "2026"}).json()
    assert old["rules"][0]["minutes"] == 12
    assert old["digest"] == first.json()["digest"]


def test_an_audit_uses_the_newest_version_or_the_one_named(client: httpx.Client) -> None:
    client.post("/api/v1/rule-sets", json={"rule_set": own("a1") | {"name": "other"}})
    client.post("/api/v1/rule-sets", json={"rule_set": own("a2", 20) | {"name": "other"}})
    newest = client.post("/api/v1/audits", json={"rules": "other"}, timeout=300).json()
    assert newest["rule_set"]["version"] == "a2"
    old = client.post("/api/v1/audits", json={"rules": "other", "version": "a1"}).json()
    assert old["rule_set"]["rules"][0]["minutes"] == 12
    missing = client.post("/api/v1/audits", json={"rules": "other", "version": "a9"})
    assert missing.status_code == 422
    assert "'a9'" in missing.json()["detail"]


def test_toml_goes_out_and_comes_in(client: httpx.Client) -> None:
    out = client.get("/api/v1/rule-sets/circle-10/rules.toml")
    assert out.headers["content-type"].startswith("application/toml")
    assert tomllib.loads(out.text)["name"] == "circle-10"
    taken = client.post("/api/v1/rule-sets", json={"toml": out.text})
    assert taken.status_code == 422
    assert "comes along" in taken.json()["detail"]
    copied = client.post(
        "/api/v1/rule-sets",
        json={"toml": out.text.replace('"circle-10"', '"copy"', 1)},
    )
    assert copied.status_code == 201
    assert copied.json()["rules"] == client.get("/api/v1/rule-sets/circle-10").json()["rules"]


def test_a_withdrawn_rule_set_is_gone_for_new_audits_only(client: httpx.Client) -> None:
    client.post("/api/v1/rule-sets", json={"rule_set": own("1") | {"name": "brief"}})
    made = client.post("/api/v1/audits", json={"rules": "brief"}, timeout=300).json()
    assert client.delete("/api/v1/rule-sets/brief").status_code == 204
    assert client.delete("/api/v1/rule-sets/brief").status_code == 404
    assert client.post("/api/v1/audits", json={"rules": "brief"}).status_code == 422
    kept = client.get(f"/api/v1/audits/{made['id']}").json()
    assert kept["rule_set"]["name"] == "brief"
    client.post("/api/v1/rule-sets", json={"rule_set": own("2", 9) | {"name": "brief"}})
    assert client.get("/api/v1/rule-sets/brief").json()["version"] == "2"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "neither or twice"),
        ({"toml": "x = ["}, "no TOML"),
        ({"rule_set": own("1") | {"name": "Our City"}}, "address"),
        ({"rule_set": own("1", -1)}, "minutes -1"),
        ({"rule_set": own("1") | {"rules": []}}, "no rules"),
    ],
)
def test_what_is_wrong_is_named(client: httpx.Client, body: dict, said: str) -> None:
    answer = client.post("/api/v1/rule-sets", json=body)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_the_page_loads_everything_from_here(client: httpx.Client) -> None:
    answer = client.get("/rule-sets")
    assert answer.status_code == 200, answer.text
    for address in re.findall(r"<(?:script|link)[^>]*?(?:src|href)=\"([^\"]+)\"", answer.text):
        assert address.startswith(("/", "data:")), address
