#!/usr/bin/env bash
# Build the recipes' base image, a trimmed Debian trixie, from Debian's packages: build.sh IMAGE
#
# ENVMGR_LABELS: further labels, one KEY=VALUE per line. Needs root, or mmdebstrap installed.
set -euo pipefail

readonly SUITE=trixie HOST_BUNDLE=/etc/ssl/certs/ca-certificates.crt

say() { printf 'debian: %s\n' "$*" >&2; }

need_mmdebstrap() {
  if command -v mmdebstrap >/dev/null; then return; fi
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say "mmdebstrap is missing; install it with your package manager, or run this as root on Debian or Ubuntu"
    exit 4
  fi
  say "installing mmdebstrap"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q -o DPkg::Lock::Timeout=300 --no-install-recommends \
    mmdebstrap debian-archive-keyring >"$work/log" 2>&1 || fail "apt-get could not install mmdebstrap"
}

fail() {
  tail -n 15 "$work/log" >&2
  say "$1"
  exit 4
}

write_files() {
  # Packages start their servers on install otherwise, in the middle of an image build.
  mkdir -p "$work/extra/usr/sbin"
  printf '#!/bin/sh\nexit 101\n' >"$work/extra/usr/sbin/policy-rc.d"
  chmod 0755 "$work/extra/usr/sbin/policy-rc.d"
  # What stays out of this image also stays out of the ones built on it.
  cat >"$work/dpkg.cfg" <<'CFG'
force-unsafe-io
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-include=/usr/share/locale/locale.alias
path-exclude=/usr/share/man/*
CFG
}

# The host's name and resolver would be baked in, and no two builds would be alike with the logs.
# shellcheck disable=SC2016  # $1 is mmdebstrap's, when it runs the hook
readonly TRIM='cd "$1" && rm -rf etc/hostname etc/resolv.conf var/log/* var/cache/debconf/*-old var/lib/dpkg/*-old \
  var/cache/ldconfig/aux-cache var/lib/apt/lists/* && find usr/share/doc -type f ! -name copyright -delete'

bootstrap() {
  local hooks=(--customize-hook="$TRIM")
  # pip in a build then trusts what this host trusts, such as a company's proxy.
  if [ -r "$HOST_BUNDLE" ]; then hooks+=(--customize-hook="upload $HOST_BUNDLE $HOST_BUNDLE"); fi
  # Mirrors that lag behind, and machines whose clock runs ahead, are common where no registry is reachable.
  TMPDIR=$work mmdebstrap --variant=minbase --include=ca-certificates --dpkgopt="$work/dpkg.cfg" \
    --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Check-Valid-Until "false"' \
    "${hooks[@]}" "$SUITE" "$work/root.tar" >"$work/log" 2>&1 || fail "mmdebstrap failed"
  [ -s "$work/root.tar" ] || fail "mmdebstrap made nothing"
  # Appended, because mmdebstrap removes any policy-rc.d when it is done.
  tar --append --file "$work/root.tar" --owner 0 --group 0 -C "$work/extra" ./usr/sbin/policy-rc.d
}

label_change() {
  # Docker reads a change like a Dockerfile line: quotes, backslashes and dollars need a backslash.
  local key=${1%%=*} value=${1#*=}
  if [ "$key" = "$1" ] || [ -z "$key" ]; then fail "ENVMGR_LABELS has a line that is not KEY=VALUE: $1"; fi
  printf 'LABEL "%s"="%s"' "$key" "$(printf '%s' "$value" | sed 's/[\\"$]/\\&/g')"
}

read_labels() {
  local line change
  while IFS= read -r line; do
    [ -n "$line" ] || continue
    change=$(label_change "$line")
    changes+=(--change "$change")
  done <<<"org.opencontainers.image.title=debian
org.opencontainers.image.version=$SUITE
${ENVMGR_LABELS:-}"
}

main() {
  local image=${1:?usage: build.sh IMAGE}
  work=$(mktemp -d "${TMPDIR:-/tmp}/envmgr-debian-XXXXXX")
  trap 'rm -rf --one-file-system "$work"' EXIT
  : >"$work/log"
  changes=(--change 'CMD ["bash"]')
  read_labels
  need_mmdebstrap
  write_files
  say "building $image from Debian $SUITE's packages (about half a minute)"
  bootstrap
  docker import "${changes[@]}" --message 'mmdebstrap minbase' "$work/root.tar" "$image" >"$work/log" 2>&1 ||
    fail "docker import failed"
  say "built $image"
}

main "$@"
