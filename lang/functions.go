package lang

import (
	"sync"

	"github.com/zclconf/go-cty/cty/function"

	"github.com/stowage-iac/stowage/lang/functions"
)

var functionTable = sync.OnceValue(func() map[string]function.Function {
	return functions.New(functions.Options{Files: functions.NewFiles(".", nil), Sensitive: sensitiveMark("sensitive"), Ephemeral: isEphemeralMark})
})

// Functions is the table of functions, with descriptions, for help and
// completion. It must not be changed. File functions read relative to the
// working directory.
func Functions() map[string]function.Function { return functionTable() }

var refusedFunctions = functions.Refused
