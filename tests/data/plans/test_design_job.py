"""Proposals of grids from the database: drafts, and the jobs that make them."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest
import shapely
from plan_town import community_ids, seed_plan
from procrastinate.schema import SchemaManager
from sqlalchemy import text
from town import seed_layers, seed_network
from waiting import ended, wait_until

from data.database import Database
from data.errors import InvalidRowError, NotFoundError, StaleRowError
from data.plans import design_queue as queue
from data.plans.create import create_plan
from data.plans.design_job import DesignRequest, propose
from data.plans.design_worker import APPLICATION, DesignWorker
from data.plans.edits import edit
from data.plans.micro_job import MicroRequest, divide
from data.plans.scenarios import scenarios


@pytest.fixture
def town(database: Database) -> tuple[Database, int]:
    with database.transaction("test") as connection:
        seed_layers(connection)
        seed_network(connection)
        return database, seed_plan(connection)


def grids(database: Database, plan: int) -> list[Any]:
    with database.connect() as connection:
        return list(
            connection.execute(
                text(
                    "SELECT a.code AS community, g.code, g.name, g.kind, ST_AsBinary(g.geom) AS"
                    " geom, coalesce(sum(b.households), 0)::int AS households"
                    " FROM plan_grids g JOIN areas a ON a.id = g.community_id"
                    " LEFT JOIN plan_buildings p ON p.grid_id = g.id"
                    " LEFT JOIN buildings b ON b.id = p.building_id"
                    " WHERE g.plan_id = :plan GROUP BY a.code, g.id ORDER BY g.code"
                ),
                {"plan": plan},
            ).all()
        )


def read(database: Database, job: int) -> dict[str, Any]:
    with database.connect() as connection:
        return queue.read_job(connection, job)


def test_a_proposal_is_a_draft_within_the_limits(town: tuple[Database, int]) -> None:
    database, source = town
    told: list[tuple[str, float]] = []
    request = DesignRequest("建议", source, max_households=160, max_people=900)
    made = propose(database, request, author="规划员", progress=lambda *step: told.append(step))
    rows = [g for g in grids(database, made.plan) if g.kind == "base"]
    assert max(g.households for g in rows) <= 160
    with database.connect() as connection:
        plan = connection.execute(
            text("SELECT * FROM plans WHERE id = :id"), {"id": made.plan}
        ).one()
        placed = connection.execute(
            text("SELECT count(*) FROM plan_buildings WHERE plan_id = :id"), {"id": made.plan}
        ).scalar_one()
        homes = connection.execute(
            text("SELECT count(*) FROM buildings WHERE community_id IS NOT NULL")
        ).scalar_one()
    assert (plan.state, plan.based_on, plan.created_by) == ("draft", source, "规划员")
    assert (plan.household_limit, plan.people_limit) == (160, 900)
    assert placed == homes
    for figures in made.figures["communities"]:
        own = [g for g in rows if g.community == figures["code"]]
        assert len(own) == figures["grids"] >= figures["bound"]
        assert sum(g.households for g in own) == figures["households"]
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert told[0][0] == "reading"
    assert told[-1][0] == "draft"


def test_one_community_leaves_the_others_to_the_last_vertex(town: tuple[Database, int]) -> None:
    database, source = town
    with database.connect() as connection:
        c1 = community_ids(connection)["C1"]
    made = propose(
        database, DesignRequest("城西", source, (c1,), max_households=120), author="test"
    )
    before = [g for g in grids(database, source) if g.community == "C2"]
    after = [g for g in grids(database, made.plan) if g.community == "C2"]
    assert before
    assert [g[:4] for g in after] == [g[:4] for g in before]
    for one, other in zip(after, before, strict=True):
        shapes = [shapely.normalize(shapely.from_wkb(bytes(g.geom))) for g in (one, other)]
        assert shapely.equals_exact(*shapes, tolerance=0)
    assert [c["code"] for c in made.figures["communities"]] == ["C1"]


def test_least_change_and_locked_grids_keep_codes_and_homes(town: tuple[Database, int]) -> None:
    database, source = town
    with database.connect() as connection:
        locked = connection.execute(
            text(
                "SELECT g.id, g.code FROM plan_grids g JOIN areas a ON a.id = g.community_id"
                " WHERE plan_id = :plan AND kind = 'base' AND a.code = 'C1' ORDER BY g.code LIMIT 1"
            ),
            {"plan": source},
        ).one()
    before = {g.code: g.households for g in grids(database, source)}
    request = DesignRequest(
        "微调",
        source,
        scenario="least_change",
        max_households=5000,
        max_people=9000,
        locked=(locked.id,),
    )
    made = propose(database, request, author="test")
    after = {g.code: g.households for g in grids(database, made.plan)}
    assert after[locked.code] == before[locked.code]
    assert made.figures["totals"]["moved"] == 0
    assert {code: n for code, n in after.items() if n} == {c: n for c, n in before.items() if n}


def test_what_cannot_be_designed_is_refused(town: tuple[Database, int]) -> None:
    database, source = town
    for request, error in (
        (DesignRequest("a", 10**9), NotFoundError),
        (DesignRequest("a", source, (10**9,)), NotFoundError),
        (DesignRequest("a", source, locked=(10**9,)), NotFoundError),
        (DesignRequest("a", None, scenario="least_change"), InvalidRowError),
        (DesignRequest("a", source, scenario="rebalance"), InvalidRowError),
        (DesignRequest("a", source, preset="best"), InvalidRowError),
        (DesignRequest(" ", source), InvalidRowError),
        (DesignRequest("a", source, time_limit_s=0), InvalidRowError),
    ):
        with database.transaction("test") as connection, pytest.raises(error):
            queue.ask(connection, request, author="test")
    with database.connect() as connection:
        assert not connection.execute(text("SELECT count(*) FROM design_jobs")).scalar_one()


def test_a_worker_designs_what_waits(town: tuple[Database, int]) -> None:
    database, source = town
    with database.transaction("test") as connection:
        job = queue.ask(connection, DesignRequest("建议", source), author="规划员")
    worker = DesignWorker(database)
    worker.start()
    try:
        found = ended(lambda: read(database, job))
    finally:
        worker.stop()
    assert found["state"] == "done", found
    assert found["progress"] == 1
    assert grids(database, found["plan"])
    assert found["result"]["totals"]["grids"] >= found["result"]["totals"]["bound"]


def test_a_job_that_waits_is_cancelled_and_one_that_runs_gives_the_best_so_far(
    town: tuple[Database, int],
) -> None:
    database, source = town
    with database.transaction("test") as connection:
        waiting = queue.ask(connection, DesignRequest("a", source), author="test")
        assert queue.ask_to_stop(connection, waiting)["state"] == "cancelled"
        running = queue.ask(
            connection, DesignRequest("b", source, max_households=160), author="test"
        )
        connection.execute(
            text("UPDATE design_jobs SET asked_to_stop = true WHERE id = :id"), {"id": running}
        )
    worker = DesignWorker(database)
    worker.start()
    try:
        found = ended(lambda: read(database, running))
    finally:
        worker.stop()
    assert found["state"] == "done"
    assert found["asked_to_stop"]
    assert not found["result"]["complete"]
    assert grids(database, found["plan"])
    with database.transaction("test") as connection:
        assert queue.read_job(connection, waiting)["plan"] is None
        assert queue.ask_to_stop(connection, running)["state"] == "done"


def test_a_job_of_a_dead_service_is_marked_and_the_next_one_is_done(
    town: tuple[Database, int],
) -> None:
    database, source = town
    with database.transaction("test") as connection:
        left = queue.ask(connection, DesignRequest("a", source), author="test")
        # A service took it, and its heart has not beaten for a minute.
        connection.execute(text("SET LOCAL search_path TO jobs, public"))
        connection.execute(
            text(
                "INSERT INTO procrastinate_workers (last_heartbeat)"
                " VALUES (now() - interval '1 minute')"
            )
        )
        connection.execute(
            text(
                "UPDATE procrastinate_jobs SET status = 'doing',"
                " worker_id = (SELECT max(id) FROM procrastinate_workers)"
                " WHERE args = jsonb_build_object('job', CAST(:job AS int))"
            ),
            {"job": left},
        )
        connection.execute(text("SET LOCAL search_path TO DEFAULT"))
        connection.execute(text("UPDATE design_jobs SET state = 'running'"))
        job = queue.ask(connection, DesignRequest("b", source), author="test")
    worker = DesignWorker(database)
    worker.start()
    try:
        found = ended(lambda: read(database, left))
        assert ended(lambda: read(database, job))["state"] == "done"
    finally:
        worker.stop()
    assert found["state"] == "failed"
    assert found["error"]["remedy"]


def test_what_is_asked_for_in_a_transaction_that_fails_is_never_done(
    town: tuple[Database, int],
) -> None:
    database, source = town

    def ask_and_fail() -> None:
        with database.transaction("test") as connection:
            queue.ask(connection, DesignRequest("a", source), author="test")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        ask_and_fail()
    with database.connect() as connection:
        for table in ("design_jobs", "jobs.procrastinate_jobs"):
            waiting = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
            assert waiting == 0


def test_our_migration_holds_the_library_s_own_tables() -> None:
    ours = files("data.migrations").joinpath("procrastinate_3_10.sql").read_text("utf-8")
    assert ours.endswith(SchemaManager.get_schema())


def test_a_job_comes_to_nothing_with_a_reason(town: tuple[Database, int]) -> None:
    database, source = town
    with database.transaction("test") as connection:
        job = queue.ask(connection, DesignRequest("a", source), author="test")
        connection.execute(text('UPDATE design_jobs SET request = request || \'{"preset": "x"}\''))
    worker = DesignWorker(database)
    worker.start()
    try:
        found = ended(lambda: read(database, job))
    finally:
        worker.stop()
    assert found["state"] == "failed"
    assert "x" in found["error"]["message"]
    assert found["plan"] is None


def test_without_a_present_plan_grids_are_new(town: tuple[Database, int]) -> None:
    database, _ = town
    made = propose(database, DesignRequest("新", None, max_households=160), author="test")
    with database.connect() as connection:
        based = connection.execute(
            text("SELECT based_on FROM plans WHERE id = :id"), {"id": made.plan}
        ).scalar_one()
    assert based is None
    assert made.figures["totals"]["moved"] is None
    assert max(g.households for g in grids(database, made.plan)) <= 160


def test_only_selected_grids_are_balanced_anew(town: tuple[Database, int]) -> None:
    database, source = town
    with database.connect() as connection:
        chosen = connection.execute(
            text("SELECT id FROM plan_grids WHERE plan_id = :plan AND code = 'C2-001'"),
            {"plan": source},
        ).scalar_one()
    request = DesignRequest("调整", source, scenario="rebalance", selected=(chosen,))
    made = propose(database, request, author="test")
    before = {g.code: g.households for g in grids(database, source)}
    after = {g.code: g.households for g in grids(database, made.plan)}
    assert before["C2-001"] > 300 >= after["C2-001"]
    for code in ("C1-001", "C1-003", "C2-003"):
        assert after[code] == before[code]


def test_a_service_that_stops_puts_its_job_back_and_the_next_one_does_it(
    town: tuple[Database, int],
) -> None:
    database, source = town
    request = DesignRequest("停机", source, max_households=160, max_people=900)
    with database.transaction("test") as connection:
        job = queue.ask(connection, request, author="规划员")
    first = DesignWorker(database)
    first.start()
    wait_until(lambda: read(database, job)["state"] != "queued", pause_s=0.002)
    assert read(database, job)["state"] == "running"
    first.stop()
    with database.connect() as connection:
        left = queue.read_job(connection, job)
        plans = connection.execute(text("SELECT count(*) FROM plans")).scalar_one()
    assert (left["state"], left["stage"], left["progress"]) == ("queued", "", 0)
    assert left["started_at"] is None
    assert plans == 1  # half a design is no draft
    second = DesignWorker(database)
    second.start()
    try:
        told = ended(lambda: read(database, job))
    finally:
        second.stop()
    assert told["state"] == "done"
    assert told["plan"] is not None


def test_a_community_that_cannot_keep_the_limits_says_why_in_both_languages(
    town: tuple[Database, int],
) -> None:
    database, source = town
    request = DesignRequest("过小", source, max_households=10, max_people=30)
    made = propose(database, request, author="规划员")
    assert not made.figures["kept"]
    reasons = [r for one in made.figures["communities"] for r in one["reasons"]]
    assert reasons
    assert {r["rule"] for r in reasons} == {"building_above_limit"}
    for reason in reasons:
        assert f"{reason['value']:g}" in reason["message"]
        assert f"{reason['value']:g}" in reason["message_zh"]
        assert "楼" in reason["message_zh"]
    with database.connect() as connection:
        told = scenarios(connection, source)
    assert told["plans"][0]["plan"] == source


def test_micro_grids_that_are_stopped_write_nothing(town: tuple[Database, int]) -> None:
    database, source = town
    with database.transaction("test") as connection:
        plan = create_plan(connection, "草稿", source, author="test")
    assert divide(database, MicroRequest(plan), author="test", cancelled=lambda: True) is None
    with database.transaction("test") as connection:
        job = queue.ask(connection, MicroRequest(plan), author="test")
    # Somebody edits while the micro-grids are computed: nothing is written over it.
    changed: list[bool] = []

    def meanwhile(stage: str, _share: float) -> None:
        if stage == "draft" and not changed:
            changed.append(True)
            with database.transaction("other") as connection:
                row = connection.execute(
                    text(
                        "SELECT id, community_id FROM plan_grids WHERE plan_id = :plan ORDER BY id"
                    ),
                    {"plan": plan},
                ).first()
                assert row is not None
                edit(
                    connection,
                    plan,
                    {
                        "kind": "rename",
                        "community": row.community_id,
                        "grid": row.id,
                        "name": "改名",
                    },
                    version=1,
                    author="other",
                )

    with pytest.raises(StaleRowError):
        divide(database, MicroRequest(plan), author="test", progress=meanwhile)
    with database.connect() as connection:
        micro = connection.execute(
            text("SELECT count(*) FROM plan_grids WHERE plan_id = :plan AND kind = 'micro'"),
            {"plan": plan},
        ).scalar_one()
    assert micro == 0
    worker = DesignWorker(database)
    worker.start()
    try:
        told = ended(lambda: read(database, job))
    finally:
        worker.stop()
    assert told["state"] == "done"
    assert told["plan"] == plan
    assert told["result"]["totals"]["microgrids"] > 0


def test_a_worker_that_loses_the_database_goes_on_when_it_is_back(
    town: tuple[Database, int],
) -> None:
    database, source = town

    def cut_off() -> int:
        with database.connect() as connection:
            lost: int = connection.execute(
                text(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE application_name = :name AND datname = current_database()"
                ),
                {"name": APPLICATION},
            ).scalar_one()
        return lost

    worker = DesignWorker(database)
    worker.start()
    try:
        wait_until(cut_off)
        with database.transaction("test") as connection:
            job = queue.ask(connection, DesignRequest("a", source), author="test")
        assert ended(lambda: read(database, job))["state"] == "done"
    finally:
        worker.stop()
