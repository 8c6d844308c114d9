package network

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"github.com/google/nftables"
)

// HostPort leads from a port of the host to one of a pod.
type HostPort struct {
	Protocol string // tcp or udp
	Host     uint16
	Pod      uint16
}

// PortTakenError says that a host port cannot be given to a pod.
type PortTakenError struct {
	Port   HostPort
	Holder string // "pod web-0" or "nginx (pid 812)"
}

func (e *PortTakenError) Error() string {
	return fmt.Sprintf("host port %d/%s is held by %s: free it or choose another port", e.Port.Host, e.Port.Protocol, e.Holder)
}

// portKey is a host port, target where it leads.
type portKey struct {
	protocol string
	port     uint16
}

type target struct {
	ip   netip.Addr
	port uint16
}

// ports keeps the kernel's maps of host ports and a copy of them.
type ports struct {
	mu        sync.Mutex
	table     *table
	addresses *addresses
	now       map[portKey]target
}

func openPorts(o Options, cidr netip.Prefix, a *addresses) (*ports, error) {
	t, err := layTable(o, cidr)
	if err != nil {
		return nil, err
	}
	now, err := t.read()
	if err != nil {
		return nil, err
	}
	return &ports{table: t, addresses: a, now: now}, nil
}

// publish makes want the host ports of the pod id at ip.
func (p *ports) publish(id string, ip netip.Addr, want []HostPort) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	add, del := map[portKey]target{}, map[portKey]target{}
	for k, t := range p.now {
		if p.addresses.owner(t.ip) == id {
			del[k] = t
		}
	}
	for _, hp := range want {
		k, t := portKey{hp.Protocol, hp.Host}, target{ip, hp.Pod}
		if del[k] == t {
			delete(del, k)
			continue
		}
		if err := p.free(id, hp, k); err != nil {
			return err
		}
		add[k] = t
	}
	return p.change(add, del)
}

// free says who holds a host port, as an error, unless it is nobody or the pod itself.
func (p *ports) free(id string, hp HostPort, k portKey) error {
	if t, ok := p.now[k]; ok {
		switch owner := p.addresses.owner(t.ip); owner {
		case id, "":
			return nil
		default:
			return &PortTakenError{Port: hp, Holder: "pod " + owner}
		}
	}
	holder, err := listener(hp.Protocol, hp.Host)
	if err != nil {
		return err
	}
	if holder != "" {
		return &PortTakenError{Port: hp, Holder: holder}
	}
	return nil
}

// dropForeign withdraws ports that lead to an address nobody has.
func (p *ports) dropForeign() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	del := map[portKey]target{}
	for k, t := range p.now {
		if p.addresses.owner(t.ip) == "" {
			del[k] = t
		}
	}
	return p.change(nil, del)
}

// heal lays the table again, with its elements, if it is not as it should be.
func (p *ports) heal(o Options, cidr netip.Prefix) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	there, err := p.table.read()
	if err == nil && maps.Equal(there, p.now) && p.table.complete() {
		return false, nil
	}
	t, err := layTable(o, cidr)
	if err != nil {
		return false, err
	}
	if there, err = t.read(); err != nil {
		return false, err
	}
	add, del := map[portKey]target{}, map[portKey]target{}
	for k, v := range p.now {
		if there[k] != v {
			add[k] = v
		}
	}
	for k, v := range there {
		if p.now[k] != v {
			del[k] = v
		}
	}
	p.table = t
	return true, t.update(add, del)
}

// change applies a difference in one transaction.
func (p *ports) change(add, del map[portKey]target) error {
	if len(add) == 0 && len(del) == 0 {
		return nil
	}
	for k := range add { // an element's value cannot be changed in place
		if old, ok := p.now[k]; ok {
			del[k] = old
		}
	}
	if err := p.table.update(add, del); err != nil {
		return fmt.Errorf("nftables table %s: %w", p.table.name, err)
	}
	var udp []uint16
	for k := range del {
		delete(p.now, k)
		udp = appendUDP(udp, k)
	}
	for k, t := range add {
		p.now[k] = t
		udp = appendUDP(udp, k)
	}
	forgetFlows(udp)
	return nil
}

func appendUDP(to []uint16, k portKey) []uint16 {
	if k.protocol == "udp" && !slices.Contains(to, k.port) {
		return append(to, k.port)
	}
	return to
}

func element(k portKey, t target) nftables.SetElement {
	ip := t.ip.As4()
	return nftables.SetElement{
		Key: []byte{byte(k.port >> 8), byte(k.port)},
		Val: []byte{ip[0], ip[1], ip[2], ip[3], byte(t.port >> 8), byte(t.port), 0, 0},
	}
}
