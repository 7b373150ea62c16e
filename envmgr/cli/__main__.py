"""`python -m envmgr.cli`."""

from envmgr.cli.entry import main

main()
