package e2e_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
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
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "stowage-demo")
	demo := func() *exec.Cmd {
		cmd := exec.Command("bash", filepath.Join(repository(), "examples/hello/demo.sh"))
		// The directory is the one of `make demo`: what an earlier demo left is found.
		cmd.Env = append(os.Environ(), "STOWAGE_BIN="+filepath.Dir(binaries.stowage), "HOME="+t.TempDir(), "STOWAGE_DEMO_DIR="+dir)
		return cmd
	}
	if _, err := os.Stat(dir); err == nil { // an earlier test was killed
		if out, err := demo().CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	before := look()
	cutOff(t, demo())
	out, err := demo().CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"An earlier demo was cut off", "<h1>Hello from Stowage!</h1>", "No changes.", "<h1>Ahoy!</h1>", "Destroy complete!"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the demo does not say %q:\n%s", want, out)
		}
	}
	if after := look(); after != before {
		t.Errorf("the machine is not as it was:\n%s", difference(before, after))
	}
}

// cutOff kills a demo with all that it started, but for the node it has made.
func cutOff(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && !strings.Contains(lines.Text(), "Apply complete!") {
		said.WriteString(lines.Text() + "\n")
	}
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	if cmd.Wait() == nil {
		t.Fatalf("the demo ended before it was killed:\n%s", said.String())
	}
}
