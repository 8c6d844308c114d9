package lang

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestCompareAddresses sorts instances as they are counted, not as they are
// spelled, and what a module holds itself before the modules within it.
func TestCompareAddresses(t *testing.T) {
	want := []string{
		"node.a", "pod.web", "pod.web[0]", "pod.web[2]", "pod.web[10]", `pod.web["1"]`, `pod.web["a"]`, "pod.web2", "secret.x",
		"module.app", "module.app.pod.web[2]", "module.app.pod.web[10]", "module.app.module.db.pod.a",
		"module.app[2].pod.z", "module.app[10].pod.a", `module.app["a.b[1]"].pod.a`, "module.app-x.pod.a",
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, CompareAddresses)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestCompareIsAnOrder: what is compared as equal is equal, and no circle is possible.
func TestCompareIsAnOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b, c := drawAddress(rt, "a").String(), drawAddress(rt, "b").String(), drawAddress(rt, "c").String()
		if (CompareAddresses(a, b) == 0) != (a == b) || CompareAddresses(a, b) != -CompareAddresses(b, a) {
			rt.Errorf("%s, %s: %d, %d", a, b, CompareAddresses(a, b), CompareAddresses(b, a))
		}
		if CompareAddresses(a, b) <= 0 && CompareAddresses(b, c) <= 0 && CompareAddresses(a, c) > 0 {
			rt.Errorf("%s ≤ %s ≤ %s", a, b, c)
		}
	})
}
