package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// parse parses the configuration of a directory with the library alone: the floor of
// what a plan of it takes if every file goes through hcl.
func parse(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.stowage.hcl"))
	if err != nil {
		return err
	}
	files := make([]*hcl.File, len(names)) // a plan needs them all at once
	for i, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		file, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
		if diags.HasErrors() {
			return diags
		}
		files[i] = file
	}
	if len(files) == 0 {
		return fmt.Errorf("%s has no configuration", dir)
	}
	return nil
}

// floor measures parse as a process of its own, with the CLI's setting of the collector.
func floor(ctx context.Context, dir string, runs int) (used, error) {
	self, err := os.Executable()
	if err != nil {
		return used{}, err
	}
	return processes(ctx, runs, dir, append(os.Environ(), "GOGC=500"), self, "parse", dir)
}
