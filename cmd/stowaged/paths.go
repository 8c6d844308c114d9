package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster"
	"github.com/stowage-iac/stowage/cluster/pki"
)

// paths are where an instance keeps things. The defaults are api's; tests run
// several instances on one machine. Each flag has an environment variable too.
type paths struct {
	config, data, run, socket, logs string
}

func (p *paths) flags(f *flag.FlagSet) {
	f.StringVar(&p.config, "config", env("STOWAGE_CONFIG", api.NodeConfigFile), "the node's configuration")
	f.StringVar(&p.data, "data-dir", env("STOWAGE_DATA_DIR", api.DataDir), "keys, store and the agent's copy of its assignments")
	f.StringVar(&p.run, "run-dir", env("STOWAGE_RUN_DIR", api.RunDir), "sockets, pid files and secrets, on tmpfs")
	f.StringVar(&p.socket, "socket", env("STOWAGE_SOCKET", ""), "the operator's socket (default RUN-DIR/stowaged.sock)")
	f.StringVar(&p.logs, "log-dir", env("STOWAGE_LOG_DIR", "/var/log/stowage"), "logs of supervised processes")
}

// args are the flags that make another stowaged use the same paths.
func (p *paths) args() []string {
	return []string{"-config", p.config, "-data-dir", p.data, "-run-dir", p.run, "-socket", p.operatorSocket(), "-log-dir", p.logs}
}

func (p *paths) pki() pki.Dir { return cluster.PKI(p.data) }

func (p *paths) operatorSocket() string {
	if p.socket != "" {
		return p.socket
	}
	return filepath.Join(p.run, filepath.Base(api.Socket))
}

// node reads the node's configuration.
func (p *paths) node() (c api.NodeConfig, err error) {
	b, err := os.ReadFile(p.config)
	if err != nil {
		return c, fmt.Errorf("the node's configuration: %w; stowage apply writes it", err)
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("the node's configuration %s is no JSON: %w; stowage apply writes it anew", p.config, err)
	}
	switch {
	case c.Name == "" || c.Cluster == "":
		err = fmt.Errorf("the node's configuration %s has no name or cluster; stowage apply writes it anew", p.config)
	case c.Role != api.RoleManager && c.Role != api.RoleWorker:
		err = fmt.Errorf("the node's configuration %s has role %q, which is neither %s nor %s", p.config, c.Role, api.RoleManager, api.RoleWorker)
	case c.Containerd == "":
		c.Containerd = api.ContainerdSock
	}
	return c, err
}

func env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// parse reads a command's flags; extra arguments beyond max are refused.
func parse(f *flag.FlagSet, args []string, max int) error {
	f.SetOutput(os.Stderr)
	if err := f.Parse(args); err != nil {
		if err == flag.ErrHelp {
			return err
		}
		return errUsage
	}
	if f.NArg() > max {
		fmt.Fprintf(os.Stderr, "stowaged %s: unexpected argument %q\n", f.Name(), f.Arg(max))
		return errUsage
	}
	return nil
}

func flags(name string, p *paths) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	if p != nil {
		p.flags(f)
	}
	return f
}
