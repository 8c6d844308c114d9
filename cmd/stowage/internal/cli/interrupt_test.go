package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be the process that is interrupted.
func TestMain(m *testing.M) {
	if os.Getenv("STOWAGE_TEST_INTERRUPTS") != "" {
		interruptible()
	}
	os.Exit(m.Run())
}

// interruptible says what happens to it, and never ends by itself.
func interruptible() {
	soft, hard, release := Interrupts(context.Background(), 50*time.Millisecond, func(second bool) { fmt.Println("told", second) })
	defer release()
	AtExit(func() { fmt.Println("cleaned up") })
	fmt.Println("ready")
	<-soft.Done()
	fmt.Println("soft, hard:", hard.Err())
	<-hard.Done()
	fmt.Println("hard")
	select {}
}

// TestInterrupts sends signals: the first stops softly, the second hard, and
// what does not end by then is ended, after the terminal was given back.
func TestInterrupts(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			cmd, out := child(t, "--default-signal=HUP") // the tests may be run by nohup
			lines := bufio.NewScanner(out)
			expect := func(want ...string) {
				t.Helper()
				left := map[string]bool{}
				for _, w := range want {
					left[w] = true
				}
				for len(left) > 0 && lines.Scan() {
					if !left[lines.Text()] {
						t.Fatalf("it says %q, want one of %v", lines.Text(), want)
					}
					delete(left, lines.Text())
				}
				if len(left) > 0 {
					t.Fatalf("it never said %v", left)
				}
			}
			expect("ready")
			cmd.Process.Signal(sig)
			expect("told false", "soft, hard: <nil>")
			if sig == syscall.SIGHUP { // another one is of the same end of the terminal
				cmd.Process.Signal(sig)
				silent(t, out)
				sig = syscall.SIGTERM
			}
			cmd.Process.Signal(sig)
			expect("told true", "hard", "cleaned up")
			var exit *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != Interrupted {
				t.Fatalf("it ended with %v, want exit code %d", err, Interrupted)
			}
		})
	}
}

// child starts the process that is interrupted; env sets what it inherits for a signal.
func child(t *testing.T, inherits string) (*exec.Cmd, *os.File) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "env", inherits, os.Args[0])
	cmd.Env = append(os.Environ(), "STOWAGE_TEST_INTERRUPTS=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	return cmd, out.(*os.File)
}

// TestNohup leaves a process alone that was started by nohup.
func TestNohup(t *testing.T) {
	cmd, out := child(t, "--ignore-signal=HUP")
	ready := make([]byte, 100)
	if n, err := out.Read(ready); string(ready[:n]) != "ready\n" {
		t.Fatalf("it says %q, %v", ready[:n], err)
	}
	cmd.Process.Signal(syscall.SIGHUP)
	silent(t, out)
}

// silent fails when the process says anything within a time that would end it.
func silent(t *testing.T, out *os.File) {
	t.Helper()
	out.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	defer out.SetReadDeadline(time.Time{})
	said := make([]byte, 100)
	if n, err := out.Read(said); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("it says %q, %v", said[:n], err)
	}
}

// TestInterruptsAreReleased leaves signals alone once a command is done.
func TestInterruptsAreReleased(t *testing.T) {
	soft, hard, release := Interrupts(context.Background(), time.Hour, func(bool) { t.Error("told") })
	release()
	release()
	if soft.Err() == nil || hard.Err() == nil {
		t.Error("the contexts are still open")
	}
}
