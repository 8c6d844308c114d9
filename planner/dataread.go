package planner

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/data"
)

// sources reads, before the hosts are, the data that tells which nodes there are:
// what nodes refer to, as far as it depends on nothing but data. Make gets the same
// answers, and reports what is wrong.
func (r *refresher) sources(ctx context.Context, ev *lang.Evaluator) {
	if r.Data == nil {
		return
	}
	needed := r.neededByNodes()
	for batch := range ev.Batches(func(res *lang.Resource) bool { return needed[res] && r.kinds[res.Kind].source != nil }) {
		if res := batch[0].Resource; needed[res] && r.kinds[res.Kind].source != nil {
			r.read(ctx, ev, batch)
		}
	}
}

// neededByNodes are the blocks that nodes refer to, through others, too.
func (r *refresher) neededByNodes() map[*lang.Resource]bool {
	needed := map[*lang.Resource]bool{}
	var visit func(res *lang.Resource)
	visit = func(res *lang.Resource) {
		for _, to := range res.Refers() {
			if !needed[to] && r.kinds[to.Kind] != nil {
				needed[to] = true
				visit(to)
			}
		}
	}
	for _, res := range r.Config.Resources {
		if k := r.kinds[res.Kind]; k != nil && k.carrier != nil {
			visit(res)
		}
	}
	return needed
}

func (r *refresher) read(ctx context.Context, ev *lang.Evaluator, blocks []*lang.Block) {
	var jobs []*dataJob
	for _, b := range blocks {
		keys, _ := ev.Expand(b)
		for _, key := range keys {
			inst, diags := ev.Decode(b, key)
			if diags.HasErrors() || !inst.Config.IsWhollyKnown() || !onlyData(inst.Deps) {
				continue
			}
			jobs = append(jobs, &dataJob{req: requestOf(r.kinds[inst.Kind], inst, r.BaseDir)})
		}
	}
	readAll(ctx, r.Data, jobs)
	for _, j := range jobs {
		if !j.diags.HasErrors() {
			ev.Set(j.req.Address, j.value)
		}
	}
}

func onlyData(deps []string) bool {
	return !slices.ContainsFunc(deps, func(d string) bool { return !data.IsAddress(d) })
}

func requestOf(k *kindInfo, inst *lang.Instance, baseDir string) DataRequest {
	return DataRequest{Kind: *k.source, Address: inst.Address, Config: inst.Config, Timeout: inst.Timeouts.Read, BaseDir: baseDir}
}

// readData reads, during an apply, a source that the plan left to it.
func (x *executor) readData(c *Change) hcl.Diagnostics {
	k := x.kinds[c.Kind]
	block, _ := splitAddress(c.Address)
	b := x.sources[block]
	key, found := x.key(b, c.Address)
	if !found {
		return hcl.Diagnostics{x.problem(c, "Configuration changed since the plan", fmt.Sprintf("%s is not in the configuration that was given for the apply.", c.Address))}
	}
	inst, diags := x.ev.Decode(b, key)
	if diags.HasErrors() {
		return diags
	}
	if path, ok := agrees(c.After, k.source.Plan(providers.PlanRequest{Config: inst.Config}).Planned, ""); !ok {
		return append(diags, x.problem(c, "Inconsistent plan", fmt.Sprintf(
			"What %s refers to has become known, and %s is now different from what was planned%s. Plan again.", c.Address, orIt(path), at(path))))
	}
	if !inst.Config.IsWhollyKnown() || x.Data == nil {
		return append(diags, x.problem(c, "Unknown argument", fmt.Sprintf(
			"%s cannot be read: it refers to values that are still unknown although everything it depends on was applied.", c.Address)))
	}
	req := requestOf(k, inst, x.BaseDir)
	req.Again = true
	v, more := x.Data(x.Hard, req)
	diags = append(diags, x.located(c, more)...)
	if !diags.HasErrors() {
		diags = append(diags, x.postconditions(c, v)...)
	}
	if !diags.HasErrors() {
		x.set(c.Address, v)
	}
	return diags
}
