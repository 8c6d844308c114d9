package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/vishvananda/netlink"
)

// Teardown removes every namespace, link, address, the bridge and the table of
// o, and puts IPv4 forwarding back as it was. It needs no Start and is
// idempotent. Processes that still run in a namespace keep it, without a link.
func Teardown(ctx context.Context, o Options) error {
	var errs []error
	entries, err := os.ReadDir(filepath.Join(o.RunDir, "ns"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		errs = append(errs, err)
	}
	for _, e := range entries {
		errs = append(errs, unpinNamespaces(filepath.Join(o.RunDir, "ns", e.Name())))
	}
	errs = append(errs, os.RemoveAll(filepath.Join(o.RunDir, "ns")), removeBridge(o.Bridge), removeTable(o.Table), o.restoreForwarding())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove the pod network: %w", err)
	}
	return os.RemoveAll(filepath.Join(o.DataDir, "network"))
}

// removeBridge deletes the bridge and the links on it.
func removeBridge(name string) error {
	br, err := netlink.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil
	}
	if err != nil {
		return err
	}
	links, err := netlink.LinkList()
	if err != nil {
		return err
	}
	var errs []error
	for _, l := range links {
		if l.Attrs().MasterIndex == br.Attrs().Index && l.Type() == "veth" {
			if err := netlink.LinkDel(l); !errors.Is(err, syscall.ENODEV) { // gone with its namespace meanwhile
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(append(errs, netlink.LinkDel(br))...)
}
