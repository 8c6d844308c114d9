package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/stowage-iac/stowage/test/blocks"
)

// tofuSize is how many instances a shape has for the comparison: OpenTofu's time grows
// with the square of it.
const tofuSize = 1000

// tofuConfigs are shapes as OpenTofu has them, with terraform_data, which needs no
// provider and does nothing.
var tofuConfigs = map[string]func(n int) string{
	"count": func(n int) string {
		return fmt.Sprintf("resource \"terraform_data\" \"c\" {\n  count = %d\n  input = \"content ${count.index}\"\n}\n", n)
	},
	"for_each": func(n int) string {
		return fmt.Sprintf("locals {\n  m = { for i in range(%d) : \"k${i}\" => i }\n}\nresource \"terraform_data\" \"c\" {\n  for_each = local.m\n  input = \"content ${each.value}\"\n}\n", n)
	},
	"pair": func(n int) string {
		return fmt.Sprintf("resource \"terraform_data\" \"c\" {\n  count = %[1]d\n  input = \"content ${count.index}\"\n}\nresource \"terraform_data\" \"p\" {\n  count = %[1]d\n  input = terraform_data.c[count.index].output\n}\n", n/2)
	},
	"blocks": func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(blocks.TerraformData(i))
		}
		return b.String()
	},
	"chain": func(n int) string {
		var b strings.Builder
		b.WriteString("resource \"terraform_data\" \"c0\" {\n  input = \"start\"\n}\n")
		for i := 1; i < n; i++ {
			fmt.Fprintf(&b, "resource \"terraform_data\" \"c%d\" {\n  input = \"after ${terraform_data.c%d.id}\"\n}\n", i, i-1)
		}
		return b.String()
	},
}

// peer is the path of OpenTofu, or else of Terraform, whose engine it shares; "" where
// neither is on PATH.
func peer() string {
	for _, name := range []string{"tofu", "terraform"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// beside measures a shape of tofuSize beside OpenTofu or Terraform, if there is one on PATH.
func (s shape) beside(ctx context.Context, b *bench, binary string) error {
	config := tofuConfigs[s.name]
	tofu := peer()
	if config == nil || tofu == "" {
		return nil
	}
	sized, _, err := s.measure(ctx, b, binary, tofuSize)
	if err != nil {
		return err
	}
	ours := sized[0]
	theirs, err := tofuPlans(ctx, tofu, config(tofuSize))
	if err != nil {
		return fmt.Errorf("%s beside %s: %w", s.name, filepath.Base(tofu), err)
	}
	b.add(figure{
		name:   fmt.Sprintf("%s of %d: first, no-op plan (CPU)", s.name, tofuSize),
		value:  ours.String(),
		beside: filepath.Base(tofu) + " " + theirs.String(),
		ratio:  max(float64(ours.first.cpu)/float64(theirs.first.cpu), float64(ours.again.cpu)/float64(theirs.again.cpu)),
	})
	return nil
}

// tofuPlans measures OpenTofu's or Terraform's first plan of a configuration, and one after its apply.
func tofuPlans(ctx context.Context, tofu, config string) (m measured, err error) {
	dir, err := os.MkdirTemp("", "stowage-tofu-")
	if err != nil {
		return m, err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(config), 0o644); err != nil {
		return m, err
	}
	env := append(os.Environ(), "HOME="+dir, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1")
	if _, err := process(ctx, dir, env, tofu, "init", "-input=false", "-no-color"); err != nil {
		return m, err
	}
	plan := func() (used, error) {
		return processes(ctx, 1, dir, env, tofu, "plan", "-input=false", "-no-color")
	}
	if m.first, err = plan(); err != nil {
		return m, err
	}
	if _, err := process(ctx, dir, env, tofu, "apply", "-auto-approve", "-input=false", "-no-color"); err != nil {
		return m, err
	}
	m.again, err = plan()
	return m, err
}
