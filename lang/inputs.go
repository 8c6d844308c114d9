package lang

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/stowage-iac/stowage/lang/nesting"
	"github.com/stowage-iac/stowage/lang/numbers"
	"github.com/stowage-iac/stowage/lang/work"
)

// VariableSources says where the values of variables come from; later ones win:
// STOWAGE_VAR_name of Environ, stowage.vars.hcl and then *.auto.vars.hcl (in
// lexical order) of the configuration's directory, what the selected context
// gives, then Flags in their order.
type VariableSources struct {
	Environ []string // os.Environ()
	Flags   []VariableFlag
}

// VariableFlag is one -var or -var-file of the command line.
type VariableFlag struct {
	Assign string // of -var: name=value
	File   string // of -var-file: a path, relative to the working directory
}

// Input is the raw value given to a variable.
type Input struct {
	Value  cty.Value // as written: not yet converted to the variable's type; never marked
	Source string    // where it comes from, for errors: "-var", "stowage.vars.hcl", "STOWAGE_VAR_x"
	Range  hcl.Range // in a file; zero when there is none
}

const (
	varsFile   = "stowage.vars.hcl"
	autoSuffix = ".auto.vars.hcl"
	envPrefix  = "STOWAGE_VAR_"
)

func isVarsFile(name string) bool {
	return strings.HasSuffix(name, ".vars.hcl")
}

// ReadVariables resolves what is given to the declared variables. Undeclared
// names are errors for -var, warnings in files and ignored in the environment.
// Variables that nothing is given to are absent. With errors, those whose value is
// in doubt are unknown, so that NewEvaluator finds what else is wrong, and no more.
func (c *Config) ReadVariables(from VariableSources) (map[string]Input, hcl.Diagnostics) {
	r := &variableReader{config: c, inputs: map[string]Input{}}
	r.environment(from.Environ)
	r.automatic()
	if selected := c.Selected; selected != nil {
		maps.Copy(r.inputs, selected.Variables)
	}
	for _, flag := range from.Flags {
		switch {
		case flag.File != "":
			r.file(flag.File, flag.File)
		default:
			r.assign(flag.Assign)
		}
	}
	if r.unread {
		for name := range c.Variables {
			if _, given := r.inputs[name]; !given {
				r.inputs[name] = Input{Value: cty.DynamicVal}
			}
		}
	}
	return r.inputs, tidy(r.diags)
}

type variableReader struct {
	config *Config
	inputs map[string]Input
	unread bool // a file, which may have had a value for any
	diags  hcl.Diagnostics
}

func (r *variableReader) fail(severity hcl.DiagnosticSeverity, summary string, subject *hcl.Range, format string, args ...any) {
	r.diags = append(r.diags, &hcl.Diagnostic{Severity: severity, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: subject})
}

func (r *variableReader) environment(environ []string) {
	sorted := append([]string(nil), environ...)
	sort.Strings(sorted)
	for _, entry := range sorted {
		name, value, _ := strings.Cut(entry, "=")
		name, ok := strings.CutPrefix(name, envPrefix)
		if v := r.config.Variables[name]; ok && v != nil {
			r.text(v, value, envPrefix+name)
		}
	}
}

// automatic reads the files that are read without being named.
func (r *variableReader) automatic() {
	entries, err := os.ReadDir(r.config.Dir)
	if err != nil {
		return // Load reported it, or the configuration comes from a snapshot
	}
	var names []string
	for _, entry := range entries {
		if name := entry.Name(); !entry.IsDir() && strings.HasSuffix(name, autoSuffix) && !strings.HasPrefix(name, ".") {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	if _, err := os.Lstat(filepath.Join(r.config.Dir, varsFile)); err == nil {
		names = append([]string{varsFile}, names...)
	}
	for _, name := range names {
		r.file(filepath.Join(r.config.Dir, name), name)
	}
}

// file reads a file of variables.
func (r *variableReader) file(path, source string) {
	src, err := readBounded(path, maxFileSize)
	if err != nil {
		r.fail(hcl.DiagError, "Unreadable file", nil, "The variables file %s cannot be read: %s.", path, plain(err))
		r.unread = true
		return
	}
	file, diags := parse(src, path)
	r.config.addFile(path, file)
	r.diags = append(r.diags, diags...)
	body, ok := file.Body.(*hclsyntax.Body)
	if diags.HasErrors() || !ok {
		r.unread = true
		return
	}
	for _, b := range body.Blocks {
		r.fail(hcl.DiagError, "Unexpected block", b.DefRange().Ptr(), "A variables file holds only values: NAME = VALUE. Blocks belong into a *%s file.", Suffix)
	}
	for _, a := range sortedAttrs(body) {
		name := a.Name
		v := r.config.Variables[name]
		if v == nil {
			r.fail(hcl.DiagWarning, "Undeclared variable", a.NameRange.Ptr(), "The value of %s is not used: no such variable is declared.%s", name, didYouMean(name, keysOf(r.config.Variables)))
			continue
		}
		vars := a.Expr.Variables()
		value, more := work.Meter(a.Expr, work.Each).Value(work.Context())
		for _, d := range more {
			d.Expression, d.EvalContext = nil, nil
			if len(vars) > 0 {
				d.Summary, d.Detail = "Reference not possible here", "Values in variables files must be written out; calculations belong into locals of the configuration."
			}
		}
		r.diags = append(r.diags, more...)
		if more.HasErrors() {
			value = cty.DynamicVal
		}
		r.inputs[name] = Input{Value: value, Source: source, Range: a.Expr.Range()}
	}
}

// assign reads a -var.
func (r *variableReader) assign(text string) {
	name, value, ok := strings.Cut(text, "=")
	name = strings.TrimSpace(name)
	if !ok || name == "" {
		r.fail(hcl.DiagError, "Invalid -var", nil, "-var needs a name and a value: -var %s=VALUE.", "NAME")
		return
	}
	v := r.config.Variables[name]
	if v == nil {
		hint := didYouMean(name, keysOf(r.config.Variables))
		if hint == "" {
			hint = fmt.Sprintf(" Declare it: variable %q {}.", name)
		}
		r.fail(hcl.DiagError, "Undeclared variable", nil, "-var gives a value to %s, and no such variable is declared.%s", name, hint)
		return
	}
	r.text(v, value, "-var")
}

// text takes the value of a variable from a command line or the environment:
// for a variable of a simple or any type it is the text itself, for others an expression.
func (r *variableReader) text(v *Variable, text, source string) {
	if v.Type.IsPrimitiveType() || v.Type == cty.DynamicPseudoType {
		r.inputs[v.Name] = Input{Value: cty.StringVal(text), Source: source}
		return
	}
	problem := func(why string) {
		r.inputs[v.Name] = Input{Value: cty.DynamicVal, Source: source}
		detail := fmt.Sprintf("The value of %s from %s must be an expression of the language for %s", v.Name, source, article(v.Type))
		if v.secret() {
			why = ""
		}
		if why != "" {
			detail += ": " + why
		}
		r.fail(hcl.DiagError, "Invalid value for a variable", v.Range.Ptr(), "%s. Quote it for the shell: '[\"a\", \"b\"]'.", strings.TrimSuffix(detail, "."))
	}
	src := []byte(text)
	if len(src) > maxFileSize || nesting.InExpression(src, source) != nil {
		problem("it is too large or nests too deeply")
		return
	}
	if d := numbers.InExpression(src, source); d != nil {
		problem("it holds " + strings.TrimSuffix(strings.TrimPrefix(d.Detail, "This is "), "."))
		return
	}
	expr, diags := hclsyntax.ParseExpression(src, source, hcl.InitialPos)
	numbers.Bound(expr)
	if !diags.HasErrors() && len(expr.Variables()) > 0 {
		problem("it must be written out, without references")
		return
	}
	value := cty.DynamicVal
	if !diags.HasErrors() {
		value, diags = work.Meter(expr, work.Each).Value(work.Context())
	}
	if diags.HasErrors() {
		problem(strings.TrimSuffix(diags[0].Detail, "."))
		return
	}
	r.inputs[v.Name] = Input{Value: value, Source: source}
}

// Inputs of an evaluation.
type Inputs struct {
	Variables map[string]Input // see Config.ReadVariables
	// Now is when the plan is made or was made: what plantimestamp returns. Zero: unknown.
	Now time.Time
}

// NewEvaluator checks the inputs against the variables (type, null, validation,
// missing required ones) and prepares an evaluation. c must have loaded without
// errors. The Evaluator is never nil; with errors it must not be used.
func NewEvaluator(c *Config, in Inputs) (*Evaluator, hcl.Diagnostics) {
	e := newEvaluator(c, in.Now)
	var diags hcl.Diagnostics
	for _, v := range c.Root.variables {
		value, more := v.value(in.Variables)
		if _, given := in.Variables[v.Name]; !given && more.HasErrors() && c.Selected != nil {
			more[0].Detail += fmt.Sprintf(" Or give it to this context: context %q { variables = { %s = VALUE } }.", c.Selected.Name, v.Name)
		}
		diags = append(diags, more...)
		e.root.variables[v.index].value = v.marked(value)
	}
	for _, v := range c.Root.variables { // one in doubt is unknown, and so is what depends on it
		diags = append(diags, e.root.validate(v, false)...)
	}
	return e, tidy(diags)
}

// value is the final value of the variable, not marked.
func (v *Variable) value(inputs map[string]Input) (cty.Value, hcl.Diagnostics) {
	in, given := inputs[v.Name]
	if !given {
		if v.Default != cty.NilVal {
			return v.Default, nil
		}
		detail := fmt.Sprintf("The variable %q has no value and no default. Give it with -var '%s=VALUE', in %s, or as %s%s.", v.Name, v.Name, varsFile, envPrefix, v.Name)
		if v.Description != "" {
			detail += " It is described as: " + v.Description
		}
		return cty.UnknownVal(v.Type), hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Missing value for a variable", Detail: detail, Subject: v.Range.Ptr()}}
	}
	raw, _ := in.Value.UnmarkDeep()
	if raw.IsNull() && !v.Nullable && v.Default != cty.NilVal {
		return v.Default, nil
	}
	value, problem := v.convert(raw)
	if problem == "" {
		return value, nil
	}
	if v.secret() {
		problem = "it does not fit the type " + strings.TrimPrefix(article(v.Type), "a ")
	}
	d := &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "Invalid value for a variable", Subject: v.Range.Ptr(),
		Detail: fmt.Sprintf("The value%s of the variable %q from %s is not valid: %s.", shownText(v, in.Value), v.Name, in.Source, problem),
	}
	if in.Range.Filename != "" && !v.secret() { // a snippet would show the value
		d.Subject = in.Range.Ptr()
	}
	return cty.UnknownVal(v.Type), hcl.Diagnostics{d}
}

// validate evaluates the validation blocks of a variable: those that refer to variables
// only, or the others.
func (m *moduleInstance) validate(v *Variable, late bool) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, check := range v.validations {
		if check.late != late {
			continue
		}
		f := m.frame(nil)
		result, more := check.condition.Value(f.ctx)
		if more.HasErrors() {
			diags = append(diags, f.explain(check.condition.Expression, more)...)
			continue
		}
		result, _ = result.Unmark()
		ok, err := convert.Convert(result, cty.Bool)
		switch {
		case err != nil || ok.IsNull():
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid condition",
				Detail: "The condition of a validation must be true or false.", Subject: check.rng.Ptr()})
		case !ok.IsKnown() || ok.True():
		default:
			diags = append(diags, f.explain(check.condition.Expression, hcl.Diagnostics{{
				Severity: hcl.DiagError, Summary: "Invalid value for a variable", Detail: validationMessage(v, check, f),
				Subject: check.rng.Ptr(), Context: v.Range.Ptr(), Expression: check.condition.Expression, EvalContext: f.ctx,
			}})...)
		}
	}
	return diags
}

func validationMessage(v *Variable, check *validation, f *frame) string {
	message, diags := check.message.Value(f.ctx)
	where := fmt.Sprintf(" (variable %q)", v.Name)
	text, err := convert.Convert(message, cty.String)
	if !diags.HasErrors() && err == nil && !text.IsKnown() && !text.IsMarked() {
		return "The value is not valid. The error_message depends on what only an apply will know." + where
	}
	if diags.HasErrors() || err != nil || !text.IsKnown() || text.IsNull() {
		return "The value is not valid, and the error_message of the validation could not be evaluated." + where
	}
	if text.IsMarked() {
		return "The value is not valid; the error_message is not shown because it is " + concealing(text) + "." + where
	}
	return strings.TrimSpace(text.AsString()) + where
}

// Validate type-checks every body with unknown variables: what is wrong whatever the values are.
func (c *Config) Validate() hcl.Diagnostics {
	e := newEvaluator(c, time.Time{})
	e.checking = true
	for _, v := range c.Root.variables {
		e.root.variables[v.index].value = v.unknown()
	}
	diags := c.validateContexts()
	for _, v := range c.Root.variables {
		diags = append(diags, e.root.validate(v, false)...)
	}
	for _, m := range c.modules {
		for _, mi := range e.instances(m) {
			for _, local := range m.locals {
				mi.local(local)
			}
		}
	}
	for b := range e.Blocks() {
		diags = append(diags, b.in.locate(e.check(b))...)
	}
	for _, o := range c.Outputs {
		_, _, more := e.output(o)
		diags = append(diags, more...)
	}
	diags = append(diags, e.Finish()...)
	_, more := e.Imports()
	diags = append(diags, more...)
	for _, c := range e.Checks() {
		if c.Data != nil {
			diags = append(diags, c.in.locate(e.check(c.Data))...)
		}
		diags = append(diags, c.Judge().Diags...)
	}
	return tidy(Distinct(diags))
}

// check evaluates a block's body with what is known without any instance.
func (e *Evaluator) check(b *Block) hcl.Diagnostics {
	r := b.Resource
	f := b.in.frame(r.forEach)
	x := expansion{frame: f, address: r.address, count: r.count, forEach: r.forEach}
	switch {
	case r.count != nil:
		x.countInstances()
		f.index = cty.UnknownVal(cty.Number).RefineNotNull()
	case r.forEach != nil:
		x.eachInstance()
		f.eachKey = cty.UnknownVal(cty.String).RefineNotNull()
		f.eachVal = commonElement(x.values)
	}
	diags := f.explain(x.expression(), x.diags)
	_, more := f.decode(r)
	diags = append(diags, more...)
	diags = append(diags, f.judge(r.pre, "precondition of "+r.address).Diags...)
	_, more = f.triggers(r.triggers)
	diags = append(diags, more...)
	f.self = cty.UnknownVal(r.ty)
	diags = append(diags, f.judge(r.post, "postcondition of "+r.address).Diags...)
	for _, d := range r.dependsOn {
		diags = append(diags, f.dependOn(d)...)
	}
	return diags
}

// commonElement is an unknown value of the type that all values share.
func commonElement(vals []cty.Value) cty.Value {
	if len(vals) == 0 {
		return cty.DynamicVal
	}
	ty := vals[0].Type()
	for _, v := range vals[1:] {
		if !v.Type().Equals(ty) {
			return cty.DynamicVal
		}
	}
	return cty.UnknownVal(ty)
}

// shownText is a short text that was given for a variable, to be told with what
// is wrong with it; "" where it is no text, or must not be shown.
func shownText(v *Variable, given cty.Value) string {
	if v.secret() || given.IsMarked() || given.Type() != cty.String || !given.IsKnown() || given.IsNull() {
		return ""
	}
	if text := given.AsString(); len(text) <= 60 {
		return " " + quote(text)
	}
	return ""
}
