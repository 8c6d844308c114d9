package hosts

import (
	"fmt"
	"path/filepath"
	"strconv"
)

// Where labs keep what they need.
const (
	runDir   = "/run/stowage-hosts"       // locks, and what to restore on the machine
	labsDir  = "/var/lib/stowage-hosts"   // one directory per lab
	cacheDir = "/var/cache/stowage-hosts" // base images
)

// maxSlot bounds the numbers of labs: the third byte of their subnets.
const maxSlot = 250

// slot is the number of a lab. Every name that a lab gives to something on the
// machine derives from it, so that a lab can be removed by anyone who knows
// only the number.
type slot int

// prefix starts the names of all interfaces, namespaces, cgroups and tables.
func (s slot) prefix() string { return "sth" + strconv.Itoa(int(s)) }

func (s slot) bridge() string { return s.prefix() }
func (s slot) table() string  { return s.prefix() }
func (s slot) dir() string    { return filepath.Join(labsDir, strconv.Itoa(int(s))) }
func (s slot) lock() string   { return filepath.Join(runDir, strconv.Itoa(int(s))+".lock") }
func (s slot) subnet() string { return fmt.Sprintf("10.77.%d.0/24", s) }

// gateway is the machine's address in the lab.
func (s slot) gateway() string { return fmt.Sprintf("10.77.%d.1", s) }

func (s slot) addr(host int) string { return fmt.Sprintf("10.77.%d.%d", s, 10+host) }

// port is the machine's end of a host's network cable.
func (s slot) port(host int) string { return fmt.Sprintf("%sh%d", s.prefix(), host) }

// machine names a host where the whole machine can see the name: its network
// namespace, its cgroups, its nspawn machine name.
func (s slot) machine(host int) string { return fmt.Sprintf("%s-h%d", s.prefix(), host) }

// mac is the hardware address of a host's eth0: the same at every boot, as a
// real network card's.
func (s slot) mac(host int) string { return fmt.Sprintf("02:77:00:%02x:00:%02x", int(s), host) }
