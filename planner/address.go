package planner

import (
	"strconv"
	"strings"
)

// compareAddresses orders addresses by block, then by key, numbers by size:
// pod.web[2] comes before pod.web[10].
func compareAddresses(a, b string) int {
	ab, ak := splitAddress(a)
	bb, bk := splitAddress(b)
	if c := strings.Compare(ab, bb); c != 0 {
		return c
	}
	an, aerr := strconv.Atoi(ak)
	bn, berr := strconv.Atoi(bk)
	if aerr == nil && berr == nil && an != bn {
		if an < bn {
			return -1
		}
		return 1
	}
	return strings.Compare(ak, bk)
}

// splitAddress splits pod.web["a"] into pod.web and "a" with its quotes.
func splitAddress(address string) (block, key string) {
	if !strings.HasSuffix(address, "]") {
		return address, ""
	}
	i := strings.IndexByte(address, '[')
	if i < 0 {
		return address, ""
	}
	return address[:i], address[i+1 : len(address)-1]
}
