#!/bin/sh
# Run the scripts in /docker-entrypoint.d before nginx; run any other command as it is.
set -eu

say() { [ -n "${NGINX_ENTRYPOINT_QUIET_LOGS:-}" ] || printf 'entrypoint: %s\n' "$*"; }

run_scripts() {
  # In order of their names; what is sourced (.envsh) may set variables for the server and for later scripts.
  for script in $(find /docker-entrypoint.d -follow -type f | sort -V); do
    if [ ! -x "$script" ]; then
      say "not executable, so not run: $script"
      continue
    fi
    case $script in
      # shellcheck disable=SC1090  # the operator's own file
      *.envsh) say "sourcing $script" && . "$script" ;;
      *.sh) say "running $script" && "$script" ;;
      *) say "not a script: $script" ;;
    esac
  done
}

case ${1:-} in nginx | nginx-debug) run_scripts ;; esac

exec "$@"
