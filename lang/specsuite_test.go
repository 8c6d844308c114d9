package lang

import (
	"bytes"
	"fmt"
	"go/build"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// otherSpecs are cases of the suite that do not apply, with the reason.
var otherSpecs = map[string]string{
	// What is expected depends on the schema that the case gives to hcldec. In a
	// configuration no argument stands outside of a block (testdata/diagnostics).
	"structure/attributes/unexpected": "tests a schema of hcldec's",
}

// TestSpecSuite runs the suite that comes with HCL's module, from where the go
// command keeps it: what the parser refuses, and where; that formatting keeps what
// it accepts; and what expressions give when they stand in locals.
func TestSpecSuite(t *testing.T) {
	pkg, err := build.Import("github.com/hashicorp/hcl/v2", ".", build.FindOnly)
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(pkg.Dir, "specsuite", "tests")
	n := 0
	err = filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".t" {
			return err
		}
		name, err := filepath.Rel(root, strings.TrimSuffix(path, ".t"))
		if err != nil {
			return err
		}
		n++
		if otherSpecs[filepath.ToSlash(name)] == "" {
			t.Run(filepath.ToSlash(name), func(t *testing.T) { runSpec(t, strings.TrimSuffix(path, ".t")) })
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 15 {
		t.Fatalf("the suite has only %d cases", n)
	}
}

func runSpec(t *testing.T, path string) {
	read := func(ext string) []byte {
		src, err := os.ReadFile(path + ext)
		if err != nil {
			t.Fatal(err)
		}
		return src
	}
	spec, diags := hclsyntax.ParseConfig(read(".t"), path, hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	want := spec.Body.(*hclsyntax.Body)
	src := read(".hcl")
	_, diags = parse(src, "spec")
	got := []string{}
	for _, d := range diags {
		got = append(got, fmt.Sprintf("%d,%d-%d,%d", d.Subject.Start.Line, d.Subject.Start.Column, d.Subject.End.Line, d.Subject.End.Column))
	}
	slices.Sort(got)
	if expected := expectedErrors(t, want); !slices.Equal(got, expected) {
		t.Fatalf("errors at %v, not at %v: %v", got, expected, diags)
	}
	formatted, formatDiags := Format(src, "spec")
	if diags.HasErrors() {
		if !formatDiags.HasErrors() {
			t.Error("formatting does not mind")
		}
		return
	}
	again, formatDiags := Format(formatted, "spec")
	if formatDiags.HasErrors() || !bytes.Equal(formatted, again) {
		t.Errorf("formatting again changes\n%s\nto\n%s%v", formatted, again, formatDiags)
	}
	if want.Attributes["result_type"] == nil {
		return // about comments: parsing them is all
	}
	for _, text := range [][]byte{src, formatted} {
		specValue(t, text, want, strings.Contains(filepath.ToSlash(path), "structure/blocks"))
	}
}

// expectedErrors are the ranges of a case's diagnostics block, sorted.
func expectedErrors(t *testing.T, spec *hclsyntax.Body) []string {
	t.Helper()
	list := []string{}
	at := func(b *hclsyntax.Body, block, name string) string {
		for _, nested := range b.Blocks {
			if nested.Type == block {
				v, diags := nested.Body.Attributes[name].Expr.Value(nil)
				if diags.HasErrors() {
					t.Fatal(diags)
				}
				return keyText(v)
			}
		}
		t.Fatalf("no %s", block)
		return ""
	}
	for _, b := range spec.Blocks {
		if b.Type != "diagnostics" {
			continue
		}
		for _, e := range b.Body.Blocks {
			list = append(list, at(e.Body, "from", "line")+","+at(e.Body, "from", "column")+"-"+at(e.Body, "to", "line")+","+at(e.Body, "to", "column"))
		}
	}
	slices.Sort(list)
	return list
}

// specValue compares the value of a body with a case's result. Of one about
// blocks, the content of the block a is meant.
func specValue(t *testing.T, src []byte, spec *hclsyntax.Body, content bool) {
	t.Helper()
	file, diags := hclsyntax.ParseConfig(src, "spec", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	body := file.Body.(*hclsyntax.Body)
	if content {
		body = body.Blocks[0].Body
	}
	// Each case may use these variables; here they are those of a for expression.
	const scope = `[for bar in ["Bar"] : [for space_bar in ["  Bar"] : %s][0]][0]`
	config := "locals {\n  result = " + fmt.Sprintf(scope, bodyText(src, body)) + "\n}\noutput \"result\" { value = local.result }\n"
	c, diags := loadText(t, config)
	if diags.HasErrors() {
		t.Fatalf("%v\n%s", diags, config)
	}
	e, diags := NewEvaluator(c, Inputs{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	got, _, diags := e.Output("result")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	ty, diags := typeexpr.TypeConstraint(spec.Attributes["result_type"].Expr)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	want := cty.EmptyObjectVal
	if a := spec.Attributes["result"]; a != nil {
		if want, diags = a.Expr.Value(nil); diags.HasErrors() {
			t.Fatal(diags)
		}
	}
	got, err := convert.Convert(got, ty)
	if err != nil {
		t.Fatal(err)
	}
	if want, err = convert.Convert(want, ty); err != nil || !got.RawEquals(want) {
		t.Errorf("got %#v, want %#v %v", got, want, err)
	}
}

// bodyText is a body as an object: arguments, and blocks by type and label.
func bodyText(src []byte, body *hclsyntax.Body) string {
	var b strings.Builder
	b.WriteString("{\n")
	for _, name := range keysOf(body.Attributes) {
		fmt.Fprintf(&b, "%q = %s\n", name, body.Attributes[name].Expr.Range().SliceBytes(src))
	}
	labelled := map[string]string{}
	for _, nested := range body.Blocks {
		text := bodyText(src, nested.Body)
		if len(nested.Labels) == 0 {
			fmt.Fprintf(&b, "%q = %s\n", nested.Type, text)
		} else {
			labelled[nested.Type] += fmt.Sprintf("%q = %s\n", nested.Labels[0], text)
		}
	}
	for _, name := range keysOf(labelled) {
		fmt.Fprintf(&b, "%q = {\n%s}\n", name, labelled[name])
	}
	return b.String() + "}"
}
