package planner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/image"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/ssh"
	"github.com/stowage-iac/stowage/state"
)

// make creates or updates an instance.
func (x *executor) make(op Operation, c *Change) (ok bool, diags hcl.Diagnostics, fatal error) {
	k := x.kinds[c.Kind]
	prior := c.Before
	if c.Action != Update {
		prior = k.codec.null
	}
	planned, diags := x.planned(k, c, prior)
	if diags.HasErrors() {
		return false, diags, nil
	}
	if c.CreateFirst && c.Old == "" {
		prior = c.Before // it is there, and the new one takes its place
	}
	if k.carrier != nil && c.Action != Update {
		// A host on which something was installed must be found again, whatever happens next.
		inst, err := k.partial(c, planned)
		if err != nil {
			return false, append(diags, x.problem(c, "Not recorded", sentence(err)+".")), nil
		}
		if err := x.Journal.Done(c.Address, inst); err != nil {
			return false, diags, err
		}
	}
	if err := x.Journal.Begin(c.Address, string(c.Action)); err != nil {
		return false, diags, err
	}
	resp := x.call(op, k, c, providers.ApplyRequest{Prior: prior, Planned: planned, Placement: c.Placement})
	diags = append(diags, x.located(c, resp.Diags)...)
	if diags.HasErrors() {
		return false, diags, x.recordFailure(k, c, resp.Value)
	}
	if path, ok := x.consistent(k, c, planned, resp.Value); !ok {
		diags = append(diags, x.problem(c, "Inconsistent result", fmt.Sprintf(
			"The kind %q planned a value for %s and applied another%s. This is a mistake in Stowage; please report it. What is there now was recorded.", k.Name(), c.Address, at(path))))
	}
	now := k.markSensitive(resp.Value)
	inst, err := k.record(c, now)
	if err != nil {
		return false, append(diags, x.problem(c, "Not recorded", sentence(err)+".")), x.Journal.Fail(c.Address)
	}
	if err := x.Journal.Done(c.Address, inst); err != nil {
		return false, diags, err
	}
	x.set(c.Address, now)
	diags = append(diags, x.postconditions(c, now)...)
	return !diags.HasErrors(), diags, nil
}

func at(path string) string {
	if path == "" {
		return ""
	}
	return " (at " + path + ")"
}

// recordFailure keeps what is there of an instance whose apply failed.
func (x *executor) recordFailure(k *kindInfo, c *Change, now cty.Value) error {
	if rec := x.State.Instances[c.Address]; c.CreateFirst && rec != nil {
		again := *rec // it is still there; what there may be of its replacement goes
		again.Replace = true
		return x.Journal.Done(c.Address, &again)
	}
	if providers.IsNull(now) {
		return x.Journal.Fail(c.Address)
	}
	return x.recordPartial(k, c, now, false)
}

// recordPartial records an instance as not finished; again, that it is to be replaced.
func (x *executor) recordPartial(k *kindInfo, c *Change, now cty.Value, again bool) error {
	inst, err := k.partial(c, k.markSensitive(now))
	if err != nil {
		return x.Journal.Fail(c.Address)
	}
	inst.Replace = again
	return x.Journal.Done(c.Address, inst)
}

// remove deletes the prior object of an instance.
func (x *executor) remove(op Operation, c *Change) (ok bool, diags hcl.Diagnostics, fatal error) {
	k := x.kinds[c.Kind]
	if c.CreateFirst && c.Old == "" {
		return true, nil, nil // the new one has taken its place
	}
	before := c.Before
	if before == cty.NilVal || before.IsNull() {
		before = k.empty()
	}
	if err := x.Journal.Begin(c.Address, string(Delete)); err != nil {
		return false, nil, err
	}
	resp := x.call(op, k, c, providers.ApplyRequest{Prior: before, Planned: k.codec.null})
	diags = x.located(c, resp.Diags)
	if diags.HasErrors() {
		return false, diags, x.recordRemaining(k, c, before, resp.Value)
	}
	if c.CreateFirst {
		if inst := x.applied(k, c); inst != nil {
			return true, diags, x.Journal.Done(c.Address, inst)
		}
	}
	if err := x.Journal.Done(c.Address, nil); err != nil {
		return false, diags, err
	}
	return true, diags, nil
}

// recordRemaining keeps what is left of an instance whose deletion failed; it was
// recorded before, unless it is an orphan of the cluster.
func (x *executor) recordRemaining(k *kindInfo, c *Change, before, now cty.Value) error {
	if c.CreateFirst || x.State.Instances[c.Address] == nil {
		return x.Journal.Fail(c.Address)
	}
	if providers.IsNull(now) {
		now = before
	}
	return x.recordPartial(k, c, now, c.Action == Replace && c.Once)
}

func (x *executor) applied(k *kindInfo, c *Change) *state.Instance {
	v, ok := x.value(c.Address)
	if !ok {
		return nil
	}
	inst, err := k.record(c, v)
	if err != nil {
		return nil
	}
	return inst
}

// planned is what is to be applied: what the plan says, with what has become known.
func (x *executor) planned(k *kindInfo, c *Change, prior cty.Value) (cty.Value, hcl.Diagnostics) {
	if c.Settled {
		return c.After, nil
	}
	block, _ := splitAddress(c.Address)
	b := x.sources[block]
	key, found := x.key(b, c.Address)
	if !found {
		return cty.NilVal, hcl.Diagnostics{x.problem(c, "Configuration changed since the plan", fmt.Sprintf("%s is not in the configuration that was given for the apply.", c.Address))}
	}
	inst, diags := x.ev.Decode(b, key)
	if diags.HasErrors() {
		return cty.NilVal, diags
	}
	config := inst.Config
	if len(c.ignore) > 0 {
		config = ignoreChanges(k.schema, config, prior, c.ignore)
	}
	resp, err := plan(k, providers.PlanRequest{
		Identity: c.id(), Prior: prior, Config: config, HashKey: x.hashKey, BaseDir: x.BaseDir, Resolve: x.Resolve, Outside: x.Outside,
	})
	diags = append(diags, x.located(c, resp.Diags)...)
	if err != nil {
		diags = append(diags, x.problem(c, "Mistake in Stowage", fmt.Sprintf("Planning %s failed: %s", c.Address, err)))
	}
	if diags.HasErrors() {
		return cty.NilVal, diags
	}
	now := k.kept(k.markSensitive(resp.Planned))
	if path, ok := agrees(c.After, now, ""); !ok {
		return cty.NilVal, append(diags, x.problem(c, "Inconsistent plan", fmt.Sprintf(
			"What %s refers to has become known, and %s is now different from what was planned%s. Nothing was done to it. Plan again.", c.Address, orIt(path), at(path))))
	}
	if k.carried != nil && c.Action == Update {
		now = k.withUnknown(now) // it may turn out to be as before, and its replicas move nevertheless
	}
	return now, diags
}

func orIt(path string) string {
	if path == "" {
		return "it"
	}
	return path
}

// key finds the instance's key in its block.
func (x *executor) key(b *lang.Block, address string) (cty.Value, bool) {
	if b == nil {
		return cty.NilVal, false
	}
	keys, diags := x.ev.Expand(b)
	if diags.HasErrors() {
		return cty.NilVal, false
	}
	_, text := splitAddress(address)
	if n, ok := number(text); ok && n < len(keys) && keys[n] != cty.NilVal && lang.InstanceAddress(b.Address(), keys[n]) == address {
		return keys[n], true
	}
	for _, key := range keys {
		if lang.InstanceAddress(b.Address(), key) == address {
			return key, true
		}
	}
	return cty.NilVal, false
}

// call has the kind apply, within its time and surviving its mistakes.
func (x *executor) call(op Operation, k *kindInfo, c *Change, req providers.ApplyRequest) (resp providers.ApplyResponse) {
	ctx, timeout := x.Hard, c.Timeout
	if req.Planned.IsNull() {
		timeout = c.DeleteTimeout
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, fmt.Errorf("it took longer than the %s of its timeouts block", timeout))
		defer cancel()
	}
	req.Identity, req.HashKey, req.BaseDir, req.Context = c.id(), x.hashKey, x.BaseDir, x.plan.Context
	if req.Planned.IsNull() {
		req.Identity = c.was()
	}
	req.Env = x.env(k, c, req)
	req.Progress = func(clause string) { x.Progress.Update(op, clause) }
	var err error
	x.attempts(ctx, op, func() error {
		err = nil
		func() {
			defer recovered(&err)
			resp = k.Apply(ctx, req)
		}()
		if err != nil || !resp.Diags.HasErrors() {
			return nil
		}
		return resp.Passing
	})
	switch {
	case err != nil:
		resp.Value = cty.NilVal
		resp.Diags = append(resp.Diags, x.problem(c, "Mistake in Stowage", fmt.Sprintf("Applying %s failed: %s", c.Address, err)))
	case resp.Value == cty.NilVal && !resp.Diags.HasErrors():
		resp.Diags = append(resp.Diags, x.problem(c, "Mistake in Stowage", fmt.Sprintf("Applying %s gave no value; please report this.", c.Address)))
	case resp.Diags.HasErrors() && errors.Is(ctx.Err(), context.DeadlineExceeded):
		resp.Diags = append(resp.Diags, x.problem(c, "Timeout", fmt.Sprintf("%s: %s.", c.Address, context.Cause(ctx))))
	}
	return resp
}

// consistent checks the result against the plan. When an instance is applied again
// only because its last apply did not finish, what nobody sets may differ.
func (x *executor) consistent(k *kindInfo, c *Change, planned, result cty.Value) (string, bool) {
	if c.Action == Update && same(c.Before, c.After) {
		planned = k.withUnknown(planned)
	}
	return agrees(planned, result, "")
}

// located adds the block to diagnostics that have no place.
func (x *executor) located(c *Change, diags hcl.Diagnostics) hcl.Diagnostics {
	block, _ := splitAddress(c.Address)
	var r *lang.Resource
	if b := x.sources[block]; b != nil {
		r = b.Resource
	}
	out := make(hcl.Diagnostics, 0, len(diags))
	for _, d := range diags {
		out = append(out, located(d, r, x.subject(c.Address)))
	}
	return out
}

func (x *executor) subject(address string) *hcl.Range {
	block, _ := splitAddress(address)
	if b := x.sources[block]; b != nil {
		return b.Resource.Range.Ptr()
	}
	return nil
}

func (x *executor) problem(c *Change, summary, detail string) *hcl.Diagnostic {
	return errorf(x.subject(c.Address), summary, detail)
}

// push brings what a transfer names to its node.
func (x *executor) push(op Operation, t *Transfer) hcl.Diagnostics {
	images, diags := x.content(t)
	if diags.HasErrors() {
		return diags
	}
	if x.Push == nil {
		return append(diags, errorf(nil, "Image not sent", "There is no connection to any host."))
	}
	platform, err := x.platform(t.Node)
	for _, img := range images {
		if err != nil {
			break
		}
		x.attempts(x.Hard, op, func() error {
			began := time.Now()
			err = x.Push(x.Hard, t.Node, img, image.PushOptions{
				Platform: platform,
				Labels:   map[string]string{labelCluster: x.clusterID},
				Progress: func(sent, total int64) {
					x.Progress.Update(op, sentText(sent, total, time.Since(began)))
				},
			})
			return providers.Passing(err)
		})
	}
	if err != nil {
		diags = append(diags, errorf(x.subject(t.Pods[0]), "Image not sent", fmt.Sprintf(
			"%s could not be sent to node.%s: %s. What has arrived stays there; the next apply sends the rest.", t.Image, t.Node, err)))
	}
	return diags
}

// content opens the images of a transfer; those that were unknown are known by now.
func (x *executor) content(t *Transfer) ([]*image.Image, hcl.Diagnostics) {
	if t.img != nil {
		return []*image.Image{t.img}, nil
	}
	c := x.changes[t.source]
	refs, holders := []string{t.Ref}, []*Change{c}
	value, _ := x.value(t.source)
	if t.Unknown {
		prior := c.Before
		k := x.kinds[c.Kind]
		if c.Action != Update {
			prior = k.codec.null
		}
		planned, diags := x.planned(k, c, prior)
		if diags.HasErrors() {
			return nil, diags
		}
		value = planned
		cargo, _, diags := k.carried.Cargo(c.id(), planned)
		if diags.HasErrors() {
			return nil, diags
		}
		refs, holders = cargo.Images, append(x.referents(c), c)
	}
	var images []*image.Image
	for _, ref := range refs {
		img, err := x.open(ref, holders, t.source, value)
		if err != nil {
			return nil, hcl.Diagnostics{x.problem(c, "Image not readable", fmt.Sprintf("The content of %s (%s) cannot be opened: %s.", t.Image, ref, err))}
		}
		images = append(images, img)
	}
	return images, nil
}

func (x *executor) referents(c *Change) []*Change {
	var out []*Change
	for _, dep := range c.Deps {
		if r := x.changes[dep]; r != nil && !r.Action.ends() {
			out = append(out, r)
			continue
		}
		for _, other := range x.plan.Changes {
			if slices.Contains(lang.Covers(other.Address), dep) {
				out = append(out, other)
			}
		}
	}
	return out
}

func (x *executor) open(ref string, holders []*Change, source string, value cty.Value) (*image.Image, error) {
	for _, h := range holders {
		k := x.kinds[h.Kind]
		if k.imager == nil {
			continue
		}
		v := value
		if h.Address != source {
			v, _ = x.value(h.Address)
		}
		if img, ok, err := k.imager.Content(x.Hard, h.id(), v, ref, x.BaseDir); ok || err != nil {
			return img, err
		}
	}
	return nil, errors.New("nothing that it refers to has it")
}

func (x *executor) platform(node string) (string, error) {
	for _, n := range x.plan.Nodes {
		if n.Name == node && n.Platform != "linux/" {
			return n.Platform, nil
		}
	}
	h, err := x.Fleet.Host(x.Hard, node)
	if err != nil {
		return "", err
	}
	facts, err := ssh.Facts(x.Hard, h)
	return "linux/" + facts.Arch, err
}

// sentText says how far a transfer is and how fast it was so far.
func sentText(sent, total int64, took time.Duration) string {
	text := fmt.Sprintf("%s of %s", bytesText(sent), bytesText(total))
	if took >= 500*time.Millisecond { // before, it says nothing
		text += fmt.Sprintf(", %s/s", bytesText(int64(float64(sent)/took.Seconds())))
	}
	return text
}

// bytesText writes a size in powers of 1000, as the plan announced it.
func bytesText(n int64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}
