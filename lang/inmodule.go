package lang

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
)

// inModule is the Extra of a diagnostic about something in a called module: it is
// the same text for all instances of the module, and Distinct says in which.
type inModule struct {
	module *moduleInstance
	others int
	extra  any
}

// UnwrapDiagnosticExtra implements hcl.DiagnosticExtraUnwrapper.
func (i inModule) UnwrapDiagnosticExtra() any { return i.extra }

// locate notes in diagnostics in which instance of a module they arose.
func (m *moduleInstance) locate(diags hcl.Diagnostics) hcl.Diagnostics {
	if m.called == nil {
		return diags
	}
	for i, d := range diags {
		if _, done := hcl.DiagnosticExtra[inModule](d); !done {
			located := *d
			located.Extra = inModule{module: m, extra: d.Extra}
			diags[i] = &located
		}
	}
	return diags
}

// report is Evaluator.report for something in the module.
func (m *moduleInstance) report(diags hcl.Diagnostics) { m.e.report(m.locate(diags)) }

// Distinct removes repeated diagnostics, such as those that all instances of a
// module share, and says of those within modules in which they are.
func Distinct(diags hcl.Diagnostics) hcl.Diagnostics {
	type key struct {
		summary, detail string
		subject         hcl.Range
	}
	first := make(map[key]int, len(diags))
	var kept hcl.Diagnostics
	for _, d := range diags {
		k := key{summary: d.Summary, detail: d.Detail}
		if d.Subject != nil {
			k.subject = *d.Subject
		}
		at, again := first[k]
		if !again {
			first[k] = len(kept)
			kept = append(kept, d)
			continue
		}
		if in, ok := kept[at].Extra.(inModule); ok {
			if other, ok := d.Extra.(inModule); ok && other.module != in.module {
				in.others++
				told := *kept[at]
				told.Extra = in
				kept[at] = &told
			}
		}
	}
	for i, d := range kept {
		in, ok := d.Extra.(inModule)
		if !ok {
			continue
		}
		told := *d
		more := ""
		if in.others > 0 {
			more = fmt.Sprintf(" and %d more", in.others)
		}
		told.Detail += fmt.Sprintf(" This is in %s%s, called at %s.", in.module.address, more, place(in.module.called.call.Range))
		told.Extra = in.extra
		kept[i] = &told
	}
	return kept
}
