// Package lang turns *.stowage.hcl files into typed, still maybe-unknown
// resources with source ranges. Load parses and checks what can be checked
// without values; an Evaluator expands count and for_each and decodes one
// instance at a time, in an order in which everything it refers to comes first.
//
// The evaluator is built for configurations of 100,000 instances: a body is
// compiled once, its constant parts are evaluated once, the collection of a
// block's instances is built once and shared by all referrers, and what an
// instance refers to is found out per instance (config.c[count.index] depends on
// one instance, config.c on all through one group).
//
// The order of use:
//
//	cfg, diags := lang.Load(dir, opts)                 // files, static checks
//	vars, diags := cfg.ReadVariables(sources)          // -var, files, environment
//	ev, diags := lang.NewEvaluator(cfg, lang.Inputs{Variables: vars})
//	for b := range ev.Blocks() {
//		keys, diags := ev.Expand(b)
//		for _, key := range keys {
//			inst, diags := ev.Decode(b, key)
//			ev.Set(inst.Address, planned)              // what referrers see
//		}
//	}
//	v, deps, diags := ev.Output(name)
package lang

import (
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/schema"
)

// Sensitive is the mark of a sensitive value. Values leave lang with it and it
// must be on every value derived from one: v.WithMarks(lang.Sensitive).
var Sensitive = cty.NewValueMarks(sensitiveMark("sensitive"))

type sensitiveMark string

// IsSensitive reports whether v itself, or anything within it, is sensitive.
func IsSensitive(v cty.Value) bool {
	return v.HasMarkDeep(sensitiveMark("sensitive"))
}

// Options of Load.
type Options struct {
	// Schemas of the kinds of resource blocks, by block type; those of data blocks are
	// named data.TYPE.
	Schemas map[string]*schema.Block
	// Backends are the schemas of the backend block, by its type. Attributes only; a
	// sensitive one is refused with its Later as what to do instead.
	Backends map[string]*schema.Block
	// Later maps block types that this version refuses to what to do instead
	// (one sentence, or "").
	Later map[string]string
	// Module finds the files of a module whose source is not a directory, such as
	// git::https://…. Its errors say what to do. nil: there are none.
	Module func(source string) (Tree, error)
	// Version of Stowage that required_version is checked against; "" checks nothing.
	Version string
	// Choose chooses one of the declared contexts, whose names are given sorted: it
	// returns the name, "" for none, and how it was chosen, for messages ("-context").
	// Where exactly one is declared, choosing none means that one. nil chooses none.
	Choose func(declared []string) (name, how string)
	// Files, when not nil, replaces the directory's files (a saved plan's
	// snapshot, see Evaluator.Sources): name → content. Functions that read
	// files find them there first.
	Files map[string][]byte
}

// Config is a loaded configuration. It is not changed after Load and may be
// used by several evaluators at once.
type Config struct {
	Dir     string // as given to Load; relative paths in the configuration are relative to it
	Context string // the value of context.name: DefaultContext where none is declared, "" where none of several was chosen

	// Contexts are the context blocks, sorted by name, and Selected is the one that
	// was chosen: nil where none is declared, or none of several was chosen. An
	// evaluation without a choice takes context.name for unknown.
	Contexts []*Context
	Selected *Context

	Settings Settings
	// StateKnown: the settings and contexts were understood, and with them where the
	// state is, even if Load found errors elsewhere.
	StateKnown bool
	// Root is the module of Dir; Variables, Locals and Outputs are its.
	Root      *Module
	Variables map[string]*Variable
	Locals    map[string]*Local
	Outputs   []*Output   // sorted by name
	Resources []*Resource // of all modules, sorted by address
	Moves     Moves
	Removals  []Removal

	// Files are the parsed files by the names that ranges use, for snippets. Never nil.
	Files map[string]*hcl.File
	// Sources are the configuration's files and those of the modules that it calls, by
	// path as seen from the directory.
	Sources map[string][]byte

	loaded
}

// Settings is the stowage block. Fields are zero where the configuration says nothing.
type Settings struct {
	RequiredVersion string
	Backend         Backend     // of the selected context, where contexts are declared
	Encryption      *Encryption // nil: not configured
	Range           hcl.Range   // of the block's header; zero when there is none
}

// Encryption says with what state and saved plans are encrypted. At least one field is set.
type Encryption struct {
	Recipients    []string // age recipients; whoever holds one of their identities can read
	Identities    []string // paths of age identity files, tried in order
	PassphraseEnv string   // the environment variable that holds a passphrase
	Enforced      bool     // encrypt, sensitive values or not
	Fallback      Fallback // keys for reading only
	Range         hcl.Range
}

// Fallback are keys that are tried for reading when no other fits: the old ones,
// while keys are changed.
type Fallback struct {
	Identities    []string
	PassphraseEnv string
}

// Variable is a variable block.
type Variable struct {
	Name        string
	Description string
	Type        cty.Type  // cty.DynamicPseudoType when not declared; without optional attributes' markers
	Default     cty.Value // cty.NilVal: a value is required
	Sensitive   bool
	Ephemeral   bool // its value is given anew for every run, and kept nowhere
	Nullable    bool
	Range       hcl.Range

	variable
}

// Local is one entry of a locals block.
type Local struct {
	Name  string
	Range hcl.Range

	local
}

// Resource is a resource block or a data block of a module. In each instance of
// the module it is a Block of its own.
type Resource struct {
	Kind      string // pod; data.file of a data block
	Name      string
	Schema    *schema.Block
	Range     hcl.Range // of the block's header
	Lifecycle Lifecycle

	resource
}

// Address is the address of the block without keys of modules: pod.web,
// module.app.pod.web.
func (r *Resource) Address() string { return within(r.module.Path, r.address) }

// Module is the module that the block is written in.
func (r *Resource) Module() *Module { return r.module }

// Refers lists the blocks that this one refers to, itself or through local values.
func (r *Resource) Refers() []*Resource { return r.refs }

// Output is an output block.
type Output struct {
	Name        string
	Description string
	Sensitive   bool
	Ephemeral   bool // of a called module: what refers to it may keep it nowhere
	Range       hcl.Range

	output
}

// Instance is one resource instance as the configuration has it.
type Instance struct {
	Address   string    // pod.web, pod.web[0], pod.web["a"]
	Kind      string    // pod
	Name      string    // web
	Key       cty.Value // cty.NilVal, a number or a string
	Config    cty.Value // object of the schema's ImpliedType; computed attributes null
	Fresh     bool      // Config and the objects of its blocks are nobody else's: see Overwrite
	Known     bool      // Config is wholly known; where it is false that is not certain
	Deps      []string  // direct dependencies: addresses of instances, or block addresses (pod.web) for "all of it"; sorted
	Range     hcl.Range // of the block's header, for diagnostics
	Lifecycle Lifecycle
	Timeouts  Timeouts
	Triggers  []Trigger // replace_triggered_by
	Pre       Outcome   // of the preconditions; their diagnostics are those of Decode, too
}

// Lifecycle is a resource's lifecycle block.
type Lifecycle struct {
	PreventDestroy      bool
	CreateBeforeDestroy bool
	// Spread is the block from which CreateBeforeDestroy has come; "" when it is the block's own.
	Spread        string
	IgnoreChanges []string // attribute paths: container.image; "all" alone means every argument
}

// Timeouts is a resource's timeouts block; zero where it says nothing.
type Timeouts struct {
	Create, Update, Delete time.Duration
	Read                   time.Duration // of a data block
}
