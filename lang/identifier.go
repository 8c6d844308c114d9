package lang

import "github.com/hashicorp/hcl/v2/hclsyntax"

// ValidIdentifier reports whether s can be a name of the language. The library finds
// that out with its scanner; what most names are, letters and digits of ASCII, is
// found without.
func ValidIdentifier(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case i > 0 && ('0' <= c && c <= '9' || c == '_' || c == '-'):
		default:
			return hclsyntax.ValidIdentifier(s)
		}
	}
	return s != ""
}
