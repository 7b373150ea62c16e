#!/usr/bin/env bash
# Start PostgreSQL as user postgres, and initialise its data directory first where that is empty.
#
# The cluster is built in a folder beside its final place, and its files move up only when all of it, the init scripts
# included, is done. A kill before that leaves a folder that the next start throws away; a kill during the move is
# resumed. PG_VERSION moves last: no start ever takes an unfinished directory for a good one.
set -Eeuo pipefail

readonly INIT_SCRIPTS=/docker-entrypoint-initdb.d SOCKETS=/var/run/postgresql
readonly DATA=${PGDATA:?} BUILDING=$PGDATA/.initialising BUILT=$PGDATA/.initialised PRIVATE=$SOCKETS/.initialising

say() { printf 'entrypoint: %s\n' "$*"; }
die() { printf 'entrypoint: %s\n' "$*" >&2; exit 1; }

# ---- settings

setting() {
  # The value of the variable $1, or of the file that $1_FILE names, or $2.
  local file_variable=$1_FILE
  local value=${!1:-} file=${!file_variable:-}
  if [ -n "$value" ] && [ -n "$file" ]; then die "$1 and $file_variable are both set; set one of them"; fi
  if [ -n "$file" ]; then
    [ -r "$file" ] || die "$file_variable names $file, which uid $(id -u) cannot read"
    value=$(<"$file")
  fi
  printf '%s' "${value:-$2}"
}

load_settings() {
  # Not exported: the server that runs later must not carry the password in its environment.
  password=$(setting POSTGRES_PASSWORD '')
  user=$(setting POSTGRES_USER postgres)
  database=$(setting POSTGRES_DB "$user")
  host_auth=${POSTGRES_HOST_AUTH_METHOD:-}
}

check_settings() {
  if [ -z "$password" ] && [ "$host_auth" != trust ]; then
    die "the data directory is empty and no superuser password is given: set POSTGRES_PASSWORD_FILE or" \
      "POSTGRES_PASSWORD (POSTGRES_HOST_AUTH_METHOD=trust goes without, and lets everybody in)"
  fi
  # initdb reads one line and would silently cut the rest off.
  [[ $password != *$'\n'* ]] || die "the superuser password has more than one line"
  [ -z "${POSTGRES_INITDB_WALDIR:-}" ] || die "POSTGRES_INITDB_WALDIR is not supported by this image"
  [ "$host_auth" != trust ] || say "warning: POSTGRES_HOST_AUTH_METHOD=trust lets everybody in without a password" >&2
}

# ---- the data directory

prepare_as_root() {
  setpriv --reuid postgres --regid postgres --init-groups true 2>/dev/null ||
    die "root lacks the capabilities to become user postgres in this container; run it as user 999:999"
  mkdir -p "$DATA" "$SOCKETS"
  find "$DATA" ! -user postgres -exec chown postgres:postgres {} +
  chmod 0700 "$DATA"
  find "$SOCKETS" ! -user postgres -exec chown postgres:postgres {} +
  chmod 3777 "$SOCKETS"
}

require_empty() {
  local entry
  entry=$(find "$DATA" -mindepth 1 -maxdepth 1 ! -name lost+found -printf '%f' -quit)
  [ -z "$entry" ] || die "$DATA holds $entry but no PG_VERSION; not touching it"
  # The server refuses a directory that others may look into.
  chmod 0700 "$DATA"
}

publish() {
  # Each rename is whole, so a name that stands in both places was not put there by an earlier, killed move.
  local entry
  while IFS= read -r -d '' entry; do
    [ ! -e "$DATA/$entry" ] || die "$DATA/$entry is in the way; an init script must write to \$PGDATA"
    mv -T "$BUILT/$entry" "$DATA/$entry"
  done < <(find "$BUILT" -mindepth 1 -maxdepth 1 ! -name PG_VERSION -printf '%f\0')
  sync "$DATA"
  mv -T "$BUILT/PG_VERSION" "$DATA/PG_VERSION"
  rmdir "$BUILT"
  sync "$DATA"
}

# ---- initialisation

create_cluster() {
  local arguments
  # xargs knows quotes but expands nothing.
  mapfile -t -d '' arguments < <(xargs -r printf '%s\0' <<<"${POSTGRES_INITDB_ARGS:-}")
  initdb --pgdata="$BUILDING" --username="$user" "${arguments[@]}" \
    ${password:+--pwfile=<(printf '%s\n' "$password")}
  [ -n "$host_auth" ] || host_auth=$(postgres -C password_encryption -D "$BUILDING" "$@")
  printf '\nhost all all all %s\n' "$host_auth" >>"$BUILDING/pg_hba.conf"
}

start_private_server() {
  # Its socket lies where only this user and no health check looks, so the password files' rules need not apply to it.
  install -d -m 0700 "$PRIVATE"
  echo 'local all all trust' >"$PRIVATE/hba.conf"
  local options
  options=$(printf '%q ' "$@" -c listen_addresses= -c "unix_socket_directories=$PRIVATE" -c "hba_file=$PRIVATE/hba.conf")
  pg_ctl --pgdata="$BUILDING" --options="$options" --wait --silent start
}

stop_private_server() { pg_ctl --pgdata="$BUILDING" --mode=fast --wait --silent stop; }

query() { psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password --host="$PRIVATE" --username="$user" "$@"; }

create_database() {
  [ "$database" != postgres ] || return 0
  query --quiet --dbname=postgres --set=name="$database" <<<'CREATE DATABASE :"name";'
}

run_script() (
  export PGHOST=$PRIVATE PGDATA=$BUILDING POSTGRES_USER=$user POSTGRES_PASSWORD=$password POSTGRES_DB=$database
  if [ -x "$1" ]; then exec "$1"; fi
  # Sourced scripts are not written for -u; the subshell keeps what they set out of this one.
  set +u
  # shellcheck disable=SC1090  # the operator's own file
  . "$1"
)

run_init_scripts() {
  local file
  for file in "$INIT_SCRIPTS"/*; do
    [ -e "$file" ] || continue
    say "running ${file##*/}"
    case $file in
      *.sh) run_script "$file" ;;
      *.sql) query --dbname="$database" --file="$file" ;;
      *.sql.gz) gunzip --stdout "$file" | query --dbname="$database" ;;
      *) say "not an init script: ${file##*/}" ;;
    esac
  done
}

use_final_paths() {
  # Init scripts may have written $PGDATA into the configuration, and that was the building folder then.
  find "$BUILDING" -maxdepth 2 -name '*.conf' -exec sed -i "s#$BUILDING#$DATA#g" {} +
}

initialise() {
  [ -w "$DATA" ] || die "$DATA is not writable for uid $(id -u)"
  rm -rf "$BUILDING" "$PRIVATE"
  require_empty
  check_settings
  say "initialising $DATA"
  create_cluster "$@"
  start_private_server "$@"
  trap 'pg_ctl --pgdata="$BUILDING" --mode=immediate --silent stop || true' EXIT
  create_database
  # In the background, because a signal interrupts only a wait; a stop would else last as long as the script.
  run_init_scripts &
  wait $!
  stop_private_server
  trap - EXIT
  rm -rf "$PRIVATE"
  use_final_paths
  initdb --pgdata="$BUILDING" --sync-only
  mv -T "$BUILDING" "$BUILT"
  publish
  say "initialised $DATA"
}

ensure_initialised() {
  load_settings
  if [ -d "$BUILT" ] && [ ! -e "$DATA/PG_VERSION" ]; then publish; fi
  if [ -e "$DATA/PG_VERSION" ]; then
    [ ! -d "$BUILT" ] || rmdir "$BUILT"
    return
  fi
  # As process 1 this shell would ignore both signals, and a stop would wait for the engine's kill.
  trap 'exit 130' INT
  trap 'exit 143' TERM
  initialise "$@"
  trap - INT TERM
}

serves() {
  # Whether the command runs a server, and is not just asked about itself.
  [ "$1" = postgres ] || return 1
  local argument
  for argument in "${@:2}"; do
    case $argument in -'?' | --help | --version | -V | --describe-config | -C) return 1 ;; esac
  done
}

main() {
  [[ ${1:-} != -* ]] || set -- postgres "$@"
  [ $# -gt 0 ] || set -- postgres
  if serves "$@"; then
    if [ "$(id -u)" = 0 ]; then
      prepare_as_root
      exec setpriv --reuid postgres --regid postgres --init-groups -- "$0" "$@"
    fi
    ensure_initialised "${@:2}"
  fi
  exec "$@"
}

main "$@"
