package lang

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// DefaultContext is the value of context.name where no context is declared.
const DefaultContext = "default"

// Context is a context block: one environment (dev, qa, prod), with its own
// variables, state and cluster.
type Context struct {
	Name        string
	Description string
	// Protected: whoever changes something must name the context, or apply a saved plan.
	Protected bool
	// Variables are the values that the context gives, by name. They fit their variables.
	Variables map[string]Input
	// Backend is where the context's state is: its own, or that of the stowage block.
	Backend Backend
	Range   hcl.Range // of the block's header

	block *hclsyntax.Block
}

// Title names the context for people: prod (protected).
func (c *Context) Title() string {
	if c.Protected {
		return c.Name + " (protected)"
	}
	return c.Name
}

// ContextNamed returns the context of that name, or nil.
func (c *Config) ContextNamed(name string) *Context {
	for _, x := range c.Contexts {
		if x.Name == name {
			return x
		}
	}
	return nil
}

func (c *Config) contextNames() []string {
	var names []string
	for _, x := range c.Contexts {
		names = append(names, x.Name)
	}
	return names
}

// in is the configuration as it is in one of its contexts.
func (c *Config) in(context string) *Config {
	copied := *c
	copied.Context = context
	return &copied
}

func (l *loader) declareContext(b *hclsyntax.Block) {
	if !l.labels(b, "name") {
		return
	}
	name := b.Labels[0]
	if first := l.config.ContextNamed(name); first != nil {
		l.duplicate("context "+name, b.DefRange(), first.Range)
		return
	}
	l.config.Contexts = append(l.config.Contexts, &Context{Name: name, Range: b.DefRange(), block: b})
}

// chooseContext settles which of the declared contexts is meant.
func (l *loader) chooseContext() {
	c := l.config
	slices.SortFunc(c.Contexts, func(a, b *Context) int { return strings.Compare(a.Name, b.Name) })
	name, how := "", ""
	if l.opts.Choose != nil {
		name, how = l.opts.Choose(c.contextNames())
	}
	switch {
	case len(c.Contexts) == 0:
		c.Context = DefaultContext
		if name != "" && name != DefaultContext {
			l.errorWithoutPlace("No contexts here", "%s chooses the context %q, and this configuration declares none. Declare it with context %q {}, or choose none.", how, name, name)
		}
	case name != "":
		if c.Selected = c.ContextNamed(name); c.Selected == nil {
			l.errorWithoutPlace("Unknown context", "%s chooses the context %q, and this configuration has no such one: it has %s.%s",
				how, name, listWords(c.contextNames(), "and"), didYouMean(name, c.contextNames()))
		}
	case len(c.Contexts) == 1:
		c.Selected = c.Contexts[0]
	}
	if c.Selected != nil {
		c.Context = c.Selected.Name
	}
}

func (l *loader) errorWithoutPlace(summary, format string, args ...any) {
	l.diags = append(l.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...)})
}

// defineContexts takes the context blocks apart, once the variables are known,
// and settles where each context's state is.
func (l *loader) defineContexts() {
	if len(l.config.Contexts) == 0 {
		l.config.Settings.Backend = l.backendIn(DefaultContext, l.general)
		return
	}
	for _, c := range l.config.Contexts {
		l.defineContext(c)
	}
	if c := l.config.Selected; c != nil {
		l.config.Settings.Backend = c.Backend
	}
	l.apart()
}

// backendIn is what a backend block says in a context; nil says nothing.
func (l *loader) backendIn(context string, b *hclsyntax.Block) Backend {
	if b == nil {
		return Backend{}
	}
	selected := l.config
	defer func() { l.config = selected }()
	l.config = selected.in(context)
	return l.backend(b)
}

func (l *loader) defineContext(c *Context) {
	in := "context " + quote(c.Name)
	m := l.members(c.block.Body, in, nil)
	c.Description = l.constString(m.attr("description"), in)
	c.Protected = l.constBool(m.attr("protected"), in)
	backend := m.one("backend", "type")
	if backend == nil {
		backend = l.general
	}
	c.Backend = l.backendIn(c.Name, backend)
	if a := m.attr("variables"); a != nil {
		l.contextVariables(c, a)
	}
	m.done()
}

// contextVariables evaluates the values that a context gives, each by itself so
// that what is wrong with one points to it.
func (l *loader) contextVariables(c *Context, a *hclsyntax.Attribute) {
	c.Variables = map[string]Input{}
	in := "variables of context " + quote(c.Name)
	diags := len(l.diags)
	x := l.compile(a.Expr, scope{in: in, only: []string{"context", "path"}, why: "They are needed before anything else is evaluated: they may use context.name and path.root."})
	if len(l.diags) > diags {
		return
	}
	m := &moduleInstance{module: l.module, e: &Evaluator{config: l.config.in(c.Name), functions: l.functions}}
	f := m.frame(nil)
	value := func(e hclsyntax.Expression) (cty.Value, bool) {
		v, diags := e.Value(f.ctx)
		l.add(f.explain(e, diags))
		v, _ = v.UnmarkDeep()
		return v, !diags.HasErrors()
	}
	if object, ok := x.Expression.(*hclsyntax.ObjectConsExpr); ok {
		for _, item := range object.Items {
			key, ok := value(item.KeyExpr)
			if !ok || key.IsNull() || !key.IsKnown() || key.Type() != cty.String {
				continue
			}
			if v, ok := value(item.ValueExpr); ok {
				l.contextVariable(c, key.AsString(), v, item.KeyExpr.Range(), item.ValueExpr.Range())
			}
		}
		return
	}
	all, ok := value(x.Expression)
	if !ok {
		return
	}
	if all.IsNull() || !all.IsWhollyKnown() || !keyedType(all.Type()) {
		l.errorf("Wrong type of value", a.Expr.Range(), "variables in context %q is an object of names and values: variables = { NAME = VALUE }.", c.Name)
		return
	}
	for name, v := range all.AsValueMap() {
		l.contextVariable(c, name, v, a.Expr.Range(), a.Expr.Range())
	}
}

func (l *loader) contextVariable(c *Context, name string, raw cty.Value, at, valueAt hcl.Range) {
	v := l.config.Variables[name]
	if v == nil {
		hint := didYouMean(name, keysOf(l.config.Variables))
		if hint == "" {
			hint = fmt.Sprintf(" Declare it: variable %q {}.", name)
		}
		l.errorf("Undeclared variable", at, "The context %q gives a value to %s, and no such variable is declared.%s", c.Name, name, hint)
		return
	}
	if first, twice := c.Variables[name]; twice {
		l.duplicate("value of "+name+" in context "+c.Name, at, first.Range)
		return
	}
	in := Input{Value: raw, Source: "context " + quote(c.Name), Range: valueAt}
	if !raw.IsWhollyKnown() {
		l.errorf("Wrong type of value", valueAt, "The value of %s in context %q is known only after apply.", name, c.Name)
		return
	}
	c.Variables[name] = in
	if _, diags := v.value(map[string]Input{name: in}); diags.HasErrors() {
		l.add(diags)
	}
}

// apart demands that no two contexts keep their states in the same place.
func (l *loader) apart() {
	for i, c := range l.config.Contexts {
		for _, other := range l.config.Contexts[:i] {
			if c.Backend.Type == "" || !c.Backend.same(other.Backend) {
				continue
			}
			l.errorf("Contexts share a state", c.Backend.Range, "The contexts %s and %s would keep their states in the same place, %s. Use ${context.name} in it, or give one of them a backend of its own: context %q { backend %q { … } }.",
				other.Name, c.Name, c.Backend.place(), c.Name, c.Backend.Type)
			return
		}
	}
}

// same reports whether both keep a state in the same place.
func (b Backend) same(other Backend) bool {
	if b.Type != other.Type || b.Arguments == cty.NilVal || other.Arguments == cty.NilVal {
		return false
	}
	clean, _ := cty.Transform(b.Arguments, cleaned)
	otherClean, _ := cty.Transform(other.Arguments, cleaned)
	return clean.RawEquals(otherClean)
}

// cleaned makes the same path of those that differ in how they are written only.
func cleaned(_ cty.Path, v cty.Value) (cty.Value, error) {
	if v.Type() != cty.String || v.IsNull() {
		return v, nil
	}
	return cty.StringVal(path.Clean(v.AsString())), nil
}

// place names it for messages.
func (b Backend) place() string {
	var arguments []string
	for _, name := range keysOf(b.Arguments.AsValueMap()) {
		if v := b.Arguments.GetAttr(name); v.Type() == cty.String && !v.IsNull() {
			arguments = append(arguments, name+" = "+quote(v.AsString()))
		}
	}
	return fmt.Sprintf("%s of backend %q", listWords(arguments, "and"), b.Type)
}

// stateKnown reports whether the settings and contexts were understood, whatever
// is wrong elsewhere.
func (l *loader) stateKnown() bool {
	for _, d := range l.diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		if d.Subject == nil {
			return false
		}
		for _, b := range l.settings {
			if b.Range().Overlaps(*d.Subject) {
				return false
			}
		}
	}
	return true
}

// validateContexts checks the values that each context gives against the
// variables' validations.
func (c *Config) validateContexts() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, x := range c.Contexts {
		e := newEvaluator(c.in(x.Name), time.Time{})
		e.checking = true
		for _, v := range c.Root.variables {
			e.root.variables[v.index].value = v.unknown()
			if _, given := x.Variables[v.Name]; given {
				value, _ := v.value(x.Variables)
				e.root.variables[v.index].value = v.marked(value)
			}
		}
		for _, v := range c.Root.variables {
			in, given := x.Variables[v.Name]
			for _, d := range e.root.validate(v, false) {
				switch {
				case given && v.secret(): // a snippet would show the value
					d.Detail += fmt.Sprintf(" The value is that of context %q.", x.Name)
				case given:
					d.Subject, d.Context = in.Range.Ptr(), nil
				}
				diags = append(diags, d)
			}
		}
	}
	return diags
}
