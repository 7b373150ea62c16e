"""The tables, as metadata for Alembic; the web process reads by SQL (db.py) and does not import this."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, MetaData, Table, Text, func, text

metadata = MetaData()

messages = Table(
    "messages",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("text", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("indexed_at", DateTime(timezone=True)),  # when the message became searchable
    Index("messages_pending", "id", postgresql_where=text("indexed_at IS NULL")),
)
