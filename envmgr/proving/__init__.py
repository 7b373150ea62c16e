"""What is tried to cross, and what an answer proves: pure; nothing here runs anything."""
