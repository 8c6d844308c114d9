// Stowaged is the agent that runs on every node, and on managers the cluster's
// store, API and controllers too. It is wiring only: flags, files and signals.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// command is one subcommand.
type command struct {
	name, args, help string
	run              func(ctx context.Context, args []string) error
}

func commands() []command {
	return []command{
		{"run", "[flags]", "run this node (the daemon)", runDaemon},
		{"identity", "-name NAME", "make this node's keys where missing and print the request to join", identity},
		{"join", "< RESPONSE", "store the manager's answer to the request", join},
		{"supervise", "[-stop]", "run stowaged, and containerd where the node's configuration says so, without systemd", supervise},
		{"teardown", "[flags]", "stop and remove every pod of this node", teardown},
		{"dial-stdio", "SOCKET", "connect standard input and output to a unix socket", dialStdio},
		{"version", "", "print the version", version},
	}
}

// errUsage asks for status 2; what is wrong was printed.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := dispatch(ctx, os.Args[1:])
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "stowaged:", err)
		os.Exit(1)
	}
}

func dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		usage(os.Stderr)
		return errUsage
	}
	name := args[0]
	if slices.Contains([]string{"help", "-h", "-help", "--help"}, name) {
		usage(os.Stdout)
		return nil
	}
	if slices.Contains([]string{"-version", "--version", "-v"}, name) {
		name = "version"
	}
	if name == becomeName {
		return become(ctx, args[1:])
	}
	for _, c := range commands() {
		if c.name == name {
			return c.run(ctx, args[1:])
		}
	}
	fmt.Fprintf(os.Stderr, "stowaged: there is no command %q\n\n", name)
	usage(os.Stderr)
	return errUsage
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "Usage: stowaged COMMAND\n\nThe agent of a Stowage node. It is installed and started by stowage apply.")
	fmt.Fprintln(w)
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-24s %s\n", strings.TrimSpace(c.name+" "+c.args), c.help)
	}
}
