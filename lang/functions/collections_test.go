package functions

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	"pgregory.net/rapid"
)

// anyType draws a type whose values can be compared.
func anyType(t *rapid.T, depth int) cty.Type {
	kinds := []string{"string", "number", "bool", "list", "set", "map", "object", "tuple"}
	if depth == 0 {
		kinds = kinds[:3]
	}
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "string":
		return cty.String
	case "number":
		return cty.Number
	case "bool":
		return cty.Bool
	case "list":
		return cty.List(anyType(t, depth-1))
	case "set":
		return cty.Set(anyType(t, depth-1))
	case "map":
		return cty.Map(anyType(t, depth-1))
	case "object":
		return cty.Object(map[string]cty.Type{"a": anyType(t, depth-1), "b": anyType(t, depth-1)})
	}
	return cty.Tuple([]cty.Type{anyType(t, depth-1)})
}

// valueOf draws one of few values of a type, so that equal ones are frequent.
func valueOf(t *rapid.T, ty cty.Type, marks, unknown bool) cty.Value {
	dice := rapid.IntRange(0, 39).Draw(t, "dice")
	switch {
	case dice == 0:
		return cty.NullVal(ty)
	case dice == 1 && unknown:
		return cty.UnknownVal(ty)
	case dice == 2 && marks:
		return valueOf(t, ty, false, unknown).Mark("m")
	}
	several := func() []cty.Value {
		vals := make([]cty.Value, rapid.IntRange(1, 2).Draw(t, "elements"))
		for i := range vals {
			vals[i] = valueOf(t, ty.ElementType(), marks, unknown)
		}
		return vals
	}
	switch {
	case ty == cty.String:
		return cty.StringVal(rapid.SampledFrom([]string{"", "a", "b", "1"}).Draw(t, "text"))
	case ty == cty.Number:
		return cty.MustParseNumberVal(rapid.SampledFrom([]string{"0", "-0", "1", "1.0", "0.1", "1e30", "1000000000001", "1000000000002", "1e-30"}).Draw(t, "number"))
	case ty == cty.Bool:
		return cty.BoolVal(rapid.Bool().Draw(t, "bool"))
	case ty.IsListType():
		return cty.ListVal(several())
	case ty.IsSetType():
		return cty.SetVal(several())
	case ty.IsMapType():
		m := map[string]cty.Value{}
		for _, v := range several() {
			m[rapid.SampledFrom([]string{"x", "y"}).Draw(t, "key")] = v
		}
		return cty.MapVal(m)
	case ty.IsObjectType():
		m := map[string]cty.Value{}
		for _, name := range slices.Sorted(maps.Keys(ty.AttributeTypes())) {
			m[name] = valueOf(t, ty.AttributeType(name), marks, unknown)
		}
		return cty.ObjectVal(m)
	}
	return cty.TupleVal([]cty.Value{valueOf(t, ty.TupleElementType(0), marks, unknown)})
}

func listOf(t *rapid.T, ty cty.Type) cty.Value {
	vals := make([]cty.Value, rapid.IntRange(0, 12).Draw(t, "length"))
	unknown := rapid.IntRange(0, 3).Draw(t, "unknown") == 0
	for i := range vals {
		vals[i] = valueOf(t, ty, true, unknown)
	}
	if len(vals) == 0 {
		return cty.ListValEmpty(ty)
	}
	return cty.ListVal(vals)
}

func same(t *rapid.T, got, want function.Function, args ...cty.Value) {
	v, err := got.Call(args)
	w, wantErr := want.Call(args)
	if fmt.Sprint(err) != fmt.Sprint(wantErr) || err == nil && !v.RawEquals(w) {
		t.Fatalf("%#v: %#v, %v; want %#v, %v", args, v, err, w, wantErr)
	}
}

// distinct is cty's, with its order, marks, nulls and unknown values.
func TestDistinct(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { same(t, distinctFunc, stdlib.DistinctFunc, listOf(t, anyType(t, 2))) })
}

// slowMatchKeys compares each with each.
var slowMatchKeys = function.New(&function.Spec{
	Params: matchKeysFunc.Params(), RefineResult: notNull,
	Type: func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() || !args[1].IsWhollyKnown() || !args[2].IsWhollyKnown() {
			return cty.UnknownVal(ty), nil
		}
		var found []cty.Value
		for i, key := range args[1].AsValueSlice() {
			for _, s := range args[2].AsValueSlice() {
				if eq, err := stdlib.Equal(key, s); err == nil && eq.IsKnown() && eq.True() {
					found = append(found, args[0].AsValueSlice()[i])
					break
				}
			}
		}
		if len(found) == 0 {
			return cty.ListValEmpty(ty.ElementType()), nil
		}
		return cty.ListVal(found), nil
	},
})

func TestMatchKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ty := anyType(t, 2)
		keys := listOf(t, ty)
		search := listOf(t, rapid.SampledFrom([]cty.Type{ty, ty, anyType(t, 1)}).Draw(t, "search"))
		same(t, matchKeysFunc, slowMatchKeys, keys, keys, search)
	})
}

// vague reports whether there is a set in v of which it is not known how many elements it has.
func vague(v cty.Value) bool {
	found := false
	_ = cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		v, _ = v.Unmark()
		found = found || v.Type().IsSetType() && v.IsKnown() && !v.IsNull() && !v.Length().IsKnown()
		return !found, nil
	})
	return found
}

// typed is a conversion that fails or gives what was asked for.
func typed(t *rapid.T, v cty.Value, ty cty.Type) {
	if got, err := Convert(v, ty); err == nil && !ty.HasDynamicTypes() && got.Type().TestConformance(ty.WithoutOptionalAttributesDeep()) != nil || err != nil && strings.Contains(err.Error(), "panic") {
		t.Fatalf("%#v as %#v: %#v, %v", v, ty, got, err)
	}
}

// What is converted in linear time is what cty makes of it, but for sets of a length that
// is not known: cty makes lists of them that have other types than it was asked for.
func TestLinear(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		types := []cty.Type{anyType(t, 2), anyType(t, 2), anyType(t, 1)}[:rapid.IntRange(1, 3).Draw(t, "types")]
		vals := make([]cty.Value, wideEnough+rapid.IntRange(0, 3).Draw(t, "more"))
		attrs := map[string]cty.Value{}
		first := rapid.IntRange(0, 5).Draw(t, "first")
		for i := range vals {
			vals[i] = valueOf(t, types[max(0, (i-first)%len(types))], true, true)
			attrs[fmt.Sprintf("k%02d", i)] = vals[i]
		}
		tuple := cty.TupleVal(vals)
		for _, ty := range []cty.Type{cty.List(cty.DynamicPseudoType), cty.Set(cty.DynamicPseudoType), cty.List(types[0]), cty.Set(cty.String)} {
			if vague(tuple) {
				typed(t, tuple, ty)
				continue
			}
			same(t, toFunc(ty), stdlib.MakeToFunc(ty), tuple)
		}
		if vague(tuple) {
			typed(t, cty.ObjectVal(attrs), cty.Map(cty.DynamicPseudoType))
			return
		}
		same(t, toFunc(cty.Map(cty.DynamicPseudoType)), stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)), cty.ObjectVal(attrs))
	})
}

// plain leaves out what is refined of unknown values.
func plain(v cty.Value) cty.Value {
	v, err := cty.Transform(v, func(_ cty.Path, v cty.Value) (cty.Value, error) {
		if bare, marks := v.Unmark(); !bare.IsKnown() {
			return cty.UnknownVal(v.Type()).WithMarks(marks), nil
		}
		return v, nil
	})
	if err != nil {
		panic(err)
	}
	return v
}

// A set with unknown elements becomes an unknown list of the type that is asked for.
func TestUnknownSetBecomesList(t *testing.T) {
	set := cty.SetVal([]cty.Value{cty.Zero, cty.UnknownVal(cty.Number)})
	texts := cty.List(cty.String)
	list := cty.UnknownVal(texts)
	object := func(v cty.Value) cty.Value { return cty.ObjectVal(map[string]cty.Value{"a": v}) }
	wide, want, attrs := make([]cty.Value, wideEnough), make([]cty.Value, wideEnough), map[string]cty.Value{}
	for i := range wide {
		wide[i], want[i] = cty.TupleVal([]cty.Value{cty.StringVal("a")}), cty.ListVal([]cty.Value{cty.StringVal("a")})
		attrs[fmt.Sprintf("k%02d", i)] = want[i]
	}
	wide[7], want[7], attrs["k07"] = set, list, list
	named := map[string]cty.Value{}
	for i, v := range wide {
		named[fmt.Sprintf("k%02d", i)] = v
	}
	for _, c := range []struct{ v, want cty.Value }{
		{set, list}, {set.Mark("m"), list.Mark("m")}, {object(set), object(list)},
		{cty.TupleVal(wide), cty.ListVal(want)}, {cty.TupleVal(wide), cty.SetVal(want)}, {cty.ObjectVal(named), cty.MapVal(attrs)},
	} {
		if got, err := Convert(c.v, c.want.Type()); err != nil || !got.Type().Equals(c.want.Type()) || !plain(got).RawEquals(c.want) {
			t.Errorf("%#v: %#v, %v; want %#v", c.v, got, err, c.want)
		}
	}
}

// Comparing each with each would take many minutes.
func TestLarge(t *testing.T) {
	const n = 30_000
	objects, texts, numbers := make([]cty.Value, n), make([]cty.Value, n), make([]cty.Value, n)
	for i := range n {
		texts[i], numbers[i] = cty.StringVal(fmt.Sprintf("k%d", i)), cty.NumberIntVal(int64(i/2)+1e12)
		if objects[i] = cty.ObjectVal(map[string]cty.Value{"a": texts[i]}); i%2 == 0 {
			objects[i] = cty.ObjectVal(map[string]cty.Value{"a": cty.Zero})
		}
	}
	table := constant()
	for _, c := range []struct {
		name string
		args []cty.Value
		want int
	}{
		{"distinct", []cty.Value{cty.TupleVal(texts)}, n}, {"distinct", []cty.Value{cty.ListVal(numbers)}, n / 2},
		{"distinct", []cty.Value{cty.TupleVal(objects)}, n/2 + 1}, {"tolist", []cty.Value{cty.TupleVal(objects)}, n},
		{"tolist", []cty.Value{cty.TupleVal(append(texts, numbers...))}, 2 * n}, {"toset", []cty.Value{cty.TupleVal(texts)}, n},
		{"matchkeys", []cty.Value{cty.TupleVal(texts), cty.TupleVal(numbers), cty.TupleVal(numbers)}, n},
		{"setproduct", []cty.Value{cty.TupleVal(texts), cty.TupleVal(texts[:1])}, n}, {"chunklist", []cty.Value{cty.TupleVal(texts), cty.NumberIntVal(2)}, n / 2},
		{"sort", []cty.Value{cty.TupleVal(texts)}, n}, {"compact", []cty.Value{cty.TupleVal(texts)}, n},
	} {
		v, err := table[c.name].Call(c.args)
		if err != nil || v.LengthInt() != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if v, err := table["coalesce"].Call(append([]cty.Value{cty.NullVal(cty.String)}, texts...)); err != nil || v.AsString() != "k0" {
		t.Error(v, err)
	}
	many := make([]cty.Value, 2*maxTypes)
	for i := range many {
		many[i] = cty.ObjectVal(map[string]cty.Value{fmt.Sprintf("k%d", i): cty.Zero})
	}
	if _, err := table["tolist"].Call([]cty.Value{cty.TupleVal(many)}); err == nil || err.Error() != "its elements have more than 1000 types" {
		t.Error(err)
	}
}
