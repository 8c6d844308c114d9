package view

import (
	"io"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
)

// Instance is a recorded resource instance; sensitive parts of Value are marked.
type Instance struct {
	Address   string
	Kind      string
	Value     cty.Value
	Deps      []string
	Placement []string // node of each slot
}

// Instances writes recorded instances as blocks, sorted by address.
func (v View) Instances(w io.Writer, list []Instance) error {
	list = append([]Instance{}, list...)
	slices.SortFunc(list, func(a, b Instance) int { return lang.CompareAddresses(a.Address, b.Address) })
	pr := &printer{view: v}
	for i, in := range list {
		if i > 0 {
			pr.end()
		}
		pr.paint("bold", "# ", in.Address)
		pr.end(":")
		pr.shown(0, headOf(in.Kind, in.Address), in.Value, v.Schemas[in.Kind])
		if len(in.Placement) > 0 {
			pr.paint("dark_gray", "# placed on ", strings.Join(in.Placement, ", "))
			pr.end()
		}
	}
	_, err := w.Write(pr.b)
	return err
}

// State writes recorded instances and outputs.
func (v View) State(w io.Writer, list []Instance, outputs map[string]Output) error {
	if err := v.Instances(w, list); err != nil || len(outputs) == 0 {
		return err
	}
	head := v.Bold("Outputs:") + "\n\n"
	if len(list) > 0 {
		head = "\n" + head
	}
	if _, err := io.WriteString(w, head); err != nil {
		return err
	}
	return v.Outputs(w, outputs)
}

// InstanceJSON is a recorded instance for a program; sensitive parts are null.
type InstanceJSON struct {
	Address   string   `json:"address"`
	Kind      string   `json:"kind"`
	Values    any      `json:"values"`
	Sensitive any      `json:"sensitive_values,omitempty"`
	DependsOn []string `json:"depends_on,omitempty"`
	Placement []string `json:"placement,omitempty"`
}

// StateDocument is a state for a program.
type StateDocument struct {
	FormatVersion  string                `json:"format_version"`
	StowageVersion string                `json:"stowage_version"`
	Lineage        string                `json:"lineage"`
	Serial         uint64                `json:"serial"`
	Cluster        string                `json:"cluster,omitempty"`
	Resources      []InstanceJSON        `json:"resources"`
	Outputs        map[string]outputJSON `json:"outputs"`
}

// StateFormat is the version of the state's JSON, as shown (not as stored).
const StateFormat = "1.0"

// StateJSON writes a state as one JSON document. d gives everything but resources and outputs.
func (v View) StateJSON(w io.Writer, d StateDocument, list []Instance, outputs map[string]Output) error {
	d.FormatVersion, d.Resources = StateFormat, []InstanceJSON{}
	list = append([]Instance{}, list...)
	slices.SortFunc(list, func(a, b Instance) int { return lang.CompareAddresses(a.Address, b.Address) })
	for _, in := range list {
		d.Resources = append(d.Resources, v.InstanceJSON(in))
	}
	var err error
	if d.Outputs, err = outputDocuments(outputs); err != nil {
		return err
	}
	return JSON(w, d)
}

// InstanceJSON is one instance for a program.
func (v View) InstanceJSON(in Instance) InstanceJSON {
	value := bySchema(in.Value, v.Schemas[in.Kind])
	return InstanceJSON{
		Address: in.Address, Kind: in.Kind, DependsOn: in.Deps, Placement: in.Placement,
		Values: redacted(value), Sensitive: where(value, isMarked),
	}
}

// Listed is one line of a list of recorded instances.
type Listed struct {
	Address string `json:"address"`
	Kind    string `json:"kind"`
	ID      string `json:"id"` // name of its object in the cluster, or of its host
}

// StateListJSON writes a list of recorded instances as one JSON document.
func StateListJSON(w io.Writer, list []Listed) error {
	return JSON(w, struct {
		FormatVersion string   `json:"format_version"`
		Resources     []Listed `json:"resources"`
	}{StateFormat, list})
}
