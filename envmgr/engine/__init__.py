"""Docker, and nothing else: the only room that talks to the engine or runs its command line."""
