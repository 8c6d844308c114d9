package e2e_test

import (
	"errors"
	"testing"
	"time"
)

// A pod that does not want to stop is deleted with its block gone: the timeout that was
// recorded with it ends the step, and a later apply finds it stopped.
func TestTimeoutOfDeletion(t *testing.T) {
	p, h := onOneHost(t, `
pod "stubborn" {
  container "main" {
    image = image.web
    args  = ["sh", "-c", "trap 'sleep 8.5; exit' TERM; while :; do sleep 1; done"]
  }
  stop_grace = "12s"
  timeouts { delete = "2s" }
}
`)
	p.write("more.stowage.hcl", "")
	began := time.Now()
	p.refused([]string{"apply", "-auto-approve"}, "Error: Timeout", "pod.stubborn: it took longer than the 2s of its timeouts block")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the apply took %s", took)
	}
	eventually(t, time.Minute, "it has stopped", func() error {
		if pids(t, h, "[s]leep 8.5") != "" {
			return errors.New("it runs")
		}
		return nil
	})
	p.must("apply", "-auto-approve")
	p.empty()
}
