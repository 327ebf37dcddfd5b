"""Indexes for the search by part of a name, a code or an address.

Revision ID: 0003
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None

# Table, whether it has a code, whether it has an address.
SEARCHED = (
    ("areas", True, False),
    ("compounds", True, False),
    ("grids", True, False),
    ("buildings", True, True),
    ("stations", True, True),
    ("base_features", False, False),
)


def upgrade() -> None:
    op.execute("""
        CREATE FUNCTION gridcircle_folded(value text) RETURNS text
            LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
            RETURN lower(normalize(value, NFKC))
    """)
    # Only functions of the system inside: a restore fills indexes with an empty search path.
    op.execute("""
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
    """)
    for table, code, address in SEARCHED:
        op.execute(f"""
            CREATE INDEX ix_{table}_search_name ON {table}
                (gridcircle_folded(name) text_pattern_ops, id);
            CREATE INDEX ix_{table}_search_length ON {table}
                (length(gridcircle_folded(name)), id);
            CREATE INDEX ix_{table}_search_grams ON {table} USING gin (gridcircle_grams(name))
                WITH (fastupdate = off);
        """)
        if code:
            op.execute(
                f"CREATE INDEX ix_{table}_search_code ON {table}"
                " (gridcircle_folded(code) text_pattern_ops, id)"
            )
        if address:
            op.execute(
                f"CREATE INDEX ix_{table}_search_address ON {table}"
                " USING gin (gridcircle_grams(address)) WITH (fastupdate = off)"
            )
    op.execute(f"ANALYZE {', '.join(table for table, _, _ in SEARCHED)}")


def downgrade() -> None:
    op.execute("DROP FUNCTION gridcircle_grams(text) CASCADE")
    op.execute("DROP FUNCTION gridcircle_folded(text) CASCADE")
