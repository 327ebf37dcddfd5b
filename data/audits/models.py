"""The tables of kept audits."""

from __future__ import annotations

import datetime as dt
from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from data.models import Base


class AuditRun(Base):
    """One audit, whole: its rules, its inputs' versions and all its figures.

    ``summary`` is what `data.audits.conduct` makes; ``shapes`` the outlines of the areas as they
    were then. Nothing in it refers to a row that may change or go.
    """

    __tablename__ = "audits"
    __table_args__ = (CheckConstraint("verdict IN ('pass', 'fail', 'unknown')", name="verdict"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    created_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    actor: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    rule_set: Mapped[str] = mapped_column(Text)
    rule_version: Mapped[str] = mapped_column(Text)
    network_version: Mapped[str] = mapped_column(String(64))
    verdict: Mapped[str] = mapped_column(String(8))
    summary: Mapped[dict[str, Any]] = mapped_column(JSONB)
    shapes: Mapped[dict[str, Any]] = mapped_column(JSONB)


class AuditHome(Base):
    """One building in one audit, as it was then; ``building_id`` is a number, not a key."""

    __tablename__ = "audit_homes"

    audit_id: Mapped[int] = mapped_column(
        ForeignKey("audits.id", ondelete="CASCADE"), primary_key=True
    )
    building_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    code: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    households: Mapped[float | None] = mapped_column(Float)
    people: Mapped[float | None] = mapped_column(Float)
    estimated: Mapped[bool] = mapped_column(Boolean)
    covered: Mapped[bool] = mapped_column(Boolean)
    minutes: Mapped[float | None] = mapped_column(Float)
    over_minutes: Mapped[float | None] = mapped_column(Float)
    second_minutes: Mapped[float | None] = mapped_column(Float)
    straight_m: Mapped[float | None] = mapped_column(Float)
    station: Mapped[str] = mapped_column(Text)
    station_name: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(String(16))
    false_circle: Mapped[bool] = mapped_column(Boolean)
    zone: Mapped[int] = mapped_column(Integer)
    areas: Mapped[dict[str, Any]] = mapped_column(JSONB)
    geom: Mapped[Any] = mapped_column(Geometry("POINT", srid=4326))


class AuditInput(Base):
    """A part of the inputs of audits, named by what it holds: audits share what did not change."""

    __tablename__ = "audit_inputs"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class AuditPart(Base):
    """Which parts an audit was made from."""

    __tablename__ = "audit_parts"

    audit_id: Mapped[int] = mapped_column(
        ForeignKey("audits.id", ondelete="CASCADE"), primary_key=True
    )
    part: Mapped[str] = mapped_column(String(32), primary_key=True)
    digest: Mapped[str] = mapped_column(ForeignKey("audit_inputs.digest"), index=True)


class KeptRuleSet(Base):
    """One version of a rule set that a city wrote; versions are never changed.

    ``withdrawn`` hides the whole name from new audits; audits keep their own copy of the rules.
    """

    __tablename__ = "rule_sets"
    __table_args__ = (
        UniqueConstraint("name", "version", name="uq_rule_sets_name"),
        CheckConstraint("name ~ '^[a-z0-9][a-z0-9._-]*$'", name="name"),
        CheckConstraint("version <> ''", name="version"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    version: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    actor: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(String(64))
    withdrawn: Mapped[bool] = mapped_column(Boolean, server_default="false")
    content: Mapped[dict[str, Any]] = mapped_column(JSONB)
