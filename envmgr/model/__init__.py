"""Frozen values that stages hand to each other; no behaviour beyond asking them about themselves."""
