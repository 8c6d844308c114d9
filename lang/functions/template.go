package functions

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/stowage-iac/stowage/lang/nesting"
	"github.com/stowage-iac/stowage/lang/numbers"
	"github.com/stowage-iac/stowage/lang/work"
)

var templateVars = function.Parameter{Name: "vars", Type: cty.DynamicPseudoType}

func templateFileFunc(files *Files, table map[string]function.Function) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{param("path", cty.String), templateVars},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			t, err := files.template(args[0].AsString())
			if err != nil {
				return cty.UnknownVal(cty.String), function.NewArgError(0, err)
			}
			return render(t, args[1], table)
		},
	})
}

func templateStringFunc(table map[string]function.Function) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{param("template", cty.String), templateVars},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			t, err := parseTemplate([]byte(args[0].AsString()), "template")
			if err != nil {
				return cty.UnknownVal(cty.String), function.NewArgError(0, err)
			}
			return render(t, args[1], table)
		},
	})
}

// template returns a parsed template, parsing each file once.
func (f *Files) template(path string) (*parsedTemplate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := filepath.Clean(path)
	if t, ok := f.templates[key]; ok {
		return t, nil
	}
	src, err := f.read(path)
	if err != nil {
		return nil, err
	}
	t, err := parseTemplate(src, path)
	if err == nil {
		f.templates[key] = t
	}
	return t, err
}

// parsedTemplate is an expression with what it refers to.
type parsedTemplate struct {
	hclsyntax.Expression
	variables []hcl.Traversal
}

func parseTemplate(src []byte, name string) (*parsedTemplate, error) {
	if !utf8.Valid(src) {
		return nil, errors.New("the template is not UTF-8 text")
	}
	if d := nesting.InTemplate(src, name); d != nil {
		return nil, diagError(hcl.Diagnostics{d})
	}
	if d := numbers.InTemplate(src, name); d != nil {
		return nil, diagError(hcl.Diagnostics{d})
	}
	t, diags := hclsyntax.ParseTemplate(src, name, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diagError(diags)
	}
	numbers.Bound(t)
	numbers.BoundKeys(t)
	variables := t.Variables()
	return &parsedTemplate{work.Meter(t, work.Each), variables}, nil
}

// diagError is the first error of diags, with its place in the template.
func diagError(diags hcl.Diagnostics) error {
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			if d.Subject != nil {
				return fmt.Errorf("%s:%d,%d: %s: %s", d.Subject.Filename, d.Subject.Start.Line, d.Subject.Start.Column, d.Summary, strings.TrimSuffix(d.Detail, "."))
			}
			return fmt.Errorf("%s: %s", d.Summary, strings.TrimSuffix(d.Detail, "."))
		}
	}
	return errors.New("unknown error")
}

func render(t *parsedTemplate, vars cty.Value, table map[string]function.Function) (cty.Value, error) {
	unknown := cty.UnknownVal(cty.String)
	if ty := vars.Type(); !ty.IsMapType() && !ty.IsObjectType() {
		return unknown, function.NewArgErrorf(1, "the variables must be an object: { name = value }")
	}
	ctx := &hcl.EvalContext{Variables: vars.AsValueMap(), Functions: table}
	for name := range ctx.Variables {
		if !hclsyntax.ValidIdentifier(name) {
			return unknown, function.NewArgErrorf(1, "%q is not a name that a template can use", name)
		}
	}
	for _, traversal := range t.variables {
		if _, ok := ctx.Variables[traversal.RootName()]; !ok {
			rng := traversal.SourceRange()
			return unknown, function.NewArgErrorf(1, "the template uses %q at %s:%d, which is not among the variables given",
				traversal.RootName(), rng.Filename, rng.Start.Line)
		}
	}
	if ctx.Variables == nil {
		ctx.Variables = map[string]cty.Value{}
	}
	ctx.Variables[work.Name] = new(work.Budget).Value()
	v, diags := t.Value(ctx)
	if diags.HasErrors() {
		return unknown, diagError(diags)
	}
	v, err := convert.Convert(v, cty.String)
	if err != nil || v.IsNull() {
		return unknown, errors.New("the template does not give a text: use jsonencode or join for other values")
	}
	return v, nil
}
