#!/bin/sh
# Where the registry image has its own: what the image runs by itself, and what a start script ends with.
exec python /opt/qdrant/server.py "$@"
