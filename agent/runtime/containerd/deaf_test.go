package containerd

import (
	"bufio"
	"os/exec"
	"syscall"
	"testing"
)

func TestDeaf(t *testing.T) {
	for name, tc := range map[string]struct {
		script string
		want   bool
	}{
		"no handler": {"echo ready; exec sleep 100", true},
		"a handler":  {"trap 'exit 0' TERM; echo ready; while :; do read x; done", false},
		"ignored":    {"trap '' TERM; echo ready; exec sleep 100", true},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("bash", "-c", tc.script)
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer stdin.Close()
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
			if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			if got := deaf(uint32(cmd.Process.Pid), syscall.SIGTERM); got != tc.want {
				t.Errorf("deaf is %t", got)
			}
		})
	}
	if deaf(1<<31, syscall.SIGTERM) {
		t.Error("a process that is not there is deaf")
	}
}
