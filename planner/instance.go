package planner

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/state"
)

// instance plans one instance of the configuration; nil when that fails.
func (m *maker) instance(k *kindInfo, inst *lang.Instance) *Change {
	rec := m.recorded(inst.Address)
	c := &Change{
		Address: inst.Address, Object: m.names.of(inst.Kind, inst.Address, rec).Object, MovedFrom: m.from[inst.Address],
		Kind: inst.Kind, Deps: m.withData(inst.Deps),
		PreventDestroy: inst.Lifecycle.PreventDestroy, DeleteTimeout: inst.Timeouts.Delete, ignore: inst.Lifecycle.IgnoreChanges,
	}
	im, importing := m.importing[inst.Address]
	fresh := rec == nil && !importing && inst.Fresh
	switch {
	case rec == nil && importing:
		if !m.adopt(k, c, inst, im) {
			return nil
		}
	case !m.prior(k, c, rec) || !m.ours(c, inst):
		return nil
	}
	config := inst.Config
	if len(c.ignore) > 0 {
		config = ignoreChanges(k.schema, config, c.Before, c.ignore)
	}
	known := len(inst.Deps) == 0 || inst.Known && len(c.ignore) == 0 || k.codec.known(config) // asked before the kind may overwrite it
	resp, ok := m.ask(k, c, inst, c.Before, config, fresh)
	if !ok {
		return nil
	}
	c.After = resp.Planned
	if !m.decide(k, c, inst, config, resp) {
		return nil
	}
	if rec != nil && c.Action == NoOp && (m.touched[c.Address] || rec.PreventDestroy != c.PreventDestroy || deleteTimeout(rec) != c.DeleteTimeout) {
		c.Refreshed = true
	}
	c.Settled = c.Action == NoOp || known
	c.Timeout = timeout(c.Action, inst.Timeouts)
	if m.moving[c.Address] {
		m.move(k, c)
	}
	if k.carried != nil {
		c.pod = m.podPlan(k, c) // now that the value is at hand
	}
	return c
}

func timeout(a Action, t lang.Timeouts) time.Duration {
	switch a {
	case Create, Replace:
		return t.Create
	case Update:
		return t.Update
	}
	return 0
}

// prior reads what is recorded and compares it with the world: Before, Drift and
// Healed. It reports whether planning can go on.
func (m *maker) prior(k *kindInfo, c *Change, rec *state.Instance) bool {
	c.Before = k.codec.null
	obj := m.in.World.Object(api.Kind(c.Kind), c.Object)
	if obj != nil && obj.Owner == m.in.State.Lineage {
		c.ModRevision = obj.ModRevision
	}
	if rec == nil {
		return true
	}
	if rec.Taking != "" { // an import of it was cut off
		m.touched[c.Address] = true
		if obj != nil && obj.Owner == rec.Taking {
			c.ModRevision, c.owner = obj.ModRevision, obj.Owner
		}
	}
	recorded, err := m.dec.instance(k, rec)
	if err != nil {
		m.diags = append(m.diags, errorf(nil, "Damaged state", fmt.Sprintf(
			"%s. Put an earlier version of the state back, or remove the instance from it.", sentence(err))))
		return false
	}
	if referring := m.refer(k, recorded); !same(referring, recorded) {
		recorded, m.touched[c.Address] = referring, true
	}
	c.Before = recorded
	if m.in.World == nil {
		return true
	}
	resp, err := read(k, providers.ReadRequest{Identity: c.id(), Prior: recorded, World: m.in.World})
	m.report(nil, resp.Diags, err, c.Address)
	if err != nil || resp.Diags.HasErrors() {
		return false
	}
	c.Before, c.Healed = resp.Value, resp.Healed
	if c.Before == cty.NilVal {
		c.Before = k.codec.null
	}
	c.Before = k.markSensitive(c.Before)
	if k.codec.same(recorded, c.Before) {
		return true
	}
	c.Refreshed = true
	if !m.unfinished(c.Address, rec) {
		c.Drift = drift(k, recorded, c.Before)
	}
	return true
}

// unfinished reports whether the last apply of an instance did not end: what
// differs then is no drift, and it is applied again in any case.
func (m *maker) unfinished(address string, rec *state.Instance) bool {
	return m.underway[address] || rec != nil && rec.Incomplete
}

// drift lists the arguments that differ from what was recorded. What nobody sets
// (addresses, readiness) is a status.
func drift(k *kindInfo, recorded, now cty.Value) []providers.Cause {
	if now.IsNull() {
		return []providers.Cause{{Why: "deleted outside of Stowage"}}
	}
	var out []providers.Cause
	for _, f := range diff(k.schema, recorded, now) {
		if !f.computed {
			out = append(out, providers.Cause{Path: f.path, Why: whyDrifted})
		}
	}
	return out
}

// ours refuses to plan over the object of another state.
func (m *maker) ours(c *Change, inst *lang.Instance) bool {
	obj := m.in.World.Object(api.Kind(c.Kind), c.Object)
	if obj == nil || obj.Owner == m.in.State.Lineage || obj.Owner == "" || obj.Owner == c.owner {
		return true
	}
	if obj.Owner == api.Nobody {
		m.diags = append(m.diags, errorf(inst.Range.Ptr(), "Exists already", fmt.Sprintf(
			"The cluster has an object %s %q already, which belongs to no state: a removed block gave it up. Rename the block, or take the object over: import { to = %s, id = %q }.",
			c.Kind, c.Object, c.Address, c.Object)))
		return false
	}
	m.diags = append(m.diags, errorf(inst.Range.Ptr(), "Managed by another state", fmt.Sprintf(
		"The cluster has an object %s already, and it belongs to the state with the lineage %s, not to this one (%s). "+
			"Rename the block, or remove the object with the configuration that made it; or, if that state is lost, take the object over: import { to = %s, id = %q }.",
		c.Address, obj.Owner, m.in.State.Lineage, c.Address, c.Object)))
	return false
}

// ask has the kind plan, and survives its mistakes. fresh says that config is not asked
// about again.
func (m *maker) ask(k *kindInfo, c *Change, inst *lang.Instance, prior, config cty.Value, fresh bool) (providers.PlanResponse, bool) {
	resp, err := plan(k, providers.PlanRequest{
		Identity: c.id(), Prior: prior, Config: config, Fresh: fresh,
		HashKey: m.in.State.HashKey, BaseDir: m.in.BaseDir, Resolve: m.in.Resolve, Outside: m.in.Outside, Context: m.ctx,
	})
	if len(resp.Diags) > 0 || err != nil {
		m.report(inst.Range.Ptr(), resp.Diags, err, inst.Address)
	}
	if err != nil || resp.Diags.HasErrors() {
		return resp, false
	}
	resp.Planned = k.kept(k.markSensitive(resp.Planned))
	return resp, true
}

// decide finds the action and its reasons.
func (m *maker) decide(k *kindInfo, c *Change, inst *lang.Instance, config cty.Value, resp providers.PlanResponse) bool {
	rec := m.recorded(c.Address)
	if !c.Before.IsNull() {
		switch by := m.triggered(inst); {
		case by != "":
			c.Reason, c.Once = by+" changes, and replace_triggered_by names it", true
			return m.replace(k, c, inst, config, nil)
		case rec != nil && rec.Replace:
			c.Reason = "its replacement did not finish"
			return m.replace(k, c, inst, config, nil)
		}
	}
	switch {
	case c.Before.IsNull():
		c.Action = Create
		switch {
		case rec != nil:
			c.Reason = "it is gone"
		case c.ModRevision != 0:
			c.Reason = "what an interrupted apply left behind is taken over"
		}
		return true
	case coveredBy(m.in.Replace, c.Address):
		c.Once = true
		return m.replace(k, c, inst, config, []providers.Cause{{Why: "-replace asks for it"}})
	case k.codec.same(c.Before, c.After):
		c.Action, c.After = NoOp, c.Before
		if rec != nil && m.unfinished(c.Address, rec) {
			c.Action, c.Reason = Update, "the last apply of it did not finish"
		}
		return true
	}
	found := diff(k.schema, c.Before, c.After)
	if force := append(forcing(found), resp.Replace...); len(force) > 0 {
		return m.replace(k, c, inst, config, force)
	}
	c.Action, c.Causes = Update, causes(found)
	m.originate(c, inst)
	return true
}

// replace plans the new object as if there were none before it.
func (m *maker) replace(k *kindInfo, c *Change, inst *lang.Instance, config cty.Value, force []providers.Cause) bool {
	c.Action, c.Causes = Replace, force
	m.originate(c, inst)
	if inst.Lifecycle.CreateBeforeDestroy && k.overlap != providers.NoOverlap {
		c.CreateFirst = true
		if k.overlap == providers.Beside {
			c.Old = c.Object
			c.Object = m.names.free(c.Kind, c.Address, c.Old)
			m.names[c.Kind+"."+c.Object] = c.Address
		}
	}
	if inst.Lifecycle.PreventDestroy {
		m.prevented(c, inst.Range.Ptr())
	}
	resp, ok := m.ask(k, c, inst, k.codec.null, config, false)
	c.After = resp.Planned
	return ok
}

// exclusive refuses create_before_destroy where it is written and not possible. Where
// it only has come from another block, the old object goes first; should that close a
// circle, the graph says so.
func (m *maker) exclusive(k *kindInfo, r *lang.Resource) {
	if lc := r.Lifecycle; lc.CreateBeforeDestroy && lc.Spread == "" && k.overlap == providers.NoOverlap {
		m.diags = append(m.diags, errorf(r.Range.Ptr(), "create_before_destroy is not possible", fmt.Sprintf(
			"%s cannot be replaced by something made before it goes: %s. Remove create_before_destroy.", r.Address(), k.exclusive)))
	}
}

// triggered says which entry of replace_triggered_by asks for a replacement.
func (m *maker) triggered(inst *lang.Instance) string {
	for _, t := range inst.Triggers {
		if !t.All {
			if fires(t, m.changes[t.Address]) {
				return t.Text
			}
			continue
		}
		if b := m.blocks[t.Address]; b != nil {
			for _, c := range b.instances {
				if fires(t, c) {
					return c.Address
				}
			}
		}
	}
	return ""
}

// fires reports whether a change is one that a trigger waits for: an update or a
// replacement, or one of the part that it names.
func fires(t lang.Trigger, c *Change) bool {
	if c == nil || c.Action != Update && c.Action != Replace {
		return false
	}
	if !t.Part() {
		return true
	}
	before, had := t.Value(c.Before)
	after, has := t.Value(c.After)
	return had != has || had && !same(before, after)
}

func (m *maker) prevented(c *Change, subject *hcl.Range) {
	why := c.Reason
	if len(c.Causes) > 0 {
		why = clause(c.Causes[0])
	}
	if why != "" {
		why = " (" + why + ")"
	}
	lift := "set prevent_destroy to false, apply, and plan again"
	if subject == nil {
		lift = "put the block back with prevent_destroy = false, apply, and remove it then. A removed block without destroy = true forgets it and leaves it as it is"
	}
	m.diags = append(m.diags, errorf(subject, "Destruction prevented", fmt.Sprintf(
		"%s has prevent_destroy set, and this plan would destroy it%s. Undo the change that leads to it; or, if it is meant, %s.", c.Address, why, lift)))
}

// clause is a cause as a clause: "replicas: why", or either alone.
func clause(c providers.Cause) string {
	if c.Path == "" || c.Why == "" {
		return c.Path + c.Why
	}
	return c.Path + ": " + c.Why
}

// move makes unknown what depends on the nodes of a pod's replicas.
func (m *maker) move(k *kindInfo, c *Change) {
	if c.Action == NoOp || c.Action == Update {
		c.After = k.withUnknown(c.After)
	}
}

// resourceOf is the block of an address in the configuration, nil when there is none.
func (m *maker) resourceOf(address string) *lang.Resource {
	block, _ := splitAddress(address)
	if b := m.blocks[block]; b != nil {
		return b.block.Resource
	}
	return nil
}

// report adds a kind's diagnostics, with the block they are about.
func (m *maker) report(subject *hcl.Range, diags hcl.Diagnostics, err error, address string) {
	if len(diags) == 0 && err == nil {
		return
	}
	r := m.resourceOf(address)
	for _, d := range diags {
		m.diags = append(m.diags, located(d, r, subject))
	}
	if err != nil {
		m.diags = append(m.diags, errorf(subject, "Mistake in Stowage", fmt.Sprintf("Planning %s failed: %s", address, err)))
	}
}

// located gives a kind's diagnostic a place: the part of r that it is about, or
// else the block. r and block may be nil.
func located(d *hcl.Diagnostic, r *lang.Resource, block *hcl.Range) *hcl.Diagnostic {
	if d.Subject != nil || block == nil {
		return d
	}
	subject := block
	if at, ok := d.Extra.(providers.At); ok && r != nil {
		subject = r.RangeOf(cty.Path(at)).Ptr()
	}
	return &hcl.Diagnostic{Severity: d.Severity, Summary: d.Summary, Detail: d.Detail, Subject: subject, Extra: d.Extra}
}

func plan(k providers.Kind, req providers.PlanRequest) (resp providers.PlanResponse, err error) {
	defer recovered(&err)
	resp = k.Plan(req)
	if !resp.Diags.HasErrors() && (resp.Planned == cty.NilVal || !resp.Planned.Type().IsObjectType()) {
		err = fmt.Errorf("the kind %q planned no object; please report this", k.Name())
	}
	return resp, err
}

func read(k providers.Kind, req providers.ReadRequest) (resp providers.ReadResponse, err error) {
	defer recovered(&err)
	return k.Read(req), nil
}

// recovered turns a panic into an error: one kind's mistake must not take the
// others' results with it.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("panic: %v; please report this with what follows\n%s", r, debug.Stack())
	}
}

// sentence begins with a capital, as the detail of a diagnostic does.
func sentence(err error) string {
	s := err.Error()
	if s != "" && s[0] >= 'a' && s[0] <= 'z' {
		s = string(s[0]-'a'+'A') + s[1:]
	}
	return s
}
