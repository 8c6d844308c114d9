package lang

import (
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

type output struct {
	index     int
	block     *hclsyntax.Block
	value     *expression
	dependsOn []dependency
	named     named
	pre       []*condition
}

func (l *loader) declareOutput(b *hclsyntax.Block) {
	if !l.labels(b, "name") {
		return
	}
	if first := l.module.outputs[b.Labels[0]]; first != nil {
		l.duplicate("output "+first.Name, b.DefRange(), first.Range)
		return
	}
	o := &Output{Name: b.Labels[0], Range: b.DefRange(), output: output{block: b, named: named{name: within(l.module.Path, b.Labels[0])}}}
	l.module.Outputs = append(l.module.Outputs, o)
	l.module.outputs[o.Name] = o
}

// defineEphemeral reads whether the output is ephemeral, which one of the root cannot be.
func (l *loader) defineEphemeral(o *Output, a *hclsyntax.Attribute, in string) {
	if o.Ephemeral = l.constBool(a, in); !o.Ephemeral {
		return
	}
	l.config.ephemeral = true
	if l.module.caller == nil {
		o.Ephemeral = false
		l.errorf("Ephemeral output of the root module", a.SrcRange, "The outputs of the root module are kept in the state, so that %s cannot be ephemeral. Mark it sensitive to have it encrypted there; ephemeral outputs are for modules that others call.", in)
	}
}

// marked is the value of an output of a called module, sensitive and ephemeral if the output is.
func (o *Output) marked(v cty.Value) cty.Value {
	if o.Sensitive {
		v = v.WithMarks(Sensitive)
	}
	if o.Ephemeral && len(shallowOrigins(v)) == 0 {
		v = ephemeral(v, o.named.name)
	}
	return v
}

func (l *loader) defineOutput(o *Output) {
	in := "output " + quote(o.Name)
	o.value = &expression{Expression: nullExpr(o.Range)}
	m := l.members(o.block.Body, in, nil)
	m.place = "output"
	o.Description = l.constString(m.attr("description"), in)
	o.Sensitive = l.constBool(m.attr("sensitive"), in)
	if a := m.attr("depends_on"); a != nil {
		o.dependsOn = l.dependsOn(a, nil)
	}
	o.pre = l.conditions(m.block("precondition"), "Precondition failed", scope{in: in})
	l.defineEphemeral(o, m.attr("ephemeral"), in)
	if a := m.attr("value"); a != nil {
		o.value = l.tracked(a.Expr, scope{in: in})
	} else {
		l.errorf("Missing argument", o.Range, "An output block needs a value: value = ….")
	}
	m.done()
	o.named.exprs = append([]*expression{o.value}, dependencyExprs(o.dependsOn)...)
	o.named.exprs = append(o.named.exprs, expressionsOf(o.pre)...)
}
