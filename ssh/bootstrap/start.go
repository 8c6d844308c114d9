package bootstrap

import (
	"context"
	"fmt"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/ssh"
)

// startUnit does not wait for stowaged to be ready: that may take until other
// nodes answer. The stop before is waited for, so that whoever asks next does
// not get an answer of the old process.
const startUnit = `systemctl daemon-reload
systemctl reset-failed stowaged 2>/dev/null
systemctl stop stowaged && systemctl start --no-block stowaged`

// startSupervisor starts the fallback where there is no systemd, in a session
// of its own, so that it outlives ours.
const startSupervisor = `set -e
mkdir -p -m 0755 ` + LogDir + `
` + stopSupervisor + `
setsid ` + api.Binary + ` supervise </dev/null >>` + LogDir + `/supervise.log 2>&1 &`

// stopSupervisor also ends what a supervisor that was killed has left running.
const stopSupervisor = `if [ -d ` + api.RunDir + ` ] && [ -x ` + api.Binary + ` ]; then ` + api.Binary + ` supervise -stop; fi`

// HowToStart is the command that starts stowaged by hand on a host that is a node.
func HowToStart(facts api.NodeFacts) string {
	if facts.Init == systemd {
		return "systemctl start stowaged"
	}
	return "setsid " + api.Binary + " supervise &"
}

// Start starts stowaged, or restarts it where the binary, the unit or the
// configuration changed since it was started. Containers keep running.
func Start(ctx context.Context, host ssh.Host) error {
	s, err := look(ctx, host)
	if err != nil {
		return err
	}
	print := s.fingerprint()
	if s.running() && s.manifest.Started == print {
		return nil
	}
	script := startSupervisor
	if s.init == systemd {
		script = startUnit
	}
	if _, err := host.Run(ctx, ssh.Command{Script: script}); err != nil {
		return fmt.Errorf("start stowaged: %w", err)
	}
	s.manifest.Started = print
	return s.save(ctx, host)
}
