package planner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sync/errgroup"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/client"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/ssh"
	"github.com/stowage-iac/stowage/ssh/bootstrap"
	"github.com/stowage-iac/stowage/state"
)

// RefreshInput is what Refresh needs.
type RefreshInput struct {
	Config *lang.Config // nil: the recorded nodes only
	Inputs lang.Inputs
	State  *state.State
	Cut    *state.Interrupted // nil when the last apply ended
	Kinds  map[string]providers.Kind
	// Imports come besides the import blocks of the configuration.
	Imports []lang.Import
	Fleet   *Fleet
	// Progress may be nil. Parallelism is how many hosts are read at once, default 32.
	Progress    Progress
	Parallelism int
	Destroy     bool // the declared nodes do not matter
	// Data reads the sources that nodes refer to; see DataReader. nil: none is read.
	Data    func(ctx context.Context, req DataRequest) (cty.Value, hcl.Diagnostics)
	BaseDir string // default Config.Dir
	// Patience is how long a recorded manager may take to answer, default 10 s.
	Patience time.Duration
}

const (
	defaultHosts    = 32
	defaultPatience = 10 * time.Second
)

// Refresh reads the hosts of all nodes that are declared or recorded, all at once,
// and the cluster through its manager. Every host that cannot be reached, and
// everything that keeps a host from becoming a node, is a diagnostic; with errors
// among them the world must not be planned against. The fleet knows all nodes then.
func Refresh(ctx context.Context, in RefreshInput) (*providers.World, hcl.Diagnostics) {
	r := &refresher{RefreshInput: in, kinds: newKinds(in.Kinds), world: &providers.World{Hosts: map[string]*providers.HostWorld{}}}
	if r.Parallelism <= 0 {
		r.Parallelism = defaultHosts
	}
	if r.Patience <= 0 {
		r.Patience = defaultPatience
	}
	if r.Progress == nil {
		r.Progress = silent{}
	}
	if r.BaseDir == "" && r.Config != nil {
		r.BaseDir = r.Config.Dir
	}
	if !r.machines(ctx) {
		return nil, r.diags
	}
	r.hosts(ctx)
	if !r.diags.HasErrors() {
		r.cluster(ctx)
	}
	return r.world, r.diags
}

type refresher struct {
	RefreshInput
	kinds   map[string]*kindInfo
	targets []*target // by name
	ledger  *ledger
	imports imports
	world   *providers.World
	diags   hcl.Diagnostics
	// manager is the node whose store is read; recorded says that it must answer.
	manager  string
	recorded bool
}

// target is a host to read.
type target struct {
	name     string
	address  string // of the resource: node.a
	machine  providers.Machine
	subject  *hcl.Range
	declared bool
	recorded bool // as finished
	imported bool
	manager  bool
	survey   ssh.Survey
	world    *providers.HostWorld
}

// machines finds the nodes: those of the configuration as far as they are known,
// and those of the state.
func (r *refresher) machines(ctx context.Context) bool {
	byName := map[string]*target{}
	declared, prior := map[string]providers.Machine{}, map[string]providers.Machine{}
	evaluate := r.Config != nil && !r.Destroy
	var blocks []carrierBlock
	if evaluate {
		var ok bool
		if blocks, ok = r.carriers(ctx); !ok {
			return false
		}
	} else {
		r.ledger, _ = newLedger(nil, r.State)
	}
	r.recordedNodes(byName, prior)
	if !evaluate && !r.keys(ctx, byName) {
		return false
	}
	r.declaredNodes(blocks, byName, declared)
	specs, _ := providers.Topology(declared) // Make reports what is wrong with it
	if len(declared) == 0 {
		specs, _ = providers.Topology(prior)
	}
	for _, name := range sortedKeys(byName) {
		t := byName[name]
		t.manager = specs[name].Role == api.RoleManager
		r.targets = append(r.targets, t)
		r.Fleet.Add(name, t.machine.SSH)
	}
	was, _ := providers.Topology(prior)
	if old := managerOf(was); old != "" {
		r.manager, r.recorded = old, byName[old].recorded
	} else {
		r.manager = managerOf(specs)
	}
	r.Fleet.SetManager(r.manager)
	return true
}

func (r *refresher) recordedNodes(byName map[string]*target, prior map[string]providers.Machine) {
	dec := newDecoder()
	underway := map[string]bool{}
	if r.Cut != nil {
		for _, address := range r.Cut.Underway {
			underway[r.ledger.now(address)] = true
		}
	}
	for address, inst := range r.ledger.state.Instances {
		k := r.kinds[inst.Kind]
		if k == nil || k.carrier == nil {
			continue
		}
		v, err := dec.instance(k, inst)
		if err != nil {
			r.diags = append(r.diags, errorf(nil, "Damaged state", sentence(err)+"."))
			continue
		}
		id := identityOf(inst)
		if m, known, _ := k.carrier.Machine(id, v); known {
			name := id.Object
			prior[name] = m
			byName[name] = &target{name: name, address: address, machine: m, recorded: !inst.Incomplete && !underway[address]}
		}
	}
}

// carrierBlock is a declared block of nodes.
type carrierBlock struct {
	ev    *lang.Evaluator
	block *lang.Block
	keys  []cty.Value
}

// carriers finds the blocks that declare nodes, and what is recorded of them under
// other addresses.
func (r *refresher) carriers(ctx context.Context) (blocks []carrierBlock, ok bool) {
	r.ledger, _ = newLedger(r.Config, r.State) // Make reports what is wrong
	ev, diags := lang.NewEvaluator(r.Config, r.Inputs)
	if diags.HasErrors() {
		r.diags = append(r.diags, diags...)
		return nil, false
	}
	r.sources(ctx, ev)
	r.imports, _ = readImports(ev, r.Imports)
	for b := range ev.Blocks() {
		k := r.kinds[b.Resource.Kind]
		if k == nil || k.carrier == nil {
			continue
		}
		keys, diags := ev.Expand(b)
		if diags.HasErrors() {
			continue // Make says so
		}
		r.ledger.reshape(b, keys)
		blocks = append(blocks, carrierBlock{ev, b, keys})
	}
	return blocks, true
}

func (r *refresher) declaredNodes(blocks []carrierBlock, byName map[string]*target, declared map[string]providers.Machine) {
	for _, b := range blocks {
		for _, key := range b.keys {
			inst, diags := b.ev.Decode(b.block, key)
			if diags.HasErrors() || inst == nil {
				continue
			}
			rec := r.ledger.state.Instances[inst.Address]
			id := r.ledger.names.of(inst.Kind, inst.Address, rec)
			im, importing := r.imports[inst.Address]
			if importing = importing && rec == nil; importing {
				id.Object = im.ID
			}
			m, known, _ := r.kinds[inst.Kind].carrier.Machine(id, inst.Config)
			if !known {
				continue
			}
			name := id.Object
			declared[name] = m
			t := byName[name]
			if t == nil {
				t = &target{name: name, address: inst.Address}
				byName[name] = t
			} else if moved(t.machine.SSH, m.SSH) {
				t.recorded = false // another host under the same name: nothing of ours need be there
			}
			t.machine, t.declared, t.imported, t.subject = m, true, importing, inst.Range.Ptr()
		}
	}
}

// moved reports whether two ways of reaching a node lead to different hosts.
func moved(a, b ssh.Config) bool { return a.Local != b.Local || a.Address != b.Address }

// hosts reads all hosts.
func (r *refresher) hosts(ctx context.Context) {
	var g errgroup.Group
	g.SetLimit(r.Parallelism)
	for _, t := range r.targets {
		g.Go(func() error {
			op := Operation{Address: t.address, Verb: Refreshing, Started: time.Now()}
			r.Progress.Start(op)
			t.read(ctx, r.Fleet)
			r.Progress.Done(op, t.world.Err != nil)
			return nil
		})
	}
	_ = g.Wait() // errors are in the targets
	for _, t := range r.targets {
		r.world.Hosts[t.name] = t.world
		r.judge(t)
	}
}

func (t *target) read(ctx context.Context, f *Fleet) {
	t.world = &providers.HostWorld{}
	h, err := f.Host(ctx, t.name)
	if err == nil {
		t.survey, err = ssh.Inspect(ctx, h)
	}
	if err != nil {
		t.world.Err = err
		return
	}
	t.world.Facts, t.world.Node = t.survey.NodeFacts, t.survey.Node
	c := f.Client(t.name)
	if c.Healthy(ctx) != nil {
		return // not installed, not running, or not serving yet
	}
	if local, err := c.Local(ctx); err == nil {
		t.world.Local, t.world.Node = local, &local.Config
	}
}

// foreign is the refusal of a host that another cluster has, maybe of another context.
func (r *refresher) foreign(t *target, theirs api.NodeConfig) *hcl.Diagnostic {
	cluster, way := "the cluster "+theirs.Cluster, "Use that cluster's state. If it is lost, take the node over with an import block; to give the host back instead, destroy what you imported."
	if ours := contextOf(r.Config); theirs.Context != "" && theirs.Context != ours {
		cluster = fmt.Sprintf("the context %q (cluster %s)", theirs.Context, theirs.Cluster)
		way = "A host belongs to one context: give each its own, for example by a variable. To move it, destroy it there first."
	}
	return errorf(t.subject, "Node of another cluster", fmt.Sprintf(
		"%s (%s) is the node %q of %s already, and this state's cluster is %s. %s",
		t.address, where(t.machine.SSH), theirs.Name, cluster, orNone(r.State.ClusterID), way))
}

func contextOf(c *lang.Config) string {
	if c == nil || c.Selected == nil {
		return ""
	}
	return c.Selected.Name
}

// judge turns what was found on one host into diagnostics.
func (r *refresher) judge(t *target) {
	if t.world.Err != nil {
		r.diags = append(r.diags, errorf(t.subject, "Host not reachable", fmt.Sprintf(
			"%s (%s): %s. %s", t.address, where(t.machine.SSH), t.world.Err, advice(t.world.Err, t.declared))))
		return
	}
	if n := t.world.Node; n != nil && n.Cluster != "" && n.Cluster != r.State.ClusterID && !(t.imported && r.State.ClusterID == "") {
		r.diags = append(r.diags, r.foreign(t, *n))
		return
	}
	if !t.declared {
		return
	}
	known := t.recorded || t.imported
	for _, f := range bootstrap.Preflight(t.survey, t.manager) {
		severity := hcl.DiagWarning
		switch {
		case f.Severity == bootstrap.Error && !known:
			severity = hcl.DiagError
		case f.Severity != bootstrap.Error && known:
			continue // it was said when the host became a node
		}
		r.diags = append(r.diags, &hcl.Diagnostic{
			Severity: severity, Summary: f.Summary, Subject: t.subject,
			Detail: fmt.Sprintf("%s (%s): %s", t.address, where(t.machine.SSH), f.Detail),
		})
	}
}

func orNone(id string) string {
	if id == "" {
		return "not made yet"
	}
	return id
}

func where(c ssh.Config) string {
	if c.Local {
		return "this machine"
	}
	return c.Address
}

// advice says what to do about an unreachable host.
func advice(err error, declared bool) string {
	var s string
	switch {
	case errors.Is(err, ssh.ErrUnknownHostKey), errors.Is(err, ssh.ErrHostKeyChanged), errors.Is(err, ssh.ErrPassphrase):
		s = "Nothing was changed."
	case errors.Is(err, ssh.ErrAuth):
		s = "Check the user and the private key of the ssh block; `ssh` with the same must log in."
	case errors.Is(err, ssh.ErrNoSudo):
		s = "Log in as root, or allow the user sudo without a password."
	case errors.Is(err, context.Canceled):
		s = "The run was cancelled."
	default:
		s = "Check that the host is up, and its address, port and firewall."
	}
	if !declared {
		s += " The host is recorded as a node and is not in the configuration any more: it has to be reached once more to be given back."
	}
	return s
}

// cluster reads the store through the manager.
func (r *refresher) cluster(ctx context.Context) {
	var t *target
	for _, other := range r.targets {
		if other.name == r.manager {
			t = other
		}
	}
	if t == nil {
		return
	}
	c := r.Fleet.Client(t.name)
	err := r.healthy(ctx, c)
	if err == nil {
		var view *api.ClusterView
		if view, err = c.View(ctx); err == nil {
			r.world.Cluster = view
			return
		}
	}
	if !r.recorded {
		return // there is no cluster yet, or it was about to end
	}
	r.diags = append(r.diags, errorf(t.subject, "Cluster not reachable", fmt.Sprintf(
		"%s (%s) is recorded as the cluster's manager and can be reached, but stowaged does not answer there: %s. "+
			"Nothing is planned, because everything would seem to be gone. Look at `systemctl status stowaged` and `journalctl -u stowaged` on the host "+
			"(or %s/stowaged.log without systemd), and start it.", t.address, where(t.machine.SSH), err, bootstrap.LogDir)))
}

// healthy waits for a manager that must be there: its host may have just started.
func (r *refresher) healthy(ctx context.Context, c *client.Client) error {
	if !r.recorded {
		return c.Healthy(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, r.Patience)
	defer cancel()
	return c.WaitHealthy(ctx)
}

// silent is a Progress that nobody watches.
type silent struct{}

func (silent) Begin(int)                {}
func (silent) Retry(Operation, Retry)   {}
func (silent) Start(Operation)          {}
func (silent) Update(Operation, string) {}
func (silent) Done(Operation, bool)     {}
