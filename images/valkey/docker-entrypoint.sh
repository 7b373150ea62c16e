#!/bin/sh
# Start valkey-server as user valkey, with the options in VALKEY_EXTRA_FLAGS; run any other command as it is.
set -eu

speaks_for_itself() {
  # Whether the arguments or the configuration file decide on protected mode, or ask for no server at all. What an
  # included file or standard input says cannot be seen from here, so both count.
  printf '%s\n' "$@" | grep -Eqi '^(--(protected-mode|include|version|help|test-memory|check-system)( |$)|-[vh]?$)' ||
    { [ -f "${2:-}" ] && grep -Eqi '^[[:space:]]*(protected-mode|include)[[:space:]]' "$2"; }
}

case ${1:-} in -* | *.conf) set -- valkey-server "$@" ;; esac
[ "${1:-}" = valkey-server ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
  if ! setpriv --reuid valkey --regid valkey --clear-groups true 2>/dev/null; then
    echo "entrypoint: root lacks the capabilities to become user valkey in this container; run it as user 999:999" >&2
    exit 1
  fi
  find . ! -user valkey -exec chown valkey:valkey {} +
  exec setpriv --reuid valkey --regid valkey --clear-groups -- "$0" "$@"
fi
if [ ! -w . ]; then
  echo "entrypoint: user $(id -u) may not write into $(pwd)" >&2
  exit 1
fi

# The data directory holds everybody's data: nobody else in the container reads it.
[ "$(umask)" != 0022 ] || umask 0077
# Flags are separated by blanks, as in the registry image.
# shellcheck disable=SC2086
set -- "$@" ${VALKEY_EXTRA_FLAGS:-}
# In a container every client is remote; the registry image is compiled with protected mode off for that reason.
# The configuration file must stay the first argument.
speaks_for_itself "$@" || set -- "$@" --protected-mode no
exec "$@"
