"""What makes search by part of a name quick: each text's characters and pairs of characters.

Chinese names are looked for by one to three characters, which an index of trigrams (pg_trgm) does
not serve: it needs three. So a text is indexed by its *grams*, every character and every two
neighbouring characters of it, folded. A text that holds another holds all its grams.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import DDL, ColumnClause, Index, literal_column

FUNCTIONS = (
    # Width and case of letters do not matter in a search.
    """
    CREATE FUNCTION gridcircle_folded(value text) RETURNS text
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN lower(normalize(value, NFKC))
    """,
    # Only functions of the system inside: a restore fills indexes with an empty search path.
    """
    CREATE FUNCTION gridcircle_grams(value text) RETURNS text[]
        LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
    DECLARE
        folded CONSTANT text = lower(normalize(value, NFKC));
        grams text[] = '{}';
    BEGIN
        FOR at IN 1 .. length(folded) LOOP
            grams = grams || substr(folded, at, 1) || substr(folded, at, 2);
        END LOOP;
        RETURN grams;
    END
    $$
    """,
)
"""SQL of the functions that the indexes below are made of."""


def grams(folded: str) -> list[str]:
    """Grams that every text that holds `folded` has: enough of them to find it.

    Parameters
    ----------
    folded : str
        A folded text, not empty.
    """
    if len(folded) == 1:
        return [folded]
    return sorted({folded[at : at + 2] for at in range(len(folded) - 1)})


def searched(table: str, *, code: bool = True, address: bool = False) -> tuple[Index, ...]:
    """Indexes of a table that is searched by name; for its ``__table_args__``.

    Parameters
    ----------
    table : str
        Name of the table, which has a column ``name``.
    code, address : bool
        Whether it is also searched by the columns ``code`` and ``address``.
    """
    name: ColumnClause[Any] = literal_column("gridcircle_folded(name)")
    length: ColumnClause[Any] = literal_column("length(gridcircle_folded(name))")
    row: ColumnClause[Any] = literal_column("id")
    as_text = {"folded": "text_pattern_ops"}
    indexes = [
        # Whole names and beginnings of names.
        Index(f"ix_{table}_search_name", name.label("folded"), row, postgresql_ops=as_text),
        # Shortest first, for what is in so many names that sorting all of them takes long.
        Index(f"ix_{table}_search_length", length, row),
        _gin(f"ix_{table}_search_grams", "gridcircle_grams(name)"),
    ]
    if code:
        folded: ColumnClause[Any] = literal_column("gridcircle_folded(code)")
        indexes.append(
            Index(f"ix_{table}_search_code", folded.label("folded"), row, postgresql_ops=as_text)
        )
    if address:
        indexes.append(_gin(f"ix_{table}_search_address", "gridcircle_grams(address)"))
    return tuple(indexes)


def _gin(name: str, expression: str) -> Index:
    column: ColumnClause[Any] = literal_column(expression)
    # Without a list of entries not yet sorted in, which every search would read through.
    return Index(name, column, postgresql_using="gin", postgresql_with={"fastupdate": "off"})


CREATE_FUNCTIONS = tuple(DDL(statement) for statement in FUNCTIONS)  # type: ignore[no-untyped-call]
"""The same for `MetaData.create_all`, which makes indexes without migrations."""
