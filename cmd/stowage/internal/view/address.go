package view

import (
	"cmp"
	"strconv"
	"strings"
)

// CompareAddresses orders addresses by block and then by key, numbers by size:
// pod.web[9] comes before pod.web[10].
func CompareAddresses(a, b string) int {
	blockA, keyA, _ := strings.Cut(a, "[")
	blockB, keyB, _ := strings.Cut(b, "[")
	if c := cmp.Compare(blockA, blockB); c != 0 {
		return c
	}
	n, errA := strconv.Atoi(strings.TrimSuffix(keyA, "]"))
	m, errB := strconv.Atoi(strings.TrimSuffix(keyB, "]"))
	switch {
	case errA == nil && errB == nil:
		return cmp.Compare(n, m)
	case errA == nil && keyB != "":
		return -1
	case errB == nil && keyA != "":
		return 1
	}
	return cmp.Compare(keyA, keyB)
}
