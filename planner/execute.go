package planner

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/lang"
)

// executor runs a plan's graph.
type executor struct {
	ApplyInput
	plan      *Plan
	kinds     map[string]*kindInfo
	changes   map[string]*Change
	ev        *lang.Evaluator        // nil when nothing is left to evaluate
	sources   map[string]*lang.Block // by address
	clusterID string
	hashKey   []byte
	outputs   map[string]cty.Value
	soft      context.Context // when it ends, nothing new is begun
	checks    []Checked

	specs   map[string]api.NodeSpec // the nodes there will be, with roles
	manager string
	pods    map[string]*Change // by name

	// Only the loop of run uses these.
	states    []stepState
	diags     hcl.Diagnostics
	cancelled bool
	broken    error // the journal failed: nothing more is started

	vain atomic.Bool // a step was tried in vain, and none succeeded since; see attempts

	mu     sync.RWMutex
	values map[string]cty.Value // applied so far
	decMu  sync.Mutex
	dec    *decoder
}

type stepState uint8

const (
	stepWaiting stepState = iota
	stepRunning
	stepDone
	stepFailed
)

// outcome is a finished step.
type outcome struct {
	step  int
	diags hcl.Diagnostics
	fatal error // of the journal
	ok    bool
}

// run executes steps as soon as what they need is done, until nothing runs any more.
func (x *executor) run(ctx context.Context) {
	steps := x.plan.Steps
	x.states = make([]stepState, len(steps))
	waits := make([]int, len(steps))
	needed := make([][]int32, len(steps))
	var ready intHeap
	for i, s := range steps {
		waits[i] = len(s.Needs)
		for _, n := range s.Needs {
			needed[n] = append(needed[n], int32(i))
		}
		if waits[i] == 0 {
			ready = append(ready, int32(i)) // in order: a heap
		}
	}
	results := make(chan outcome, x.Parallelism)
	work := make(chan int, x.Parallelism)
	defer close(work)
	workers, running := 0, 0
	perStep := make([]hcl.Diagnostics, len(steps))
	settle := func(i int) {
		x.states[i] = stepDone
		for _, n := range needed[i] {
			if waits[n]--; waits[n] == 0 {
				ready.push(n)
			}
		}
	}
	done := ctx.Done()
	for {
		select {
		case <-done:
			x.cancelled, done = true, nil
		default:
		}
		for len(ready) > 0 && running < x.Parallelism && !x.cancelled && x.broken == nil {
			i := int(ready.pop())
			if steps[i].Kind == StepJoin {
				settle(i)
				continue
			}
			x.states[i] = stepRunning
			if running++; running > workers {
				workers++
				go func() { // for many steps: each would have to grow the stack of a new one
					for i := range work {
						results <- x.step(i, steps[i])
					}
				}()
			}
			work <- i
		}
		if running == 0 {
			break
		}
		select {
		case r := <-results:
			running--
			perStep[r.step] = r.diags
			if r.fatal != nil && x.broken == nil {
				x.broken = r.fatal
			}
			if r.ok {
				settle(r.step)
			} else {
				x.states[r.step] = stepFailed
			}
		case <-done:
			x.cancelled, done = true, nil
		}
	}
	for _, d := range perStep { // in the plan's order, whatever came first
		x.diags = append(x.diags, d...)
	}
}

// step executes one step and reports it.
func (x *executor) step(i int, s Step) (out outcome) {
	out.step = i
	op := x.operation(s)
	x.Progress.Start(op)
	defer func() { x.Progress.Done(op, !out.ok) }()
	defer func() {
		if r := recover(); r != nil {
			out.ok = false
			out.diags = append(out.diags, errorf(nil, "Mistake in Stowage", fmt.Sprintf("The step %q failed: panic: %v. Please report this.", stepTitle(x.plan, s), r)))
		}
	}()
	switch s.Kind {
	case StepPush:
		out.diags = x.push(op, &x.plan.Transfers[s.Index])
		out.ok = !out.diags.HasErrors()
	case StepDelete:
		if c := x.plan.Changes[s.Index]; c.Action == Forget {
			out.ok, out.diags, out.fatal = x.forget(c)
		} else {
			out.ok, out.diags, out.fatal = x.remove(op, c)
		}
	default:
		c := x.plan.Changes[s.Index]
		if c.Action == Read {
			out.diags = x.readData(c)
			out.ok = !out.diags.HasErrors()
			break
		}
		out.ok, out.diags, out.fatal = x.make(op, c)
	}
	return out
}

func (x *executor) operation(s Step) Operation {
	op := Operation{Started: time.Now()}
	switch s.Kind {
	case StepPush:
		t := &x.plan.Transfers[s.Index]
		op.Verb, op.Address = Pushing, t.Image+" → "+t.Node
	case StepDelete:
		c := x.plan.Changes[s.Index]
		op.Verb, op.Address = Destroying, c.Address
		if c.Action == Forget {
			op.Verb = Forgetting
		}
	default:
		c := x.plan.Changes[s.Index]
		op.Verb, op.Address = Creating, c.Address
		switch c.Action {
		case Update:
			op.Verb = Updating
		case Read:
			op.Verb = Reading
		}
	}
	return op
}

// value is the present value of an instance: as applied, else as planned or recorded.
func (x *executor) value(address string) (cty.Value, bool) {
	x.mu.RLock()
	v, ok := x.values[address]
	x.mu.RUnlock()
	if ok {
		return v, true
	}
	c := x.changes[address]
	if c == nil {
		return cty.NilVal, false
	}
	switch {
	case c.Action.ends():
		return c.Before, c.Before != cty.NilVal
	case c.After != cty.NilVal:
		return c.After, true
	}
	return x.recordedValue(c)
}

// recordedValue reads what an opened plan does not carry: instances that do not change.
func (x *executor) recordedValue(c *Change) (cty.Value, bool) {
	inst := x.State.Instances[c.Address]
	if inst == nil {
		return cty.NilVal, false
	}
	x.decMu.Lock()
	defer x.decMu.Unlock()
	if x.dec == nil {
		x.dec = newDecoder()
	}
	v, err := x.dec.instance(x.kinds[c.Kind], inst)
	if err != nil {
		return cty.NilVal, false
	}
	x.mu.Lock()
	x.values[c.Address] = v
	x.mu.Unlock()
	return v, true
}

// set makes an applied value known to all that refer to it.
func (x *executor) set(address string, v cty.Value) {
	x.mu.Lock()
	x.values[address] = v
	x.mu.Unlock()
	if x.ev != nil {
		x.ev.Set(address, v)
	}
}

func newID() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// executable is the directory of the running program, links resolved.
func executable() (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	if resolved, err := filepath.EvalSymlinks(exe); err == nil {
		exe = resolved
	}
	return filepath.Dir(exe), nil
}
