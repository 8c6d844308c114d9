package state

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// document is a state as JSON for people and programs: what "state pull" prints
// and "state push" takes. Sensitive values are in it in plain.
type document struct {
	FormatVersion  int                `json:"format_version"`
	Lineage        string             `json:"lineage"`
	Serial         uint64             `json:"serial"`
	StowageVersion string             `json:"stowage_version,omitempty"`
	Context        string             `json:"context,omitempty"`
	ClusterID      string             `json:"cluster_id,omitempty"`
	Written        time.Time          `json:"written,omitzero"`
	By             string             `json:"by,omitempty"`
	Operation      string             `json:"operation,omitempty"`
	HashKey        []byte             `json:"hash_key,omitempty"`
	Instances      []*Instance        `json:"instances"`
	Outputs        map[string]*Output `json:"outputs"`
}

// Export lays a state out as an indented JSON document, instances sorted by address.
func Export(s *State) ([]byte, error) {
	d := document{FormatVersion: FormatVersion, Lineage: s.Lineage, Serial: s.Serial, StowageVersion: s.StowageVersion,
		ClusterID: s.ClusterID, Context: s.Context, Written: s.Written, By: s.WrittenBy, Operation: s.Operation, HashKey: s.HashKey,
		Instances: []*Instance{}, Outputs: s.Outputs}
	for _, address := range slices.Sorted(maps.Keys(s.Instances)) {
		d.Instances = append(d.Instances, s.Instances[address])
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Import reads what Export wrote, perhaps edited since, or a snapshot as a backend
// stores it. Errors are ErrDamaged, ErrNewer and ErrKey.
func Import(data []byte, keys *Keyring) (*State, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%w: it has %d bytes, more than the limit of %d", ErrDamaged, len(data), MaxSize)
	}
	var probe struct {
		FormatVersion int    `json:"format_version"`
		SHA256        string `json:"sha256"`
		Terraform     string `json:"terraform_version"`
	}
	if err := json.Unmarshal(data, &probe); err != nil {
		return nil, fmt.Errorf("%w: it is not JSON: %w", ErrDamaged, err)
	}
	switch {
	case probe.Terraform != "":
		return nil, fmt.Errorf("%w: it is a state of Terraform, whose resources are not those of stowage", ErrDamaged)
	case probe.FormatVersion > FormatVersion:
		return nil, fmt.Errorf("%w: its format version is %d, this version reads up to %d; upgrade stowage", ErrNewer, probe.FormatVersion, FormatVersion)
	case probe.SHA256 != "":
		snap, err := decodeSnapshot(data, keys)
		if err != nil {
			return nil, err
		}
		return snap.state, nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields() // a field that is misspelt would be lost silently
	var doc document
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if doc.FormatVersion < 1 || doc.Lineage == "" {
		return nil, fmt.Errorf("%w: it is not a state of stowage (no format_version and lineage)", ErrDamaged)
	}
	s := &State{Lineage: doc.Lineage, Serial: doc.Serial, StowageVersion: doc.StowageVersion, ClusterID: doc.ClusterID, Context: doc.Context,
		HashKey: doc.HashKey, Written: doc.Written, WrittenBy: doc.By, Operation: doc.Operation,
		Instances: make(map[string]*Instance, len(doc.Instances)), Outputs: map[string]*Output{}}
	for _, i := range doc.Instances {
		if i == nil {
			return nil, fmt.Errorf("%w: an instance is null", ErrDamaged)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, i.Value); err != nil {
			return nil, fmt.Errorf("%w: the value of %s: %w", ErrDamaged, i.Address, err)
		}
		i.Value = compact.Bytes()
		if err := checkInstance(i); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if s.Instances[i.Address] != nil {
			return nil, fmt.Errorf("%w: %s is in it twice", ErrDamaged, i.Address)
		}
		s.Instances[i.Address] = i
	}
	for name, o := range doc.Outputs {
		if o == nil || !json.Valid(o.Value) || !json.Valid(o.Type) {
			return nil, fmt.Errorf("%w: output %q has no value or type", ErrDamaged, name)
		}
		s.Outputs[name] = o
	}
	return s, nil
}
