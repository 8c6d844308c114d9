package lang

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// Status is what is known of a condition, or of several together.
type Status string

// The statuses, from good to bad.
const (
	Pass    Status = "pass"
	Unknown Status = "unknown" // it depends on what only an apply will know
	Fail    Status = "fail"
	Errored Status = "error" // it could not be evaluated
)

// Worst is the worse of two statuses; "" is better than all.
func (s Status) Worst(other Status) Status {
	rank := map[Status]int{"": 0, Pass: 1, Unknown: 2, Fail: 3, Errored: 4}
	if rank[other] > rank[s] {
		return other
	}
	return s
}

// Outcome is the result of conditions that belong together.
type Outcome struct {
	Status   Status   // "" when there is no condition
	Problems []string // what is wrong, one for each condition that fails
	Deps     []string // addresses of what the conditions depend on
	Diags    hcl.Diagnostics
}

// condition is a precondition, a postcondition or an assert.
type condition struct {
	test    *expression
	message *expression
	summary string
	warns   bool
}

// condition compiles the block of a condition; nil when something is missing.
func (l *loader) condition(b *hclsyntax.Block, summary string, s scope) *condition {
	if !l.labels(b) {
		return nil
	}
	s.in = withArticle(b.Type) + " of " + s.in
	m := l.members(b.Body, s.in, nil)
	test, message := m.attr("condition"), m.attr("error_message")
	m.done()
	if test == nil || message == nil {
		l.errorf("Missing argument", b.DefRange(), "%s needs a condition and an error_message.", capital(s.in))
		return nil
	}
	return &condition{test: l.tracked(test.Expr, s), message: l.tracked(message.Expr, s), summary: summary}
}

// misplaced is a sentence about where the parts of a condition belong that stand in a
// place where there are none, and about what Terraform has there, or "". A place is a block, its lifecycle, an output, a
// check or a variable.
func misplaced(place, name string) string {
	var write string // what stands there instead
	switch place {
	case "block", "lifecycle":
		write = "a precondition or a postcondition"
	case "output":
		write = "a precondition"
	case "check":
		write = "an assert"
	case "variable":
		write = "a validation"
	default:
		return ""
	}
	switch name {
	case "precondition", "postcondition":
		if place == "block" {
			return " It belongs into the lifecycle block: lifecycle { " + name + " { … } }."
		}
		return " Write " + write + " block."
	case "assert", "validation":
		if place == "block" {
			return " Write " + write + " in the lifecycle block."
		}
		return " Write " + write + " block."
	case "condition", "error_message":
		if place == "block" {
			return ""
		}
		return " It belongs into " + write + " block."
	case "lifecycle":
		return map[string]string{
			"output": " The preconditions of an output stand in the output itself.", "check": " The asserts of a check stand in the check itself.",
			"variable": " The validations of a variable stand in the variable itself.",
		}[place]
	case "provider":
		return map[string]string{"block": " Stowage has no providers: its kinds of blocks are built in. Remove it."}[place]
	case "provisioner", "connection":
		return map[string]string{"block": " Stowage has no provisioners: what is to run is a pod. Remove it."}[place]
	case "enabled":
		return map[string]string{"lifecycle": " Write count = … ? 1 : 0 in the block."}[place]
	case "depends_on", "count", "for_each":
		if place == "check" {
			return " A check is judged once, after everything else; in modules, once for each instance of the module."
		}
	}
	return ""
}

// withArticle is a word with its article.
func withArticle(word string) string {
	if strings.ContainsRune("aeiou", rune(word[0])) {
		return "an " + word
	}
	return "a " + word
}

func capital(s string) string { return string(s[0]-'a'+'A') + s[1:] }

// conditions compiles the blocks of one type.
func (l *loader) conditions(blocks []*hclsyntax.Block, summary string, s scope) []*condition {
	var list []*condition
	for _, b := range blocks {
		if c := l.condition(b, summary, s); c != nil {
			list = append(list, c)
		}
	}
	return list
}

func expressionsOf(list []*condition) []*expression {
	var all []*expression
	for _, c := range list {
		all = append(all, c.test, c.message)
	}
	return all
}

// judge evaluates conditions.
func (f *frame) judge(list []*condition, of string) (out Outcome) {
	for _, c := range list {
		status, problem, diags := f.test(c, of)
		out.Status = out.Status.Worst(status)
		if problem != "" {
			out.Problems = append(out.Problems, problem)
		}
		out.Diags = append(out.Diags, diags...)
	}
	return out
}

// test evaluates one condition.
func (f *frame) test(c *condition, of string) (status Status, problem string, diags hcl.Diagnostics) {
	severity := hcl.DiagError
	if c.warns {
		severity = hcl.DiagWarning
	}
	if f.e.checking {
		diags = f.messageProblems(c)
	}
	fail := func(status Status, summary, detail string) (Status, string, hcl.Diagnostics) {
		severity := severity
		if f.e.checking && status == Errored {
			severity = hcl.DiagError
		}
		told := detail + " (" + of + ")"
		diags = f.explain(c.test.Expression, append(diags, &hcl.Diagnostic{
			Severity: severity, Summary: summary, Detail: told,
			Subject: c.test.Range().Ptr(), Expression: c.test.Expression, EvalContext: f.ctx,
		}))
		diags[len(diags)-1].Detail = told // an error_message that may be shown, even if a number in it is a secret elsewhere
		return status, detail, diags
	}
	v, more := c.test.Value(f.ctx)
	if more.HasErrors() {
		for _, d := range more {
			if !f.e.checking {
				d.Severity = severity
			}
		}
		return Errored, "The condition could not be evaluated.", append(diags, f.explain(c.test.Expression, more)...)
	}
	diags = append(diags, more...)
	v, _ = v.Unmark()
	ok, err := convert.Convert(v, cty.Bool)
	switch {
	case err != nil:
		return fail(Errored, "Invalid condition", "The condition must be true or false, and it is "+article(v.Type())+".")
	case ok.IsNull():
		return fail(Errored, "Invalid condition", "The condition must be true or false, and it is null.")
	case !ok.IsKnown():
		return Unknown, "", diags
	case ok.True():
		return Pass, "", diags
	}
	if !f.e.checking {
		diags = append(diags, f.messageProblems(c)...)
	}
	return fail(Fail, c.summary, f.errorMessage(c.message))
}

// messageProblems says why an error_message is no text: as warnings beside the failure
// that it is to tell of, and for Validate as an error where it never can be one.
func (f *frame) messageProblems(c *condition) hcl.Diagnostics {
	e := c.message
	v, diags := e.Value(f.ctx)
	v, _ = v.Unmark()
	_, err := convert.Convert(v, cty.String)
	switch {
	case f.e.checking && diags.HasErrors():
		return nil // it may not be needed
	case !diags.HasErrors() && err != nil:
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid error_message", Subject: e.Range().Ptr(), Expression: e.Expression, EvalContext: f.ctx,
			Detail: "An error_message is a text, and this is " + article(v.Type()) + "."})
	}
	for _, d := range diags {
		if !f.e.checking {
			d.Severity = hcl.DiagWarning
		}
	}
	return f.explain(e.Expression, diags)
}

// errorMessage is the text of an error_message.
func (f *frame) errorMessage(e *expression) string {
	v, diags := e.Value(f.ctx)
	text, err := convert.Convert(v, cty.String)
	switch {
	case diags.HasErrors() || err != nil || text.IsNull():
		return "The condition is false, and its error_message could not be evaluated."
	case text.IsMarked():
		return "The condition is false. Its error_message is not shown because it is " + concealing(text) + "."
	case !text.IsKnown():
		return "The condition is false. Its error_message depends on what only an apply will know."
	}
	if message := strings.TrimSpace(text.AsString()); message != "" {
		return message
	}
	return "The condition is false, and its error_message is empty."
}

// Postconditions evaluates the postconditions of an instance with its object, planned
// or applied.
func (e *Evaluator) Postconditions(b *Block, key, self cty.Value) Outcome {
	i, ok := b.find(key)
	if len(b.Resource.post) == 0 || !ok {
		return Outcome{}
	}
	f := b.in.frame(b.Resource.forEach)
	f.bind(b, i)
	f.self = self
	return f.judged(b.Resource.post, "postcondition of "+b.addressOf(i))
}

// judged is judge with what a caller outside wants to know.
func (f *frame) judged(list []*condition, of string) Outcome {
	out := f.judge(list, of)
	out.Deps = f.addresses()
	out.Diags = tidy(append(out.Diags, f.e.reported()...))
	return out
}

// Conditioned reports whether the configuration has conditions that an apply judges.
func (c *Config) Conditioned() bool {
	for _, m := range c.modules {
		if len(m.Checks) > 0 || m.lateValidations() || slices.ContainsFunc(m.Resources, (*Resource).Conditioned) ||
			slices.ContainsFunc(m.Outputs, func(o *Output) bool { return len(o.pre) > 0 }) {
			return true
		}
	}
	return false
}

// Conditioned reports whether the block has postconditions.
func (r *Resource) Conditioned() bool { return len(r.post) > 0 }
