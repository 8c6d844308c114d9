package hosts

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A test binary that is started with this variable only makes a lab, says its
// number, and waits to be killed.
const victim = "STOWAGE_TEST_HOSTS_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(victim) == "" {
		os.Exit(m.Run())
	}
	lab, err := New(context.Background(), Options{})
	if err != nil {
		os.Stdout.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	pids, _ := lab.Hosts[0].Processes()
	os.Stdout.WriteString(strconv.Itoa(lab.Number()) + " " + strconv.Itoa(initProcess(pids)) + "\n")
	select {}
}

func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	lab, err := New(ctx, Options{N: 2, Disk: 1 << 30, Log: testLog{t}})
	if err != nil {
		t.Fatal(err)
	}
	must(t, lab.Hosts[0], "for d in /sys/fs/cgroup/*/; do mkdir $d/mine; done; mount -t tmpfs none /srv && { unshare --net sleep 1000 >/dev/null 2>&1 & }")
	if err := lab.Hosts[1].PowerCut(ctx); err != nil {
		t.Fatal(err)
	}

	// Stop fails when leftovers finds something; so first see that it would.
	found, err := leftovers(ctx, lab.slot)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"interface", "network namespace", "nft table ip", "nft table bridge", "cgroup", "mount", "loop device", "process", "directory"} {
		if !strings.Contains("\n"+strings.Join(found, "\n"), "\n"+kind+" ") {
			t.Errorf("leftovers finds no %s in a lab that runs: %q", kind, found)
		}
	}
	pids, err := lab.Hosts[0].Processes()
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := lab.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("stop: %.2f s", time.Since(begin).Seconds())
	for _, pid := range pids {
		if line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline"); err == nil && !strings.HasPrefix(string(line), os.Args[0]) {
			t.Logf("process id %d lives, or was given out again: %q", pid, line)
		}
	}
	if exists(lab.Dir) {
		if r, err := readRecord(lab.slot); err != nil || r.Owner == owner() {
			t.Errorf("%s still exists", lab.Dir)
		}
	}
}

func TestLabsAreApart(t *testing.T) {
	t.Parallel()
	a, b := Start(t, Options{}).Hosts[0], Start(t, Options{}).Hosts[0]
	if a.Addr == b.Addr {
		t.Fatalf("two hosts with the address %s", a.Addr)
	}
	if out, err := a.Run(t.Context(), "ping -c 1 -W 1 "+b.Addr); err == nil {
		t.Errorf("a host reaches one of another lab: %s", out)
	}
}

func TestSweepAfterKill(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victim+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	number, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	init, err := strconv.Atoi(rest)
	if err != nil {
		t.Fatalf("the other process says: %s", line)
	}
	started := startTime(init)
	cmd.Process.Kill()
	cmd.Wait()
	n, _ := strconv.Atoi(number)
	if _, err := Open(t.Context(), n); err == nil {
		t.Error("the lab of a dead test can be opened")
	}

	if err := Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if syscall.Kill(init, 0) == nil && startTime(init) == started {
		t.Errorf("lab %s: PID 1 of its host lives on as %d", number, init)
	}
}

func TestKeepAndOpen(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	lab, err := New(ctx, Options{Log: testLog{t}})
	if err != nil {
		t.Fatal(err)
	}
	number := lab.Number()
	if err := lab.Keep(); err != nil {
		t.Fatal(err)
	}
	if err := Sweep(ctx); err != nil {
		t.Error(err)
	}
	lab, err = Open(ctx, number)
	if err != nil {
		t.Fatal(err)
	}
	h := lab.Hosts[0]
	must(t, h, "true")
	if err := h.Reboot(ctx); err != nil {
		t.Error(err)
	}
	lab.Close()
	if lab, err = Open(ctx, number); err != nil {
		t.Fatal(err)
	}
	must(t, lab.Hosts[0], "true")
	if err := lab.Stop(ctx); err != nil {
		t.Error(err)
	}
	if _, err := Open(ctx, number); err == nil {
		t.Error("a stopped lab can be opened")
	}
}

// startTime tells a process from a later one with the same id.
func startTime(pid int) string {
	data, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	_, after, _ := strings.Cut(string(data), ") ")
	if fields := strings.Fields(after); len(fields) > 19 {
		return fields[19]
	}
	return ""
}
