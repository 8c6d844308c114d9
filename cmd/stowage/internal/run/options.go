package run

import (
	"os"
	"path/filepath"
	"time"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
)

// DefaultParallelism is how many operations run at once.
const DefaultParallelism = 10

// Options are what plan, apply and destroy have in common.
type Options struct {
	Destroy         bool
	Refresh         bool
	Lock            bool
	LockTimeout     time.Duration
	Parallelism     int
	JSON            bool
	Markdown        bool // plan: print it for a comment, and nothing else on standard output
	AutoApprove     bool
	Out             string // plan: the file to save to
	CompactWarnings bool   // show the summaries of warnings only
	Bare            bool   // where there is no configuration, an empty one will do
	Flags           []lang.VariableFlag
	Plan            planner.Options

	imports []lang.Import
}

// Bind declares the common flags.
func Bind(f *cli.Flags) *Options {
	o := BindVariables(f)
	o.Lock = true
	f.BoolVar(&o.Refresh, "refresh", true, "Plan from the state alone, without looking at the hosts: drift is not seen")
	f.DurationVar(&o.LockTimeout, "lock-timeout", 0, "Wait so long for another process to give the state's lock back; default 0s")
	f.BoolVar(&o.CompactWarnings, "compact-warnings", false, "Show of warnings only what they are about and where, unless there are errors")
	address := func(into *[]string) func(string) error {
		return func(s string) error {
			*into = append(*into, s)
			return nil
		}
	}
	f.Func("target", "ADDRESS", "", "Only this instance, block or module and what it depends on (a destroy: what depends on it); may be given several times", address(&o.Plan.Targets))
	f.Func("exclude", "ADDRESS", "", "All but this instance, block or module and what depends on it (a destroy: what it depends on); may be given several times", address(&o.Plan.Excludes))
	f.Complete("var", VariableNames)
	f.Complete("target", AddressNames)
	f.Complete("exclude", AddressNames)
	f.IntVar(&o.Parallelism, "parallelism", DefaultParallelism, "How many operations run at once; default 10")
	return o
}

// BindVariables declares the flags that give values to variables.
func BindVariables(f *cli.Flags) *Options {
	o := &Options{Parallelism: DefaultParallelism}
	f.Func("var", "NAME=VALUE", "", "Set a variable; may be given several times", func(s string) error {
		o.Flags = append(o.Flags, lang.VariableFlag{Assign: s})
		return nil
	})
	f.Func("var-file", "FILE", "*.hcl", "Set variables from a file; may be given several times, later ones win", func(s string) error {
		o.Flags = append(o.Flags, lang.VariableFlag{File: s})
		return nil
	})
	return o
}

// BindMaking declares the flags of plans that are not about destroying everything.
func (o *Options) BindMaking(f *cli.Flags) {
	f.Func("replace", "ADDRESS", "", "Replace this instance (or all of a block) although nothing forces it; may be given several times", func(s string) error {
		o.Plan.Replace = append(o.Plan.Replace, s)
		return nil
	})
	f.Complete("replace", AddressNames)
	f.BoolVar(&o.Plan.RefreshOnly, "refresh-only", false, "Only record in the state what changed outside of Stowage; nothing is touched")
}

// Conflict says which flags do not go together, "" when all do.
func (o *Options) Conflict() string {
	switch p := o.Plan; {
	case len(p.Targets) > 0 && len(p.Excludes) > 0:
		return "-target and -exclude do not go together: name either what the plan is about or what it is not"
	case p.RefreshOnly && o.Destroy:
		return "-refresh-only changes nothing, and -destroy everything: use one of them"
	case p.RefreshOnly && !o.Refresh:
		return "-refresh-only looks at the hosts, and -refresh=false does not: use one of them"
	case p.RefreshOnly && len(p.Replace) > 0:
		return "-refresh-only changes nothing, so that -replace has no effect with it: use one of them"
	case o.Destroy && len(p.Replace) > 0:
		return "-replace has no effect where everything is destroyed"
	}
	return ""
}

// sources are where the values of variables come from.
func (o *Options) sources() lang.VariableSources {
	return lang.VariableSources{Environ: os.Environ(), Flags: o.Flags}
}

// files are the files that stand for those of the directory; nil: these themselves.
func (o *Options) files() map[string][]byte {
	if found, err := filepath.Glob("*" + lang.Suffix); !o.Bare || err != nil || len(found) > 0 {
		return nil
	}
	return map[string][]byte{"main" + lang.Suffix: nil}
}
