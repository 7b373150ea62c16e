"""What an environment owns inside a shared server: created, repaired, found and revoked, always idempotently."""
