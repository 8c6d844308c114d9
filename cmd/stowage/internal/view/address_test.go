package view

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCompareAddresses sorts instances as they are counted, not as they are spelled.
func TestCompareAddresses(t *testing.T) {
	want := []string{"node.a", "pod.web", "pod.web[0]", "pod.web[2]", "pod.web[10]", `pod.web["1"]`, `pod.web["a"]`, "pod.web2", "secret.x"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, CompareAddresses)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
