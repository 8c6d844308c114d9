package bootstrap

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/ssh"
)

// Manifest is api.InstallFile: what we put on a host, and what was there before.
// It is written before the act that it records, so that a crash in between never
// forgets anything: an entry means "ours to take back", not "done".
type Manifest struct {
	Version int `json:"version"` // 1
	// Packages are those that the package manager said it would add for us,
	// dependencies included.
	Packages []string `json:"packages,omitempty"`
	// Dirs did not exist before; Emptied existed and were empty, with the mode given.
	Dirs    []string          `json:"dirs,omitempty"`
	Emptied map[string]string `json:"emptied,omitempty"`
	// Units are the systemd units of others that we switched on, as they were before.
	Units []Unit `json:"units,omitempty"`
	// Sysctls are the values before ours.
	Sysctls map[string]string `json:"sysctls,omitempty"`
	// ForeignContainerd: containerd was already run by something other than
	// systemd, so our supervisor leaves it alone.
	ForeignContainerd bool `json:"foreign_containerd,omitempty"`
	// Started is the fingerprint of binary, unit and configuration with which
	// stowaged was last started.
	Started string `json:"started,omitempty"`
}

// Unit is a systemd unit before we touched it.
type Unit struct {
	Name    string `json:"name"`
	Enabled bool   `json:"enabled"`
	Active  bool   `json:"active"`
}

func (m *Manifest) unit(name string) (Unit, bool) {
	for _, u := range m.Units {
		if u.Name == name {
			return u, true
		}
	}
	return Unit{}, false
}

// addDir records a directory as it is found, once: what an earlier run made is
// not mistaken for something that was there before.
func (m *Manifest) addDir(path, presence string) {
	if _, known := m.Emptied[path]; known || slices.Contains(m.Dirs, path) {
		return
	}
	if presence == dirAbsent {
		m.Dirs = append(m.Dirs, path)
	} else if mode, empty := strings.CutPrefix(presence, dirEmpty); empty {
		if m.Emptied == nil {
			m.Emptied = map[string]string{}
		}
		m.Emptied[path] = strings.TrimSpace(mode)
	}
}

func (m *Manifest) addPackages(names []string) {
	for _, n := range names {
		if !slices.Contains(m.Packages, n) {
			m.Packages = append(m.Packages, n)
		}
	}
	slices.Sort(m.Packages)
}

// broughtContainerd says whether containerd is here because of us.
func (m *Manifest) broughtContainerd() bool {
	return slices.Contains(m.Packages, "containerd") || slices.Contains(m.Packages, "containerd.io")
}

func parseManifest(host, text string) (*Manifest, error) {
	if strings.TrimSpace(text) == "" {
		return &Manifest{Version: 1}, nil
	}
	var m Manifest
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return nil, fmt.Errorf("%s: %s is damaged (%w): restore it from a backup; without it nobody knows what to take back", host, api.InstallFile, err)
	}
	if m.Version > 1 {
		return nil, fmt.Errorf("%s: %s has version %d: a newer Stowage wrote it; use that one", host, api.InstallFile, m.Version)
	}
	m.Version = 1
	return &m, nil
}

func (m *Manifest) encode() string {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("a manifest is always JSON: %v", err))
	}
	return string(b) + "\n"
}

// save writes the manifest to the host, if it differs from what is there.
func (s *state) save(ctx context.Context, host ssh.Host) error {
	text := s.manifest.encode()
	if text == s.manifestText {
		return nil
	}
	if s.manifestText == "" {
		if _, err := host.Run(ctx, ssh.Command{Script: "mkdir -p -m 0700 " + api.DataDir}); err != nil {
			return fmt.Errorf("make %s: %w", api.DataDir, err)
		}
	}
	if err := host.Put(ctx, api.InstallFile, 0o600, int64(len(text)), strings.NewReader(text)); err != nil {
		return err
	}
	s.manifestText = text
	return nil
}
