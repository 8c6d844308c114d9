package planner

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
)

// known reports addresses that were given and stand for nothing.
func (m *maker) known() bool {
	ok := true
	for _, flag := range []struct {
		name  string
		given []string
	}{{"target", m.in.Targets}, {"exclude", m.in.Excludes}, {"replace", m.in.Replace}} {
		for _, given := range flag.given {
			if !m.stands(given) {
				ok, m.failed = false, true
				m.diags = append(m.diags, errorf(nil, "Unknown address", fmt.Sprintf("-%s=%s: there is nothing with this address in the configuration or the state.%s",
					flag.name, given, m.meant(flag.name, given))))
			}
		}
	}
	return ok
}

// stands reports whether an address is that of an instance, a block or a module.
func (m *maker) stands(given string) bool {
	if _, ok := m.changes[given]; ok {
		return true
	}
	if b := m.blocks[given]; b != nil {
		return true
	}
	if block, key := splitAddress(given); key != "" {
		switch b := m.blocks[block]; {
		case b == nil:
		case b.failed: // its keys are not known
			return true
		case slices.ContainsFunc(b.keys, func(key cty.Value) bool { return lang.InstanceAddress(block, key) == given }):
			return true // of data that was read, which is no change
		}
	}
	if m.in.Destroy && m.in.Config != nil { // nothing of it is evaluated
		for _, r := range m.in.Config.Resources {
			if lang.Under(r.Address(), given) || lang.Under(given, r.Address()) {
				return true
			}
		}
	}
	if !strings.Contains(given, ".") {
		return false // a kind alone is no address
	}
	for address := range m.changes {
		if lang.Under(address, given) {
			return true
		}
	}
	for block := range m.blocks {
		if lang.Under(block, given) {
			return true
		}
	}
	return false
}

// meant suggests an address for one that stands for nothing.
func (m *maker) meant(flag, given string) string {
	if head, key, ok := strings.Cut(given, "["); ok && !strings.Contains(key, `"`) {
		quoted := head + `["` + strings.TrimSuffix(key, "]") + `"]`
		if m.stands(quoted) {
			return fmt.Sprintf(" Did you mean %s? A shell takes the quotes away unless there are others around them: -%s='%s'", quoted, flag, quoted)
		}
	}
	block, _ := splitAddress(given)
	seen := map[string]bool{}
	var among []string
	add := func(a string) {
		if !seen[a] {
			seen[a] = true
			among = append(among, a)
		}
	}
	for b := range m.blocks {
		add(b)
	}
	for address := range m.changes {
		b, _ := splitAddress(address)
		add(b)
		if b == block {
			add(address)
		}
		for i := range address {
			if address[i] == '.' && strings.HasPrefix(address, "module.") && i > len("module") {
				add(address[:i])
				break
			}
		}
	}
	if len(among) > maxSuggested {
		sort.Strings(among)
		among = among[:maxSuggested]
	}
	if s := lang.Suggest(given, among); s != "" {
		return fmt.Sprintf(" Did you mean %s?", s)
	}
	return ""
}

// maxSuggested bounds the comparison of a mistyped address with others.
const maxSuggested = 10_000
