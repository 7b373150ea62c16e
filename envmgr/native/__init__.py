"""Services that run on the desk, outside a container, while the rest of their environment runs in Docker."""
