package planner

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/state"
)

// SaveOptions of Plan.Save.
type SaveOptions struct {
	Kinds  map[string]providers.Kind
	Config *lang.Config // that the plan was made from
	Inputs lang.Inputs
	Keys   *state.Keyring // encrypts a plan in which anything is sensitive
}

// meta is meta.json, the part of a saved plan that is never encrypted.
type meta struct {
	FormatVersion  int    `json:"format_version"`
	StowageVersion string `json:"stowage_version"`
	Context        string `json:"context,omitempty"`
	Protected      bool   `json:"protected,omitempty"`
	Lineage        string `json:"lineage"`
	Serial         uint64 `json:"serial"`
	Sealed         bool   `json:"sealed"`
}

// Names within the archive.
const (
	metaFile      = "meta.json"
	planFile      = "plan.json"
	variablesFile = "variables.json"
	sealedFile    = "sealed"
	sourcesDir    = "sources/"
)

// Save writes the plan as a zip archive: meta.json, plan.json, the variables that
// were given, but for ephemeral ones, and the configuration with all files that its functions read. When
// anything is sensitive, everything but meta.json is encrypted. The plan must be
// the one that Make returned.
func (p *Plan) Save(w io.Writer, o SaveOptions) error {
	j, sensitive, err := p.toJSON(newKinds(o.Kinds))
	if err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	sealed := sensitive || p.sensitiveVariables(o) || o.Keys != nil && o.Keys.Always()
	if sealed && o.Keys == nil {
		return fmt.Errorf("save the plan: it holds sensitive values and there is no key to encrypt them with")
	}
	if !sealed {
		j.HashKey = nil
	}
	j.Ephemeral = o.ephemeral()
	entries, err := p.entries(j, o)
	if err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	head, err := json.Marshal(meta{FormatVersion: FormatVersion, StowageVersion: p.StowageVersion, Context: p.Context, Protected: p.Protected,
		Lineage: p.Lineage, Serial: p.Serial, Sealed: sealed})
	if err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	if sealed {
		var inner bytes.Buffer
		if err := writeZip(&inner, entries); err != nil {
			return fmt.Errorf("save the plan: %w", err)
		}
		box, err := o.Keys.Seal(inner.Bytes(), head)
		if err != nil {
			return fmt.Errorf("encrypt the plan: %w", err)
		}
		entries = []entry{{sealedFile, box}}
	}
	if err := writeZip(w, append([]entry{{metaFile, head}}, entries...)); err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	return nil
}

type entry struct {
	name    string
	content []byte
}

func (p *Plan) entries(j planJSON, o SaveOptions) ([]entry, error) {
	body, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	variables := map[string]json.RawMessage{}
	for name, in := range o.Inputs.Variables {
		if slices.Contains(j.Ephemeral, name) {
			continue
		}
		v, _ := in.Value.UnmarkDeep()
		if variables[name], err = ctyjson.Marshal(v, cty.DynamicPseudoType); err != nil {
			return nil, fmt.Errorf("the variable %q: %w", name, err)
		}
	}
	vars, err := json.Marshal(variables)
	if err != nil {
		return nil, err
	}
	entries := []entry{{planFile, body}, {variablesFile, vars}}
	sources := map[string][]byte{}
	switch {
	case p.ev != nil:
		sources = p.ev.Sources()
	case o.Config != nil:
		sources = o.Config.Sources
	}
	for _, name := range sortedKeys(sources) {
		entries = append(entries, entry{sourcesDir + name, sources[name]})
	}
	return entries, nil
}

// ephemeral are the ephemeral variables that were given a value, sorted.
func (o SaveOptions) ephemeral() (names []string) {
	if o.Config == nil {
		return nil
	}
	for _, name := range o.Config.Ephemerals() {
		if _, given := o.Inputs.Variables[name]; given {
			names = append(names, name)
		}
	}
	return names
}

// sensitiveVariables reports whether a value was given to a sensitive variable.
func (p *Plan) sensitiveVariables(o SaveOptions) bool {
	if o.Config == nil {
		return false
	}
	for name := range o.Inputs.Variables {
		if v := o.Config.Variables[name]; v != nil && v.Sensitive && !v.Ephemeral {
			return true
		}
	}
	return false
}

// writeZip writes entries without times: the same plan gives the same bytes.
func writeZip(w io.Writer, entries []entry) error {
	z := zip.NewWriter(w)
	for _, e := range entries {
		method := zip.Deflate
		if e.name == sealedFile {
			method = zip.Store
		}
		f, err := z.CreateHeader(&zip.FileHeader{Name: e.name, Method: method})
		if err != nil {
			return err
		}
		if _, err := f.Write(e.content); err != nil {
			return err
		}
	}
	return z.Close()
}
