package lang

import (
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/fastparse"
	"github.com/stowage-iac/stowage/lang/schema"
)

type resource struct {
	module    *Module
	check     *Check            // that it is the data of; nil: it is a block of the module
	address   string            // within its module: pod.web
	index     int               // in Config.Resources, those of checks after all others
	slot      int               // in Module.Resources, those of checks after all others
	block     *hclsyntax.Block  // nil of a copy
	sketch    *fastparse.Sketch // of a copy
	proto     *prototype        // of a copy
	ty        cty.Type          // of an instance's object
	count     *expression
	forEach   *expression
	dependsOn []dependency
	Timeouts  Timeouts
	pre, post []*condition
	triggers  []*expression // replace_triggered_by
	body      *body
	refs      []*Resource // blocks that this one refers to, itself or through locals
}

// dependency is an entry of depends_on.
type dependency struct {
	resource *Resource // nil: call
	call     *Call
	key      cty.Value // cty.NilVal: all of it
	rng      hcl.Range
}

// resources are the blocks that the dependency reaches.
func (d dependency) resources() []*Resource {
	if d.call == nil {
		return []*Resource{d.resource}
	}
	return d.call.Module.all()
}

// dependencyExprs stand for depends_on where only expressions reach something.
func dependencyExprs(deps []dependency) []*expression {
	var exprs []*expression
	for _, d := range deps {
		x := &expression{Expression: nullExpr(d.rng), blocks: d.resources()}
		if d.call != nil {
			x.named = []*named{&d.call.repeat}
		}
		exprs = append(exprs, x)
	}
	return exprs
}

func (r *Resource) keyed() bool { return r.count != nil || r.forEach != nil }

func (r *Resource) repetition() string {
	if r.count != nil {
		return "count"
	}
	return "for_each"
}

// declareResource declares a block, of a check or, with nil, of the module. It returns
// nil when there is another one of the name.
func (l *loader) declareResource(b *hclsyntax.Block, kind, name string, s *schema.Block, check *Check) *Resource {
	r := &Resource{Kind: kind, Name: name, Schema: s, Range: b.DefRange()}
	r.module, r.check = l.module, check
	r.address = r.Kind + "." + r.Name
	r.block = b
	r.ty = l.shape(s, "").ty
	if first := l.module.resources[r.address]; first != nil {
		l.duplicate("block "+header(r.Kind, quote(r.Name)), b.DefRange(), first.Range)
		if check != first.check {
			l.diags[len(l.diags)-1].Detail += " Names are unique in a module, in its checks, too."
		}
		return nil
	}
	l.module.resources[r.address] = r
	if check != nil {
		return r
	}
	if b.Body.Attributes["count"] != nil {
		r.count = &expression{}
	}
	if b.Body.Attributes["for_each"] != nil {
		r.forEach = &expression{}
	}
	if r.count != nil && r.forEach != nil {
		l.errorf("Both count and for_each", b.Body.Attributes["for_each"].NameRange, "%s has count and for_each: use one of them.", r.address)
		r.count = nil
	}
	return r
}

var metaArguments = []string{"count", "for_each", "depends_on"}
var metaBlocks = []string{"lifecycle", "timeouts"}

func (l *loader) defineResource(r *Resource) {
	if r.proto != nil {
		l.defineCopy(r)
		return
	}
	attrs := r.block.Body.Attributes
	outside := scope{in: r.address, owner: r}
	if a := attrs["count"]; a != nil {
		count := l.tracked(a.Expr, outside)
		if r.count != nil {
			*r.count = *count
			l.exprs[len(l.exprs)-1] = r.count
		}
	}
	if a := attrs["for_each"]; a != nil {
		*r.forEach = *l.tracked(a.Expr, outside)
		l.exprs[len(l.exprs)-1] = r.forEach
	}
	if a := attrs["depends_on"]; a != nil {
		r.dependsOn = l.dependsOn(a, r)
	}
	m := l.members(r.block.Body, r.address, nil)
	if b := m.one("lifecycle"); b != nil {
		l.defineLifecycle(r, b)
	}
	if b := m.one("timeouts"); b != nil {
		l.defineTimeouts(r, b)
	}
	s := outside
	s.count, s.each = r.count != nil, r.forEach != nil
	r.body = l.body(r.block.Body, r.Schema, l.shape(r.Schema, ""), bodyOptions{scope: s, in: r.address, header: r.Range, top: true})
}

// dependsOn reads a list of references to blocks and instances.
func (l *loader) dependsOn(a *hclsyntax.Attribute, owner *Resource) []dependency {
	exprs, diags := hcl.ExprList(a.Expr)
	if diags.HasErrors() {
		l.errorf("List of references expected", a.Expr.Range(), "depends_on is a list of blocks: [config.site, module.db].")
		return nil
	}
	var deps []dependency
	for _, e := range exprs {
		t, diags := hcl.AbsTraversalForExpr(e)
		if diags.HasErrors() {
			l.errorf("Reference expected", e.Range(), "depends_on takes blocks as they are, without quotes or calculations: [config.site].")
			continue
		}
		d := dependency{rng: e.Range()}
		address, keyed := "", false
		if t.RootName() == "module" {
			if d.call = l.findCall(t, e.Range()); d.call == nil {
				continue
			}
			address, keyed = d.call.address(), d.call.keyed()
		} else {
			if d.resource = l.findResource(t, e.Range(), nil); d.resource == nil {
				continue
			}
			address, keyed = d.resource.address, d.resource.keyed()
		}
		t = t[namedBy(t):]
		if len(t) == 1 && keyed {
			if index, ok := t[0].(hcl.TraverseIndex); ok {
				d.key = index.Key
				t = nil
			}
		}
		if len(t) > 0 {
			l.errorf("Reference to a block expected", e.Range(), "depends_on takes whole blocks or instances: write %s.", address)
			continue
		}
		deps = append(deps, d)
	}
	return deps
}

func (l *loader) defineLifecycle(r *Resource, b *hclsyntax.Block) {
	const in = "the lifecycle block"
	m := l.members(b.Body, in, nil)
	m.place = "lifecycle"
	if isData(r.Kind) {
		for _, name := range []string{"prevent_destroy", "create_before_destroy", "ignore_changes", "replace_triggered_by"} {
			if a := m.attr(name); a != nil {
				l.errorf("No meaning in a data block", a.NameRange, "%s makes nothing that could be kept, replaced or destroyed: its lifecycle block holds preconditions and postconditions only. Remove %s.", r.address, name)
			}
		}
		l.defineConditions(r, m)
		m.done()
		return
	}
	r.Lifecycle.PreventDestroy = l.constBool(m.attr("prevent_destroy"), in)
	r.Lifecycle.CreateBeforeDestroy = l.constBool(m.attr("create_before_destroy"), in)
	if a := m.attr("ignore_changes"); a != nil {
		r.Lifecycle.IgnoreChanges = l.ignoreChanges(r, a)
	}
	if a := m.attr("replace_triggered_by"); a != nil {
		r.triggers = l.triggers(a, r.inside())
	}
	l.defineConditions(r, m)
	m.done()
}

// inside is what expressions that each instance evaluates may refer to.
func (r *Resource) inside() scope {
	return scope{in: r.address, owner: r, count: r.count != nil, each: r.forEach != nil}
}

func (l *loader) defineConditions(r *Resource, m *members) {
	s := r.inside()
	r.pre = l.conditions(m.block("precondition"), "Precondition failed", s)
	s.self = true
	r.post = l.conditions(m.block("postcondition"), "Postcondition failed", s)
}

func (l *loader) ignoreChanges(r *Resource, a *hclsyntax.Attribute) []string {
	if hcl.ExprAsKeyword(a.Expr) == "all" {
		return []string{"all"}
	}
	exprs, diags := hcl.ExprList(a.Expr)
	if diags.HasErrors() {
		l.errorf("List of arguments expected", a.Expr.Range(), "ignore_changes is a list of arguments, [labels], or the word all.")
		return nil
	}
	var paths []string
	for _, e := range exprs {
		t, diags := hcl.AbsTraversalForExpr(e)
		if diags.HasErrors() {
			l.errorf("Argument expected", e.Range(), "ignore_changes takes names of arguments as they are, without quotes: [labels].")
			continue
		}
		if name := t.RootName(); !r.ty.HasAttribute(name) {
			l.errorf("Unknown argument", e.Range(), "A %s block has no argument %q.%s", r.Kind, name, didYouMean(name, keysOf(r.ty.AttributeTypes())))
			continue
		}
		if a := r.Schema.Attributes[t.RootName()]; a != nil && a.WriteOnly {
			l.errorf("Write-only argument", e.Range(), "%s is written only: nothing of it is recorded that could be kept. Take it out of ignore_changes.", t.RootName())
			continue
		}
		path := make(cty.Path, 0, len(t))
		for _, s := range t {
			switch s := s.(type) {
			case hcl.TraverseRoot:
				path = append(path, cty.GetAttrStep{Name: s.Name})
			case hcl.TraverseAttr:
				path = append(path, cty.GetAttrStep{Name: s.Name})
			case hcl.TraverseIndex:
				path = append(path, cty.IndexStep{Key: s.Key})
			}
		}
		paths = append(paths, pathText(path))
	}
	return paths
}

func (l *loader) defineTimeouts(r *Resource, b *hclsyntax.Block) {
	const in = "the timeouts block"
	m := l.members(b.Body, in, nil)
	read := func(name string, into *time.Duration) {
		a := m.attr(name)
		text := l.constString(a, in)
		if a == nil || text == "" {
			return
		}
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			l.errorf("Invalid duration", a.Expr.Range(), "%s in %s needs a duration such as \"5m\" or \"90s\"; %q is none.", name, in, text)
			return
		}
		*into = d
	}
	if isData(r.Kind) {
		read("read", &r.Timeouts.Read)
	} else {
		read("create", &r.Timeouts.Create)
		read("update", &r.Timeouts.Update)
		read("delete", &r.Timeouts.Delete)
	}
	m.done()
}
