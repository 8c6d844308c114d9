package fastparse_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcled"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/stowage-iac/stowage/lang/fastparse"
	"github.com/stowage-iac/stowage/test/blocks"
)

// agrees compares Config with ParseConfig, which it must equal where it has an answer,
// and reports whether it has one.
func agrees(t *testing.T, src, name string) bool {
	t.Helper()
	got := fastparse.Config([]byte(src), name)
	if got == nil {
		return false
	}
	want, diags := hclsyntax.ParseConfig([]byte(src), name, hcl.InitialPos)
	if len(diags) > 0 {
		t.Fatalf("%s: parsed although ParseConfig says %v\n%s", name, diags, src)
	}
	if !reflect.DeepEqual(got, want) {
		diff := cmp.Diff(want.Body, got.Body, cmp.Exporter(func(reflect.Type) bool { return true }))
		t.Fatalf("%s: differs from ParseConfig (-want +got):\n%s\n%s", name, diff, src)
	}
	return true
}

// snippets are small files; those that Config must have an answer for come first.
var snippets = struct{ parsed, left []string }{
	parsed: []string{
		"", "\n", "  ", "# c\n", "  # c\n\n", "a = 1", "a = 1\n", "a = 1 # c\n", "a=\"\"\n", "a = \"b c\"\nd = null\n", "\n\n  a = true\n",
		"a {}", "a {}\n", "a {\n}\n", "a b \"c d\" \"\" {\n  e = false\n  f {\n    g = 1\n  }\n}\n", "a { b = 1 }\n", "a { # c\n}\n", "a {}# c\n",
		"a = b\n", "a = b.c.d\n", "a = b . c\n", "a = b[0].c\n", "a = b[\"c\"]\n", "a = b[c.d].e.f[1]\n", "a = b[\"\"]\n", "a = b[ # c\n 0 ]\n", "a = b[true]\n", "a = b[{}]\n",
		"a = []\n", "a = [1]\n", "a = [1, \"b\", c.d,]\n", "a = [\n  1, // c\n  2 # d\n]\n", "a = [[], [{}]]\n", "a = [b\n.c]\n",
		"a = {}\n", "a = { b = 1 }\n", "a = { b = 1, c : 2 }\n", "a = {\n  b = 1 # c\n  \"d\" = [\n 1 ]\n\n  e.f = g\n  1 = 2\n  true = 1,\n}\n", "a = { b = [{ c = 1 }] }\n",
		"a-b_c9 = _d\n", "\ta\t=\t1\t\n", "# ä\na = 1\n", "a = 1 # \u0301ä\u200d\nb = 2\n", "a = 007\n", "a = 123456789012345678901234567890\n", "a = \"#{\"\n", "a = \"//\"\n", "a = { for1 = 1 }\n",
		"a = \"${b}\"\n", "a = \"b ${c.d} e\"\n", "a = \"${b}${c[0]}\"\n", "a = \"${1}\"\n", "a = \"${\"b\"}\"\n", "a = \"b${ \"c${d}\" }\"\n", "a = \"${\n b # c\n }\"\n", "a = [\"${b[\"c\"]}\"]\n",
		"a = b[\"${c}\"]\n", "a = b[\"c${d}\"].e\n", "a = { \"${b}\" = \"${c}\" }\n", "a = \"${[{}]}\"\n", "a = \"}${b}{\"\n",
	},
	left: []string{
		"a = 1 # c", "a", "a =", "a = \n", "a = 1 b = 2\n", "a = 1, b = 2\n", "a = 1\na = 2\n", "a {", "a }", "}", "a { b = 1 c = 2 }", "a { b {} }", "a {} b {}\n", "a = {", "a = [", "a = [1",
		"a = -1\n", "a = 1.5\n", "a = 1e3\n", "a = 1 + 2\n", "a = b ? c : d\n", "a = b == c\n", "a = (1)\n", "a = f(1)\n", "a = f (1)\n", "a = [f\n(1)]\n", "a = f::g(1)\n", "a = !b\n",
		"a = \"$\"\n", "a = \"$${b}\"\n", "a = \"${b\"\n", "a = \"${}\"\n", "a = \"${~ b }\"\n", "a = \"${ b ~}\"\n", "a = \"${b + 1}\"\n", "a = \"${f(b)}\"\n", "a \"${b}\" {}\n", "a = \"${b}$\"\n", "a = \"${\"\n", "a = \"%{if b}c%{endif}\"\n", "a = \"\\n\"\n", "a = \"ä\"\n", "a = \"e\u0301\"\n", "a = <<E\nE\n", "a = \"b\nc\"\n", "a = \"b\n",
		"a = [for b in c : b]\n", "a = {for b in c : b => b}\n", "a = {\nfor b in c : b => b}\n", "a = b.*.c\n", "a = b[*].c\n", "a = b.0\n", "a = 1.b\n", "a = b...\n",
		"/* c */ a = 1\n", "a = 1 /* c */\n", "a = 1\r\n", "# c\r\na = 1\n", "\ufeffa = 1\n", "ä = 1\n", "a = 1;\n", "a == 1\n", "a => 1\n", "\"a\" = 1\n", "a = { b == 1 }\n", "a = { b => 1 }\n",
		"a = {b :: c}\n", "a = b[\"c\nd\"]\n", "a\n= 1\n", "a\n{\n}\n", "a = { b\n= 1 }\n", "a = {, b = 1}\n", "a = [, 1]\n", "a = 1 2\n", "a = \"b\" \"c\"\n", "a = { b = 1\n, c = 2 }\n", "a = 1\x00\n", "a = true.b\n", "a = [][0]\n",
		"a = " + strings.Repeat("1", 1001) + "\n", "a = \"${b[" + strings.Repeat("1", 1001) + "]}\"\n",
		strings.Repeat("a {\n", 200) + strings.Repeat("}\n", 200), "a = " + strings.Repeat("[", 200) + strings.Repeat("]", 200),
	},
}

// outlined compares what Outline finds with ParseConfig, and reports how many blocks it
// left to be parsed later.
func outlined(t *testing.T, src, name string) (sketches int) {
	t.Helper()
	o := fastparse.Outline([]byte(src), name, func(string) bool { return true })
	if o == nil {
		return 0
	}
	want, diags := hclsyntax.ParseConfig([]byte(src), name, hcl.InitialPos)
	if got := fastparse.Body(o.File()); !reflect.DeepEqual(got, want.Body) {
		t.Fatalf("%s: the outlined file's body differs:\n%s", name, src)
	}
	blocks := o.Blocks
	for _, s := range o.Sketches {
		b := s.Parse()
		if b == nil {
			return 0 // left to ParseConfig, right or wrong
		}
		if s.Range() != b.DefRange() || s.Kind != b.Type || len(b.Labels) != 1 || s.Label != b.Labels[0] {
			t.Fatalf("%s: a block is %+v %s %q:\n%s", name, s.Range(), s.Kind, s.Label, src)
		}
		if got, want := hcled.ContextString(o.File(), b.TypeRange.Start.Byte), fmt.Sprintf("%s %q", s.Kind, s.Label); got != want {
			t.Fatalf("%s: context %s, want %s", name, got, want)
		}
		blocks = append(blocks, b)
	}
	if len(diags) > 0 {
		t.Fatalf("%s: all blocks were parsed although ParseConfig says %v\n%s", name, diags, src)
	}
	slices.SortFunc(blocks, func(a, b *hclsyntax.Block) int { return a.TypeRange.Start.Byte - b.TypeRange.Start.Byte })
	if whole := want.Body.(*hclsyntax.Body); len(whole.Attributes) > 0 || !reflect.DeepEqual(append(hclsyntax.Blocks{}, blocks...), append(hclsyntax.Blocks{}, whole.Blocks...)) {
		t.Fatalf("%s: the blocks differ from ParseConfig's:\n%s", name, src)
	}
	for i, s := range o.Sketches {
		otherLiterals(t, src, s, i)
	}
	return len(o.Sketches)
}

// otherLiterals writes other literals into the gaps of a block: it is the same as it was
// then, and these literals are the only difference to be seen in what is parsed.
func otherLiterals(t *testing.T, src string, s *fastparse.Sketch, number int) {
	t.Helper()
	var b strings.Builder
	at := 0
	for i := range s.Gaps() {
		start, text, number := s.Gap(i)
		b.WriteString(src[at:start])
		if number {
			b.WriteString("0" + text)
		} else {
			b.WriteString("other " + text)
		}
		at = start + len(text)
	}
	b.WriteString(src[at:])
	o := fastparse.Outline([]byte(b.String()), "other.hcl", func(string) bool { return true })
	if o == nil || len(o.Sketches) <= number || !o.Sketches[number].Same(s) {
		t.Fatalf("not the same with other literals:\n%s", b.String())
	}
	other := o.Sketches[number]
	if other.Parse() == nil {
		t.Fatalf("not parsed with other literals:\n%s", b.String())
	}
	for i := range s.Gaps() {
		_, text, number := s.Gap(i)
		if _, got, _ := other.Gap(i); got != "other "+text && !number || number && got != "0"+text {
			t.Fatalf("gap %d is %q:\n%s", i, got, b.String())
		}
	}
}

func TestOutlines(t *testing.T) {
	sketches := 0
	for _, src := range append(append([]string{blocks.Pod(7) + blocks.Pod(8)}, snippets.parsed...), snippets.left...) {
		outlined(t, src, "a.hcl")
		sketches += outlined(t, "a \"b\" {\n"+src+"\n}\n"+blocks.Pod(1)+"c \"d\" { # e\n"+src+"\n}\n", "b.hcl")
		outlined(t, "a \"b\" {\n"+src, "c.hcl")
		outlined(t, "a \"b\" "+src, "d.hcl")
	}
	if sketches < 100 {
		t.Errorf("only %d blocks were sketched", sketches)
	}
}

func TestSketchesDiffer(t *testing.T) {
	o := fastparse.Outline([]byte(`a "1" { b = "c" }
a "2" { b = "d" }
a "3" { b = e }
a "4" { f = "c" }
a "5" { b = 1 }
a "6" { b = { "c" = 1 } }
a "7" { b = { "d" = 1 } }
a "8" { b = c["d"] }
a "9" { b = c["e"] }
a "10" { b = c[0] }
a "11" { b = c[1] }
a "12" { b = "${c}" }
a "13" { b = "${d}" }
a "14" { b "c" {} }
a "15" { b "d" {} }
a "16" { b = ["c", ["d"]] }
a "17" { b = ["e", ["f"]] }
`), "a.hcl", func(string) bool { return true })
	var same []string
	for i, s := range o.Sketches {
		for _, to := range o.Sketches[:i] {
			if s.Same(to) {
				same = append(same, to.Label+" "+s.Label)
			}
		}
	}
	if want := []string{"1 2", "16 17"}; !slices.Equal(same, want) || len(o.Sketches) != 17 {
		t.Errorf("the same are %q, want %q", same, want)
	}
}

func TestSnippets(t *testing.T) {
	for i, src := range snippets.parsed {
		if !agrees(t, src, "a.hcl") {
			t.Errorf("%d: not parsed: %q", i, src)
		}
	}
	for i, src := range snippets.left {
		if agrees(t, src, "a.hcl") {
			t.Errorf("%d: parsed: %q", i, src)
		}
	}
}

// Every file of the repository that is parsed is parsed as ParseConfig does, whole and
// cut off anywhere in its first part.
func TestEveryFile(t *testing.T) {
	files, parsed, sketches := 0, 0, 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if err == nil && (d.Name() == ".git" || d.Name() == "bin") {
				return filepath.SkipDir
			}
			return err
		}
		for _, text := range texts(t, path) {
			files++
			if agrees(t, text, filepath.Base(path)) {
				parsed++
			}
			sketches += outlined(t, text, filepath.Base(path))
			for n := 0; n < min(len(text), 400); n++ {
				agrees(t, text[:n], "cut.hcl")
				outlined(t, text[:n], "cut.hcl")
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if parsed < 50 {
		t.Errorf("only %d of %d files were parsed", parsed, files)
	}
	if sketches < 50 {
		t.Errorf("only %d blocks were sketched", sketches)
	}
	t.Logf("%d of %d files, %d blocks sketched", parsed, files, sketches)
}

// texts are the HCL files that a file is or, as a txtar archive, holds.
func texts(t *testing.T, path string) []string {
	hclFile := strings.HasSuffix(path, ".hcl")
	if !hclFile && !strings.HasSuffix(path, ".txtar") && !strings.HasSuffix(path, ".txt") {
		return nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if hclFile {
		return []string{string(raw)}
	}
	var all []string
	for _, part := range strings.Split("\n"+string(raw), "\n-- ")[1:] {
		if name, text, ok := strings.Cut(part, " --\n"); ok && strings.HasSuffix(name, ".hcl") {
			all = append(all, text)
		}
	}
	return all
}

func TestBlocks(t *testing.T) {
	var b strings.Builder
	for i := range 500 {
		b.WriteString(blocks.Pod(i))
	}
	if !agrees(t, b.String(), "blocks.hcl") {
		t.Error("not parsed")
	}
}

func FuzzConfig(f *testing.F) {
	for _, src := range append(append([]string{blocks.Pod(7)}, snippets.parsed...), snippets.left...) {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		agrees(t, src, "f.hcl")
		outlined(t, src, "f.hcl")
	})
}

func BenchmarkConfig(b *testing.B) {
	var text strings.Builder
	for i := range 50 {
		text.WriteString(blocks.Pod(i))
	}
	src := []byte(text.String())
	for name, parse := range map[string]func(){
		"fastparse": func() { fastparse.Config(src, "a.hcl") },
		"hclsyntax": func() { hclsyntax.ParseConfig(src, "a.hcl", hcl.InitialPos) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				parse()
			}
		})
	}
}
