package containerd_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/agent/ocispec"
	"github.com/stowage-iac/stowage/agent/runtime"
	"github.com/stowage-iac/stowage/agent/runtime/conformance"
	"github.com/stowage-iac/stowage/agent/runtime/containerd"
	"github.com/stowage-iac/stowage/agent/runtime/containerd/containerdtest"
	"github.com/stowage-iac/stowage/api"
)

const namespace = "stowage-test"

type fixture struct {
	*containerdtest.Daemon
	rt    *containerd.Runtime
	image string
	dir   string
}

func start(t testing.TB) fixture {
	d := containerdtest.Start(t)
	t.Cleanup(func() {
		for _, pattern := range []string{"/sys/fs/cgroup/stowage-test", "/sys/fs/cgroup/*/stowage-test"} {
			dirs, _ := filepath.Glob(pattern)
			for _, dir := range dirs {
				if err := os.Remove(dir); err != nil {
					t.Error(err)
				}
			}
		}
	})
	rt, err := containerd.New(containerd.Options{Socket: d.Socket, Namespace: namespace, Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close() })
	return fixture{d, rt, d.Import(t, namespace, "stowage.test/busybox", containerdtest.Busybox()), t.TempDir()}
}

// spec is a container with namespaces of its own.
func (f fixture) spec(t testing.TB, id string, args ...string) runtime.Spec {
	img, err := f.rt.Image(t.Context(), f.image)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ocispec.Build(ocispec.Input{Container: api.Container{Name: "c", Command: args}, Image: img, Hostname: id,
		Cgroup: "/stowage-test/" + id, Host: ocispec.ReadHost("/")})
	if err != nil {
		t.Fatal(err)
	}
	return runtime.Spec{ID: id, Image: f.image, Labels: map[string]string{"stowage.test": "yes"}, OCI: s, Log: filepath.Join(f.dir, id+".log")}
}

func TestConformance(t *testing.T) {
	f := start(t)
	conformance.Run(t, conformance.Harness{
		Runtime: f.rt, Image: f.image,
		Forever: func(id string) runtime.Spec { return f.spec(t, id, "sleep", "1000000") },
		Ends:    func(id string, code int) runtime.Spec { return f.spec(t, id, "sh", "-c", fmt.Sprintf("exit %d", code)) },
		Broken:  func(id string) runtime.Spec { return f.spec(t, id, "/no/such/program") },
	})
}

// The runtime's calls outlive a daemon that is killed, and its containers too.
func TestDaemonKilled(t *testing.T) {
	f := start(t)
	for _, id := range []string{"lives", "ends"} {
		if _, err := f.rt.Start(t.Context(), f.spec(t, id, "sleep", "1000000")); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := f.rt.Remove(context.Background(), id); err != nil {
				t.Error(err)
			}
		})
	}
	type result struct {
		runtime.Exit
		err error
	}
	waited := make(chan result)
	go func() {
		e, err := f.rt.Wait(t.Context(), "ends")
		waited <- result{e, err}
	}()
	list, err := f.rt.List(t.Context(), "stowage.test")
	if err != nil {
		t.Fatal(err)
	}
	f.Kill(t)
	for _, c := range list {
		if c.ID == "ends" {
			if err := exec.Command("kill", "-9", fmt.Sprint(c.PID)).Run(); err != nil {
				t.Fatal(err)
			}
		}
	}
	f.Up(t)
	select {
	case r := <-waited:
		if r.err != nil || r.Code != 137 {
			t.Errorf("got %+v, want exit code 137", r)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the end of a container while the daemon was down went unnoticed")
	}
	after, err := f.rt.List(t.Context(), "stowage.test")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range after {
		if c.ID == "lives" && c.State != runtime.Running {
			t.Errorf("got %+v", c)
		}
	}
}

func BenchmarkStart(b *testing.B) {
	f := start(b)
	n := 0
	for b.Loop() {
		n++
		id := fmt.Sprintf("bench-%d", n)
		if _, err := f.rt.Start(b.Context(), f.spec(b, id, "sleep", "1000000")); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := f.rt.Remove(b.Context(), id); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
