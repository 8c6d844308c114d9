package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
)

const forwardSysctl = "/proc/sys/net/ipv4/ip_forward"

// formerForward keeps the host's ip_forward from before the first Start.
func (o Options) formerForward() string { return filepath.Join(o.DataDir, "network", "ip_forward") }

// enableForwarding turns IPv4 forwarding on, and notes once what it was.
func (n *Network) enableForwarding() error {
	was, err := os.ReadFile(forwardSysctl)
	if err != nil {
		return err
	}
	note := n.o.formerForward()
	if _, err := os.Stat(note); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(note, was, 0o600); err != nil {
			return err
		}
	}
	if strings.TrimSpace(string(was)) == "1" {
		return nil
	}
	if err := os.WriteFile(forwardSysctl, []byte("1"), 0o644); err != nil {
		return fmt.Errorf("enable IPv4 forwarding: %w", err)
	}
	return nil
}

// restoreForwarding puts ip_forward back if it was off before.
func (o Options) restoreForwarding() error {
	was, err := os.ReadFile(o.formerForward())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(was)) == "0" {
		return os.WriteFile(forwardSysctl, []byte("0"), 0o644)
	}
	return nil
}

// ensureBridge makes the bridge with the gateway's address and returns its index.
func (n *Network) ensureBridge(cidr netip.Prefix) (int, error) {
	gw := gateway(cidr)
	link, err := n.links.LinkByName(n.o.Bridge)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		// A fixed hardware address: otherwise the bridge takes the lowest of its
		// ports, and changing it under running pods breaks their ARP entries.
		br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: n.o.Bridge, HardwareAddr: hardwareAddr(gw)}}
		if err := n.links.LinkAdd(br); err != nil && !errors.Is(err, syscall.EEXIST) {
			return 0, fmt.Errorf("create bridge %s: %w", n.o.Bridge, err)
		}
		link, err = n.links.LinkByName(n.o.Bridge)
	}
	if err != nil {
		return 0, fmt.Errorf("bridge %s: %w", n.o.Bridge, err)
	}
	if link.Type() != "bridge" {
		return 0, fmt.Errorf("the host has a network device %s that is a %s, not our bridge: rename or remove it", n.o.Bridge, link.Type())
	}
	addr := &netlink.Addr{IPNet: ipNet(gw, cidr.Bits())}
	old, err := n.links.AddrList(link, netlink.FAMILY_V4)
	if err != nil {
		return 0, err
	}
	for _, o := range old {
		if o.IPNet.String() != addr.IPNet.String() {
			_ = n.links.AddrDel(link, &o)
		}
	}
	if err := n.links.AddrReplace(link, addr); err != nil {
		return 0, fmt.Errorf("address %s on bridge %s: %w", gw, n.o.Bridge, err)
	}
	if err := n.links.LinkSetUp(link); err != nil {
		return 0, fmt.Errorf("bridge %s up: %w", n.o.Bridge, err)
	}
	// Connections from 127.0.0.1 to a host port leave through the bridge; the
	// table masquerades them and keeps pods away from the host's loopback.
	local := filepath.Join("/proc/sys/net/ipv4/conf", n.o.Bridge, "route_localnet")
	if err := os.WriteFile(local, []byte("1"), 0o644); err != nil {
		return 0, err
	}
	return link.Attrs().Index, nil
}

// hardwareAddr is derived from the address, so that a neighbour's cache entry stays true for its life.
func hardwareAddr(ip netip.Addr) net.HardwareAddr {
	b := ip.As4()
	return net.HardwareAddr{0x0a, 0x58, b[0], b[1], b[2], b[3]}
}

func ipNet(ip netip.Addr, bits int) *net.IPNet {
	return &net.IPNet{IP: ip.AsSlice(), Mask: net.CIDRMask(bits, 32)}
}
