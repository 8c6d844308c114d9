package lang

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Call is a module block.
type Call struct {
	Name   string
	Source string    // as written
	Range  hcl.Range // of the block's header
	Module *Module   // that it calls; nil when its source could not be loaded

	call
}

type call struct {
	in        *Module // that the block is in
	slot      int     // in Module.calls
	block     *hclsyntax.Block
	count     *expression
	forEach   *expression
	repeat    named // its count or for_each
	dependsOn []dependency
	arguments []*expression // by Variable.index of Module; nil where none is given
}

// address is the address of the call within the module that it is in.
func (c *Call) address() string { return "module." + c.Name }

func (c *Call) keyed() bool { return c.count != nil || c.forEach != nil }

func (c *Call) repetition() string {
	if c.count != nil {
		return "count"
	}
	return "for_each"
}

// output finds an output of the called module, or nil.
func (c *Call) output(name string) *Output {
	for _, o := range c.Module.Outputs {
		if o.Name == name {
			return o
		}
	}
	return nil
}

var callArguments = []string{"source", "count", "for_each", "depends_on"}

func (l *loader) declareCall(b *hclsyntax.Block) {
	if !l.labels(b, "name") {
		return
	}
	c := &Call{Name: b.Labels[0], Range: b.DefRange(), call: call{in: l.module, block: b}}
	if first := l.module.Calls[c.Name]; first != nil {
		l.duplicate("module "+quote(c.Name), b.DefRange(), first.Range)
		return
	}
	attrs := b.Body.Attributes
	if attrs["count"] != nil {
		c.count = &expression{}
	}
	if attrs["for_each"] != nil {
		c.forEach = &expression{}
	}
	if c.count != nil && c.forEach != nil {
		l.errorf("Both count and for_each", attrs["for_each"].NameRange, "%s has count and for_each: use one of them.", c.address())
		c.count = nil
	}
	c.repeat = named{name: within(l.module.Path, c.address())}
	l.module.Calls[c.Name] = c
}

// defineCall compiles the arguments of a call, in the module that it is in.
func (l *loader) defineCall(c *Call) {
	body := c.block.Body
	in := "module " + quote(c.Name)
	outside := scope{in: in}
	for name, x := range map[string]*expression{"count": c.count, "for_each": c.forEach} {
		if a := body.Attributes[name]; a != nil && x != nil {
			*x = *l.tracked(a.Expr, outside)
			l.exprs[len(l.exprs)-1] = x
			c.repeat.exprs = append(c.repeat.exprs, x)
		}
	}
	if a := body.Attributes["depends_on"]; a != nil {
		c.dependsOn = l.dependsOn(a, nil)
	}
	for _, b := range body.Blocks {
		switch b.Type {
		case "providers", "provider":
			l.errorf("Unknown block", b.TypeRange, "A module gets no providers: kinds of blocks are built in. Remove it.")
		default:
			l.errorf("Unknown block", b.TypeRange, "There are no blocks within a module block: what a module takes are arguments, %s = ….", b.Type)
		}
	}
	if c.Module == nil {
		return
	}
	inside := outside
	inside.count, inside.each = c.count != nil, c.forEach != nil
	c.arguments = make([]*expression, len(c.Module.variables))
	for _, a := range sortedAttrs(body) {
		name := a.Name
		if slices.Contains(callArguments, name) {
			continue
		}
		v := c.Module.Variables[name]
		if v == nil {
			l.unknownArgument(c, a)
			continue
		}
		x := l.tracked(a.Expr, inside)
		c.arguments[v.index] = x
		v.named.exprs = []*expression{x}
		if x.level == perInstance {
			v.named.exprs = append(v.named.exprs, c.repeat.exprs...)
		}
	}
	for _, v := range c.Module.variables {
		if body.Attributes[v.Name] == nil && v.block.Body.Attributes["default"] == nil {
			l.errorf("Missing argument", c.Range, "%s needs the argument %q: the variable has no default at %s.%s", in, v.Name, place(v.Range), described(v))
		}
	}
}

func (l *loader) unknownArgument(c *Call, a *hclsyntax.Attribute) {
	switch a.Name {
	case "version":
		l.errorf("Unknown argument", a.NameRange, "A module has no version of its own: a git source names a tag, branch or commit, source = %q.", gitExample)
		return
	case "providers":
		l.errorf("Unknown argument", a.NameRange, "A module gets no providers: kinds of blocks are built in. Remove it.")
		return
	}
	names := append(keysOf(c.Module.Variables), callArguments...)
	hint := didYouMean(a.Name, names)
	if hint == "" {
		hint = fmt.Sprintf(" Its module, %s, declares no such variable.", c.Module.Dir)
	}
	l.errorf("Unknown argument", a.NameRange, "There is no argument %q in module %q.%s", a.Name, c.Name, hint)
}

// described tells what a variable is for, from what is written of it.
func described(v *Variable) string {
	a := v.block.Body.Attributes["description"]
	if a == nil {
		return ""
	}
	text, diags := a.Expr.Value(nil)
	if diags.HasErrors() || !text.IsKnown() || text.IsNull() || text.Type().FriendlyName() != "string" {
		return ""
	}
	return " It is described as: " + text.AsString()
}

// around is what everything in the module waits for: what the calls that lead to
// it have as count, for_each and depends_on.
func (m *Module) around() (exprs []*expression, deps []dependency) {
	for c := m.caller; c != nil; c = c.in.caller {
		exprs = append(exprs, c.repeat.exprs...)
		deps = append(deps, c.dependsOn...)
	}
	return exprs, deps
}
