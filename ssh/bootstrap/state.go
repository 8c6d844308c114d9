package bootstrap

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/ssh"
)

//go:embed state.sh
var stateScript string

// How a directory was found.
const (
	dirAbsent = "absent"
	dirEmpty  = "empty"
)

// Directories that a node makes. Ours are removed when they are empty, after
// what we put there. Containerd's hold what containerd made; they are removed
// with their content if we installed it, but for its configuration, where others
// may have put something since.
var (
	ourDirs        = []string{api.ConfigDir, api.DataDir, api.RunDir, LogDir, "/usr/local/bin", "/etc/sysctl.d"}
	containerdDirs = []string{"/var/lib/containerd", "/run/containerd", "/opt/containerd"}
	containerdConf = []string{"/etc/containerd", "/etc/cni", "/etc/cni/net.d"}
	allDirs        = slices.Concat(ourDirs, containerdDirs, containerdConf)
)

// state is what of a node is on a host, as one look at it found.
type state struct {
	containerd, runc  string // paths, "" when missing
	containerdListens bool
	init, packageTool string
	stowaged          string            // SHA-256, "" when missing
	sums              map[string]string // unit_file, config, node_crt, ca_crt → SHA-256
	active, enabled   map[string]bool   // systemd units
	supervisor        bool              // the fallback runs
	dirs              map[string]string // path → absent, empty MODE, used
	sysctls           map[string]string // name → value
	manifest          *Manifest
	manifestText      string
}

// look reads the state of a host in one round trip.
func look(ctx context.Context, host ssh.Host) (*state, error) {
	script := fmt.Sprintf("DIRS=%s\nSYSCTLS=%s\n%s",
		ssh.Quote(strings.Join(allDirs, " ")),
		ssh.Quote(strings.Join(slices.Sorted(maps.Keys(sysctls)), " ")), stateScript)
	out, err := host.Run(ctx, ssh.Command{Script: script})
	if err != nil {
		return nil, fmt.Errorf("look at the host: %w", err)
	}
	return parseState(host.Name(), out.Stdout)
}

func parseState(host, out string) (*state, error) {
	s := &state{sums: map[string]string{}, active: map[string]bool{}, enabled: map[string]bool{},
		dirs: map[string]string{}, sysctls: map[string]string{}}
	report, manifest, complete := strings.Cut(out, "manifest below\n")
	if !complete {
		return nil, fmt.Errorf("%s: look at the host: its answer is incomplete", host)
	}
	for line := range strings.Lines(report) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		s.set(key, value)
	}
	m, err := parseManifest(host, manifest)
	if err != nil {
		return nil, err
	}
	s.manifest, s.manifestText = m, manifest
	return s, nil
}

func (s *state) set(key, value string) {
	name, rest, _ := strings.Cut(value, " ")
	switch key {
	case "containerd":
		s.containerd = value
	case "runc":
		s.runc = value
	case "containerd_listens":
		s.containerdListens = true
	case "init":
		s.init = value
	case "package_tool":
		s.packageTool = value
	case "stowaged":
		s.stowaged = value
	case "unit_file", "config", "node_crt", "ca_crt":
		s.sums[key] = value
	case "active":
		s.active[value] = true
	case "enabled":
		s.enabled[value] = true
	case "supervisor":
		s.supervisor = true
	case "dir":
		s.dirs[name] = rest
	case "sysctl":
		s.sysctls[name] = rest
	}
}

// fingerprint identifies what stowaged reads when it starts and only we change:
// certificates it renews itself, and reads them anew.
func (s *state) fingerprint() string {
	return digest(strings.Join([]string{s.stowaged, s.sums["unit_file"], s.sums["config"]}, " "))
}

// running says whether stowaged runs, however it is run here.
func (s *state) running() bool { return s.active["stowaged"] || s.supervisor }

// digest is the hex SHA-256 of a text.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
