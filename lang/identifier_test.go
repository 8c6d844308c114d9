package lang

import (
	"testing"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

func TestValidIdentifier(t *testing.T) {
	words := []string{"", "a", "A9", "a-b_c", "_a", "-a", "9a", "a.b", "a b", "ä", "aä", "a\u0301", "for", "null", "a\n", "$a"}
	for i := range 256 {
		words = append(words, string([]byte{byte(i)}), string([]byte{'a', byte(i)}), string([]byte{byte(i), 'a'}))
	}
	for _, s := range words {
		if got, want := ValidIdentifier(s), hclsyntax.ValidIdentifier(s); got != want {
			t.Errorf("%q: %v, and %v by hclsyntax", s, got, want)
		}
	}
}
