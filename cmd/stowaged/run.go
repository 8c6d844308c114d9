package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/stowage-iac/stowage/agent"
	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster"
	"github.com/stowage-iac/stowage/cluster/pki"
	"github.com/stowage-iac/stowage/cluster/server"
)

// daemon is a running node.
type daemon struct {
	paths
	node  api.NodeConfig
	ports ports
	host  hostNames
	log   *slog.Logger

	server  *server.Server
	agent   *agent.Agent
	running sync.WaitGroup
}

// ports are where a manager listens; tests choose them.
type ports struct{ nodes, peers string }

// hostNames are what the agent makes on the host; tests choose them.
type hostNames struct{ bridge, nftTable, namespace, cgroup string }

func (h *hostNames) flags(f flagSet) {
	f.StringVar(&h.bridge, "bridge", env("STOWAGE_BRIDGE", api.Bridge), "the pods' bridge")
	f.StringVar(&h.nftTable, "nft-table", env("STOWAGE_NFT_TABLE", api.NftTable), "the nftables table")
	f.StringVar(&h.namespace, "namespace", env("STOWAGE_NAMESPACE", api.ContainerdNamespace), "the containerd namespace")
	f.StringVar(&h.cgroup, "cgroup-root", env("STOWAGE_CGROUP_ROOT", ""), "parent of the pods' cgroups")
}

type flagSet interface {
	StringVar(p *string, name, value, usage string)
}

// runDaemon runs the node until SIGTERM, which leaves every container running.
func runDaemon(ctx context.Context, args []string) error {
	d := &daemon{}
	f := flags("run", &d.paths)
	f.StringVar(&d.ports.nodes, "node-listen", env("STOWAGE_NODE_LISTEN", fmt.Sprintf(":%d", api.NodePort)), "a manager's address for agents")
	f.StringVar(&d.ports.peers, "peer-listen", env("STOWAGE_PEER_LISTEN", fmt.Sprintf(":%d", api.PeerPort)), "a manager's address for other managers")
	d.host.flags(f)
	level := f.String("log-level", env("STOWAGE_LOG", "info"), "debug, info, warn or error")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	var err error
	if d.node, err = d.paths.node(); err != nil {
		return err
	}
	if d.log, err = logger(*level); err != nil {
		return err
	}
	slog.SetDefault(d.log)
	frugal()
	return d.run(ctx)
}

func logger(level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q is none of debug, info, warn, error", level)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: l})), nil
}

// frugal trades a little CPU for memory: most of the time there is nothing to
// do. There is no fixed limit, since a large cluster needs what it needs.
func frugal() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(40)
	}
}

func (d *daemon) run(ctx context.Context) error {
	for _, dir := range []string{d.data, d.paths.run} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	unlock, err := lock(filepath.Join(d.paths.run, "stowaged.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if d.agent, err = d.newAgent(); err != nil {
		return err
	}
	d.server = server.New(server.Options{Local: d.local, Content: d.agent.Intake(), Log: d.log}, d.reason())
	l, err := listenUnix(d.operatorSocket())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer d.running.Wait()
	defer cancel()
	d.keep(ctx, "the operator's socket", func(ctx context.Context) error { return d.server.ServeOperator(ctx, l) })
	d.keep(ctx, "the agent", d.agent.Run)
	if d.node.Role == api.RoleManager {
		d.keep(ctx, "the manager", d.manage)
	}
	d.keep(ctx, "renewing the certificate", d.renew)
	if err := notify("READY=1"); err != nil {
		d.log.Warn("systemd was not told that stowaged is ready", "error", err)
	}
	d.log.Info("stowaged runs", "version", api.StowageVersion, "node", d.node.Name, "role", d.node.Role)
	<-ctx.Done()
	if err := notify("STOPPING=1"); err != nil {
		d.log.Debug("systemd was not told that stowaged stops", "error", err)
	}
	return nil
}

// keep runs a part again, with back-off and jitter, whenever it ends before ctx does.
func (d *daemon) keep(ctx context.Context, what string, part func(context.Context) error) {
	d.running.Go(func() {
		for pause := 200 * time.Millisecond; ; {
			started := time.Now()
			err := part(ctx)
			if ctx.Err() != nil {
				return
			}
			if time.Since(started) > time.Minute {
				pause = 200 * time.Millisecond
			}
			d.log.Error(what+" ended and starts again", "error", err, "pause", pause)
			if what == "the manager" && err != nil {
				d.server.SetManager(nil, fmt.Sprintf("the manager %s does not work: %v", d.node.Name, err))
			}
			select {
			case <-time.After(pause/2 + rand.N(pause)):
			case <-ctx.Done():
				return
			}
			pause = min(2*pause, 10*time.Second)
		}
	})
}

// reason says why the API has no manager's calls, at the start.
func (d *daemon) reason() string {
	if d.node.Role == api.RoleManager {
		return fmt.Sprintf("the manager %s is starting its store", d.node.Name)
	}
	return fmt.Sprintf("%s is a worker; the cluster's API is on its managers: %v", d.node.Name, d.node.Managers)
}

func (d *daemon) local() api.LocalView {
	view := d.agent.View()
	view.Config = d.node
	return view
}

func (d *daemon) options(m *managers) agent.Options {
	o := agent.Options{
		Cluster: d.node.Cluster, Node: d.node.Name, Version: api.StowageVersion, Containerd: d.node.Containerd,
		DataDir: d.data, RunDir: d.paths.run, Bridge: d.host.bridge, NftTable: d.host.nftTable,
		Namespace: d.host.namespace, CgroupRoot: d.host.cgroup, Log: d.log,
	}
	if m != nil {
		o.Source, o.Reporter = m, m
	}
	return o
}

func (d *daemon) newAgent() (*agent.Agent, error) { return agent.New(d.options(d.managers())) }

// managers lists a manager's own port first: it needs no network.
func (d *daemon) managers() *managers {
	addresses := d.node.Managers
	if d.node.Role == api.RoleManager {
		addresses = append([]string{loopback(d.ports.nodes)}, addresses...)
	}
	return &managers{dir: d.pki(), addresses: addresses}
}

func loopback(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return listen
}

func (d *daemon) manage(ctx context.Context) error {
	host, port, err := net.SplitHostPort(d.ports.peers)
	if err != nil {
		return fmt.Errorf("peer-listen: %w", err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return fmt.Errorf("peer-listen: %w", err)
	}
	return cluster.Run(ctx, cluster.Options{
		Config: d.node, DataDir: d.data, NodeListen: d.ports.nodes, PeerListen: host, PeerPort: number,
		Server: d.server, Log: d.log,
	})
}

// renewCheck is how often the certificate is looked at.
const renewCheck = 12 * time.Hour

// renew has the certificate signed again in time. A manager that holds the CA's
// key did so when it started, and does so itself.
func (d *daemon) renew(ctx context.Context) error {
	for {
		due, err := pki.RenewDue(d.pki(), d.node.Role, time.Now())
		switch {
		case errors.Is(err, fs.ErrNotExist): // not joined yet
		case err != nil:
			return err
		case due && d.node.Role == api.RoleManager:
			_, err = cluster.Identity(d.pki(), d.node)
		case due:
			err = d.managers().renew(ctx, d.node)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		select {
		case <-time.After(renewCheck):
		case <-ctx.Done():
			return nil
		}
	}
}

// lock makes sure that one daemon runs per run directory.
func lock(file string) (unlock func(), err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another stowaged runs with %s: %w", file, err)
	}
	return func() { f.Close() }, nil
}

// listenUnix listens where only root can connect, replacing a dead socket.
func listenUnix(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	old := syscall.Umask(0o177)
	l, err := net.Listen("unix", path)
	syscall.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("the operator's socket: %w", err)
	}
	return l, nil
}
