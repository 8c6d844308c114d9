package planner

import (
	"encoding/json"
	"fmt"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/numbers"
)

// Data is what was read of an instance of a data block while the plan was made.
type Data struct {
	Address string
	Kind    string    // data.file
	Value   cty.Value // an object of the kind's schema, wholly known; sensitive parts are marked
}

// dataJSON is a Data in a saved plan. Types are part of it, and sensitive parts
// keep their exact place: what was not sensitive when the plan was made is not
// when it is applied.
type dataJSON struct {
	Address   string          `json:"address"`
	Kind      string          `json:"kind"`
	Value     json.RawMessage `json:"value"` // {"type":…,"value":…}
	Sensitive [][]any         `json:"sensitive,omitempty"`
}

func (d Data) toJSON() (dataJSON, error) {
	plain, marked := d.Value.UnmarkDeepWithPaths()
	raw, err := ctyjson.Marshal(plain, cty.DynamicPseudoType)
	if err != nil {
		return dataJSON{}, fmt.Errorf("%s: %w", d.Address, err)
	}
	j := dataJSON{Address: d.Address, Kind: d.Kind, Value: raw}
	for _, m := range marked {
		j.Sensitive = append(j.Sensitive, pathSteps(m.Path))
	}
	return j, nil
}

// pathSteps writes a path as names and numbers.
func pathSteps(path cty.Path) []any {
	steps := make([]any, 0, len(path))
	for _, s := range path {
		switch s := s.(type) {
		case cty.GetAttrStep:
			steps = append(steps, s.Name)
		case cty.IndexStep:
			if key, _ := s.Key.Unmark(); key.Type() == cty.String {
				steps = append(steps, key.AsString())
			} else {
				n, _ := key.AsBigFloat().Int64()
				steps = append(steps, n)
			}
		}
	}
	return steps
}

// toData decodes and checks what comes from outside.
func (j *dataJSON) toData(kinds map[string]*kindInfo) (Data, error) {
	d := Data{Address: j.Address, Kind: j.Kind}
	k := kinds[j.Kind]
	if k == nil || k.source == nil {
		return d, fmt.Errorf("%s has the unknown kind %q", j.Address, j.Kind)
	}
	v, err := numbers.FromJSON(j.Value, cty.DynamicPseudoType)
	if err != nil {
		return d, fmt.Errorf("%s: %w", j.Address, err)
	}
	if !v.Type().IsObjectType() || v.IsNull() {
		return d, fmt.Errorf("%s is no object", j.Address)
	}
	for name := range k.schema.Attributes {
		if !v.Type().HasAttribute(name) {
			return d, fmt.Errorf("%s lacks %s", j.Address, name)
		}
	}
	for _, steps := range j.Sensitive {
		if v, err = markAt(v, steps); err != nil {
			return d, fmt.Errorf("%s: %w", j.Address, err)
		}
	}
	d.Value = v
	return d, nil
}

// markAt marks the part of v at the end of the steps.
func markAt(v cty.Value, steps []any) (cty.Value, error) {
	if len(steps) == 0 {
		return v.WithMarks(lang.Sensitive), nil
	}
	v, marks := v.Unmark()
	ty := v.Type()
	name, named := steps[0].(string)
	number, numbered := steps[0].(float64)
	switch {
	case v.IsNull():
	case named && (ty.IsObjectType() && ty.HasAttribute(name) || ty.IsMapType() && v.HasIndex(cty.StringVal(name)).True()):
		m := v.AsValueMap()
		inner, err := markAt(m[name], steps[1:])
		if err != nil {
			return v, err
		}
		m[name] = inner
		if ty.IsMapType() {
			return cty.MapVal(m).WithMarks(marks), nil
		}
		return cty.ObjectVal(m).WithMarks(marks), nil
	case numbered && (ty.IsListType() || ty.IsTupleType()) && number >= 0 && int(number) < v.LengthInt():
		l := v.AsValueSlice()
		inner, err := markAt(l[int(number)], steps[1:])
		if err != nil {
			return v, err
		}
		l[int(number)] = inner
		if ty.IsListType() {
			return cty.ListVal(l).WithMarks(marks), nil
		}
		return cty.TupleVal(l).WithMarks(marks), nil
	}
	return v, fmt.Errorf("it has no part %v", steps[0])
}
