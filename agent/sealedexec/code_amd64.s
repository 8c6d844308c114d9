#include "textflag.h"

// The start program: it runs alone in a process of its own, without a Go
// runtime. 0x400400 is the table of sealedexec.go.
TEXT ·code(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ $0x400400, BX
	LEAQ 32(BX), R12
next:
	MOVQ (R12), DI
	TESTQ DI, DI
	JZ   failed
	MOVQ 0(BX), SI
	MOVQ 8(BX), DX
	MOVQ $59, AX        // execve(candidate, argv, envp): returns only on failure
	SYSCALL
	ADDQ $8, R12
	JMP  next
failed:
	MOVQ $2, DI
	MOVQ 16(BX), SI
	MOVQ 24(BX), DX
	MOVQ $1, AX         // write(2, message, length)
	SYSCALL
	MOVQ $127, DI       // as shells say "command not found"
	MOVQ $231, AX       // exit_group
	SYSCALL
	BYTE $0x53; BYTE $0x54; BYTE $0x4f; BYTE $0x57; BYTE $0x2d; BYTE $0x45; BYTE $0x4e; BYTE $0x44

DATA ·codeAddr+0(SB)/8, $·code(SB)
GLOBL ·codeAddr(SB), RODATA, $8
