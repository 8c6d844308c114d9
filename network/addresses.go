package network

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sort"
	"sync"
)

// addresses gives each pod one address of a range. An address that is taken is
// a file named for it that holds the pod's ID: the file system makes it
// impossible to give it twice, and it outlives crashes and reboots.
type addresses struct {
	dir  string
	cidr netip.Prefix

	mu    sync.Mutex
	byID  map[string]netip.Addr
	byIP  map[netip.Addr]string
	after netip.Addr // the search for a free one begins behind it, so that a freed one rests
}

func loadAddresses(dir string, cidr netip.Prefix) (*addresses, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	a := &addresses{dir: dir, cidr: cidr, byID: map[string]netip.Addr{}, byIP: map[netip.Addr]string{}, after: gateway(cidr)}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		ip, err := netip.ParseAddr(e.Name())
		if err != nil { // an unfinished temporary file
			_ = os.Remove(filepath.Join(dir, e.Name()))
			continue
		}
		id, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		if !cidr.Contains(ip) {
			return nil, fmt.Errorf("pod %s still has %s, which is not in this node's range %s: remove its pods before giving the node another range", id, ip, cidr)
		}
		a.byID[string(id)], a.byIP[ip] = ip, string(id)
		if a.after.Less(ip) {
			a.after = ip
		}
	}
	return a, nil
}

// take returns the pod's address, giving it the next free one if it has none.
func (a *addresses) take(id string) (netip.Addr, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ip, ok := a.byID[id]; ok {
		return ip, nil
	}
	first, last := gateway(a.cidr).Next(), broadcast(a.cidr)
	ip := a.after.Next()
	for range 1 << (32 - a.cidr.Bits()) {
		if !ip.IsValid() || !ip.Less(last) || ip.Less(first) {
			ip = first
		}
		if _, taken := a.byIP[ip]; !taken {
			if err := a.record(ip, id); err != nil {
				return netip.Addr{}, err
			}
			a.byID[id], a.byIP[ip], a.after = ip, id, ip
			return ip, nil
		}
		ip = ip.Next()
	}
	return netip.Addr{}, fmt.Errorf("no free address left for pod %s: all %d of %s are taken", id, len(a.byIP), a.cidr)
}

// record makes the file of an address appear with its whole content or not at all.
func (a *addresses) record(ip netip.Addr, id string) error {
	f, err := os.CreateTemp(a.dir, "new-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(id)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), filepath.Join(a.dir, ip.String())); err != nil {
		return err
	}
	return syncDir(a.dir)
}

func (a *addresses) release(id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	ip, ok := a.byID[id]
	if !ok {
		return nil
	}
	if err := os.Remove(filepath.Join(a.dir, ip.String())); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	delete(a.byID, id)
	delete(a.byIP, ip)
	return nil
}

func (a *addresses) owner(ip netip.Addr) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.byIP[ip]
}

func (a *addresses) owners() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	ids := make([]string, 0, len(a.byID))
	for id := range a.byID {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	return ids
}

// gateway is the first address of a range, the bridge's own.
func gateway(cidr netip.Prefix) netip.Addr { return cidr.Masked().Addr().Next() }

func broadcast(cidr netip.Prefix) netip.Addr {
	b := cidr.Masked().Addr().As4()
	host := uint32(1)<<(32-cidr.Bits()) - 1
	for i := range b {
		b[i] |= byte(host >> (8 * (3 - i)))
	}
	return netip.AddrFrom4(b)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
