# Prints what of a node is on this host, one "key value" per line, and the manifest last.
# $DIRS and $SYSCTLS are set before.
say() { printf '%s %s\n' "$1" "$2"; }
have() { command -v "$1" >/dev/null 2>&1; }
sum() { [ -f "$2" ] && say "$1" "$(sha256sum < "$2" | cut -d' ' -f1)"; }
have containerd && say containerd "$(command -v containerd)"
have runc && say runc "$(command -v runc)"
for t in apt-get dnf apk; do have $t && { say package_tool ${t%-get}; break; }; done
sum stowaged /usr/local/bin/stowaged
sum unit_file /etc/systemd/system/stowaged.service
sum config /etc/stowage/node.json
sum node_crt /var/lib/stowage/pki/node.crt
sum ca_crt /var/lib/stowage/pki/ca.crt
grep -qs ' /run/containerd/containerd.sock$' /proc/net/unix && say containerd_listens yes
if [ -d /run/systemd/system ]; then
  say init systemd
  for u in containerd stowaged; do
    systemctl is-active --quiet $u && say active $u
    systemctl is-enabled --quiet $u 2>/dev/null && say enabled $u
  done
elif have rc-service && [ -d /run/openrc ]; then say init openrc
else say init none; fi
pid=$(cat /run/stowage/supervise.pid 2>/dev/null) &&
  grep -qs stowaged "/proc/$pid/cmdline" && say supervisor "$pid"
for d in $DIRS; do
  if [ ! -d "$d" ]; then say dir "$d absent"
  elif [ "$(ls -A "$d")" ]; then say dir "$d used"
  else say dir "$d empty $(stat -c %a "$d")"; fi
done
for s in $SYSCTLS; do
  f=/proc/sys/$(echo "$s" | tr . /)
  [ -r "$f" ] && say sysctl "$s $(cat "$f")"
done
say manifest below
cat /var/lib/stowage/install.json 2>/dev/null
exit 0
