package image

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/test/hosts"
)

// On a real host, through SSH: an image of one static binary runs, and after a
// power cut in the middle of a push the next push ends well.
func TestPushToAHost(t *testing.T) {
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatal("Debian's busybox-static is missing (make deps)")
	}
	lab := hosts.Start(t, hosts.Options{N: 1, Variant: hosts.Ready})
	h := lab.Hosts[0]
	dial := func(t *testing.T) Host {
		c, err := h.Dial(t.Context(), "root")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return Host{Containerd: func(ctx context.Context) (net.Conn, error) { return c.DialContext(ctx, "unix", api.ContainerdSock) }}
	}
	dir := write(t, "busybox", string(busybox), "data", noise(64<<20))
	os.Chmod(dir+"/busybox", 0o755)
	spec := Spec{Name: "tools", BaseDir: dir, CacheDir: t.TempDir(), Copies: []Copy{{Source: "busybox", To: "/bin/sh"}}, Entrypoint: []string{"/bin/sh"}}
	img := mustBuild(t, spec)
	if _, err := Push(t.Context(), dial(t), img, PushOptions{Platform: here}); err != nil {
		t.Fatal(err)
	}
	out, err := h.Run(t.Context(), fmt.Sprintf("ctr -n %s run --rm %s once /bin/sh -c 'echo it runs'", api.ContainerdNamespace, img.Ref))
	if err != nil || !strings.Contains(out, "it runs") {
		t.Fatalf("%s, %v", out, err)
	}

	spec.Copies = append(spec.Copies, Copy{Source: "data", To: "/data"})
	large := mustBuild(t, spec)
	cut := make(chan error, 1)
	started := false
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err = Push(ctx, dial(t), large, PushOptions{Platform: here, Progress: func(sent, total int64) {
		if !started && sent > total/3 {
			started = true
			go func() {
				cut <- h.PowerCut(context.Background())
				cancel() // as the keepalive of package ssh does: the tunnel of this test has none
			}()
		}
	}})
	if !started {
		t.Fatalf("the push ended before the power cut: %v", err)
	}
	if err := <-cut; err != nil {
		t.Fatal(err)
	}
	if err := h.Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Run(t.Context(), "until ctr version >/dev/null 2>&1; do sleep 0.1; done"); err != nil {
		t.Fatal(err)
	}
	if _, err := Push(t.Context(), dial(t), large, PushOptions{Platform: here}); err != nil {
		t.Fatal(err)
	}
	out, err = h.Run(t.Context(), fmt.Sprintf("ctr -n %s run --rm %s twice /bin/sh -c 'wc -c < /data'", api.ContainerdNamespace, large.Ref))
	if err != nil || strings.TrimSpace(out) != fmt.Sprint(64<<20) {
		t.Fatalf("%s, %v", out, err)
	}
}
