package run

import (
	"os"
	"time"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/lang"
)

// DefaultParallelism is how many operations run at once.
const DefaultParallelism = 10

// Options are what plan, apply and destroy have in common.
type Options struct {
	Destroy     bool
	Refresh     bool
	Lock        bool
	LockTimeout time.Duration
	Parallelism int
	JSON        bool
	AutoApprove bool
	Out         string // plan: the file to save to
	Flags       []lang.VariableFlag
}

// Bind declares the common flags.
func Bind(f *cli.Flags) *Options {
	o := &Options{Lock: true}
	f.Func("var", "NAME=VALUE", "", "Set a variable; may be given several times", func(s string) error {
		o.Flags = append(o.Flags, lang.VariableFlag{Assign: s})
		return nil
	})
	f.Func("var-file", "FILE", "*.hcl", "Set variables from a file; may be given several times, later ones win", func(s string) error {
		o.Flags = append(o.Flags, lang.VariableFlag{File: s})
		return nil
	})
	f.BoolVar(&o.Refresh, "refresh", true, "Plan from the state alone, without looking at the hosts: drift is not seen")
	f.DurationVar(&o.LockTimeout, "lock-timeout", 0, "Wait so long for another process to give the state's lock back; default 0s")
	f.IntVar(&o.Parallelism, "parallelism", DefaultParallelism, "How many operations run at once; default 10")
	return o
}

// sources are where the values of variables come from.
func (o *Options) sources() lang.VariableSources {
	return lang.VariableSources{Environ: os.Environ(), Flags: o.Flags}
}
