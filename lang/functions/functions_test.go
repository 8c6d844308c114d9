package functions_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/stowage-iac/stowage/lang/functions"
)

const mark = "sensitive"

func table(t *testing.T) (map[string]function.Function, *functions.Files) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"a.txt": "text\n", "sub/b.txt": "b", "sub/deep/c.md": "c", "bytes.bin": "\xff\x00",
		"t.tmpl":   "%{ for n in names ~}\n${upper(n)}\n%{ endfor ~}\n",
		"bad.tmpl": "a\n${nope.x}", "syntax.tmpl": "${", "recursive.tmpl": `${templatefile("t.tmpl", {names = []})}`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files := functions.NewFiles(dir, nil)
	return functions.New(functions.Options{Files: files, Sensitive: mark}), files
}

func eval(t *testing.T, table map[string]function.Function, expr string) (cty.Value, hcl.Diagnostics) {
	t.Helper()
	e, diags := hclsyntax.ParseExpression([]byte(expr), "test", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return e.Value(&hcl.EvalContext{Functions: table, Variables: map[string]cty.Value{
		"secret":  cty.StringVal("s3cr3t").Mark(mark),
		"unknown": cty.UnknownVal(cty.String),
		"list":    cty.UnknownVal(cty.List(cty.String)),
		"nums":    cty.UnknownVal(cty.List(cty.Number)),
		"any":     cty.DynamicVal,
	}})
}

// results are calls with their values, in the language; each function has at least one.
var results = []struct{ call, want string }{
	{`abs(-2)`, `2`},
	{`alltrue([])`, `true`},
	{`alltrue([true, "true"])`, `true`},
	{`alltrue([true, false])`, `false`},
	{`alltrue([true, null])`, `false`},
	{`anytrue([])`, `false`},
	{`anytrue([false, true])`, `true`},
	{`base64decode("dGV4dA==")`, `"text"`},
	{`base64encode("text")`, `"dGV4dA=="`},
	{`base64gzip("")`, `"H4sIAAAAAAAA/wEAAP//AAAAAAAAAAA="`},
	{`base64sha256("")`, `"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="`},
	{`base64sha512("")`, `"z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="`},
	{`basename("a/b")`, `"b"`},
	{`can(tonumber("x"))`, `false`},
	{`can(1)`, `true`},
	{`ceil(1.1)`, `2`},
	{`chomp("a\n")`, `"a"`},
	{`chunklist([1, 2, 3], 2)`, `[[1, 2], [3]]`},
	{`cidrcontains("10.0.0.0/8", "10.1.2.3")`, `true`},
	{`cidrcontains("10.0.0.0/8", "10.0.0.0/7")`, `false`},
	{`cidrhost("10.12.112.0/20", 16)`, `"10.12.112.16"`},
	{`cidrnetmask("172.16.0.0/12")`, `"255.240.0.0"`},
	{`cidrsubnet("172.16.0.0/12", 4, 2)`, `"172.18.0.0/16"`},
	{`cidrsubnets("10.1.0.0/16", 4, 4)`, `["10.1.0.0/20", "10.1.16.0/20"]`},
	{`coalesce("", null, "a")`, `"a"`},
	{`coalesce(null, 2)`, `2`},
	{`coalescelist([], ["a"])`, `["a"]`},
	{`compact(["a", "", null])`, `["a"]`},
	{`concat([1], [2])`, `[1, 2]`},
	{`contains(["a"], "a")`, `true`},
	{`csvdecode("a,b\n1,2")`, `[{ a = "1", b = "2" }]`},
	{`dirname("a/b")`, `"a"`},
	{`distinct(["a", "a"])`, `["a"]`},
	{`element(["a", "b"], 3)`, `"b"`},
	{`endswith("abc", "bc")`, `true`},
	{`file("a.txt")`, `"text\n"`},
	{`file("./sub/../a.txt")`, `"text\n"`},
	{`filebase64("bytes.bin")`, `"/wA="`},
	{`filebase64sha256("a.txt")`, `base64sha256("text\n")`},
	{`filebase64sha512("a.txt")`, `base64sha512("text\n")`},
	{`fileexists("a.txt")`, `true`},
	{`fileexists("b.txt")`, `false`},
	{`filemd5("a.txt")`, `md5("text\n")`},
	{`fileset(".", "*.txt")`, `["a.txt"]`},
	{`fileset(".", "**/*.txt")`, `["a.txt", "sub/b.txt"]`},
	{`fileset("sub", "**")`, `["b.txt", "deep/c.md"]`},
	{`fileset(".", "sub/{b.txt,deep/[a-c].md}")`, `["sub/b.txt", "sub/deep/c.md"]`},
	{`fileset("none", "*")`, `[]`},
	{`filesha1("a.txt")`, `sha1("text\n")`},
	{`filesha256("a.txt")`, `sha256("text\n")`},
	{`filesha512("a.txt")`, `sha512("text\n")`},
	{`flatten([[1], [[2]]])`, `[1, 2]`},
	{`floor(1.9)`, `1`},
	{`format("%s-%03d", "a", 7)`, `"a-007"`},
	{`formatdate("YYYY-MM-DD", "2026-01-31T12:00:00Z")`, `"2026-01-31"`},
	{`formatlist("%s!", ["a", "b"])`, `["a!", "b!"]`},
	{`indent(2, "a\nb")`, `"a\n  b"`},
	{`index(["a", "b"], "b")`, `1`},
	{`issensitive(secret)`, `true`},
	{`issensitive("x")`, `false`},
	{`join("-", ["a", "b"])`, `"a-b"`},
	{`jsondecode("{\"a\": [1]}")`, `{ a = [1] }`},
	{`jsonencode({ a = [1, null] })`, `"{\"a\":[1,null]}"`},
	{`keys({ b = 1, a = 2 })`, `["a", "b"]`},
	{`length("äö")`, `2`},
	{`length([1, 2])`, `2`},
	{`length({ a = 1 })`, `1`},
	{`length(toset(["a"]))`, `1`},
	{`log(8, 2)`, `3`},
	{`lookup({ a = 1 }, "a", 2)`, `1`},
	{`lookup({ a = 1 }, "b", 2)`, `2`},
	{`lookup({ a = 1 }, "a")`, `1`},
	{`lookup(tomap({ a = 1 }), "b", 2)`, `2`},
	{`lower("A")`, `"a"`},
	{`matchkeys(["i1", "i2"], ["a", "b"], ["b"])`, `["i2"]`},
	{`max(1, 3)`, `3`},
	{`md5("")`, `"d41d8cd98f00b204e9800998ecf8427e"`},
	{`merge({ a = 1 }, { a = 2, b = 3 })`, `{ a = 2, b = 3 }`},
	{`min(1, 3)`, `1`},
	{`nonsensitive(secret)`, `"s3cr3t"`},
	{`nonsensitive("x")`, `"x"`},
	{`one([])`, `null`},
	{`one(["a"])`, `"a"`},
	{`one(toset(["a"]))`, `"a"`},
	{`parseint("ff", 16)`, `255`},
	{`pathexpand("a/b")`, `"a/b"`},
	{`pow(2, 10)`, `1024`},
	{`range(3)`, `[0, 1, 2]`},
	{`range(1, 3)`, `[1, 2]`},
	{`range(3, 1)`, `[3, 2]`},
	{`range(0, 1, 0.5)`, `[0, 0.5]`},
	{`length(range(5000))`, `5000`},
	{`range(0)`, `[]`},
	{`regex("a(\\d)", "xa1")`, `["1"]`},
	{`regexall("\\d", "a1b2")`, `["1", "2"]`},
	{`replace("aXb", "X", "-")`, `"a-b"`},
	{`replace("a12b", "/(\\d)(\\d)/", "$2$1")`, `"a21b"`},
	{`replace("a/b", "/", "-")`, `"a-b"`},
	{`reverse([1, 2])`, `[2, 1]`},
	{`issensitive(sensitive("x"))`, `true`},
	{`setintersection(["a", "b"], ["b"])`, `["b"]`},
	{`setproduct(["a"], ["b", "c"])`, `[["a", "b"], ["a", "c"]]`},
	{`setsubtract(["a", "b"], ["b"])`, `["a"]`},
	{`setsymmetricdifference(["a", "b"], ["b", "c"])`, `["a", "c"]`},
	{`setunion(["a"], ["b"])`, `["a", "b"]`},
	{`sha1("")`, `"da39a3ee5e6b4b0d3255bfef95601890afd80709"`},
	{`sha256("")`, `"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`},
	{`sha512("")`, `"cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"`},
	{`signum(-3)`, `-1`},
	{`slice(["a", "b", "c"], 1, 2)`, `["b"]`},
	{`sort(["b", "a"])`, `["a", "b"]`},
	{`split(",", "a,b")`, `["a", "b"]`},
	{`startswith("abc", "ab")`, `true`},
	{`strcontains("abc", "b")`, `true`},
	{`strrev("abc")`, `"cba"`},
	{`substr("hello", 1, 3)`, `"ell"`},
	{`sum([1, 2.5])`, `3.5`},
	{`templatefile("t.tmpl", { names = ["a", "b"] })`, `"A\nB\n"`},
	{`templatestring("hi $${n}", { n = 1 })`, `"hi 1"`},
	{`timeadd("2026-01-31T12:00:00Z", "1h")`, `"2026-01-31T13:00:00Z"`},
	{`timecmp("2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00")`, `0`},
	{`title("ab cd")`, `"Ab Cd"`},
	{`tobool("true")`, `true`},
	{`tolist(["a"])`, `["a"]`},
	{`tomap({ a = 1 })`, `{ a = 1 }`},
	{`tonumber("1.5")`, `1.5`},
	{`toset(["b", "a", "b"])`, `["a", "b"]`},
	{`tostring(1)`, `"1"`},
	{`transpose({ a = ["x", "y"], b = ["x"] })`, `{ x = ["a", "b"], y = ["a"] }`},
	{`trim("xax", "x")`, `"a"`},
	{`trimprefix("ab", "a")`, `"b"`},
	{`trimspace(" a ")`, `"a"`},
	{`trimsuffix("ab", "b")`, `"a"`},
	{`try(tonumber("x"), 1)`, `1`},
	{`upper("a")`, `"A"`},
	{`urlencode("a b&c")`, `"a+b%26c"`},
	{`urldecode("a+b%26c")`, `"a b&c"`},
	{`uuidv5("dns", "www.example.com")`, `"2ed6657d-e927-568b-95e1-2665a8aea6a2"`},
	{`uuidv5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "www.example.com")`, `"2ed6657d-e927-568b-95e1-2665a8aea6a2"`},
	{`values({ b = 1, a = 2 })`, `[2, 1]`},
	{`yamldecode("a: [1]")`, `{ a = [1] }`},
	{`yamlencode({ a = 1 })`, `"\"a\": 1\n"`},
	{`zipmap(["a"], [1])`, `{ a = 1 }`},
}

func TestResults(t *testing.T) {
	table, _ := table(t)
	tested := map[string]bool{
		"abspath":   true, // depends on the working directory
		"sensitive": true, // within issensitive
	}
	for _, test := range results {
		tested[test.call[:strings.IndexByte(test.call, '(')]] = true
		t.Run(test.call, func(t *testing.T) {
			got, diags := eval(t, table, test.call)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			want, diags := eval(t, table, test.want)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			if g, w := toJSON(t, got), toJSON(t, want); g != w {
				t.Errorf("got %s, want %s", g, w)
			}
		})
	}
	for name := range table {
		if !tested[name] {
			t.Errorf("%s is not tested", name)
		}
	}
}

func toJSON(t *testing.T, v cty.Value) string {
	t.Helper()
	b, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestErrors are calls that fail, with a part of the message.
func TestErrors(t *testing.T) {
	table, _ := table(t)
	for call, want := range map[string]string{
		`base64decode("!")`:                      "not valid Base64",
		`coalesce("", null)`:                     "null or empty",
		`coalesce()`:                             "at least one argument",
		`file("none.txt")`:                       "there is no file",
		`file("sub")`:                            "is a directory",
		`file("bytes.bin")`:                      "use filebase64",
		`file("~nobody/x")`:                      "only ~",
		`fileexists("sub")`:                      "is a directory",
		`fileset(".", "{a")`:                     "without }",
		`fileset(".", "[a")`:                     "without ]",
		`index(["a"], "b")`:                      "does not hold",
		`length(1)`:                              "a string or a collection",
		`lookup({ a = 1 }, "b")`:                 "no such key",
		`lookup([1], "b")`:                       "a map or an object",
		`lookup({ a = 1 }, "b", 1, 2)`:           "at most three",
		`matchkeys(["a"], [], [])`:               "same length",
		`one(["a", "b"])`:                        "2 elements",
		`one("a")`:                               "a list or a set",
		`range(0, 5, -1)`:                        "leads away",
		`range(0, 5, 0)`:                         "must not be 0",
		`range(2000000)`:                         "more than 1000000",
		`range()`:                                "one to three",
		`replace("a", "/(/", "")`:                "missing closing",
		`sum([])`:                                "nothing to add",
		`sum(["a"])`:                             "must be a number",
		`sum({ a = 1 })`:                         "a list or set",
		`templatefile("bad.tmpl", { a = 1 })`:    `uses "nope" at bad.tmpl:2`,
		`templatefile("syntax.tmpl", {})`:        "syntax.tmpl:1",
		`templatefile("recursive.tmpl", {})`:     "unknown function",
		`templatefile("t.tmpl", ["a"])`:          "must be an object",
		`templatefile("t.tmpl", { "a b" = 1 })`:  "not a name",
		`templatestring("$${x}", { x = ["a"] })`: "does not give a text",
		`timecmp("now", "2026-01-31T12:00:00Z")`: "RFC 3339",
		`uuidv5("x", "y")`:                       "neither dns",
		`cidrcontains("x", "10.0.0.1")`:          "not a network",
		`cidrcontains("10.0.0.0/8", "x")`:        "neither an address",
		`transpose({ a = null })`:                "is null",
		`urldecode("%zz")`:                       "not URL-encoded",
	} {
		t.Run(call, func(t *testing.T) {
			v, diags := eval(t, table, call)
			if !diags.HasErrors() {
				t.Fatalf("no error but %#v", v)
			}
			if !strings.Contains(diags.Error(), want) {
				t.Errorf("%v does not contain %q", diags, want)
			}
		})
	}
}

// TestUnknownAndSensitive: unknown arguments give unknown results, and results
// of sensitive arguments are sensitive.
func TestUnknownAndSensitive(t *testing.T) {
	table, _ := table(t)
	for _, call := range []string{
		`length(list)`, `upper(unknown)`, `coalesce(unknown, "a")`, `one(list)`, `sum(nums)`, `lookup({ a = 1 }, unknown, 1)`,
		`try(unknown, "x")`, `can(unknown)`, `templatefile("t.tmpl", { names = list })`, `index(list, "a")`,
		`matchkeys(list, list, list)`, `alltrue([unknown])`, `file(unknown)`, `length(any)`, `transpose({ a = list })`,
		`jsonencode({ a = unknown })`, `range(length(list))`,
	} {
		if v, diags := eval(t, table, call); diags.HasErrors() || v.IsKnown() {
			t.Errorf("%s: %#v %v", call, v, diags)
		}
	}
	for _, call := range []string{
		`upper(secret)`, `"x${secret}"`, `length(secret)`, `lookup({ a = 1 }, secret, 1)`, `try(secret)`, `sha256(secret)`,
		`templatestring("$${x}", { x = secret })`, `templatefile("t.tmpl", { names = [secret] })`, `jsonencode({ a = secret })`,
		`join(",", ["a", secret])`, `lookup({ a = secret }, "a")`, `coalesce(secret, "a")`, `base64encode(secret)`, `keys({ (secret) = 1 })`,
	} {
		v, diags := eval(t, table, call)
		if diags.HasErrors() || !v.HasMarkDeep(mark) {
			t.Errorf("%s: %#v %v", call, v, diags)
		}
	}
}

// TestDescriptions: every function says what it does.
func TestDescriptions(t *testing.T) {
	table, _ := table(t)
	for name, f := range table {
		if f.Description() == "" {
			t.Errorf("%s has no description", name)
		}
		if functions.Refused[name] != "" {
			t.Errorf("%s is in the table and refused", name)
		}
	}
}

// TestSnapshot: what was read once is read from the snapshot afterwards, wherever that is.
func TestSnapshot(t *testing.T) {
	first, files := table(t)
	calls := []string{
		`file("a.txt")`, `fileset(".", "**/*.txt")`, `fileexists("a.txt")`, `fileexists("none")`,
		`templatefile("t.tmpl", { names = ["x"] })`, `filesha256("bytes.bin")`,
	}
	want := map[string]string{}
	for _, call := range calls {
		v, diags := eval(t, first, call)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		want[call] = toJSON(t, v)
	}
	again := functions.New(functions.Options{Files: functions.NewFiles(t.TempDir(), files.Snapshot()), Sensitive: mark})
	for _, call := range calls {
		v, diags := eval(t, again, call)
		if diags.HasErrors() {
			t.Errorf("%s: %v", call, diags)
		} else if got := toJSON(t, v); got != want[call] {
			t.Errorf("%s: %s, want %s", call, got, want[call])
		}
	}
}
