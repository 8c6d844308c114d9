package planner

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// step is one step of a path such as container[0].env["X"].
type step struct {
	name  string // of an attribute, or a map's key
	index int    // of a list, when kind is stepIndex
	kind  stepKind
}

type stepKind uint8

const (
	stepAttr stepKind = iota
	stepKey
	stepIndex
)

// parsePath reads a path; "" is the value itself.
func parsePath(s string) ([]step, error) {
	var steps []step
	for rest := s; rest != ""; {
		switch {
		case rest[0] == '.' && len(steps) > 0:
			rest = rest[1:]
			fallthrough
		default:
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				return nil, fmt.Errorf("%q is not a path", s)
			}
			steps = append(steps, step{name: rest[:end], kind: stepAttr})
			rest = rest[end:]
		case strings.HasPrefix(rest, `["`):
			quoted, err := strconv.QuotedPrefix(rest[1:])
			if err != nil || !strings.HasPrefix(rest[1+len(quoted):], "]") {
				return nil, fmt.Errorf("%q is not a path", s)
			}
			key, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, fmt.Errorf("%q is not a path", s)
			}
			steps = append(steps, step{name: key, kind: stepKey})
			rest = rest[len(quoted)+2:]
		case rest[0] == '[':
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return nil, fmt.Errorf("%q is not a path", s)
			}
			i, err := strconv.Atoi(rest[1:end])
			if err != nil || i < 0 {
				return nil, fmt.Errorf("%q is not a path", s)
			}
			steps = append(steps, step{index: i, kind: stepIndex})
			rest = rest[end+1:]
		}
	}
	return steps, nil
}

// setPath returns v with f applied at path. Where the value has no such path it
// is returned as it is: the schema may have changed since the path was recorded.
func setPath(v cty.Value, path []step, f func(cty.Value) cty.Value) cty.Value {
	if v == cty.NilVal {
		return v
	}
	if len(path) == 0 {
		return f(v)
	}
	plain, marks := v.Unmark()
	if plain.IsNull() || !plain.IsKnown() {
		return v
	}
	ty, s := plain.Type(), path[0]
	switch {
	case s.kind == stepAttr && ty.IsObjectType() && ty.HasAttribute(s.name),
		s.kind == stepKey && ty.IsMapType() && plain.HasIndex(cty.StringVal(s.name)).True():
		m := plain.AsValueMap()
		m[s.name] = setPath(m[s.name], path[1:], f)
		if ty.IsMapType() {
			return cty.MapVal(m).WithMarks(marks)
		}
		return cty.ObjectVal(m).WithMarks(marks)
	case s.kind == stepIndex && (ty.IsListType() || ty.IsTupleType() || ty.IsSetType()) && s.index < plain.LengthInt():
		list := plain.AsValueSlice()
		list[s.index] = setPath(list[s.index], path[1:], f)
		switch {
		case ty.IsListType():
			return cty.ListVal(list).WithMarks(marks)
		case ty.IsSetType():
			return cty.SetVal(list).WithMarks(marks)
		}
		return cty.TupleVal(list).WithMarks(marks)
	}
	return v
}

// join appends an attribute's or block's name to a path.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
