"""envmgr: one typed spec, isolated Docker stacks for dev, stage and prod."""

__version__ = "0.1.0"
