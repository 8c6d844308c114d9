package network

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"
)

// Whatever is taken, released and restarted: an address has one owner, an owner
// one address, and it stays the same until released.
func TestAddressesAreStableAndNeverShared(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "addresses")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		cidr := netip.MustParsePrefix("10.210.1.0/28")
		a, err := loadAddresses(dir, cidr)
		if err != nil {
			t.Fatal(err)
		}
		has := map[string]netip.Addr{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			id := fmt.Sprintf("pod-%d", rapid.IntRange(0, 19).Draw(t, "pod"))
			switch rapid.SampledFrom([]string{"take", "take", "release", "restart"}).Draw(t, "step") {
			case "take":
				ip, err := a.take(id)
				if err != nil {
					if len(has) != 13 { // 16 less network, gateway and broadcast
						t.Fatalf("%v with %d taken", err, len(has))
					}
					continue
				}
				if old, ok := has[id]; ok && old != ip {
					t.Fatalf("%s had %s and gets %s", id, old, ip)
				}
				for other, its := range has {
					if its == ip && other != id {
						t.Fatalf("%s and %s both have %s", id, other, ip)
					}
				}
				if !cidr.Contains(ip) || ip == gateway(cidr) || ip == broadcast(cidr) || ip == cidr.Addr() {
					t.Fatalf("gave %s", ip)
				}
				has[id] = ip
			case "release":
				if err := a.release(id); err != nil {
					t.Fatal(err)
				}
				delete(has, id)
			case "restart":
				if err := os.WriteFile(filepath.Join(dir, "new-123"), []byte("half"), 0o600); err != nil {
					t.Fatal(err)
				}
				if a, err = loadAddresses(dir, cidr); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
