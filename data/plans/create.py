"""New plans: from the published one, from another, or empty."""

from __future__ import annotations

from sqlalchemy import Connection, text

from data.constraints import prove
from data.errors import NotFoundError
from data.plans.begin import begin_plan
from data.plans.from_grids import plan_from_grids
from data.plans.limits import set_limits
from data.plans.models import STAFF
from data.plans.reading import no_plan


def create_plan(
    connection: Connection,
    name: str,
    source: str | int,
    *,
    author: str,
    household_limit: int | None = None,
    people_limit: int | None = None,
) -> int:
    """Make a draft.

    Parameters
    ----------
    connection : Connection
        Inside `Database.transaction`.
    name : str
    source : "published", "empty" or int
        What it begins with: the published plan, every community as one grid, or a plan by id.
    author : str
    household_limit, people_limit : int, optional
        Most households and people of a base grid, at least 1; None for those of the source.

    Raises
    ------
    NotFoundError
        If there is no published plan, no such plan, or no community.
    InvalidRowError
        If the name is empty or too long.
    """
    plan = _from_source(connection, name, source, author)
    set_limits(connection, plan, household_limit, people_limit)
    return plan


def _from_source(connection: Connection, name: str, source: str | int, author: str) -> int:
    if source == "empty":
        return plan_from_grids(connection, name, [], author=author).plan
    if source == "published":
        found = connection.execute(
            text("SELECT id FROM plans WHERE state = 'published'")
        ).scalar_one_or_none()
        if found is None:
            raise NotFoundError(
                "No plan is published yet.",
                remedy="Make an empty plan, or import a layer of grids.",
                zh=("还没有在用的方案。", "请新建空白方案，或导入网格图层。"),
            )
    else:
        found = connection.execute(
            text("SELECT id FROM plans WHERE id = :id"), {"id": source}
        ).scalar_one_or_none()
        if found is None:
            raise no_plan(int(source))
    return _copy(connection, name, int(found), author)


def _copy(connection: Connection, name: str, source: int, author: str) -> int:
    plan = begin_plan(connection, name, author=author, based_on=source)
    bound = {"from": source, "to": plan}
    columns = f"community_id, code, name, kind, branch, {', '.join(STAFF)}, crossings, counts, geom"
    connection.execute(
        text(
            "INSERT INTO plan_communities (plan_id, community_id, outline, border)"
            " SELECT :to, community_id, outline, border FROM plan_communities"
            " WHERE plan_id = :from"
        ),
        bound,
    )
    connection.execute(text("DROP TABLE IF EXISTS copied_grids"))
    connection.execute(
        text(
            "CREATE TEMP TABLE copied_grids ON COMMIT DROP AS SELECT id AS old,"
            " nextval(pg_get_serial_sequence('plan_grids', 'id')) AS new"
            " FROM (SELECT id FROM plan_grids WHERE plan_id = :from ORDER BY id) g"
        ),
        bound,
    )
    connection.execute(
        text(
            f"INSERT INTO plan_grids (id, plan_id, parent_id, {columns})"
            f" SELECT m.new, :to, p.new, {columns} FROM plan_grids g"
            " JOIN copied_grids m ON m.old = g.id"
            " LEFT JOIN copied_grids p ON p.old = g.parent_id"
        ),
        bound,
    )
    connection.execute(
        text(
            "INSERT INTO plan_buildings (plan_id, building_id, community_id, grid_id)"
            " SELECT :to, b.building_id, b.community_id, m.new FROM plan_buildings b"
            " JOIN copied_grids m ON m.old = b.grid_id WHERE b.plan_id = :from"
        ),
        bound,
    )
    prove(connection)
    return plan
