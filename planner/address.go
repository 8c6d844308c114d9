package planner

import (
	"github.com/stowage-iac/stowage/lang"
)

// splitAddress splits pod.web["a"] into pod.web and "a" with its quotes.
func splitAddress(address string) (block, key string) {
	block, key = lang.SplitAddress(address)
	if key != "" {
		key = key[1 : len(key)-1]
	}
	return block, key
}
