"""Spec and catalog become stacks: names, ports, networks, limits, what each environment owns in shared servers."""
