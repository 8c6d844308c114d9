package hosts

import (
	"context"
	"fmt"
	"strings"
)

// Partition cuts the host off while it runs on: nothing reaches it and nothing
// of it gets out, as if the switch had died; its network card still has a
// link. Given other hosts, it is cut off from these only, and the machine and
// the rest still reach it. It lasts over reboots, until Heal.
func (h *Host) Partition(ctx context.Context, from ...*Host) error {
	table := "bridge " + h.lab.slot.table()
	port := h.port()
	elements := fmt.Sprintf("add element %s cut { %s }", table, port)
	if len(from) > 0 {
		var pairs []string
		for _, other := range from {
			pairs = append(pairs, port+" . "+other.port(), other.port()+" . "+port)
		}
		elements = fmt.Sprintf("add element %s apart { %s }", table, strings.Join(pairs, ", "))
	}
	if _, err := run(ctx, "nft", elements); err != nil {
		return h.fail("partition", err)
	}
	return nil
}

// Heal ends every partition of the host.
func (h *Host) Heal(ctx context.Context) error {
	table := "bridge " + h.lab.slot.table()
	// Removing what is not there is an error to nft, so add all of it first;
	// the whole input is one transaction.
	var lines []string
	elements := []string{"cut { " + h.port() + " }"}
	for _, other := range h.lab.Hosts {
		if other != h {
			elements = append(elements, fmt.Sprintf("apart { %[1]s . %[2]s, %[2]s . %[1]s }", h.port(), other.port()))
		}
	}
	for _, verb := range []string{"add", "delete"} {
		for _, element := range elements {
			lines = append(lines, fmt.Sprintf("%s element %s %s", verb, table, element))
		}
	}
	if _, err := runInput(ctx, strings.Join(lines, "\n"), "nft", "-f", "-"); err != nil {
		return h.fail("heal", err)
	}
	return nil
}

func (h *Host) port() string { return h.lab.slot.port(h.index) }
