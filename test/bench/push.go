package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/image"
	"github.com/stowage-iac/stowage/ssh"
)

const layerBytes = 50 << 20 // four of them are the 200 MB of the demand

// push sends images of fresh random bytes in four layers as an apply does, through
// the SSH tunnel to stowaged and containerd: one only into containerd's store, one
// with unpacking. In turn with them come what OpenSSH's `ssh cat` takes for as many
// bytes, and the same followed by `ctr images import`, which unpacks, too. At last
// the second image again, one layer of 1 MB in the place of another. Of each the
// fastest of five counts: whatever else runs on the machine only adds to it.
func (l *lab) push(ctx context.Context) error {
	h := l.Hosts[2]
	host, err := ssh.Dial(ctx, ssh.Config{Name: h.Name, Address: h.Addr, User: "root", PrivateKey: l.Key, KnownHosts: l.KnownHosts}, ssh.Options{})
	if err != nil {
		return err
	}
	defer host.Close()
	socket := func(path string) image.Dialer {
		return func(ctx context.Context) (net.Conn, error) { return host.Dial(ctx, path) }
	}
	to := image.Host{Containerd: socket(api.ContainerdSock), Agent: socket(api.Socket)}
	var t pushTimes
	for i := range 5 {
		if err := l.pushOnce(ctx, to, h.Addr, filepath.Join(l.dir, fmt.Sprintf("push-%d", i)), &t); err != nil {
			return err
		}
	}
	rate := func(d time.Duration) string { return fmt.Sprintf("%.0f MB/s", 4*layerBytes/1e6/d.Seconds()) }
	stored, sent, unpacked, cat, load := slices.Min(t.stored), slices.Min(t.sent), slices.Min(t.unpacked), slices.Min(t.cat), slices.Min(t.load)
	r := float64(cat) / float64(stored)
	l.b.add(figure{name: "200 MB image pushed: every byte in containerd's store", value: rate(stored), beside: rate(cat) + " ssh cat", ratio: r, demand: "≥ 0.80", met: r >= 0.8})
	l.b.add(figure{name: "the same while layers are unpacked: the last byte taken", value: rate(sent), beside: rate(cat) + " ssh cat", ratio: float64(cat) / float64(sent)})
	l.b.add(figure{name: "the same, the last layer unpacked", value: rate(unpacked), beside: rate(load) + " ssh cat, then ctr images import", ratio: float64(load) / float64(unpacked)})
	m, err := residentOf(ctx, h)
	if err != nil {
		return err
	}
	l.b.add(figure{name: "stowaged after these pushes, worker", value: fmt.Sprintf("%.1f MB", m["VmRSS:"]),
		beside: fmt.Sprintf("%.1f MB at most", m["VmHWM:"]), demand: "≤ 40 MB", met: m["VmRSS:"] <= 40})
	l.b.add(figure{name: "second push, one 1 MB layer changed", value: mib(t.again), beside: "1.0 MiB changed", ratio: float64(t.again) / (1 << 20), demand: "≤ 1.05", met: float64(t.again) <= 1.05*(1<<20)})
	return nil
}

// pushTimes of 200 MB each.
type pushTimes struct {
	stored         []time.Duration // content only
	sent, unpacked []time.Duration // of one whole push
	cat, load      []time.Duration // the peers
	again          int64           // bytes sent for the changed layer
}

func (l *lab) pushOnce(ctx context.Context, to image.Host, addr, dir string, t *pushTimes) error {
	defer os.RemoveAll(dir)
	platform := "linux/" + runtime.GOARCH
	content, _, err := builtImage(ctx, filepath.Join(dir, "content"))
	if err != nil {
		return err
	}
	whole, spec, err := builtImage(ctx, filepath.Join(dir, "whole"))
	if err != nil {
		return err
	}
	archive := filepath.Join(dir, "peer.tar")
	if err := writeArchive(archive, filepath.Join(dir, "peer")); err != nil {
		return err
	}

	began := time.Now()
	if _, err := image.Push(ctx, to, content, image.PushOptions{Platform: platform, ContentOnly: true}); err != nil {
		return err
	}
	t.stored = append(t.stored, time.Since(began))

	cat, err := l.ssh(ctx, addr, archive, "cat > /var/lib/containerd/peer")
	if err != nil {
		return err
	}
	t.cat = append(t.cat, cat)

	var sent time.Duration
	began = time.Now()
	_, err = image.Push(ctx, to, whole, image.PushOptions{Platform: platform, Progress: func(n, _ int64) {
		if sent == 0 && n >= 4*layerBytes {
			sent = time.Since(began)
		}
	}})
	if err != nil {
		return err
	}
	t.sent, t.unpacked = append(t.sent, sent), append(t.unpacked, time.Since(began))

	load, err := l.ssh(ctx, addr, archive, "cat > /var/lib/containerd/peer && ctr -n peer images import /var/lib/containerd/peer >/dev/null")
	if err != nil {
		return err
	}
	t.load = append(t.load, load)
	if _, err := l.ssh(ctx, addr, os.DevNull, "rm /var/lib/containerd/peer; ctr -n peer images ls -q | xargs ctr -n peer images rm --sync >/dev/null"); err != nil {
		return err
	}

	if err := random(filepath.Join(dir, "small", "f"), 1<<20); err != nil {
		return err
	}
	spec.Copies[3] = image.Copy{Source: filepath.Join(dir, "small"), To: "/small"}
	if whole, err = image.Build(ctx, spec); err != nil {
		return err
	}
	again, err := image.Push(ctx, to, whole, image.PushOptions{Platform: platform})
	t.again = again.Sent
	return err
}

func builtImage(ctx context.Context, dir string) (*image.Image, image.Spec, error) {
	spec := image.Spec{Name: filepath.Base(dir)}
	for i := range 4 {
		sub := filepath.Join(dir, fmt.Sprint(i))
		if err := random(filepath.Join(sub, "f"), layerBytes); err != nil {
			return nil, spec, err
		}
		spec.Copies = append(spec.Copies, image.Copy{Source: sub, To: fmt.Sprintf("/%d", i)})
	}
	img, err := image.Build(ctx, spec)
	return img, spec, err
}

func random(path string, n int64) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.CopyN(f, rand.Reader, n)
	return err
}

// ssh runs a command with OpenSSH, the file as its input, and gives the time it took.
func (l *lab) ssh(ctx context.Context, addr, file, command string) (time.Duration, error) {
	in, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	cmd := exec.CommandContext(ctx, "ssh", "-i", l.Key, "-o", "UserKnownHostsFile="+l.KnownHosts, "-o", "BatchMode=yes", "root@"+addr, command)
	cmd.Stdin = in
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("ssh %s %q: %w: %s", addr, command, err, out)
	}
	return time.Since(began), nil
}
