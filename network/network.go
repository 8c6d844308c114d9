// Package network gives pods their addresses on a node: the bridge, a network
// and an IPC namespace per pod, host ports and masquerading in one nftables
// table.
//
// Everything here survives the death of its process: namespaces are pinned by
// bind mounts, addresses are files, host ports live in the kernel. A Network
// that is started again finds what an earlier one made and continues with it.
//
// Host firewalls: nftables lets every base chain of a hook judge a packet, and
// one drop is final. A host that drops forwarded packets by policy (Docker's
// iptables FORWARD chain does) therefore also drops pods' traffic, whatever our
// table accepts; Warnings names such chains.
package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"github.com/vishvananda/netlink"
)

// Options name what belongs to a Network on its host.
type Options struct {
	Bridge  string // e.g. stowage0
	Table   string // nftables table of family ip
	RunDir  string // ns/ and pods' files; lost at a reboot
	DataDir string // network/: addresses and the host's former settings
	// Supernet holds the pods of all nodes; traffic to it is not masqueraded.
	Supernet netip.Prefix
}

// ErrNotStarted is returned before Start has succeeded.
var ErrNotStarted = errors.New("the node has no pod network yet: it waits for its address range from a manager")

// Network is the pod network of one node. Safe for concurrent use.
type Network struct {
	o Options

	mu        sync.Mutex
	started   bool
	cidr      netip.Prefix
	bridge    int // link index
	links     *netlink.Handle
	addresses *addresses
	ports     *ports
	warnings  []string
}

// Pod is one pod's place in the network.
type Pod struct {
	ID  string
	IP  netip.Addr
	Net string // path of the pinned network namespace
	IPC string // path of the pinned IPC namespace
}

// New makes a Network; nothing on the host is touched before Start.
func New(o Options) *Network { return &Network{o: o} }

// Start makes the bridge with the first address of cidr, forwarding, and the
// nftables table, keeping what is there. Calling it again is cheap and repairs
// what is missing; a different cidr is refused while pods have addresses.
func (n *Network) Start(ctx context.Context, cidr netip.Prefix) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	cidr = cidr.Masked()
	if !cidr.Addr().Is4() || cidr.Bits() > 30 {
		return fmt.Errorf("pod address range %s: need an IPv4 range of at least four addresses", cidr)
	}
	if n.started && n.cidr == cidr {
		return nil
	}
	if n.links == nil {
		h, err := netlink.NewHandle()
		if err != nil {
			return fmt.Errorf("netlink: %w", err)
		}
		n.links = h
	}
	var err error
	if n.addresses, err = loadAddresses(filepath.Join(n.o.DataDir, "network", "addresses"), cidr); err != nil {
		return err
	}
	if err := n.enableForwarding(); err != nil {
		return err
	}
	if n.bridge, err = n.ensureBridge(cidr); err != nil {
		return err
	}
	if n.ports, err = openPorts(n.o, cidr, n.addresses); err != nil {
		return err
	}
	n.warnings = dropPolicies(n.o.Table)
	n.cidr, n.started = cidr, true
	return nil
}

// Warnings says what on this host will keep traffic from pods, in full
// sentences; read at Start.
func (n *Network) Warnings() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.warnings
}

// Create gives the pod id its namespaces, address and link, or returns those
// that it has. A half-made pod is completed.
func (n *Network) Create(ctx context.Context, id string) (Pod, error) {
	if err := n.ready(); err != nil {
		return Pod{}, err
	}
	ip, err := n.addresses.take(id)
	if err != nil {
		return Pod{}, err
	}
	p := n.pod(id, ip)
	if err := pinNamespaces(p); err != nil {
		return Pod{}, fmt.Errorf("namespaces of pod %s: %w", id, err)
	}
	if err := n.connect(p); err != nil {
		return Pod{}, fmt.Errorf("network of pod %s: %w", id, err)
	}
	return p, nil
}

// Reset removes the pod's namespaces but keeps its address, so that the next
// Create starts afresh under the same one.
func (n *Network) Reset(id string) error {
	if err := n.ready(); err != nil {
		return err
	}
	err := unpinNamespaces(n.nsDir(id))
	if l, lerr := n.links.LinkByName(n.hostLink(id)); lerr == nil {
		// The namespace takes its end of the link with it, but only when the last
		// process in it is gone, and a moment later.
		_ = n.links.LinkDel(l)
	}
	return err
}

// Delete withdraws the pod's host ports, then removes its namespaces, link and address.
func (n *Network) Delete(id string) error {
	if err := n.ready(); err != nil {
		return err
	}
	return errors.Join(n.ports.publish(id, netip.Addr{}, nil), n.Reset(id), n.addresses.release(id))
}

// Publish makes exactly these host ports lead to the pod, in one transaction
// that touches nothing else. A port that another pod or a process of the host
// holds is a *PortTakenError, and nothing is changed then.
func (n *Network) Publish(p Pod, want []HostPort) error {
	if err := n.ready(); err != nil {
		return err
	}
	return n.ports.publish(p.ID, p.IP, want)
}

// Retain removes the namespaces, addresses and host ports of every pod but those in ids.
func (n *Network) Retain(ids map[string]bool) error {
	if err := n.ready(); err != nil {
		return err
	}
	found := map[string]bool{}
	for _, id := range n.addresses.owners() {
		found[id] = true
	}
	entries, err := os.ReadDir(filepath.Join(n.o.RunDir, "ns"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		found[e.Name()] = true
	}
	errs := []error{n.ports.dropForeign()}
	for id := range found {
		if !ids[id] {
			errs = append(errs, n.Delete(id))
		}
	}
	return errors.Join(errs...)
}

// Heal puts back what others have removed of the bridge and the table, as a
// firewall's reload does that begins with "flush ruleset"; it returns whether
// there was anything to do. It costs two reads of the kernel's maps.
func (n *Network) Heal(ctx context.Context) (healed bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.started {
		return false, nil
	}
	if _, err := n.links.LinkByIndex(n.bridge); err != nil {
		if n.bridge, err = n.ensureBridge(n.cidr); err != nil {
			return false, err
		}
		healed = true
		for _, id := range n.addresses.owners() {
			if l, err := n.links.LinkByName(n.hostLink(id)); err == nil {
				if err := n.links.LinkSetMasterByIndex(l, n.bridge); err != nil {
					return healed, fmt.Errorf("put pod %s on the bridge again: %w", id, err)
				}
			}
		}
	}
	lost, err := n.ports.heal(n.o, n.cidr)
	return healed || lost, err
}

func (n *Network) pod(id string, ip netip.Addr) Pod {
	dir := n.nsDir(id)
	return Pod{ID: id, IP: ip, Net: filepath.Join(dir, "net"), IPC: filepath.Join(dir, "ipc")}
}

func (n *Network) nsDir(id string) string { return filepath.Join(n.o.RunDir, "ns", id) }

func (n *Network) bridgeIndex() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.bridge
}

func (n *Network) ready() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.started {
		return ErrNotStarted
	}
	return nil
}
