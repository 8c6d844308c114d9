package lang

import (
	"fmt"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"
)

// drawKey makes a key, or none; strings hold whatever could mislead a parser.
func drawKey(t *rapid.T, label string) cty.Value {
	return rapid.OneOf(
		rapid.Just(cty.NilVal),
		rapid.Map(rapid.Int64Range(0, 1<<40), cty.NumberIntVal),
		rapid.Map(rapid.String(), cty.StringVal),
		rapid.Map(rapid.SampledFrom([]string{"${x}", "$${x}", "%{if}", `"`, `\`, `\"]`, "a]b", "\n", "$", "$${", "a.b[0]", `"].pod.x["`, "0"}), cty.StringVal),
	).Draw(t, label)
}

func drawAddress(t *rapid.T, label string) Address {
	name := rapid.SampledFrom([]string{"a", "web", "web-1", "module"})
	var a Address
	for i := range rapid.IntRange(0, 3).Draw(t, label+" modules") {
		a.Modules = append(a.Modules, ModuleStep{Name: name.Draw(t, label), Key: drawKey(t, fmt.Sprint(label, " key ", i))})
	}
	if len(a.Modules) == 0 || rapid.Bool().Draw(t, label+" resource") {
		a.Kind, a.Name, a.Key = rapid.SampledFrom([]string{"pod", "config", "data.file"}).Draw(t, label+" kind"), name.Draw(t, label), drawKey(t, label+" key")
	}
	return a
}

func sameKey(a, b cty.Value) bool {
	return a == b || a != cty.NilVal && b != cty.NilVal && a.RawEquals(b)
}

// TestAddresses: what is written is read again, and its parts are found without reading all of it.
func TestAddresses(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		want := drawAddress(rt, "address")
		text := want.String()
		got, ok := ParseAddress(text)
		if !ok || got.String() != text || got.Kind != want.Kind || got.Name != want.Name || !sameKey(got.Key, want.Key) || len(got.Modules) != len(want.Modules) {
			rt.Fatalf("%s is read as %#v", text, got)
		}
		for i, m := range want.Modules {
			if got.Modules[i].Name != m.Name || !sameKey(got.Modules[i].Key, m.Key) {
				rt.Errorf("%s: module %d is %#v", text, i, got.Modules[i])
			}
		}
		if ModuleOf(text) != want.Module() {
			rt.Errorf("%s: the module is %s", text, ModuleOf(text))
		}
		block := want
		key := want.Key
		if block.Key = cty.NilVal; block.Kind == "" {
			last := &block.Modules[len(block.Modules)-1]
			key, last.Key = last.Key, cty.NilVal
		}
		if BlockOf(text) != block.String() || !sameKey(KeyOf(text), key) || InstanceAddress(BlockOf(text), key) != text {
			rt.Errorf("%s: block %s, key %#v", text, BlockOf(text), KeyOf(text))
		}
	})
}

// FuzzAddress: no text makes the parser fail otherwise than by saying so, and what
// it accepts is written as it was read, or in the one way that addresses are written.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"pod.web", "pod.web[0]", `module.a["x]"].pod.web["\"y"]`, "module.a", "module.a[1].module.b", "pod.web[", `pod.web["`, "module.", "pod.web[01]", "a.b.c", "data.file.x[0]", "data.file", "data.data.x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		block, key := SplitAddress(s)
		if block+key != s {
			t.Errorf("%q is split into %q and %q", s, block, key)
		}
		_ = ModuleOf(s)
		KeyOf(s)
		CompareAddresses(s, "module.a[0].pod.web")
		a, ok := ParseAddress(s)
		if !ok {
			return
		}
		again, ok := ParseAddress(a.String())
		if !ok || again.String() != a.String() {
			t.Errorf("%q is written as %q, which is read as %q", s, a.String(), again.String())
		}
	})
}

func TestUnder(t *testing.T) {
	for address, given := range map[string]map[string]bool{
		"config.c[0]":              {"config.c[0]": true, "config.c": true, "config": true, "config.c[1]": false, "con": false, "pod": false},
		"config.cc":                {"config.c": false, "config.cc": true, "config.cc[0]": false},
		"module.m[\"a\"].config.c": {"module.m[\"a\"]": true, "module.m": true, "module": true, "module.m[\"b\"]": false, "config.c": false},
	} {
		for g, want := range given {
			if got := Under(address, g); got != want {
				t.Errorf("%s under %s: %v", address, g, got)
			}
		}
	}
}
