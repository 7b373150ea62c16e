"""`envmgr.toml` and the `.env` files: read, typed, validated, every error at once."""
