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

// Remove takes everything back that Prepare and the node's life put on the host,
// and nothing else: pods, agent, packages, settings, directories. It may be
// repeated after a crash at any point, and works on what is left.
func Remove(ctx context.Context, host ssh.Host, progress func(string)) error {
	if progress == nil {
		progress = func(string) {}
	}
	s, err := look(ctx, host)
	if err != nil {
		return err
	}
	r := &removal{host: host, state: s, progress: progress, options: Options{Progress: progress}.withDefaults()}
	for _, step := range []func(context.Context) error{r.others, r.pods, r.agent, r.packages, r.units, r.settings, r.dirs} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// removal is one run of Remove.
type removal struct {
	host     ssh.Host
	state    *state
	progress func(string)
	options  Options
	keeps    bool // containerd stays, since something else uses it
}

// podsScript stops the agent, which would bring its pods back, and has it take
// everything down. That needs containerd, which on a host without systemd has
// ended with the supervisor (and anywhere may have crashed): then it runs for as
// long as this takes.
const podsScript = `listens() { grep -qs ' ` + api.ContainerdSock + `$' /proc/net/unix; }
helper=
if [ -d /run/systemd/system ]; then
  systemctl stop stowaged 2>/dev/null
  listens || systemctl start containerd 2>/dev/null
else
  ` + stopSupervisor + ` || exit 1
  if ! listens && command -v containerd >/dev/null 2>&1; then
    setsid containerd </dev/null >/dev/null 2>&1 &
    helper=$!
    n=0
    until listens || [ $n = 100 ]; do n=$((n+1)); sleep 0.1; done
  fi
fi
` + api.Binary + ` teardown
status=$?
[ "$helper" ] && kill "$helper" && wait "$helper"
exit $status`

// pods has stowaged remove all that it made on the host.
func (r *removal) pods(ctx context.Context) error {
	if r.state.stowaged == "" {
		return nil
	}
	r.progress("removing pods")
	if _, err := r.host.Run(ctx, ssh.Command{Script: podsScript}); err != nil {
		return fmt.Errorf("remove what stowaged made (%s teardown): %w", api.Binary, err)
	}
	return nil
}

// agent stops stowaged and removes it. /run/stowage and /var/lib/stowage are
// ours, and so is whatever is still mounted there.
func (r *removal) agent(ctx context.Context) error {
	r.progress("removing stowaged")
	script := `set -e
if [ -d /run/systemd/system ]; then
  if [ -e ` + api.UnitFile + ` ]; then systemctl disable --now --quiet stowaged; fi
  rm -f ` + api.UnitFile + `
  systemctl daemon-reload
  systemctl reset-failed stowaged 2>/dev/null || true
elif [ -x ` + api.Binary + ` ]; then
  ` + stopSupervisor + `
fi
awk '$2 ~ "^(/run/stowage|/var/lib/stowage)(/|$)" {print $2}' /proc/mounts | sort -r | while read -r m; do umount "$(printf %b "$m")"; done
rm -f ` + api.Binary + `
rm -rf ` + api.ConfigDir + ` ` + api.RunDir + ` ` + LogDir + `
if [ -d ` + api.DataDir + ` ]; then
  find ` + api.DataDir + ` -mindepth 1 -maxdepth 1 ! -name install.json -exec rm -rf {} +
fi`
	if _, err := r.host.Run(ctx, ssh.Command{Script: script}); err != nil {
		return fmt.Errorf("remove stowaged: %w", err)
	}
	return nil
}

// othersScript lists the containerd namespaces other than ours that have containers.
const othersScript = `command -v ctr >/dev/null 2>&1 || exit 0
[ -S ` + api.ContainerdSock + ` ] || exit 0
for n in $(ctr --connect-timeout 5s namespaces ls -q 2>/dev/null); do
  [ "$n" = ` + api.ContainerdNamespace + ` ] && continue
  [ "$(ctr -n "$n" containers ls -q 2>/dev/null | head -n 1)" ] && echo "$n"
done
exit 0`

// others looks for other users of containerd, while it still runs.
func (r *removal) others(ctx context.Context) error {
	if !r.state.manifest.broughtContainerd() {
		return nil
	}
	out, err := r.host.Run(ctx, ssh.Command{Script: othersScript})
	if err != nil {
		return fmt.Errorf("look for other users of containerd: %w", err)
	}
	if others := strings.Fields(out.Stdout); len(others) > 0 {
		r.keep("containers of the namespace " + strings.Join(others, ", ") + " use containerd")
	}
	return nil
}

// packages removes what we had installed, unless something else has come to need it.
func (r *removal) packages(ctx context.Context) error {
	m := r.state.manifest
	if len(m.Packages) == 0 {
		return nil
	}
	t := toolNamed(r.state.packageTool)
	if t == nil {
		return fmt.Errorf("%s: %s were installed by Stowage, but the host's package manager is gone", r.host.Name(), strings.Join(m.Packages, ", "))
	}
	if r.keeps {
		return nil
	}
	ours, err := r.removable(ctx, t)
	if err != nil || len(ours) == 0 {
		return err
	}
	r.progress("removing " + strings.Join(ours, ", "))
	if _, err := t.run(ctx, r.host, r.options, "remove packages", t.remove+" "+strings.Join(ours, " "), false); err != nil {
		return err
	}
	return nil
}

func (r *removal) keep(why string) {
	r.keeps = true
	r.progress(fmt.Sprintf("keeping %s: %s", strings.Join(r.state.manifest.Packages, ", "), why))
}

// removable are our packages that are still there and whose removal takes no
// other package with it.
func (r *removal) removable(ctx context.Context, t *tool) ([]string, error) {
	names := r.state.manifest.Packages
	out, err := t.run(ctx, r.host, r.options, "look up packages to remove", t.simulateRemove+" "+strings.Join(names, " "), true)
	if err != nil {
		return nil, err
	}
	var ours, others []string
	for _, name := range t.removed(out) {
		if slices.Contains(names, name) {
			ours = append(ours, name)
		} else {
			others = append(others, name)
		}
	}
	if len(others) > 0 {
		r.keep(strings.Join(others, ", ") + " depends on them")
		return nil, nil
	}
	return ours, nil
}

// units gives containerd's unit back as it was.
func (r *removal) units(ctx context.Context) error {
	u, known := r.state.manifest.unit("containerd")
	if !known || r.state.init != systemd || u.Enabled && u.Active {
		return nil
	}
	var script []string
	if !u.Enabled {
		script = append(script, "systemctl disable --quiet containerd")
	}
	if !u.Active {
		script = append(script, "systemctl stop containerd")
	}
	if _, err := r.host.Run(ctx, ssh.Command{Script: strings.Join(script, " && ")}); err != nil {
		return fmt.Errorf("give containerd back: %w", err)
	}
	return nil
}

// settings restores kernel settings that still have our value.
func (r *removal) settings(ctx context.Context) error {
	script := "set -e\nrm -f " + sysctlFile + "\n"
	for _, name := range slices.Sorted(maps.Keys(r.state.manifest.Sysctls)) {
		was := r.state.manifest.Sysctls[name]
		if was != "" && r.state.sysctls[name] == sysctls[name] {
			script += fmt.Sprintf("echo %s > /proc/sys/%s\n", ssh.Quote(was), strings.ReplaceAll(name, ".", "/"))
		}
	}
	if _, err := r.host.Run(ctx, ssh.Command{Script: script}); err != nil {
		return fmt.Errorf("restore kernel settings: %w", err)
	}
	return nil
}

// dirs removes the directories that were not there before, and the manifest last.
func (r *removal) dirs(ctx context.Context) error {
	m := r.state.manifest
	script := `set -e
gone() { # removes a directory, or its content; never through a mount
  if awk -v d="$2/" 'index($2, d) == 1 {found = 1} END {exit !found}' /proc/mounts; then
    echo "$2 still has something mounted below it: see /proc/mounts" >&2; return 1
  fi
  if [ -d "$2" ]; then
    find "$2" -xdev -mindepth 1 -delete
    if [ "$1" = dir ]; then rmdir "$2"; fi
  fi
}
empty() { if [ -d "$1" ]; then rmdir "$1" 2>/dev/null || true; fi; }
`
	dirs := slices.Sorted(slices.Values(allDirs))
	slices.Reverse(dirs) // what is inside first
	for _, d := range dirs {
		mode, emptied := m.Emptied[d]
		made := slices.Contains(m.Dirs, d)
		containerds := slices.Contains(containerdDirs, d)
		switch {
		case d == api.DataDir || !made && !emptied || containerds && r.keeps:
		case containerds && made:
			script += "gone dir " + d + "\n"
		case containerds:
			script += "gone content " + d + " && chmod " + mode + " " + d + "\n"
		case made:
			script += "empty " + d + "\n"
		}
	}
	script += "rm -rf " + api.DataDir + "\n"
	if _, err := r.host.Run(ctx, ssh.Command{Script: script}); err != nil {
		return fmt.Errorf("remove directories: %w", err)
	}
	return nil
}
