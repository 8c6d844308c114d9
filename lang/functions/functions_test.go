package functions_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"golang.org/x/crypto/ssh"

	"github.com/stowage-iac/stowage/lang/functions"
)

const mark = "sensitive"

// fixtures are the files that calls in reference.txt and testdata/results read.
var fixtures = sync.OnceValue(func() map[string]string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	_, other, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	//lint:ignore SA1019 as rsadecrypt reads it
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, &key.PublicKey, []byte("hello"))
	if err != nil {
		panic(err)
	}
	open := func(key crypto.PrivateKey) *pem.Block {
		block, err := ssh.MarshalPrivateKey(key, "")
		if err != nil {
			panic(err)
		}
		return block
	}
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte("x"))
	if err != nil {
		panic(err)
	}
	return map[string]string{
		"greeting.txt": "hello\n", "bytes.bin": "\xff\x00",
		"sites/a.conf": "a", "sites/b.conf": "b", "sites/deep/c.md": "c",
		"hosts.tmpl": "%{ for h in hosts ~}\nhost ${h}\n%{ endfor ~}\n",
		"bad.tmpl":   "a\n${nope.x}", "syntax.tmpl": "${", "recursive.tmpl": `${templatefile("hosts.tmpl", {hosts = []})}`,
		"rsa.base64": base64.StdEncoding.EncodeToString(sealed),
		"rsa.pem":    string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
		"locked.pem": string(pem.EncodeToMemory(locked)), "ed25519.pem": string(pem.EncodeToMemory(open(other))),
	}
})

func table(t *testing.T) (map[string]function.Function, *functions.Files) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range fixtures() {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files := functions.NewFiles(dir, nil)
	return functions.New(functions.Options{
		Files: files, Sensitive: mark, Ephemeral: func(m any) bool { return m == "ephemeral" }, Now: time.Date(2026, 1, 31, 13, 5, 0, 0, time.FixedZone("", 3600)),
	}), files
}

// values are what calls in testdata/results can name.
func values() map[string]cty.Value {
	home, _ := os.UserHomeDir()
	lists := cty.List(cty.List(cty.String))
	return map[string]cty.Value{
		"home":                  cty.StringVal(home),
		"secret":                cty.StringVal("s3cr3t").Mark(mark),
		"secret_number":         cty.NumberIntVal(42).Mark(mark),
		"ephemeral":             cty.StringVal("3ph3meral").Mark("ephemeral"),
		"null_any":              cty.NullVal(cty.DynamicPseudoType),
		"null_string":           cty.NullVal(cty.String),
		"null_number":           cty.NullVal(cty.Number),
		"null_bool":             cty.NullVal(cty.Bool),
		"null_set":              cty.NullVal(cty.Set(cty.String)),
		"null_any_list":         cty.NullVal(cty.List(cty.DynamicPseudoType)),
		"unknown_any":           cty.DynamicVal,
		"unknown_bool":          cty.UnknownVal(cty.Bool),
		"unknown_number":        cty.UnknownVal(cty.Number),
		"unknown_string":        cty.UnknownVal(cty.String),
		"unknown_list":          cty.UnknownVal(cty.List(cty.String)),
		"unknown_numbers":       cty.UnknownVal(cty.List(cty.Number)),
		"unknown_set":           cty.UnknownVal(cty.Set(cty.String)),
		"unknown_map":           cty.UnknownVal(cty.Map(cty.String)),
		"unknown_list_of_lists": cty.UnknownVal(lists),
		"unknown_pairs":         cty.UnknownVal(cty.List(cty.Tuple([]cty.Type{cty.String, cty.String}))),
		"unknown_any_list":      cty.UnknownVal(cty.List(cty.DynamicPseudoType)),
		"unknown_any_set":       cty.UnknownVal(cty.Set(cty.DynamicPseudoType)),
		"unknown_any_map":       cty.UnknownVal(cty.Map(cty.DynamicPseudoType)),
		"unknown_map_of_lists":  cty.UnknownVal(cty.Map(cty.List(cty.String))),
	}
}

func eval(t *testing.T, table map[string]function.Function, expr string) (cty.Value, hcl.Diagnostics) {
	t.Helper()
	e, diags := hclsyntax.ParseExpression([]byte(expr), "test", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(expr, diags)
	}
	return e.Value(&hcl.EvalContext{Functions: table, Variables: values()})
}

// equal compares two values with their types and marks. Of unknown ones, what is
// known about them nevertheless does not count.
func equal(a, b cty.Value) bool {
	plain := func(v cty.Value) cty.Value {
		v, err := cty.Transform(v, func(_ cty.Path, v cty.Value) (cty.Value, error) {
			bare, marks := v.Unmark()
			if !bare.IsKnown() {
				return cty.UnknownVal(bare.Type()).WithMarks(marks), nil
			}
			return v, nil
		})
		if err != nil {
			panic(err)
		}
		return v
	}
	return plain(a).RawEquals(plain(b))
}

// line is one of testdata/results.
type line struct{ call, result, failure string }

func results(t *testing.T) []line {
	t.Helper()
	paths, err := filepath.Glob("testdata/results/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal("no test data", err)
	}
	var lines []line
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range strings.Split(string(content), "\n") {
			if text == "" || strings.HasPrefix(text, "#") {
				continue
			}
			call, result, ok := strings.Cut(text, " → ")
			if ok {
				lines = append(lines, line{call: call, result: result})
				continue
			}
			call, failure, _ := strings.Cut(text, " ! ")
			lines = append(lines, line{call: call, failure: failure})
		}
	}
	return lines
}

// reveals are the functions whose result may be shown although an argument is
// sensitive and it depends on it, with the reason.
var reveals = map[string]string{
	"nonsensitive": "that is what it is for",
	"issensitive":  "whether something is secret is no secret",
	"can":          "whether an expression is valid, and no more",
	"try":          "the result is that of another expression",
}

// TestSensitive makes each argument of every call of testdata/results, and then
// everything within it, sensitive: so is the result, or it does not depend on it.
func TestSensitive(t *testing.T) {
	table, _ := table(t)
	leaves := func(v cty.Value, change func(cty.Value) cty.Value) cty.Value {
		v, err := cty.Transform(v, func(_ cty.Path, v cty.Value) (cty.Value, error) {
			bare, marks := v.Unmark()
			if bare.IsKnown() && !bare.IsNull() && bare.Type().IsPrimitiveType() {
				return change(bare).WithMarks(marks), nil
			}
			return v, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	conceal := func(v cty.Value) cty.Value { return v.Mark(mark) }
	other := func(v cty.Value) cty.Value {
		switch v.Type() {
		case cty.String:
			return cty.StringVal(v.AsString() + "x")
		case cty.Number:
			return v.Add(cty.NumberIntVal(1))
		}
		return v.Not()
	}
	tried := map[string]bool{}
	for _, line := range results(t) {
		e, diags := hclsyntax.ParseExpression([]byte(line.call), "test", hcl.InitialPos)
		call, ok := e.(*hclsyntax.FunctionCallExpr)
		if diags.HasErrors() || !ok || line.failure != "" || call.ExpandFinal || reveals[call.Name] != "" {
			continue
		}
		with := func(i int, v cty.Value) (cty.Value, hcl.Diagnostics) {
			args := slices.Clone(call.Args)
			args[i] = &hclsyntax.LiteralValueExpr{Val: v}
			return (&hclsyntax.FunctionCallExpr{Name: call.Name, Args: args}).Value(&hcl.EvalContext{Functions: table, Variables: values()})
		}
		for i, arg := range call.Args {
			v, diags := arg.Value(&hcl.EvalContext{Functions: table, Variables: values()})
			if diags.HasErrors() {
				continue
			}
			v, _ = v.UnmarkDeep()
			for _, sensitive := range []cty.Value{conceal(v), leaves(v, conceal)} {
				tried[call.Name] = true
				got, diags := with(i, sensitive)
				if diags.HasErrors() || got.HasMarkDeep(mark) || !sensitive.HasMarkDeep(mark) {
					continue
				}
				again, diags := with(i, leaves(v, other))
				if diags.HasErrors() || v.IsKnown() && !equal(got, again) || !got.IsKnown() {
					t.Errorf("%s: the result does not know that argument %d is sensitive: %#v", line.call, i, got)
				}
			}
		}
	}
	for name, f := range table {
		if reveals[name] == "" && !tried[name] && len(f.Params()) > 0 {
			t.Errorf("%s was not tried", name)
		}
	}
}

// TestResults runs testdata/results/*.txt: calls of every function, each with its
// result or a part of its error. Each function is called with an unknown and a
// sensitive argument there, too, unless it takes none.
func TestResults(t *testing.T) {
	table, _ := table(t)
	called := map[string][]string{}
	for _, line := range results(t) {
		name, _, _ := strings.Cut(line.call, "(")
		called[name] = append(called[name], line.call)
		t.Run(line.call, func(t *testing.T) {
			got, diags := eval(t, table, line.call)
			if line.failure != "" {
				if !diags.HasErrors() || !strings.Contains(diags.Error(), line.failure) {
					t.Errorf("got %#v, %v; want an error with %q", got, diags, line.failure)
				}
				return
			}
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			want, diags := eval(t, table, line.result)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			if !equal(got, want) {
				t.Errorf("got %#v, want %#v", got, want)
			}
		})
	}
	for name, f := range table {
		if len(f.Params()) == 0 && f.VarParam() == nil {
			continue
		}
		all := strings.Join(called[name], "\n")
		if !strings.Contains(all, "unknown_") || !strings.Contains(all, "secret") && !strings.Contains(all, "sensitive(") {
			t.Errorf("%s is not called with an unknown and a sensitive argument", name)
		}
		if len(called[name]) < 4 {
			t.Errorf("%s has only %d calls", name, len(called[name]))
		}
	}
}

// TestReference: every function is explained, and its examples are true.
func TestReference(t *testing.T) {
	table, _ := table(t)
	explained := map[string]bool{}
	var last functions.Entry
	for _, e := range functions.Reference() {
		explained[e.Name] = true
		switch {
		case table[e.Name].Params() == nil && table[e.Name].VarParam() == nil && e.Name != "plantimestamp":
			t.Errorf("%s is no function", e.Name)
		case e.Description == "" || len(e.Examples) == 0:
			t.Errorf("%s has no description or no example", e.Name)
		case e.Group == last.Group && e.Name < last.Name && e.Group != "Numbers":
			t.Errorf("%s comes after %s", e.Name, last.Name)
		}
		last = e
		for _, x := range e.Examples {
			if !strings.Contains(x.Call, e.Name+"(") {
				t.Errorf("%s does not call %s", x.Call, e.Name)
			}
			got, diags := eval(t, table, x.Call)
			if diags.HasErrors() {
				t.Errorf("%s: %v", x.Call, diags)
				continue
			}
			want, diags := eval(t, table, x.Result)
			if diags.HasErrors() || !equal(got, want) {
				t.Errorf("%s gives %#v, not %s %v", x.Call, got, x.Result, diags)
			}
		}
	}
	for name := range table {
		if !explained[name] {
			t.Errorf("reference.txt does not explain %s", name)
		}
		if functions.Refused[name] != "" {
			t.Errorf("%s is in the table and refused", name)
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

// TestSnapshot: what was read once is read from the snapshot afterwards, wherever that is.
func TestSnapshot(t *testing.T) {
	first, files := table(t)
	calls := []string{
		`file("greeting.txt")`, `fileset(".", "**/*.conf")`, `fileexists("greeting.txt")`, `fileexists("none")`,
		`templatefile("hosts.tmpl", { hosts = ["x"] })`, `filesha256("bytes.bin")`,
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
