"""Secret values: where they come from and how they reach a container."""
