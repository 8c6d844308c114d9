package lang

import (
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// TestWritten: what is taken for written out has the value of the expression, converted.
func TestWritten(t *testing.T) {
	types := []cty.Type{
		cty.String, cty.Number, cty.Bool, cty.List(cty.String), cty.List(cty.Number), cty.Set(cty.String), cty.Map(cty.String), cty.Map(cty.Bool),
		cty.List(cty.List(cty.String)), cty.Object(map[string]cty.Type{"a": cty.String}), cty.DynamicPseudoType,
	}
	for src, wants := range map[string]cty.Type{ // the type for which it must be found, if any
		`"x"`: cty.String, `""`: cty.NilType, `1.5`: cty.Number, `true`: cty.Bool, `null`: cty.NilType, `"1"`: cty.String, `-1`: cty.NilType,
		`["a", "b"]`: cty.List(cty.String), `[1, 2]`: cty.List(cty.Number), `["a", 1]`: cty.NilType, `["a", null]`: cty.NilType, `[]`: cty.NilType,
		`{ a = "x", b = "y" }`: cty.Map(cty.String), `{ "a" = true }`: cty.Map(cty.Bool), `{ a = "x", a = "y" }`: cty.NilType, `{ (a) = "x" }`: cty.NilType,
		`{ a.b = "x" }`: cty.NilType, `{ a = 1, b = "y" }`: cty.NilType, `{}`: cty.NilType, `["a${1}"]`: cty.NilType, `("x")`: cty.NilType,
		"{ e\u0301 = \"e\u0301\" }": cty.Map(cty.String), "\"e\u0301\"": cty.String, "<<E\nx\nE\n": cty.String,
	} {
		e, diags := hclsyntax.ParseExpression([]byte(src), "", hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatal(src, diags)
		}
		for _, ty := range types {
			v, ok := (&frame{}).written(e, ty)
			if ty == wants || wants != cty.NilType && wants.Equals(ty) {
				if !ok {
					t.Errorf("%s is not found to be %s", src, ty.FriendlyName())
				}
			}
			if !ok {
				continue
			}
			want, diags := e.Value(nil)
			if want, err := convert.Convert(want, ty); diags.HasErrors() || err != nil || !v.RawEquals(want) {
				t.Errorf("%s as %s is %#v, and not %#v (%v, %v)", src, ty.FriendlyName(), v, want, diags, err)
			}
		}
	}
}

// TestFresh: a value that is said to be nobody else's can be overwritten without anybody
// seeing it, and what is said to be known is.
func TestFresh(t *testing.T) {
	w := evaluateAll(t, mustLoad(t, `
image "i" { from = "x" }
config "c" { files = { a = "b" } }
locals { labels = { a = "b" } }
pod "alone" {
  labels = { a = "b" }
  container "a" {
    image = "x"
    args  = ["y"]
    mount "/c" { config = config.c }
  }
  dynamic "container" {
    for_each = ["b"]
    labels   = [container.value]
    content { image = "x" }
  }
}
pod "local" {
  labels = local.labels
  container "a" { image = "x" }
}
pod "unknown" {
  container "a" { image = image.i }
}
pod "two" {
  count = 2
  container "a" { image = "x" }
}
`), versions)
	for address, fresh := range map[string]bool{"pod.alone": true, "pod.local": true, "pod.unknown": true, "pod.two[0]": false, "pod.two[1]": false} {
		if inst := w.instances[address]; inst.Fresh != fresh {
			t.Errorf("%s is fresh: %t", address, inst.Fresh)
		}
	}
	known := 0
	for b := range w.e.Blocks() {
		keys, _ := w.e.Expand(b)
		for _, key := range keys {
			inst, _ := w.e.Decode(b, key)
			if inst.Known {
				known++
			}
			if inst.Known && !inst.Config.IsWhollyKnown() {
				t.Errorf("%s is not known", inst.Address)
			}
			if !inst.Fresh {
				continue
			}
			want := text(t, inst.Config)
			scribble(inst.Config)
			if inst.Config.IsWhollyKnown() {
				t.Errorf("%s cannot be overwritten", inst.Address)
			}
			if again, _ := w.e.Decode(b, key); text(t, again.Config) != want {
				t.Errorf("%s was %s, and is %s", inst.Address, want, text(t, again.Config))
			}
		}
	}
	if known < 4 {
		t.Errorf("%d instances are known", known)
	}
	if local := text(t, w.instances["pod.local"].Config.GetAttr("labels")); local != `{"a":"b"}` {
		t.Errorf("a local value became %s", local)
	}
}

// scribble overwrites all attributes of an object, and of the blocks within.
func scribble(obj cty.Value) {
	for name, ty := range obj.Type().AttributeTypes() {
		if blocks, ok := Listed(obj, name); ok && ty.IsListType() && ty.ElementType().IsObjectType() {
			for _, b := range blocks {
				scribble(b)
			}
			continue
		}
		Overwrite(obj, Attr{name, cty.UnknownVal(ty)})
	}
}

// TestShortWays: what the short ways to attributes say is what the long ones say.
func TestShortWays(t *testing.T) {
	secret := cty.StringVal("s").WithMarks(Sensitive)
	obj := cty.ObjectVal(map[string]cty.Value{
		"text": cty.StringVal("x"), "number": cty.NumberIntVal(1), "bool": cty.False, "null": cty.NullVal(cty.String), "unknown": cty.UnknownVal(cty.String),
		"secret": secret, "list": cty.ListVal([]cty.Value{cty.StringVal("x"), secret}), "empty": cty.ListValEmpty(cty.String), "none": cty.NullVal(cty.List(cty.String)),
		"set": cty.SetVal([]cty.Value{cty.StringVal("x")}), "tuple": cty.TupleVal([]cty.Value{cty.True}), "marked": cty.ListVal([]cty.Value{cty.True}).WithMarks(Sensitive),
		"map": cty.MapVal(map[string]cty.Value{"a": cty.StringVal("x")}), "unlisted": cty.UnknownVal(cty.List(cty.String)),
	})
	for name, v := range obj.AsValueMap() {
		x, simple := Simple(obj, name)
		plain := !v.IsMarked() && v.IsKnown() && (v.IsNull() || v.Type().IsPrimitiveType())
		if simple != plain || simple && !fromRaw(v.Type(), x).RawEquals(v) {
			t.Errorf("%s: %v, %t", name, x, simple)
		}
		elems, listed := Listed(obj, name)
		if want := !v.IsMarked() && v.IsKnown() && (v.IsNull() || v.Type().IsListType()); listed != want {
			t.Errorf("%s is listed: %t", name, listed)
		} else if n := 0; listed {
			if !v.IsNull() {
				n = v.LengthInt()
			}
			if len(elems) != n || n > 0 && !cty.ListVal(elems).RawEquals(v) {
				t.Errorf("%s has the elements %#v", name, elems)
			}
		}
		for other := range obj.AsValueMap() {
			changed := With(obj, Attr{other, cty.NullVal(obj.Type().AttributeType(other))})
			same := changed.GetAttr(other).RawEquals(obj.GetAttr(other))
			if SameBut(obj, changed, name) != (same || name == other) || SameBut(obj, changed, name, other) != true {
				t.Errorf("but for %s, with another %s, it is not told right", name, other)
			}
		}
	}
	for _, odd := range []cty.Value{obj.WithMarks(Sensitive), cty.NullVal(obj.Type()), cty.UnknownVal(obj.Type()), cty.StringVal("x"), cty.MapValEmpty(cty.String), cty.DynamicVal} {
		_, simple := Simple(odd, "text")
		_, listed := Listed(odd, "list")
		if simple || listed || SameBut(odd, obj) || SameBut(obj, odd) || Overwrite(odd, Attr{"text", cty.StringVal("y")}) {
			t.Errorf("%#v is taken for an object", odd)
		}
	}
	if Overwrite(obj, Attr{"text", cty.StringVal("y")}, Attr{"number", cty.True}) || obj.GetAttr("text").AsString() != "x" {
		t.Error("a value of another type was set, or half of it")
	}
	for name, v := range map[string]cty.Value{
		"map": obj.GetAttr("map"), "list": cty.ListVal([]cty.Value{cty.StringVal("x")}), "marked list": obj.GetAttr("list"), "null": obj.GetAttr("none"),
		"unknown": obj.GetAttr("unlisted"), "null in it": cty.ListVal([]cty.Value{cty.NullVal(cty.String)}), "numbers": cty.ListVal([]cty.Value{cty.Zero}),
	} {
		all := AllTexts(v, func(key, text string) bool { return text == "x" && (key == "a") == (name == "map") })
		if all != (name == "map" || name == "list") {
			t.Errorf("%s: all are right: %t", name, all)
		}
		if all && AllTexts(v, func(string, string) bool { return false }) {
			t.Errorf("%s: all are right, and none is", name)
		}
	}
}
