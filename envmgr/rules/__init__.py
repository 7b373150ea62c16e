"""Rules for Compose files: pure checks of a document whose every value knows its line; nothing here reads a file."""
