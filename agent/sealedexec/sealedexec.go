// Package sealedexec hands a container its secret environment without writing
// it to a disk.
//
// containerd keeps a container's specification, environment included, in its
// database, and runc gets it as a file. Both are on disks. So the specification
// names a different program: a file on tmpfs, made by Write for one container,
// that is an executable of a few hundred bytes whose only act is execve(2) with
// the real command and environment, which it carries as data. After that call
// nothing of it is left in the process. It needs no memory, threads or files of
// the container, runs in any root file system, and takes microseconds.
package sealedexec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"strings"
)

// Program is a command with its whole environment.
type Program struct {
	Args []string // Args[0] is looked up in PATH of Env unless it contains a slash
	Env  []string // NAME=value
}

// The executable's memory, one segment that is the whole file:
//
//	0x400000  ELF header, program headers
//	0x400100  code
//	0x400400  table: argv, envp, message, length of message, candidate paths…, 0
//	          then the arrays and strings that the table points to
const (
	baseAddr   = 0x400000
	codeOffset = 0x100
	tableStart = 0x400
)

// Executable returns the ELF file that becomes p, for this machine's architecture.
func Executable(p Program) ([]byte, error) {
	if len(p.Args) == 0 {
		return nil, errors.New("no command")
	}
	for _, s := range append(append([]string{}, p.Args...), p.Env...) {
		if strings.IndexByte(s, 0) >= 0 {
			return nil, errors.New("a command line or environment cannot contain a zero byte: mount the value as a file instead")
		}
	}
	code := machineCode()
	if len(code) == 0 || len(code) > tableStart-codeOffset {
		return nil, fmt.Errorf("no start code for this architecture (%d bytes)", len(code))
	}
	file := make([]byte, tableStart)
	copy(file[codeOffset:], code)
	file = append(file, table(p)...)
	header(file)
	return file, nil
}

// table lays out the data behind the code, all pointers absolute.
func table(p Program) []byte {
	paths := candidates(p)
	message := fmt.Sprintf("stowage: cannot run %q: not found in PATH or not executable\n", p.Args[0])

	words := 4 + len(paths) + 1 + len(p.Args) + 1 + len(p.Env) + 1
	var strs []byte
	at := func(s string) uint64 {
		addr := baseAddr + tableStart + 8*words + len(strs)
		strs = append(append(strs, s...), 0)
		return uint64(addr)
	}
	argv := uint64(baseAddr + tableStart + 8*(4+len(paths)+1))
	envp := argv + 8*uint64(len(p.Args)+1)
	all := []uint64{argv, envp, at(message), uint64(len(message))}
	for _, list := range [][]string{paths, p.Args, p.Env} {
		for _, s := range list {
			all = append(all, at(s))
		}
		all = append(all, 0)
	}
	var out []byte
	for _, w := range all {
		out = binary.LittleEndian.AppendUint64(out, w)
	}
	return append(out, strs...)
}

// candidates are the paths to try, in the order of PATH.
func candidates(p Program) []string {
	name := p.Args[0]
	if strings.Contains(name, "/") {
		return []string{name}
	}
	search := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, e := range p.Env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			search = v
		}
	}
	var out []string
	for dir := range strings.SplitSeq(search, ":") {
		out = append(out, path.Join("/", dir, name))
	}
	return out
}

// header writes the ELF header and two program headers: the file itself,
// readable and executable, and a stack that is not.
func header(file []byte) {
	le := binary.LittleEndian
	h := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 9)...)
	h = le.AppendUint16(h, 2) // ET_EXEC
	h = le.AppendUint16(h, elfMachine)
	h = le.AppendUint32(h, 1)
	h = le.AppendUint64(h, baseAddr+codeOffset) // entry
	h = le.AppendUint64(h, 64)                  // program headers
	h = le.AppendUint64(h, 0)                   // no sections
	h = le.AppendUint32(h, 0)
	for _, v := range []uint16{64, 56, 2, 64, 0, 0} {
		h = le.AppendUint16(h, v)
	}
	size := uint64(len(file))
	h = programHeader(h, 1 /* PT_LOAD */, 4|1, 0, baseAddr, size, 0x10000)
	h = programHeader(h, 0x6474e551 /* PT_GNU_STACK */, 4|2, 0, 0, 0, 16)
	copy(file, h)
}

func programHeader(h []byte, kind, flags uint32, offset, addr, size, align uint64) []byte {
	h = binary.LittleEndian.AppendUint32(h, kind)
	h = binary.LittleEndian.AppendUint32(h, flags)
	for _, v := range []uint64{offset, addr, addr, size, size, align} {
		h = binary.LittleEndian.AppendUint64(h, v)
	}
	return h
}
