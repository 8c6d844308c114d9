package console

import (
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
)

var hclStart = hcl.InitialPos

// complete reports whether an expression is, or has an error that more lines cannot
// mend: whether all that is open in it was closed.
func complete(text string) bool {
	tokens, _ := hclsyntax.LexExpression([]byte(text), name, hclStart)
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOHeredoc,
			hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCHeredoc,
			hclsyntax.TokenTemplateSeqEnd:
			depth--
		}
	}
	return depth <= 0
}

// completer knows the names of a configuration.
type names struct {
	roots []string            // var., pod., upper(
	below map[string][]string // "var." → names; "pod." → names; "pod.web." → attributes
}

func completer(cfg *lang.Config) *names {
	n := &names{below: map[string][]string{
		"path.": {"module", "root", "cwd"}, "context.": {"name"},
	}}
	for name := range cfg.Variables {
		n.below["var."] = append(n.below["var."], name)
	}
	for name := range cfg.Locals {
		n.below["local."] = append(n.below["local."], name)
	}
	for _, r := range cfg.Root.Resources {
		n.below[r.Kind+"."] = append(n.below[r.Kind+"."], r.Name)
		attributes := attributesOf(r.Schema.ImpliedType())
		n.below[r.Address()+"."] = attributes
		n.below[r.Address()+"[*]."] = attributes
	}
	for name, call := range cfg.Root.Calls {
		n.below["module."] = append(n.below["module."], name)
		if call.Module == nil {
			continue
		}
		for _, o := range call.Module.Outputs {
			n.below["module."+name+"."] = append(n.below["module."+name+"."], o.Name)
		}
	}
	for root := range n.below {
		if strings.Count(root, ".") == 1 {
			n.roots = append(n.roots, root)
		}
	}
	for name := range lang.Functions() {
		n.roots = append(n.roots, name+"(")
	}
	n.roots = append(n.roots, "type(")
	sort.Strings(n.roots)
	for _, list := range n.below {
		sort.Strings(list)
	}
	return n
}

func attributesOf(ty cty.Type) []string {
	var list []string
	for name := range ty.AttributeTypes() {
		list = append(list, name)
	}
	sort.Strings(list)
	return list
}

// complete implements cli.Complete.
func (n *names) complete(before string) ([]string, int) {
	start := strings.LastIndexFunc(before, func(r rune) bool {
		return !(r == '.' || r == '_' || r == '-' || r == '[' || r == ']' || r == '*' || r == '"' ||
			r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
	}) + 1
	word := before[start:]
	list, prefix := n.roots, ""
	if dot := strings.LastIndexByte(word, '.'); dot >= 0 {
		prefix = word[:dot+1]
		path := prefix
		if open := strings.IndexByte(path, '['); open >= 0 && !strings.Contains(path, "[*]") {
			path = path[:open] + "." // pod.web[0]. has what pod.web. has
		}
		list = n.below[path]
	}
	var found []string
	for _, w := range list {
		if strings.HasPrefix(prefix+w, word) {
			found = append(found, prefix+w)
		}
	}
	return found, start
}
