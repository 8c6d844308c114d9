package planner

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
)

// Checked is the outcome of the conditions of one thing.
type Checked struct {
	Kind     string      `json:"kind"`    // resource, output, check
	Address  string      `json:"address"` // pod.web[0], output.url, check.health
	Status   lang.Status `json:"status"`
	Problems []string    `json:"problems,omitempty"`
}

// conditions notes the outcome of an instance's conditions; what is not known yet is
// asked again when it is applied.
func (m *maker) conditions(b *lang.Block, inst *lang.Instance, c *Change) {
	out := m.ev.Postconditions(b, inst.Key, c.After)
	m.diags = append(m.diags, out.Diags...)
	if len(out.Deps) > 0 {
		c.Deps = mergeDeps(c.Deps, out.Deps)
	}
	status := inst.Pre.Status.Worst(out.Status)
	if status == "" {
		return
	}
	m.plan.Checks = append(m.plan.Checks, Checked{"resource", c.Address, status, append(inst.Pre.Problems, out.Problems...)})
	if inst.Pre.Status == lang.Unknown {
		c.Settled = false
	}
	c.Pending = status == lang.Unknown
}

// mergeDeps is sorted; an address of its own instance is none.
func mergeDeps(a, b []string) []string {
	all := append(slices.Clone(a), b...)
	slices.Sort(all)
	return slices.Compact(all)
}

// checks evaluates the check blocks: they only warn.
func (m *maker) checks() {
	if m.ev == nil || m.failed {
		return
	}
	clear(m.pendingOf) // a partial plan has put back some of what was about to change
	unmade := unmade(m.plan, m.ev, m.kinds, func(address string) bool { return m.changes[address] != nil })
	j := judge{ev: m.ev, kinds: m.kinds, baseDir: m.in.BaseDir, read: m.in.Data, waits: func(inst *lang.Instance) bool {
		return m.deferred(inst) != "" || slices.ContainsFunc(inst.Deps, unmade)
	}}
	checks, diags := j.all(m.ctx)
	m.plan.Checks = append(m.plan.Checks, checks...)
	m.diags = append(m.diags, diags...)
}

// unmade tells the dependencies that stand for any instance that never was made and that
// the plan does not make: it is a partial one, or does nothing but record.
func unmade(p *Plan, ev *lang.Evaluator, kinds map[string]*kindInfo, made func(address string) bool) func(dep string) bool {
	if !p.Partial() && !p.RefreshOnly {
		return func(string) bool { return false }
	}
	deps := sync.OnceValue(func() map[string]bool {
		deps := map[string]bool{}
		for b := range ev.Blocks() {
			if k := kinds[b.Resource.Kind]; k == nil || k.source != nil {
				continue
			}
			keys, _ := ev.Expand(b) // errors are those of the plan
			for _, key := range keys {
				if address := lang.InstanceAddress(b.Address(), key); !made(address) {
					for _, dep := range lang.Covers(address) {
						deps[dep] = true
					}
				}
			}
		}
		return deps
	})
	return func(dep string) bool { return deps()[dep] }
}

// postconditions judges what was applied.
func (x *executor) postconditions(c *Change, v cty.Value) hcl.Diagnostics {
	b, key, ok := x.instance(c.Address)
	if !ok || !b.Resource.Conditioned() {
		return nil
	}
	return x.ev.Postconditions(b, key, v).Diags
}

// instance finds an instance of the configuration.
func (x *executor) instance(address string) (*lang.Block, cty.Value, bool) {
	if x.ev == nil {
		return nil, cty.NilVal, false
	}
	block, _ := splitAddress(address)
	b := x.sources[block]
	key, ok := x.key(b, address)
	return b, key, ok
}

// unjudged judges what needed nothing done, but has conditions that the plan could not
// judge; what they depend on must have been done.
func (x *executor) unjudged() (diags hcl.Diagnostics) {
	undone := x.undone()
	for _, c := range x.plan.Changes {
		if c.Action != NoOp || !c.Pending || slices.ContainsFunc(c.Deps, func(d string) bool { return undone[d] }) {
			continue
		}
		b, key, ok := x.instance(c.Address)
		v, known := x.value(c.Address)
		if !ok || !known {
			continue
		}
		_, more := x.ev.Decode(b, key)
		diags = append(append(diags, more...), x.ev.Postconditions(b, key, v).Diags...)
	}
	return append(diags, x.validations()...)
}

// validations judges those of variables that refer to what is known only now.
func (x *executor) validations() hcl.Diagnostics {
	if x.ev == nil || x.plan.Destroy || x.plan.RefreshOnly {
		return nil
	}
	return x.ev.Validations()
}

// check judges the check blocks again, after the steps. A destroy leaves nothing to be judged.
func (x *executor) check() (diags hcl.Diagnostics) {
	if x.ev == nil || x.plan.Destroy {
		return nil
	}
	undone := x.undone()
	unmade := unmade(x.plan, x.ev, x.kinds, func(address string) bool { _, ok := x.value(address); return ok })
	j := judge{ev: x.ev, kinds: x.kinds, baseDir: x.BaseDir, read: x.Data, again: true, waits: func(inst *lang.Instance) bool {
		return x.cancelled || slices.ContainsFunc(inst.Deps, func(dep string) bool { return undone[dep] || unmade(dep) })
	}}
	ctx, cancel := context.WithCancel(x.soft) // reading may be broken off: it changes nothing
	defer cancel()
	defer context.AfterFunc(x.Hard, cancel)()
	x.checks, diags = j.all(ctx)
	return diags
}

// probeTimeout bounds the reading for a check without timeouts { read = … }: what only
// warns keeps nobody waiting for the five minutes that data otherwise has.
const probeTimeout = 30 * time.Second

// judge judges the check blocks. Their data is read for them alone, and anew each
// time: what a check says of the world is to be true of the world after an apply.
type judge struct {
	ev      *lang.Evaluator
	kinds   map[string]*kindInfo
	baseDir string
	read    func(context.Context, DataRequest) (cty.Value, hcl.Diagnostics) // nil: nothing is read
	again   bool                                                            // see DataRequest
	waits   func(*lang.Instance) bool                                       // for something that is still to be done
}

// all reads the data of all checks at once and judges them. No diagnostic that comes of a check
// is an error.
func (j judge) all(ctx context.Context) (list []Checked, diags hcl.Diagnostics) {
	checks := j.ev.Checks()
	list = make([]Checked, len(checks))
	jobs := make([]*dataJob, len(checks)) // nil: nothing is read
	var reads []*dataJob
	for i, c := range checks {
		list[i] = Checked{Kind: "check", Address: c.Address}
		if c.Data == nil {
			continue
		}
		inst, ok, more := c.Decode()
		diags = append(diags, more...)
		k := j.kinds[inst.Kind]
		j.ev.Set(inst.Address, k.source.Plan(providers.PlanRequest{Identity: providers.Identify(inst.Address), Prior: k.codec.null, Config: inst.Config}).Planned)
		switch {
		case !ok:
			list[i].Status, list[i].Problems = lang.Errored, []string{"The arguments of " + inst.Address + " could not be evaluated."}
		case j.read != nil && inst.Config.IsWhollyKnown() && !j.waits(inst):
			jobs[i] = &dataJob{req: requestOf(k, inst, j.baseDir)}
			jobs[i].req.Again = j.again
			if jobs[i].req.Timeout == 0 {
				jobs[i].req.Timeout = probeTimeout
			}
			reads = append(reads, jobs[i])
		}
	}
	readAll(ctx, j.read, reads)
	for i, c := range checks {
		if job := jobs[i]; job != nil {
			for _, d := range job.diags {
				if d.Severity == hcl.DiagError {
					list[i].Status = lang.Fail
					list[i].Problems = append(list[i].Problems, d.Detail)
				}
				diags = append(diags, c.Warning(located(d, c.Data.Resource, c.Data.Resource.Range.Ptr())))
			}
			if !job.diags.HasErrors() {
				j.ev.Set(job.req.Address, job.value)
			}
		}
		out := c.Judge()
		list[i].Status = list[i].Status.Worst(out.Status)
		list[i].Problems = append(list[i].Problems, out.Problems...)
		diags = append(diags, out.Diags...)
	}
	return list, diags
}
