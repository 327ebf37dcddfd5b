"""The tables of plans: communities, grids, assignments of buildings, edits, comments.

The database itself refuses a community whose grids overlap, leave a gap or fall into pieces:
a deferred trigger adds up the directed edges at commit (`geo.partition` says why that proves it).
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from data.models import GRID_KINDS, Base

PLAN_STATES = ("draft", "review", "published", "archived")
EDIT_STATES = ("done", "undone", "discarded", "event")
"""Of an edit: in force; taken back; taken back and overtaken by another; a note of something."""
STAFF = ("grid_head", "full_time", "part_time", "building_heads", "unit_heads")
"""Roles counted for each grid: numbers, never names."""


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(v) for v in values)})"


class Plan(Base):
    """A whole set of grids over the district."""

    __tablename__ = "plans"
    __table_args__ = (
        CheckConstraint("name <> '' AND length(name) <= 200", name="name_given"),
        CheckConstraint(_one_of("state", PLAN_STATES), name="state"),
        CheckConstraint("household_limit > 0 AND people_limit > 0", name="limits"),
        CheckConstraint("version >= 1", name="version"),
        Index(
            "ix_plans_published",
            "state",
            unique=True,
            postgresql_where=text("state = 'published'"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16), server_default="draft")
    based_on: Mapped[int | None] = mapped_column(ForeignKey("plans.id", ondelete="SET NULL"))
    created_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    created_by: Mapped[str] = mapped_column(Text)
    published_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    household_limit: Mapped[int] = mapped_column(Integer, server_default="300")
    people_limit: Mapped[int] = mapped_column(Integer, server_default="1000")
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    """Of the plan's own row: name, state and limits; grids have versions by community."""


class PlanCommunity(Base):
    """One community in one plan: what an edit locks, and whose version it names.

    ``border`` is the community as it was when the plan was made; ``outline`` is the same line
    with the vertices that grids have on it.
    """

    __tablename__ = "plan_communities"
    __table_args__ = (CheckConstraint("version >= 1", name="version"),)

    plan_id: Mapped[int] = mapped_column(
        ForeignKey("plans.id", ondelete="CASCADE"), primary_key=True
    )
    community_id: Mapped[int] = mapped_column(ForeignKey("areas.id"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    pending: Mapped[bool] = mapped_column(Boolean, server_default="true")
    outline: Mapped[Any] = mapped_column(Geometry("MULTIPOLYGON", srid=4326))
    border: Mapped[Any] = mapped_column(Geometry("MULTIPOLYGON", srid=4326, spatial_index=False))


class PlanGrid(Base):
    """A grid of a plan; micro-grids lie in a ``parent``."""

    __tablename__ = "plan_grids"
    __table_args__ = (
        ForeignKeyConstraint(
            ["plan_id", "community_id"],
            ["plan_communities.plan_id", "plan_communities.community_id"],
            name="fk_plan_grids_community",
            ondelete="CASCADE",
        ),
        UniqueConstraint(
            "plan_id", "code", name="uq_plan_grids_code", deferrable=True, initially="DEFERRED"
        ),
        CheckConstraint("code <> '' AND length(code) <= 64", name="code_given"),
        CheckConstraint("length(name) <= 200", name="name_length"),
        CheckConstraint("length(branch) <= 200", name="branch_length"),
        CheckConstraint(_one_of("kind", GRID_KINDS), name="kind"),
        CheckConstraint("(kind = 'micro') = (parent_id IS NOT NULL)", name="parent"),
        CheckConstraint(
            " AND ".join(f"{role} BETWEEN 0 AND 10000" for role in STAFF), name="staff"
        ),
        CheckConstraint("NOT ST_IsEmpty(geom)", name="geom_empty"),
        CheckConstraint("ST_IsValid(geom)", name="geom_valid"),
        Index("ix_plan_grids_community", "plan_id", "community_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    plan_id: Mapped[int] = mapped_column(BigInteger)
    community_id: Mapped[int] = mapped_column(BigInteger)
    code: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text, server_default="")
    kind: Mapped[str] = mapped_column(String(16), server_default="base")
    parent_id: Mapped[int | None] = mapped_column(
        ForeignKey("plan_grids.id", deferrable=True, initially="DEFERRED"), index=True
    )
    branch: Mapped[str] = mapped_column(Text, server_default="")
    grid_head: Mapped[int] = mapped_column(Integer, server_default="0")
    full_time: Mapped[int] = mapped_column(Integer, server_default="0")
    part_time: Mapped[int] = mapped_column(Integer, server_default="0")
    building_heads: Mapped[int] = mapped_column(Integer, server_default="0")
    unit_heads: Mapped[int] = mapped_column(Integer, server_default="0")
    crossings: Mapped[list[Any]] = mapped_column(JSONB, server_default="[]")
    counts: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """Of a micro-grid made by rule: kind, households, people, buildings, units; of a base grid:
    party members. Numbers, never names."""
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    updated_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    geom: Mapped[Any] = mapped_column(Geometry("POLYGON", srid=4326))


class PlanBuilding(Base):
    """Which grid of a plan a building belongs to: the one its point lies in."""

    __tablename__ = "plan_buildings"
    __table_args__ = (Index("ix_plan_buildings_community", "plan_id", "community_id"),)

    plan_id: Mapped[int] = mapped_column(
        ForeignKey("plans.id", ondelete="CASCADE"), primary_key=True
    )
    building_id: Mapped[int] = mapped_column(
        ForeignKey("buildings.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    community_id: Mapped[int] = mapped_column(BigInteger)
    grid_id: Mapped[int] = mapped_column(
        ForeignKey("plan_grids.id", ondelete="CASCADE"), index=True
    )


class CellSet(Base):
    """What the cells of a community were made from, so that a change of it is noticed."""

    __tablename__ = "cell_sets"

    community_id: Mapped[int] = mapped_column(
        ForeignKey("areas.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    digest: Mapped[str] = mapped_column(String(32))


class Cell(Base):
    """A piece of a community that streets, walls and nearness give to one building, or to none."""

    __tablename__ = "cells"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    community_id: Mapped[int] = mapped_column(
        ForeignKey("cell_sets.community_id", ondelete="CASCADE"), index=True
    )
    geom: Mapped[Any] = mapped_column(Geometry("POLYGON", srid=4326))


class BuildingCell(Base):
    """The point that stands for a building of a community, and its cell once cells are made."""

    __tablename__ = "building_cells"
    __table_args__ = (Index("ix_building_cells_community", "community_id"),)

    building_id: Mapped[int] = mapped_column(
        ForeignKey("buildings.id", ondelete="CASCADE"), primary_key=True
    )
    community_id: Mapped[int] = mapped_column(ForeignKey("areas.id", ondelete="CASCADE"))
    point: Mapped[Any] = mapped_column(Geometry("POINT", srid=4326, spatial_index=False))
    cell_id: Mapped[int | None] = mapped_column(
        ForeignKey("cells.id", ondelete="SET NULL"), index=True
    )


class PlanEdit(Base):
    """What somebody did to a plan, with everything needed to take it back to the last bit."""

    __tablename__ = "plan_edits"
    __table_args__ = (
        CheckConstraint(_one_of("state", EDIT_STATES), name="state"),
        Index("ix_plan_edits_plan", "plan_id", "seq"),
        Index("ix_plan_edits_community", "plan_id", "community_id", "seq"),
    )

    seq: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    plan_id: Mapped[int] = mapped_column(ForeignKey("plans.id", ondelete="CASCADE"))
    community_id: Mapped[int | None] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(32))
    author: Mapped[str] = mapped_column(Text)
    at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    transaction: Mapped[int] = mapped_column(
        BigInteger, server_default=text("(pg_current_xact_id()::text)::bigint")
    )
    state: Mapped[str] = mapped_column(String(16), server_default="done")
    undone_seq: Mapped[int | None] = mapped_column(BigInteger)
    """Number of the undo that took it back."""
    request: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    grids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}")
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB)


class PlanLineage(Base):
    """Which code came out of which, by which edit."""

    __tablename__ = "plan_lineage"
    __table_args__ = (Index("ix_plan_lineage_plan", "plan_id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    plan_id: Mapped[int] = mapped_column(ForeignKey("plans.id", ondelete="CASCADE"))
    edit_seq: Mapped[int] = mapped_column(
        ForeignKey("plan_edits.seq", ondelete="CASCADE"), index=True
    )
    predecessor: Mapped[str] = mapped_column(Text)
    successor: Mapped[str] = mapped_column(Text)
    at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class PlanComment(Base):
    """A remark of a review, pinned to a place or a grid where it has one."""

    __tablename__ = "plan_comments"
    __table_args__ = (
        CheckConstraint("text <> '' AND length(text) <= 2000", name="text_given"),
        Index("ix_plan_comments_plan", "plan_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    plan_id: Mapped[int] = mapped_column(ForeignKey("plans.id", ondelete="CASCADE"))
    author: Mapped[str] = mapped_column(Text)
    at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    text: Mapped[str] = mapped_column(Text)
    grid_id: Mapped[int | None] = mapped_column(BigInteger)
    geom: Mapped[Any | None] = mapped_column(
        Geometry("POINT", srid=4326, spatial_index=False), nullable=True
    )
