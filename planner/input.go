package planner

import (
	"context"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/image"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/data"
	"github.com/stowage-iac/stowage/state"
)

// Input is all that a plan is made from.
type Input struct {
	Config *lang.Config
	Inputs lang.Inputs
	State  *state.State
	// Cut tells of an apply that did not end, nil when the last one did.
	Cut   *state.Interrupted
	Kinds map[string]providers.Kind
	// Imports come besides the import blocks of the configuration.
	Imports []lang.Import
	// World is what Refresh read; nil compares with the recorded values only.
	World *providers.World
	// Images tells what hosts lack of images; nil: they lack everything that their
	// agents do not list.
	Images Images
	// Resolve turns a registry reference into NAME@sha256:…; it is asked once per
	// reference. nil: nothing is asked, and prior resolutions stand.
	Resolve func(ref string) (string, error)
	// Data reads a source; see DataReader. nil: nothing is read before the apply.
	Data func(ctx context.Context, req DataRequest) (cty.Value, hcl.Diagnostics)
	// Outside has the keys of encrypted files; may be nil.
	Outside providers.Outside
	Destroy bool // plan the end of everything
	Options
	BaseDir string
	Context string // "" where none is declared
	// Protected: the context is; for those who read the plan.
	Protected bool
	Version   string    // of stowage
	Now       time.Time // becomes Plan.Created, and what plantimestamp returns; an apply of the plan evaluates with the same
}

// Images tells what hosts lack. Fleet implements it.
type Images interface {
	// Missing tells for each image how many bytes the node's containerd lacks.
	Missing(ctx context.Context, node, platform string, images []*image.Image) ([]int64, error)
}

// kindInfo is a kind with what the planner derives from its schema, once.
type kindInfo struct {
	providers.Kind
	codec     *codec
	schema    *schema.Block
	carrier   providers.Carrier // nil unless its instances are hosts
	carried   providers.Carried // nil unless its instances have replicas
	overlap   providers.Overlap // how an object is replaced with create_before_destroy
	exclusive string            // why it cannot be, with NoOverlap
	imager    providers.Imager  // nil unless its instances hold image content
	source    *data.Kind        // nil unless its instances are only read
	computed  []string          // top-level attributes that nobody sets
	sensitive bool              // the schema has sensitive attributes
	writeOnly bool              // the schema has write-only arguments
	outside   outsider          // nil when all of its instances live in the cluster
	refers    bool              // the schema has references to other blocks
}

func newKinds(kinds map[string]providers.Kind) map[string]*kindInfo {
	infos := make(map[string]*kindInfo, len(kinds))
	for name, k := range kinds {
		infos[name] = newKind(k)
	}
	return infos
}

// shareTypes gives the kinds the types that the configuration's values have, so that
// values of both compare without comparing equal types.
func shareTypes(kinds map[string]*kindInfo, config *lang.Config) {
	for name, ty := range config.Types() {
		if k := kinds[name]; k != nil && k.codec.ty.Equals(ty) {
			k.codec = newCodec(ty)
		}
	}
}

// outsider is a kind of which some instances need no node.
type outsider interface {
	// OutsideCluster tells of a value, which is not null, that there is nothing of it in the cluster.
	OutsideCluster(value cty.Value) bool
}

// resides reports whether what a change makes, or ends, lives in the cluster.
func (k *kindInfo) resides(c *Change) bool {
	if k.outside == nil {
		return true
	}
	v := c.After
	if v == cty.NilVal || v.IsNull() {
		v = c.Before
	}
	return v == cty.NilVal || v.IsNull() || !k.outside.OutsideCluster(v)
}

func newKind(k providers.Kind) *kindInfo {
	block := k.Schema()
	info := &kindInfo{Kind: k, schema: block, codec: newCodec(block.ImpliedType()), sensitive: hasSensitive(block), writeOnly: writesOnly(block), refers: refers(block)}
	info.outside, _ = k.(outsider)
	info.carrier, _ = k.(providers.Carrier)
	info.carried, _ = k.(providers.Carried)
	info.imager, _ = k.(providers.Imager)
	info.exclusive = "two objects of this kind cannot stand for one block at once"
	if o, ok := k.(providers.Overlapper); ok {
		info.overlap, info.exclusive = o.Overlap()
	}
	if source, ok := k.(data.Kind); ok {
		info.source = &source
	}
	for name, a := range block.Attributes {
		if a.Computed && !a.Optional && !a.Required {
			info.computed = append(info.computed, name)
		}
	}
	return info
}

func hasSensitive(b *schema.Block) bool {
	for _, a := range b.Attributes {
		if a.Sensitive {
			return true
		}
	}
	for _, nb := range b.Blocks {
		if hasSensitive(&nb.Block) {
			return true
		}
	}
	return false
}

// markSensitive marks what the schema calls sensitive, whoever made the value.
func (k *kindInfo) markSensitive(v cty.Value) cty.Value {
	if !k.sensitive || v == cty.NilVal {
		return v
	}
	return markBlock(k.schema, v)
}

// markBlock marks what is not marked yet: most is, and an object is not made anew for it.
func markBlock(b *schema.Block, v cty.Value) cty.Value {
	obj, marks := v.Unmark()
	if !usable(obj) {
		return v
	}
	set := map[string]cty.Value{}
	for name, a := range b.Attributes {
		if !a.Sensitive {
			continue
		}
		av, _ := lang.Attribute(obj, name)
		if av.IsKnown() && plain(av).IsNull() {
			continue
		}
		if marked := av.WithMarks(lang.Sensitive); !marked.HasSameMarks(av) {
			set[name] = marked
		}
	}
	for name, nb := range b.Blocks {
		if !hasSensitive(&nb.Block) {
			continue
		}
		before, _ := lang.Attribute(obj, name)
		if after := markNested(nb, before); !lang.Same(before, after) {
			set[name] = after
		}
	}
	if len(set) == 0 {
		return v
	}
	return lang.WithAttributes(obj, set).WithMarks(marks)
}

func markNested(nb *schema.NestedBlock, v cty.Value) cty.Value {
	if nb.Nesting == schema.Single {
		return markBlock(&nb.Block, v)
	}
	list, marks := v.Unmark()
	if !usable(list) || list.LengthInt() == 0 {
		return v
	}
	elems := lang.Elements(list)
	for i := range elems {
		elems[i] = markBlock(&nb.Block, elems[i])
	}
	return cty.ListVal(elems).WithMarks(marks)
}

// withUnknown returns the object with what only apply decides made unknown.
func (k *kindInfo) withUnknown(v cty.Value) cty.Value {
	set := make(map[string]cty.Value, len(k.computed))
	for _, name := range k.computed {
		set[name] = cty.UnknownVal(k.schema.Attributes[name].Type)
	}
	return providers.With(v, set)
}

// empty is an object with every attribute null: what is known of something that
// exists and was never recorded.
func (k *kindInfo) empty() cty.Value {
	m := make(map[string]cty.Value, len(k.codec.attrs))
	for _, a := range k.codec.attrs {
		m[a.name] = a.null
	}
	return cty.ObjectVal(m)
}

// errorf makes one error diagnostic.
func errorf(subject *hcl.Range, summary, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: subject}
}
