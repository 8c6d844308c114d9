package planner

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sync/errgroup"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
)

// imports are what import blocks and the command ask for, by address.
type imports map[string]lang.Import

// readImports evaluates the import blocks; given come besides them.
func readImports(ev *lang.Evaluator, given []lang.Import) (imports, hcl.Diagnostics) {
	list, diags := ev.Imports()
	all := make(imports, len(list)+len(given))
	for _, i := range append(list, given...) {
		all[i.Address] = i
	}
	return all, diags
}

// adopt reads what an instance takes over: Before is what is there. It reports whether
// planning can go on.
func (m *maker) adopt(k *kindInfo, c *Change, inst *lang.Instance, im lang.Import) bool {
	subject := im.Range.Ptr()
	if im.Range.Filename == "" {
		subject = inst.Range.Ptr()
	}
	importer, ok := k.Kind.(providers.Importer)
	switch {
	case !ok:
		m.diags = append(m.diags, errorf(subject, "Import not possible", fmt.Sprintf("%s cannot be imported: nothing of a %s is kept anywhere but in the state.", c.Address, c.Kind)))
		return false
	case m.in.World == nil:
		m.diags = append(m.diags, errorf(subject, "Import not possible", fmt.Sprintf("%s cannot be imported without looking at the hosts. Leave -refresh=false out.", c.Address)))
		return false
	}
	for address, rec := range m.state.Instances {
		if rec.Kind == c.Kind && identityOf(rec).Object == im.ID {
			m.diags = append(m.diags, errorf(subject, "Recorded already", fmt.Sprintf(
				"%s is to import %q, which the state records as %s. To give it another address, write a moved block.", c.Address, im.ID, address)))
			return false
		}
	}
	c.Object, c.Importing = im.ID, im.ID
	m.names[c.Kind+"."+c.Object] = c.Address
	if obj := m.in.World.Object(api.Kind(c.Kind), c.Object); obj != nil {
		c.ModRevision, c.owner = obj.ModRevision, obj.Owner
	}
	resp, ok := m.ask(k, c, inst, k.codec.null, inst.Config, false)
	if !ok {
		return false
	}
	found := importer.Import(providers.ImportRequest{Identity: c.id(), Planned: resp.Planned, World: m.in.World, HashKey: m.in.State.HashKey, Others: others{m}})
	for _, d := range found.Diags {
		m.diags = append(m.diags, located(d, nil, subject))
	}
	if found.Diags.HasErrors() {
		return false
	}
	c.Before = k.markSensitive(found.Value)
	if !c.Before.IsWhollyKnown() {
		m.diags = append(m.diags, errorf(subject, "Import not possible", fmt.Sprintf(
			"%s cannot be imported now: what it refers to is known only after apply. Import what it refers to as well, or first.", c.Address)))
		return false
	}
	if k.carrier != nil && m.in.State.ClusterID == "" {
		m.plan.Adopts = m.clusterOf(c.Object)
	}
	return true
}

// clusterOf is the cluster that a host is a node of.
func (m *maker) clusterOf(node string) string {
	if h := m.in.World.Hosts[node]; h != nil && h.Local != nil {
		return h.Local.Config.Cluster
	}
	return ""
}

// unimported reports imports into instances that are not there.
func (m *maker) unimported() {
	for _, address := range sortedKeys(m.importing) {
		if _, ok := m.changes[address]; ok || m.failed {
			continue
		}
		var subject *hcl.Range
		if r := m.importing[address].Range; r.Filename != "" {
			subject = r.Ptr()
		}
		m.diags = append(m.diags, errorf(subject, "No such instance", fmt.Sprintf(
			"%s is to be imported, and the configuration has no such instance. Write its block, with the key in its count or for_each, first.", address)))
	}
}

// others gives instances as they are planned.
type others struct{ m *maker }

// Instance gives the planned value.
func (o others) Instance(address string) (v cty.Value, ok bool) {
	if c := o.m.changes[address]; c != nil {
		return c.After, true
	}
	return v, false
}

// Object gives the name of the object.
func (o others) Object(address string) string {
	if c := o.m.changes[address]; c != nil {
		return c.Object
	}
	return providers.ObjectName(address)
}

// recordImports takes over what is imported, before anything is done: what they are is
// recorded, and then the objects get this state's lineage as their owner. Cut off in
// between, the record says from whom its object is taken, and the next apply does it.
func (x *executor) recordImports() error {
	if id := x.plan.Adopts; id != "" && x.clusterID != id {
		x.clusterID = id
		if err := x.Journal.SetClusterID(id); err != nil {
			return err
		}
	}
	var g errgroup.Group
	g.SetLimit(32)
	for _, c := range x.plan.Changes {
		if c.Importing == "" && c.owner == "" {
			continue
		}
		g.Go(func() error {
			inst, err := x.kinds[c.Kind].record(c, c.Before)
			if err != nil {
				return err
			}
			if c.ModRevision == 0 || c.owner == x.Lineage() {
				return x.Journal.Done(c.Address, inst)
			}
			if x.Own == nil {
				return errNoFleet
			}
			if c.Importing != "" {
				taking := *inst
				taking.Taking = c.owner
				if err := x.Journal.Done(c.Address, &taking); err != nil {
					return err
				}
			}
			if err := x.Own(x.Hard, api.Kind(c.Kind), c.Object, c.owner, x.Lineage()); err != nil {
				return fmt.Errorf("%s cannot be taken over: %w", c.Address, err)
			}
			return x.Journal.Done(c.Address, inst)
		})
	}
	return g.Wait()
}

// imported are the objects that changes take over, or go on to.
func imported(changes []*Change) map[string]bool {
	out := map[string]bool{}
	for _, c := range changes {
		if c.Importing != "" || c.owner != "" {
			out[c.Object] = true
		}
	}
	return out
}

// OnlyImport is a plan that takes over what this one imports at an address, and does
// nothing else; nil when it imports nothing there.
func (p *Plan) OnlyImport(address string) *Plan {
	only := *p
	only.Changes, only.Steps, only.Transfers, only.Outputs, only.Pods = nil, nil, nil, nil, nil
	for _, c := range p.Changes {
		if c.Address == address && c.Importing != "" {
			now := *c
			now.Action, now.After = NoOp, c.Before
			only.Changes = append(only.Changes, &now)
		}
	}
	if only.Changes == nil {
		return nil
	}
	for _, c := range p.Changes { // the nodes among them are the way to the cluster
		if c.Address != address && c.Before != cty.NilVal && !c.Before.IsNull() && c.Importing == "" {
			now := *c
			now.Action, now.MovedFrom, now.Refreshed, now.After = NoOp, "", false, c.Before
			only.Changes = append(only.Changes, &now)
		}
	}
	return &only
}
