package planner

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/numbers"
	"github.com/stowage-iac/stowage/providers"
)

// planJSON is plan.json in a saved plan.
type planJSON struct {
	StowageVersion string    `json:"stowage_version"`
	Created        time.Time `json:"created"`
	Destroy        bool      `json:"destroy,omitempty"`
	Options
	Changes     []changeJSON   `json:"resource_changes"`
	Data        []dataJSON     `json:"data,omitempty"`
	Transfers   []transferJSON `json:"transfers,omitempty"`
	Pods        []PodPlacement `json:"placements,omitempty"`
	Nodes       []NodeUse      `json:"nodes,omitempty"`
	Outputs     []outputJSON   `json:"output_changes,omitempty"`
	Interrupted *Interrupted   `json:"interrupted,omitempty"`
	Checks      []Checked      `json:"checks,omitempty"`
	Adopts      string         `json:"adopts,omitempty"`
	Steps       []stepJSON     `json:"steps,omitempty"`
	HashKey     []byte         `json:"hash_key,omitempty"` // in encrypted plans only
	// Ephemeral are the variables that were given and whose values are not kept.
	Ephemeral []string `json:"ephemeral_variables,omitempty"`
}

// valueJSON keeps what is unknown and what is sensitive apart from the value, in
// which unknown parts are null.
type valueJSON struct {
	Value     json.RawMessage `json:"value"`
	Unknown   []string        `json:"unknown,omitempty"`
	Sensitive []string        `json:"sensitive,omitempty"`
}

type changeJSON struct {
	Address        string            `json:"address"`
	Object         string            `json:"object,omitempty"`
	Old            string            `json:"old_object,omitempty"`
	MovedFrom      string            `json:"moved_from,omitempty"`
	Importing      string            `json:"importing,omitempty"`
	Owner          string            `json:"owner,omitempty"`
	Kind           string            `json:"kind"`
	Action         Action            `json:"action"`
	Before         *valueJSON        `json:"before,omitempty"`
	After          *valueJSON        `json:"after,omitempty"`
	Reason         string            `json:"reason,omitempty"`
	Causes         []providers.Cause `json:"causes,omitempty"`
	Deps           []string          `json:"depends_on,omitempty"`
	Drift          []providers.Cause `json:"drift,omitempty"`
	Healed         []string          `json:"healed,omitempty"`
	Placement      []string          `json:"placement,omitempty"`
	Settled        bool              `json:"settled,omitempty"`
	Refreshed      bool              `json:"refreshed,omitempty"`
	Pending        bool              `json:"pending,omitempty"`
	Once           bool              `json:"once,omitempty"`
	CreateFirst    bool              `json:"create_first,omitempty"`
	PreventDestroy bool              `json:"prevent_destroy,omitempty"`
	ModRevision    int64             `json:"mod_revision,omitempty"`
	Timeout        time.Duration     `json:"timeout,omitempty"`
	DeleteTimeout  time.Duration     `json:"delete_timeout,omitempty"`
	Ignore         []string          `json:"ignore_changes,omitempty"`
}

type transferJSON struct {
	Transfer
	Source string
}

type outputJSON struct {
	Name      string     `json:"name"`
	Action    Action     `json:"action"`
	Before    *valueJSON `json:"before,omitempty"`
	After     *valueJSON `json:"after,omitempty"`
	Sensitive bool       `json:"sensitive,omitempty"`
}

type stepJSON struct {
	Kind  StepKind `json:"kind"`
	Index int      `json:"index"`
	Name  string   `json:"name,omitempty"`
	Needs []int    `json:"needs,omitempty"`
}

// toJSON encodes a plan; sensitive tells whether anything in it is.
func (p *Plan) toJSON(kinds map[string]*kindInfo) (j planJSON, sensitive bool, err error) {
	j = planJSON{
		StowageVersion: p.StowageVersion, Created: p.Created, Destroy: p.Destroy, Options: p.Options, Pods: p.Pods, Nodes: p.Nodes,
		Interrupted: p.Interrupted, Checks: p.Checks, Adopts: p.Adopts, HashKey: p.hashKey,
	}
	note := func(v *valueJSON, e error) *valueJSON {
		if e != nil && err == nil {
			err = e
		}
		sensitive = sensitive || v != nil && len(v.Sensitive) > 0
		return v
	}
	for _, c := range p.Changes {
		k := kinds[c.Kind]
		if k == nil {
			return j, false, fmt.Errorf("%s has the unknown kind %q", c.Address, c.Kind)
		}
		cj := changeJSON{
			Address: c.Address, Object: recordedName(c.id()), Old: c.Old, MovedFrom: c.MovedFrom, Importing: c.Importing, Owner: c.owner, Kind: c.Kind, Action: c.Action, Reason: c.Reason, Causes: c.Causes, Deps: c.Deps,
			Drift: c.Drift, Healed: c.Healed, Placement: c.Placement, Settled: c.Settled, Refreshed: c.Refreshed, Pending: c.Pending,
			Once: c.Once, CreateFirst: c.CreateFirst, PreventDestroy: c.PreventDestroy, ModRevision: c.ModRevision, Timeout: c.Timeout, DeleteTimeout: c.DeleteTimeout, Ignore: c.ignore,
		}
		if c.Action != NoOp || c.Refreshed || c.Importing != "" { // else it is as the state has it
			cj.Before, cj.After = note(k.codec.toJSON(c.Before)), note(k.codec.toJSON(c.After))
		}
		j.Changes = append(j.Changes, cj)
	}
	for _, d := range p.Data {
		dj, e := d.toJSON()
		if e != nil && err == nil {
			err = e
		}
		sensitive = sensitive || len(dj.Sensitive) > 0
		j.Data = append(j.Data, dj)
	}
	for _, t := range p.Transfers {
		j.Transfers = append(j.Transfers, transferJSON{Transfer: t, Source: t.source})
	}
	for _, o := range p.Outputs {
		sensitive = sensitive || o.Sensitive
		j.Outputs = append(j.Outputs, outputJSON{
			Name: o.Name, Action: o.Action, Sensitive: o.Sensitive, Before: note(anyCodec.toJSON(o.Before)), After: note(anyCodec.toJSON(o.After)),
		})
	}
	for _, s := range p.Steps {
		j.Steps = append(j.Steps, stepJSON(s))
	}
	return j, sensitive, err
}

var anyCodec = newCodec(cty.DynamicPseudoType)

func (c *codec) toJSON(v cty.Value) (*valueJSON, error) {
	if v == cty.NilVal {
		return nil, nil
	}
	e, err := c.encode(v)
	if err != nil {
		return nil, err
	}
	return &valueJSON{Value: e.JSON, Unknown: e.Unknown, Sensitive: e.Sensitive}, nil
}

// toPlan decodes a plan and checks it, as what comes from outside: every index and
// every kind must be what Apply relies on.
func (j *planJSON) toPlan(kinds map[string]*kindInfo) (*Plan, error) {
	p := &Plan{
		FormatVersion: FormatVersion, StowageVersion: j.StowageVersion, Created: j.Created, Destroy: j.Destroy, Options: j.Options,
		Pods: j.Pods, Nodes: j.Nodes, Interrupted: j.Interrupted, Checks: j.Checks, Adopts: j.Adopts, hashKey: j.HashKey,
	}
	dec := newDecoder()
	seen, read := map[string]bool{}, map[string]bool{}
	for i := range j.Changes {
		c, err := j.Changes[i].toChange(kinds, dec)
		if err != nil {
			return nil, err
		}
		if seen[c.Address] {
			return nil, fmt.Errorf("%s is in it twice", c.Address)
		}
		seen[c.Address] = true
		p.Changes = append(p.Changes, c)
	}
	for i := range j.Data {
		d, err := j.Data[i].toData(kinds)
		if err != nil {
			return nil, err
		}
		if seen[d.Address] || read[d.Address] {
			return nil, fmt.Errorf("%s is in it twice", d.Address)
		}
		read[d.Address] = true
		p.Data = append(p.Data, d)
	}
	for _, t := range j.Transfers {
		t.Transfer.source = t.Source
		for _, address := range append([]string{t.Source}, t.Pods...) {
			if !seen[address] {
				return nil, fmt.Errorf("a transfer is for %q, which is not in it", address)
			}
		}
		if len(t.Pods) == 0 {
			return nil, fmt.Errorf("the transfer of %s to %s is for nothing", t.Image, t.Node)
		}
		p.Transfers = append(p.Transfers, t.Transfer)
	}
	for _, o := range j.Outputs {
		oc := OutputChange{Name: o.Name, Action: o.Action, Sensitive: o.Sensitive}
		var err error
		if oc.Before, err = o.Before.value(anyCodec, dec); err == nil {
			oc.After, err = o.After.value(anyCodec, dec)
		}
		if err != nil {
			return nil, fmt.Errorf("the output %q: %w", o.Name, err)
		}
		if oc.Sensitive {
			oc.Before, oc.After = oc.Before.WithMarks(lang.Sensitive), oc.After.WithMarks(lang.Sensitive)
		}
		p.Outputs = append(p.Outputs, oc)
	}
	for i, s := range j.Steps {
		step := Step(s)
		if err := p.checkStep(i, step); err != nil {
			return nil, err
		}
		p.Steps = append(p.Steps, step)
	}
	return p, nil
}

func (p *Plan) checkStep(i int, s Step) error {
	limit := len(p.Changes)
	switch s.Kind {
	case StepJoin:
		limit = max(limit, s.Index+1)
	case StepPush:
		limit = len(p.Transfers)
	case StepApply, StepDelete:
	default:
		return fmt.Errorf("step %d is of no known kind", i)
	}
	if s.Kind != StepJoin && (s.Index < 0 || s.Index >= limit) {
		return fmt.Errorf("step %d is for nothing in it", i)
	}
	if s.Kind == StepApply || s.Kind == StepDelete {
		a := p.Changes[s.Index].Action
		if a == NoOp || s.Kind == StepApply && a.ends() || s.Kind == StepDelete && !a.ends() && a != Replace {
			return fmt.Errorf("step %d does not fit the action %q of %s", i, a, p.Changes[s.Index].Address)
		}
	}
	for _, n := range s.Needs {
		if n < 0 || n >= i {
			return fmt.Errorf("step %d waits for step %d", i, n)
		}
	}
	return nil
}

func (cj *changeJSON) toChange(kinds map[string]*kindInfo, dec *decoder) (*Change, error) {
	k := kinds[cj.Kind]
	if k == nil {
		return nil, fmt.Errorf("%s has the unknown kind %q", cj.Address, cj.Kind)
	}
	c := &Change{
		Address: cj.Address, Object: cj.Object, Old: cj.Old, MovedFrom: cj.MovedFrom, Importing: cj.Importing, owner: cj.Owner, Kind: cj.Kind, Action: cj.Action, Reason: cj.Reason, Causes: cj.Causes, Deps: cj.Deps,
		Drift: cj.Drift, Healed: cj.Healed, Placement: cj.Placement, Settled: cj.Settled, Refreshed: cj.Refreshed, Pending: cj.Pending,
		Once: cj.Once, CreateFirst: cj.CreateFirst, PreventDestroy: cj.PreventDestroy, ModRevision: cj.ModRevision, Timeout: cj.Timeout, DeleteTimeout: cj.DeleteTimeout, ignore: cj.Ignore,
	}
	if c.Object == "" {
		c.Object = providers.ObjectName(c.Address)
	}
	switch c.Action {
	case NoOp, Create, Update, Replace, Delete, Forget:
	case Read:
		if k.source == nil {
			return nil, fmt.Errorf("%s has the action %q, and is not a source of data", c.Address, c.Action)
		}
	default:
		return nil, fmt.Errorf("%s has the unknown action %q", c.Address, c.Action)
	}
	var err error
	if c.Before, err = cj.Before.value(k.codec, dec); err == nil {
		c.After, err = cj.After.value(k.codec, dec)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Address, err)
	}
	if c.Action == NoOp && c.Importing == "" {
		return c, nil
	}
	if c.Before == cty.NilVal || c.After == cty.NilVal || c.After.IsNull() != c.Action.ends() {
		return nil, fmt.Errorf("%s lacks its value", c.Address)
	}
	return c, nil
}

func (v *valueJSON) value(c *codec, dec *decoder) (cty.Value, error) {
	if v == nil {
		return cty.NilVal, nil
	}
	if c.shape == shapeDynamic {
		if len(v.Unknown) > 0 {
			return cty.DynamicVal, nil
		}
		if string(v.Value) == "null" {
			return cty.NullVal(cty.DynamicPseudoType), nil
		}
		return numbers.FromJSON(v.Value, cty.DynamicPseudoType)
	}
	out, err := dec.decode(c, v.Value)
	if err != nil {
		return cty.NilVal, err
	}
	return restore(out, v.Sensitive, v.Unknown)
}
