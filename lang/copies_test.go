package lang

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/tools/txtar"
	"pgregory.net/rapid"
)

// transcript is all that can be seen of a configuration: what it is, and what is wrong
// with it and where.
func transcript(t interface{ Fatal(...any) }, src string, copies int) (text string, copied int) {
	var out bytes.Buffer
	c, diags := loadSharing("", Options{Schemas: testSchemas(), Backends: testBackends(), Later: testLater, Version: "0.1.0",
		Files: map[string][]byte{"main.stowage.hcl": []byte(src)}}, copies)
	report := func(diags hcl.Diagnostics) bool {
		if err := hcl.NewDiagnosticTextWriter(&out, c.Files, 0, false).WriteDiagnostics(diags); err != nil {
			t.Fatal(err)
		}
		return diags.HasErrors()
	}
	if report(diags) || report(c.Validate()) {
		return out.String(), 0
	}
	inputs := map[string]Input{}
	for name := range c.Variables {
		inputs[name] = Input{Value: cty.StringVal("1"), Source: "test"}
	}
	e, diags := NewEvaluator(c, Inputs{Variables: inputs})
	if report(diags) {
		return out.String(), 0
	}
	failed := false
	for round := 0; round < 2 && !failed; round++ { // in the second all that was unknown is known
		known := func(string) cty.Value { return cty.NilVal }
		for b := range e.Blocks() {
			if b.Resource.proto != nil {
				copied++
			}
			keys, diags := e.Expand(b)
			failed = report(diags) || failed
			for _, key := range keys {
				inst, diags := e.Decode(b, key)
				fmt.Fprintf(&out, "%s %#v %q %v %v\n", inst.Address, inst.Config, inst.Deps, inst.Range, addressesOf(b.Resource.Refers()))
				for _, path := range [][]string{nil, {"replicas"}, {"labels", "a"}, {"container", "a", "env", "B"}, {"container", "a"}} {
					fmt.Fprintf(&out, "  %v\n", e.Origins(b, key, path))
				}
				for _, path := range []cty.Path{cty.GetAttrPath("replicas"), cty.GetAttrPath("container").IndexInt(0).GetAttr("args"), cty.GetAttrPath("container").IndexInt(0)} {
					fmt.Fprintf(&out, "  %v\n", b.Resource.RangeOf(path))
				}
				failed = report(diags) || failed
				e.Set(inst.Address, planned(inst.Kind, inst.Config, known))
				known = func(attr string) cty.Value { return versions(inst.Address, attr) }
			}
		}
		report(e.Finish())
	}
	for _, o := range c.Outputs {
		v, deps, diags := e.Output(o.Name)
		fmt.Fprintf(&out, "%s %#v %q\n", o.Name, v, deps)
		report(diags)
	}
	return out.String(), copied
}

func addressesOf(list []*Resource) (all []string) {
	for _, r := range list {
		all = append(all, r.Address())
	}
	return all
}

// agree compares a configuration whose blocks are copies with one where each is compiled.
func agree(t interface{ Fatal(...any) }, src string) (copied int) {
	want, _ := transcript(t, src, 0)
	got, copied := transcript(t, src, 1)
	if got != want {
		t.Fatal(fmt.Sprintf("copies differ (-compiled +copied):\n%s\n%s", cmp.Diff(want, got), src))
	}
	return copied
}

// Every configuration of the tests is the same with each of its blocks a copy.
func TestCopiesOfEverything(t *testing.T) {
	copied := 0
	paths, err := filepath.Glob("testdata/diagnostics/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range archive.Files {
			if strings.HasSuffix(file.Name, ".hcl") {
				copied += agree(t, string(file.Data))
			}
		}
	}
	language, err := os.ReadFile("testdata/language.hcl")
	if err != nil {
		t.Fatal(err)
	}
	copied += agree(t, string(language))
	for _, s := range shapes {
		copied += agree(t, s.text(7))
	}
	if copied < 15 {
		t.Errorf("only %d blocks were copies", copied)
	}
}

// Random blocks of few shapes, with names and literals that may be wrong.
func TestCopiesAreTheBlocks(t *testing.T) {
	copied := 0
	rapid.Check(t, func(t *rapid.T) {
		bad := rapid.IntRange(0, 9).Draw(t, "mistakes") > 6
		// pick picks from what may stand there, and where mistakes are made from what comes after "!".
		pick := func(label string, of ...string) string {
			good := slices.Index(append(of, "!"), "!")
			if bad && good < len(of) && rapid.IntRange(0, 19).Draw(t, label+" wrong") == 13 {
				return rapid.SampledFrom(of[good+1:]).Draw(t, label)
			}
			return rapid.SampledFrom(of[:good]).Draw(t, label)
		}
		var b strings.Builder
		b.WriteString("config \"c0\" {\n  files = { a = \"b\" }\n}\nlocals {\n  l = config.c0.version\n}\n")
		for i := range rapid.IntRange(1, 12).Draw(t, "blocks") {
			name := pick("name", fmt.Sprintf("n%d", i), "!", "n0", "1", "")
			text := func() string {
				return pick("text", "x", "y", "", "-", "manager", "7", "true", "a ${local.l}", "${config.c0.version}")
			}
			number := func() string { return pick("number", "1", "2", "0", "007", "99999999999999999999", "!", "-1", "1.5") }
			switch pick("shape", "pod", "pod", "pod", "config", "node", "secret", "image") {
			case "pod":
				fmt.Fprintf(&b, "pod %q {\n  replicas = %s\n  labels = { a = %q, \"b\" = %q }\n  container %q {\n    image = %s\n    args = [%q, %q]\n    env = {\n      A = %s\n      B = %q\n    }\n    port \"p\" { container = %s }\n%s  }\n}\n",
					name, pick("replicas", "1", "2", "\"3\"", "null", "!", "\"many\"", "-1"), text(), text(), pick("container", "a", "b"),
					pick("image", "\"i\"", "\"j\"", "!", "image.n1", "pod.n2.revision"), text(), text(), number(), text(), number(),
					pick("mount", "", "    mount \"/c\" { config = config.c0 }\n", "!", "    mount \"/c\" { config = config.n3 }\n"))
			case "config":
				fmt.Fprintf(&b, "config %q {\n  files = { %s = %q }\n}\n", name, pick("key", "a", "\"a\"", "\"c d\""), text())
			case "node":
				fmt.Fprintf(&b, "node %q {\n  address = %q\n  role = %q # %s\n  ssh { port = %s }\n}\n", name, text(), pick("role", "manager", "worker", "!", "boss"), pick("comment", "x", "y"), number())
			case "secret":
				fmt.Fprintf(&b, "secret %q { value = %q }\n", name, text())
			case "image":
				fmt.Fprintf(&b, "image %q { from = config.%s.version }\n", name, pick("from", "c0", "!", "n0", "nothing"))
			}
		}
		copied += agree(t, b.String())
	})
	if copied < 200 {
		t.Errorf("only %d blocks were copies", copied)
	}
}

// FuzzCopies is TestCopiesOfEverything of anything, three times with other names.
func FuzzCopies(f *testing.F) {
	f.Add("pod \"a\" {\n  replicas = 2\n  container \"c\" {\n    image = \"i\"\n    args  = [\"a\", \"${pod.b.revision}\"]\n  }\n}\n")
	f.Add("config \"a\" {\n  files = { x = \"y\", \"z\" = 1 }\n}\nnode \"a\" {\n  role = \"boss\"\n  ssh { port = 22 }\n}\n")
	f.Add("secret \"a\" { value = 7 }\nimage \"a\" {\n  from = secret.a.version\n}\n")
	f.Fuzz(func(t *testing.T, src string) {
		for _, slow := range []string{"file", "range", "for", "count", "e9"} { // reads what is there, or is slow by intent
			if strings.Contains(src, slow) || len(src) > 2000 {
				return
			}
		}
		agree(t, src+"\n"+strings.ReplaceAll(src, `"a"`, `"b"`)+"\n"+strings.ReplaceAll(src, `"a"`, `"c"`))
	})
}
