package network

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// table is the one nftables table of a node:
//
//	map tcp_ports, udp_ports { host port : pod address . pod port }
//	chain prerouting, output  { dnat of what goes to an address of this host }
//	chain postrouting         { masquerade: egress, hairpins, 127.0.0.1 }
//	chain input               { keeps pods away from the host's loopback }
//
// The rules are few and never change; a host port is one map element.
type table struct {
	name string
	t    *nftables.Table
	maps map[string]*nftables.Set // by protocol
	// rules counts the rules of each chain.
	rules map[string]int
}

var protocols = map[string]byte{"tcp": unix.IPPROTO_TCP, "udp": unix.IPPROTO_UDP}

// layTable puts the table in place in one transaction. The elements of an
// earlier one are kept; one of another shape is replaced.
func layTable(o Options, cidr netip.Prefix) (*table, error) {
	t := newTable(o.Table)
	err := t.lay(o, cidr, false)
	if errors.Is(err, unix.EEXIST) || errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) {
		t = newTable(o.Table)
		err = t.lay(o, cidr, true)
	}
	if err != nil {
		return nil, fmt.Errorf("nftables table %s: %w", o.Table, err)
	}
	return t, nil
}

func newTable(name string) *table {
	t := &table{name: name, t: &nftables.Table{Family: nftables.TableFamilyIPv4, Name: name}, maps: map[string]*nftables.Set{}, rules: map[string]int{}}
	for proto := range protocols {
		t.maps[proto] = &nftables.Set{
			Table: t.t, Name: proto + "_ports", IsMap: true,
			KeyType:  nftables.TypeInetService,
			DataType: nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeInetService),
		}
	}
	return t
}

func (t *table) lay(o Options, cidr netip.Prefix, replace bool) error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	c.AddTable(t.t)
	if replace {
		c.DelTable(t.t)
		c.AddTable(t.t)
	}
	for _, m := range t.maps {
		if err := c.AddSet(m, nil); err != nil {
			return err
		}
	}
	for _, ch := range chains(o, cidr, t) {
		ch.chain.Table = t.t
		c.AddChain(ch.chain)
		c.FlushChain(ch.chain)
		t.rules[ch.chain.Name] = len(ch.rules)
		for _, r := range ch.rules {
			c.AddRule(&nftables.Rule{Table: t.t, Chain: ch.chain, Exprs: r})
		}
	}
	return c.Flush()
}

// read returns the host ports that the kernel has.
func (t *table) read() (map[portKey]target, error) {
	c, err := nftables.New()
	if err != nil {
		return nil, err
	}
	now := map[portKey]target{}
	for proto, m := range t.maps {
		elements, err := c.GetSetElements(m)
		if err != nil {
			return nil, fmt.Errorf("read map %s: %w", m.Name, err)
		}
		for _, e := range elements {
			if len(e.Key) < 2 || len(e.Val) < 6 {
				return nil, fmt.Errorf("map %s has an element of %d and %d bytes", m.Name, len(e.Key), len(e.Val))
			}
			ip, _ := netip.AddrFromSlice(e.Val[:4])
			now[portKey{proto, be16(e.Key)}] = target{ip, be16(e.Val[4:])}
		}
	}
	return now, nil
}

// complete is whether the kernel has all of the table's chains with their rules.
func (t *table) complete() bool {
	c, err := nftables.New()
	if err != nil {
		return false
	}
	for name, want := range t.rules {
		rules, err := c.GetRules(t.t, &nftables.Chain{Name: name, Table: t.t})
		if err != nil || len(rules) != want {
			return false
		}
	}
	return true
}

// update removes and adds elements in one transaction.
func (t *table) update(add, del map[portKey]target) error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	for proto, m := range t.maps {
		if e := elements(del, proto); len(e) > 0 {
			if err := c.SetDeleteElements(m, e); err != nil {
				return err
			}
		}
		if e := elements(add, proto); len(e) > 0 {
			if err := c.SetAddElements(m, e); err != nil {
				return err
			}
		}
	}
	return c.Flush()
}

func elements(from map[portKey]target, proto string) []nftables.SetElement {
	var out []nftables.SetElement
	for k, v := range from {
		if k.protocol == proto {
			out = append(out, element(k, v))
		}
	}
	return out
}

func be16(b []byte) uint16 { return uint16(b[0])<<8 | uint16(b[1]) }

// removeTable deletes the table of the name, if there is one.
func removeTable(name string) error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	t := &nftables.Table{Family: nftables.TableFamilyIPv4, Name: name}
	c.AddTable(t) // so that deleting an absent one is no error
	c.DelTable(t)
	return c.Flush()
}

// dropPolicies names the forward chains of other tables that drop by policy.
func dropPolicies(own string) []string {
	c, err := nftables.New()
	if err != nil {
		return nil
	}
	list, err := c.ListChains()
	if err != nil {
		return nil
	}
	var out []string
	for _, ch := range list {
		ours := ch.Table.Name == own && ch.Table.Family == nftables.TableFamilyIPv4
		forward := ch.Hooknum != nil && *ch.Hooknum == *nftables.ChainHookForward
		if !ours && forward && ch.Policy != nil && *ch.Policy == nftables.ChainPolicyDrop &&
			(ch.Table.Family == nftables.TableFamilyIPv4 || ch.Table.Family == nftables.TableFamilyINet) {
			out = append(out, fmt.Sprintf("the host's firewall chain %q of table %q drops forwarded packets by policy, "+
				"so pods can be reached from this host only and have no way out: let it accept what comes from and goes to the bridge", ch.Name, ch.Table.Name))
		}
	}
	return out
}
