# Rendered by envmgr; edit envmgr.toml instead.
from pathlib import Path

port = 5555
address = "0.0.0.0"
basic_auth = [Path("/run/secrets/FLOWER_BASIC_AUTH").read_text()]
persistent = False
max_tasks = 10000
