package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// largeState measures a plan without changes over a state of 100 MB, and reading an
// output of it: neither may hang, or take many times its size.
func largeState(ctx context.Context, b *bench, binary string) error {
	const n, size = 100_000, 950
	dir, err := os.MkdirTemp("", "stowage-state-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	config := fmt.Sprintf("locals {\n  text = %q\n}\nconfig \"c\" {\n  count = %d\n  files = { \"f\" = \"${local.text} ${count.index}\" }\n}\n", strings.Repeat("x", size), n)
	if err := os.WriteFile(filepath.Join(dir, "main.stowage.hcl"), []byte(config), 0o644); err != nil {
		return err
	}
	if err := recordApart(ctx, dir, "all"); err != nil {
		return err
	}
	info, err := os.Stat(filepath.Join(dir, stateFile))
	if err != nil {
		return err
	}
	env := append(os.Environ(), "HOME="+dir, "STOWAGE_INPUT=0")
	for _, c := range []struct {
		name string
		args []string
	}{
		{"no-op plan", []string{"plan", "-refresh=false", "-detailed-exitcode"}},
		{"state show of one of 100,000", []string{"state", "show", "config.c[7]"}},
	} {
		u, err := process(ctx, dir, env, binary, c.args...)
		if err != nil {
			return err
		}
		b.add(figure{
			name:   fmt.Sprintf("%s, a state of %.0f MB", c.name, float64(info.Size())/1e6),
			value:  fmt.Sprintf("%s, peak %s", ms(u.cpu), mib(u.peak)),
			beside: fmt.Sprintf("%.1f s from start to end", u.wall.Seconds()),
		})
	}
	return nil
}
