package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stowage-iac/stowage/ssh"
)

// ErrNoPackages: containerd cannot be installed by the host's package manager.
var ErrNoPackages = errors.New("no package for containerd")

// lockPause is the time between two tries while another process holds the package manager's lock.
const lockPause = 2 * time.Second

// plan asks the package manager what it would add. Nothing is installed that is there already.
func (p *preparation) plan(ctx context.Context) error {
	if p.state.containerd != "" && p.state.runc != "" {
		return nil
	}
	p.tool = toolNamed(p.state.packageTool)
	if p.tool == nil {
		return fmt.Errorf("%s: %w: the host has neither apt nor dnf nor apk: install containerd and runc there by hand and apply again", p.host.Name(), ErrNoPackages)
	}
	p.options.Progress("looking up packages")
	var err error
	for _, wanted := range p.tool.choices {
		wanted = p.missing(wanted)
		var out string
		if out, err = p.simulate(ctx, wanted); err == nil {
			p.wanted = wanted
			p.state.manifest.addPackages(p.tool.added(out))
			return nil
		}
		if !p.unknownPackage(err) {
			return err
		}
	}
	hint := "check the host's package sources"
	if p.tool == &dnf {
		hint = "add Docker's repository, which has containerd.io, and apply again"
	}
	return fmt.Errorf("%w: %w: %s", err, ErrNoPackages, hint)
}

// missing leaves out what is there, from whatever source.
func (p *preparation) missing(wanted []string) []string {
	return slices.DeleteFunc(slices.Clone(wanted), func(name string) bool {
		return name == "containerd" && p.state.containerd != "" || name == "runc" && p.state.runc != ""
	})
}

// simulate refreshes the lists of packages only when the package manager does not know a package.
func (p *preparation) simulate(ctx context.Context, wanted []string) (string, error) {
	command := p.tool.simulate + " " + strings.Join(wanted, " ")
	out, err := p.manage(ctx, "look up "+strings.Join(wanted, " and "), command, p.tool.simulateFails)
	if err == nil || !p.unknownPackage(err) {
		return out, err
	}
	p.options.Progress("fetching the package lists")
	if _, err := p.manage(ctx, "fetch the package lists", p.tool.refresh, false); err != nil {
		return "", err
	}
	return p.manage(ctx, "look up "+strings.Join(wanted, " and "), command, p.tool.simulateFails)
}

// install installs what plan asked for and record has recorded.
func (p *preparation) install(ctx context.Context) error {
	if len(p.wanted) == 0 {
		return nil
	}
	what := strings.Join(p.wanted, " and ")
	p.options.Progress("installing " + what)
	command := p.tool.install + " " + strings.Join(p.wanted, " ")
	_, err := p.manage(ctx, "install "+what, command, false)
	if err != nil && p.unknownPackage(err) {
		// The lists know a version that the mirror no longer has.
		p.options.Progress("fetching the package lists")
		if _, err := p.manage(ctx, "fetch the package lists", p.tool.refresh, false); err != nil {
			return err
		}
		_, err = p.manage(ctx, "install "+what, command, false)
	}
	return err
}

// manage runs a package manager; see run.
func (p *preparation) manage(ctx context.Context, what, command string, mayFail bool) (string, error) {
	return p.tool.run(ctx, p.host, p.options, what, command, mayFail)
}

// run runs a command of the package manager. It waits while another process
// holds its lock, and repairs what an interrupted run left. mayFail: a status
// other than 0 is no failure unless a package is unknown.
func (t *tool) run(ctx context.Context, host ssh.Host, o Options, what, command string, mayFail bool) (string, error) {
	deadline := time.Now().Add(o.LockWait)
	repaired := false
	for {
		out, err := host.Run(ctx, ssh.Command{Script: command + " </dev/null"})
		var exit *ssh.ExitError
		if !errors.As(err, &exit) {
			return out.Stdout, err
		}
		said := exit.Output.Stdout + exit.Output.Stderr
		switch {
		case mentions(said, t.locked):
			if time.Now().After(deadline) {
				return "", fmt.Errorf("%s: %s: another process has held the lock of %s for %v: wait until it is done, or end it, and apply again: %s",
					host.Name(), what, t.name, o.LockWait, errorLine(said, t.locked))
			}
			o.Progress("waiting for another process that holds the lock of " + t.name)
			if err := sleep(ctx, lockPause); err != nil {
				return "", fmt.Errorf("%s: %s: %w", host.Name(), what, err)
			}
		case !repaired && t.repair != "" && mentions(said, t.interrupted):
			repaired = true
			o.Progress("repairing an interrupted installation")
			if _, err := host.Run(ctx, ssh.Command{Script: t.repair + " </dev/null"}); err != nil {
				return "", fmt.Errorf("repair an interrupted installation (%s): %w", t.repair, err)
			}
		case mayFail && !mentions(said, t.unknown):
			return out.Stdout, nil
		default:
			return "", &packageError{host: host.Name(), what: what, said: said, exit: exit}
		}
	}
}

// packageError is a package manager's refusal.
type packageError struct {
	host, what, said string
	exit             *ssh.ExitError
}

// Error gives the lines that the package manager marked as errors.
func (e *packageError) Error() string {
	var marked []string
	for line := range strings.Lines(e.said) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "E: ") || strings.HasPrefix(line, "Error") || strings.HasPrefix(line, "ERROR") {
			marked = append(marked, line)
		}
	}
	if len(marked) == 0 {
		return fmt.Sprintf("%s: %s: %v", e.host, e.what, e.exit)
	}
	return fmt.Sprintf("%s: %s: %s", e.host, e.what, strings.Join(marked[:min(3, len(marked))], "; "))
}

func (e *packageError) Unwrap() error { return e.exit }

func (p *preparation) unknownPackage(err error) bool {
	var e *packageError
	return errors.As(err, &e) && mentions(e.said, p.tool.unknown)
}

func errorLine(text string, parts []string) string {
	for line := range strings.Lines(text) {
		if mentions(line, parts) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
