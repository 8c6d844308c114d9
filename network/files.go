package network

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// Files are the paths of a pod's own /etc files.
type Files struct{ Hostname, Hosts, Resolv string }

// WriteFiles writes a pod's hostname, hosts and resolv.conf below dir.
func WriteFiles(dir, hostname string, ip netip.Addr) (Files, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Files{}, err
	}
	f := Files{filepath.Join(dir, "hostname"), filepath.Join(dir, "hosts"), filepath.Join(dir, "resolv.conf")}
	hosts := fmt.Sprintf("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n%s\t%s\n", ip, hostname)
	return f, errors.Join(
		os.WriteFile(f.Hostname, []byte(hostname+"\n"), 0o644),
		os.WriteFile(f.Hosts, []byte(hosts), 0o644),
		os.WriteFile(f.Resolv, hostResolvConf("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"), 0o644),
	)
}

// hostResolvConf is the first of the files that names a server a pod can reach.
// A stub on the host's loopback (systemd-resolved, dnsmasq) is none: the pod has
// a loopback of its own.
func hostResolvConf(paths ...string) []byte {
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			continue
		}
		if out, servers := withoutLoopback(b); servers > 0 {
			return out
		}
	}
	return []byte("# the host names no DNS server that a pod could reach\n")
}

// withoutLoopback drops name servers on loopback addresses and counts the rest.
func withoutLoopback(conf []byte) (out []byte, servers int) {
	for line := range bytes.Lines(conf) {
		f := strings.Fields(string(line))
		if len(f) >= 2 && f[0] == "nameserver" {
			if ip, err := netip.ParseAddr(f[1]); err != nil || ip.IsLoopback() {
				continue
			}
			servers++
		}
		out = append(out, line...)
	}
	return out, servers
}
