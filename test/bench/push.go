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
	"time"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/image"
	"github.com/stowage-iac/stowage/ssh"
)

const layerBytes = 50 << 20 // four of them are the 200 MB of the demand

// push sends an image of fresh random bytes in four layers through the SSH tunnel
// into containerd, in turn with OpenSSH's `ssh cat` of as many bytes; then the same
// image with one more layer of 1 MB.
func (l *lab) push(ctx context.Context) error {
	h := l.Hosts[2]
	host, err := ssh.Dial(ctx, ssh.Config{Name: h.Name, Address: h.Addr, User: "root", PrivateKey: l.Key, KnownHosts: l.KnownHosts}, ssh.Options{})
	if err != nil {
		return err
	}
	defer host.Close()
	dial := func(ctx context.Context) (net.Conn, error) { return host.Dial(ctx, api.ContainerdSock) }
	var sent, ours, peer []time.Duration
	var again image.Pushed
	for i := range 3 {
		dir := filepath.Join(l.dir, fmt.Sprintf("push-%d", i))
		spec, err := randomImage(dir, fmt.Sprintf("push%d", i))
		if err != nil {
			return err
		}
		img, err := image.Build(ctx, spec)
		if err != nil {
			return err
		}
		began := time.Now()
		if _, err := image.Push(ctx, dial, img, image.PushOptions{Platform: "linux/" + runtime.GOARCH, ContentOnly: true}); err != nil {
			return err
		}
		sent = append(sent, time.Since(began))
		if _, err := image.Push(ctx, dial, img, image.PushOptions{Platform: "linux/" + runtime.GOARCH}); err != nil {
			return err
		}
		ours = append(ours, time.Since(began))

		floor, err := l.sshCat(ctx, h.Addr, filepath.Join(dir, "0"))
		if err != nil {
			return err
		}
		peer = append(peer, floor)

		if err := random(filepath.Join(dir, "small", "f"), 1<<20); err != nil {
			return err
		}
		spec.Copies[3] = image.Copy{Source: filepath.Join(dir, "small"), To: "/small"}
		if img, err = image.Build(ctx, spec); err != nil {
			return err
		}
		if again, err = image.Push(ctx, dial, img, image.PushOptions{Platform: "linux/" + runtime.GOARCH}); err != nil {
			return err
		}
		os.RemoveAll(dir)
	}
	s, a, c := median(sent), median(ours), median(peer)
	rate := func(d time.Duration) float64 { return 4 * layerBytes / 1e6 / d.Seconds() }
	r := float64(c) / float64(s)
	l.b.add(figure{name: "200 MB image pushed: every byte in containerd's store", value: fmt.Sprintf("%.0f MB/s", rate(s)), beside: fmt.Sprintf("%.0f MB/s ssh cat", rate(c)), ratio: r, demand: "≥ 0.80", met: r >= 0.8})
	l.b.add(figure{name: "the same, with unpacking into a snapshot", value: fmt.Sprintf("%.0f MB/s", rate(a)), beside: fmt.Sprintf("%.0f MB/s ssh cat, which unpacks nothing", rate(c)), ratio: float64(c) / float64(a)})
	l.b.add(figure{name: "second push, one 1 MB layer changed", value: mib(again.Sent), beside: "1.0 MiB changed", ratio: float64(again.Sent) / (1 << 20), demand: "≤ 1.05", met: float64(again.Sent) <= 1.05*(1<<20)})
	return nil
}

func randomImage(dir, name string) (image.Spec, error) {
	spec := image.Spec{Name: name}
	for i := range 4 {
		sub := filepath.Join(dir, fmt.Sprint(i))
		if err := random(filepath.Join(sub, "f"), layerBytes); err != nil {
			return spec, err
		}
		spec.Copies = append(spec.Copies, image.Copy{Source: sub, To: fmt.Sprintf("/%d", i)})
	}
	return spec, nil
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

// sshCat sends the four files' worth of bytes with OpenSSH and flushes them to disk.
func (l *lab) sshCat(ctx context.Context, addr, dir string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, "ssh", "-i", l.Key, "-o", "UserKnownHostsFile="+l.KnownHosts, "-o", "BatchMode=yes", "root@"+addr,
		"cat > /var/lib/containerd/cat && rm /var/lib/containerd/cat")
	file := filepath.Join(dir, "f")
	in, out, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	cmd.Stdin = in
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	in.Close()
	for range 4 {
		f, err := os.Open(file)
		if err != nil {
			return 0, err
		}
		_, err = io.Copy(out, f)
		f.Close()
		if err != nil {
			return 0, err
		}
	}
	out.Close()
	err = cmd.Wait()
	return time.Since(began), err
}
