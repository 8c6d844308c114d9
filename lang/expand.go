package lang

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/numbers"
)

// Expand evaluates count or for_each, once per block, and returns the keys of
// the instances: one cty.NilVal without them; numbers; or strings, sorted.
// Later calls return the same slice.
func (e *Evaluator) Expand(b *Block) ([]cty.Value, hcl.Diagnostics) {
	r := b.Resource
	b.mu.RLock()
	open, keys := b.open, b.keys
	b.mu.RUnlock()
	if open {
		return keys, nil
	}
	if !r.keyed() && !e.hasPending.Load() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if !b.open {
			b.open, b.keys, b.vals, b.deps = true, noKeys, b.alone[:], b.in.deps
		}
		return b.keys, nil
	}
	f := b.in.pooledFrame(nil)
	x := expansion{frame: f, address: r.address, count: r.count, forEach: r.forEach}
	x.expand()
	plain := len(x.diags) == 0
	x.diags = append(b.in.locate(f.explain(x.expression(), x.diags)), e.reported()...)

	addresses := make([]string, len(x.keys))
	for i, key := range x.keys {
		addresses[i] = InstanceAddress(b.address, key)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open {
		return b.keys, nil
	}
	b.open, b.failed = true, x.diags.HasErrors()
	b.keys, b.each, b.addresses, b.deps = x.keys, x.values, addresses, append(e.shared(f.deps), b.in.deps...)
	b.vals = make([]cty.Value, len(x.keys))
	if r.forEach != nil {
		b.index = make(map[string]int, len(x.keys))
		for i, key := range x.keys {
			b.index[key.AsString()] = i
		}
	}
	if plain {
		f.release()
	}
	return b.keys, x.diags
}

// noKeys are the keys of a block without count and for_each.
var noKeys = []cty.Value{cty.NilVal}

// expansion is the evaluation of count or for_each.
type expansion struct {
	*frame
	address        string // for messages
	count, forEach *expression
	keys           []cty.Value
	values         []cty.Value
	diags          hcl.Diagnostics
}

// expression is the one of count or for_each, or nil.
func (x *expansion) expression() hclsyntax.Expression {
	switch {
	case x.count != nil:
		return x.count.Expression
	case x.forEach != nil:
		return x.forEach.Expression
	}
	return nil
}

func (x *expansion) expand() {
	switch {
	case x.count != nil:
		x.countInstances()
	case x.forEach != nil:
		x.eachInstance()
	default:
		x.keys = noKeys
	}
}

func (x *expansion) fail(e *expression, summary, detail string) {
	x.diags = append(x.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: summary, Detail: detail,
		Subject: e.Range().Ptr(), Expression: e.Expression, EvalContext: x.ctx,
	})
}

const adviceUnknown = " Calculate it from variables and local values, which are known in the plan."

func (x *expansion) countInstances() {
	e, address := x.count, x.address
	v, diags := e.Value(x.ctx)
	x.diags = append(x.diags, diags...)
	if diags.HasErrors() {
		return
	}
	if origins := ephemeralOrigins(v); len(origins) > 0 {
		x.fail(e, "Ephemeral count", "The count of "+address+" is "+derived(origins)+", and which instances there are is kept in plans and the state. "+ephemeralUses)
		return
	}
	if IsSensitive(v) {
		x.fail(e, "Sensitive count", "The count of "+address+" is derived from a sensitive value, and addresses would show it. Pass what may be shown through nonsensitive().")
		return
	}
	v, _ = v.Unmark()
	n, err := numbers.Convert(v, cty.Number)
	switch {
	case err != nil:
		x.fail(e, "Invalid count", "The count of "+address+" must be a whole number: "+errorText(err)+".")
		return
	case n.IsNull():
		x.fail(e, "Invalid count", "The count of "+address+" is null. Give a whole number; 0 makes no instance.")
		return
	case !n.IsKnown():
		if !x.e.checking {
			x.fail(e, "Count not known yet", "The count of "+address+" depends on values that are known only after apply, so that the plan cannot say how many instances there will be."+adviceUnknown)
		}
		return
	}
	f := n.AsBigFloat()
	i, accuracy := f.Int64()
	switch {
	case accuracy != 0 || !f.IsInt() || i < 0:
		x.fail(e, "Invalid count", "The count of "+address+" is "+f.Text('f', -1)+"; it must be a whole number, not negative.")
	case i > maxInstances:
		x.fail(e, "Invalid count", "The count of "+address+" is "+f.Text('f', -1)+"; at most 1000000 instances are possible.")
	default:
		x.keys = make([]cty.Value, i)
		for k := range x.keys {
			x.keys[k] = cty.NumberIntVal(int64(k))
		}
	}
}

func (x *expansion) eachInstance() {
	e, address := x.forEach, x.address
	v, diags := e.Value(x.ctx)
	x.diags = append(x.diags, diags...)
	if diags.HasErrors() {
		return
	}
	if origins := shallowOrigins(v); len(origins) > 0 {
		x.fail(e, "Ephemeral for_each", "The for_each of "+address+" is "+derived(origins)+", and which instances there are is kept in plans and the state. Iterate over keys that are not ephemeral and look the values up.")
		return
	}
	if v.HasMark(sensitiveMark("sensitive")) {
		x.fail(e, "Sensitive for_each", "The for_each of "+address+" is derived from a sensitive value, and addresses would show its keys. Iterate over nonsensitive(keys(…)) and look the values up.")
		return
	}
	ty := v.Type()
	if v.IsKnown() && !v.IsNull() && v.CanIterateElements() && v.LengthInt() > maxInstances {
		x.fail(e, "Invalid for_each", fmt.Sprintf("The for_each of %s has %d elements; at most %d instances are possible.", address, v.LengthInt(), maxInstances))
		return
	}
	switch {
	case v.IsNull():
		x.fail(e, "Invalid for_each", "The for_each of "+address+" is null. Give a map or a set of strings; {} makes no instance.")
		return
	case !v.IsKnown():
		if !x.e.checking {
			x.fail(e, "Keys of for_each not known yet", "The for_each of "+address+" depends on values that are known only after apply, so that the plan cannot name the instances."+adviceUnknown)
		} else if ty != cty.DynamicPseudoType && !ty.IsMapType() && !ty.IsObjectType() && !ty.IsSetType() {
			x.wrongType(e, v)
		}
		return
	case ty.IsSetType():
		x.eachOfSet(e, v)
	case ty.IsMapType() || ty.IsObjectType():
		n := v.LengthInt()
		x.keys, x.values = make([]cty.Value, 0, n), make([]cty.Value, 0, n)
		for it := v.ElementIterator(); it.Next(); {
			k, val := it.Element()
			x.keys, x.values = append(x.keys, k), append(x.values, val)
		}
	default:
		x.wrongType(e, v)
	}
}

func (x *expansion) wrongType(e *expression, v cty.Value) {
	detail := "The for_each of " + x.address + " is " + article(v.Type()) + "; it must be a map, an object or a set of strings."
	if v.Type().IsTupleType() || v.Type().IsListType() {
		detail += " Make a set of it: toset(…)."
	}
	x.fail(e, "Invalid for_each", detail)
}

func (x *expansion) eachOfSet(e *expression, v cty.Value) {
	address := x.address
	if ety := v.Type().ElementType(); ety != cty.String && v.LengthInt() > 0 {
		x.fail(e, "Invalid for_each", "The for_each of "+address+" is a set of "+ety.FriendlyName()+"; it must be a set of strings, or a map.")
		return
	}
	if !v.IsWhollyKnown() {
		if !x.e.checking {
			x.fail(e, "Keys of for_each not known yet", "The for_each of "+address+" is a set with elements that are known only after apply, so that the plan cannot name the instances. Use a map with known keys and these as its values.")
		}
		return
	}
	for it := v.ElementIterator(); it.Next(); {
		_, el := it.Element()
		if el.IsNull() {
			x.fail(e, "Invalid for_each", "The for_each of "+address+" is a set that holds null.")
			return
		}
		x.keys, x.values = append(x.keys, el), append(x.values, el)
	}
}
