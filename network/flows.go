package network

import (
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// forgetFlows drops the kernel's memory of UDP flows to host ports that have
// just changed: a client that keeps sending from one port would otherwise be
// led to the old place for as long as it sends. It is best effort: without
// conntrack's netlink interface the flows expire by themselves in 30 s of silence.
func forgetFlows(udp []uint16) {
	if len(udp) > 0 {
		_, _ = netlink.ConntrackDeleteFilters(netlink.ConntrackTable, unix.AF_INET, udpTo(udp))
	}
}

// udpTo matches flows to any of its ports, in one walk of the kernel's table.
type udpTo []uint16

// MatchConntrackFlow implements netlink.CustomConntrackFilter.
func (ports udpTo) MatchConntrackFlow(f *netlink.ConntrackFlow) bool {
	return f.Forward.Protocol == unix.IPPROTO_UDP && slices.Contains(ports, f.Forward.DstPort)
}
