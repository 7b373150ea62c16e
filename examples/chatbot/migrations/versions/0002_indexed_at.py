"""Note when a message became searchable; releases that know nothing of it go on working."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("messages", sa.Column("indexed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("messages_pending", "messages", ["id"], postgresql_where=sa.text("indexed_at IS NULL"))


def downgrade() -> None:
    """Take back."""
    op.drop_index("messages_pending", "messages")
    op.drop_column("messages", "indexed_at")
