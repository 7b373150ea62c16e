"""`python -m envmgr.cli`."""

from envmgr.cli.main import main

main()
