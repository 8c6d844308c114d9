package format_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"pgregory.net/rapid"

	"github.com/stowage-iac/stowage/lang/format"
)

func TestSource(t *testing.T) {
	for _, test := range []struct{ name, src, want string }{
		{"indentation and alignment", `pod "web" {
replicas=2
    labels= {a="b",  longer = "c"}
  container "x" {
      image   =   "y"
  }
}`, `pod "web" {
  replicas = 2
  labels   = { a = "b", longer = "c" }
  container "x" {
    image = "y"
  }
}
`},
		{"names in quotes", "pod web {}\npod \"a\" {}\nbackend local extra {\n}\n", "pod \"web\" {}\npod \"a\" {}\nbackend \"local\" \"extra\" {\n}\n"},
		{"lone templates", `a = "${var.x}"
b = "${var.x}${var.y}"
c = "x ${var.x}"
d = "${"${x}"}"
e = { k = "${v}" }
f = "${
  x
}"
`, `a = var.x
b = "${var.x}${var.y}"
c = "x ${var.x}"
d = x
e = { k = "${v}" }
f = "${
  x
}"
`},
		{"blank lines", "\n\n\na = 1\n\n\n\nb = 2\npod \"x\" {\n\n  c = 1\n\n\n  d = 1\n\n}\n\n\n", "a = 1\n\nb = 2\npod \"x\" {\n  c = 1\n\n  d = 1\n}\n"},
		{"comments", "# one\n\n\n# two\na = 1 # x\nlonger = 2 // y\n/* z */\n", "# one\n\n# two\na      = 1 # x\nlonger = 2 // y\n/* z */\n"},
		{"heredocs", "a = <<EOT\n\n\n  x   y\n\n\nEOT\nb = <<-EOT\n    z\n  EOT\n", "a = <<EOT\n\n\n  x   y\n\n\nEOT\nb = <<-EOT\n    z\n  EOT\n"},
		{"carriage returns", "a = 1\r\nb = 2\r\n", "a = 1\nb = 2\n"},
		{"nothing", "", ""},
		{"only blank lines", "\n\n \n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := string(format.Source([]byte(test.src)))
			if d := cmp.Diff(test.want, got); d != "" {
				t.Error(d)
			}
			check(t, test.src)
		})
	}
}

// check holds the promises for any source without syntax errors.
func check(t interface {
	Helper()
	Errorf(string, ...any)
}, src string) {
	t.Helper()
	if _, diags := hclsyntax.ParseConfig([]byte(src), "", hcl.InitialPos); diags.HasErrors() {
		return
	}
	once := format.Source([]byte(src))
	if _, diags := hclsyntax.ParseConfig(once, "", hcl.InitialPos); diags.HasErrors() {
		t.Errorf("formatting breaks %q into %q: %v", src, once, diags)
	}
	if twice := format.Source(once); string(twice) != string(once) {
		t.Errorf("not idempotent for %q: %q, then %q", src, once, twice)
	}
}

// pieces are put together in any order.
var pieces = []string{
	"a", "longer_name", "=", " = ", "\n", "\n\n", "\n\n\n", "{", "}", " {\n", "\n}\n", "[", "]", "(", ")", ",", "1", "-", "!", "+ 2",
	`"x"`, `"${a}"`, `"${"`, `}"`, "# c\n", "// c\n", "/* c */", "<<EOT\n x\nEOT\n", "for x in y : x", "?", ":", "...", ".", "[*]", "=>", "  ", "\t",
	"pod \"x\" {\n  a = 1\n}\n", "b = { c = 1, d = 2 }\n", "e = [\n  1,\n  2,\n]\n", "%{ if a }b%{ endif }", "null", "f(1, 2)",
}

func TestAnything(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		check(rt, strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 30).Draw(rt, "pieces"), ""))
	})
}

// TestBodies tries what is mostly free of syntax errors.
func TestBodies(t *testing.T) {
	value := rapid.SampledFrom([]string{
		"1", `"x"`, `"${a}"`, `"${a.b[0]}"`, "{ a = 1 }", "{\n a = 1\n bb=2 }", "[1,\n2 ]", "[ ]", "{}", "<<EOT\n  x\n\nEOT", "a ? b:c", "-1", "! a", "(\n1\n)", "f( 1,2 )",
		`"${f("a")}"`, `"%{if a}b%{endif}"`, "[for x in y: x]", "{for k,v in y: k=>v...}", "a [0]", "a . b", "x[*].y", "1+2*3",
	})
	var body func(depth int) *rapid.Generator[string]
	body = func(depth int) *rapid.Generator[string] {
		return rapid.Custom(func(t *rapid.T) string {
			var b strings.Builder
			n := rapid.IntRange(0, 5).Draw(t, "items")
			for i := range n {
				b.WriteString(rapid.SampledFrom([]string{"", "\n", "\n\n\n", "# c\n", "  \n", "/* c */ ", "/* c\n d */\n", "\t"}).Draw(t, "before"))
				if depth > 0 && rapid.Bool().Draw(t, "block") {
					b.WriteString(rapid.SampledFrom([]string{`pod "x" {`, "pod x {", "locals{", `pod "a"   "b" {`}).Draw(t, "header"))
					b.WriteString("\n" + body(depth-1).Draw(t, "body") + "}\n")
					continue
				}
				b.WriteString(rapid.SampledFrom([]string{"a", "bb", "ccc"}).Draw(t, "name"))
				b.WriteString(strings.Repeat("x", i)) // arguments are unique
				b.WriteString(rapid.SampledFrom([]string{"=", " = ", "   =   "}).Draw(t, "equals"))
				b.WriteString(value.Draw(t, "value"))
				b.WriteString(rapid.SampledFrom([]string{"\n", " # c\n", "   // c\n", "\n\n"}).Draw(t, "after"))
			}
			return b.String()
		})
	}
	rapid.Check(t, func(rt *rapid.T) { check(rt, body(2).Draw(rt, "source")) })
}

// TestExamples: the examples are formatted.
func TestExamples(t *testing.T) {
	paths, err := filepath.Glob("../../examples/*/*.hcl")
	if err != nil || len(paths) == 0 {
		t.Skip("no examples", err)
	}
	for _, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(src), string(format.Source(src))); d != "" {
			t.Error(path, d)
		}
	}
}

func FuzzSource(f *testing.F) {
	for _, p := range pieces {
		f.Add(p)
	}
	f.Add("a = 1\nbb = [1,\n2]\npod x {\n\n}\n")
	f.Fuzz(func(t *testing.T, src string) { check(t, src) })
}
