package lang

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/stowage-iac/stowage/lang/numbers"
)

// repeated is what may have count or for_each: a resource block, or the call of a module.
type repeated interface {
	title() string      // pod.web, module.app, as its module knows it
	keyed() bool        // it has one of the two
	repetition() string // which
}

func (r *Resource) title() string { return r.address }
func (c *Call) title() string     { return c.address() }

// keyType is the type of the keys of instances.
func keyType(of repeated) cty.Type {
	if of.repetition() == "for_each" {
		return cty.String
	}
	return cty.Number
}

// takeKey takes the key of an instance off the steps behind a reference. It is false
// when what is written there was reported.
func (x *compiler) takeKey(r *ref, of repeated) bool {
	if len(r.rest) == 0 {
		return true
	}
	index, isIndex := r.rest[0].(hcl.TraverseIndex)
	switch {
	case !of.keyed():
		if isIndex && index.Key.Type() != cty.String {
			x.errorf("No such instance", r.SrcRange, "%s has neither count nor for_each: leave out the [%s].", of.title(), keyText(index.Key))
			return false
		}
		return true
	case of.repetition() == "for_each":
		if isIndex {
			r.key, _ = convert.Convert(index.Key, cty.String)
		} else if s, ok := r.rest[0].(hcl.TraverseAttr); ok {
			r.key = cty.StringVal(s.Name)
		}
	case !isIndex:
		name, _ := step(r.rest, 0)
		x.errorf("Which instance is meant?", r.SrcRange, "%s has count: write %s[0].%s for one instance, or %s[*].%s for a list of all.",
			of.title(), of.title(), name, of.title(), name)
		return false
	default:
		key, err := numbers.Convert(index.Key, cty.Number)
		if err != nil {
			x.errorf("No such instance", r.SrcRange, "%s has count, so that its instances have numbers as keys: %s[0].", of.title(), of.title())
			return false
		}
		r.key = key
	}
	r.rest = r.rest[1:]
	return true
}

// picker is a reference to one instance, by a key that is evaluated.
type picker interface {
	of() repeated
	// all is what is known where the key is not; it notes that all instances are needed.
	all(f *frame) cty.Value
	// one is the instance with a key, or why there is none.
	one(f *frame, key cty.Value) (v cty.Value, why string)
}

// pick evaluates a reference that stands for an index expression.
func pick(p picker, e *hclsyntax.IndexExpr, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	key, diags := e.Key.Value(ctx)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	f, of := frameOf(ctx), p.of()
	key, marks := key.Unmark()
	ty := keyType(of)
	k, err := numbers.Convert(key, ty)
	problem := ""
	switch {
	case err != nil:
		problem = fmt.Sprintf("%s has %s, so that its instances have %ss as keys: %s.", of.title(), of.repetition(), ty.FriendlyName(), err)
	case k.IsNull():
		problem = fmt.Sprintf("The key of an instance of %s is null.", of.title())
	case !k.IsKnown():
		return p.all(f).WithMarks(marks), diags
	default:
		v, why := p.one(f, k)
		if why == "" {
			return v.WithMarks(marks), diags
		}
		problem = why
	}
	if len(marks) > 0 {
		problem = fmt.Sprintf("%s has no instance with this key, which is not shown because it is derived from a sensitive value.", of.title())
	}
	return cty.DynamicVal, append(diags, &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "No such instance", Detail: problem,
		Subject: e.Key.Range().Ptr(), Context: e.Range().Ptr(), Expression: e.Key, EvalContext: ctx,
	})
}
