package lang

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Origin is what a part of an instance's configuration is derived from.
type Origin struct {
	Address   string // of an instance, or of a block for all of it
	Attribute string // the one that is read: version; "" for several or the whole
}

// Origins finds what the part of an instance that a path leads to is derived from,
// sorted by address: what its expressions refer to, also through local values. The
// path has names of arguments and blocks, labels or positions of blocks, and keys of
// maps: container, web, env, MODE. It may lead further than what is written. For an
// instance that does not exist there is nothing.
func (e *Evaluator) Origins(b *Block, key cty.Value, path []string) []Origin {
	i, ok := b.find(key)
	if !ok || b.Resource.body == nil {
		return nil
	}
	f := b.in.frame(b.Resource.forEach)
	f.bind(b, i)
	attributes := map[string][]string{} // by block
	for _, x := range part(b.Resource.body, path) {
		_, _ = x.Value(f.ctx) // errors are those of Decode
		attributesRead(x, attributes)
	}
	var out []Origin
	for _, address := range f.addresses() {
		o := Origin{Address: address}
		block := strings.TrimPrefix(strings.TrimPrefix(BlockOf(address), ModuleOf(address)), ".")
		if names := attributes[block]; len(names) == 1 {
			o.Attribute = names[0]
		}
		out = append(out, o)
	}
	return out
}

// part lists the expressions that make the part of a body that the path leads to.
func part(b *body, path []string) []hclsyntax.Expression {
	if len(path) == 0 {
		return expressions(b.inside)
	}
	for _, a := range b.args {
		if a.name == path[0] {
			return []hclsyntax.Expression{elementOf(a.expr.Expression, path[1:])}
		}
	}
	for _, bs := range b.blocks {
		if bs.name != path[0] {
			continue
		}
		if bs.dynamic || len(path) == 1 {
			return expressions(bs.exprs)
		}
		rest := path[1:]
		for n, it := range bs.items {
			switch {
			case bs.schema.Label == "" && len(bs.items) == 1 && !isPosition(rest[0]):
				return part(it.body, rest) // a block that there is once
			case it.body.name != cty.NilVal && it.body.name.AsString() == rest[0],
				bs.schema.Label == "" && positionText(n) == rest[0]:
				return part(it.body, rest[1:])
			}
		}
		return expressions(bs.exprs)
	}
	return nil
}

func positionText(n int) string { return "[" + numberText(cty.NumberIntVal(int64(n))) + "]" }

func isPosition(s string) bool { return strings.HasPrefix(s, "[") }

func expressions(list []*expression) []hclsyntax.Expression {
	out := make([]hclsyntax.Expression, len(list))
	for i, x := range list {
		out[i] = x.Expression
	}
	return out
}

// elementOf is the expression of one element, where a map is written out.
func elementOf(e hclsyntax.Expression, path []string) hclsyntax.Expression {
	object, ok := e.(*hclsyntax.ObjectConsExpr)
	if !ok || len(path) == 0 {
		return e
	}
	for _, item := range object.Items {
		if key, ok := literalKey(item.KeyExpr); ok && key == path[0] {
			return item.ValueExpr
		}
	}
	return e
}

// attributesRead notes, by block, which attributes of others an expression reads;
// "" where it takes a whole.
func attributesRead(e hclsyntax.Expression, into map[string][]string) {
	add := func(r *Resource, rest hcl.Traversal) {
		name := ""
		if len(rest) > 0 {
			if a, ok := rest[0].(hcl.TraverseAttr); ok {
				name = a.Name
			}
		}
		if !slices.Contains(into[r.address], name) {
			into[r.address] = append(into[r.address], name)
		}
	}
	switch r := e.(type) {
	case *ref:
		if r.resource != nil {
			add(r.resource, r.rest)
		}
		if r.local != nil {
			attributesRead(r.local.expr.Expression, into)
		}
		return
	case *hclsyntax.RelativeTraversalExpr:
		if in, ok := r.Source.(*instanceRef); ok {
			add(in.resource, r.Traversal)
			attributesRead(in.Key, into)
			return
		}
	case *instanceRef:
		add(r.resource, nil)
	}
	children(e, func(c hclsyntax.Expression) { attributesRead(c, into) })
}
