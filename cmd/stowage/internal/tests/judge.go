package tests

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/testfile"
)

// failed is the summary of what a test finds: it fails, but nothing is in the way
// of the next run.
const failed = "Test assertion failed"

// asserts checks the conditions of a run.
func (f *file) asserts(r *testfile.Run, ev *lang.Evaluator, outputs map[string]cty.Value) hcl.Diagnostics {
	if len(r.Asserts) == 0 {
		return nil
	}
	scope := ev.Scope()
	scope.In = fmt.Sprintf("run %q", r.Name)
	scope.Names = map[string]cty.Value{"run": cty.ObjectVal(f.outputs), "output": cty.ObjectVal(outputs)}
	var diags hcl.Diagnostics
	for _, a := range r.Asserts {
		diags = append(diags, assert(scope, a)...)
	}
	return diags
}

func assert(scope *lang.Scope, a *testfile.Assert) hcl.Diagnostics {
	rng := a.Condition.Range()
	condition, diags := scope.Compile(a.Condition)
	message, more := scope.Compile(a.Message)
	if diags = append(diags, more...); diags.HasErrors() {
		return diags
	}
	v, diags := condition.Value()
	if diags.HasErrors() {
		return diags
	}
	v, _ = v.Unmark()
	ok, err := convert.Convert(v, cty.Bool)
	problem := func(summary, detail string) hcl.Diagnostics {
		return append(diags, condition.Explain(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail,
			Subject: rng.Ptr(), Context: hcl.RangeBetween(a.Range, rng).Ptr()})...)
	}
	switch {
	case err != nil || ok.IsNull():
		return problem("Invalid condition", "A condition must be true or false.")
	case !ok.IsKnown():
		return problem("Condition not known yet", "The condition depends on values that are known only after apply. Use command = apply, or ask for what the plan knows.")
	case ok.False():
		return problem(failed, text(message))
	}
	return diags
}

// text is an error_message, as far as it may be shown.
func text(message *lang.Compiled) string {
	v, diags := message.Value()
	v, err := convert.Convert(v, cty.String)
	switch {
	case diags.HasErrors() || err != nil || v.IsNull() || !v.IsKnown():
		return "The condition is false, and the error_message could not be evaluated."
	case v.IsMarked():
		return "The condition is false; the error_message is not shown because it is derived from a sensitive value."
	}
	return v.AsString()
}

// judge gives a run its status. Errors in blocks that were expected to fail are what
// was wanted, failed checks what was not.
func (f *file) judge(res Result, p *place, diags hcl.Diagnostics) Result {
	res.Status = Pass
	met := map[string]bool{}
	for _, d := range diags {
		kind, address := f.origin(p, d.Subject)
		switch expected := wanted(res.Run, address); {
		case expected && (d.Severity == hcl.DiagError || kind == "check"):
			met[address] = true
			continue
		case d.Severity == hcl.DiagError && d.Summary == failed:
			res.Status = res.Status.and(Fail)
		case d.Severity == hcl.DiagError:
			res.Status = res.Status.and(Error)
		case kind == "check":
			shown := *d
			shown.Severity = hcl.DiagError
			d = &shown
			res.Status = res.Status.and(Fail)
		}
		res.Diags = append(res.Diags, d)
	}
	for _, e := range res.Run.Expected {
		if met[e.Address()] || res.Status == Error {
			continue
		}
		res.Status = res.Status.and(Fail)
		res.Diags = append(res.Diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Expected failure did not happen", Subject: e.Range.Ptr(),
			Detail: fmt.Sprintf("The run expects that %s fails, and it did not.", e.Address())})
	}
	return res
}

// unchecked are the diagnostics of a plan without those of check blocks, which its apply
// judges again.
func (f *file) unchecked(p *place, diags hcl.Diagnostics) hcl.Diagnostics {
	return slices.DeleteFunc(slices.Clone(diags), func(d *hcl.Diagnostic) bool {
		kind, _ := f.origin(p, d.Subject)
		return kind == "check" && d.Severity == hcl.DiagWarning
	})
}

func wanted(r *testfile.Run, address string) bool {
	for _, e := range r.Expected {
		if address != "" && e.Address() == address {
			return true
		}
	}
	return false
}

// origin is the block of the configuration that a diagnostic is about: its type and
// how references name it.
func (f *file) origin(p *place, at *hcl.Range) (kind, address string) {
	if p == nil || at == nil || p.config.Files[at.Filename] == nil {
		return "", ""
	}
	body := lang.Syntax(p.config.Files[at.Filename])
	if body == nil {
		return "", ""
	}
	for _, b := range body.Blocks {
		rng := b.Range()
		if at.Start.Byte < rng.Start.Byte || at.Start.Byte >= rng.End.Byte || len(b.Labels) == 0 {
			continue
		}
		root := b.Type
		switch {
		case root == "variable":
			root = "var"
		case root == "data" && len(b.Labels) == 2:
			return root, b.Labels[0] + "." + b.Labels[1]
		}
		return b.Type, root + "." + b.Labels[0]
	}
	return "", ""
}
