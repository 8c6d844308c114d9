package hosts

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Variant says what a host has on its disk at first boot.
type Variant string

const (
	// Bare is what a fresh VPS is: Debian with systemd and sshd, no
	// containerd. The packages of containerd and runc are in apt's archive
	// cache and its lists are fresh, so installing them takes seconds.
	Bare Variant = "bare"
	// Ready is Bare plus containerd, runc, the CNI plugins and conntrack.
	Ready Variant = "ready"
)

//go:embed base.sh
var baseScript string

// programs maps what this package runs to the Debian package that has it.
var programs = []struct{ program, pkg string }{
	{"ip", "iproute2"},
	{"nft", "nftables"},
	{"debootstrap", "debootstrap"},
	{"systemd-nspawn", "systemd-container"},
	{"mkfs.ext4", "e2fsprogs"},
	{"ssh", "openssh-client"},
}

// Prepare installs the Debian packages that this package needs and builds the
// base images that are missing, one after the other. It takes about a minute
// the first time and milliseconds later. Progress goes to log.
func Prepare(ctx context.Context, log io.Writer) error {
	for _, variant := range []Variant{Bare, Ready} {
		if _, err := prepare(ctx, variant, log); err != nil {
			return err
		}
	}
	return nil
}

// prepare returns the directory of a variant's base image. Nothing removes an
// image in the week after that.
func prepare(ctx context.Context, variant Variant, log io.Writer) (string, error) {
	if os.Geteuid() != 0 {
		return "", errors.New("test hosts need root (they mount, make network namespaces and boot systemd); run as root or with sudo")
	}
	if variant != Bare && variant != Ready {
		return "", fmt.Errorf("unknown host variant %q; there are %q and %q", variant, Bare, Ready)
	}
	c := cache{dir: cacheDir, script: baseScript}
	lock, err := waitLock(ctx, filepath.Join(c.dir, "lock"))
	if err != nil {
		return "", err
	}
	defer lock.release()
	if err := installPrograms(ctx, log); err != nil {
		return "", err
	}
	dir, err := c.build(ctx, variant, log)
	if err != nil {
		return "", fmt.Errorf("base image %q: %w", variant, err)
	}
	return dir, nil
}

// cache keeps base images. Its methods need the lock on the file "lock" in it.
type cache struct{ dir, script string }

// build returns the directory of a variant's image; it makes the image if need
// be. An image is there as a whole or not at all.
func (c cache) build(ctx context.Context, variant Variant, log io.Writer) (string, error) {
	main, security := mirrors()
	dir := filepath.Join(c.dir, string(variant)+"-"+recipe(c.script, main, security))
	if exists(dir) {
		now := time.Now()
		return dir, os.Chtimes(dir, now, now) // "last used", for prune
	}
	if err := c.prune(); err != nil {
		return "", err
	}

	temp := filepath.Join(c.dir, "building")
	if err := os.RemoveAll(temp); err != nil { // of a build that was interrupted
		return "", err
	}
	defer os.RemoveAll(temp)
	args := []string{string(variant), temp}
	if variant == Bare {
		args = append(args, main, security)
	} else {
		bare, err := c.build(ctx, Bare, log)
		if err != nil {
			return "", err
		}
		if _, err := run(ctx, "cp", "-a", "--reflink=auto", bare, temp); err != nil {
			return "", err
		}
	}
	fmt.Fprintf(log, "building the base image %q for test hosts (once; about a minute)\n", variant)
	start := time.Now()
	if err := c.run(ctx, args); err != nil {
		return "", err
	}
	if err := os.Rename(temp, dir); err != nil {
		return "", err
	}
	fmt.Fprintf(log, "built %s in %.0f s\n", dir, time.Since(start).Seconds())
	return dir, nil
}

// run runs the script in its own mount and PID namespace: when it ends, by
// whatever cause, its mounts and processes are gone.
func (c cache) run(ctx context.Context, args []string) error {
	log, err := os.Create(filepath.Join(c.dir, "build.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	args = append([]string{"--mount", "--pid", "--fork", "--kill-child", "sh", "-c", c.script, "base.sh"}, args...)
	cmd := exec.CommandContext(ctx, "unshare", args...)
	cmd.Stdout, cmd.Stderr = log, log
	// The signal comes when the thread ends that started the process, so this
	// goroutine keeps its thread.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("%w; the end of %s:\n%s", err, log.Name(), tail(log.Name(), 15))
	}
	return nil
}

// recipe is the cache key of an image: all that its content depends on, but
// for the day's packages.
func recipe(inputs ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(inputs, "\x00")))
	return fmt.Sprintf("%x", sum[:6])
}

// mirrors returns the package mirrors this machine uses: Debian's main archive
// and the security archive.
func mirrors() (main, security string) {
	data, _ := os.ReadFile("/etc/apt/sources.list.d/debian.sources")
	for line := range strings.Lines(string(data)) {
		uri, ok := strings.CutPrefix(line, "URIs:")
		if !ok {
			continue
		}
		fields := strings.Fields(uri)
		if len(fields) == 0 {
			continue
		}
		if strings.Contains(fields[0], "security") {
			security = fields[0]
		} else if main == "" {
			main = fields[0]
		}
	}
	if main == "" {
		main = "http://deb.debian.org/debian"
	}
	if security == "" {
		security = "http://deb.debian.org/debian-security"
	}
	return main, security
}

// installPrograms installs what is missing on the machine with apt.
func installPrograms(ctx context.Context, log io.Writer) error {
	var missing []string
	for _, p := range programs {
		if _, err := exec.LookPath(p.program); err != nil {
			missing = append(missing, p.pkg)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	fmt.Fprintf(log, "installing %s\n", strings.Join(missing, " "))
	install := append([]string{"DEBIAN_FRONTEND=noninteractive", "apt-get", "-qy", "-o", "DPkg::Lock::Timeout=300", "install", "--no-install-recommends"}, missing...)
	if _, err := run(ctx, "env", install...); err == nil {
		return nil
	}
	if _, err := run(ctx, "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", "update"); err != nil {
		return err
	}
	_, err := run(ctx, "env", install...)
	return err
}

// prune removes images of other recipes that no lab uses and that nobody has
// used for a week.
func (c cache) prune() error {
	used := map[string]bool{}
	records, err := readRecords()
	if err != nil {
		return err
	}
	for _, r := range records {
		used[r.Base] = true
	}
	for _, variant := range []Variant{Bare, Ready} {
		dirs, err := filepath.Glob(filepath.Join(c.dir, string(variant)+"-*"))
		if err != nil {
			return err
		}
		for _, dir := range dirs {
			info, err := os.Stat(dir)
			if err == nil && !used[dir] && time.Since(info.ModTime()) > 7*24*time.Hour {
				if err := os.RemoveAll(dir); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// tail returns the last n lines of a file, as far as there are any.
func tail(path string, n int) string {
	data, _ := os.ReadFile(path)
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
