#include "textflag.h"

// The start program: it runs alone in a process of its own, without a Go
// runtime. 0x400400 is the table of sealedexec.go.
TEXT ·code(SB), NOSPLIT|NOFRAME, $0-0
	MOVD $0x400400, R19
	ADD  $32, R19, R20
next:
	MOVD (R20), R0
	CBZ  R0, failed
	MOVD 0(R19), R1
	MOVD 8(R19), R2
	MOVD $221, R8       // execve(candidate, argv, envp): returns only on failure
	SVC
	ADD  $8, R20
	JMP  next
failed:
	MOVD $2, R0
	MOVD 16(R19), R1
	MOVD 24(R19), R2
	MOVD $64, R8        // write(2, message, length)
	SVC
	MOVD $127, R0       // as shells say "command not found"
	MOVD $94, R8        // exit_group
	SVC
	WORD $0x574f5453
	WORD $0x444e452d

DATA ·codeAddr+0(SB)/8, $·code(SB)
GLOBL ·codeAddr(SB), RODATA, $8
