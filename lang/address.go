package lang

import (
	"slices"
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

// SplitAddress splits the address of an instance into that of its block and its
// key with the brackets: module.app["a"].pod.web and [0]. The key is "" where
// there is none. It does not allocate.
func SplitAddress(address string) (block, key string) {
	if !strings.HasSuffix(address, "]") {
		return address, ""
	}
	for i := 0; i < len(address); i++ {
		if address[i] != '[' {
			continue
		}
		end := keyEnd(address, i)
		if end == len(address) {
			return address[:i], address[i:]
		}
		i = end - 1
	}
	return address, ""
}

// keyEnd is the index after the key whose bracket opens at i: brackets and quotes
// within a string do not count.
func keyEnd(address string, i int) int {
	quoted := false
	for i++; i < len(address); i++ {
		switch c := address[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ']' && !quoted:
			return i + 1
		}
	}
	return len(address)
}

// BlockOf returns the block address of an instance address: pod.web of pod.web["a"].
func BlockOf(address string) string {
	block, _ := SplitAddress(address)
	return block
}

// KeyOf returns the key of an instance address: a number of pod.web[0], a string
// of pod.web["a"], cty.NilVal of pod.web and of what is no address.
func KeyOf(address string) cty.Value {
	_, key := SplitAddress(address)
	return parseKey(key)
}

// parseKey reads a key with its brackets.
func parseKey(key string) cty.Value {
	if len(key) < 3 || key[0] != '[' || key[len(key)-1] != ']' {
		return cty.NilVal
	}
	key = key[1 : len(key)-1]
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

// Address is a parsed address: of an instance (module.app["a"].pod.web[0]), of a
// resource block (without the last key), or of a module (without Kind and Name).
type Address struct {
	Modules []ModuleStep // from the root on
	Kind    string       // "" for a module
	Name    string
	Key     cty.Value // cty.NilVal: none
}

// ModuleStep is one module of an address.
type ModuleStep struct {
	Name string
	Key  cty.Value // cty.NilVal: none
}

// String writes the address.
func (a Address) String() string {
	s := a.Module()
	if a.Kind != "" {
		s = within(s, InstanceAddress(a.Kind+"."+a.Name, a.Key))
	}
	return s
}

// Module is the address of the innermost module: module.app["a"]; "" for the root.
func (a Address) Module() string {
	s := ""
	for _, m := range a.Modules {
		s = within(s, InstanceAddress("module."+m.Name, m.Key))
	}
	return s
}

// Keyed reports whether it ends with a key.
func (a Address) Keyed() bool {
	if a.Kind == "" && len(a.Modules) > 0 {
		return a.Modules[len(a.Modules)-1].Key != cty.NilVal
	}
	return a.Key != cty.NilVal
}

// ParseAddress reads an address as a user may write it. ok is false where it is none.
func ParseAddress(s string) (a Address, ok bool) {
	for rest, first := s, true; rest != ""; first = false {
		if !first {
			if a.Kind != "" || rest[0] != '.' {
				return Address{}, false
			}
			rest = rest[1:]
		}
		kind, name, key, after, ok := addressStep(rest)
		if !ok {
			return Address{}, false
		}
		if rest = after; kind == "module" {
			a.Modules = append(a.Modules, ModuleStep{name, key})
		} else {
			a.Kind, a.Name, a.Key = kind, name, key
		}
	}
	return a, s != ""
}

// addressStep reads kind.name or kind.name[key] from the beginning of s.
func addressStep(s string) (kind, name string, key cty.Value, rest string, ok bool) {
	kind, rest, found := strings.Cut(s, ".")
	if !found {
		return
	}
	if kind == dataRoot {
		source, after, found := strings.Cut(rest, ".")
		if !found || !ValidIdentifier(source) {
			return
		}
		defer func() { kind = dataPrefix + source }()
		rest = after
	}
	end := strings.IndexAny(rest, ".[")
	if end < 0 {
		end = len(rest)
	}
	name, rest = rest[:end], rest[end:]
	if !ValidIdentifier(kind) || !ValidIdentifier(name) {
		return
	}
	if strings.HasPrefix(rest, "[") {
		n := keyEnd(rest, 0)
		if key = parseKey(rest[:n]); key == cty.NilVal {
			return
		}
		rest = rest[n:]
	}
	return kind, name, key, rest, true
}

// Under reports whether an address is another one that was given, or part of what that
// stands for: of its block or of a module, or of all of a kind or of modules.
func Under(address, given string) bool {
	rest, ok := strings.CutPrefix(address, given)
	return ok && (rest == "" || rest[0] == '[' || rest[0] == '.')
}

// Covers lists what an address of an instance may be named by as a dependency, the
// address itself and that of its block first: each module around it, with and
// without keys, and the block in all instances of such a module. A dependency
// without the keys of modules stands for all of their instances.
func Covers(address string) []string {
	block, key := SplitAddress(address)
	all := []string{address}
	if key != "" {
		all = append(all, block)
	}
	a, ok := ParseAddress(block)
	if !ok || len(a.Modules) == 0 {
		return all
	}
	seen := map[string]bool{address: true, block: true}
	add := func(s string) {
		if !seen[s] {
			seen[s] = true
			all = append(all, s)
		}
	}
	for bare := len(a.Modules) - 1; bare >= 0; bare-- { // modules from here on without their keys
		wide := Address{Modules: slices.Clone(a.Modules), Kind: a.Kind, Name: a.Name}
		for i := bare; i < len(wide.Modules); i++ {
			wide.Modules[i].Key = cty.NilVal
		}
		add(wide.String())
	}
	for n := len(a.Modules); n > 0; n-- {
		for bare := n; bare >= 0; bare-- {
			m := Address{Modules: slices.Clone(a.Modules[:n])}
			for i := bare; i < n; i++ {
				m.Modules[i].Key = cty.NilVal
			}
			add(m.String())
		}
	}
	return all
}

// ModuleOf is the address of the module that an instance or a block is in:
// module.app["a"] of module.app["a"].pod.web[0]; "" for the root. It does not allocate.
func ModuleOf(address string) string {
	at := 0
	for strings.HasPrefix(address[at:], "module.") {
		end := at + len("module.")
		for end < len(address) && address[end] != '.' && address[end] != '[' {
			end++
		}
		if end < len(address) && address[end] == '[' {
			end = keyEnd(address, end)
		}
		if end >= len(address) {
			return address
		}
		at = end + 1
	}
	if at == 0 {
		return ""
	}
	return address[:at-1]
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
