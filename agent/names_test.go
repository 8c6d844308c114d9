package agent

import (
	"testing"

	"pgregory.net/rapid"
)

func TestNames(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{podID("web", 2), "web-2"},
		{podID(`web["a"]`, 0), "web-a-x656c0ec2-0"},
		{containerID("web-2", "nginx", "0123456789ab", 3), "web-2.nginx.012345.3"},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
}

// Any pod and container name gives an ID that containerd takes, and different
// replicas have different ones.
func TestIDsAreValidAndDistinct(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z0-9_."\[\]-]{1,60}`))
		pod1, pod2 := name.Draw(t, "pod1"), name.Draw(t, "pod2")
		slot1, slot2 := rapid.IntRange(0, 999).Draw(t, "slot1"), rapid.IntRange(0, 999).Draw(t, "slot2")
		a, b := podID(pod1, slot1), podID(pod2, slot2)
		if (a == b) != (pod1 == pod2 && slot1 == slot2) {
			t.Fatalf("%q#%d is %s, %q#%d is %s", pod1, slot1, a, pod2, slot2, b)
		}
		id := containerID(a, name.Draw(t, "container"), "0123456789ab", rapid.IntRange(1, 99999).Draw(t, "attempt"))
		if len(id) > 76 || !wellFormed.MatchString(id) {
			t.Fatalf("%s is no container ID", id)
		}
	})
}
