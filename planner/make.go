package planner

import (
	"context"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/scheduler"
	"github.com/stowage-iac/stowage/state"
)

// FormatVersion of saved plans.
const FormatVersion = 1

// Make makes a plan. It changes nothing and reads nothing but what Input holds;
// Input.Images and Input.Resolve are asked for what only hosts and registries
// know. The same input gives the same plan. A plan is returned with errors, too,
// as far as it could be made: to be shown, not to be applied.
func Make(ctx context.Context, in Input) (*Plan, hcl.Diagnostics) {
	if in.BaseDir == "" && in.Config != nil {
		in.BaseDir = in.Config.Dir
	}
	in.Resolve = resolveOnce(in.Resolve)
	kinds := newKinds(in.Kinds)
	if in.Config != nil {
		shareTypes(kinds, in.Config)
	}
	// What a pod's replicas get to know of their nodes is known only once all are
	// placed. A pod that changes nothing but its nodes is found in the first round,
	// and what refers to it is planned again with that unknown.
	moving := map[string]bool{}
	for {
		m := newMaker(in, kinds, moving)
		m.make(ctx)
		again := false
		for _, address := range m.moved {
			again = again || !moving[address] && m.referred(address)
			moving[address] = true
		}
		if !again || m.diags.HasErrors() {
			return m.plan, lang.Distinct(m.diags)
		}
	}
}

// maker makes one plan.
type maker struct {
	in    Input
	ctx   context.Context
	kinds map[string]*kindInfo
	ev    *lang.Evaluator
	dec   *decoder
	plan  *Plan
	diags hcl.Diagnostics
	// decoded is the instance that is being planned: nothing keeps a part of it.
	decoded lang.Instance
	blocks  map[string]*blockPlan // of the configuration, by address
	order   []*blockPlan          // blocks, as they were evaluated
	// changes by address, those that failed to be planned as nil.
	changes map[string]*Change
	// declared are the blocks of the configuration, by address; nil before they are needed.
	declared map[string]*lang.Resource
	// underway are the addresses that an interrupted apply left unfinished.
	underway map[string]bool
	moving   map[string]bool // pods known to change their nodes, from an earlier round
	changed  map[string]bool // by block: anything is done to its instances; see changing
	moved    []string        // pods found to change nothing but their nodes
	fleet    nodesPlan
	pods     []*podPlan
	ending   []*Change                      // of pods that go, or whose replacement comes first
	slots    []int                          // see sequence
	lone     map[string]map[int]string      // see only
	bound    map[string]map[int]string      // pod → slot → node, now
	others   map[string][]scheduler.Running // of other states, by node
	*ledger
	importing imports
	staying   map[string][]scheduler.Running // of pods that the plan is not about, by node
	// Of data blocks, see data.go: what each instance depends on, all of that, and
	// which blocks and modules that they depend on are about to change.
	through   map[string][]string
	needed    map[string]bool
	pendingOf map[string]bool
	failed    bool // something was not planned: what seems to be gone may not be
	// Of a partial plan:
	held       []held
	failedDeps map[string][]string // dependencies of what could not be planned, by address
	left       map[string]bool     // addresses that it is not about
}

// blockPlan is a block of the configuration with its instances.
type blockPlan struct {
	block     *lang.Block
	keys      []cty.Value
	instances []*Change
	failed    bool
	alone     [1]*Change // instances of a block without count and for_each
}

func newMaker(in Input, kinds map[string]*kindInfo, moving map[string]bool) *maker {
	n := 0 // blocks
	if in.Config != nil {
		n = len(in.Config.Resources)
	}
	m := &maker{
		in: in, kinds: kinds, dec: newDecoder(), moving: moving,
		blocks: make(map[string]*blockPlan, n), order: make([]*blockPlan, 0, n), underway: map[string]bool{},
		through: map[string][]string{}, needed: map[string]bool{}, pendingOf: map[string]bool{},
		changes: make(map[string]*Change, max(n, len(in.State.Instances))), failedDeps: map[string][]string{}, changed: map[string]bool{},
		staying: map[string][]scheduler.Running{},
		plan: &Plan{
			FormatVersion: FormatVersion, StowageVersion: in.Version, Context: in.Context, Protected: in.Protected, Created: in.Now,
			Destroy: in.Destroy, Options: in.Options, Lineage: in.State.Lineage, Serial: in.State.Serial, hashKey: in.State.HashKey,
		},
	}
	cfg := in.Config
	if in.Destroy {
		cfg = nil // everything goes, whatever its address
	}
	m.ledger, m.diags = newLedger(cfg, in.State)
	m.in.State = m.state
	if c := in.Cut; c != nil {
		m.plan.Interrupted = &Interrupted{Operation: c.Operation, Running: c.Running, Started: c.Started, By: c.By, Done: c.Done, Underway: c.Underway}
		for _, address := range c.Underway {
			m.underway[m.now(address)] = true
		}
	}
	return m
}

func (m *maker) make(ctx context.Context) {
	m.ctx = ctx
	if m.in.RefreshOnly {
		m.refreshOnly(ctx)
		return
	}
	if !m.in.Destroy && !m.evaluate(ctx) {
		return
	}
	m.unimported()
	m.removed()
	m.orphans()
	m.narrow()
	m.sortChanges()
	m.planNodes()
	m.place()
	if m.diags.HasErrors() && m.failed {
		return
	}
	m.transfers(ctx)
	m.outputs()
	m.checks()
	if !m.diags.HasErrors() {
		m.graph()
		m.homeless()
	}
	m.warnings()
}

// warnings puts those among the diagnostics into the plan.
func (m *maker) warnings() {
	if m.in.Partial() && !m.in.Narrowed && !m.diags.HasErrors() {
		m.diags = append(m.diags, m.in.partialWarning())
	}
	for _, d := range m.diags {
		if d.Severity == hcl.DiagWarning {
			m.plan.Warnings = append(m.plan.Warnings, d)
		}
	}
}

// evaluate plans every instance of the configuration, each after all that it refers to.
func (m *maker) evaluate(ctx context.Context) bool {
	inputs := m.in.Inputs
	inputs.Now = m.in.Now
	ev, diags := lang.NewEvaluator(m.in.Config, inputs)
	m.diags = append(m.diags, diags...)
	if diags.HasErrors() {
		m.failed = true
		return false
	}
	m.ev, m.plan.ev = ev, ev
	m.importing, diags = readImports(ev, m.in.Imports)
	if m.diags = append(m.diags, diags...); diags.HasErrors() {
		m.failed = true
		return false
	}
	for batch := range ev.Batches(m.isSource) {
		if err := ctx.Err(); err != nil {
			m.failed = true
			m.diags = append(m.diags, errorf(nil, "Planning was cancelled", "It was ended before the plan was complete. Nothing was changed."))
			return false
		}
		if m.isSource(batch[0].Resource) {
			m.sources(ctx, batch)
			continue
		}
		m.block(batch[0])
	}
	diags = ev.Finish()
	m.diags = append(m.diags, diags...)
	m.failed = m.failed || diags.HasErrors()
	return true
}

func (m *maker) block(in *lang.Block) {
	b := m.blockPlan(in)
	k := m.kinds[in.Resource.Kind]
	keys, diags := m.ev.Expand(in)
	if len(diags) > 0 {
		m.about(in.Address(), func() { m.diags = append(m.diags, diags...) })
	}
	if diags.HasErrors() || k == nil {
		b.failed, m.failed = true, true
		return
	}
	b.keys = keys
	m.exclusive(k, in.Resource)
	m.reshape(in, keys)
	m.in.State = m.state
	b.instances = b.alone[:0]
	if len(keys) > 1 {
		b.instances = make([]*Change, 0, len(keys))
	}
	for _, key := range keys {
		inst := &m.decoded
		diags := m.ev.DecodeInto(inst, in, key)
		var c *Change
		m.about(inst.Address, func() {
			m.diags = append(m.diags, diags...)
			if !diags.HasErrors() {
				c = m.instance(k, inst)
			}
		})
		if c == nil {
			b.failed, m.failed = true, true
			address := lang.InstanceAddress(in.Address(), key)
			m.changes[address], m.failedDeps[address] = nil, m.withData(inst.Deps)
			m.ev.Set(address, cty.UnknownVal(k.codec.ty))
			continue
		}
		if len(inst.Pre.Status) > 0 || in.Resource.Conditioned() {
			m.conditions(in, inst, c)
		}
		b.instances = append(b.instances, c)
		m.changes[c.Address] = c
		m.ev.SetInstance(in, key, c.After)
	}
}

// blockPlan notes a block of the configuration.
func (m *maker) blockPlan(in *lang.Block) *blockPlan {
	b := &blockPlan{block: in}
	m.blocks[in.Address()] = b
	m.order = append(m.order, b)
	return b
}

// sortChanges puts the changes into the plan, by address.
func (m *maker) sortChanges() {
	changes := make([]*Change, 0, len(m.changes))
	for _, b := range m.order { // most are in order then
		for _, c := range b.instances {
			if m.changes[c.Address] == c {
				changes = append(changes, c)
				c.listed = true
			}
		}
	}
	for _, c := range m.changes {
		if c != nil && !c.listed {
			changes = append(changes, c)
		}
	}
	sortByAddress(changes)
	m.plan.Changes = changes
}

// sortByAddress sorts by block and then within each, so that the comparison of
// keys is made within blocks only.
func sortByAddress(changes []*Change) {
	type keyed struct {
		c       *Change
		block   string
		key     string
		n       int
		numeric bool
	}
	list := make([]keyed, len(changes))
	for i, c := range changes {
		k := &list[i]
		k.c = c
		k.block, k.key = splitAddress(c.Address)
		k.n, k.numeric = number(k.key)
	}
	slices.SortFunc(list, func(a, b keyed) int {
		switch {
		case a.block != b.block:
			return lang.CompareAddresses(a.block, b.block)
		case a.numeric && b.numeric:
			return a.n - b.n
		}
		return strings.Compare(a.key, b.key)
	})
	for i := range list {
		changes[i] = list[i].c
	}
}

// number reads a key without sign or leading zeros.
func number(s string) (int, bool) {
	if s == "" || len(s) > 9 {
		return 0, false
	}
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

// referred reports whether anything else depends on an address or its block.
func (m *maker) referred(address string) bool {
	names := lang.Covers(address)
	if slices.ContainsFunc(names, func(name string) bool { return m.needed[name] }) {
		return true
	}
	for _, c := range m.plan.Changes {
		for _, d := range c.Deps {
			if slices.Contains(names, d) {
				return true
			}
		}
	}
	return m.in.Config != nil && len(m.in.Config.Outputs) > 0
}

// recorded is the state's record of an address, nil when there is none.
func (m *maker) recorded(address string) *state.Instance { return m.state.Instances[address] }

// resolveOnce asks for each reference once.
func resolveOnce(resolve func(string) (string, error)) func(string) (string, error) {
	if resolve == nil {
		return nil
	}
	type answer struct {
		ref string
		err error
	}
	known := map[string]answer{}
	return func(ref string) (string, error) {
		a, ok := known[ref]
		if !ok {
			a.ref, a.err = resolve(ref)
			known[ref] = a
		}
		return a.ref, a.err
	}
}
