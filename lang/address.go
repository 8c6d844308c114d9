package lang

import (
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// InstanceAddress is the address of an instance of block: pod.web for cty.NilVal,
// pod.web[0] for a number, pod.web["a"] for a string.
func InstanceAddress(block string, key cty.Value) string {
	switch {
	case key == cty.NilVal:
		return block
	case key.Type() == cty.Number:
		return block + "[" + numberText(key) + "]"
	default:
		return block + "[" + quote(key.AsString()) + "]"
	}
}

// numberText writes a known number; whole ones without the detour over big decimals.
func numberText(v cty.Value) string {
	f := v.AsBigFloat()
	if i, accuracy := f.Int64(); accuracy == 0 {
		return strconv.FormatInt(i, 10)
	}
	return f.Text('f', -1)
}

// BlockOf returns the block address of an instance address: pod.web of pod.web["a"].
func BlockOf(address string) string {
	if i := strings.IndexByte(address, '['); i >= 0 {
		return address[:i]
	}
	return address
}

// KeyOf returns the key of an instance address: a number of pod.web[0], a string
// of pod.web["a"], cty.NilVal of pod.web and of what is no address.
func KeyOf(address string) cty.Value {
	_, key, ok := strings.Cut(address, "[")
	if !ok || !strings.HasSuffix(key, "]") {
		return cty.NilVal
	}
	key = key[:len(key)-1]
	if n, err := strconv.ParseUint(key, 10, 63); err == nil {
		return cty.NumberIntVal(int64(n))
	}
	if len(key) < 2 || key[0] != '"' || key[len(key)-1] != '"' {
		return cty.NilVal
	}
	plain := strings.ReplaceAll(strings.ReplaceAll(key, "$${", "${"), "%%{", "%{")
	if s, err := strconv.Unquote(plain); err == nil {
		return cty.StringVal(s)
	}
	return cty.NilVal
}

// quote writes s as a quoted string of the language.
func quote(s string) string {
	q := strconv.Quote(s)
	if strings.ContainsAny(q, "$%") {
		q = strings.ReplaceAll(q, "${", "$${")
		q = strings.ReplaceAll(q, "%{", "%%{")
	}
	return q
}
