package lang

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/schema"
)

// An ephemeral value is given anew for every run and is kept nowhere: it can be used
// where nothing is stored, and the mark on it says where it comes from. It spreads to
// all that is derived from it, as that of sensitive values does.

// ephemeralMark is the mark; its text is the origin: var.token, module.app.token.
type ephemeralMark string

// IsEphemeral reports whether v itself, or anything within it, is ephemeral.
func IsEphemeral(v cty.Value) bool { return len(ephemeralOrigins(v)) > 0 }

// ephemeralOrigins are where the ephemeral parts of v come from, sorted.
func ephemeralOrigins(v cty.Value) []string {
	if v == cty.NilVal || !v.ContainsMarked() {
		return nil
	}
	_, marks := v.UnmarkDeep()
	return originsOf(marks)
}

func originsOf(marks cty.ValueMarks) (origins []string) {
	for mark := range marks {
		if m, ok := mark.(ephemeralMark); ok {
			origins = append(origins, string(m))
		}
	}
	slices.Sort(origins)
	return origins
}

// shallowOrigins are where v comes from when it is ephemeral as a whole.
func shallowOrigins(v cty.Value) []string {
	if v == cty.NilVal {
		return nil
	}
	return originsOf(v.Marks())
}

// ephemeral marks v with an origin.
func ephemeral(v cty.Value, origin string) cty.Value { return v.Mark(ephemeralMark(origin)) }

// isConcealed reports whether v must not be shown: it is sensitive or ephemeral.
func isConcealed(v cty.Value) bool { return IsSensitive(v) || IsEphemeral(v) }

// isEphemeralMark is for the functions, which know no marks.
func isEphemeralMark(mark any) bool {
	_, ok := mark.(ephemeralMark)
	return ok
}

// derived is a clause about the origins of a value.
func derived(origins []string) string {
	return "derived from " + listWords(origins, "and") + ", which " + map[bool]string{true: "is", false: "are"}[len(origins) == 1] + " ephemeral"
}

const ephemeralUses = "Ephemeral values are for write-only arguments (" + writeOnlyExamples + "), local values, conditions, and variables and outputs of modules that have ephemeral = true."

const writeOnlyExamples = "value_wo of a secret, private_key_wo of a node's ssh block"

// kept refuses an ephemeral value of an argument that is recorded; "" where it may stand.
func (a *argument) kept(b *body, v cty.Value) string {
	if a.schema.WriteOnly || a.unkept {
		return ""
	}
	origins := ephemeralOrigins(v)
	if len(origins) == 0 {
		return ""
	}
	advice := ephemeralUses + " Put it into a secret with value_wo and mount that, or declare it sensitive instead of ephemeral."
	if isData(a.kind) {
		advice = "What a data block reads, and what with, is kept in saved plans. Declare it sensitive instead of ephemeral."
	} else if a.twin != "" {
		advice = "Give it to " + a.twin + " instead, which is not recorded."
	}
	return fmt.Sprintf("The argument %s of %s would be kept in plans and the state, and its value is %s. %s", a.name, b.in, derived(origins), advice)
}

// twinOf is the write-only argument that stands beside a recorded one, or "".
func twinOf(s *schema.Block, name string) string {
	if wo := s.Attributes[name+"_wo"]; wo != nil && wo.WriteOnly {
		return name + "_wo"
	}
	return ""
}

// ephemeralOutput refuses an ephemeral value in an output that is not declared so.
func ephemeralOutput(name, of, advice string, v cty.Value, expr hclsyntax.Expression) *hcl.Diagnostic {
	origins := ephemeralOrigins(v)
	if len(origins) == 0 {
		return nil
	}
	rng := expr.Range()
	return &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "Output of an ephemeral value", Subject: rng.Ptr(),
		Detail: fmt.Sprintf("The value of output %s%s is %s. %s", quote(name), of, derived(origins), advice),
	}
}

// Ephemerals are the names of the root's ephemeral variables, sorted.
func (c *Config) Ephemerals() (names []string) {
	for _, v := range c.Root.variables {
		if v.Ephemeral {
			names = append(names, v.Name)
		}
	}
	return names
}

// WritesOnly reports whether the configuration gives a write-only argument to any block of a kind.
func (c *Config) WritesOnly(kind string) bool { return c.writeOnly[kind] }

// concealing says why a marked value is not shown.
func concealing(v cty.Value) string {
	if origins := ephemeralOrigins(v); len(origins) > 0 {
		return derived(origins)
	}
	return "derived from a sensitive value"
}
