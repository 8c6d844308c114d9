package bootstrap

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/ssh"
)

// Prepare installs containerd, runc and stowaged where they are missing or differ.
// Nothing of the cluster runs yet afterwards. facts are those of the same run.
// On a host that is prepared it costs one round trip.
func Prepare(ctx context.Context, host ssh.Host, facts api.NodeFacts, o Options) error {
	o = o.withDefaults()
	s, err := look(ctx, host)
	if err != nil {
		return err
	}
	p := &preparation{host: host, facts: facts, options: o, state: s}
	for _, step := range []func(context.Context) error{p.plan, p.record, p.install, p.containerd, p.settle, p.stowaged} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// preparation is one run of Prepare.
type preparation struct {
	host    ssh.Host
	facts   api.NodeFacts
	options Options
	state   *state
	tool    *tool    // nil while nothing has to be installed
	wanted  []string // what to ask the package manager for
}

// record notes everything else that Prepare and the node's life will leave, as
// it is found now.
func (p *preparation) record(ctx context.Context) error {
	m := p.state.manifest
	for _, d := range ourDirs {
		m.addDir(d, p.state.dirs[d])
	}
	if m.broughtContainerd() || p.state.init != systemd && !p.state.containerdListens {
		for _, d := range slices.Concat(containerdDirs, containerdConf) {
			m.addDir(d, p.state.dirs[d])
		}
	}
	if p.state.init == systemd {
		if _, known := m.unit("containerd"); !known && !m.broughtContainerd() {
			m.Units = append(m.Units, Unit{Name: "containerd", Enabled: p.state.enabled["containerd"], Active: p.state.active["containerd"]})
		}
	} else if p.state.containerdListens && !p.state.supervisor && p.state.manifestText == "" {
		m.ForeignContainerd = true
	}
	for name, want := range sysctls {
		if _, known := m.Sysctls[name]; !known && p.state.sysctls[name] != want {
			if m.Sysctls == nil {
				m.Sysctls = map[string]string{}
			}
			m.Sysctls[name] = p.state.sysctls[name]
		}
	}
	return p.state.save(ctx, p.host)
}

// containerd makes systemd run containerd; elsewhere the supervisor does, with stowaged.
func (p *preparation) containerd(ctx context.Context) error {
	if p.state.init != systemd || p.state.active["containerd"] && p.state.enabled["containerd"] {
		return nil
	}
	p.options.Progress("starting containerd")
	// containerd's unit is of type notify: it listens when start returns.
	_, err := p.host.Run(ctx, ssh.Command{Script: "systemctl daemon-reload && systemctl enable --quiet containerd && systemctl start containerd"})
	if err != nil {
		return fmt.Errorf("start containerd: %w: see `journalctl -u containerd` there", err)
	}
	return nil
}

// settle makes directories, kernel settings and the unit file. It runs when one of them differs.
func (p *preparation) settle(ctx context.Context) error {
	var script strings.Builder
	script.WriteString("set -e\n")
	todo := false
	for _, d := range []string{api.ConfigDir, api.DataDir} {
		if p.state.dirs[d] == dirAbsent {
			todo = true
		}
		fmt.Fprintf(&script, "mkdir -p %s && chmod 0700 %s\n", d, d)
	}
	var lasting strings.Builder
	for _, name := range slices.Sorted(maps.Keys(p.state.manifest.Sysctls)) {
		fmt.Fprintf(&lasting, "%s = %s\n", name, sysctls[name])
		if p.state.sysctls[name] != sysctls[name] {
			todo = true
			fmt.Fprintf(&script, "echo %s > /proc/sys/%s\n", sysctls[name], strings.ReplaceAll(name, ".", "/"))
		}
	}
	if lasting.Len() > 0 {
		fmt.Fprintf(&script, "mkdir -p /etc/sysctl.d && printf %%s %s > %s\n", ssh.Quote("# Written by Stowage; removed with the node.\n"+lasting.String()), sysctlFile)
	}
	if p.state.init == systemd && (p.state.sums["unit_file"] != digest(unitText) || !p.state.enabled["stowaged"]) {
		todo = true
		fmt.Fprintf(&script, "printf %%s %s > %s.new && mv -f %s.new %s\nsystemctl daemon-reload\nsystemctl enable --quiet stowaged\n",
			ssh.Quote(unitText), api.UnitFile, api.UnitFile, api.UnitFile)
	}
	if !todo {
		return nil
	}
	if _, err := p.host.Run(ctx, ssh.Command{Script: script.String()}); err != nil {
		return fmt.Errorf("configure the host: %w", err)
	}
	return nil
}

// stowaged uploads the agent, unless it is there.
func (p *preparation) stowaged(ctx context.Context) error {
	failed := func(err error) error {
		return fmt.Errorf("%s: stowaged for %s: %w", p.host.Name(), p.facts.Arch, err)
	}
	path, err := p.options.Stowaged(p.facts.Arch)
	if err != nil {
		return failed(err)
	}
	b, err := open(path)
	if err != nil {
		return failed(err)
	}
	sum, err := b.digest()
	if err != nil {
		return failed(err)
	}
	if p.state.stowaged == sum.sha256 {
		return nil
	}
	packed, err := b.packed()
	if err != nil {
		return failed(err)
	}
	p.options.Progress(fmt.Sprintf("uploading stowaged (%.1f MB)", float64(len(packed))/1e6))
	return ssh.Send(ctx, p.host, ssh.Upload{
		Path: api.Binary, Mode: 0o755, Size: sum.size, SHA256: sum.sha256, Gzip: true, Content: strings.NewReader(packed),
	})
}
