// Package bootstrap turns a bare host into a node and back: pre-flight, packages,
// the agent and its unit, keys. Every step is idempotent and can be repeated after
// a crash at any point; what it installs is recorded on the host before it is done.
package bootstrap

import (
	"time"
)

// Options of Prepare.
type Options struct {
	// Stowaged gives the path of the stowaged binary for a GOARCH.
	Stowaged func(arch string) (path string, err error)
	// Progress reports what is going on, one short clause; may be nil.
	Progress func(string)
	// LockWait bounds the wait for another process that holds the package
	// manager's lock (a fresh machine updates itself at its first boot); default 5 min.
	LockWait time.Duration
}

func (o Options) withDefaults() Options {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.LockWait <= 0 {
		o.LockWait = 5 * time.Minute
	}
	return o
}

// LogDir holds the logs of hosts without systemd.
const LogDir = "/var/log/stowage"

// sysctlFile makes our kernel settings last over a reboot.
const sysctlFile = "/etc/sysctl.d/90-stowage.conf"

// sysctls are the kernel settings that a node needs: pods reach other hosts
// only through a host that forwards.
var sysctls = map[string]string{"net.ipv4.ip_forward": "1"}

// Systemd is api.NodeFacts.Init of a host that systemd runs.
const systemd = "systemd"
