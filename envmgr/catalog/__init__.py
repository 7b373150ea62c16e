"""The kinds of service that envmgr knows: one file each, listed in `registry`."""
