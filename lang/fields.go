package lang

import "github.com/zclconf/go-cty/cty"

// Fields reads the same attributes of many objects, most of which share one type: a pass
// over the object finds them all. It is not for concurrent use.
type Fields struct {
	names  []string
	number map[string]int
	of     map[string]cty.Type // attributes of the type that types are for
	types  []cty.Type          // by number; the zero Type where it has no such attribute
}

// NewFields makes a reader of attributes, which have the numbers that they have in names.
func NewFields(names []string) *Fields {
	f := &Fields{names: names, number: make(map[string]int, len(names)), types: make([]cty.Type, len(names))}
	for i, name := range names {
		f.number[name] = i
	}
	return f
}

// Read sets to, which is as long as the names, to the Part that each name is of v.
func (f *Fields) Read(to []cty.Value, v cty.Value) {
	attrs, ok := raw(v).(map[string]any)
	if !ok || !layoutKnown || !v.Type().IsObjectType() {
		for i, name := range f.names {
			to[i] = Part(v, name)
		}
		return
	}
	if of := v.Type().AttributeTypes(); !sharedMap(of, f.of) {
		f.of = of
		for i, name := range f.names {
			f.types[i] = of[name]
		}
	}
	for i, ty := range f.types {
		to[i] = fromRaw(ty, nil) // null, or cty.NilVal
	}
	for name, attr := range attrs {
		if attr == nil {
			continue
		}
		if i, ok := f.number[name]; ok {
			to[i] = fromRaw(f.types[i], attr)
		}
	}
}
