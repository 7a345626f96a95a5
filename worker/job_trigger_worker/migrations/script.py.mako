"""${message}."""

from __future__ import annotations

from migrations.online import changing

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    with changing():
        ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    with changing():
        ${downgrades if downgrades else "pass"}
