package planner_test

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/secret"
	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/statetest"
)

const ephemeralValue = "Planted-4711-ephemeral"

const writeOnlyConfig = `
variable "token" {
  type      = string
  ephemeral = true
}

variable "plain" { default = "x" }

secret "token" { value_wo = "Bearer ${var.token}" }

secret "late" { value_wo = "${secret.made.version}-${var.token}" }

secret "made" {
  generate {}
}

check "length" {
  assert {
    condition     = length(var.token) > 100
    error_message = "${var.token} is short."
  }
}
`

// A saved plan, decrypted, the state and the journal hold nothing of what is given to a
// write-only argument, and the plan is applied with that value or not at all.
func TestWriteOnly(t *testing.T) {
	ctx := context.Background()
	kinds := map[string]providers.Kind{"secret": secret.Kind{}}
	keys := state.NewKeyring(state.KeyOptions{Getenv: func(name string) string {
		if name == "STOWAGE_AGE_KEY" {
			return identity().String()
		}
		return ""
	}})
	backend := &statetest.Memory{}
	store := state.NewStore(backend, state.Options{Keys: keys, Version: "test"})
	load := func(files map[string][]byte) *lang.Config {
		cfg, diags := lang.Load(".", lang.Options{Schemas: map[string]*schema.Block{"secret": secret.Kind{}.Schema()}, Files: files})
		if diags.HasErrors() {
			t.Fatal(text(diags))
		}
		return cfg
	}
	cfg := load(map[string][]byte{"main.stowage.hcl": []byte(writeOnlyConfig)})
	inputs := func(token string) lang.Inputs {
		return lang.Inputs{Variables: map[string]lang.Input{
			"token": {Value: cty.StringVal(token), Source: "-var"}, "plain": {Value: cty.StringVal("y"), Source: "-var"},
		}}
	}
	plan := func(l *state.Loaded, token string) *planner.Plan {
		p, diags := planner.Make(ctx, planner.Input{Config: cfg, Inputs: inputs(token), State: l.State, Kinds: kinds})
		if diags.HasErrors() {
			t.Fatal(text(diags))
		}
		if s := text(diags); strings.Contains(s, ephemeralValue) || !strings.Contains(s, "derived from var.token, which is ephemeral") {
			t.Error(s)
		}
		return p
	}
	loaded, err := store.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var saved bytes.Buffer
	if err := plan(loaded, ephemeralValue).Save(&saved, planner.SaveOptions{Kinds: kinds, Config: cfg, Inputs: inputs(ephemeralValue), Keys: keys}); err != nil {
		t.Fatal(err)
	}
	for name, content := range unpacked(t, saved.Bytes(), keys) {
		if strings.Contains(content, ephemeralValue) {
			t.Errorf("%s in the saved plan holds the value", name)
		}
	}
	open := func(token string) (*planner.Saved, planner.ApplyInput) {
		s, err := planner.Open(bytes.NewReader(saved.Bytes()), int64(saved.Len()), planner.OpenOptions{Kinds: kinds, Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Ephemeral) != 1 || s.Ephemeral[0] != "token" || len(s.Inputs.Variables) != 1 {
			t.Fatalf("ephemeral: %v, kept: %v", s.Ephemeral, s.Inputs.Variables)
		}
		if token != "" {
			s.Inputs.Variables["token"] = lang.Input{Value: cty.StringVal(token), Source: "-var"}
		}
		fresh, err := store.Load(ctx)
		if err != nil {
			t.Fatal(err)
		}
		s.Plan.Prepare(fresh)
		return s, planner.ApplyInput{Config: load(s.Files), Inputs: s.Inputs, State: fresh.State, Kinds: kinds}
	}
	for token, want := range map[string]string{
		"": "Missing value for a variable", "another": "Other value than planned", ephemeralValue: "",
	} {
		s, in := open(token)
		if diags := planner.CheckGiven(s.Plan, in); want == "" && diags.HasErrors() || !strings.Contains(text(diags), want) {
			t.Errorf("with %q: %s; want %q", token, text(diags), want)
		}
	}

	s, in := open(ephemeralValue)
	locked, err := store.Lock(ctx, "apply", 0)
	if err != nil {
		t.Fatal(err)
	}
	now, err := locked.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s.Plan.Prepare(now)
	if in.Journal, err = locked.Begin(ctx, now, state.Operation{Name: "apply"}); err != nil {
		t.Fatal(err)
	}
	in.State = now.State
	journal := &recording{Journal: in.Journal}
	in.Journal = journal
	result, diags := planner.Apply(ctx, s.Plan, in)
	if diags.HasErrors() || len(result.Done) != 3 {
		t.Fatal(text(diags), result)
	}
	if err := locked.Unlock(); err != nil {
		t.Fatal(err)
	}
	now, err = store.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !now.Encrypted {
		t.Error("the state is not encrypted: the keyed hashes in it could be tried out")
	}
	for address, inst := range now.State.Instances {
		journal.all.Write(inst.Value)
		if address != "secret.made" && !strings.Contains(string(inst.Value), `"version":"`) {
			t.Errorf("%s is recorded as %s", address, inst.Value)
		}
	}
	if strings.Contains(journal.all.String(), ephemeralValue) {
		t.Errorf("the journal or the state holds the value: %s", journal.all.String())
	}
	if p := plan(now, ephemeralValue); !p.Empty() {
		t.Errorf("the plan after the apply is not empty:\n%s", p)
	}
	if p := plan(now, "another"); p.Count().Change != 2 {
		t.Errorf("another value changes nothing:\n%s", p)
	}
}

// recording keeps what is written to a journal.
type recording struct {
	planner.Journal
	all bytes.Buffer
}

func (r *recording) Done(address string, inst *state.Instance) error {
	if inst != nil {
		r.all.Write(inst.Value)
	}
	return r.Journal.Done(address, inst)
}

// unpacked are the entries of a saved plan, decrypted.
func unpacked(t reporter, saved []byte, keys *state.Keyring) map[string]string {
	t.Helper()
	entries := func(b []byte) map[string]string {
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]string{}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			all[f.Name] = string(content)
		}
		return all
	}
	outer := entries(saved)
	if outer["sealed"] == "" {
		return outer
	}
	plain, err := keys.Open([]byte(outer["sealed"]), []byte(outer["meta.json"]))
	if err != nil {
		t.Fatal(err)
	}
	inner := entries(plain)
	inner["meta.json"] = outer["meta.json"]
	return inner
}
