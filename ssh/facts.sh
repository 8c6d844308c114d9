# Prints what a host is, one "key value" per line. Read-only; any sh, any awk.
say() { printf '%s %s\n' "$1" "$2"; }
first() { [ -r "$1" ] && { IFS= read -r line < "$1" || [ "$line" ]; } && printf '%s' "$line"; }
have() { command -v "$1" >/dev/null 2>&1; }

say clock "$(date +%s)"
say uid "$(id -u)"
say hostname "$(first /proc/sys/kernel/hostname)"
say machine_id "$(first /etc/machine-id)"
for f in /etc/os-release /usr/lib/os-release; do
  [ -r "$f" ] || continue
  (. "$f"; say os "$ID"; say os_version "$VERSION_ID"; say os_name "$PRETTY_NAME")
  break
done
say system "$(uname -s)"
say machine "$(uname -m)"
say kernel "$(uname -r)"
say cpus "$(nproc 2>/dev/null || grep -c ^processor /proc/cpuinfo)"
awk '/^MemTotal:/ {print "memory_kib", $2}' /proc/meminfo

free() { # key, directory that may not exist yet
  d=$2
  while [ ! -d "$d" ]; do d=$(dirname "$d"); done
  df -Pk "$d" 2>/dev/null | awk -v key="$1" 'NR==2 {print key, $4}'
}
free disk_root /
free disk_lib /var/lib
free disk_data /var/lib/stowage
free disk_containerd /var/lib/containerd
free disk_bin /usr/local/bin

cgroup=none
case $(stat -f -c %T /sys/fs/cgroup 2>/dev/null) in
  cgroup2fs) cgroup=v2 ;;
  *) if [ -d /sys/fs/cgroup/memory ]; then
       cgroup=v1
       [ "$(stat -f -c %T /sys/fs/cgroup/unified 2>/dev/null)" = cgroup2fs ] && cgroup=hybrid
     fi ;;
esac
say cgroup $cgroup
if [ $cgroup = v2 ]; then
  for c in $(first /sys/fs/cgroup/cgroup.controllers); do say controller "$c"; done
else
  awk '$2 !~ /subsys/ && $4 == 1 {print "controller", $1}' /proc/cgroups 2>/dev/null
fi

if [ -d /run/systemd/system ]; then say init systemd
elif have rc-service && [ -d /run/openrc ]; then say init openrc
else say init none; fi
for t in apt-get dnf apk; do have $t && { say package_tool ${t%-get}; break; }; done

have containerd && say containerd "$(containerd --version 2>/dev/null | awk '{print $3; exit}')"
have runc && say runc "$(runc --version 2>/dev/null | awk '{print $3; exit}')"
[ -f /usr/local/bin/stowaged ] && say stowaged "$(sha256sum /usr/local/bin/stowaged | cut -d' ' -f1)"
[ -r /etc/stowage/node.json ] && say node "$(tr -d '\n' < /etc/stowage/node.json)"

# Kernel features: loaded, loadable, or by name in the kernel's symbols or its configuration.
r=$(uname -r)
symbols=$(grep -oE ' (ovl_fill_super|veth_newlink|br_dev_setup|nf_tables_newtable|tun_chr_open|vxlan_newlink|wg_newlink)([[:space:]]|$)' /proc/kallsyms 2>/dev/null)
config=
for f in /proc/config.gz "/boot/config-$r" "/lib/modules/$r/config"; do
  [ -r "$f" ] || continue
  case $f in *.gz) config=$(gzip -dc "$f" 2>/dev/null) ;; *) config=$(cat "$f") ;; esac
  break
done
feature() { # name, module, symbol, option
  if [ -d "/sys/module/$2" ]; then say feature "$1 yes"
  elif case $symbols in *" $3"*) true ;; *) false ;; esac; then say feature "$1 yes"
  elif grep -qsE "/$2\.ko" "/lib/modules/$r/modules.builtin" "/lib/modules/$r/modules.dep"; then say feature "$1 yes"
  elif [ "$config" ]; then
    case $config in
      *"CONFIG_$4=y"*|*"CONFIG_$4=m"*) say feature "$1 yes" ;;
      *) say feature "$1 no" ;;
    esac
  else say feature "$1 unknown"; fi
}
feature overlay overlay ovl_fill_super OVERLAY_FS
feature veth veth veth_newlink VETH
feature bridge bridge br_dev_setup BRIDGE
feature nf_tables nf_tables nf_tables_newtable NF_TABLES
feature tun tun tun_chr_open TUN
feature vxlan vxlan vxlan_newlink VXLAN
feature wireguard wireguard wg_newlink WIREGUARD
if [ -e /proc/sys/kernel/seccomp/actions_avail ]; then say feature "seccomp yes"; else say feature "seccomp no"; fi

# What processes have open, in one pass: sockets, and the locks of package managers.
nets=
for f in /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6; do [ -r $f ] && nets="$nets $f"; done
ls -l /proc/[0-9]*/fd 2>/dev/null | awk '
  /^\/proc\// {split($0, p, "/"); pid = p[3]; next}
  / -> socket:\[/ {n = $NF; gsub(/[^0-9]/, "", n); print "fd", n, pid; next}
  $NF ~ /^\/var\/lib\/(dpkg|apt\/lists)\/lock(-frontend)?$/ {print "lock", pid}
' | awk '
  $1 == "fd" {holder[$2] = $3; next}
  $1 == "lock" {if (!locked++) print "lock", 0, $2; next}
  $4 == "0A" && FILENAME ~ /tcp/ || $4 == "07" && FILENAME ~ /udp/ {
    n = split($2, a, ":")
    proto = FILENAME ~ /tcp/ ? "tcp" : "udp"
    pid = ($10 in holder) ? holder[$10] : 0
    print proto, a[n], pid
  }' - $nets | sort -u | while read -r what hex pid; do
  name=
  [ "$pid" != 0 ] && name=$(first "/proc/$pid/comm")
  if [ "$what" = lock ]; then say package_lock "$pid $name"
  else say listen "$what $((0x$hex)) $pid $name"; fi
done
say end ok
