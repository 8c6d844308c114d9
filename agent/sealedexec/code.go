//go:build amd64 || arm64

package sealedexec

import (
	"bytes"
	"unsafe"
)

// code is the program in code_GOARCH.s. It is never called: its bytes are copied.
//
//lint:ignore U1000 the assembler needs the declaration
func code()

// codeAddr is the address of code's first instruction, set by the assembler:
// a Go function value would lead to a wrapper.
var codeAddr uintptr

// endMark follows the last instruction.
var endMark = []byte("STOW-END")

// machineCode returns code's bytes, which do not depend on where they are.
func machineCode() []byte {
	start := *(*unsafe.Pointer)(unsafe.Pointer(&codeAddr))
	text := unsafe.Slice((*byte)(start), tableStart-codeOffset)
	end := bytes.Index(text, endMark)
	if end < 0 {
		return nil
	}
	return bytes.Clone(text[:end])
}
