package functions

import (
	"errors"
	"net"
	"net/netip"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

var cidrNetmaskFunc = textFunc("prefix", func(s string) (string, error) {
	_, network, err := net.ParseCIDR(s)
	switch {
	case err != nil:
		return "", err
	case len(network.Mask) != net.IPv4len:
		return "", errors.New("networks of IPv6 have no netmask; their size is what follows the slash")
	}
	return net.IP(network.Mask).String(), nil
})

var cidrContainsFunc = function.New(&function.Spec{
	Params:       []function.Parameter{param("network", cty.String), param("address", cty.String)},
	Type:         function.StaticReturnType(cty.Bool),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		unknown := cty.UnknownVal(cty.Bool)
		network, err := netip.ParsePrefix(args[0].AsString())
		if err != nil {
			return unknown, function.NewArgErrorf(0, "not a network such as 10.0.0.0/16")
		}
		if inner, err := netip.ParsePrefix(args[1].AsString()); err == nil {
			return cty.BoolVal(network.Contains(inner.Addr()) && inner.Bits() >= network.Bits()), nil
		}
		address, err := netip.ParseAddr(args[1].AsString())
		if err != nil {
			return unknown, function.NewArgErrorf(1, "neither an address nor a network")
		}
		return cty.BoolVal(network.Contains(address)), nil
	},
})
