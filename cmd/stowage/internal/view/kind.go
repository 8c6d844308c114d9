package view

import (
	"io"
	"sort"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers/data"
)

// Kind explains a kind of block: its arguments, its nested blocks and its attributes.
func (v View) Kind(w io.Writer, name string, s *schema.Block) error {
	var b strings.Builder
	b.WriteString(v.Bold(kindHeader(name)+` "NAME"`) + "\n" + wrap(s.Doc, 80) + "\n")
	v.describe(&b, "  ", s)
	_, err := io.WriteString(w, b.String())
	return err
}

// kindHeader is how a block of a kind begins: pod, data "file".
func kindHeader(kind string) string {
	if source, ok := strings.CutPrefix(kind, data.Prefix); ok {
		return "data " + quote(source)
	}
	return kind
}

func (v View) describe(b *strings.Builder, indent string, s *schema.Block) {
	m := membersOf(s)
	longest := 0
	for _, a := range m.attrs {
		longest = max(longest, len(a.name))
	}
	for _, a := range m.attrs {
		facts := attributeFacts(a.schema)
		b.WriteString(indent + v.Bold(a.name) + strings.Repeat(" ", longest-len(a.name)+2) + facts + "\n")
		for _, doc := range []string{a.schema.Doc, later(a.schema.Later)} {
			if doc != "" {
				b.WriteString(indentLines(wrap(doc, 76-len(indent)), indent+"    ") + "\n")
			}
		}
	}
	for _, n := range m.blocks {
		head := n.name
		if n.schema.Label != "" {
			head += ` "` + strings.ToUpper(n.schema.Label) + `"`
		}
		b.WriteString("\n" + indent + v.Bold(head) + "  " + blockFacts(n.schema) + "\n")
		for _, doc := range []string{n.schema.Doc, later(n.schema.Later)} {
			if doc != "" {
				b.WriteString(indentLines(wrap(doc, 76-len(indent)), indent+"    ") + "\n")
			}
		}
		v.describe(b, indent+"  ", &n.schema.Block)
	}
}

func later(text string) string {
	if text == "" {
		return ""
	}
	return "Not in this version: " + text
}

func indentLines(s, indent string) string {
	return indent + strings.ReplaceAll(s, "\n", "\n"+indent)
}

func attributeFacts(a *schema.Attribute) string {
	facts := []string{typeText(a)}
	switch {
	case a.Required:
		facts = append(facts, "required")
	case a.Computed && !a.Optional:
		facts = append(facts, "read only")
	case a.Default != cty.NilVal && !a.Default.IsNull():
		facts = append(facts, "default "+inline(a.Default))
	}
	switch {
	case a.WriteOnly:
		facts = append(facts, "write-only")
	case a.Sensitive:
		facts = append(facts, "sensitive")
	}
	if a.Replace != "" {
		facts = append(facts, "a change replaces the resource")
	}
	return strings.Join(facts, ", ")
}

func typeText(a *schema.Attribute) string {
	if a.Ref == nil {
		return a.Type.FriendlyNameForConstraint()
	}
	kinds := append([]string{}, a.Ref.Kinds...)
	sort.Strings(kinds)
	text := "reference to " + strings.Join(kinds, " or ")
	if a.Ref.OrString {
		text += ", or string"
	}
	return text
}

func blockFacts(n *schema.NestedBlock) string {
	switch {
	case n.Nesting == schema.Single && n.Required:
		return "block, required"
	case n.Nesting == schema.Single:
		return "block, at most one"
	case n.Min == 1 && n.Max == 0:
		return "blocks, at least one"
	}
	return "blocks, any number"
}

// KindDocument is a block for a program.
type KindDocument struct {
	Description string                       `json:"description,omitempty"`
	Attributes  map[string]AttributeDocument `json:"attributes"`
	Blocks      map[string]BlockDocument     `json:"block_types,omitempty"`
}

// AttributeDocument is an argument or attribute.
type AttributeDocument struct {
	Type        cty.Type `json:"type"`
	Description string   `json:"description,omitempty"`
	Required    bool     `json:"required,omitempty"`
	Optional    bool     `json:"optional,omitempty"`
	Computed    bool     `json:"computed,omitempty"`
	Sensitive   bool     `json:"sensitive,omitempty"`
	WriteOnly   bool     `json:"write_only,omitempty"`
	Default     any      `json:"default,omitempty"`
	References  []string `json:"references,omitempty"`
	Replaces    string   `json:"replaces,omitempty"`    // why a change replaces the resource
	Unsupported string   `json:"unsupported,omitempty"` // what to do instead in this version
}

// BlockDocument is a nested block.
type BlockDocument struct {
	Nesting     string `json:"nesting"` // single, list
	Label       string `json:"label,omitempty"`
	Min         int    `json:"min_items,omitempty"`
	Max         int    `json:"max_items,omitempty"`
	Unsupported string `json:"unsupported,omitempty"`
	KindDocument
}

// KindsDocument are the kinds for a program: docs/schema/kinds.schema.json.
type KindsDocument struct {
	FormatVersion string                  `json:"format_version"`
	Kinds         map[string]KindDocument `json:"kinds"`
}

// KindsJSON writes the kinds as one document.
func KindsJSON(w io.Writer, kinds map[string]*schema.Block) error {
	out := KindsDocument{FormatVersion: "1.0", Kinds: map[string]KindDocument{}}
	for name, s := range kinds {
		out.Kinds[name] = kindDocument(s)
	}
	return JSON(w, out)
}

func kindDocument(s *schema.Block) KindDocument {
	d := KindDocument{Description: s.Doc, Attributes: map[string]AttributeDocument{}, Blocks: map[string]BlockDocument{}}
	for name, a := range s.Attributes {
		j := AttributeDocument{
			Type: a.Type, Description: a.Doc, Required: a.Required, Optional: a.Optional,
			Computed: a.Computed, Sensitive: a.Sensitive, WriteOnly: a.WriteOnly, Replaces: a.Replace, Unsupported: a.Later,
		}
		if a.Default != cty.NilVal && !a.Sensitive {
			j.Default = redacted(a.Default)
		}
		if a.Ref != nil {
			j.References, j.Type = a.Ref.Kinds, cty.DynamicPseudoType
			if a.Ref.OrString {
				j.Type = cty.String
			}
		}
		d.Attributes[name] = j
	}
	for name, n := range s.Blocks {
		j := BlockDocument{Nesting: "list", Label: n.Label, Min: n.Min, Max: n.Max, Unsupported: n.Later, KindDocument: kindDocument(&n.Block)}
		if n.Nesting == schema.Single {
			j.Nesting = "single"
		}
		d.Blocks[name] = j
	}
	return d
}
