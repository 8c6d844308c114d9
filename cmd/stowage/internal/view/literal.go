package view

import (
	"slices"
	"sort"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
)

// literals finds the parts of a file, between two offsets, that hold a sensitive value
// as it stands: the literals in arguments that their schema calls sensitive, and in the
// defaults of sensitive variables. Snippets leave them out. A file that does not
// parse as a configuration (a file of values) has its literals left out as a
// whole: which of its variables are sensitive is not known here.
func literals(file *hcl.File, schemas map[string]*schema.Block, from, to int) []hcl.Range {
	body := lang.Syntax(file)
	if body == nil {
		return nil
	}
	var out []hcl.Range
	for _, block := range body.Blocks {
		whole := hcl.RangeOver(block.Range(), block.Body.Range()) // one that is not closed ends with its body
		if !overlaps(whole, from, to) {
			continue
		}
		if block.Type == "variable" && isTrue(block.Body.Attributes["sensitive"]) {
			if a := block.Body.Attributes["default"]; a != nil {
				out = append(out, literalsOf(a.Expr)...)
			}
		}
		if s := schemas[block.Type]; s != nil {
			out = append(out, sensitiveArguments(block.Body, s)...)
		}
	}
	if len(body.Blocks) == 0 {
		for _, a := range body.Attributes {
			if overlaps(a.SrcRange, from, to) {
				out = append(out, literalsOf(a.Expr)...)
			}
		}
	}
	out = slices.DeleteFunc(out, func(r hcl.Range) bool { return !overlaps(r, from, to) })
	sort.Slice(out, func(i, j int) bool { return out[i].Start.Byte < out[j].Start.Byte })
	return out
}

func overlaps(r hcl.Range, from, to int) bool { return r.Start.Byte < to && from < r.End.Byte }

func sensitiveArguments(body *hclsyntax.Body, s *schema.Block) []hcl.Range {
	var out []hcl.Range
	for name, a := range body.Attributes {
		if sa := s.Attributes[name]; sa != nil && sa.Sensitive {
			out = append(out, literalsOf(a.Expr)...)
		}
	}
	for _, b := range body.Blocks {
		if nb := s.Blocks[b.Type]; nb != nil {
			out = append(out, sensitiveArguments(b.Body, &nb.Block)...)
		}
	}
	return out
}

func isTrue(a *hclsyntax.Attribute) bool {
	if a == nil {
		return false
	}
	v, diags := a.Expr.Value(nil)
	return !diags.HasErrors() && v.Type() == cty.Bool && v.IsKnown() && !v.IsNull() && v.True()
}

// literalsOf finds the literal strings and numbers within an expression.
func literalsOf(e hclsyntax.Expression) []hcl.Range {
	var out []hcl.Range
	hclsyntax.VisitAll(e, func(n hclsyntax.Node) hcl.Diagnostics {
		if lit, ok := n.(*hclsyntax.LiteralValueExpr); ok && lit.Val.Type() != cty.Bool && !lit.Val.IsNull() {
			out = append(out, lit.SrcRange)
		}
		return nil
	})
	return out
}

// maskLine splits a source line around [from, to) with the masked bytes replaced. start is the line's offset in its file.
func maskLine(text string, start, from, to int, masks []hcl.Range) (before, middle, after string) {
	var parts [3][]byte
	which := func(i int) int {
		switch {
		case i < from:
			return 0
		case i < to:
			return 1
		}
		return 2
	}
	masked := ""
	for i := 0; i < len(text); i++ {
		m, is := within(masks, start+i)
		if !is {
			parts[which(i)] = append(parts[which(i)], text[i])
			masked = ""
			continue
		}
		if masked != m.String() {
			parts[which(i)] = append(parts[which(i)], sensitiveText...)
		}
		masked = m.String()
	}
	return printable(string(parts[0])), printable(string(parts[1])), printable(string(parts[2]))
}

func within(masks []hcl.Range, at int) (hcl.Range, bool) {
	for _, m := range masks {
		if m.Start.Byte <= at && at < m.End.Byte {
			return m, true
		}
	}
	return hcl.Range{}, false
}
