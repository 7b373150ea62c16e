"""Verdicts on services: from what the engine says, from probes, and the one loop that waits for them."""
