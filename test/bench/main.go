// Command bench measures what Stowage promises about speed and memory and prints
// each figure beside its floor or its peer, taken in the same run: absolute times
// of a shared machine mean little, ratios do.
//
//	go run ./test/bench [-run REGEXP]
//
// REGEXP picks measures by name: start, shapes, engine, hosts/memory, hosts/push …
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"text/tabwriter"
	"time"
)

// figure is one line of the table.
type figure struct {
	name   string
	value  string
	beside string // floor or peer, "" where the demand is absolute
	ratio  float64
	demand string
	met    bool
}

// measure is a part of the run. It may print what it does to stderr.
type measure struct {
	name string
	run  func(context.Context, *bench) error
}

// measures in the order of the run.
func measures() []measure {
	all := []measure{{"start", start}}
	for _, s := range shapes {
		all = append(all, measure{"shapes/" + s.name, s.run})
	}
	return append(all, measure{"engine", engine}, measure{"hosts", onHosts}) // which picks among its parts
}

// bench collects figures.
type bench struct {
	binary  string         // of the CLI
	filter  *regexp.Regexp // of -run
	figures []figure
}

func (b *bench) add(f figure) {
	b.figures = append(b.figures, f)
	fmt.Fprintf(os.Stderr, "  %s: %s %s\n", f.name, f.value, f.beside)
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == "record" {
		if err := record(context.Background(), os.Args[2], os.Args[3] == "nodes"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) == 3 && os.Args[1] == "parse" {
		if err := parse(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	pattern := flag.String("run", "", "measures to run, by a regular expression")
	binary := flag.String("stowage", "bin/stowage", "the CLI to measure, with the agent beside it")
	flag.Parse()
	filter, err := regexp.Compile(*pattern)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b := &bench{binary: *binary, filter: filter}
	failed := false
	for _, m := range measures() {
		picked := filter.MatchString(m.name)
		if m.name == "hosts" {
			picked = len(b.parts()) > 0
		}
		if !picked {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s …\n", m.name)
		if err := m.run(ctx, b); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", m.name, err)
			failed = true
		}
	}
	b.print()
	if failed {
		os.Exit(1)
	}
}

func (b *bench) print() {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FIGURE\tMEASURED\tFLOOR OR PEER\tRATIO\tDEMAND\t")
	for _, f := range b.figures {
		ratio, verdict := "", "met"
		if f.ratio > 0 {
			ratio = fmt.Sprintf("%.2f", f.ratio)
		}
		if !f.met {
			verdict = "MISSED"
		}
		if f.demand == "" {
			verdict = ""
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", f.name, f.value, f.beside, ratio, f.demand, verdict)
	}
	w.Flush()
}

// median of values; it sorts them.
func median[T cmp.Ordered](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
