package network

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// listener names the process of the host that listens on a port, "" if none
// does. For UDP every unconnected socket that is bound to the port counts.
func listener(protocol string, port uint16) (string, error) {
	for _, table := range []string{protocol, protocol + "6"} {
		// Not /proc/net: that is the main thread's, which may be in a pod's namespace just now.
		inode, err := listeningInode("/proc/thread-self/net/"+table, protocol, port)
		if err != nil {
			return "", err
		}
		if inode != "" {
			return socketOwner(inode), nil
		}
	}
	return "", nil
}

// listeningInode searches a table of /proc/net (see proc(5)): local address
// "hex:PORT", state, ..., inode in the tenth column.
func listeningInode(path, protocol string, port uint16) (string, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) { // no IPv6
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	state := map[string]string{"tcp": "0A", "udp": "07"}[protocol]
	want := fmt.Sprintf("%04X", port)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		col := strings.Fields(lines.Text())
		if len(col) < 10 || col[3] != state {
			continue
		}
		addr, p, _ := strings.Cut(col[1], ":")
		if p == want && addr != "00000000000000000000000001000000" { // ::1 is out of our way
			return col[9], nil
		}
	}
	return "", lines.Err()
}

// socketOwner finds the process that has the socket open.
func socketOwner(inode string) string {
	link := "socket:[" + inode + "]"
	pids, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range pids {
		fds, err := os.ReadDir(filepath.Join(dir, "fd"))
		if err != nil {
			continue
		}
		for _, fd := range fds {
			if to, err := os.Readlink(filepath.Join(dir, "fd", fd.Name())); err == nil && to == link {
				comm, _ := os.ReadFile(filepath.Join(dir, "comm"))
				pid, _ := strconv.Atoi(filepath.Base(dir))
				return fmt.Sprintf("%s (pid %d)", strings.TrimSpace(string(comm)), pid)
			}
		}
	}
	return "a process of the host"
}
