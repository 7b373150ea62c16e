"""Stacks become files: Compose documents and what they mount; nothing here talks to Docker."""
