package lang

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

type (
	loaded   struct{}
	variable struct{}
	local    struct{}
	resource struct{ address string }
	output   struct{}
)

// Load parses all *.stowage.hcl files of dir (or opts.Files) and checks all
// that can be checked without values. All errors are reported at once; with
// errors the Config holds what could be understood and must not be evaluated.
// It is never nil, so that its Files can serve for snippets.
func Load(dir string, opts Options) (*Config, hcl.Diagnostics) {
	return &Config{Dir: dir, Files: map[string]*hcl.File{}}, nil
}

// Validate type-checks every body with unknown variables: what is wrong whatever the values are.
func (c *Config) Validate() hcl.Diagnostics { return nil }

// VariableSources says where the values of variables come from; later ones win:
// STOWAGE_VAR_name of Environ, stowage.vars.hcl and then *.auto.vars.hcl (in
// lexical order) of the configuration's directory, then Flags in their order.
type VariableSources struct {
	Environ []string // os.Environ()
	Flags   []VariableFlag
}

// VariableFlag is one -var or -var-file of the command line.
type VariableFlag struct {
	Assign string // of -var: name=value
	File   string // of -var-file: a path, relative to the working directory
}

// Input is the raw value given to a variable.
type Input struct {
	Value  cty.Value // as written: not yet converted to the variable's type; never marked
	Source string    // where it comes from, for errors: "-var", "stowage.vars.hcl", "STOWAGE_VAR_x"
	Range  hcl.Range // in a file or a pseudo file; zero when there is none
}

// ReadVariables resolves what is given to the declared variables. Undeclared
// names are errors for -var, warnings in files and ignored in the environment.
// Variables that nothing is given to are absent.
func (c *Config) ReadVariables(from VariableSources) (map[string]Input, hcl.Diagnostics) {
	return nil, nil
}

// Inputs of an evaluation.
type Inputs struct {
	Variables map[string]Input // see Config.ReadVariables
}

// Evaluator computes the values of a configuration for one set of inputs.
//
// Decode, Set, Get and Output may be called concurrently; Expand of a block must
// come before Decode and Set of its instances, and all that a block refers to
// must have been Set before (any order that respects Order does).
type Evaluator struct{}

// NewEvaluator checks the inputs against the variables (type, null, validation,
// missing required ones) and prepares an evaluation. c must have loaded without errors.
func NewEvaluator(c *Config, in Inputs) (*Evaluator, hcl.Diagnostics) { return &Evaluator{}, nil }

// Order lists the resource blocks so that each comes after all that it refers
// to; otherwise sorted by address. It does not depend on the order of files.
func (e *Evaluator) Order() []*Resource { return nil }

// Expand evaluates count or for_each, once per block, and returns the keys of
// the instances: one cty.NilVal without them; numbers; or strings, sorted.
// Later calls return the same slice.
func (e *Evaluator) Expand(r *Resource) ([]cty.Value, hcl.Diagnostics) { return nil, nil }

// Decode evaluates the body of one instance. Called again after referents were
// Set to applied values, it returns the configuration with these known.
func (e *Evaluator) Decode(r *Resource, key cty.Value) (*Instance, hcl.Diagnostics) { return nil, nil }

// Set gives the object that referrers of the instance see from now on: planned,
// later applied. v has the schema's ImpliedType (or is unknown or null). It
// reports whether the address is an instance of an expanded block.
func (e *Evaluator) Set(address string, v cty.Value) bool { return false }

// Get returns what was Set.
func (e *Evaluator) Get(address string) (cty.Value, bool) { return cty.NilVal, false }

// Output evaluates an output, and returns the direct dependencies of its value.
func (e *Evaluator) Output(name string) (cty.Value, []string, hcl.Diagnostics) {
	return cty.NilVal, nil, nil
}

// Sources are the configuration's files and all that functions have read so
// far: give them as Options.Files to evaluate the same again later.
func (e *Evaluator) Sources() map[string][]byte { return nil }

// Variables returns the final values of the variables, sensitive ones marked.
func (e *Evaluator) Variables() map[string]cty.Value { return nil }

// InstanceAddress is the address of an instance of block: pod.web for cty.NilVal,
// pod.web[0] for a number, pod.web["a"] for a string.
func InstanceAddress(block string, key cty.Value) string { return "" }

// BlockOf returns the block address of an instance address: pod.web of pod.web["a"].
func BlockOf(address string) string { return "" }

// Format brings a file into the canonical layout. It is idempotent. Syntax errors leave src as it is.
func Format(src []byte, filename string) ([]byte, hcl.Diagnostics) { return src, nil }

// Functions is the table of functions, with descriptions, for help and completion.
// File functions read relative to the working directory.
func Functions() map[string]function.Function { return nil }

// Suggest returns the name among the given ones that is most likely meant, or "".
func Suggest(name string, among []string) string { return "" }
