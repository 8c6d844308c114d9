package lang

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/functions"
)

type variable struct {
	index       int
	block       *hclsyntax.Block
	constraint  cty.Type // Type with optional attributes
	defaults    *typeexpr.Defaults
	validations []*validation
	named       named // of a module that is called: what is given
}

type validation struct {
	condition *expression
	message   *expression
	rng       hcl.Range
	// late: it refers to more than variables, and is judged when all blocks are planned.
	late bool
}

func (l *loader) declareVariable(b *hclsyntax.Block) {
	if !l.labels(b, "name") {
		return
	}
	name := b.Labels[0]
	if first := l.module.Variables[name]; first != nil {
		l.duplicate("variable "+name, b.DefRange(), first.Range)
		return
	}
	l.module.Variables[name] = &Variable{
		Name: name, Range: b.DefRange(), Type: cty.DynamicPseudoType, Nullable: true,
		variable: variable{block: b, constraint: cty.DynamicPseudoType, named: named{name: within(l.module.Path, "var."+name)}},
	}
	if l.module.caller != nil && (contains(callArguments, name) || contains(reservedVariables, name)) {
		l.errorf("Invalid name", b.LabelRanges[0], "A variable of a module cannot be named %q: that is, or may become, an argument of every module block.", name)
	}
}

// reservedVariables are names that module blocks have elsewhere, or may have here one day.
var reservedVariables = []string{"version", "providers", "lifecycle", "locals"}

func (l *loader) defineVariable(v *Variable) {
	in := "variable " + quote(v.Name)
	m := l.members(v.block.Body, in, nil)
	m.place = "variable"
	v.Description = l.constString(m.attr("description"), in)
	v.Sensitive = l.constBool(m.attr("sensitive"), in)
	if a := m.attr("nullable"); a != nil {
		v.Nullable = l.constBool(a, in)
	}
	v.Ephemeral = l.constBool(m.attr("ephemeral"), in)
	l.config.ephemeral = l.config.ephemeral || v.Ephemeral
	if a := m.attr("type"); a != nil {
		ty, defaults, diags := typeexpr.TypeConstraintWithDefaults(a.Expr)
		for _, d := range diags {
			d.Detail += " Types are string, number, bool, any, list(…), set(…), map(…), object({ name = … }) and tuple([…])."
		}
		l.add(diags)
		if !diags.HasErrors() {
			v.constraint, v.defaults, v.Type = ty, defaults, ty.WithoutOptionalAttributesDeep()
		}
	}
	if a := m.attr("default"); a != nil {
		if raw, ok := l.constant(a, cty.DynamicPseudoType, in); ok {
			value, problem := v.convert(raw)
			if problem != "" {
				l.errorf("Invalid default value", a.Expr.Range(), "The default of variable %q is not valid: %s.", v.Name, problem)
			} else {
				v.Default = value
			}
		}
	}
	for _, b := range m.block("validation") {
		if l.labels(b) {
			l.defineValidation(v, b)
		}
	}
	m.done()
}

func (l *loader) defineValidation(v *Variable, b *hclsyntax.Block) {
	in := "a validation of variable " + quote(v.Name)
	m := l.members(b.Body, in, nil)
	condition, message := m.attr("condition"), m.attr("error_message")
	m.done()
	if condition == nil || message == nil {
		l.errorf("Missing argument", b.DefRange(), "A validation block needs a condition and an error_message.")
		return
	}
	s := scope{in: in}
	c := &validation{condition: l.tracked(condition.Expr, s), message: l.tracked(message.Expr, s), rng: condition.Expr.Range()}
	c.late = l.beyondVariables(c.condition) || l.beyondVariables(c.message)
	v.validations = append(v.validations, c)
}

// beyondVariables reports whether an expression refers to more than variables of the module.
func (l *loader) beyondVariables(x *expression) bool {
	return len(x.blocks) > 0 || slices.ContainsFunc(x.named, func(n *named) bool {
		return !slices.ContainsFunc(l.module.variables, func(v *Variable) bool { return &v.named == n })
	})
}

// marked is a value of the variable, sensitive and ephemeral if the variable is.
func (v *Variable) marked(value cty.Value) cty.Value {
	if v.Sensitive {
		value = value.WithMarks(Sensitive)
	}
	if v.Ephemeral && len(shallowOrigins(value)) == 0 {
		value = ephemeral(value, v.named.name)
	}
	return value
}

// secret reports whether values of the variable are not to be shown.
func (v *Variable) secret() bool { return v.Sensitive || v.Ephemeral }

// convert gives raw the variable's type. problem is a clause without the value, or "".
func (v *Variable) convert(raw cty.Value) (value cty.Value, problem string) {
	if raw.IsNull() {
		if !v.Nullable {
			return cty.NilVal, "it is null, and the variable has nullable = false"
		}
		return cty.NullVal(v.Type), ""
	}
	if v.defaults != nil {
		raw = v.defaults.Apply(raw)
	}
	value, err := functions.Convert(raw, v.constraint)
	if err != nil {
		return cty.NilVal, conversionProblem(raw, v.constraint, err)
	}
	return value, ""
}

// unknown stands for any value that the variable can have.
func (v *Variable) unknown() cty.Value {
	value := cty.UnknownVal(v.Type)
	if !v.Nullable {
		value = value.RefineNotNull()
	}
	return v.marked(value)
}
