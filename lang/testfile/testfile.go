// Package testfile reads *.test.hcl files: runs of plans and applies of a
// configuration, and what has to be true after each. Nothing is evaluated here.
package testfile

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/stowage-iac/stowage/lang"
)

// Suffix of test files.
const Suffix = ".test.hcl"

// File is one test file. Its runs are made in their order.
type File struct {
	Path      string
	Variables map[string]*hclsyntax.Attribute // of all runs
	Hosts     []*Host
	Runs      []*Run
}

// Host says what a plan takes a host for that was not looked at.
type Host struct {
	Node  string // address of the node, "" for all that no other block names
	Args  map[string]*hclsyntax.Attribute
	Range hcl.Range
}

// Run is one plan or apply.
type Run struct {
	Name      string
	Apply     bool
	Module    string // directory of another configuration, "" for that of the test
	Variables map[string]*hclsyntax.Attribute
	Hosts     []*Host
	Asserts   []*Assert
	// Expected are the blocks that have to fail: var.x, check.y, pod.web.
	Expected []Expected
	Options  Options
	Range    hcl.Range
}

// Assert is a condition on the result.
type Assert struct {
	Condition, Message hclsyntax.Expression
	Range              hcl.Range
}

// Expected is an entry of expect_failures.
type Expected struct {
	Kind, Name string
	Range      hcl.Range
}

// Address is what the entry says: var.x.
func (e Expected) Address() string { return e.Kind + "." + e.Name }

// Options are those of a plan.
type Options struct {
	Target, Exclude, Replace []string
	NoRefresh                bool
	RefreshOnly              bool
}

// hostArguments are what a host block takes.
var hostArguments = []string{"arch", "cpus", "disk", "memory"}

// Parse reads a test file. The File is never nil; with errors it holds what could
// be understood and must not be run.
func Parse(src []byte, path string) (*File, *hcl.File, hcl.Diagnostics) {
	f := &File{Path: path, Variables: map[string]*hclsyntax.Attribute{}}
	file, diags := lang.Parse(src, path)
	body := lang.Syntax(file)
	if diags.HasErrors() || body == nil {
		return f, file, diags
	}
	r := &reader{}
	r.file(f, body)
	return f, file, append(diags, r.diags...)
}

// reader collects what is wrong.
type reader struct{ diags hcl.Diagnostics }

func (r *reader) errorf(rng hcl.Range, summary, format string, args ...any) {
	r.diags = append(r.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: rng.Ptr()})
}

// content checks a body against its schema: blocks by type with the number of their labels.
func (r *reader) content(body *hclsyntax.Body, in string, attrs []string, blocks map[string]int) {
	for _, name := range sorted(body.Attributes) {
		if !slices.Contains(attrs, name) {
			rng := body.Attributes[name].NameRange
			if len(attrs) == 0 {
				r.errorf(rng, "Unexpected argument", "%s takes no arguments, only blocks.", in)
				continue
			}
			r.errorf(rng, "Unexpected argument", "%s has no argument %q: it has %s.%s", in, name, strings.Join(attrs, ", "), didYouMean(name, attrs))
		}
	}
	names := sorted(blocks)
	for _, b := range body.Blocks {
		n, ok := blocks[b.Type]
		switch {
		case !ok && len(names) == 0:
			r.errorf(b.DefRange(), "Unexpected block", "%s takes no blocks.", in)
		case !ok:
			r.errorf(b.DefRange(), "Unexpected block", "%s has no %s blocks: it has %s.%s", in, b.Type, strings.Join(names, ", "), didYouMean(b.Type, names))
		case b.Type == "host" && len(b.Labels) < 2:
		case n == 1 && len(b.Labels) != 1:
			r.errorf(b.DefRange(), "Missing name", "A %s block has one name: %s \"NAME\" { … }.", b.Type, b.Type)
		case n == 0 && len(b.Labels) > 0:
			r.errorf(b.LabelRanges[0], "Too many names", "A %s block has no name: %s { … }.", b.Type, b.Type)
		}
	}
}

func didYouMean(name string, among []string) string {
	if s := lang.Suggest(name, among); s != "" {
		return fmt.Sprintf(" Did you mean %q?", s)
	}
	return ""
}

func (r *reader) file(f *File, body *hclsyntax.Body) {
	r.content(body, "A test file", nil, map[string]int{"variables": 0, "host": 1, "run": 1})
	names := map[string]hcl.Range{}
	for _, b := range body.Blocks {
		switch b.Type {
		case "variables":
			r.variables(b, f.Variables)
		case "host":
			f.Hosts = append(f.Hosts, r.host(b))
		case "run":
			run := r.run(b)
			if first, twice := names[run.Name]; twice {
				r.errorf(b.DefRange(), "Duplicate", "There is a second run %q; the first is at %s:%d. Names are unique: others refer to a run's outputs by it.", run.Name, first.Filename, first.Start.Line)
			}
			names[run.Name] = run.Range
			f.Runs = append(f.Runs, run)
		}
	}
}

func (r *reader) variables(b *hclsyntax.Block, into map[string]*hclsyntax.Attribute) {
	r.content(b.Body, "A variables block", sorted(b.Body.Attributes), nil)
	for name, a := range b.Body.Attributes {
		if first := into[name]; first != nil {
			r.errorf(a.NameRange, "Duplicate", "%s has a value already, at %s:%d.", name, first.NameRange.Filename, first.NameRange.Start.Line)
			continue
		}
		into[name] = a
	}
}

func (r *reader) host(b *hclsyntax.Block) *Host {
	r.content(b.Body, "A host block", hostArguments, nil)
	h := &Host{Args: b.Body.Attributes, Range: b.DefRange()}
	if len(b.Labels) > 0 {
		h.Node = b.Labels[0]
	}
	return h
}

func (r *reader) run(b *hclsyntax.Block) *Run {
	run := &Run{Apply: true, Variables: map[string]*hclsyntax.Attribute{}, Range: b.DefRange()}
	if len(b.Labels) > 0 {
		run.Name = b.Labels[0]
		if !hclsyntax.ValidIdentifier(run.Name) {
			r.errorf(b.LabelRanges[0], "Invalid name", "A name begins with a letter and holds letters, digits, _ and -; %q does not.", run.Name)
		}
	}
	in := fmt.Sprintf("The run %q", run.Name)
	r.content(b.Body, in, []string{"command", "expect_failures"},
		map[string]int{"assert": 0, "host": 1, "module": 0, "plan_options": 0, "variables": 0})
	if a := b.Body.Attributes["command"]; a != nil {
		switch word := hcl.ExprAsKeyword(a.Expr); word {
		case "plan", "apply":
			run.Apply = word == "apply"
		default:
			r.errorf(a.Expr.Range(), "Invalid command", "command is one of the words plan and apply, without quotes.")
		}
	}
	if a := b.Body.Attributes["expect_failures"]; a != nil {
		run.Expected = r.expected(a)
	}
	seen := map[string]bool{}
	for _, nested := range b.Body.Blocks {
		if seen[nested.Type] && (nested.Type == "module" || nested.Type == "plan_options") {
			r.errorf(nested.DefRange(), "Duplicate", "%s has a second %s block.", in, nested.Type)
		}
		seen[nested.Type] = true
		switch nested.Type {
		case "assert":
			run.Asserts = append(run.Asserts, r.assert(nested))
		case "host":
			run.Hosts = append(run.Hosts, r.host(nested))
		case "module":
			run.Module = r.module(nested)
		case "plan_options":
			run.Options = r.options(nested)
		case "variables":
			r.variables(nested, run.Variables)
		}
	}
	return run
}

func (r *reader) assert(b *hclsyntax.Block) *Assert {
	r.content(b.Body, "An assert block", []string{"condition", "error_message"}, nil)
	a := &Assert{Range: b.DefRange()}
	condition, message := b.Body.Attributes["condition"], b.Body.Attributes["error_message"]
	if condition == nil || message == nil {
		r.errorf(b.DefRange(), "Missing argument", "An assert block needs a condition and an error_message.")
		return a
	}
	a.Condition, a.Message = condition.Expr, message.Expr
	return a
}

func (r *reader) module(b *hclsyntax.Block) string {
	r.content(b.Body, "A module block", []string{"source"}, nil)
	a := b.Body.Attributes["source"]
	if a == nil {
		r.errorf(b.DefRange(), "Missing argument", "A module block needs a source: the directory of another configuration.")
		return ""
	}
	text := r.text(a.Expr)
	if text != "" && !strings.HasPrefix(text, "./") && !strings.HasPrefix(text, "../") && !filepath.IsAbs(text) {
		r.errorf(a.Expr.Range(), "Invalid source", "The configuration of a run is in a directory here: write \"./%s\".", text)
		return ""
	}
	return text
}

// text is an expression that is a text written out.
func (r *reader) text(e hclsyntax.Expression) string {
	v, diags := e.Value(nil)
	if diags.HasErrors() || v.IsNull() || !v.IsKnown() || !v.Type().IsPrimitiveType() || v.Type().FriendlyName() != "string" || v.AsString() == "" {
		r.errorf(e.Range(), "Text expected", "This must be a text that is written out.")
		return ""
	}
	return v.AsString()
}

func (r *reader) expected(a *hclsyntax.Attribute) []Expected {
	exprs, diags := hcl.ExprList(a.Expr)
	if diags.HasErrors() {
		r.errorf(a.Expr.Range(), "List of blocks expected", "expect_failures is a list of the blocks that have to fail: [var.replicas, pod.web].")
		return nil
	}
	var list []Expected
	for _, e := range exprs {
		t, diags := hcl.AbsTraversalForExpr(e)
		name, ok := hcl.TraverseAttr{}, false
		if !diags.HasErrors() && len(t) == 2 {
			name, ok = t[1].(hcl.TraverseAttr)
		}
		if !ok {
			r.errorf(e.Range(), "Block expected", "expect_failures takes blocks as they are, without quotes: var.NAME, output.NAME, check.NAME or KIND.NAME.")
			continue
		}
		list = append(list, Expected{Kind: t.RootName(), Name: name.Name, Range: e.Range()})
	}
	return list
}

func (r *reader) options(b *hclsyntax.Block) Options {
	r.content(b.Body, "A plan_options block", []string{"exclude", "mode", "refresh", "replace", "target"}, nil)
	o := Options{
		Target: r.addresses(b.Body.Attributes["target"]), Exclude: r.addresses(b.Body.Attributes["exclude"]),
		Replace: r.addresses(b.Body.Attributes["replace"]),
	}
	if a := b.Body.Attributes["refresh"]; a != nil {
		v, diags := a.Expr.Value(nil)
		switch {
		case diags.HasErrors() || v.IsNull() || v.Type().FriendlyName() != "bool":
			r.errorf(a.Expr.Range(), "Invalid value", "refresh is true or false.")
		default:
			o.NoRefresh = v.False()
		}
	}
	if a := b.Body.Attributes["mode"]; a != nil {
		switch hcl.ExprAsKeyword(a.Expr) {
		case "normal":
		case "refresh-only", "refresh_only":
			o.RefreshOnly = true
		default:
			r.errorf(a.Expr.Range(), "Invalid mode", "mode is one of the words normal and refresh_only, without quotes.")
		}
	}
	return o
}

// addresses are a list of references, as they are written.
func (r *reader) addresses(a *hclsyntax.Attribute) []string {
	if a == nil {
		return nil
	}
	exprs, diags := hcl.ExprList(a.Expr)
	if diags.HasErrors() {
		r.errorf(a.Expr.Range(), "List of addresses expected", "%s is a list of blocks or instances: [pod.web, config.site[\"a\"]].", a.Name)
		return nil
	}
	var list []string
	for _, e := range exprs {
		t, diags := hcl.AbsTraversalForExpr(e)
		if diags.HasErrors() {
			r.errorf(e.Range(), "Address expected", "%s takes blocks and instances as they are, without quotes: [pod.web].", a.Name)
			continue
		}
		list = append(list, address(t))
	}
	return list
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
