package network

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// connect puts an eth0 with the pod's address and default route into its
// namespace, the other end on the bridge. What is there already is kept.
func (n *Network) connect(p Pod) error {
	fd, err := netns.GetFromPath(p.Net)
	if err != nil {
		return err
	}
	defer fd.Close()
	inside, err := netlink.NewHandleAt(fd)
	if err != nil {
		return err
	}
	defer inside.Close()

	eth0, err := inside.LinkByName("eth0")
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		if err := n.addVeth(p, int(fd)); err != nil {
			return err
		}
		eth0, err = inside.LinkByName("eth0")
	}
	if err != nil {
		return err
	}
	lo, err := inside.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := inside.LinkSetUp(lo); err != nil {
		return fmt.Errorf("lo up: %w", err)
	}
	if err := inside.AddrReplace(eth0, &netlink.Addr{IPNet: ipNet(p.IP, n.cidr.Bits())}); err != nil {
		return fmt.Errorf("address %s: %w", p.IP, err)
	}
	if err := inside.LinkSetUp(eth0); err != nil {
		return fmt.Errorf("eth0 up: %w", err)
	}
	route := &netlink.Route{LinkIndex: eth0.Attrs().Index, Gw: gateway(n.cidr).AsSlice()}
	if err := inside.RouteReplace(route); err != nil {
		return fmt.Errorf("default route: %w", err)
	}
	return nil
}

// addVeth makes the pair, its end eth0 straight in the pod's namespace.
func (n *Network) addVeth(p Pod, ns int) error {
	veth := &netlink.Veth{
		LinkAttrs:        netlink.LinkAttrs{Name: n.hostLink(p.ID), MasterIndex: n.bridgeIndex(), MTU: 1500},
		PeerName:         "eth0",
		PeerNamespace:    netlink.NsFd(ns),
		PeerHardwareAddr: hardwareAddr(p.IP),
	}
	err := n.links.LinkAdd(veth)
	if errors.Is(err, syscall.EEXIST) { // of an earlier namespace that some process still holds
		if old, lerr := n.links.LinkByName(veth.Name); lerr == nil {
			_ = n.links.LinkDel(old)
		}
		err = n.links.LinkAdd(veth)
	}
	if err != nil {
		return fmt.Errorf("create %s: %w", veth.Name, err)
	}
	link, err := n.links.LinkByName(veth.Name)
	if err != nil {
		return err
	}
	if err := n.links.LinkSetHairpin(link, true); err != nil {
		return fmt.Errorf("hairpin on %s: %w", veth.Name, err)
	}
	return n.links.LinkSetUp(link)
}

// hostLink names the host's end of a pod's link, within the kernel's 15 characters.
func (n *Network) hostLink(id string) string {
	sum := sha256.Sum256([]byte(n.o.Bridge + "/" + id))
	return "stow" + hex.EncodeToString(sum[:5])
}
