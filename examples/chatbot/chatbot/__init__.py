"""The sample application that envmgr runs: messages in PostgreSQL, tasks through Redis."""
