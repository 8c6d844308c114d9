package ocispec

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/stowage-iac/stowage/agent/runtime"
	"github.com/stowage-iac/stowage/api"
)

var image = runtime.Image{
	Config: ocispec.ImageConfig{Entrypoint: []string{"/entry"}, Cmd: []string{"a", "b"}, Env: []string{"PATH=/bin", "A=image", "B=image"}, WorkingDir: "/work", User: "app"},
	Passwd: []byte("root:x:0:0::/root:/bin/sh\n# comment\nbroken\napp:x:1000:1001::/home/app:/bin/sh\n"),
	Group:  []byte("root:x:0:\napp:x:1001:\nextra:x:2000:other,app\n"),
}

func TestArgs(t *testing.T) {
	for _, c := range []struct {
		name          string
		command, args []string
		want          string
	}{
		{"the image's own", nil, nil, "/entry a b"},
		{"args replace the image's cmd", nil, []string{"x"}, "/entry x"},
		{"a command does not get the image's cmd", []string{"/run"}, nil, "/run"},
		{"both", []string{"/run"}, []string{"x"}, "/run x"},
	} {
		got, err := Args(api.Container{Command: c.command, Args: c.args}, image)
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %v, %v", c.name, got, err)
		}
	}
	if _, err := Args(api.Container{}, runtime.Image{}); err == nil {
		t.Error("no command at all was accepted")
	}
}

func TestEnvLaterWins(t *testing.T) {
	c := api.Container{Env: []api.EnvVar{{Name: "B", Value: "container"}, {Name: "S", Sealed: "key"}}}
	got := Env(c, image, "/home/app", "web-0", func(key string) string { return "secret of " + key })
	if want := []string{"PATH=/bin", "HOSTNAME=web-0", "HOME=/home/app", "A=image", "B=container", "S=secret of key"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := Env(c, image, "/", "h", nil); slices.ContainsFunc(got, func(e string) bool { return strings.HasPrefix(e, "S=") }) {
		t.Errorf("a sealed entry without its value: %q", got)
	}
}

func TestUser(t *testing.T) {
	for _, c := range []struct {
		user string
		want specs.User
		home string
	}{
		{"", specs.User{UID: 1000, GID: 1001, AdditionalGids: []uint32{2000}}, "/home/app"}, // the image's
		{"root", specs.User{}, "/root"},
		{"0", specs.User{}, "/root"},
		{"1000", specs.User{UID: 1000, GID: 1001, AdditionalGids: []uint32{2000}}, "/home/app"},
		{"1000:0", specs.User{UID: 1000}, "/home/app"},
		{"app:extra", specs.User{UID: 1000, GID: 2000}, "/home/app"},
		{"4242", specs.User{UID: 4242}, "/"},
		{"4242:77", specs.User{UID: 4242, GID: 77}, "/"},
	} {
		got, home, err := User(api.Container{User: c.user}, image)
		if err != nil || got.UID != c.want.UID || got.GID != c.want.GID || !slices.Equal(got.AdditionalGids, c.want.AdditionalGids) || home != c.home {
			t.Errorf("%q: got %+v %s, %v", c.user, got, home, err)
		}
	}
	for _, bad := range []string{"nobody", "app:nogroup", "99999999999"} {
		if _, _, err := User(api.Container{User: bad}, image); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// A file tree as a host of either cgroup version has.
func host(t *testing.T, files ...string) Host {
	root := t.TempDir()
	for _, f := range files {
		path := filepath.Join(root, f)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		content := ""
		if strings.HasSuffix(f, "meminfo") {
			content = "MemTotal:       1024000 kB\n"
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return ReadHost(root)
}

func TestLimitsByCgroupVersion(t *testing.T) {
	r := api.Resources{MilliCPU: 250, Memory: 512 << 20, LimitMilliCPU: 1500, LimitMemory: 128 << 20, LimitPids: 100}
	for _, c := range []struct {
		name     string
		host     Host
		cgroupNS bool
		swap     bool
	}{
		{"v1 with swap accounting", host(t, "proc/meminfo", "sys/fs/cgroup/memory/memory.memsw.limit_in_bytes"), false, true},
		{"v1 without", host(t, "proc/meminfo", "sys/fs/cgroup/memory/memory.limit_in_bytes"), false, false},
		{"v2", host(t, "proc/meminfo", "sys/fs/cgroup/cgroup.controllers", "sys/fs/cgroup/system.slice/memory.swap.max"), true, true},
		{"v2 without swap accounting", host(t, "proc/meminfo", "sys/fs/cgroup/cgroup.controllers"), true, false},
	} {
		s, err := Build(Input{Container: api.Container{Resources: r}, Image: image, NetNS: "/n", IPCNS: "/i", Cgroup: "/stowage/web-0/main.1", Host: c.host})
		if err != nil {
			t.Fatal(err)
		}
		res := s.Linux.Resources
		if *res.CPU.Shares != 256 || *res.CPU.Quota != 150000 || *res.CPU.Period != 100000 || *res.Memory.Limit != 128<<20 || *res.Pids.Limit != 100 {
			t.Errorf("%s: %+v %+v %+v", c.name, res.CPU, res.Memory, res.Pids)
		}
		if (res.Memory.Swap != nil) != c.swap {
			t.Errorf("%s: swap limit %v", c.name, res.Memory.Swap)
		}
		hasNS := slices.ContainsFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.CgroupNamespace })
		if hasNS != c.cgroupNS {
			t.Errorf("%s: cgroup namespace %v", c.name, hasNS)
		}
		if got := *s.Process.OOMScoreAdj; got != 1000-1000*512<<20/(1024000<<10) {
			t.Errorf("%s: OOM score %d", c.name, got)
		}
		if s.Linux.CgroupsPath != "/stowage/web-0/main.1" {
			t.Errorf("%s: cgroup %s", c.name, s.Linux.CgroupsPath)
		}
	}
}

func TestSecureByDefault(t *testing.T) {
	s, err := Build(Input{Container: api.Container{CapAdd: []string{"net_admin", "CAP_CHOWN"}}, Image: image})
	if err != nil {
		t.Fatal(err)
	}
	if !s.Process.NoNewPrivileges || s.Linux.Seccomp == nil || s.Linux.Seccomp.DefaultAction != specs.ActErrno {
		t.Error("no_new_privs and seccomp are to be on")
	}
	caps := s.Process.Capabilities
	if len(caps.Bounding) != len(defaultCapabilities)+1 || !slices.Contains(caps.Bounding, "CAP_NET_ADMIN") || len(caps.Ambient)+len(caps.Inheritable) != 0 {
		t.Errorf("capabilities %v", caps)
	}
	if !slices.Contains(s.Linux.MaskedPaths, "/proc/kcore") || !slices.Contains(s.Linux.ReadonlyPaths, "/proc/sys") {
		t.Error("paths of /proc are to be masked")
	}
}

// Whatever an image's files contain, reading them ends.
func FuzzUser(f *testing.F) {
	f.Add("app:extra", image.Passwd, image.Group)
	f.Add("", []byte("a:b"), []byte(":::"))
	f.Fuzz(func(t *testing.T, user string, passwd, group []byte) {
		_, home, err := User(api.Container{User: user}, runtime.Image{Passwd: passwd, Group: group})
		if err == nil && home == "" {
			t.Error("a user without a home")
		}
	})
}
