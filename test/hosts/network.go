package hosts

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// networkUp makes the lab's bridge and its nftables.
//
// The ip table gives the hosts the way out (masquerading, and a segment size
// that fits an uplink with a small MTU) and keeps the labs apart. The bridge
// table is the switch: "cut" holds ports that pass nothing, "apart" holds pairs
// of ports that do not hear each other.
func networkUp(ctx context.Context, s slot) error {
	_, err := runInput(ctx, fmt.Sprintf(`
link add %[1]s type bridge
addr add %[2]s/24 dev %[1]s
link set %[1]s up
`, s.bridge(), s.gateway()), "ip", "-batch", "-")
	if err != nil {
		return err
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/conf/"+s.bridge()+"/forwarding", []byte("1"), 0); err != nil {
		return err
	}
	_, err = runInput(ctx, fmt.Sprintf(`
table ip %[1]s {
	chain way_out {
		type nat hook postrouting priority srcnat;
		ip saddr %[2]s oifname != "sth*" masquerade
	}
	chain forward {
		type filter hook forward priority filter;
		iifname "%[1]s" oifname != "%[1]s" oifname "sth*" drop
		iifname "%[1]s" oifname != "%[1]s" tcp flags syn tcp option maxseg size set rt mtu
		iifname != "%[1]s" oifname "%[1]s" tcp flags syn tcp option maxseg size set rt mtu
	}
}
table bridge %[1]s {
	set cut { type ifname; }
	set apart { type ifname . ifname; }
	chain in {
		type filter hook prerouting priority filter;
		iifname @cut drop
	}
	chain between {
		type filter hook forward priority filter;
		iifname . oifname @apart drop
	}
	chain out {
		type filter hook postrouting priority filter;
		oifname @cut drop
	}
}
`, s.table(), s.subnet()), "nft", "-f", "-")
	return err
}

// networkDown removes everything that networkUp and plug made, whatever of it
// exists.
func networkDown(ctx context.Context, s slot) error {
	namespaces, err := namespacesOf(s)
	if err != nil {
		return err
	}
	links, err := linksOf(s)
	if err != nil {
		return err
	}
	for _, link := range links {
		if err := deleteLink(ctx, link); err != nil {
			return err
		}
	}
	for _, name := range namespaces {
		if _, err := run(ctx, "ip", "netns", "delete", name); err != nil {
			return err
		}
	}
	tables, err := tablesOf(ctx, s)
	if err != nil {
		return err
	}
	for _, table := range tables {
		if _, err := run(ctx, "nft", "delete "+table); err != nil {
			return err
		}
	}
	return nil
}

// plug gives a host a fresh network namespace with eth0, its address and the
// default route, as a machine has it after power-on.
func plug(ctx context.Context, s slot, host int) error {
	namespace, port := s.machine(host), s.port(host)
	_, err := runInput(ctx, fmt.Sprintf(`
netns add %[1]s
link add %[2]s type veth peer name eth0 address %[3]s netns %[1]s
link set %[2]s master %[4]s up
`, namespace, port, s.mac(host), s.bridge()), "ip", "-batch", "-")
	if err != nil {
		return err
	}
	_, err = runInput(ctx, fmt.Sprintf(`
link set lo up
addr add %s/24 dev eth0
link set eth0 up
route add default via %s
`, s.addr(host), s.gateway()), "ip", "-netns", namespace, "-batch", "-")
	return err
}

// unplug takes a host off the network at once; what it still sends is lost.
func unplug(ctx context.Context, s slot, host int) error {
	return deleteLink(ctx, s.port(host))
}

// deleteLink removes an interface if it exists. The kernel may do so at the
// same moment, as it removes the network namespace of a host that ended.
func deleteLink(ctx context.Context, name string) error {
	path := "/sys/class/net/" + name
	if !exists(path) {
		return nil
	}
	if _, err := run(ctx, "ip", "link", "delete", name); err != nil && exists(path) {
		return err
	}
	return nil
}

// dropNamespace removes the network namespace of a host that runs no more.
func dropNamespace(ctx context.Context, s slot, host int) error {
	if name := s.machine(host); exists("/run/netns/" + name) {
		if _, err := run(ctx, "ip", "netns", "delete", name); err != nil {
			return err
		}
	}
	return nil
}

// linksOf lists the lab's interfaces in the machine's namespace.
func linksOf(s slot) ([]string, error) {
	ports, err := filepath.Glob("/sys/class/net/" + s.prefix() + "h*")
	if err != nil {
		return nil, err
	}
	if bridge := "/sys/class/net/" + s.bridge(); exists(bridge) {
		ports = append(ports, bridge)
	}
	return bases(ports), nil
}

func namespacesOf(s slot) ([]string, error) {
	paths, err := filepath.Glob("/run/netns/" + s.prefix() + "-*")
	return bases(paths), err
}

// tablesOf lists the lab's nftables, as "table ip sth1".
func tablesOf(ctx context.Context, s slot) ([]string, error) {
	out, err := run(ctx, "nft", "list tables")
	if err != nil {
		return nil, err
	}
	var tables []string
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[2] == s.table() {
			tables = append(tables, strings.TrimSpace(line))
		}
	}
	return tables, nil
}

func bases(paths []string) []string {
	var names []string
	for _, path := range paths {
		names = append(names, filepath.Base(path))
	}
	return names
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
