package tests

import (
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/testfile"
)

// inputs are the values of the variables for a run: those of the test file count
// more than those of the command line, and those of the run most.
func (f *file) inputs(p *place, r *testfile.Run) (lang.Inputs, hcl.Diagnostics) {
	sources := lang.VariableSources{Environ: os.Environ()}
	if p.source == "." {
		sources.Flags = f.Flags
	}
	values, diags := p.config.ReadVariables(sources)
	of := map[string]cty.Value{}
	for _, name := range slices.Sorted(maps.Keys(f.file.Variables)) {
		a := f.file.Variables[name]
		v, more := a.Expr.Value(f.context(nil))
		diags = append(diags, more...)
		of[name] = v
		switch {
		case p.config.Variables[name] != nil:
			values[name] = lang.Input{Value: v, Source: f.file.Path, Range: a.Expr.Range()}
		case f.ownOnly():
			diags = append(diags, f.undeclared(p, a))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Variables)) {
		a := r.Variables[name]
		if p.config.Variables[name] == nil {
			diags = append(diags, f.undeclared(p, a))
			continue
		}
		v, more := a.Expr.Value(f.context(of))
		diags = append(diags, more...)
		values[name] = lang.Input{Value: v, Source: f.file.Path, Range: a.Expr.Range()}
	}
	return lang.Inputs{Variables: values}, diags
}

// ownOnly reports whether no run is of another configuration.
func (f *file) ownOnly() bool {
	return !slices.ContainsFunc(f.file.Runs, func(r *testfile.Run) bool { return r.Module != "" })
}

func (f *file) undeclared(p *place, a *hclsyntax.Attribute) *hcl.Diagnostic {
	hint := ""
	if near := lang.Suggest(a.Name, slices.Collect(maps.Keys(p.config.Variables))); near != "" {
		hint = fmt.Sprintf(" Did you mean %q?", near)
	}
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Undeclared variable", Subject: a.NameRange.Ptr(),
		Detail: fmt.Sprintf("The configuration declares no variable %q.%s", a.Name, hint)}
}

// context is what values of variables may refer to: outputs of the runs before, and
// in a run the variables of the file.
func (f *file) context(variables map[string]cty.Value) *hcl.EvalContext {
	return &hcl.EvalContext{
		Variables: map[string]cty.Value{"run": cty.ObjectVal(f.outputs), "var": cty.ObjectVal(variables)},
		Functions: lang.Functions(),
	}
}
