// Package datatest reads sources in tests as the planner does.
package datatest

import (
	"context"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/data"
)

// Reader reads blocks of one source.
type Reader struct {
	Source  data.Source
	Dir     string // that relative paths are relative to
	Outside providers.Outside
	Context context.Context // default: Background
}

// Args are the arguments of a block; the others have their defaults.
type Args map[string]cty.Value

// Read reads a block data.TYPE.x with these arguments.
func (r Reader) Read(args Args) (cty.Value, hcl.Diagnostics) {
	ctx := r.Context
	if ctx == nil {
		ctx = context.Background()
	}
	config := map[string]cty.Value{}
	for name, a := range r.Source.Schema().Attributes {
		config[name] = cty.NullVal(a.Type)
		if a.Default != cty.NilVal {
			config[name] = a.Default
		}
	}
	for name, v := range args {
		config[name] = v
	}
	return data.Kind{Source: r.Source}.Fetch(ctx, data.Request{
		Address: "data." + r.Source.Type() + ".x", Config: cty.ObjectVal(config), BaseDir: r.Dir, Outside: r.Outside,
	}, 0)
}

// Must reads a block that can be read.
func (r Reader) Must(t testing.TB, args Args) cty.Value {
	t.Helper()
	v, diags := r.Read(args)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return v
}

// Refused reads a block that cannot be read: the diagnostic points to a part of the
// block, names it, and says what is wanted.
func (r Reader) Refused(t testing.TB, args Args, want ...string) {
	t.Helper()
	v, diags := r.Read(args)
	if !diags.HasErrors() {
		t.Fatalf("it is read: %#v", v)
	}
	d := diags[0]
	if !strings.Contains(d.Detail, "data."+r.Source.Type()+".x") {
		t.Errorf("the diagnostic does not name the block: %s", d.Detail)
	}
	for _, part := range want {
		if !strings.Contains(d.Detail, part) {
			t.Errorf("the diagnostic does not say %q: %s: %s", part, d.Summary, d.Detail)
		}
	}
}

// Str is a text, Strs a list of texts.
func Str(s string) cty.Value { return cty.StringVal(s) }

// Strs is a list of texts.
func Strs(list ...string) cty.Value {
	vals := make([]cty.Value, len(list))
	for i, s := range list {
		vals[i] = cty.StringVal(s)
	}
	return cty.ListVal(vals)
}

// Keys is an Outside that has only keys.
type Keys []age.Identity

// Identities implements providers.Outside.
func (k Keys) Identities() ([]age.Identity, []string, error) {
	return k, []string{"STOWAGE_AGE_KEY"}, nil
}

// Outputs implements providers.Outside.
func (Keys) Outputs(context.Context, providers.StateRef) (map[string]cty.Value, error) {
	panic("no source of keys reads states")
}
