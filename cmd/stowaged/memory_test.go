package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/api"
)

func newWorker() api.NodeConfig { return api.NodeConfig{Role: api.RoleWorker} }

// BenchmarkMemory reports the resident memory (VmRSS) of a real stowaged in MB,
// and how much of it is not file pages: a worker and the single manager after
// ten idle seconds (limits to keep: 40 and 80 MB), and a manager with 300 pods
// of 3 replicas each that were written just before.
func BenchmarkMemory(b *testing.B) {
	for _, c := range []struct {
		name, role string
		pods       int
	}{{"worker", api.RoleWorker, 0}, {"manager", api.RoleManager, 0}, {"manager-300-pods", api.RoleManager, 300}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				i := newInstance(b, api.NodeConfig{Role: c.role})
				cmd := i.start("run")
				i.healthy()
				fill(b, i, c.pods)
				<-time.After(10 * time.Second)
				rss, anonymous := resident(b, cmd.Process.Pid)
				b.ReportMetric(rss, "MB-RSS")
				b.ReportMetric(anonymous, "MB-anonymous")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// fill writes pods of about 2 kB that are bound to a node.
func fill(b *testing.B, i *instance, pods int) {
	b.Helper()
	if pods == 0 {
		return
	}
	c := i.client()
	put := func(kind api.Kind, name string, spec any) {
		text, err := json.Marshal(spec)
		if err == nil {
			_, err = c.Put(b.Context(), api.Object{Kind: kind, Name: name, Owner: "mine", Spec: text})
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	put(api.KindNode, "n", api.NodeSpec{Name: "n", Address: "127.0.0.1", Role: api.RoleWorker})
	for n := range pods {
		t := api.PodTemplate{Restart: "always", Containers: []api.Container{{Name: "c", Image: "x@sha256:0"}}}
		for v := range 40 {
			t.Containers[0].Env = append(t.Containers[0].Env, api.EnvVar{Name: fmt.Sprint("VARIABLE_", v), Value: "some value or other"})
		}
		put(api.KindPod, fmt.Sprint("pod-", n), api.PodSpec{
			Replicas: 3, Placement: []string{"n", "n", "n"}, Template: t, Revision: api.TemplateRevision(t),
		})
	}
}

func resident(t testing.TB, pid int) (rss, anonymous float64) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kb); n == 1 {
			rss = kb / 1024
		}
		if n, _ := fmt.Sscanf(line, "RssAnon: %f kB", &kb); n == 1 {
			anonymous = kb / 1024
		}
	}
	return rss, anonymous
}
