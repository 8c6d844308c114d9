// Command hosts runs test hosts from the shell; see package
// github.com/stowage-iac/stowage/test/hosts.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: hosts <command> [arguments]

Real Debian hosts on this machine, each in about a second. Needs root.

  up [-n 3] [-variant bare|ready] [-disk bytes]
                        boot a lab of hosts that stays until "hosts down"
  down [lab]            remove a lab
  down -all             remove every lab made by "up", and what dead tests left
  list                  show the labs and hosts of this machine
  ssh HOST [command]    log in as root, or run a command (-l user for another)
  exec HOST command     run a command as root; only its output
  cut HOST              take its power away
  boot HOST             switch it on again, with the same disk
  reboot HOST           shut it down in order and boot it
  partition HOST [HOST] take it off the network (from another host only)
  heal HOST             end its partitions
  prepare               install what is missing and build the base images

A host that reboots from inside stays off until "hosts boot".
A HOST is h1, h2, …; with several labs it is lab/h1, such as 2/h1.
Example: hosts up -n 3 && hosts cut h2 && hosts list
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "hosts:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	name, args := args[0], args[1:]
	if name == "help" || name == "-h" || name == "-help" || name == "--help" {
		_, err := fmt.Fprint(out, usage)
		return err
	}
	command, ok := commands[name]
	if !ok {
		return fmt.Errorf("unknown command %q; see hosts help", name)
	}
	return command(ctx, args, out)
}

var commands = map[string]func(ctx context.Context, args []string, out io.Writer) error{
	"prepare":   prepare,
	"up":        up,
	"down":      down,
	"list":      list,
	"ssh":       sshCommand,
	"exec":      execCommand,
	"cut":       onHost(cut),
	"boot":      onHost(boot),
	"reboot":    onHost(reboot),
	"heal":      onHost(heal),
	"partition": partition,
}

// parse parses a command's flags and checks how many arguments follow.
func parse(flags *flag.FlagSet, args []string, least, most int) error {
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	flags.Parse(args)
	if n := flags.NArg(); n < least || n > most {
		return fmt.Errorf("%s: %d arguments; see hosts help", flags.Name(), n)
	}
	return nil
}
