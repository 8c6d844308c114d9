package network

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

func TestResolvConfSkipsLoopbackStubs(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	stub := file("stub", "nameserver 127.0.0.53\noptions edns0\nsearch lan\n")
	real := file("real", "nameserver 192.0.2.53\nsearch lan\n")
	mixed := file("mixed", "nameserver ::1\nnameserver 192.0.2.54\n")
	none := "# the host names no DNS server that a pod could reach\n"
	for _, c := range []struct {
		name  string
		paths []string
		want  string
	}{
		{"a real one", []string{real, stub}, "nameserver 192.0.2.53\nsearch lan\n"},
		{"systemd-resolved's stub, then its real file", []string{stub, real}, "nameserver 192.0.2.53\nsearch lan\n"},
		{"only the loopback server is dropped", []string{mixed}, "nameserver 192.0.2.54\n"},
		{"nothing usable", []string{stub, filepath.Join(dir, "absent")}, none},
	} {
		if got := string(hostResolvConf(c.paths...)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestHostsNamesThePod(t *testing.T) {
	f, err := WriteFiles(t.TempDir(), "web-0", netip.MustParseAddr("10.210.7.2"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(f.Hosts)
	if err != nil {
		t.Fatal(err)
	}
	if want := "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n10.210.7.2\tweb-0\n"; string(b) != want {
		t.Errorf("got %q", b)
	}
}
