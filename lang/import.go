package lang

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// Import is what an import block, or one of its instances, asks for: that something
// which exists is taken over by an address.
type Import struct {
	Address string // pod.web["a"]
	ID      string // what the kind calls it
	Range   hcl.Range
}

// importBlock is an import block; only the root has them.
type importBlock struct {
	block   string      // address of the resource block
	key     *expression // of the instance; nil: key0
	key0    cty.Value   // the constant key; cty.NilVal: none
	id      *expression
	forEach *expression // nil: none
	rng     hcl.Range
}

func (l *loader) declareImport(b *hclsyntax.Block) {
	if !l.labels(b) {
		return
	}
	if l.module.Path != "" {
		l.errorf("Import in a module", b.DefRange(), "import blocks belong into the root of the configuration: to = %s.….", l.module.Path)
		return
	}
	l.module.importing = append(l.module.importing, b)
}

func (l *loader) defineImport(b *hclsyntax.Block) {
	const in = "an import block"
	m := l.members(b.Body, in, nil)
	to, id, forEach := m.attr("to"), m.attr("id"), m.attr("for_each")
	m.done()
	if to == nil || id == nil {
		l.errorf("Missing argument", b.DefRange(), "An import block needs to and id: to = pod.web, id = \"web\".")
		return
	}
	i := &importBlock{rng: b.DefRange()}
	s := scope{in: in, each: forEach != nil, only: []string{"var", "local", "each", "context", "path"},
		why: "What is imported is found out before anything is planned: use variables, local values and each."}
	var dest address
	problem := ""
	if t, diags := hcl.AbsTraversalForExpr(to.Expr); !diags.HasErrors() {
		dest, problem = l.parseAddress(t)
		i.key0 = KeyOf(dest.text)
	} else if index, ok := to.Expr.(*hclsyntax.IndexExpr); ok {
		t, diags := hcl.AbsTraversalForExpr(index.Collection)
		if diags.HasErrors() {
			problem = "is an address such as pod.web[each.key]."
		} else if dest, problem = l.parseAddress(t); problem == "" {
			i.key = l.tracked(index.Key, s)
		}
	} else {
		problem = "is an address such as pod.web or pod.web[each.key]."
	}
	switch {
	case problem != "":
		l.errorf("Address expected", to.Expr.Range(), "to %s", problem)
		return
	case dest.kind == "module":
		l.errorf("Address expected", to.Expr.Range(), "to is an address of a resource, and %s is a module.", dest.text)
		return
	case !l.importable(dest.block, to.Expr.Range()):
		return
	}
	i.block = dest.block
	i.id = l.tracked(id.Expr, s)
	if forEach != nil {
		outer := s
		outer.each = false
		i.forEach = l.tracked(forEach.Expr, outer)
	}
	l.config.imports = append(l.config.imports, i)
}

// importable reports whether a block is declared, and says what is missing where it is not.
func (l *loader) importable(block string, at hcl.Range) bool {
	a, _ := ParseAddress(block)
	m := l.module
	for _, step := range a.Modules {
		call := m.Calls[step.Name]
		if call == nil {
			l.errorf("No such module", at, "%s is to be imported, and no module %q is called%s.%s", block, step.Name, insideOf(m), didYouMean(step.Name, keysOf(m.Calls)))
			return false
		}
		if m = call.Module; m == nil {
			return false // it could not be loaded, which is reported
		}
	}
	name := a.Kind + "." + a.Name
	if m.resources[name] == nil {
		l.errorf("No such block", at, "%s is to be imported, and it is not declared%s.%s Write its block first.", block, insideOf(m), didYouMean(name, keysOf(m.resources)))
		return false
	}
	return true
}

// insideOf says in which module, "" for the root.
func insideOf(m *Module) string {
	if m.Path == "" {
		return ""
	}
	return " in " + m.Path
}

// Imports evaluates the import blocks of the configuration, in the order of the files.
func (e *Evaluator) Imports() (all []Import, diags hcl.Diagnostics) {
	first := map[string]hcl.Range{}
	for _, i := range e.config.imports {
		found, more := e.imports(i)
		diags = append(diags, more...)
		for _, im := range found {
			if at, twice := first[im.Address]; twice {
				diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Duplicate", Subject: i.rng.Ptr(),
					Detail: fmt.Sprintf("%s is imported twice; the first import block is at %s. Remove one.", im.Address, place(at))})
				continue
			}
			first[im.Address] = i.rng
			all = append(all, im)
		}
	}
	return all, tidy(append(diags, e.reported()...))
}

func (e *Evaluator) imports(i *importBlock) (all []Import, diags hcl.Diagnostics) {
	f := e.root.frame(nil)
	one := func() {
		key := i.key0
		if i.key != nil {
			v, more := i.key.Value(f.ctx)
			diags = append(diags, f.explain(i.key.Expression, more)...)
			if key, _ = v.Unmark(); more.HasErrors() || !key.IsKnown() || key.IsNull() {
				return
			}
		}
		v, more := i.id.Value(f.ctx)
		diags = append(diags, f.explain(i.id.Expression, more)...)
		if more.HasErrors() {
			return
		}
		id, err := convert.Convert(v, cty.String)
		if e.checking && err == nil && !id.IsKnown() && !id.IsMarked() {
			return
		}
		if err != nil || id.IsMarked() || id.IsNull() || !id.IsKnown() || id.AsString() == "" {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid ID", Subject: i.id.Range().Ptr(),
				Detail: "The id of an import must be a text that is known, not empty, not sensitive and not ephemeral."})
			return
		}
		all = append(all, Import{InstanceAddress(i.block, key), id.AsString(), i.rng})
	}
	if i.forEach == nil {
		one()
		return all, diags
	}
	v, more := i.forEach.Value(f.ctx)
	if more.HasErrors() {
		return nil, f.explain(i.forEach.Expression, more)
	}
	ty := v.Type()
	if e.checking && !v.IsKnown() && !v.IsMarked() {
		return nil, nil
	}
	if v.IsMarked() || !v.IsKnown() || v.IsNull() || !(ty.IsMapType() || ty.IsObjectType() || ty.IsSetType() && ty.ElementType() == cty.String) {
		return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Invalid for_each", Subject: i.forEach.Range().Ptr(),
			Detail: "The for_each of an import must be a map, an object or a set of strings, known, not sensitive and not ephemeral."}}
	}
	for it := v.ElementIterator(); it.Next(); {
		f.eachKey, f.eachVal = it.Element()
		if ty.IsSetType() {
			f.eachKey = f.eachVal
		}
		one()
	}
	return all, diags
}
