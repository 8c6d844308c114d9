package containerd

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// cgroupPaths remembers the cgroup of each container, as its specification names it.
type cgroupPaths struct {
	mu sync.Mutex
	of map[string]string
}

func (p *cgroupPaths) put(id, path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of == nil {
		p.of = map[string]string{}
	}
	p.of[id] = path
}

func (p *cgroupPaths) drop(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.of, id)
}

func (p *cgroupPaths) get(id string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.of[id]
}

// oomKilled asks the cgroup, which stays until the task is deleted, whether the
// kernel killed in it. Unlike containerd's OOM event this cannot come too late
// or get lost while nobody listens.
func (r *Runtime) oomKilled(ctx context.Context, id string) bool {
	path := r.paths.get(id)
	if path == "" {
		if path = r.recordedCgroup(ctx, id); path == "" {
			return false
		}
		r.paths.put(id, path)
	}
	return oomKills(r.o.CgroupMount, path)
}

func (r *Runtime) recordedCgroup(ctx context.Context, id string) string {
	c, err := r.c.ContainerService().Get(ctx, id)
	if err != nil || c.Spec == nil {
		return ""
	}
	var s specs.Spec
	if json.Unmarshal(c.Spec.GetValue(), &s) != nil || s.Linux == nil {
		return ""
	}
	return s.Linux.CgroupsPath
}

// oomKills reads the counter of kills: memory.events in v2, memory.oom_control in v1.
func oomKills(mount, path string) bool {
	for _, file := range []string{
		filepath.Join(mount, path, "memory.events"),
		filepath.Join(mount, "memory", path, "memory.oom_control"),
	} {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) == 2 && f[0] == "oom_kill" {
				return f[1] != "0"
			}
		}
	}
	return false
}
