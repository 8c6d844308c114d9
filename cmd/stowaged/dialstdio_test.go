package main

import (
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// TestDialStdio: the end of standard input is the end of the socket's one
// direction; what comes after it the other way still arrives.
func TestDialStdio(t *testing.T) {
	i := newInstance(t, newWorker())
	socket := filepath.Join(i.dir, "echo")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		b, _ := io.ReadAll(conn) // until the other side's end
		conn.Write([]byte(strings.ToUpper(string(b))))
	}()
	big := strings.Repeat("stowage ", 1<<17)
	out, err := i.output(big, "dial-stdio", socket)
	if err != nil || out != strings.ToUpper(big) {
		t.Errorf("%d bytes came back of %d, %v", len(out), len(big), err)
	}
	if _, err := i.output("", "dial-stdio", socket+"x"); err == nil || !strings.Contains(err.Error(), socket+"x") {
		t.Errorf("a socket that is not there: error %v", err)
	}
}
