package outputs_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"filippo.io/age"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/data/datatest"
	"github.com/stowage-iac/stowage/providers/data/outputs"
)

// states is an Outside with states by what names them.
type states map[providers.StateRef]map[string]cty.Value

func (states) Identities() ([]age.Identity, []string, error) { return nil, nil, nil }

func (s states) Outputs(_ context.Context, of providers.StateRef) (map[string]cty.Value, error) {
	if out, ok := s[of]; ok {
		return out, nil
	}
	if of.Directory == "/broken" {
		return nil, errors.New("the state is damaged")
	}
	return nil, outputs.ErrNoState
}

func TestOutputs(t *testing.T) {
	dir := t.TempDir()
	network := map[string]cty.Value{"url": datatest.Str("http://x"), "token": datatest.Str("planted").WithMarks(lang.Sensitive)}
	r := datatest.Reader{Source: outputs.Source{}, Dir: dir, Outside: states{
		{Directory: filepath.Join(filepath.Dir(dir), "network")}:                network,
		{Directory: filepath.Join(filepath.Dir(dir), "network"), Context: "qa"}: {"url": datatest.Str("qa")},
		{Directory: dir, Context: "qa"}:                                         {"url": datatest.Str("own qa")},
		{Path: "/srv/terraform.tfstate"}:                                        {"url": datatest.Str("tf")},
	}}
	url := func(args datatest.Args) string {
		t.Helper()
		v := r.Must(t, args).GetAttr("values")
		return providers.Str(v, "url")
	}
	s := datatest.Str
	if got := url(datatest.Args{"directory": s("../network")}); got != "http://x" {
		t.Error(got)
	}
	if got := url(datatest.Args{"directory": s("../network"), "context": s("qa")}); got != "qa" {
		t.Error(got)
	}
	if got := url(datatest.Args{"context": s("qa")}); got != "own qa" {
		t.Error(got)
	}
	if got := url(datatest.Args{"path": s("/srv/terraform.tfstate")}); got != "tf" {
		t.Error(got)
	}
	v := r.Must(t, datatest.Args{"directory": s("../network")}).GetAttr("values")
	if v.IsMarked() || v.GetAttr("url").IsMarked() || !v.GetAttr("token").IsMarked() {
		t.Error("what is sensitive is not what was")
	}
	defaults := cty.ObjectVal(map[string]cty.Value{"url": s("default"), "port": cty.NumberIntVal(80)})
	if got := url(datatest.Args{"directory": s("none"), "defaults": defaults}); got != "default" {
		t.Error(got)
	}
	v = r.Must(t, datatest.Args{"context": s("qa"), "defaults": defaults}).GetAttr("values")
	if providers.Str(v, "url") != "own qa" || providers.Int(v, "port") != 80 {
		t.Errorf("%#v", v)
	}

	r.Refused(t, nil, "does not say whose", "directory = ")
	r.Refused(t, datatest.Args{"path": s("x"), "context": s("qa")}, "Keep one of them")
	r.Refused(t, datatest.Args{"directory": s("none")}, `"none"`, "there is no state yet")
	r.Refused(t, datatest.Args{"directory": s("/broken"), "defaults": defaults}, "damaged")
	if outputs.Source.Schema(outputs.Source{}).Attributes["defaults"].Validate(cty.True) == nil {
		t.Error("defaults = true is accepted")
	}
}
