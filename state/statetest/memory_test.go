package statetest_test

import (
	"testing"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/statetest"
)

func TestMemory(t *testing.T) {
	statetest.Run(t, func(*testing.T) func() state.Backend {
		m := &statetest.Memory{}
		return func() state.Backend { return m }
	})
}
