package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"text/tabwriter"

	"github.com/stowage-iac/stowage/test/hosts"
)

func prepare(ctx context.Context, args []string, _ io.Writer) error {
	if err := parse(flag.NewFlagSet("prepare", flag.ExitOnError), args, 0, 0); err != nil {
		return err
	}
	return hosts.Prepare(ctx, os.Stderr)
}

func up(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("up", flag.ExitOnError)
	n := flags.Int("n", 3, "how many hosts")
	variant := flags.String("variant", string(hosts.Ready), "bare or ready")
	disk := flags.Int64("disk", 0, "bytes of each host's disk")
	if err := parse(flags, args, 0, 0); err != nil {
		return err
	}
	lab, err := hosts.New(ctx, hosts.Options{N: *n, Variant: hosts.Variant(*variant), Disk: *disk, Log: os.Stderr})
	if err != nil {
		return err
	}
	if err := lab.Keep(); err != nil {
		return err
	}
	fmt.Fprintf(out, "lab %d, key %s, known hosts %s\n", lab.Number(), lab.Key, lab.KnownHosts)
	for _, h := range lab.Hosts {
		fmt.Fprintf(out, "%s\t%s\n", h.Name, h.Addr)
	}
	return nil
}

func down(ctx context.Context, args []string, _ io.Writer) error {
	flags := flag.NewFlagSet("down", flag.ExitOnError)
	all := flags.Bool("all", false, "every lab made by up, and what dead tests left")
	if err := parse(flags, args, 0, 1); err != nil {
		return err
	}
	if *all {
		kept, err := keptLabs()
		if err != nil {
			return err
		}
		for _, number := range kept {
			if err := stop(ctx, number); err != nil {
				return err
			}
		}
		return hosts.Sweep(ctx)
	}
	if flags.NArg() == 1 {
		number, err := strconv.Atoi(flags.Arg(0))
		if err != nil {
			return fmt.Errorf("%q is not the number of a lab", flags.Arg(0))
		}
		return stop(ctx, number)
	}
	number, err := onlyLab()
	if err != nil {
		return err
	}
	return stop(ctx, number)
}

func stop(ctx context.Context, number int) error {
	lab, err := hosts.Open(ctx, number)
	if err != nil {
		return err
	}
	return lab.Stop(ctx)
}

func list(_ context.Context, args []string, out io.Writer) error {
	if err := parse(flag.NewFlagSet("list", flag.ExitOnError), args, 0, 0); err != nil {
		return err
	}
	labs, err := hosts.List()
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "HOST\tADDRESS\tVARIANT\tPOWER\tLAB\tMADE BY")
	for _, lab := range labs {
		kind := "of a test"
		if lab.Kept {
			kind = "kept"
		}
		for _, h := range lab.Hosts {
			power := "off"
			if h.Running {
				power = "on"
			}
			fmt.Fprintf(table, "%d/%s\t%s\t%s\t%s\t%s\t%s\n", lab.Number, h.Name, h.Addr, lab.Variant, power, kind, lab.Owner)
		}
	}
	return table.Flush()
}

// keptLabs lists the numbers of the labs that "hosts up" made.
func keptLabs() ([]int, error) {
	labs, err := hosts.List()
	if err != nil {
		return nil, err
	}
	var kept []int
	for _, lab := range labs {
		if lab.Kept {
			kept = append(kept, lab.Number)
		}
	}
	return kept, nil
}

// onlyLab is the kept lab that a command means when it names none.
func onlyLab() (int, error) {
	kept, err := keptLabs()
	if err != nil {
		return 0, err
	}
	switch len(kept) {
	case 0:
		return 0, fmt.Errorf("there is no lab; hosts up makes one")
	case 1:
		return kept[0], nil
	}
	return 0, fmt.Errorf("there are several labs, %v; say which, as in %d/h1 or hosts down %d", kept, kept[0], kept[0])
}
