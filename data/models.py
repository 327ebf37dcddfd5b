"""The tables: layers of a city as GeoAlchemy2 models, SRID 4326.

Geography and counts only: households and people are numbers on buildings.
Every editable row has a ``code`` (its key in the source) and a ``version`` that the
database raises by one at every change.
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
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

AREA_LEVELS = ("district", "street", "community")
COMPOUND_KINDS = ("new", "courtyard", "work_unit", "urban_village", "suburban", "unknown")
GATE_ACCESS = ("all", "residents", "emergency")
BUILDING_KINDS = (
    "high_rise",
    "multi_storey",
    "bungalow",
    "public",
    "commercial",
    "industrial",
    "other",
)
COUNT_SOURCES = ("surveyed", "estimated", "none")
STATION_KINDS = ("service_centre", "red_station", "rider_station")
STATION_STATUSES = ("planned", "open", "closed")
FACILITIES = (
    "rest",
    "water",
    "hot_meal",
    "microwave",
    "phone_charging",
    "ebike_charging",
    "battery_swap",
    "toilet",
    "first_aid",
    "wifi",
    "books",
    "air_conditioning",
    "parking",
    "fridge",
    "umbrella",
    "pump",
    "aed",
    "blood_pressure",
)
GRID_KINDS = ("base", "exclusive", "micro")
BASE_LAYERS = ("road", "water", "green", "rail", "barrier", "label")


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(v) for v in values)})"


class Base(DeclarativeBase):
    """Registry of all tables, with a naming convention so that migrations can name constraints."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Kept:
    """Columns every editable layer has."""

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True)
    source: Mapped[str] = mapped_column(Text, server_default="")
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    updated_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )


class Area(Kept, Base):
    """District 区县, street 街道 or community 社区, nested by ``parent_id``."""

    __tablename__ = "areas"
    __table_args__ = (CheckConstraint(_one_of("level", AREA_LEVELS), name="level"),)

    level: Mapped[str] = mapped_column(String(16), index=True)
    name: Mapped[str] = mapped_column(Text)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("areas.id"), index=True)
    geom: Mapped[Any] = mapped_column(Geometry("MULTIPOLYGON", srid=4326))


class Compound(Kept, Base):
    """Residential compound 小区; walls are its outline, openings are its gates."""

    __tablename__ = "compounds"
    __table_args__ = (CheckConstraint(_one_of("kind", COMPOUND_KINDS), name="kind"),)

    name: Mapped[str] = mapped_column(Text, server_default="")
    kind: Mapped[str] = mapped_column(String(16), server_default="unknown")
    walled: Mapped[bool] = mapped_column(Boolean, server_default="false")
    community_id: Mapped[int | None] = mapped_column(ForeignKey("areas.id"), index=True)
    geom: Mapped[Any] = mapped_column(Geometry("MULTIPOLYGON", srid=4326))


class Gate(Kept, Base):
    """Gate of a compound 小区门: the point where its wall may be crossed."""

    __tablename__ = "gates"
    __table_args__ = (CheckConstraint(_one_of("access", GATE_ACCESS), name="access"),)

    compound_id: Mapped[int | None] = mapped_column(
        ForeignKey("compounds.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[str] = mapped_column(Text, server_default="")
    access: Mapped[str] = mapped_column(String(16), server_default="all")
    opening_hours: Mapped[str | None] = mapped_column(Text)
    geom: Mapped[Any] = mapped_column(Geometry("POINT", srid=4326))


class Grid(Kept, Base):
    """Grid 网格 of the published plan: base, exclusive or micro."""

    __tablename__ = "grids"
    __table_args__ = (CheckConstraint(_one_of("kind", GRID_KINDS), name="kind"),)

    name: Mapped[str] = mapped_column(Text, server_default="")
    kind: Mapped[str] = mapped_column(String(16), server_default="base")
    community_id: Mapped[int | None] = mapped_column(ForeignKey("areas.id"), index=True)
    geom: Mapped[Any] = mapped_column(Geometry("MULTIPOLYGON", srid=4326))


class Building(Kept, Base):
    """Building 楼栋 with its counts; each count says whether it was surveyed or estimated."""

    __tablename__ = "buildings"
    __table_args__ = (
        CheckConstraint(_one_of("kind", BUILDING_KINDS), name="kind"),
        CheckConstraint("floors IS NULL OR floors BETWEEN 1 AND 200", name="floors"),
        CheckConstraint("units IS NULL OR units BETWEEN 0 AND 100", name="units"),
        CheckConstraint("households IS NULL OR households >= 0", name="households"),
        CheckConstraint("people IS NULL OR people >= 0", name="people"),
        CheckConstraint(_one_of("households_source", COUNT_SOURCES), name="households_source"),
        CheckConstraint(_one_of("people_source", COUNT_SOURCES), name="people_source"),
        CheckConstraint(_one_of("floors_source", COUNT_SOURCES), name="floors_source"),
        CheckConstraint(
            "(households IS NULL) = (households_source = 'none')", name="households_has_source"
        ),
        CheckConstraint("(people IS NULL) = (people_source = 'none')", name="people_has_source"),
    )

    name: Mapped[str] = mapped_column(Text, server_default="")
    address: Mapped[str] = mapped_column(Text, server_default="")
    kind: Mapped[str] = mapped_column(String(16), server_default="other")
    floors: Mapped[int | None] = mapped_column(SmallInteger)
    floors_source: Mapped[str] = mapped_column(String(16), server_default="none")
    units: Mapped[int | None] = mapped_column(SmallInteger)
    households: Mapped[int | None] = mapped_column(Integer)
    households_source: Mapped[str] = mapped_column(String(16), server_default="none")
    people: Mapped[int | None] = mapped_column(Integer)
    people_source: Mapped[str] = mapped_column(String(16), server_default="none")
    compound_id: Mapped[int | None] = mapped_column(
        ForeignKey("compounds.id", ondelete="SET NULL"), index=True
    )
    community_id: Mapped[int | None] = mapped_column(
        ForeignKey("areas.id", ondelete="SET NULL"), index=True
    )
    grid_id: Mapped[int | None] = mapped_column(
        ForeignKey("grids.id", ondelete="SET NULL"), index=True
    )
    geom: Mapped[Any] = mapped_column(Geometry("MULTIPOLYGON", srid=4326))


class Entrance(Kept, Base):
    """Entrance of a building or of one of its units 单元门: where a walk begins."""

    __tablename__ = "entrances"

    building_id: Mapped[int] = mapped_column(
        ForeignKey("buildings.id", ondelete="CASCADE"), index=True
    )
    unit: Mapped[str] = mapped_column(Text, server_default="")
    geom: Mapped[Any] = mapped_column(Geometry("POINT", srid=4326))


class Station(Kept, Base):
    """Service centre 党群服务中心, red station 红色驿站 or rider station 小哥驿站."""

    __tablename__ = "stations"
    __table_args__ = (
        CheckConstraint(_one_of("kind", STATION_KINDS), name="kind"),
        CheckConstraint(_one_of("status", STATION_STATUSES), name="status"),
        CheckConstraint("area_m2 IS NULL OR area_m2 > 0", name="area_m2"),
        CheckConstraint(
            f"facilities <@ ARRAY[{', '.join(repr(f) for f in FACILITIES)}]::text[]",
            name="facilities",
        ),
        CheckConstraint("length(name) > 0", name="name"),
    )

    kind: Mapped[str] = mapped_column(String(16), index=True)
    name: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(Text, server_default="")
    opening_hours: Mapped[str | None] = mapped_column(Text)
    area_m2: Mapped[float | None] = mapped_column(Float)
    facilities: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    status: Mapped[str] = mapped_column(String(16), server_default="open")
    published: Mapped[bool] = mapped_column(Boolean, server_default="false")
    community_id: Mapped[int | None] = mapped_column(
        ForeignKey("areas.id", ondelete="SET NULL"), index=True
    )
    outside_areas: Mapped[bool] = mapped_column(Boolean, server_default="false")
    geom: Mapped[Any] = mapped_column(Geometry("POINT", srid=4326))


class PatrolPoint(Kept, Base):
    """Hazard or asset a grid worker passes on patrol 巡查点: well, river bank, charging pile."""

    __tablename__ = "patrol_points"

    kind: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(Text, server_default="")
    geom: Mapped[Any] = mapped_column(Geometry("POINT", srid=4326))


class Premises(Kept, Base):
    """Candidate site 候选场所: premises where a station could open."""

    __tablename__ = "premises"
    __table_args__ = (CheckConstraint("area_m2 IS NULL OR area_m2 > 0", name="area_m2"),)

    kind: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(Text, server_default="")
    area_m2: Mapped[float | None] = mapped_column(Float)
    geom: Mapped[Any] = mapped_column(Geometry("POINT", srid=4326))


class BaseFeature(Base):
    """Base-map feature: road, water, green, rail, barrier or label.

    Replaced as a whole by each import of its ``source``; barriers (walls, rivers, railways)
    also stop access legs from crossing them.
    """

    __tablename__ = "base_features"
    __table_args__ = (
        CheckConstraint(_one_of("layer", BASE_LAYERS), name="layer"),
        CheckConstraint("min_zoom BETWEEN 0 AND 22", name="min_zoom"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    source: Mapped[str] = mapped_column(Text, index=True)
    source_key: Mapped[str] = mapped_column(String(64))
    layer: Mapped[str] = mapped_column(String(16), index=True)
    kind: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(Text, server_default="")
    min_zoom: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    geom: Mapped[Any] = mapped_column(Geometry("GEOMETRY", srid=4326))


class NetworkVersion(Base):
    """One compiled walking network; ``version`` is the digest of its arrays."""

    __tablename__ = "network_versions"
    __table_args__ = (
        Index(
            "ix_network_versions_current",
            "is_current",
            unique=True,
            postgresql_where="is_current",
        ),
    )

    version: Mapped[str] = mapped_column(String(64), primary_key=True)
    created_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    source: Mapped[str] = mapped_column(Text)
    crs: Mapped[str] = mapped_column(Text)
    nodes: Mapped[int] = mapped_column(Integer)
    edges: Mapped[int] = mapped_column(Integer)
    length_m: Mapped[float] = mapped_column(Float)
    is_current: Mapped[bool] = mapped_column(Boolean, server_default="false")


class NetworkNode(Base):
    """Node of a walking network version."""

    __tablename__ = "network_nodes"

    network_version: Mapped[str] = mapped_column(
        ForeignKey("network_versions.version", ondelete="CASCADE"), primary_key=True
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    waits: Mapped[float] = mapped_column(Float, server_default="0")
    geom: Mapped[Any] = mapped_column(Geometry("POINT", srid=4326, spatial_index=False))


class NetworkEdge(Base):
    """Edge of a walking network version; ``flags`` are `geo.network.EdgeFlag` bits."""

    __tablename__ = "network_edges"

    network_version: Mapped[str] = mapped_column(
        ForeignKey("network_versions.version", ondelete="CASCADE"), primary_key=True
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    from_node: Mapped[int] = mapped_column(Integer)
    to_node: Mapped[int] = mapped_column(Integer)
    length_mm: Mapped[int] = mapped_column(Integer)
    flags: Mapped[int] = mapped_column(Integer)
    waits: Mapped[float] = mapped_column(Float, server_default="0")
    way: Mapped[int] = mapped_column(BigInteger)
    geom: Mapped[Any] = mapped_column(Geometry("LINESTRING", srid=4326))


class CoverageRun(Base):
    """One coverage result with the parameters and versions it was computed from."""

    __tablename__ = "coverage_runs"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    network_version: Mapped[str] = mapped_column(
        ForeignKey("network_versions.version", ondelete="CASCADE")
    )
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB)
    summary: Mapped[dict[str, Any]] = mapped_column(JSONB)


class CoverageResult(Base):
    """State of one building in one coverage run."""

    __tablename__ = "coverage_results"

    run_id: Mapped[int] = mapped_column(
        ForeignKey("coverage_runs.id", ondelete="CASCADE"), primary_key=True
    )
    building_id: Mapped[int] = mapped_column(
        ForeignKey("buildings.id", ondelete="CASCADE"), primary_key=True
    )
    seconds: Mapped[float | None] = mapped_column(Float)
    station_id: Mapped[int | None] = mapped_column(ForeignKey("stations.id", ondelete="SET NULL"))
    state: Mapped[str] = mapped_column(String(16))
    zone: Mapped[int | None] = mapped_column(Integer)


class History(Base):
    """Every insert, change and delete of a layer row, written by database triggers."""

    __tablename__ = "history"
    __table_args__ = (Index("ix_history_row", "table_name", "row_id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    table_name: Mapped[str] = mapped_column(Text)
    row_id: Mapped[int] = mapped_column(BigInteger)
    operation: Mapped[str] = mapped_column(String(6))
    actor: Mapped[str] = mapped_column(Text)
    at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    transaction: Mapped[int] = mapped_column(BigInteger)
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB)


class ImportRun(Base):
    """One import: which file, by whom, and its report."""

    __tablename__ = "imports"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    actor: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(32))
    file_name: Mapped[str] = mapped_column(Text)
    file_sha256: Mapped[str] = mapped_column(String(64))
    report: Mapped[dict[str, Any]] = mapped_column(JSONB)


class City(Base):
    """The one city this database holds: its name, and whether it is made up."""

    __tablename__ = "city"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(Text)
    is_sample: Mapped[bool] = mapped_column(Boolean, server_default="false")
    attribution: Mapped[str] = mapped_column(Text, server_default="")


EDITED_TABLES = (
    "areas",
    "compounds",
    "gates",
    "grids",
    "buildings",
    "entrances",
    "stations",
    "patrol_points",
    "premises",
)
"""Tables with ``version`` and ``history``."""
