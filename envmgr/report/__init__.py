"""Results and progress become text or JSON; nothing here decides anything."""
