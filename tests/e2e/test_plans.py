"""The editor of grid plans in a real Chromium: what is drawn there stands in the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
import shapely
from openpyxl import load_workbook
from playwright.sync_api import Browser, Page, expect
from running import running
from sqlalchemy import text
from town import line, lonlat, polygon, seed_layers, seed_network

from data.database import Database
from data.plans.from_grids import plan_from_grids
from data.plans.given import GivenGrid
from data.settings import Settings

DESKTOP = {"width": 1400, "height": 900}
PHONE = {"width": 390, "height": 844}
MIDDLE_M = (350.0, 500.0)
"""Where the four grids of the western community meet, metres from the town's corner."""
GRIDS = (
    (-50, -50, 350, 500, "西南网格"),
    (350, -50, 750, 500, "东南网格"),
    (-50, 500, 350, 1050, "西北网格"),
    (350, 500, 750, 1050, "东北网格"),
    (750, -50, 1550, 500, "河东南网格"),
    (750, 500, 1550, 1050, "河东北网格"),
)


@dataclass
class Town:
    """The running service and its database."""

    url: str
    database: Database
    source: int

    def draft(self) -> int:
        """A draft of this test's own."""
        answer = httpx.post(
            f"{self.url}/api/v1/plans", json={"name": "测试草稿", "source": {"plan": self.source}}
        )
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    def get(self, path: str) -> Any:
        answer = httpx.get(f"{self.url}/api/v1{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def grids(self, plan: int) -> dict[str, shapely.Geometry]:
        """Shapes of a plan's grids by name, or code where there is none, from the database."""
        with self.database.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT coalesce(NULLIF(name, ''), code) AS name, ST_AsBinary(geom) AS geom"
                    " FROM plan_grids WHERE plan_id = :plan ORDER BY id"
                ),
                {"plan": plan},
            ).all()
        return {row.name: shapely.from_wkb(bytes(row.geom)) for row in rows}

    def homes(self, plan: int) -> dict[str, int]:
        """Households by grid, from the database."""
        with self.database.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT coalesce(NULLIF(g.name, ''), g.code) AS name,"
                    " coalesce(sum(b.households), 0)::int AS homes FROM plan_grids g"
                    " LEFT JOIN plan_buildings p ON p.grid_id = g.id AND p.plan_id = g.plan_id"
                    " LEFT JOIN buildings b ON b.id = p.building_id"
                    " WHERE g.plan_id = :plan GROUP BY g.id ORDER BY g.id"
                ),
                {"plan": plan},
            ).all()
        return {row.name: row.homes for row in rows}

    def edit_elsewhere(self, plan: int, name: str) -> None:
        """What another planner does: rename a grid of the western community."""
        community = self.get(f"/plans/{plan}/communities")["communities"][0]
        grid = next(
            f
            for f in self.get(f"/plans/{plan}/grids")["features"]
            if f["properties"]["name"] == "东北网格"
        )
        answer = httpx.post(
            f"{self.url}/api/v1/plans/{plan}/edits",
            json={
                "kind": "rename",
                "community": community["id"],
                "grid": grid["id"],
                "name": name,
            },
            headers={"If-Match": f'"{community["version"]}"'},
        )
        assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def town(
    make_database: Callable[[], Database], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Town]:
    database = make_database()
    with database.transaction("test") as connection:
        seed_layers(connection)
        seed_network(connection)
        given = [
            GivenGrid(f"X{n}", name, "base", None, shapely.from_wkt(polygon(*corners)))
            for n, (*corners, name) in enumerate(GRIDS)
        ]
        source = plan_from_grids(connection, "现行方案", given, author="test").plan
    settings = Settings.load(home=tmp_path_factory.mktemp("home"), database_url=database.url)
    with running(settings, database) as address:
        yield Town(address, database, source)
    database.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.on("dialog", lambda dialog: dialog.accept())
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    context.close()
    assert faults == []  # a script never fails, whatever was done


def open_editor(page: Page, town: Town, plan: int, *, zoom: int = 16) -> None:
    """Open the editor at the place where four grids meet."""
    page.goto(f"{town.url}/plans/{plan}/edit")
    page.locator(".gp-label").first.wait_for()
    look_at(page, *MIDDLE_M, zoom=zoom)


def look_at(page: Page, x_m: float, y_m: float, *, zoom: int) -> None:
    lon, lat = lonlat(x_m, y_m)
    with page.expect_response(lambda r: "/grids?" in r.url and r.ok):
        page.evaluate(f"void map_city.setView([{lat!r}, {lon!r}], {zoom}, {{animate: false}})")
    page.wait_for_load_state("networkidle")


def on_screen(page: Page, x_m: float, y_m: float) -> tuple[float, float]:
    lon, lat = lonlat(x_m, y_m)
    at = page.evaluate(f"(() => map_city.latLngToContainerPoint([{lat!r}, {lon!r}]))()")
    box = page.locator(".folium-map").bounding_box()
    assert box is not None
    return box["x"] + at["x"], box["y"] + at["y"]


def click(page: Page, x_m: float, y_m: float) -> None:
    page.mouse.click(*on_screen(page, x_m, y_m))


def drag(page: Page, *points: tuple[float, float]) -> None:
    """Press at the first point, move over the others, let go; metres."""
    page.mouse.move(*on_screen(page, *points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*on_screen(page, *point), steps=8)
    page.mouse.up()


def choose(page: Page, x_m: float, y_m: float, name: str) -> None:
    click(page, x_m, y_m)
    expect(page.locator("#gp-selected")).to_contain_text(name)


def save(page: Page) -> dict[str, Any]:
    """Save what is previewed; gives the service's answer."""
    with page.expect_response(lambda r: r.url.endswith("/edits") and r.ok) as answer:
        page.click("#gp-save")
    expect(page.locator("#gp-preview")).to_be_hidden()
    told: dict[str, Any] = answer.value.json()
    return told


def is_partition(town: Town, plan: int) -> bool:
    """Whether the grids cover the town once: no overlap, no gap (independently of the service)."""
    shapes = list(town.grids(plan).values())
    whole = shapely.from_wkt(polygon(-50, -50, 1550, 1050)).area
    return (
        abs(sum(s.area for s in shapes) / whole - 1) < 1e-6
        and abs(shapely.union_all(shapes).area / whole - 1) < 1e-6
        and all(s.geom_type == "Polygon" and s.is_valid for s in shapes)
    )


def test_a_grid_is_split_by_a_drawn_line_after_a_preview(page: Page, town: Town) -> None:
    plan = town.draft()
    before, homes = town.grids(plan), town.homes(plan)
    open_editor(page, town, plan)
    choose(page, 100, 250, "西南网格")
    page.click("[data-tool=split]")
    with page.expect_response(lambda r: "/edits?preview=true" in r.url):
        click(page, -90, 215)
        page.mouse.move(*on_screen(page, 300, 225), steps=5)
        page.mouse.dblclick(*on_screen(page, 390, 230))
    preview = page.locator("#gp-preview")
    expect(preview).to_contain_text("分割")
    expect(preview.locator("tbody tr:not(.gp-rule)")).to_have_count(2)
    assert town.grids(plan).keys() == before.keys()  # a preview writes nothing
    told = save(page)
    after = town.grids(plan)
    assert len(after) == len(before) + 1
    assert is_partition(town, plan)
    new = next(iter(after.keys() - before.keys()))
    parts = town.homes(plan)
    assert parts["西南网格"] + parts[new] == homes["西南网格"]
    assert 0 < parts[new] < homes["西南网格"]
    shown = preview_numbers(told)
    assert {parts["西南网格"], parts[new]} <= set(shown.values())
    # What the panel says of the chosen grid is what the database says.
    expect(page.locator("#gp-selected")).to_contain_text(str(parts["西南网格"]))


def preview_numbers(told: dict[str, Any]) -> dict[int, int]:
    return {f["id"]: f["properties"]["households"] for f in told["changed"]["features"]}


def test_a_dragged_vertex_takes_every_grid_that_has_it_along(page: Page, town: Town) -> None:
    plan = town.draft()
    open_editor(page, town, plan, zoom=17)
    choose(page, 300, 450, "西南网格")
    page.click("[data-tool=reshape]")
    page.locator(".marker-icon").first.wait_for()
    with page.expect_response(lambda r: "/edits?preview=true" in r.url):
        drag(page, MIDDLE_M, (320, 455), (310, 443))
    rows = page.locator("#gp-preview tbody tr:not(.gp-rule)")
    expect(rows).to_have_count(4)
    save(page)
    grids = town.grids(plan)
    old = shapely.Point(lonlat(*MIDDLE_M))
    new = shapely.Point(lonlat(310, 443))
    west = [grids[name] for name in ("西南网格", "东南网格", "西北网格", "东北网格")]
    corners = [set(shape.exterior.coords) for shape in west]
    shared = set.intersection(*corners)
    assert len(shared) == 1
    moved = shapely.Point(next(iter(shared)))
    assert moved.distance(new) < 5e-5  # a pixel or two
    assert moved.distance(old) > 2e-4
    assert is_partition(town, plan)


def test_a_vertex_added_in_between_bends_the_boundary_of_both(page: Page, town: Town) -> None:
    plan = town.draft()
    before = town.grids(plan)
    open_editor(page, town, plan, zoom=17)
    look_at(page, 350, 300, zoom=17)
    choose(page, 250, 300, "西南网格")
    page.click("[data-tool=reshape]")
    page.locator(".marker-icon-middle").first.wait_for()
    middle = (350, (500 - 50) / 2)
    with page.expect_response(lambda r: "/edits?preview=true" in r.url):
        drag(page, middle, (390, 232), (420, 240))
    save(page)
    after = town.grids(plan)
    assert after["西南网格"].area > before["西南网格"].area
    assert after["东南网格"].area < before["东南网格"].area
    assert after["西北网格"].equals_exact(before["西北网格"])
    assert is_partition(town, plan)


def test_merging_is_undone_to_the_last_bit_and_done_again_by_keys(page: Page, town: Town) -> None:
    plan = town.draft()
    before = town.grids(plan)
    open_editor(page, town, plan)
    page.click("[data-tool=merge]")
    click(page, 100, 300)
    click(page, 600, 300)
    page.click("#gp-finish")
    page.locator("#gp-save").wait_for()
    page.keyboard.press("Escape")  # thought better of it
    expect(page.locator("#gp-preview")).to_be_hidden()
    assert town.grids(plan).keys() == before.keys()
    page.click("#gp-finish")
    save(page)
    merged = town.grids(plan)
    assert len(merged) == len(before) - 1
    assert is_partition(town, plan)
    with page.expect_response(lambda r: r.url.endswith("/undo") and r.ok):
        page.keyboard.press("Control+z")
    back = town.grids(plan)
    assert {n: s.wkb for n, s in back.items()} == {n: s.wkb for n, s in before.items()}
    expect(page.locator("[data-tool=redo]")).to_be_enabled()
    with page.expect_response(lambda r: r.url.endswith("/redo") and r.ok):
        page.keyboard.press("Control+y")
    assert town.grids(plan) == merged


def test_brushed_buildings_go_to_the_chosen_grid(page: Page, town: Town) -> None:
    plan = town.draft()
    homes = town.homes(plan)
    open_editor(page, town, plan)
    choose(page, 250, 250, "西南网格")
    page.click("[data-tool=transfer]")
    page.wait_for_load_state("networkidle")
    drag(page, (446, 56), (452, 100), (446, 256))  # buildings of three blocks beside the boundary
    expect(page.locator(".gp-hint")).to_contain_text("3 栋")
    page.keyboard.press("Enter")
    page.locator("#gp-save").wait_for()
    save(page)
    after = town.homes(plan)
    given = homes["东南网格"] - after["东南网格"]
    assert after["西南网格"] - homes["西南网格"] == given == 14 + 16 + 16
    assert is_partition(town, plan)


def test_the_line_between_two_grids_is_drawn_anew(page: Page, town: Town) -> None:
    plan = town.draft()
    before = town.grids(plan)
    open_editor(page, town, plan)
    choose(page, 100, 250, "西南网格")
    page.keyboard.down("Control")
    choose(page, 600, 250, "东南网格")
    page.keyboard.up("Control")
    page.click("[data-tool=reshape]")
    with page.expect_response(lambda r: "/edits?preview=true" in r.url and r.ok):
        click(page, 350, -90)
        click(page, 430, 200)
        page.mouse.dblclick(*on_screen(page, *MIDDLE_M))
    expect(page.locator("#gp-preview tbody tr:not(.gp-rule)")).to_have_count(2)
    save(page)
    after = town.grids(plan)
    bulge = shapely.Point(lonlat(410, 205))
    assert before["东南网格"].contains(bulge)
    assert after["西南网格"].contains(bulge)
    assert after["西北网格"].equals_exact(before["西北网格"])
    assert is_partition(town, plan)


def test_buildings_in_a_lasso_go_to_the_chosen_grid(page: Page, town: Town) -> None:
    plan = town.draft()
    homes = town.homes(plan)
    open_editor(page, town, plan)
    choose(page, 250, 250, "西南网格")
    page.click("[data-tool=transfer]")
    page.wait_for_load_state("networkidle")
    page.locator(".gp-hint").get_by_role("button", name="套索").click()
    drag(page, (420, 20), (490, 20), (490, 290), (420, 290), (422, 30))
    expect(page.locator(".gp-hint")).to_contain_text("2 栋")
    page.click("#gp-finish")
    page.locator("#gp-save").wait_for()
    save(page)
    after = town.homes(plan)
    assert after["西南网格"] - homes["西南网格"] == homes["东南网格"] - after["东南网格"] == 14 + 16
    assert is_partition(town, plan)


def test_a_grid_is_split_along_a_street_chosen_by_name(page: Page, town: Town) -> None:
    with town.database.transaction("test") as connection:
        connection.execute(
            text(
                "INSERT INTO base_features (layer, kind, name, geom, source, source_key) VALUES"
                " ('road', 'residential', '中街', ST_GeomFromText(:wkt, 4326), 'test', 'w1')"
            ),
            {"wkt": line((-150, 200), (150, 200), (450, 200))},
        )
    plan = town.draft()
    before = town.grids(plan)
    open_editor(page, town, plan)
    choose(page, 100, 250, "西南网格")
    page.click("[data-tool=split]")
    with page.expect_response(lambda r: "/edits?preview=true" in r.url and r.ok):
        page.select_option(".gp-street", "中街")
    save(page)
    after = town.grids(plan)
    new = after[next(iter(after.keys() - before.keys()))]
    street = shapely.LineString([lonlat(-50, 200), lonlat(350, 200)])
    shared = shapely.intersection(new.boundary, after["西南网格"].boundary)
    assert shapely.hausdorff_distance(shared, street) < 1e-6  # a tenth of a metre
    assert is_partition(town, plan)


def test_a_community_is_numbered_anew_from_west_to_east(page: Page, town: Town) -> None:
    plan = town.draft()
    named = {f["properties"]["name"]: f for f in town.get(f"/plans/{plan}/grids")["features"]}
    west = named["西北网格"]
    course = [list(lonlat(x, y)) for x, y in ((-60, 900), (360, 900))]
    parted = httpx.post(
        f"{town.url}/api/v1/plans/{plan}/edits",
        json={
            "kind": "split",
            "community": west["properties"]["community"],
            "grid": west["id"],
            "line": {"type": "LineString", "coordinates": course},
        },
        headers={"If-Match": '"1"'},
    )
    assert parted.status_code == 200, parted.text

    def numbers() -> list[tuple[str, str]]:
        with town.database.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT right(code, 3) AS serial, name FROM plan_grids"
                    " WHERE plan_id = :plan AND community_id = :community ORDER BY code"
                ),
                {"plan": plan, "community": west["properties"]["community"]},
            ).all()
        return [(row.serial, row.name) for row in rows]

    new = numbers()[-1]
    assert new[0] == "005"
    open_editor(page, town, plan)
    choose(page, 600, 700, "东北网格")
    page.click("[data-tool=rename]")
    page.locator("#gp-task").get_by_role("button", name="重新编号").click()
    page.locator("#gp-save").wait_for()
    save(page)
    wanted = [new[1], "西北网格", "西南网格", "东北网格", "东南网格"]
    assert numbers() == [(f"{n:03}", name) for n, name in enumerate(wanted, 1)]


def test_a_base_grid_becomes_exclusive(page: Page, town: Town) -> None:
    plan = town.draft()
    open_editor(page, town, plan)
    choose(page, 600, 700, "东北网格")
    page.click("[data-tool=kind]")
    page.click("#gp-form-ok")
    page.locator("#gp-save").wait_for()
    save(page)
    expect(page.locator("#gp-selected .gp-kind")).to_have_text("专属网格")
    with town.database.connect() as connection:
        rows = connection.execute(
            text("SELECT name, kind FROM plan_grids WHERE plan_id = :plan"), {"plan": plan}
        ).all()
    kinds = {row.name: row.kind for row in rows}
    assert kinds.pop("东北网格") == "exclusive"
    assert set(kinds.values()) == {"base"}


def test_a_micro_grid_is_removed_from_the_card_of_its_grid(page: Page, town: Town) -> None:
    plan = town.draft()
    community = town.get(f"/plans/{plan}/communities")["communities"][0]["id"]
    ring = [(20, 20), (200, 20), (200, 200), (20, 200), (20, 20)]
    patch = {"type": "Polygon", "coordinates": [[list(lonlat(x, y)) for x, y in ring]]}
    drawn = httpx.post(
        f"{town.url}/api/v1/plans/{plan}/edits",
        json={
            "kind": "draw",
            "community": community,
            "patch": patch,
            "grid_kind": "micro",
            "name": "微网格一",
        },
        headers={"If-Match": '"1"'},
    )
    assert drawn.status_code == 200, drawn.text
    assert "微网格一" in town.grids(plan)
    open_editor(page, town, plan, zoom=17)
    look_at(page, 200, 250, zoom=17)
    choose(page, 250, 300, "西南网格")
    entry = page.locator(".gp-micro li", has_text="微网格一")
    entry.get_by_role("button").click()
    page.locator("#gp-save").wait_for()
    save(page)
    assert "微网格一" not in town.grids(plan)
    expect(entry).to_have_count(0)
    assert is_partition(town, plan)
    with page.expect_response(lambda r: r.url.endswith("/undo") and r.ok):
        page.keyboard.press("Control+z")
    expect(entry).to_have_count(1)
    assert "微网格一" in town.grids(plan)


def test_a_refused_line_is_marked_on_the_map_and_nothing_is_written(page: Page, town: Town) -> None:
    plan = town.draft()
    before = town.grids(plan)
    open_editor(page, town, plan)
    choose(page, 100, 250, "西南网格")
    page.click("[data-tool=split]")
    with page.expect_response(lambda r: "/edits?preview=true" in r.url) as answer:
        click(page, 60, 230)
        page.mouse.dblclick(*on_screen(page, 150, 260))  # ends inside the grid
    assert answer.value.status == 422
    expect(page.locator("#gc-problem")).to_contain_text("这条线没有把网格分成两部分。")
    expect(page.locator("#gc-problem")).to_contain_text("请从网格的一边画到另一边。")
    expect(page.locator(".gp-here")).to_have_count(1)
    assert town.grids(plan) == before


def test_a_stale_save_shows_what_is_there_and_offers_the_edit_again(page: Page, town: Town) -> None:
    plan = town.draft()
    open_editor(page, town, plan)
    page.click("[data-tool=merge]")
    click(page, 100, 300)
    click(page, 600, 300)
    page.click("#gp-finish")
    page.locator("#gp-save").wait_for()
    town.edit_elsewhere(plan, "别人改的名")
    with page.expect_response(lambda r: r.url.endswith("/edits")) as answer:
        page.click("#gp-save")
    assert answer.value.status == 412
    expect(page.locator("#gp-preview")).to_contain_text("别人刚刚改过这个社区")
    assert len(town.grids(plan)) == len(GRIDS)
    page.click("#gp-redo-stale")
    expect(page.locator("#gp-preview")).to_contain_text("合并")
    save(page)
    assert len(town.grids(plan)) == len(GRIDS) - 1
    assert "别人改的名" in town.grids(plan)


def test_what_another_changes_is_told_unasked(page: Page, town: Town) -> None:
    plan = town.draft()
    open_editor(page, town, plan)
    town.edit_elsewhere(plan, "新来的名字")
    expect(page.locator("#gp-notice")).to_contain_text("城西社区")
    choose(page, 600, 700, "新来的名字")


def test_delete_gives_a_grid_to_a_neighbour_after_a_preview(page: Page, town: Town) -> None:
    plan = town.draft()
    open_editor(page, town, plan)
    choose(page, 600, 700, "东北网格")
    page.keyboard.press("Delete")
    expect(page.locator("#gp-preview")).to_contain_text("撤并")
    page.keyboard.press("Enter")
    expect(page.locator("#gp-preview")).to_be_hidden()
    assert len(town.grids(plan)) == len(GRIDS) - 1
    assert is_partition(town, plan)


def test_what_a_line_snaps_to_is_shown(page: Page, town: Town) -> None:
    plan = town.draft()
    open_editor(page, town, plan, zoom=17)
    choose(page, 300, 450, "西南网格")
    page.click("[data-tool=split]")
    page.wait_for_load_state("networkidle")
    ring = page.locator(".leaflet-draft-pane path[stroke='#c2410c']")
    expect(ring).to_have_count(0)
    click(page, 300, 440)
    page.mouse.move(*on_screen(page, 330, 480), steps=3)
    x, y = on_screen(page, *MIDDLE_M)
    page.mouse.move(x + 2, y + 8, steps=3)  # near the point where the grids meet
    expect(ring).to_have_count(1)
    box = ring.bounding_box()
    assert box is not None
    assert abs(box["x"] + box["width"] / 2 - x) < 3
    assert abs(box["y"] + box["height"] / 2 - y) < 3


def test_far_out_grids_come_as_tiles_and_are_chosen_all_the_same(page: Page, town: Town) -> None:
    plan = town.draft()
    open_editor(page, town, plan)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with page.expect_response(lambda r: f"/plans/{plan}/tiles/" in r.url and r.ok):
        lon, lat = lonlat(*MIDDLE_M)
        page.evaluate(f"void map_city.setView([{lat!r}, {lon!r}], 12, {{animate: false}})")
    page.wait_for_load_state("networkidle")
    assert not [url for url in asked if "/grids?" in url or "/cells?" in url]
    choose(page, 100, 250, "西南网格")


def test_a_plan_that_is_not_there_is_said_so(page: Page, town: Town) -> None:
    for view in ("edit", "review", "compare"):
        page.goto(f"{town.url}/plans/999999/{view}")
        expect(page.locator("#gc-problem")).to_be_visible()
        expect(page.locator("#gc-problem")).to_contain_text("没有这条记录")
    page.goto(f"{town.url}/plans/999999/edit")
    expect(page.locator("[data-tool=split]")).to_be_disabled()


def test_a_name_is_changed_in_a_form(page: Page, town: Town) -> None:
    plan = town.draft()
    open_editor(page, town, plan)
    choose(page, 100, 250, "西南网格")
    page.click("[data-tool=rename]")
    page.fill("#gp-rename", "<b>新名</b>")
    page.locator("#gp-task input[type=number]").first.fill("2")
    page.get_by_label("党支部").fill("第一支部")
    page.click("#gp-form-ok")
    page.locator("#gp-save").wait_for()
    save(page)
    assert "<b>新名</b>" in town.grids(plan)
    with town.database.connect() as connection:
        written = connection.execute(
            text(
                "SELECT branch, grid_head FROM plan_grids WHERE plan_id = :p AND name LIKE '<b>%'"
            ),
            {"p": plan},
        ).one()
    assert tuple(written) == ("第一支部", 2)
    expect(page.locator("#gp-selected h2")).to_have_text("<b>新名</b>")  # text, not markup


def test_a_finger_drags_a_vertex_on_a_touch_screen(browser: Browser, town: Town) -> None:
    plan = town.draft()
    context = browser.new_context(
        viewport=PHONE,  # type: ignore[arg-type]
        is_mobile=True,
        has_touch=True,
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{town.url}/plans/{plan}/edit")
    page.locator(".gp-label").first.wait_for()
    look_at(page, 350, 380, zoom=17)  # clear of the sheet
    page.touchscreen.tap(*on_screen(page, 300, 470))
    expect(page.locator("#gp-selected")).to_contain_text("西南网格")
    page.tap("[data-tool=reshape]")
    page.locator(".marker-icon").first.wait_for()
    touch = context.new_cdp_session(page)

    def finger(kind: str, *at_m: float) -> None:
        at = [dict(zip("xy", on_screen(page, *at_m), strict=True))] if at_m else []
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    with page.expect_response(lambda r: "/edits?preview=true" in r.url and r.ok):
        finger("touchStart", *MIDDLE_M)
        for step in range(1, 9):
            finger("touchMove", 350 - 5 * step, 500 - 6 * step)
        finger("touchEnd")
    page.tap("#gp-save")
    expect(page.locator("#gp-preview")).to_be_hidden()
    corner = shapely.Point(lonlat(310, 452))
    assert (
        min(shapely.Point(c).distance(corner) for c in town.grids(plan)["西南网格"].exterior.coords)
        < 1e-4
    )
    assert is_partition(town, plan)
    context.close()


def test_a_suggestion_mends_a_grid_over_its_limit_in_one_click(page: Page, town: Town) -> None:
    plan = town.draft()
    with town.database.transaction("test") as connection:
        connection.execute(
            text("UPDATE plans SET household_limit = 200 WHERE id = :plan"), {"plan": plan}
        )
    homes = town.homes(plan)
    worst = max(homes, key=lambda name: homes[name])
    assert homes[worst] > 200
    open_editor(page, town, plan, zoom=15)
    page.locator("#gp-broken button", has_text=worst).click()  # zooms to it
    expect(page.locator("#gp-selected .gp-rules")).to_contain_text("200")
    page.locator(".gp-suggest").first.click()
    page.locator("#gp-save").wait_for()
    save(page)
    assert town.homes(plan)[worst] < homes[worst]
    assert is_partition(town, plan)


def test_a_draft_is_made_sent_commented_returned_and_put_into_use(page: Page, town: Town) -> None:
    page.goto(f"{town.url}/plans")
    page.click("#gp-new")
    page.fill("#gp-form-name", "年度调整")
    page.select_option("#gp-form-source", str(town.source))
    page.fill("#gp-form-households", "280")
    page.locator("#gp-form button[type=submit]").click()
    page.locator(".gp-label").first.wait_for()
    plan = int(page.url.split("/plans/")[1].split("/")[0])
    look_at(page, *MIDDLE_M, zoom=16)
    assert town.get(f"/plans/{plan}")["limits"] == {"households": 280, "people": 1000}
    choose(page, 100, 300, "西南网格")
    expect(page.locator("#gp-selected .gp-measures")).to_contain_text("/ 280")
    page.keyboard.press("Escape")
    page.click("[data-tool=merge]")
    click(page, 100, 300)
    click(page, 600, 300)
    page.click("#gp-finish")
    save(page)
    page.locator(".gp-views a").nth(1).click()
    page.click("#gp-send")
    page.locator("#gp-approve").wait_for()
    page.fill("#gp-comment-text", "请再看一下")
    page.click("#gp-comment-pin")
    click(page, 200, 200)
    page.locator("#gp-comment button[type=submit]").click()
    expect(page.locator("#gp-comments")).to_contain_text("请再看一下")
    comment = town.get(f"/plans/{plan}/comments")["comments"][0]
    assert (
        shapely.Point(comment["point"]["coordinates"]).distance(shapely.Point(lonlat(200, 200)))
        < 2e-4
    )
    # In review nothing can be changed.
    page.goto(f"{town.url}/plans/{plan}/edit")
    expect(page.locator("[data-tool=split]")).to_be_disabled()
    page.goto(f"{town.url}/plans/{plan}/review")
    page.click("#gp-return")
    page.locator("#gp-send").wait_for()
    page.click("#gp-send")
    page.click("#gp-approve")
    expect(page.locator(".gp-state-published")).to_be_visible()
    with town.database.connect() as connection:
        codes = set(connection.scalars(text("SELECT code FROM grids")))
        named = dict(
            connection.execute(text("SELECT state, id FROM plans WHERE state = 'published'")).all()
        )
    assert named == {"published": plan}
    assert len(codes) == len(GRIDS) - 1
    page.goto(f"{town.url}/plans")
    expect(page.locator(f"[data-plan='{plan}'] .gp-state")).to_have_text("在用")

    # Compared with what was before, and printed.
    page.goto(f"{town.url}/plans/{plan}/compare?with={town.source}&lang=en")
    expect(page.locator("#gp-changed button")).to_have_count(len(changed(town, plan)))
    moved = town.get(f"/plans/{plan}/compare?with={town.source}")["moved"]
    expect(page.locator("#gp-moved tbody tr")).to_have_count(len(moved))
    with page.expect_download() as download:
        page.locator("#gp-sheets a").nth(1).click()
    book = load_workbook(BytesIO(Path(download.value.path()).read_bytes()))
    assert book.worksheets[2].max_row == len(moved) + 1
    with page.expect_download() as download:
        page.locator("#gp-sheets a").first.click()
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF-")

    # Another takes its place, and is taken back by restoring this one.
    other = town.draft()
    page.goto(f"{town.url}/plans/{other}/review?lang=zh")
    page.click("#gp-send")
    page.click("#gp-approve")
    page.locator("#gp-revert").click()
    expect(page.locator(".gp-state-archived")).to_be_visible()
    assert town.get(f"/plans/{plan}")["state"] == "published"


def changed(town: Town, plan: int) -> list[Any]:
    found: list[Any] = town.get(f"/plans/{plan}/compare?with={town.source}")["grids"]
    return found


def test_nets_that_differ_are_shown_in_conflict_and_made_one(page: Page, town: Town) -> None:
    one, other = town.draft(), town.draft()
    ids = {f["properties"]["name"]: f["id"] for f in town.get(f"/plans/{other}/grids")["features"]}
    community = town.get(f"/plans/{other}/communities")["communities"][0]["id"]
    course = [list(lonlat(x, y)) for x, y in ((350, -50), (480, 200), (350, 500))]
    answer = httpx.post(
        f"{town.url}/api/v1/plans/{other}/edits",
        json={
            "kind": "reshape",
            "community": community,
            "between": [ids["西南网格"], ids["东南网格"]],
            "line": {"type": "LineString", "coordinates": course},
        },
        headers={"If-Match": '"1"'},
    )
    assert answer.status_code == 200, answer.text
    page.goto(f"{town.url}/plans")
    page.locator(f"[data-plan='{one}']").wait_for()
    page.click("#gp-nets")
    order = [
        int(i) for i in page.locator(".gp-plan").evaluate_all("a => a.map(e => e.dataset.plan)")
    ]
    boxes = page.locator("#gp-form .gc-check")
    boxes.nth(order.index(one)).click()
    boxes.nth(order.index(other)).click()
    with page.expect_response(lambda r: "/merge-nets?preview=true" in r.url and r.ok) as told:
        page.click("#gp-nets-look")
    conflicts = told.value.json()["conflicts"]["features"]
    assert conflicts
    expect(page.locator(".leaflet-conflicts-pane path")).to_have_count(len(conflicts))
    expect(page.locator("#gp-form")).to_contain_text(f"{len(conflicts)} 处不一致")
    page.locator("#gp-form button[type=submit]").click()
    page.locator(".gp-label").first.wait_for()
    made = int(page.url.split("/plans/")[1].split("/")[0])
    assert made not in {one, other}
    assert is_partition(town, made)


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("path", ["", "/{}/edit", "/{}/review", "/{}/compare"])
def test_a_page_of_plans_asks_no_other_host_and_reports_no_error(
    page: Page, town: Town, path: str, language: str
) -> None:
    faults: list[str] = []
    requests: list[str] = []
    page.on("console", lambda m: faults.append(m.text) if m.type in {"error", "warning"} else None)
    page.on("request", lambda request: requests.append(request.url))
    plan = town.draft()
    page.goto(f"{town.url}/plans{path.format(plan)}?lang={language}")
    page.locator(".gp-plan, .gp-name").first.wait_for()
    page.wait_for_load_state("networkidle")
    assert faults == []
    own = (f"{town.url}/", "data:", f"blob:{town.url}/")
    assert [url for url in requests if not url.startswith(own)] == []
    expect(page.locator("#gc-problem")).to_be_hidden()
    # A word that is missing would show as its key.
    text_shown = page.locator("body").inner_text()
    assert not [word for word in text_shown.split() if "_" in word]


def test_on_a_phone_a_grid_is_split_by_taps(browser: Browser, town: Town) -> None:
    plan = town.draft()
    context = browser.new_context(
        viewport=PHONE,  # type: ignore[arg-type]
        is_mobile=True,
        has_touch=True,
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{town.url}/plans/{plan}/edit")
    page.locator(".gp-label").first.wait_for()
    look_at(page, 150, -100, zoom=16)
    page.touchscreen.tap(*on_screen(page, 100, 150))
    expect(page.locator("#gp-selected")).to_contain_text("西南网格")
    page.tap("[data-tool=split]")
    page.touchscreen.tap(*on_screen(page, 45, -80))
    page.wait_for_timeout(350)  # two quick taps would be a double click
    page.touchscreen.tap(*on_screen(page, 45, 100))
    page.wait_for_timeout(350)
    page.touchscreen.tap(*on_screen(page, -80, 105))
    page.tap("#gp-finish")
    page.locator("#gp-save").wait_for()
    page.tap("#gp-save")
    expect(page.locator("#gp-preview")).to_be_hidden()
    assert len(town.grids(plan)) == len(GRIDS) + 1
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    small = page.evaluate(
        """() => [...document.querySelectorAll(
              "nav a, .gc-panel button, .gp-bar button, .gp-hint button, .gc-panel select")]
            .filter((e) => e.checkVisibility())
            .map((e) => [e.className || e.id || e.textContent, e.getBoundingClientRect()])
            .filter(([, box]) => box.height < 43.5 || box.width < 42)
            .map(([name, box]) => `${name} ${box.width}x${box.height}`)"""
    )
    assert small == []
    context.close()
