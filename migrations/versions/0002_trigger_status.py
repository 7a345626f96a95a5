"""What the source document asks for: trigger status and message of records and jobs (R2, R3).

For tables that hold rows and are in use: the columns are null by default, so no row is rewritten
and old rows stay blank (R11); the lock is waited for at most a second at a time (`Patience`), and
each table is changed and committed alone. Going down drops the columns with what is in them. A
table that is absent here, or a view of the platform's, is left alone.
"""

from __future__ import annotations

from migrations.online import add_columns, changing, drop_columns

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("awp_job_execution", "awp_automcation_job")
COLUMNS = {"trigger_status": "int", "trigger_message": "varchar(1000)"}


def upgrade() -> None:
    with changing():
        for table in TABLES:
            add_columns(table, COLUMNS)


def downgrade() -> None:
    with changing():
        for table in reversed(TABLES):
            drop_columns(table, COLUMNS)
