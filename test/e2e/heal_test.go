package e2e_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const server = "^/bin/busybox httpd"

func TestHeals(t *testing.T) {
	p, h := onOneHost(t, "")
	if got, err := page(h.Addr); err != nil || got != "hello" {
		t.Fatalf("%q, %v", got, err)
	}

	t.Run("a killed container", func(t *testing.T) {
		old := pids(t, h, server)
		if _, err := h.Run(t.Context(), "kill -9 "+strings.ReplaceAll(old, "\n", " ")); err != nil {
			t.Fatal(err)
		}
		eventually(t, 10*time.Second, "the server is back", func() error {
			now := pids(t, h, server)
			if now == "" || now == old {
				return fmt.Errorf("processes %q, before %q", now, old)
			}
			_, err := page(h.Addr)
			return err
		})
		p.empty()
	})

	t.Run("containerd killed", func(t *testing.T) {
		old := pids(t, h, server)
		if _, err := h.Run(t.Context(), "pkill -9 -x containerd"); err != nil {
			t.Fatal(err)
		}
		eventually(t, 20*time.Second, "containerd answers again", func() error {
			_, err := h.Run(t.Context(), "ctr -n stowage containers ls -q")
			return err
		})
		if now := pids(t, h, server); now != old {
			t.Errorf("the server did not survive: %q, before %q", now, old)
		}
		if _, err := h.Run(t.Context(), "kill -9 "+strings.ReplaceAll(old, "\n", " ")); err != nil {
			t.Fatal(err)
		}
		eventually(t, 20*time.Second, "the server heals again", func() error { _, err := page(h.Addr); return err })
	})

	t.Run("a reboot without a manager", func(t *testing.T) {
		if err := h.Reboot(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, 30*time.Second, "the server is back", func() error { _, err := page(h.Addr); return err })
		p.empty()
	})

	t.Run("a container that nobody declared", func(t *testing.T) {
		_, err := h.Run(t.Context(), `
			img=$(ctr -n stowage images ls -q | head -1)
			ctr -n stowage run -d --label stowage.pod=ghost --label stowage.slot=0 --label stowage.container=x "$img" ghost /bin/busybox sleep 3600
			ctr -n stowage run -d "$img" stranger /bin/busybox sleep 3600`)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Run(t.Context(), "systemctl restart stowaged"); err != nil {
			t.Fatal(err)
		}
		eventually(t, 20*time.Second, "the ghost is gone", func() error {
			out, err := h.Run(t.Context(), "ctr -n stowage containers ls -q")
			if err == nil && strings.Contains(out, "ghost") {
				err = fmt.Errorf("containers: %s", out)
			}
			return err
		})
		if out, _ := h.Run(t.Context(), "ctr -n stowage tasks ls"); !strings.Contains(out, "stranger") {
			t.Errorf("a container without our labels was touched: %s", out)
		}
	})
}

// TestStowagedKilledFiftyTimes kills the agent again and again while a client
// keeps requesting the pod: not one request may fail.
func TestStowagedKilledFiftyTimes(t *testing.T) {
	_, h := onOneHost(t, "")
	stop := make(chan struct{})
	done := make(chan error, 1)
	var requests atomic.Int64
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if _, err := page(h.Addr); err != nil {
				done <- fmt.Errorf("request %d: %w", requests.Load(), err)
				return
			}
			requests.Add(1)
		}
	}()
	container := pids(t, h, server)
	out, err := h.Run(t.Context(), `
		for i in $(seq 50); do
			for try in $(seq 200); do
				pid=$(systemctl show -p MainPID --value stowaged)
				[ "$pid" != 0 ] && [ "$pid" != "$last" ] && break
				sleep 0.05
			done
			[ "$pid" != "$last" ] || { echo "stowaged did not come back after $i kills"; exit 1; }
			kill -9 "$pid" && last=$pid
		done`)
	close(stop)
	if failure := <-done; failure != nil {
		t.Error(failure)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%d requests were answered during 50 kills", requests.Load())
	if now := pids(t, h, server); now != container {
		t.Errorf("the container was restarted: %q, before %q", now, container)
	}
}
