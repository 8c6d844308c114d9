package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/ssh"
	"github.com/stowage-iac/stowage/test/hosts"
)

// Prepare and Remove are cut off after every single step, on one host: each
// next run goes on from there, and in the end nothing is forgotten.
func TestRealInterruptedAtEveryStep(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 1, Variant: hosts.Bare})
	binary := standin(t, "one")
	h := dial(t, lab, 0, "root")
	before := everything(t, h)
	facts, err := ssh.Facts(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	options := Options{Stowaged: func(string) (string, error) { return binary, nil }}
	steps := 0
	for n := 1; ; n++ {
		if err := Prepare(t.Context(), &faulty{Host: h, after: n}, facts, options); err == nil {
			break
		} else if !errors.Is(err, ssh.ErrConnectionLost) {
			t.Fatalf("run %d: %v", n, err)
		}
		steps++
	}
	join(t, h, api.NodeConfig{Cluster: "c1", Name: "a", Role: api.RoleWorker, Address: lab.Hosts[0].Addr})
	for n := 1; ; n++ {
		if err := Remove(t.Context(), &faulty{Host: h, after: n}, nil); err == nil {
			break
		} else if !errors.Is(err, ssh.ErrConnectionLost) {
			t.Fatalf("run %d: %v", n, err)
		}
		steps++
	}
	t.Logf("cut off %d times", steps)
	if diff := cmp.Diff(strings.Split(before, "\n"), strings.Split(everything(t, h), "\n")); diff != "" {
		t.Errorf("the host is not as it was (-before +after):\n%s", diff)
	}
}

// faulty is a host whose connection is lost after a number of commands: they
// have run, but nobody hears of it.
type faulty struct {
	ssh.Host
	after int
}

func (f *faulty) lost(err error) error {
	if f.after--; f.after == 0 && err == nil {
		return fmt.Errorf("%s: %w", f.Name(), ssh.ErrConnectionLost)
	}
	return err
}

func (f *faulty) Run(ctx context.Context, c ssh.Command) (ssh.Output, error) {
	out, err := f.Host.Run(ctx, c)
	return out, f.lost(err)
}

func (f *faulty) Put(ctx context.Context, path string, mode fs.FileMode, size int64, content io.Reader) error {
	return f.lost(f.Host.Put(ctx, path, mode, size, content))
}

// A fresh machine updates itself at its first boot, and someone may have pulled
// its plug while it did.
func TestRealBusyAndInterruptedPackageManager(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 1, Variant: hosts.Bare})
	h := dial(t, lab, 0, "root")
	run(t, h, `perl -e 'use Fcntl; open F, ">/var/lib/dpkg/lock-frontend"; $l = pack("s s x4 l! l! i x4", F_WRLCK, 0, 0, 0, 0); fcntl(F, F_SETLK, $l) or die; sleep' </dev/null >/dev/null 2>&1 &
echo $! > /tmp/holder
touch /var/lib/dpkg/updates/0001
rm -rf /var/lib/apt/lists/*
until ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q lock-frontend; do :; done`)
	survey, err := ssh.Inspect(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(survey.PackageLock, "perl") {
		t.Errorf("holder of the lock: %q", survey.PackageLock)
	}
	progress, err := prepare(t, h, standin(t, "one"), func(clause string) {
		if strings.HasPrefix(clause, "waiting") {
			run(t, h, "kill $(cat /tmp/holder) || true")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(progress, "; ")
	for _, want := range []string{"waiting for another process that holds the lock of apt", "repairing an interrupted installation", "fetching the package lists"} {
		if !strings.Contains(said, want) {
			t.Errorf("progress lacks %q: %s", want, said)
		}
	}
}

// A full disk stops Prepare with a clear error; with space it goes on.
func TestRealFullDisk(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 1, Variant: hosts.Ready, Disk: 1 << 30})
	h := dial(t, lab, 0, "root")
	if err := lab.Hosts[0].FillDisk(1 << 20); err != nil {
		t.Fatal(err)
	}
	binary := standin(t, "one")
	_, err := prepare(t, h, binary)
	if !errors.Is(err, ssh.ErrNoSpace) || !strings.Contains(err.Error(), lab.Hosts[0].Name) {
		t.Errorf("on a full disk: %v", err)
	}
	if left := run(t, h, "ls -A /usr/local/bin"); left != "" {
		t.Errorf("left behind: %s", left)
	}
	if err := lab.Hosts[0].FreeDisk(); err != nil {
		t.Fatal(err)
	}
	if _, err := prepare(t, h, binary); err != nil {
		t.Error(err)
	}
}

// Whoever started to use our containerd keeps it.
func TestRealContainerdThatOthersUseStays(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 1, Variant: hosts.Bare})
	h := dial(t, lab, 0, "root")
	if _, err := prepare(t, h, standin(t, "one")); err != nil {
		t.Fatal(err)
	}
	run(t, h, "mkdir /tmp/rootfs && ctr -n other containers create --rootfs /tmp/rootfs theirs")
	var said []string
	if err := Remove(t.Context(), h, func(s string) { said = append(said, s) }); err != nil {
		t.Fatal(err)
	}
	if want := "keeping containerd, runc: containers of the namespace other use containerd"; !slices.Contains(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
	if got := run(t, h, "ctr -n other containers ls -q; ls -d /var/lib/stowage /usr/local/bin/stowaged 2>/dev/null || true"); got != "theirs\n" {
		t.Errorf("afterwards: %q", got)
	}
}
