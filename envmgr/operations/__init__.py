"""One verb per module: the only place where stages are put in sequence."""
