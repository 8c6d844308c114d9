package network

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

type chain struct {
	chain *nftables.Chain
	rules [][]expr.Any
}

// Registers: the 16-byte NFT_REG_1 overlays the 4-byte ones from 8 on, so a
// map's value "address . port" that is looked up into register 1 has its
// address there and its port in the second word.
const (
	reg1     = 1
	regWord2 = 9
)

// chains are all rules of the table.
func chains(o Options, cidr netip.Prefix, t *table) []chain {
	dnat := [][]expr.Any{t.dnat("tcp"), t.dnat("udp")}
	return []chain{
		{base("prerouting", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest), dnat},
		{base("output", nftables.ChainTypeNAT, nftables.ChainHookOutput, nftables.ChainPriorityNATDest), dnat},
		{base("postrouting", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource), [][]expr.Any{
			// A pod that reached a pod of this node by a host port: the answer must come back through us.
			join(out(o.Bridge), source(cidr, true), dnatted(), masquerade()),
			// The host itself, by 127.0.0.1.
			join(out(o.Bridge), source(netip.MustParsePrefix("127.0.0.0/8"), true), masquerade()),
			// Egress.
			join(source(cidr, true), destination(o.Supernet, false), masquerade()),
		}},
		{base("input", nftables.ChainTypeFilter, nftables.ChainHookInput, nftables.ChainPriorityFilter), [][]expr.Any{
			// route_localnet on the bridge would let a pod reach what listens on
			// the host's loopback only.
			join(in(o.Bridge), destination(netip.MustParsePrefix("127.0.0.0/8"), true), newConnection(), drop()),
		}},
	}
}

func base(name string, kind nftables.ChainType, hook *nftables.ChainHook, priority *nftables.ChainPriority) *nftables.Chain {
	policy := nftables.ChainPolicyAccept
	return &nftables.Chain{Name: name, Type: kind, Hooknum: hook, Priority: priority, Policy: &policy}
}

// dnat: fib daddr type local meta l4proto PROTO dnat to tcp dport map @PROTO_ports
func (t *table) dnat(proto string) []expr.Any {
	return []expr.Any{
		&expr.Fib{Register: reg1, FlagDADDR: true, ResultADDRTYPE: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL)},
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: []byte{protocols[proto]}},
		&expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Lookup{SourceRegister: reg1, DestRegister: reg1, IsDestRegSet: true, SetName: t.maps[proto].Name, SetID: t.maps[proto].ID},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: reg1, RegProtoMin: regWord2},
	}
}

func join(parts ...[]expr.Any) []expr.Any {
	var all []expr.Any
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func in(name string) []expr.Any  { return device(expr.MetaKeyIIFNAME, name) }
func out(name string) []expr.Any { return device(expr.MetaKeyOIFNAME, name) }

func device(key expr.MetaKey, name string) []expr.Any {
	b := make([]byte, 16)
	copy(b, name)
	return []expr.Any{&expr.Meta{Key: key, Register: reg1}, &expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: b}}
}

func source(p netip.Prefix, is bool) []expr.Any      { return address(12, p, is) }
func destination(p netip.Prefix, is bool) []expr.Any { return address(16, p, is) }

// address compares the address at an offset of the IPv4 header with a prefix.
func address(offset uint32, p netip.Prefix, is bool) []expr.Any {
	op := expr.CmpOpEq
	if !is {
		op = expr.CmpOpNeq
	}
	mask := binary.BigEndian.AppendUint32(nil, ^uint32(0)<<(32-p.Bits()))
	return []expr.Any{
		&expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: 4},
		&expr.Bitwise{SourceRegister: reg1, DestRegister: reg1, Len: 4, Mask: mask, Xor: make([]byte, 4)},
		&expr.Cmp{Op: op, Register: reg1, Data: p.Masked().Addr().AsSlice()},
	}
}

// dnatted matches connections whose destination was translated.
func dnatted() []expr.Any {
	const ipsDstNAT = 1 << 5
	return ctBits(expr.CtKeySTATUS, ipsDstNAT)
}

func newConnection() []expr.Any { return ctBits(expr.CtKeySTATE, expr.CtStateBitNEW) }

func ctBits(key expr.CtKey, bits uint32) []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: key, Register: reg1},
		&expr.Bitwise{SourceRegister: reg1, DestRegister: reg1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(bits), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg1, Data: make([]byte, 4)},
	}
}

func masquerade() []expr.Any { return []expr.Any{&expr.Masq{}} }
func drop() []expr.Any       { return []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}} }
