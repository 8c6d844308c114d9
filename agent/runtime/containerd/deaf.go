package containerd

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// deaf reports whether a container's first process cannot hear sig: it neither
// handles it nor blocks it to read it elsewhere. The kernel drops such a signal for
// the first process of a PID namespace, so that waiting for its effect is in vain.
// A process that cannot be read is taken to hear.
func deaf(pid uint32, sig syscall.Signal) bool {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	defer f.Close()
	var heard uint64
	found := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), ":")
		if name != "SigCgt" && name != "SigBlk" {
			continue
		}
		mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err != nil {
			return false
		}
		heard |= mask
		found++
	}
	return found == 2 && heard&(1<<(uint(sig)-1)) == 0
}
