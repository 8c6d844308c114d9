// Package format is the command "fmt": it brings configuration files into the canonical layout.
package format

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/lang"
)

type options struct{ check, diff, recursive, write, list bool }

// Command is "fmt".
func Command() *cli.Command {
	return &cli.Command{
		Name: "fmt", Synopsis: "Bring configuration files into the canonical layout", Usage: "[options] [FILE|DIR|-]…",
		Doc: `Rewrites *.hcl files in place and lists those that changed. Without arguments
all files of the working directory are meant; "-" reads standard input and
writes standard output. A file with a syntax error is left as it is.

With -check nothing is written; the exit code is 3 when a file would change.`,
		Example: "$ stowage fmt -recursive\n$ stowage fmt -check -diff",
		MaxArgs: -1, CompleteArgs: "*.hcl",
		Plain: true,
		Bind: func(f *cli.Flags) cli.Run {
			check := f.Bool("check", false, "Write nothing; exit with 3 when a file would change")
			diff := f.Bool("diff", false, "Show what changes")
			recursive := f.Bool("recursive", false, "Also the files of subdirectories")
			write := f.Bool("write", true, "Do not write the files")
			list := f.Bool("list", true, "Do not list the files that change")
			return func(_ context.Context, t *cli.Terminal, args []string) int {
				o := options{*check, *diff, *recursive, *write && !*check, *list}
				if len(args) == 0 {
					args = []string{"."}
				}
				return format(run.New(t), o, args)
			}
		},
	}
}

func format(r *run.Run, o options, args []string) int {
	if len(args) == 1 && args[0] == "-" {
		return standardInput(r, o)
	}
	files, err := find(args, o.recursive)
	if err != nil {
		return r.Fail("Cannot find the files", err)
	}
	code := cli.OK
	var diags hcl.Diagnostics
	for _, file := range files {
		changed, ds := one(r, o, file)
		diags = append(diags, ds...)
		if changed && o.check && code == cli.OK {
			code = cli.Unformatted
		}
	}
	if r.Report(diags) {
		return cli.Failed
	}
	return code
}

func standardInput(r *run.Run, o options) int {
	src, err := io.ReadAll(r.T.In)
	if err != nil {
		return r.Fail("Cannot read standard input", err)
	}
	out, diags := lang.Format(src, "<stdin>")
	if diags.HasErrors() {
		r.Sources(map[string][]byte{"<stdin>": src})
		r.Report(diags)
		return cli.Failed
	}
	changed := string(out) != string(src)
	switch {
	case o.diff:
		err = r.Out().Diff(r.T.Out, "<stdin>", src, out)
	case !o.check:
		_, err = r.T.Out.Write(out)
	}
	if err != nil {
		return r.Fail("Cannot write the result", err)
	}
	if changed && o.check {
		return cli.Unformatted
	}
	return cli.OK
}

// one formats a file and reports whether it changes.
func one(r *run.Run, o options, file string) (bool, hcl.Diagnostics) {
	src, err := os.ReadFile(file)
	if err != nil {
		return false, run.Diagnose("Cannot read the file", err)
	}
	out, diags := lang.Format(src, file)
	if diags.HasErrors() || string(out) == string(src) {
		return false, diags
	}
	if o.list {
		fmt.Fprintln(r.T.Out, file)
	}
	if o.diff {
		if err := r.Out().Diff(r.T.Out, file, src, out); err != nil {
			return true, run.Diagnose("Cannot write the result", err)
		}
	}
	if o.write {
		if err := run.WriteFile(file, out, 0); err != nil {
			return true, run.Diagnose("Cannot write the file", err)
		}
	}
	return true, diags
}

// find lists the files that the arguments mean, sorted, each once.
func find(args []string, recursive bool) ([]string, error) {
	seen := map[string]bool{}
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			if !strings.HasSuffix(arg, ".hcl") {
				return nil, fmt.Errorf("%s is no .hcl file", arg)
			}
			seen[arg] = true
			continue
		}
		if err := walk(arg, recursive, seen); err != nil {
			return nil, err
		}
	}
	files := make([]string, 0, len(seen))
	for f := range seen {
		files = append(files, f)
	}
	sort.Strings(files)
	return files, nil
}

// walk adds the files of configurations, variables and tests of a directory. Hidden directories are not entered.
func walk(root string, recursive bool, seen map[string]bool) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if path != root && (!recursive || strings.HasPrefix(d.Name(), ".")) {
				return fs.SkipDir
			}
		case strings.HasSuffix(d.Name(), ".stowage.hcl"), strings.HasSuffix(d.Name(), ".vars.hcl"), strings.HasSuffix(d.Name(), ".test.hcl"):
			seen[path] = true
		}
		return nil
	})
}
