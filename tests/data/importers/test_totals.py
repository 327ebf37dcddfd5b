"""Totals of communities spread over the buildings that no ledger counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text
from town import seed_layers

from data.database import Database
from data.errors import SourceFileError
from data.importers.households import estimate_missing, import_households
from data.importers.totals import import_totals


@pytest.fixture
def town(database: Database) -> Database:
    """The made town: in C1 some buildings are counted, in C2 three are not any more."""
    with database.transaction("test") as connection:
        seed_layers(connection)
        connection.execute(
            text(
                "UPDATE buildings SET kind = 'multi_storey', households = NULL,"
                " households_source = 'none', people = NULL, people_source = 'none'"
                " WHERE code IN ('B0800', 'B0903', 'B1000')"
            )
        )
        connection.execute(
            text(
                "UPDATE buildings SET kind = 'public' WHERE households IS NULL AND code LIKE 'B03%'"
            )
        )
        connection.execute(text("UPDATE buildings SET floors = 12 WHERE code = 'B0903'"))
    return database


def write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def counts(town: Database, *codes: str) -> list[tuple[int | None, str, int | None, str]]:
    with town.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT households, households_source, people, people_source FROM buildings"
                " WHERE code = ANY(:codes) ORDER BY code"
            ),
            {"codes": list(codes)},
        )
        return [tuple(row) for row in rows]


def total_of(town: Database, community: str) -> tuple[int, int]:
    with town.connect() as connection:
        row = connection.execute(
            text(
                "SELECT sum(b.households), sum(b.people) FROM buildings b"
                " JOIN areas a ON a.id = b.community_id WHERE a.code = :code"
            ),
            {"code": community},
        ).one()
    return int(row[0]), int(row[1])


OPEN = ("B0800", "B0903", "B1000")


def test_a_community_adds_up_to_its_total_and_surveyed_counts_stay(
    town: Database, tmp_path: Path
) -> None:
    before = total_of(town, "C2")
    path = write(
        tmp_path / "t.csv", f"社区编码,户数,人口\nC2,{before[0] + 101},{before[1] + 250}\n"
    )
    report = import_totals(town, path, actor="planner")
    assert (report.read, report.updated, report.rejected) == (1, 3, [])
    assert total_of(town, "C2") == (before[0] + 101, before[1] + 250)
    shares = counts(town, *OPEN)
    assert all(row[1] == row[3] == "estimated" for row in shares)
    # Twelve floors take twice what six, the usual number, take.
    assert shares[1][0] == pytest.approx(2 * (shares[0][0] or 0), abs=1)


def test_the_same_file_again_changes_nothing_and_says_so(town: Database, tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "code,households\nC2,2000\n")
    assert import_totals(town, path, actor="planner").changed
    again = import_totals(town, path, actor="planner")
    assert not again.changed
    assert again.unchanged == 3
    with town.transaction("planner") as connection:  # nor does estimating anew undo it
        estimate_missing(connection)
    assert total_of(town, "C2")[0] == 2000


def test_a_dry_run_reports_and_keeps_nothing(town: Database, tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "code,households\nC2,2000\n")
    report = import_totals(town, path, actor="planner", dry_run=True)
    assert report.dry_run
    assert report.updated == 3
    assert counts(town, *OPEN) == [(None, "none", None, "none")] * 3
    with town.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM community_totals")) == 0


def test_without_people_the_census_average_holds(town: Database, tmp_path: Path) -> None:
    import_totals(town, write(tmp_path / "t.csv", "code,households\nC2,2000\n"), actor="planner")
    for households, _, people, _ in counts(town, *OPEN):
        assert people == round((households or 0) * 2.62)


def test_a_later_ledger_takes_its_buildings_out_of_the_spreading(
    town: Database, tmp_path: Path
) -> None:
    import_totals(town, write(tmp_path / "t.csv", "code,households\nC2,2000\n"), actor="planner")
    ledger = write(tmp_path / "b.csv", "楼栋编码,户数,人口\nB0800,7,20\n")
    report = import_households(town, ledger, actor="planner")
    assert report.updated == 3  # the one counted, and the two that share the rest
    assert counts(town, "B0800") == [(7, "surveyed", 20, "surveyed")]
    assert total_of(town, "C2")[0] == 2000
    assert not import_households(town, ledger, actor="planner").changed


def test_each_fault_names_row_field_value_and_remedy_and_good_rows_stay(
    town: Database, tmp_path: Path
) -> None:
    path = write(
        tmp_path / "t.csv",
        "社区编码,户数,人口\n"
        "C2,2000,5000\n"
        "C2,2000,5000\n"
        "C9,10,\n"
        "D1,10,\n"
        "C1,3,\n"
        "C1,many,\n"
        "C1,,\n"
        ",5,\n"
        "C1,99999,\n",
    )
    report = import_totals(town, path, actor="planner")
    faults = {(fault.row, fault.field): fault for fault in report.rejected}
    assert {
        (3, "社区编码"),
        (4, "社区编码"),
        (5, "社区编码"),
        (6, "户数"),
        (7, "户数"),
        (8, "户数"),
        (9, "社区编码"),
        (10, "户数"),
    } == set(faults)
    assert "row 2" in faults[3, "社区编码"].reason
    assert "district" in faults[5, "社区编码"].reason
    assert "ledgers count" in faults[6, "户数"].reason
    assert "no residential building" in faults[10, "户数"].reason
    assert all(fault.remedy for fault in report.rejected)
    assert total_of(town, "C2")[0] == 2000


def test_a_community_may_be_named_where_its_name_is_the_only_one(
    town: Database, tmp_path: Path
) -> None:
    with town.connect() as connection:
        name = connection.scalar(text("SELECT name FROM areas WHERE code = 'C2'"))
    path = write(tmp_path / "t.csv", f"社区,户数\n{name},2000\n没有的社区,5\n")
    report = import_totals(town, path, actor="planner")
    assert total_of(town, "C2")[0] == 2000
    assert [(fault.row, fault.value) for fault in report.rejected] == [(3, "没有的社区")]


def test_a_file_without_households_is_refused(town: Database, tmp_path: Path) -> None:
    with pytest.raises(SourceFileError, match="needs a column of households"):
        import_totals(town, write(tmp_path / "t.csv", "code,name\nC2,x\n"), actor="planner")
