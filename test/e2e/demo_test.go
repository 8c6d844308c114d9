package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// machine is what the demo must leave on this machine as it was.
const machine = `dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' | grep ' ii'; ls -A /etc /usr/local/bin /var/lib /var/log /run | grep -v -e '^stowage-hosts$' -e '^netns$' -e '^mount$' -e '^policy' -e '^blkid$'; ip -o link | cut -d: -f2 | grep stowage0; sysctl net.ipv4.ip_forward; nft list tables | grep -w stowage; mount | grep -e ' /run/stowage' -e ' /var/lib/stowage/'; true`

// TestDemo runs what `make demo` runs: examples/hello on this machine through the
// local connection, without systemd, from nothing to nothing.
func TestDemo(t *testing.T) {
	look := func() string {
		out, err := exec.Command("sh", "-c", machine).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	before := look()
	cmd := exec.Command("bash", filepath.Join(repository(), "examples/hello/demo.sh"))
	cmd.Env = append(os.Environ(), "STOWAGE_BIN="+filepath.Dir(binaries.stowage), "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"<h1>Hello from Stowage!</h1>", "No changes.", "<h1>Ahoy!</h1>", "Destroy complete!"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the demo does not say %q:\n%s", want, out)
		}
	}
	if after := look(); after != before {
		t.Errorf("the machine is not as it was:\n%s", difference(before, after))
	}
}
