package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stowage-iac/stowage/test/hosts"
)

const cluster = `
variable "hosts" { type = map(string) }
variable "private_key" { type = string }
variable "known_hosts" { type = string }

node "m" {
  for_each    = var.hosts
  address     = each.value
  role        = each.key == "h1" ? "manager" : "worker"
  schedulable = true
  ssh {
    user        = "root"
    private_key = var.private_key
    known_hosts = var.known_hosts
  }
}

image "web" {
  copy "/bin/busybox" {
    to   = "/bin/busybox"
    mode = "0755"
  }
  entrypoint = ["/bin/busybox"]
}
`

// warm puts the image on every host, and holds the restart figure's server.
const warm = `
config "site" {
  files = { "index.html" = "hello" }
}

pod "web" {
  placement { on = "all" }
  container "httpd" {
    image = image.web
    args  = ["httpd", "-f", "-p", "80", "-h", "/site"]
    port "http" {
      container = 80
      host      = 8080
    }
    mount "/site" { config = config.site }
  }
}
`

const thirty = `
pod "many" {
  replicas = 30
  container "sleep" {
    image = image.web
    args  = ["sleep", "100000"]
  }
  stop_grace = "0s"
}
`

// lab is the cluster that the figures are taken on.
type lab struct {
	*hosts.Lab
	b   *bench
	dir string
}

// parts are the measures on hosts.
var parts = []struct {
	name string
	run  func(*lab, context.Context) error
}{
	{"hosts/memory", (*lab).memory},
	{"hosts/restart", (*lab).restart},
	{"hosts/thirty", (*lab).thirty},
	{"hosts/push", (*lab).push},
}

// parts are the parts of onHosts that the filter picks.
func (b *bench) parts() []func(*lab, context.Context) error {
	var wanted []func(*lab, context.Context) error
	for _, p := range parts {
		if b.filter.MatchString(p.name) {
			wanted = append(wanted, p.run)
		}
	}
	return wanted
}

// onHosts takes the figures that need hosts, on one cluster of three.
func onHosts(ctx context.Context, b *bench) error {
	wanted := b.parts()
	machines, err := hosts.New(ctx, hosts.Options{N: 3, Variant: hosts.Ready, Log: os.Stderr})
	if err != nil {
		return err
	}
	defer machines.Stop(context.Background())
	dir, err := os.MkdirTemp("", "stowage-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if b.binary, err = filepath.Abs(b.binary); err != nil {
		return err
	}
	l := &lab{machines, b, dir}
	if err := l.vars(); err != nil {
		return err
	}
	if err := l.write("main.stowage.hcl", cluster+warm); err != nil {
		return err
	}
	u, err := l.stowage(ctx, "apply", "-auto-approve")
	if err != nil {
		return err
	}
	b.add(figure{name: "three ready hosts to three nodes with a pod each", value: fmt.Sprintf("%.1f s", u.wall.Seconds())})
	for _, run := range wanted {
		if err := run(l, ctx); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) write(name, content string) error {
	return os.WriteFile(filepath.Join(l.dir, name), []byte(content), 0o644)
}

func (l *lab) vars() error {
	var list []string
	for _, h := range l.Hosts {
		list = append(list, fmt.Sprintf("%s = %q", h.Name, h.Addr))
	}
	return l.write("stowage.vars.hcl", fmt.Sprintf("hosts = { %s }\nprivate_key = %q\nknown_hosts = %q\n",
		strings.Join(list, ", "), l.Key, l.KnownHosts))
}

func (l *lab) stowage(ctx context.Context, args ...string) (used, error) {
	env := append(os.Environ(), "HOME="+l.dir, "STOWAGE_INPUT=0")
	return process(ctx, l.dir, env, l.b.binary, args...)
}

// memory reads the resident set of stowaged after a while of rest.
func (l *lab) memory(ctx context.Context) error {
	select {
	case <-time.After(20 * time.Second): // idle means idle: the figure is taken at rest
	case <-ctx.Done():
		return ctx.Err()
	}
	for i, h := range l.Hosts[:2] {
		m, err := residentOf(ctx, h)
		if err != nil {
			return err
		}
		what, limit := "manager", 80.0
		if i > 0 {
			what, limit = "worker", 40.0
		}
		l.b.add(figure{name: "stowaged at rest, " + what, value: fmt.Sprintf("%.1f MB", m["VmRSS:"]),
			beside: fmt.Sprintf("%.1f MB of it anonymous", m["RssAnon:"]),
			demand: fmt.Sprintf("≤ %.0f MB", limit), met: m["VmRSS:"] <= limit})
	}
	return nil
}

// residentOf reads what stowaged has in memory: lines of its status, in MB.
func residentOf(ctx context.Context, h *hosts.Host) (map[string]float64, error) {
	out, err := h.Run(ctx, "grep -E 'VmRSS|VmHWM|RssAnon' /proc/$(systemctl show -p MainPID --value stowaged)/status")
	if err != nil {
		return nil, err
	}
	m := map[string]float64{}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		kib, err := strconv.ParseFloat(f[1], 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is no size: %w", h.Name, line, err)
		}
		m[f[0]] = kib * 1024 / 1e6
	}
	return m, nil
}

// restart kills the server and waits until it runs again, in turn with the time
// that `ctr run -d` takes for the same image and process.
func (l *lab) restart(ctx context.Context) error {
	h := l.Hosts[1]
	var ours, peer []time.Duration
	for i := range 7 {
		d, err := l.ctrRun(ctx, h, fmt.Sprintf("restart-%d", i))
		if err != nil {
			return err
		}
		peer = append(peer, d)
		// A pod that was up for less than the reset time waits in back-off: a
		// revision of its own makes each kill a first one.
		if err := l.write("revision.auto.vars.hcl", ""); err != nil {
			return err
		}
		if err := l.write("main.stowage.hcl", cluster+strings.Replace(warm, `"hello"`, fmt.Sprintf(`"hello %d"`, i), 1)); err != nil {
			return err
		}
		if _, err := l.stowage(ctx, "apply", "-auto-approve"); err != nil {
			return err
		}
		pid, err := find(h, "/bin/busybox\x00httpd")
		if err != nil {
			return err
		}
		began := time.Now()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			return err
		}
		for deadline := began.Add(20 * time.Second); ; {
			if now, err := find(h, "/bin/busybox\x00httpd"); err == nil && now != pid {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("%s: the killed server is not back after 20 s", h.Name)
			}
			time.Sleep(time.Millisecond)
		}
		ours = append(ours, time.Since(began))
	}
	a, c := median(ours), median(peer)
	r := float64(a) / float64(c)
	l.b.add(figure{name: "killed container running again", value: ms(a), beside: ms(c) + " ctr run -d", ratio: r, demand: "≤ 1.50", met: r <= 1.5})
	return nil
}

// find gives the id, as this machine has it, of the host's process whose command
// line begins so: a kill from here costs no connection.
func find(h *hosts.Host, commandLine string) (int, error) {
	pids, err := h.Processes()
	if err != nil {
		return 0, err
	}
	for _, pid := range pids {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && strings.HasPrefix(string(line), commandLine) {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("%s: no process %q", h.Name, commandLine)
}

const imageOf = `ctr -n stowage images ls -q | grep stowage.local/web | head -1`

// ctrRun starts a container with ctr and gives the time it took, by the host's clock.
func (l *lab) ctrRun(ctx context.Context, h *hosts.Host, id string) (time.Duration, error) {
	out, err := h.Run(ctx, fmt.Sprintf(`bash -c 'i=$(%s); a=${EPOCHREALTIME/./}; ctr -n stowage run -d "$i" %s /bin/busybox sleep 1000 && echo $((${EPOCHREALTIME/./}-a)); ctr -n stowage task rm -f %s >/dev/null; ctr -n stowage container rm %s'`, imageOf, id, id, id))
	if err != nil {
		return 0, err
	}
	us, err := strconv.ParseInt(strings.Fields(out)[0], 10, 64)
	return time.Duration(us) * time.Microsecond, err
}

// thirty starts 30 replicas with one apply, in turn with 30 `ctr run -d`, ten at once per host.
func (l *lab) thirty(ctx context.Context) error {
	var ours, peer []time.Duration
	for range 3 {
		d, err := l.ctrThirty(ctx)
		if err != nil {
			return err
		}
		peer = append(peer, d)
		if err := l.write("many.stowage.hcl", thirty); err != nil {
			return err
		}
		u, err := l.stowage(ctx, "apply", "-auto-approve")
		if err != nil {
			return err
		}
		ours = append(ours, u.wall)
		if err := os.Remove(filepath.Join(l.dir, "many.stowage.hcl")); err != nil {
			return err
		}
		if _, err := l.stowage(ctx, "apply", "-auto-approve"); err != nil {
			return err
		}
	}
	a, c := median(ours), median(peer)
	r := float64(a) / float64(c)
	l.b.add(figure{name: "30 pods on 3 hosts, whole apply", value: ms(a), beside: ms(c) + " ctr run -d", ratio: r, demand: "≤ 1.50", met: r <= 1.5})
	return nil
}

func (l *lab) ctrThirty(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	g, gctx := errgroup.WithContext(ctx)
	for _, h := range l.Hosts {
		g.Go(func() error {
			out, err := h.Run(gctx, fmt.Sprintf(`i=$(%s); for n in $(seq 10); do ctr -n stowage run -d "$i" peer-$n /bin/busybox sleep 100000 & done; wait`, imageOf))
			if err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		})
	}
	err := g.Wait()
	took := time.Since(began)
	var wg sync.WaitGroup
	for _, h := range l.Hosts {
		wg.Go(func() {
			_, _ = h.Run(ctx, `for n in $(seq 10); do (ctr -n stowage task rm -f peer-$n; ctr -n stowage container rm peer-$n) >/dev/null 2>&1 & done; wait`)
		})
	}
	wg.Wait()
	return took, err
}
