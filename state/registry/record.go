package registry

import (
	"encoding/json"
	"fmt"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// Encode writes the arguments of a backend as a JSON object, without those that
// are null. No argument is secret: credentials come from the environment.
func Encode(name string, arguments cty.Value) (json.RawMessage, error) {
	b, ok := all[name]
	if !ok {
		return nil, fmt.Errorf("there is no backend %q", name)
	}
	if arguments == cty.NilVal {
		arguments = defaults(b.schema())
	}
	out := map[string]json.RawMessage{}
	for key, v := range arguments.AsValueMap() {
		if v.IsNull() {
			continue
		}
		text, err := ctyjson.Marshal(v, v.Type())
		if err != nil {
			return nil, fmt.Errorf("backend %q: %s: %w", name, key, err)
		}
		out[key] = text
	}
	return json.Marshal(out)
}

// Decode reverses Encode. Arguments that this version does not know are left out.
func Decode(name string, text json.RawMessage) (cty.Value, error) {
	b, ok := all[name]
	if !ok {
		return cty.NilVal, fmt.Errorf("there is no backend %q", name)
	}
	var in map[string]json.RawMessage
	if err := json.Unmarshal(text, &in); err != nil {
		return cty.NilVal, fmt.Errorf("backend %q: %w", name, err)
	}
	s := b.schema()
	values := defaults(s).AsValueMap()
	for key, a := range s.Attributes {
		if in[key] == nil {
			continue
		}
		v, err := ctyjson.Unmarshal(in[key], a.Type)
		if err != nil {
			return cty.NilVal, fmt.Errorf("backend %q: %s: %w", name, key, err)
		}
		values[key] = v
	}
	return cty.ObjectVal(values), nil
}
