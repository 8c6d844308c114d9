package secret_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/data/datatest"
	"github.com/stowage-iac/stowage/providers/secret"
)

var key = []byte("key")

// config makes a secret's configuration from the arguments that are set.
func config(set map[string]cty.Value) cty.Value {
	m := map[string]cty.Value{}
	for name, ty := range (secret.Kind{}).Schema().ImpliedType().AttributeTypes() {
		m[name] = cty.NullVal(ty)
	}
	for name, v := range set {
		m[name] = v
	}
	return cty.ObjectVal(m)
}

func generate(length int64) map[string]cty.Value {
	return map[string]cty.Value{"generate": cty.ObjectVal(map[string]cty.Value{
		"length": cty.NumberIntVal(length), "special": cty.False,
	})}
}

func TestGeneratedOnceAndKept(t *testing.T) {
	k := secret.Kind{}
	plan := k.Plan(providers.PlanRequest{Identity: providers.Identify("secret.db"), Prior: cty.NullVal(cty.DynamicPseudoType), Config: config(generate(20)), HashKey: key})
	if v, _ := plan.Planned.GetAttr("value").Unmark(); v.IsKnown() {
		t.Fatal("a value is known before it is generated")
	}
	applied := k.Apply(context.Background(), providers.ApplyRequest{Identity: providers.Identify("secret.db"), Planned: plan.Planned, HashKey: key})
	value := providers.Str(applied.Value, "value")
	if len(value) != 20 || !applied.Value.GetAttr("value").IsMarked() {
		t.Fatalf("generated %d characters, sensitive %t", len(value), applied.Value.GetAttr("value").IsMarked())
	}
	again := k.Plan(providers.PlanRequest{Identity: providers.Identify("secret.db"), Prior: applied.Value, Config: config(generate(20)), HashKey: key})
	if got := providers.Str(again.Planned, "value"); got != value {
		t.Error("the next plan does not keep the value")
	}
	if providers.Str(again.Planned, "version") != providers.Str(applied.Value, "version") {
		t.Error("the version changes without a change of the value")
	}
	longer := k.Plan(providers.PlanRequest{Identity: providers.Identify("secret.db"), Prior: applied.Value, Config: config(generate(21)), HashKey: key})
	if v, _ := longer.Planned.GetAttr("value").Unmark(); v.IsKnown() {
		t.Error("another length keeps the old value")
	}
}

func TestSources(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "s.txt"), []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("STOWAGE_TEST_SECRET", "from the environment")
	str := cty.StringVal
	list := func(s ...string) cty.Value {
		var l []cty.Value
		for _, e := range s {
			l = append(l, str(e))
		}
		return cty.ListVal(l)
	}
	for name, tc := range map[string]struct {
		set  map[string]cty.Value
		want string // value, or "error: " and a part of the detail
	}{
		"value":           {map[string]cty.Value{"value": str("given")}, "given"},
		"file":            {map[string]cty.Value{"file": str("s.txt")}, "from a file\n"},
		"env":             {map[string]cty.Value{"env": str("STOWAGE_TEST_SECRET")}, "from the environment"},
		"command":         {map[string]cty.Value{"command": list("echo", "from a command")}, "from a command"},
		"no file":         {map[string]cty.Value{"file": str("none.txt")}, "error: none.txt"},
		"no variable":     {map[string]cty.Value{"env": str("STOWAGE_TEST_NOT_SET")}, "error: STOWAGE_TEST_NOT_SET, which is not set"},
		"command fails":   {map[string]cty.Value{"command": list("false")}, "error: failed"},
		"no such command": {map[string]cty.Value{"command": list("/no/such/command")}, "error: /no/such/command"},
		"nothing":         {nil, "error: has no value"},
		"two":             {map[string]cty.Value{"value": str("x"), "env": str("X")}, "error: Keep one of them"},
	} {
		t.Run(name, func(t *testing.T) {
			r := secret.Kind{}.Plan(providers.PlanRequest{
				Identity: providers.Identify("secret.x"), Prior: cty.NullVal(cty.DynamicPseudoType), Config: config(tc.set), HashKey: key, BaseDir: dir,
			})
			if part, ok := strings.CutPrefix(tc.want, "error: "); ok {
				if !r.Diags.HasErrors() || !strings.Contains(r.Diags[0].Detail, part) || !strings.Contains(r.Diags[0].Detail, "secret.x") {
					t.Errorf("diagnostics %v do not say %q of secret.x", r.Diags, part)
				}
				return
			}
			if r.Diags.HasErrors() {
				t.Fatal(r.Diags)
			}
			if got := providers.Str(r.Planned, "value"); got != tc.want {
				t.Errorf("value %q, want %q", got, tc.want)
			}
			if !r.Planned.GetAttr("value").IsMarked() {
				t.Error("the value is not sensitive")
			}
		})
	}
}

// TestEncryptedFiles: a secret may come of a file that age or sops encrypted.
func TestEncryptedFiles(t *testing.T) {
	f, err := os.Open("../data/sops/testdata/key.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ids, err := age.ParseIdentities(f)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := age.Encrypt(&b, ids[0].(*age.X25519Identity).Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("from age")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "s.age"), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	sopsFile, err := filepath.Abs("../data/sops/testdata/default.enc.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sops := func(path string, key ...string) map[string]cty.Value {
		k := cty.NullVal(cty.List(cty.String))
		if len(key) > 0 {
			k = datatest.Strs(key...)
		}
		return map[string]cty.Value{"sops": cty.ObjectVal(map[string]cty.Value{"path": cty.StringVal(path), "key": k})}
	}
	for name, tc := range map[string]struct {
		set  map[string]cty.Value
		keys datatest.Keys
		want string // value, or "error: " and a part of the detail
	}{
		"age":            {map[string]cty.Value{"age": cty.StringVal("s.age")}, ids, "from age"},
		"age, no key":    {map[string]cty.Value{"age": cty.StringVal("s.age")}, nil, "error: no key in STOWAGE_AGE_KEY"},
		"age, no file":   {map[string]cty.Value{"age": cty.StringVal("none.age")}, ids, "error: there is no such file"},
		"age, not age":   {map[string]cty.Value{"age": cty.StringVal(sopsFile)}, ids, "error: not encrypted with age"},
		"sops, a text":   {sops(sopsFile, "db", "password"), ids, "planted-password"},
		"sops, a number": {sops(sopsFile, "db", "port"), ids, "5432"},
		"sops, a list":   {sops(sopsFile, "hosts", "1", "tags", "1"), ids, "y"},
		"sops, no name":  {sops(sopsFile, "db", "pasword"), ids, `error: did you mean "password"`},
		"sops, a part":   {sops(sopsFile, "db"), ids, `error: "db" is no text`},
		"sops, no key":   {sops(sopsFile, "db", "port"), nil, "error: no key in STOWAGE_AGE_KEY"},
	} {
		t.Run(name, func(t *testing.T) {
			r := secret.Kind{}.Plan(providers.PlanRequest{
				Identity: providers.Identify("secret.x"), Prior: cty.NullVal(cty.DynamicPseudoType), Config: config(tc.set), HashKey: key, BaseDir: dir, Outside: tc.keys,
			})
			if part, ok := strings.CutPrefix(tc.want, "error: "); ok {
				if !r.Diags.HasErrors() || !strings.Contains(r.Diags[0].Detail, part) || !strings.Contains(r.Diags[0].Detail, "secret.x") {
					t.Errorf("diagnostics %v do not say %q of secret.x", r.Diags, part)
				}
				return
			}
			if r.Diags.HasErrors() {
				t.Fatal(r.Diags)
			}
			if got := providers.Str(r.Planned, "value"); got != tc.want || !r.Planned.GetAttr("value").IsMarked() {
				t.Errorf("value %q, want %q", got, tc.want)
			}
		})
	}
}
