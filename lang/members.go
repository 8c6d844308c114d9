package lang

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/numbers"
	"github.com/stowage-iac/stowage/lang/work"
)

// members takes apart the body of a block that the language itself defines
// (variable, output, lifecycle …). What was not asked for until done is an error.
type members struct {
	l      *loader
	body   *hclsyntax.Body
	in     string
	later  map[string]string // refused in this version: name → what to do instead
	place  string            // see misplaced
	attrs  []string          // asked for
	blocks []string
}

func (l *loader) members(body *hclsyntax.Body, in string, later map[string]string) *members {
	return &members{l: l, body: body, in: in, later: later}
}

// attr returns the argument, or nil. With refuse it reports the argument as not supported.
func (m *members) attr(name string, refuse ...string) *hclsyntax.Attribute {
	a := m.body.Attributes[name]
	m.attrs = append(m.attrs, name)
	if a != nil && len(refuse) > 0 {
		m.l.errorf("Not supported yet", a.NameRange, "This version of Stowage does not support %s in %s.%s", name, m.in, sentence(refuse[0]))
	}
	return a
}

// block returns the nested blocks of a type.
func (m *members) block(name string) []*hclsyntax.Block {
	m.blocks = append(m.blocks, name)
	var found []*hclsyntax.Block
	for _, b := range m.body.Blocks {
		if b.Type == name {
			found = append(found, b)
		}
	}
	return found
}

// one returns the nested block of a type that may occur once, or nil.
func (m *members) one(name string, labels ...string) *hclsyntax.Block {
	found := m.block(name)
	for _, b := range found[min(1, len(found)):] {
		m.l.duplicate(name+" block in "+m.in, b.DefRange(), found[0].DefRange())
	}
	if len(found) == 0 || !m.l.labels(found[0], labels...) {
		return nil
	}
	return found[0]
}

// done reports what nobody asked for.
func (m *members) done() {
	all := append(append([]string(nil), m.attrs...), m.blocks...)
	refuse := func(name string, rng hcl.Range) bool {
		why, ok := m.later[name]
		if ok {
			m.l.errorf("Not supported yet", rng, "This version of Stowage does not support %s in %s.%s", name, m.in, sentence(why))
		}
		return ok
	}
	for name, a := range m.body.Attributes {
		if contains(m.attrs, name) || refuse(name, a.NameRange) {
			continue
		}
		if contains(m.blocks, name) {
			m.l.errorf("Block expected", a.NameRange, "%s is a block: write %s { … }, without the equals sign.", name, name)
			continue
		}
		m.l.errorf("Unknown argument", a.NameRange, "There is no argument %q in %s.%s", name, m.in, m.meant(name, all))
	}
	for _, b := range m.body.Blocks {
		if contains(m.blocks, b.Type) || refuse(b.Type, b.DefRange()) {
			continue
		}
		if contains(m.attrs, b.Type) {
			m.l.errorf("Argument expected", b.TypeRange, "%s is an argument: write %s = …, with an equals sign.", b.Type, b.Type)
			continue
		}
		m.l.errorf("Unknown block", b.TypeRange, "There is no block %q in %s.%s", b.Type, m.in, m.meant(b.Type, all))
	}
}

// meant is a sentence about what a name that nobody asked for may stand for, or "".
func (m *members) meant(name string, all []string) string {
	if hint := misplaced(m.place, name); hint != "" {
		return hint
	}
	return didYouMean(name, all)
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// constant evaluates an argument that must not refer to anything. ok is false when it was reported.
func (l *loader) constant(a *hclsyntax.Attribute, ty cty.Type, in string) (v cty.Value, ok bool) {
	if a == nil {
		return cty.NullVal(ty), true
	}
	if vars := a.Expr.Variables(); len(vars) > 0 {
		l.errorf("Reference not possible here", vars[0].SourceRange(), "%s in %s must be written out: it is needed before anything can be evaluated.", a.Name, in)
		return cty.UnknownVal(ty), false
	}
	ctx := work.Context()
	ctx.Functions = l.functions
	v, diags := work.Meter(a.Expr, work.Each).Value(ctx)
	l.add(diags)
	if diags.HasErrors() {
		return cty.UnknownVal(ty), false
	}
	v, err := numbers.Convert(v, ty)
	if err != nil {
		l.errorf("Wrong type of value", a.Expr.Range(), "%s in %s needs %s: %s.", a.Name, in, article(ty), errorText(err))
		return cty.UnknownVal(ty), false
	}
	v, _ = v.UnmarkDeep()
	if !v.IsWhollyKnown() {
		return cty.UnknownVal(ty), false
	}
	return v, true
}

func (l *loader) constString(a *hclsyntax.Attribute, in string) string {
	v, ok := l.constant(a, cty.String, in)
	if !ok || v.IsNull() {
		return ""
	}
	return v.AsString()
}

func (l *loader) constBool(a *hclsyntax.Attribute, in string) bool {
	v, ok := l.constant(a, cty.Bool, in)
	return ok && !v.IsNull() && v.True()
}

// article names a type with its article: a number, a list of strings.
func article(ty cty.Type) string {
	name := ty.FriendlyNameForConstraint()
	if strings.HasPrefix(name, "any") {
		return name
	}
	return withArticle(name)
}

// conversionProblem says why v cannot be converted to ty. Of several reasons it
// takes the first by name; convert takes any.
func conversionProblem(v cty.Value, ty cty.Type, err error) string {
	return conversionProblemAt(nil, v, ty, err)
}

func conversionProblemAt(path cty.Path, v cty.Value, ty cty.Type, err error) string {
	v, _ = v.Unmark()
	if v.Type().IsObjectType() && v.IsKnown() && !v.IsNull() && (ty.IsMapType() || ty.IsObjectType()) {
		for _, name := range keysOf(v.Type().AttributeTypes()) {
			var want cty.Type
			switch {
			case ty.IsMapType():
				want = ty.ElementType()
			case ty.HasAttribute(name):
				want = ty.AttributeType(name)
			default:
				continue
			}
			if _, err := numbers.Convert(v.GetAttr(name), want); err != nil {
				step := cty.PathStep(cty.GetAttrStep{Name: name})
				if !ValidIdentifier(name) {
					step = cty.IndexStep{Key: cty.StringVal(name)}
				}
				return conversionProblemAt(append(path, step), v.GetAttr(name), want, err)
			}
		}
	}
	if pe, ok := err.(cty.PathError); ok {
		path = append(path, pe.Path...)
	}
	if len(path) == 0 {
		return misfit(v, ty, err)
	}
	if _, deeper := err.(cty.PathError); deeper {
		return pathText(path) + ": " + err.Error()
	}
	return pathText(path) + ": " + misfit(v, ty, err)
}

func keyedType(ty cty.Type) bool { return ty.IsObjectType() || ty.IsMapType() }

func ordered(ty cty.Type) bool { return ty.IsTupleType() || ty.IsListType() || ty.IsSetType() }

// misfit says what v is, where a value of type ty is needed. The value itself is
// in the snippet, unless it is sensitive.
func misfit(v cty.Value, ty cty.Type, err error) string {
	switch have := v.Type(); {
	case have == cty.DynamicPseudoType || have.Equals(ty):
		return err.Error()
	case have == cty.String && ty == cty.Bool:
		return "this text is neither true nor false"
	case have == cty.String && ty == cty.Number:
		if known, _ := v.Unmark(); known.IsKnown() && !known.IsNull() && numbers.Beyond(known.AsString()) != nil {
			return err.Error()
		}
		return "this text is not a number"
	case keyedType(have) && keyedType(ty), ordered(have) && ordered(ty):
		return err.Error() // about something within
	default:
		return "this is " + article(have)
	}
}

// errorText is a conversion error with the path within the value that it concerns.
func errorText(err error) string {
	if pe, ok := err.(cty.PathError); ok && len(pe.Path) > 0 {
		return pathText(pe.Path) + ": " + pe.Error()
	}
	return err.Error()
}

// pathText writes a path as in the language: .env["A"][0].
func pathText(path cty.Path) string {
	var b strings.Builder
	for _, s := range path {
		switch s := s.(type) {
		case cty.GetAttrStep:
			b.WriteString("." + s.Name)
		case cty.IndexStep:
			key, _ := s.Key.Unmark()
			switch {
			case !key.IsKnown() || key.IsNull():
				b.WriteString("[…]")
			case key.Type() == cty.String:
				b.WriteString("[" + quote(key.AsString()) + "]")
			case key.Type() == cty.Number:
				b.WriteString("[" + key.AsBigFloat().Text('f', -1) + "]")
			default:
				b.WriteString("[…]")
			}
		}
	}
	return strings.TrimPrefix(b.String(), ".")
}

func nullExpr(rng hcl.Range) hclsyntax.Expression {
	return &hclsyntax.LiteralValueExpr{Val: cty.NullVal(cty.DynamicPseudoType), SrcRange: rng}
}
