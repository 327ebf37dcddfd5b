"""The row a new plan begins with, and the first line of its history."""

from __future__ import annotations

from sqlalchemy import Connection, text

from data.errors import InvalidRowError
from data.plans.journal import note_event
from geo.grid_rules import HOUSEHOLDS, PEOPLE


def begin_plan(connection: Connection, name: str, *, author: str, based_on: int | None) -> int:
    """Insert a draft without grids; gives its id.

    Its limits are those of the plan it is based on, else the usual ones.

    Raises
    ------
    InvalidRowError
        If the name is empty or too long.
    """
    plan: int = connection.execute(
        text(
            "INSERT INTO plans (name, created_by, based_on, household_limit, people_limit)"
            " SELECT :name, :author, :based_on,"
            " coalesce((SELECT household_limit FROM plans WHERE id = :based_on), :households),"
            " coalesce((SELECT people_limit FROM plans WHERE id = :based_on), :people)"
            " RETURNING id"
        ),
        {
            "name": checked_name(name),
            "author": author,
            "based_on": based_on,
            "households": HOUSEHOLDS,
            "people": PEOPLE,
        },
    ).scalar_one()
    note_event(connection, plan, "created", author=author, request={"based_on": based_on})
    return plan


def checked_name(name: str) -> str:
    """Give a plan's name without the blanks around it.

    Raises
    ------
    InvalidRowError
        If it is empty or too long.
    """
    name = name.strip()
    if not name or len(name) > 200:
        raise InvalidRowError(
            "A plan needs a name of 1 to 200 characters.",
            remedy="Give it a name.",
            zh=("方案名称要有 1 到 200 个字。", "请填写方案名称。"),
        )
    return name
