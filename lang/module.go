package lang

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Module is the configuration of one place in the tree of modules: of the root,
// or of one module block with all the blocks that lead to it. Two blocks that
// call the same directory are two modules.
type Module struct {
	Path      string // module.app.module.db: the blocks that lead to it; "" for the root
	Dir       string // of its files
	Variables map[string]*Variable
	Locals    map[string]*Local
	Resources []*Resource // sorted by address
	Outputs   []*Output   // sorted by name
	Calls     map[string]*Call
	Checks    []*Check // sorted by name

	module
}

type module struct {
	caller    *Call                // nil for the root
	relative  string               // Dir as seen from the root's
	tree      string               // directory that its sources cannot leave; "" when it is not from another place
	index     int                  // in the list of all
	calls     []*Call              // by slot
	waits     []*Resource          // what everything in it waits for, see around
	resources map[string]*Resource // by kind.name, with the data of checks
	outputs   map[string]*Output   // by name
	checks    map[string]*Check    // by name
	scoped    []*Resource          // data of checks, by the names of these
	variables []*Variable          // by index
	locals    []*Local             // by index
	bodies    int                  // number of cache slots for bodies
	commons   int                  // … for common parts of expressions
	stowage   *hclsyntax.Block
	importing []*hclsyntax.Block
	moved     []movedBlock
	removed   []removedBlock
}

func newModule(path, dir string) *Module {
	return &Module{
		Path: path, Dir: dir, Variables: map[string]*Variable{}, Locals: map[string]*Local{}, Calls: map[string]*Call{},
		module: module{resources: map[string]*Resource{}, outputs: map[string]*Output{}, checks: map[string]*Check{}},
	}
}

// path is path.module: the directory of the module as seen from that of the
// configuration, which file functions start from; "." for the root.
func (m *Module) path() string { return m.relative }

// within is the address of something in a module.
func within(module, address string) string {
	if module == "" {
		return address
	}
	return module + "." + address
}

// all lists the blocks of the module and of those within it.
func (m *Module) all() []*Resource {
	all := m.Resources
	for _, c := range m.calls {
		if c.Module != nil {
			all = append(all[:len(all):len(all)], c.Module.all()...)
		}
	}
	return all
}

// number gives everything that was declared its place in the caches of evaluations.
func (m *Module) number() {
	for _, address := range keysOf(m.resources) {
		if r := m.resources[address]; r.check == nil {
			r.slot = len(m.Resources)
			m.Resources = append(m.Resources, r)
		}
	}
	slices.SortFunc(m.Outputs, func(a, b *Output) int { return strings.Compare(a.Name, b.Name) })
	for i, o := range m.Outputs {
		o.index = i
	}
	slices.SortFunc(m.Checks, func(a, b *Check) int { return strings.Compare(a.Name, b.Name) })
	for _, c := range m.Checks {
		if c.Data != nil {
			c.Data.slot = len(m.Resources) + len(m.scoped)
			m.scoped = append(m.scoped, c.Data)
		}
	}
	for _, name := range keysOf(m.Variables) {
		m.Variables[name].index = len(m.variables)
		m.variables = append(m.variables, m.Variables[name])
	}
	for _, name := range keysOf(m.Locals) {
		m.Locals[name].index = len(m.locals)
		m.locals = append(m.locals, m.Locals[name])
	}
}
