package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/stowage-iac/stowage/test/hosts"
)

// open opens the lab of a host's name, "h1" or "2/h1". The caller closes it.
func open(ctx context.Context, name string) (*hosts.Lab, *hosts.Host, error) {
	number, short, ok := strings.Cut(name, "/")
	var lab int
	var err error
	if ok {
		lab, err = strconv.Atoi(number)
	} else {
		short = name
		lab, err = onlyLab()
	}
	if err != nil {
		return nil, nil, err
	}
	l, err := hosts.Open(ctx, lab)
	if err != nil {
		return nil, nil, err
	}
	h, err := find(l, short)
	if err != nil {
		l.Close()
		return nil, nil, err
	}
	return l, h, nil
}

func find(l *hosts.Lab, name string) (*hosts.Host, error) {
	for _, h := range l.Hosts {
		if h.Name == name {
			return h, nil
		}
	}
	return nil, fmt.Errorf("lab %d has no host %q; it has h1 to h%d", l.Number(), name, len(l.Hosts))
}

// onHost is a command that does one thing to one host.
func onHost(do func(ctx context.Context, h *hosts.Host) error) func(context.Context, []string, io.Writer) error {
	return func(ctx context.Context, args []string, _ io.Writer) error {
		if len(args) != 1 {
			return errors.New("which host? see hosts help")
		}
		l, h, err := open(ctx, args[0])
		if err != nil {
			return err
		}
		defer l.Close()
		return do(ctx, h)
	}
}

func cut(ctx context.Context, h *hosts.Host) error    { return h.PowerCut(ctx) }
func boot(ctx context.Context, h *hosts.Host) error   { return h.Boot(ctx) }
func reboot(ctx context.Context, h *hosts.Host) error { return h.Reboot(ctx) }
func heal(ctx context.Context, h *hosts.Host) error   { return h.Heal(ctx) }

func partition(ctx context.Context, args []string, _ io.Writer) error {
	if len(args) < 1 || len(args) > 2 {
		return errors.New("which host? see hosts help")
	}
	l, h, err := open(ctx, args[0])
	if err != nil {
		return err
	}
	defer l.Close()
	var from []*hosts.Host
	if len(args) == 2 {
		_, short, ok := strings.Cut(args[1], "/")
		if !ok {
			short = args[1]
		}
		other, err := find(l, short)
		if err != nil {
			return err
		}
		from = append(from, other)
	}
	return h.Partition(ctx, from...)
}

func execCommand(ctx context.Context, args []string, out io.Writer) error {
	if len(args) < 2 {
		return errors.New("exec: which host and which command? see hosts help")
	}
	l, h, err := open(ctx, args[0])
	if err != nil {
		return err
	}
	l.Close() // a long command must not keep others from the lab
	text, err := h.Run(ctx, strings.Join(args[1:], " "))
	io.WriteString(out, text)
	return err
}

// sshCommand becomes the ssh program, for a terminal.
func sshCommand(ctx context.Context, args []string, _ io.Writer) error {
	flags := flag.NewFlagSet("ssh", flag.ExitOnError)
	user := flags.String("l", "root", "user: root, deploy or nosudo")
	if err := parse(flags, args, 1, 1000); err != nil {
		return err
	}
	l, h, err := open(ctx, flags.Arg(0))
	if err != nil {
		return err
	}
	l.Close()
	program, err := exec.LookPath("ssh")
	if err != nil {
		return err
	}
	line := []string{"ssh", "-i", l.Key, "-o", "IdentitiesOnly=yes", "-o", "UserKnownHostsFile=" + l.KnownHosts, *user + "@" + h.Addr}
	return syscall.Exec(program, append(line, flags.Args()[1:]...), os.Environ())
}
