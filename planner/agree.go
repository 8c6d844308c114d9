package planner

import (
	"strconv"

	"github.com/zclconf/go-cty/cty"
)

// agrees reports whether now is what was planned wherever that was known; else
// the path of the first disagreement.
func agrees(planned, now cty.Value, path string) (string, bool) {
	planned, now = plain(planned), plain(now)
	switch {
	case !planned.IsKnown():
		return "", true
	case now == cty.NilVal || !now.IsKnown():
		return path, false
	case planned.IsNull() || now.IsNull():
		return path, planned.IsNull() && now.IsNull()
	}
	ty := planned.Type()
	switch {
	case ty.IsObjectType():
		if !now.Type().IsObjectType() {
			return path, false
		}
		for name := range ty.AttributeTypes() {
			if !now.Type().HasAttribute(name) {
				return join(path, name), false
			}
			if at, ok := agrees(planned.GetAttr(name), now.GetAttr(name), join(path, name)); !ok {
				return at, false
			}
		}
		return "", true
	case ty.IsMapType(), ty.IsListType(), ty.IsTupleType():
		if planned.IsWhollyKnown() && !planned.ContainsMarked() && !now.ContainsMarked() {
			return path, planned.RawEquals(now)
		}
		return agreeElements(planned, now, path)
	case ty.IsSetType() && !planned.IsWhollyKnown():
		return "", true
	}
	a, _ := planned.UnmarkDeep()
	b, _ := now.UnmarkDeep()
	return path, a.RawEquals(b)
}

func agreeElements(planned, now cty.Value, path string) (string, bool) {
	if !now.CanIterateElements() || planned.LengthInt() != now.LengthInt() {
		return path, false
	}
	for it := planned.ElementIterator(); it.Next(); {
		key, v := it.Element()
		if now.Type().IsMapType() && now.HasIndex(key).False() {
			return path, false
		}
		at := path + "["
		if key.Type() == cty.String {
			at += strconv.Quote(key.AsString()) + "]"
		} else {
			at += key.AsBigFloat().Text('f', 0) + "]"
		}
		if p, ok := agrees(v, now.Index(key), at); !ok {
			return p, false
		}
	}
	return "", true
}
