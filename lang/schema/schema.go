// Package schema is the vocabulary in which a kind of block describes itself:
// its arguments, its nested blocks, what they mean and when a change of them
// replaces the resource. lang decodes bodies by it, the planner diffs by it,
// the CLI prints help and editor schemas from it.
package schema

import (
	"github.com/zclconf/go-cty/cty"
)

// Block describes the body of a block.
type Block struct {
	Doc        string
	Attributes map[string]*Attribute
	Blocks     map[string]*NestedBlock
}

// Attribute is one argument (set by the user) or attribute (computed), or both.
type Attribute struct {
	Type     cty.Type
	Required bool
	// Optional arguments that are absent take Default; cty.NilVal means null.
	Optional bool
	Default  cty.Value
	// Computed attributes are known after apply, unless the kind's Plan knows better.
	Computed  bool
	Sensitive bool
	// WriteOnly arguments may be ephemeral: the kind gets them, and they are recorded
	// nowhere. Their names end in _wo, and they are Sensitive.
	WriteOnly bool
	// Replace, when not empty, says why a change replaces the resource instead of updating it.
	Replace string
	// Ref, when not nil, makes the argument a reference to another block; Type is then RefType
	// or, with Ref.OrString, cty.String; or a list or set of these.
	Ref *Ref
	// Validate checks a known, non-null, unmarked value. The error is one sentence
	// saying what is wrong and what is right; lang adds file, line and snippet.
	Validate func(cty.Value) error
	// Later, when not empty, says that this version refuses the argument and what to do instead.
	Later string
	Doc   string
}

// Ref says what an argument may refer to.
type Ref struct {
	Kinds []string // e.g. {"image"}
	// OrString also accepts a string; a reference then becomes the block's
	// attribute As (e.g. image = image.web becomes image.web.ref).
	OrString bool
	As       string
	// Weak references make no dependency and may point to the block itself or in a
	// circle (pods that keep apart from each other): the version is always "".
	// References to a block as a whole name all of its instances by the block's address.
	Weak bool
}

// RefType is the type of a value decoded from a reference (not OrString): the
// address of the instance and its version, where its kind has one ("" otherwise).
// A change of the version is a change of the referrer.
var RefType = cty.Object(map[string]cty.Type{"address": cty.String, "version": cty.String})

// Nesting says how a nested block appears in the value.
type Nesting int

const (
	// Single: at most one; an object, null when absent.
	Single Nesting = iota
	// List: any number, in the order of the file; a list of objects. The block's
	// label, if it has one, is the attribute named by NestedBlock.Label.
	List
)

// NestedBlock describes a nested block.
type NestedBlock struct {
	Nesting  Nesting
	Label    string // name of the attribute that holds the label; "" when unlabelled
	Min, Max int    // of List; Max 0: no limit. Labels are unique among siblings.
	Required bool   // of Single
	Block
	// Replace, Later: as in Attribute, for the block as a whole.
	Replace string
	Later   string
}

// ImpliedType is the object type of a value of the block: every attribute and nested block.
func (b *Block) ImpliedType() cty.Type {
	atys := make(map[string]cty.Type, len(b.Attributes)+len(b.Blocks))
	for name, a := range b.Attributes {
		atys[name] = a.Type
	}
	for name, nb := range b.Blocks {
		ty := nb.ObjectType()
		if nb.Nesting == List {
			ty = cty.List(ty)
		}
		atys[name] = ty
	}
	return cty.Object(atys)
}

// ObjectType is the type of one of the blocks: its attributes, nested blocks and label.
func (nb *NestedBlock) ObjectType() cty.Type {
	ty := nb.Block.ImpliedType()
	if nb.Label == "" {
		return ty
	}
	atys := ty.AttributeTypes()
	m := make(map[string]cty.Type, len(atys)+1)
	for k, v := range atys {
		m[k] = v
	}
	m[nb.Label] = cty.String
	return cty.Object(m)
}
