package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stowage-iac/stowage/agent/replica"
	"github.com/stowage-iac/stowage/agent/runtime"
	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/network"
)

// podNetwork is what the agent needs of package network.
type podNetwork interface {
	Start(ctx context.Context, cidr netip.Prefix) error
	Create(ctx context.Context, id string) (network.Pod, error)
	Publish(p network.Pod, ports []network.HostPort) error
	Reset(id string) error
	Delete(id string) error
	Retain(ids map[string]bool) error
	Heal(ctx context.Context) (healed bool, err error)
	Warnings() []string
}

// marker says that a replica's sandbox is complete, for an agent that starts
// while its containers run. It is of no use after a reboot, hence Boot.
type marker struct {
	Key      string        `json:"key"`
	Boot     string        `json:"boot"`
	Revision string        `json:"revision"`
	IP       string        `json:"ip"`
	Grace    time.Duration `json:"grace"`
	InitDone []string      `json:"init_done,omitempty"`
}

func bootID() string { return firstLine("/proc/sys/kernel/random/boot_id") }

// problem makes the reason and sentence of an error.
func problem(reason string, err error) *replica.Problem {
	return &replica.Problem{Reason: reason, Message: err.Error(), Transient: errors.Is(err, runtime.ErrUnavailable)}
}

// setup makes all that a replica's containers stand on: namespaces, address,
// host ports, configs, secrets. It can be repeated after any failure.
func (a *Agent) setup(ctx context.Context, id string, want *api.Assignment) (ip string, p *replica.Problem) {
	images := map[string]runtime.Image{}
	for _, c := range allContainers(want.Template) {
		img, err := a.runtime.Image(ctx, c.Image)
		if err != nil {
			return "", imageProblem(a.o.Node, c.Image, err)
		}
		images[c.Image] = img
	}
	if p := a.writeConfigs(want.Template); p != nil {
		return "", p
	}
	if p := checkHostPaths(a.o.Node, want.Template); p != nil {
		return "", p
	}
	pod, err := a.network.Create(ctx, id)
	if errors.Is(err, network.ErrNotStarted) {
		return "", &replica.Problem{Reason: "NetworkNotReady", Message: err.Error()}
	} else if err != nil {
		return "", problem("NetworkFailed", fmt.Errorf("node %s: %w", a.o.Node, err))
	}
	if _, err := network.WriteFiles(a.podDir(id), id, pod.IP); err != nil {
		return "", problem("SetupFailed", err)
	}
	if err := mountShm(filepath.Join(a.podDir(id), "shm")); err != nil {
		return "", problem("SetupFailed", err)
	}
	if p := a.writeSecrets(id, want, images); p != nil {
		return "", p
	}
	if err := a.network.Publish(pod, hostPorts(want.Template)); err != nil {
		var taken *network.PortTakenError
		if errors.As(err, &taken) {
			return "", problem("PortTaken", fmt.Errorf("node %s: %w", a.o.Node, err))
		}
		return "", problem("NetworkFailed", fmt.Errorf("node %s: %w", a.o.Node, err))
	}
	m := marker{Key: want.Key(), Boot: a.boot, Revision: want.Revision, IP: pod.IP.String(), Grace: replica.GraceOf(want.Template)}
	if err := a.writeMarker(id, m); err != nil {
		return "", problem("SetupFailed", err)
	}
	return m.IP, nil
}

func imageProblem(node, ref string, err error) *replica.Problem {
	if errors.Is(err, runtime.ErrImageMissing) {
		return problem("ImageMissing", fmt.Errorf("image %s is not on node %s: apply again to push it", ref, node))
	}
	return problem("ImageFailed", fmt.Errorf("node %s: image %s: %w", node, ref, err))
}

// teardown removes the sandbox; with keep its address and logs stay.
func (a *Agent) teardown(id string, keep bool) error {
	errs := []error{removeFileIfAny(a.markerFile(id))} // first: what is half gone is not there
	if keep {
		errs = append(errs, a.network.Reset(id))
	} else {
		errs = append(errs, a.network.Delete(id), a.removeLogs(id))
	}
	endCgroup(a.o.CgroupRoot + "/" + id)
	unmountAll(filepath.Join(a.podDir(id), "shm"))
	errs = append(errs, os.RemoveAll(a.podDir(id)), os.RemoveAll(a.secretDir(id)))
	return errors.Join(errs...)
}

func (a *Agent) podDir(id string) string     { return filepath.Join(a.o.RunDir, "pods", id) }
func (a *Agent) secretDir(id string) string  { return filepath.Join(a.o.RunDir, "secrets", id) }
func (a *Agent) markerFile(id string) string { return filepath.Join(a.podDir(id), "sandbox.json") }

// logDir holds a replica's logs: one directory per pod and slot.
func (a *Agent) logDir(id string) string {
	i := strings.LastIndexByte(id, '-')
	return filepath.Join(a.o.DataDir, "logs", id[:i], id[i+1:])
}

func (a *Agent) removeLogs(id string) error {
	dir := a.logDir(id)
	err := os.RemoveAll(dir)
	_ = os.Remove(filepath.Dir(dir)) // the pod's, when this was its last replica here
	return err
}

func (a *Agent) writeMarker(id string, m marker) error {
	if err := os.MkdirAll(a.podDir(id), 0o755); err != nil {
		return err
	}
	return writeJSON(a.markerFile(id), m)
}

// readMarker returns the marker of a sandbox that is complete now.
func (a *Agent) readMarker(id string) (marker, bool) {
	var m marker
	found, err := readJSON(a.markerFile(id), &m)
	return m, found && err == nil && m.Boot == a.boot
}

// noteInitDone records that an init container need not run again in this sandbox.
func (a *Agent) noteInitDone(id, container string) error {
	m, ok := a.readMarker(id)
	if !ok {
		return fmt.Errorf("the record of sandbox %s is gone", id)
	}
	m.InitDone = append(m.InitDone, container)
	return a.writeMarker(id, m)
}

func allContainers(t api.PodTemplate) []api.Container {
	return append(append([]api.Container{}, t.Init...), t.Containers...)
}

func hostPorts(t api.PodTemplate) []network.HostPort {
	var out []network.HostPort
	for _, c := range t.Containers {
		for _, p := range c.Ports {
			if p.Host > 0 {
				proto := p.Protocol
				if proto == "" {
					proto = "tcp"
				}
				out = append(out, network.HostPort{Protocol: proto, Host: uint16(p.Host), Pod: uint16(p.Container)})
			}
		}
	}
	return out
}

func checkHostPaths(node string, t api.PodTemplate) *replica.Problem {
	for _, c := range allContainers(t) {
		for _, m := range c.Mounts {
			if m.HostPath == "" {
				continue
			}
			if _, err := os.Stat(m.HostPath); err != nil {
				return &replica.Problem{Reason: "HostPathMissing", Message: fmt.Sprintf("node %s has no %s, which container %s mounts at %s: create it there", node, m.HostPath, c.Name, m.Path)}
			}
		}
	}
	return nil
}

// mountShm makes the pod's shared memory, which its containers share.
func mountShm(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if isTmpfs(dir) {
		return nil
	}
	if err := unix.Mount("shm", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=1777,size=64m"); err != nil {
		return fmt.Errorf("mount the pod's shared memory: %w", err)
	}
	return nil
}

// unmountAll unmounts what is mounted at path, however often.
func unmountAll(path string) {
	for unix.Unmount(path, unix.MNT_DETACH) == nil {
	}
}

func removeFileIfAny(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
