"""What the source document asks for: trigger status and message of records and jobs (R2, R3).

For tables that hold rows and are in use: the columns are null by default, so no row is rewritten
and old rows stay blank (R11); the lock is waited for at most a second at a time (`Patience`), and
each table is changed and committed alone. Going down drops the columns with what is in them, but
none that the platform had before. A table that is absent here, or a view of the platform's, is left
alone.
"""

from __future__ import annotations

from job_trigger_worker.migrations.columns import OUTCOME
from job_trigger_worker.migrations.going import Goes
from job_trigger_worker.migrations.online import (
    COLUMN_MARK,
    add_columns,
    at_once,
    changing,
    drop_columns,
)

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("awp_job_execution", "awp_automcation_job")
DROPS = tuple(Goes(name, COLUMN_MARK, tuple(OUTCOME)) for name in TABLES)


def upgrade() -> None:
    with changing():
        for table in TABLES:
            add_columns(table, OUTCOME)


def downgrade() -> None:
    at_once([(table, drop_columns(table, OUTCOME)) for table in reversed(TABLES)])
