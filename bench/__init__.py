"""Measurements: ratios side by side in one run, medians of repeated runs."""
