package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// engine measures `stowage validate`, what an apply itself costs per step, and a large state.
func engine(ctx context.Context, b *bench) error {
	binary, err := filepath.Abs(b.binary)
	if err != nil {
		return err
	}
	if err := validate(ctx, b, binary); err != nil {
		return err
	}
	if err := overhead(ctx, b, binary); err != nil {
		return err
	}
	return largeState(ctx, b, binary)
}

func validate(ctx context.Context, b *bench, binary string) error {
	dir, err := os.MkdirTemp("", "stowage-validate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	const blocks, perFile = 1000, 50
	for file := range blocks / perFile {
		var text strings.Builder
		for i := range perFile {
			fmt.Fprintf(&text, "config \"c%d_%d\" {\n  files = { \"f\" = \"content %d\" }\n}\n", file, i, i)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%d.stowage.hcl", file)), []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	u, err := processes(ctx, 10, dir, append(os.Environ(), "HOME="+dir), binary, "validate")
	if err != nil {
		return err
	}
	b.add(figure{name: "validate, 1,000 blocks in files of 50 (CPU)", value: ms(u.cpu), demand: "≤ 0.1 s", met: u.cpu <= 100*time.Millisecond})
	return nil
}

// overhead applies 50,000 secrets, which need no host: what an apply takes beyond
// a plan is the engine's own, journal and its flushes to the disk included.
func overhead(ctx context.Context, b *bench, binary string) error {
	const steps = 50000
	var perStep, wall []time.Duration
	for range 3 {
		dir, err := os.MkdirTemp("", "stowage-apply-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		config := fmt.Sprintf("secret \"s\" {\n  count = %d\n  value = \"value ${count.index}\"\n}\n", steps)
		if err := os.WriteFile(filepath.Join(dir, "main.stowage.hcl"), []byte(config), 0o644); err != nil {
			return err
		}
		env := append(os.Environ(), "HOME="+dir, "STOWAGE_INPUT=0")
		plan, err := process(ctx, dir, env, binary, "plan", "-refresh=false")
		if err != nil {
			return err
		}
		apply, err := process(ctx, dir, env, binary, "apply", "-refresh=false", "-auto-approve")
		if err != nil {
			return err
		}
		perStep = append(perStep, (apply.cpu-plan.cpu)/steps)
		wall = append(wall, apply.wall)
	}
	per := median(perStep)
	b.add(figure{name: "apply of 50,000 secrets: CPU per step beyond the plan", value: fmt.Sprintf("%.3f ms", float64(per.Nanoseconds())/1e6),
		beside: fmt.Sprintf("%.1f s from start to end", median(wall).Seconds()), demand: "≤ 0.2 ms", met: per <= 200*time.Microsecond})
	return nil
}
