package lang

import (
	"fmt"
	"sort"
	"strings"

	"github.com/agext/levenshtein"
)

// Suggest returns the name among the given ones that is most likely meant, or "".
// The result does not depend on the order of among.
func Suggest(name string, among []string) string {
	sorted := append([]string(nil), among...)
	sort.Strings(sorted)
	best, bestDistance := "", len(name)/3+2
	for _, candidate := range sorted {
		d := levenshtein.Distance(strings.ToLower(name), strings.ToLower(candidate), nil)
		if d < bestDistance && d < max(len(candidate), 2) {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// didYouMean is a sentence to append to a detail, or "".
func didYouMean(name string, among []string) string {
	if s := Suggest(name, among); s != "" {
		return fmt.Sprintf(" Did you mean %q?", s)
	}
	return ""
}

// suggestWith is didYouMean with a prefix before the name: Did you mean pod.web?
func suggestWith(prefix, name string, among []string) string {
	if s := Suggest(name, among); s != "" {
		return fmt.Sprintf(" Did you mean %s%s?", prefix, s)
	}
	return ""
}

// keysOf returns the keys of a map, sorted.
func keysOf[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// listWords writes a, b and c.
func listWords(words []string, last string) string {
	switch len(words) {
	case 0:
		return ""
	case 1:
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + last + " " + words[len(words)-1]
}
