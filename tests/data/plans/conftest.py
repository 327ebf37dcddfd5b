"""A draft over the made town."""

from __future__ import annotations

import pytest
from plan_town import PlanTown, community_ids, seed_plan
from town import seed_layers

from data.database import Database
from data.plans.create import create_plan


@pytest.fixture
def town(database: Database) -> PlanTown:
    with database.transaction("test") as connection:
        seed_layers(connection)
        published = seed_plan(connection)
        draft = create_plan(connection, "调整草案", "published", author="test")
        return PlanTown(database, published, draft, community_ids(connection))
