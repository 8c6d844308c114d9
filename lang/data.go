package lang

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// A data block, data "file" "site", is a block of the kind data.file. It differs
// from other blocks in how it is written and referred to, and is evaluated as they are.
const (
	dataRoot   = "data"
	dataPrefix = dataRoot + "."
)

func isData(kind string) bool { return strings.HasPrefix(kind, dataPrefix) }

// namedBy is how many steps of a reference name the block: two of pod.web, three
// of data.file.site; not more than there are.
func namedBy(t hcl.Traversal) int {
	if t.RootName() == dataRoot {
		return min(3, len(t))
	}
	return min(2, len(t))
}

// words is a kind within a sentence: pod, data "file".
func words(kind string) string {
	if ty, ok := strings.CutPrefix(kind, dataPrefix); ok {
		return dataRoot + " " + quote(ty)
	}
	return kind
}

// header is how a block begins: pod "web", data "file" "site".
func header(kind, name string) string { return words(kind) + " " + name }

// kinds are the types of resource blocks, sorted.
func (l *loader) kinds() []string {
	var all []string
	for _, kind := range keysOf(l.opts.Schemas) {
		if !isData(kind) {
			all = append(all, kind)
		}
	}
	return all
}

// sources are the types of data blocks, sorted.
func (l *loader) sources() []string {
	var all []string
	for _, kind := range keysOf(l.opts.Schemas) {
		if isData(kind) {
			all = append(all, strings.TrimPrefix(kind, dataPrefix))
		}
	}
	return all
}

// declareData declares a data block, of a check or, with nil, of the module. It returns
// nil when something is wrong with how the block begins.
func (l *loader) declareData(b *hclsyntax.Block, check *Check) *Resource {
	if len(b.Labels) == 1 && l.opts.Schemas[dataPrefix+b.Labels[0]] == nil {
		l.unknownSource(b.LabelRanges[0], b.Labels[0])
		return nil
	}
	if !l.labels(b, "type", "name") {
		return nil
	}
	s := l.opts.Schemas[dataPrefix+b.Labels[0]]
	if s == nil {
		l.unknownSource(b.LabelRanges[0], b.Labels[0])
		return nil
	}
	return l.declareResource(b, dataPrefix+b.Labels[0], b.Labels[1], s, check)
}

func (l *loader) unknownSource(rng hcl.Range, name string) {
	hint := didYouMean(name, l.sources())
	if hint == "" {
		hint = " There is " + listWords(l.sources(), "and") + "."
	}
	l.errorf("Unknown source of data", rng, "There is no data source %q.%s", name, hint)
}

// kindOf is the kind of block that a traversal refers to. It reports those that
// there are not.
func (l *loader) kindOf(t hcl.Traversal, rng hcl.Range) (string, bool) {
	kind := t.RootName()
	if kind != dataRoot {
		if l.opts.Schemas[kind] == nil || isData(kind) {
			l.unknownRoot(t, rng, kind)
			return "", false
		}
		return kind, true
	}
	ty, ok := step(t, 1)
	if !ok {
		l.errorf("Incomplete reference", rng, "data needs the type and the name of a data block: data.TYPE.NAME.")
		return "", false
	}
	if l.opts.Schemas[dataPrefix+ty] == nil {
		l.unknownSource(rng, ty)
		return "", false
	}
	return dataPrefix + ty, true
}

// labelsMissing is how the block would begin with all of its labels.
func (l *loader) labelsMissing(b *hclsyntax.Block, want []string) string {
	parts := make([]string, len(want))
	for i, w := range want {
		parts[i] = fmt.Sprintf("%q", w)
		if i < len(b.Labels) {
			parts[i] = quote(b.Labels[i])
		}
	}
	return b.Type + " " + strings.Join(parts, " ")
}
