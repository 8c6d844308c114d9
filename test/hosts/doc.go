// Package hosts boots real Debian hosts on this machine, each in about a
// second: systemd as PID 1, its own sshd, address, cgroups and disk, made only
// from Debian packages. Everything of Stowage that touches SSH, containerd, the
// kernel or the network is tested on them.
//
// A [Lab] is a set of hosts on one bridge. Labs are independent of each other:
// every lab claims a number, and its subnet (10.77.<number>.0/24), interfaces,
// namespaces, cgroups and directory carry that number, so that test packages
// may run side by side. Hosts reach each other, the machine and, through it,
// the Internet; they do not reach the hosts of another lab.
//
// What a host shares with the machine: the kernel, the clock, the amount of
// memory and CPUs it sees, and the sysctls that no namespace covers. What it
// does not keep in a power cut: everything but its disk. Data that was written
// but not synced does survive a cut, because the machine's page cache lives on.
//
// Booting hosts needs root. What is missing on the machine (debootstrap,
// systemd-nspawn, nft) is installed with apt by [Prepare], which every lab
// calls.
package hosts
