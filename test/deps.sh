#!/usr/bin/env bash
# Installs what the tests (or, with "demo", the demo) need from Debian's packages, if it is missing.
set -euo pipefail
want=(busybox-static curl)
[ "${1:-}" = demo ] || want+=(debootstrap systemd-container nftables iproute2 conntrack containerd runc openssh-server openssh-client postgresql chromium fonts-dejavu-core)
missing=()
for p in "${want[@]}"; do
  [ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$p" 2>/dev/null)" = "ii " ] || missing+=("$p")
done
[ ${#missing[@]} -eq 0 ] && exit 0
[ "$(id -u)" = 0 ] || { echo "these packages are missing: ${missing[*]}; run as root, or install them" >&2; exit 1; }
# Services of the packages must not start on this machine: the tests start their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' > "$policy"; chmod +x "$policy"; trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1 ||
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; }
