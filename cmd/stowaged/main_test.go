package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/client"
)

// TestMain lets this test binary be stowaged: the processes that the tests
// start, kill and supervise are real ones. They run in mount, network and
// process namespaces of their own and cannot leave anything on this machine.
func TestMain(m *testing.M) {
	const inside = "STOWAGED_TEST_INSIDE"
	switch {
	case os.Getenv("STOWAGED_IS_TEST") != "":
		main()
		os.Exit(0)
	case os.Geteuid() != 0:
		fmt.Println("SKIP: stowaged's tests need root")
		os.Exit(0)
	case os.Getenv(inside) != "":
		isolate()
		os.Exit(m.Run())
	}
	c := exec.Command("/proc/self/exe", os.Args[1:]...)
	c.Env = append(os.Environ(), inside+"=1")
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	if err := c.Run(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// isolate finishes the namespaces from within.
func isolate() {
	err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	if err == nil {
		err = syscall.Mount("proc", "/proc", "proc", 0, "")
	}
	if err == nil {
		err = exec.Command("ip", "link", "set", "lo", "up").Run()
	}
	if err != nil {
		panic(err)
	}
}

// instance is one node's files, and names on the host that no other has.
type instance struct {
	t   testing.TB
	dir string
	env []string
}

func newInstance(t testing.TB, c api.NodeConfig) *instance {
	t.Helper()
	// Unix socket paths are short.
	dir, err := os.MkdirTemp("", "stowaged")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Unmount(filepath.Join(dir, "run/secrets"), syscall.MNT_DETACH)
		os.RemoveAll(dir)
	})
	c.Cluster, c.Name, c.Address = "c1", "m", "127.0.0.1"
	if c.Containerd == "" {
		c.Containerd = filepath.Join(dir, "containerd.sock")
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	i := &instance{t: t, dir: dir}
	if err := os.WriteFile(i.path("node.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	id := filepath.Base(dir)[len("stowaged"):]
	i.env = append(os.Environ(), "STOWAGED_IS_TEST=1",
		"STOWAGE_CONFIG="+i.path("node.json"), "STOWAGE_DATA_DIR="+i.path("data"), "STOWAGE_RUN_DIR="+i.path("run"),
		"STOWAGE_LOG_DIR="+i.path("log"), "STOWAGE_NODE_LISTEN="+freeAddress(t), "STOWAGE_PEER_LISTEN="+freeAddress(t),
		"STOWAGE_BRIDGE=st"+id, "STOWAGE_NFT_TABLE=stowage_"+id, "STOWAGE_NAMESPACE=stowage-"+id)
	return i
}

func (i *instance) path(name string) string { return filepath.Join(i.dir, name) }

func (i *instance) command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = i.env
	return cmd
}

// start starts stowaged; the test's end kills it.
func (i *instance) start(args ...string) *exec.Cmd {
	i.t.Helper()
	cmd := i.command(args...)
	log, err := os.OpenFile(i.path("stderr"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		i.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if b, _ := os.ReadFile(i.path("stderr")); i.t.Failed() && len(b) > 0 {
			i.t.Logf("its log:\n%s", b)
			os.Remove(i.path("stderr"))
		}
	})
	return cmd
}

// output runs a command to its end.
func (i *instance) output(stdin string, args ...string) (string, error) {
	i.t.Helper()
	cmd := i.command(args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, errs.String())
	}
	return out.String(), err
}

// client is the operator's; each call of it waits for a stowaged that starts.
func (i *instance) client() *client.Client {
	return client.New(func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", i.path("run/stowaged.sock"))
	})
}

func (i *instance) healthy() {
	i.t.Helper()
	ctx, cancel := context.WithTimeout(i.t.Context(), 20*time.Second)
	defer cancel()
	if err := i.client().WaitHealthy(ctx); err != nil {
		i.t.Fatal(err)
	}
}

// pid waits for a pid file whose process runs and is not the one given.
func (i *instance) pid(name string, not int) int {
	i.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
		b, _ := os.ReadFile(i.path("run/" + name + ".pid"))
		first, _, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
		if pid, err := strconv.Atoi(first); err == nil && pid != not && alive(pid, 0) {
			return pid
		}
	}
	i.t.Fatalf("%s does not run", name)
	return 0
}

func (i *instance) gone(pid int) {
	i.t.Helper()
	ctx, cancel := context.WithTimeout(i.t.Context(), 20*time.Second)
	defer cancel()
	if waitFor(ctx, pid, 0) != nil {
		i.t.Errorf("process %d still runs", pid)
	}
}

func kill(t testing.TB, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
