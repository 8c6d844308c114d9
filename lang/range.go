package lang

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/schema"
)

// RangeOf is where the configuration writes the part of an instance's value that
// path leads to: the expression of an argument, the header of a nested block. Of
// a path that leads further than what is written (into an expression, into blocks
// that a dynamic block makes, to an argument left out) it is the last part that is.
func (r *Resource) RangeOf(path cty.Path) hcl.Range {
	return partRange(r.syntax().Body, r.Schema, path, r.Range)
}

func partRange(body *hclsyntax.Body, s *schema.Block, path cty.Path, best hcl.Range) hcl.Range {
	if len(path) == 0 {
		return best
	}
	step, ok := path[0].(cty.GetAttrStep)
	if !ok {
		return best
	}
	if a := body.Attributes[step.Name]; a != nil {
		return a.Expr.Range()
	}
	nested := s.Blocks[step.Name]
	if nested == nil {
		return best
	}
	var blocks []*hclsyntax.Block
	for _, b := range body.Blocks {
		switch {
		case b.Type == step.Name:
			blocks = append(blocks, b)
		case b.Type == "dynamic" && len(b.Labels) == 1 && b.Labels[0] == step.Name:
			return b.DefRange() // how many blocks it makes is not known here
		}
	}
	path = path[1:]
	n := 0
	if nested.Nesting == schema.List {
		if len(path) == 0 {
			return best
		}
		index, ok := path[0].(cty.IndexStep)
		if !ok || index.Key.Type() != cty.Number {
			return best
		}
		i, _ := index.Key.AsBigFloat().Int64()
		n, path = int(i), path[1:]
	}
	if n < 0 || n >= len(blocks) {
		return best
	}
	b := blocks[n]
	return partRange(b.Body, &nested.Block, path, b.DefRange())
}
