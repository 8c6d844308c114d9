package lang

import (
	"cmp"
	"strings"
)

// CompareAddresses orders addresses for people: what a module holds itself comes
// before the modules within it, names in the order of the alphabet, keys after
// their block's own address, numbers by size and before strings.
func CompareAddresses(a, b string) int {
	for {
		am, bm := strings.HasPrefix(a, "module."), strings.HasPrefix(b, "module.")
		if am != bm {
			if bm {
				return -1
			}
			return 1
		}
		if !am {
			return compareInstances(a, b)
		}
		an, ak, ar := cutModule(a)
		bn, bk, br := cutModule(b)
		if c := cmp.Or(strings.Compare(an, bn), compareKeys(ak, bk)); c != 0 {
			return c
		}
		if a, b = ar, br; a == "" || b == "" {
			return strings.Compare(a, b)
		}
	}
}

func compareInstances(a, b string) int {
	ab, ak := SplitAddress(a)
	bb, bk := SplitAddress(b)
	return cmp.Or(strings.Compare(ab, bb), compareKeys(ak, bk))
}

// cutModule takes the first module off an address: app, ["a"] and pod.web of
// module.app["a"].pod.web.
func cutModule(address string) (name, key, rest string) {
	address = address[len("module."):]
	end := strings.IndexAny(address, ".[")
	if end < 0 {
		return address, "", ""
	}
	name, rest = address[:end], address[end:]
	if rest[0] == '[' {
		n := keyEnd(rest, 0)
		key, rest = rest[:n], rest[n:]
	}
	return name, key, strings.TrimPrefix(rest, ".")
}

// compareKeys compares keys with their brackets.
func compareKeys(a, b string) int {
	an, aNumber := index(a)
	bn, bNumber := index(b)
	switch {
	case aNumber && bNumber:
		return cmp.Compare(an, bn)
	case aNumber && b != "":
		return -1
	case bNumber && a != "":
		return 1
	}
	return strings.Compare(a, b)
}

// index reads a key that is a number.
func index(key string) (n uint64, ok bool) {
	if len(key) < 3 || len(key) > 20 {
		return 0, false
	}
	for _, c := range []byte(key[1 : len(key)-1]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}
