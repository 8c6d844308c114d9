package bootstrap

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/ssh"
)

var update = flag.Bool("update", false, "write the golden files")

// scripted is a host that answers commands of the package manager as recorded,
// and writes down what it was asked. It stands for hosts that are not at hand;
// apt is tested on real ones too.
type scripted struct {
	answers []answer
	log     strings.Builder
	state   string // what look prints before the manifest
	files   map[string]string
}

// answer is what a command that contains part prints; it is used once, unless it is the last one that fits.
type answer struct {
	part, stdout, stderr string
	status               int
}

func (s *scripted) Name() string { return "edge" }
func (s *scripted) Close() error { return nil }
func (s *scripted) Dial(context.Context, string) (net.Conn, error) {
	return nil, errors.New("nothing listens")
}

func (s *scripted) Put(_ context.Context, path string, mode fs.FileMode, _ int64, content io.Reader) error {
	b, err := io.ReadAll(content)
	s.files[path] = string(b)
	fmt.Fprintf(&s.log, "# put %s %04o\n%s", path, mode, b)
	return err
}

func (s *scripted) Run(_ context.Context, c ssh.Command) (ssh.Output, error) {
	if strings.Contains(c.Script, "say manifest below") {
		return ssh.Output{Stdout: s.state + "manifest below\n" + s.files[api.InstallFile]}, nil
	}
	if c.Stdin != nil {
		n, err := io.Copy(io.Discard, c.Stdin)
		fmt.Fprintf(&s.log, "# upload\n")
		if n == 0 || err != nil {
			return ssh.Output{}, fmt.Errorf("an empty upload (%v)", err)
		}
		return ssh.Output{}, nil
	}
	fmt.Fprintln(&s.log, c.Script)
	for i, a := range s.answers {
		if !strings.Contains(c.Script, a.part) {
			continue
		}
		for _, later := range s.answers[i+1:] {
			if later.part == a.part {
				s.answers = append(s.answers[:i:i], s.answers[i+1:]...)
				break
			}
		}
		out := ssh.Output{Stdout: a.stdout, Stderr: a.stderr}
		if a.status != 0 {
			return out, &ssh.ExitError{Host: "edge", Script: c.Script, Status: a.status, Output: out}
		}
		return out, nil
	}
	return ssh.Output{}, nil
}

const bareState = `init systemd
package_tool %s
dir /etc/stowage absent
dir /var/lib/stowage absent
dir /run/stowage absent
dir /var/log/stowage absent
dir /usr/local/bin used
dir /etc/sysctl.d used
dir /var/lib/containerd absent
dir /run/containerd absent
dir /opt/containerd absent
dir /etc/containerd absent
dir /etc/cni absent
dir /etc/cni/net.d absent
sysctl net.ipv4.ip_forward 0
`

// What the package managers say, recorded.
const (
	aptSimulated = `NOTE: This is only a simulation!
Inst libc6 [2.36-9+deb12u9] (2.36-9+deb12u10 Debian:12.10/stable [amd64])
Inst runc (1.1.5+ds1-1+deb12u1 Debian:12.11/stable [amd64])
Inst containerd (1.6.20~ds1-1+deb12u1 Debian:12.11/stable [amd64])
Conf runc (1.1.5+ds1-1+deb12u1 Debian:12.11/stable [amd64])
Conf containerd (1.6.20~ds1-1+deb12u1 Debian:12.11/stable [amd64])
`
	aptPurges = `Purg containerd [1.6.20~ds1-1+deb12u1]
Purg runc [1.1.5+ds1-1+deb12u1]
`
	dnfSimulated = `Last metadata expiration check: 0:12:01 ago on Fri 21 Nov 2025 09:00:00 AM UTC.
Dependencies resolved.
================================================================================
 Package              Arch      Version              Repository            Size
================================================================================
Installing:
 containerd           x86_64    2.0.5-2.fc42         fedora                32 M
 runc                 x86_64    2:1.3.0-1.fc42       updates              3.6 M
Upgrading:
 libseccomp           x86_64    2.5.6-1.fc42         updates               73 k
Installing dependencies:
 container-selinux    noarch    4:2.240.0-1.fc42     updates               54 k

Transaction Summary
================================================================================
Install  3 Packages

Total download size: 36 M
Operation aborted.
`
	dnfUnknown = `Last metadata expiration check: 0:12:01 ago on Fri 21 Nov 2025 09:00:00 AM UTC.
No match for argument: containerd
`
	dnfDockers = `Dependencies resolved.
================================================================================
 Package              Arch      Version              Repository            Size
================================================================================
Installing:
 containerd.io        x86_64    1.7.27-3.1.el9       docker-ce-stable      44 M

Transaction Summary
`
	dnfRemoves = `Dependencies resolved.
================================================================================
 Package              Arch      Version              Repository            Size
================================================================================
Removing:
 container-selinux    noarch    4:2.240.0-1.fc42     @updates              67 k
 containerd           x86_64    2.0.5-2.fc42         @fedora              131 M
 runc                 x86_64    2:1.3.0-1.fc42       @updates              13 M
Removing dependent packages:
 podman               x86_64    5:5.5.0-1.fc42       @updates              60 M

Transaction Summary
Operation aborted.
`
	apkSimulated = `(1/4) Installing libseccomp (2.6.0-r0)
(2/4) Installing runc (1.2.6-r4)
(3/4) Installing containerd (2.1.1-r1)
(4/4) Installing containerd-openrc (2.1.1-r1)
Executing busybox-1.37.0-r18.trigger
OK: 98 MiB in 61 packages
`
	apkUnknown = `ERROR: unable to select packages:
  containerd (no such package):
    required by: world[containerd]
`
	apkPurges = `(1/4) Purging containerd-openrc (2.1.1-r1)
(2/4) Purging containerd (2.1.1-r1)
(3/4) Purging runc (1.2.6-r4)
(4/4) Purging libseccomp (2.6.0-r0)
OK: 8 MiB in 57 packages
`
)

// The command lines of each package manager, from bare host to node and back.
func TestPackageManagers(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "stowaged")
	if err := os.WriteFile(binary, []byte("binary"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, tool string
		init       string
		answers    []answer
	}{
		{name: "apt", tool: "apt", answers: []answer{
			{part: "apt-get -s -y --no-install-recommends install", stderr: "E: Unable to locate package containerd\n", status: 100},
			{part: "apt-get -s -y --no-install-recommends install", stdout: aptSimulated},
			{part: "apt-get -s -y purge", stdout: aptPurges},
		}},
		{name: "dnf", tool: "dnf", answers: []answer{
			{part: "--assumeno --setopt=install_weak_deps=False", stdout: dnfSimulated, status: 1},
			{part: "--assumeno --setopt=clean_requirements", stdout: dnfRemoves, status: 1},
		}},
		{name: "dnf-containerd-io", tool: "dnf", answers: []answer{
			{part: "install containerd runc", stdout: dnfUnknown, stderr: "Error: Unable to find a match: containerd\n", status: 1},
			{part: "--assumeno --setopt=install_weak_deps=False install containerd.io", stdout: dnfDockers, status: 1},
			{part: "--assumeno --setopt=clean_requirements_on_remove=False remove containerd.io", stdout: strings.ReplaceAll(dnfDockers, "Installing:", "Removing:"), status: 1},
		}},
		{name: "apk", tool: "apk", init: "openrc", answers: []answer{
			{part: "apk add --simulate", stderr: apkUnknown, status: 2},
			{part: "apk add --simulate", stdout: apkSimulated},
			{part: "apk del --simulate", stdout: apkPurges},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			host := &scripted{answers: c.answers, state: fmt.Sprintf(bareState, c.tool), files: map[string]string{}}
			if c.init != "" {
				host.state = strings.Replace(host.state, "init systemd", "init "+c.init, 1)
			}
			options := Options{Stowaged: func(string) (string, error) { return binary, nil }}
			if err := Prepare(t.Context(), host, api.NodeFacts{Arch: "amd64"}, options); err != nil {
				t.Fatal(err)
			}
			host.log.WriteString("\n# --- remove ---\n")
			host.state = strings.Replace(host.state, "ip_forward 0", "ip_forward 1", 1)
			if err := Remove(t.Context(), host, func(s string) { fmt.Fprintf(&host.log, "# progress: %s\n", s) }); err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", "tools", c.name+".txt"), host.log.String())
		})
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", path, diff)
	}
}

// The lock of a package manager is waited for, but not for ever.
func TestLockedPackageManager(t *testing.T) {
	held := answer{part: "install", stderr: "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812 (unattended-upgr)\n", status: 100}
	synctest.Test(t, func(t *testing.T) {
		host := &scripted{answers: []answer{held, held, {part: "install", stdout: "ok"}}}
		begin := time.Now()
		out, err := apt.run(t.Context(), host, Options{}.withDefaults(), "install x", "apt-get install x", false)
		if err != nil || out != "ok" || time.Since(begin) != 2*lockPause {
			t.Errorf("%q, %v after %v", out, err, time.Since(begin))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		host := &scripted{answers: []answer{held}}
		_, err := apt.run(t.Context(), host, Options{LockWait: time.Minute}.withDefaults(), "install x", "apt-get install x", false)
		if err == nil || !strings.Contains(err.Error(), "edge: install x: another process has held the lock of apt for 1m0s") || !strings.Contains(err.Error(), "812 (unattended-upgr)") {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		host := &scripted{answers: []answer{held}}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := apt.run(ctx, host, Options{}.withDefaults(), "install x", "apt-get install x", false); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestPackageErrors(t *testing.T) {
	state := fmt.Sprintf(bareState, "dnf")
	host := &scripted{state: state, files: map[string]string{}, answers: []answer{
		{part: "--assumeno", stdout: dnfUnknown, stderr: "Error: Unable to find a match\n", status: 1},
	}}
	err := Prepare(t.Context(), host, api.NodeFacts{}, Options{})
	if !errors.Is(err, ErrNoPackages) || !strings.Contains(err.Error(), "Docker's repository") || !strings.Contains(err.Error(), "edge") {
		t.Error(err)
	}
	host = &scripted{state: strings.Replace(state, "package_tool dnf\n", "", 1), files: map[string]string{}}
	if err := Prepare(t.Context(), host, api.NodeFacts{}, Options{}); !errors.Is(err, ErrNoPackages) || !strings.Contains(err.Error(), "by hand") {
		t.Error(err)
	}
	host = &scripted{state: state, files: map[string]string{api.InstallFile: "{"}}
	if err := Prepare(t.Context(), host, api.NodeFacts{}, Options{}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Error(err)
	}
	host = &scripted{state: state, files: map[string]string{api.InstallFile: `{"version": 2}`}}
	if err := Remove(t.Context(), host, nil); err == nil || !strings.Contains(err.Error(), "newer Stowage") {
		t.Error(err)
	}
}
