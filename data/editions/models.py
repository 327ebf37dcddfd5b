"""Tables of publications, their editions, and what riders report wrong."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Integer,
    String,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from data.models import Base

PUBLICATION_STATES = ("draft", "published", "withdrawn")
REPORT_REASONS = ("closed", "moved", "broken", "other")
REPORT_STATES = ("open", "resolved")


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(v) for v in values)})"


class Publication(Base):
    """One station map: which stations it shows, and its short address, the same for ever."""

    __tablename__ = "publications"
    __table_args__ = (
        CheckConstraint("slug ~ '^[a-z0-9][a-z0-9-]{1,38}[a-z0-9]$'", name="slug"),
        CheckConstraint("title <> '' AND length(title) <= 80", name="title"),
        CheckConstraint("length(title_en) <= 80", name="title_en"),
        CheckConstraint(_one_of("state", PUBLICATION_STATES), name="state"),
        CheckConstraint("state <> 'published' OR current_number IS NOT NULL", name="has_edition"),
        CheckConstraint("version >= 1", name="version"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    slug: Mapped[str] = mapped_column(String(40), unique=True)
    title: Mapped[str] = mapped_column(Text)
    title_en: Mapped[str] = mapped_column(Text, server_default="")
    kinds: Mapped[list[str]] = mapped_column(ARRAY(Text))
    area: Mapped[str | None] = mapped_column(String(64))
    """Code of the area; NULL for the whole city."""
    left_out: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}")
    """Stations of these kinds and this area that are not shown."""
    state: Mapped[str] = mapped_column(String(16), server_default="draft")
    current_number: Mapped[int | None] = mapped_column(Integer)
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    created_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    updated_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )


class Edition(Base):
    """One edition, frozen: only the published fields, never changed or deleted."""

    __tablename__ = "editions"
    __table_args__ = (
        CheckConstraint("number >= 1", name="number"),
        UniqueConstraint("publication_id", "number", name="uq_editions_number"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    publication_id: Mapped[int] = mapped_column(ForeignKey("publications.id"))
    number: Mapped[int] = mapped_column(Integer)
    published_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    editor: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(String(64))
    content: Mapped[dict[str, Any]] = mapped_column(JSONB)
    base_map: Mapped[dict[str, Any]] = mapped_column(JSONB)


class ProblemReport(Base):
    """What somebody found wrong at a station: where and when, never who."""

    __tablename__ = "problem_reports"
    __table_args__ = (
        CheckConstraint(_one_of("reason", REPORT_REASONS), name="reason"),
        CheckConstraint(_one_of("state", REPORT_STATES), name="state"),
        CheckConstraint("length(note) <= 200", name="note"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    publication_id: Mapped[int] = mapped_column(ForeignKey("publications.id"), index=True)
    edition: Mapped[int] = mapped_column(Integer)
    station_id: Mapped[int] = mapped_column(BigInteger)
    station_name: Mapped[str] = mapped_column(Text)
    lon: Mapped[float] = mapped_column(Float)
    lat: Mapped[float] = mapped_column(Float)
    reason: Mapped[str] = mapped_column(String(16))
    note: Mapped[str] = mapped_column(Text, server_default="")
    at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    state: Mapped[str] = mapped_column(String(16), server_default="open")
    resolved_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    resolved_by: Mapped[str | None] = mapped_column(Text)


class CompoundEdition(Base):
    """One published navigation map of a compound, frozen; it outlives its compound."""

    __tablename__ = "compound_editions"
    __table_args__ = (CheckConstraint("number >= 1", name="number"),)

    compound_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    published_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    editor: Mapped[str] = mapped_column(Text)
    withdrawn: Mapped[bool] = mapped_column(Boolean, server_default="false")
    content: Mapped[dict[str, Any]] = mapped_column(JSONB)
