"""Who has looked at what an import could not decide: places, and conflicts as rows of their own.

Revision ID: 0019
"""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision: str | None = "0018"
branch_labels: str | None = None
depends_on: str | None = None

TABLES = (
    "ALTER TABLE plan_import_places ADD COLUMN looked_by TEXT, ADD COLUMN looked_at timestamptz,"
    " ADD CONSTRAINT ck_plan_import_places_looked"
    " CHECK ((looked_by IS NULL) = (looked_at IS NULL))",
    """
    CREATE TABLE plan_import_conflicts (
        plan_id BIGINT NOT NULL,
        code TEXT NOT NULL,
        community TEXT,
        kind VARCHAR(32) NOT NULL,
        author TEXT NOT NULL,
        at timestamptz NOT NULL,
        in_file VARCHAR(16),
        looked_by TEXT,
        looked_at timestamptz,
        CONSTRAINT pk_plan_import_conflicts PRIMARY KEY (plan_id, code),
        CONSTRAINT ck_plan_import_conflicts_looked
            CHECK ((looked_by IS NULL) = (looked_at IS NULL)),
        CONSTRAINT fk_plan_import_conflicts_plan_id FOREIGN KEY(plan_id)
            REFERENCES plan_imports (plan_id) ON DELETE CASCADE
    )
    """,
    # Conflicts that stood in the report; the community of a grid that is gone is not known.
    """
    INSERT INTO plan_import_conflicts (plan_id, code, community, kind, author, at, in_file)
    SELECT i.plan_id, c ->> 'code', max(a.code), max(c ->> 'kind'), max(c ->> 'author'),
           max((c ->> 'at')::timestamptz), max(c ->> 'in_file')
      FROM plan_imports i
      CROSS JOIN LATERAL jsonb_array_elements(i.report -> 'conflicts') c
      LEFT JOIN plan_grids g ON g.code = c ->> 'code'
       AND g.plan_id IN (i.plan_id, (i.report ->> 'based_on')::bigint)
      LEFT JOIN areas a ON a.id = g.community_id
     GROUP BY i.plan_id, c ->> 'code'
    """,
    "UPDATE plan_imports SET report = report - 'conflicts'",
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    op.execute(
        """
        UPDATE plan_imports i SET report = report || jsonb_build_object('conflicts', coalesce((
            SELECT jsonb_agg(jsonb_build_object('code', c.code, 'kind', c.kind,
                       'author', c.author, 'at', c.at, 'edited_in_file', c.in_file IS NOT NULL,
                       'in_file', c.in_file) ORDER BY c.code)
              FROM plan_import_conflicts c WHERE c.plan_id = i.plan_id), '[]'::jsonb))
        """
    )
    op.execute("DROP TABLE plan_import_conflicts")
    op.execute("ALTER TABLE plan_import_places DROP COLUMN looked_by, DROP COLUMN looked_at")
