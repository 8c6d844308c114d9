package lang

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/numbers"
	"github.com/stowage-iac/stowage/lang/schema"
)

// Backend is where the state lives.
type Backend struct {
	Type string // "local"; "" when not configured
	// Arguments is an object of its schema's type, wholly known: what is absent has
	// its default or is null. cty.NilVal when there is no backend block.
	Arguments cty.Value
	Range     hcl.Range
}

// backend reads a backend block by the schema of its type.
func (l *loader) backend(b *hclsyntax.Block) Backend {
	backend := Backend{Type: b.Labels[0], Range: b.DefRange()}
	s := l.opts.Backends[backend.Type]
	if s == nil {
		l.errorf("Unknown backend", b.LabelRanges[0], "There is no backend %q.%s", backend.Type, backendHint(backend.Type, keysOf(l.opts.Backends)))
		return backend
	}
	in := "backend " + quote(backend.Type)
	m := l.members(b.Body, in, nil)
	values := map[string]cty.Value{}
	for _, name := range keysOf(s.Attributes) {
		a := s.Attributes[name]
		values[name] = cty.NullVal(a.Type)
		if a.Default != cty.NilVal {
			values[name] = a.Default
		}
		written := m.attr(name)
		switch {
		case written == nil && a.Required:
			l.errorf("Missing argument", b.DefRange(), "The argument %q in %s is required%s.", name, in, because(a.Doc))
		case written == nil:
		case a.Sensitive:
			l.errorf("Secret in the configuration", written.NameRange,
				"%s in %s would be readable for everybody who reads the configuration, and in its history for ever. %s", name, in, a.Later)
		default:
			if v, ok := l.setting(written, a, in); ok {
				values[name] = v
			}
		}
	}
	m.done()
	backend.Arguments = cty.ObjectVal(values)
	return backend
}

// otherBackends are Terraform's that are the same thing under another name here.
var otherBackends = map[string]string{
	"pg": "postgres", "etcdv3": "etcd", "remote": "cluster", "file": "local", "minio": "s3", "rest": "http", "kubernetes": "cluster",
}

func backendHint(name string, known []string) string {
	if here := otherBackends[name]; contains(known, here) {
		return " Did you mean " + quote(here) + "?"
	}
	if hint := didYouMean(name, known); hint != "" {
		return hint
	}
	return " There are " + listWords(known, "and") + "."
}

func because(doc string) string {
	if doc == "" {
		return ""
	}
	return ": " + strings.ToLower(doc[:1]) + strings.TrimSuffix(doc[1:], ".")
}

// setting evaluates an argument that is needed before the state is opened: it
// may use context.name and path.*. ok is false when it was reported, or is null.
func (l *loader) setting(a *hclsyntax.Attribute, s *schema.Attribute, in string) (value cty.Value, ok bool) {
	before := len(l.diags)
	x := l.compile(a.Expr, scope{in: in, only: []string{"context", "path"}, why: "Only context.name and path.module are known before the state is opened."})
	if len(l.diags) > before {
		return cty.NilVal, false
	}
	m := &moduleInstance{module: l.module, e: &Evaluator{config: l.config, functions: l.functions}}
	f := m.frame(nil)
	v, diags := x.Value(f.ctx)
	l.add(f.explain(x.Expression, diags))
	if diags.HasErrors() {
		return cty.NilVal, false
	}
	v, _ = v.UnmarkDeep()
	given := v
	v, err := numbers.Convert(v, s.Type)
	switch {
	case err != nil:
		l.errorf("Wrong type of value", a.Expr.Range(), "%s in %s needs %s: %s.", a.Name, in, article(s.Type), conversionProblem(given, s.Type, err))
		return cty.NilVal, false
	case v.IsNull():
		return cty.NilVal, false
	case !v.IsWhollyKnown():
		l.errorf("Unknown value", a.Expr.Range(), "%s in %s must be known before the state is opened.", a.Name, in)
		return cty.NilVal, false
	case v.Type() == cty.String && v.AsString() == "":
		l.errorf("Wrong type of value", a.Expr.Range(), "%s in %s needs a text that is not empty.", a.Name, in)
		return cty.NilVal, false
	}
	if v.Type().IsListType() {
		for i, e := range v.AsValueSlice() {
			if e.IsNull() {
				l.errorf("Wrong type of value", a.Expr.Range(), "%s in %s: element %d is null.", a.Name, in, i)
				return cty.NilVal, false
			}
		}
	}
	if s.Validate != nil {
		if err := s.Validate(v); err != nil {
			l.errorf("Invalid value", a.Expr.Range(), "%s in %s: %s.", a.Name, in, err)
			return cty.NilVal, false
		}
	}
	return v, true
}
