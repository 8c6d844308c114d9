#!/bin/sh
# Builds the root filesystem of a test host. Runs in its own mount and PID
# namespace, so that an interrupted build leaves no mount and no process.
#
#   base.sh bare  DIR MIRROR SECURITY   debootstrap into DIR
#   base.sh ready DIR                   add containerd to DIR, a copy of bare
#
# The text of this script is part of the cache key: edit it and the next use
# builds anew.
set -eu
umask 022
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
suite=bookworm
runtime="containerd runc containernetworking-plugins conntrack"

variant=$1 dir=$2

in_base() {
	chroot "$dir" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"
}

# mounts gives package scripts what they expect; the namespace takes it away.
mounts() {
	mount -t proc proc "$dir/proc"
	cp -L /etc/resolv.conf "$dir/etc/resolv.conf"
}

bare() {
	mirror=$1 security=$2
	debootstrap --variant=minbase \
		--include=systemd,systemd-sysv,dbus,openssh-server,iproute2,nftables,ca-certificates,iputils-ping,procps,kmod,sudo \
		"$suite" "$dir" "$mirror"
	mounts

	# apt: the machine's mirrors and proxy. dpkg: no fsync per file, as the
	# disk of a test host is thrown away.
	rm -f "$dir/etc/apt/sources.list"
	cat >"$dir/etc/apt/sources.list.d/debian.sources" <<-END
		Types: deb
		URIs: $mirror
		Suites: $suite $suite-updates
		Components: main
		Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

		Types: deb
		URIs: $security
		Suites: $suite-security
		Components: main
		Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
	END
	apt-config dump | grep -Ei '^Acquire::https?::[^ ]*proxy' >"$dir/etc/apt/apt.conf.d/80machine-proxy" || true
	echo force-unsafe-io >"$dir/etc/dpkg/dpkg.cfg.d/unsafe-io"

	# The lists are fresh and the runtime's packages are in apt's archive
	# cache: a bootstrap still runs a real "apt-get install", without the wait.
	in_base apt-get -q update
	in_base apt-get -qy upgrade
	in_base apt-get clean
	in_base apt-get -qy install --no-install-recommends --download-only $runtime

	# Users: deploy may sudo, nosudo may not. Their keys come with each lab.
	for user in deploy nosudo; do
		in_base useradd --create-home --shell /bin/bash "$user"
		in_base passwd -q -d "$user"
		in_base usermod -p '*' "$user"
	done
	echo 'deploy ALL=(ALL) NOPASSWD: ALL' >"$dir/etc/sudoers.d/deploy"
	chmod 0440 "$dir/etc/sudoers.d/deploy"

	# Nothing here may be shared by two hosts.
	rm -f "$dir"/etc/ssh/ssh_host_*
	: >"$dir/etc/machine-id"
	rm -f "$dir/var/lib/dbus/machine-id" "$dir/var/lib/systemd/random-seed" "$dir/etc/hostname" "$dir/etc/resolv.conf"
	echo 'HostKey /etc/ssh/ssh_host_ed25519_key' >"$dir/etc/ssh/sshd_config.d/hostkey.conf"

	# nspawn mounts the cgroup v1 controllers read-only; a real host has them
	# writable. On cgroup v2 there is nothing to do.
	cat >"$dir/etc/systemd/system/cgroup-writable.service" <<-'END'
		[Unit]
		Description=Remount the cgroup v1 controllers read-write
		DefaultDependencies=no
		Before=sysinit.target
		ConditionPathIsDirectory=/sys/fs/cgroup/memory

		[Service]
		Type=oneshot
		RemainAfterExit=yes
		ExecStart=/bin/sh -c 'for d in /sys/fs/cgroup/*/; do mount -o remount,rw,bind "$d" || :; done'

		[Install]
		WantedBy=sysinit.target
	END
	in_base systemctl -q enable ssh.service cgroup-writable.service
	# No console to log in at, no devices to find, nothing to do by the clock;
	# and nothing that would change the machine, whose kernel it is.
	in_base systemctl -q mask console-getty.service getty@tty1.service \
		systemd-udevd.service systemd-udev-trigger.service systemd-firstboot.service \
		apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
		systemd-pstore.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount \
		sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount
	for file in "$dir"/usr/lib/sysctl.d/*.conf; do
		ln -s /dev/null "$dir/etc/sysctl.d/${file##*/}"
	done
	mkdir -p "$dir/var/log/journal"
}

ready() {
	mounts
	in_base apt-get -qy install --no-install-recommends $runtime
	rm -f "$dir/etc/resolv.conf"
}

shift 2
"$variant" "$@"
sync -f "$dir" || true
