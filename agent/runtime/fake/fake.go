// Package fake is an in-memory runtime. Its containers are not processes: a
// test ends them with Exit, and signals end them as they would end a program
// that handles none.
package fake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/stowage-iac/stowage/agent/runtime"
)

// Runtime is a runtime.Runtime and runtime.Images in memory. The zero value has no images.
type Runtime struct {
	mu         sync.Mutex
	images     map[string]runtime.Image
	containers map[string]*container
	changed    []func()
	nextPID    int
	// StartError, if set, is asked before each start.
	StartError func(runtime.Spec) error
	// StartTime is how long a start takes.
	StartTime time.Duration
	// IgnoreTerm makes containers live on after TERM.
	IgnoreTerm bool
	started    []Started
}

// Started is one start, in the order of Starts.
type Started struct {
	ID string
	At time.Time
}

type container struct {
	runtime.Container
	spec  runtime.Spec
	ended chan struct{} // closed at the end
}

var (
	_ runtime.Runtime = (*Runtime)(nil)
	_ runtime.Images  = (*Runtime)(nil)
)

// AddImage makes an image known.
func (f *Runtime) AddImage(ref string, img runtime.Image) {
	f.mu.Lock()
	if f.images == nil {
		f.images = map[string]runtime.Image{}
	}
	f.images[ref] = img
	changed := slices.Clone(f.changed)
	f.mu.Unlock()
	for _, c := range changed {
		c()
	}
}

// Exit ends a running container.
func (f *Runtime) Exit(id string, code int, oom bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.containers[id]
	if c == nil || c.State != runtime.Running {
		return fmt.Errorf("%s does not run: %w", id, runtime.ErrNotFound)
	}
	f.end(c, code, oom)
	return nil
}

func (f *Runtime) end(c *container, code int, oom bool) {
	c.State, c.PID = runtime.Exited, 0
	c.Container.Exit = runtime.Exit{Code: code, At: time.Now(), OOM: oom}
	close(c.ended)
}

// Starts returns every start so far.
func (f *Runtime) Starts() []Started {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.started)
}

// Dump writes the containers, one a line, sorted by ID.
func (f *Runtime) Dump() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(f.containers)) {
		fmt.Fprintf(&b, "%s %s\n", id, f.containers[id].State)
	}
	return b.String()
}

// Image implements runtime.Runtime.
func (f *Runtime) Image(_ context.Context, ref string) (runtime.Image, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	img, ok := f.images[ref]
	if !ok {
		return runtime.Image{}, fmt.Errorf("%s: %w", ref, runtime.ErrImageMissing)
	}
	return img, nil
}

// Start implements runtime.Runtime.
func (f *Runtime) Start(ctx context.Context, s runtime.Spec) (int, error) {
	if _, err := f.Image(ctx, s.Image); err != nil {
		return 0, err
	}
	if f.StartTime > 0 {
		select {
		case <-time.After(f.StartTime):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	if f.StartError != nil {
		if err := f.StartError(s); err != nil {
			return 0, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.containers == nil {
		f.containers = map[string]*container{}
	}
	if f.containers[s.ID] != nil {
		return 0, fmt.Errorf("container %s exists already", s.ID)
	}
	f.nextPID++
	c := &container{spec: s, ended: make(chan struct{})}
	c.Container = runtime.Container{ID: s.ID, Labels: maps.Clone(s.Labels), State: runtime.Running, PID: 1000 + f.nextPID, CreatedAt: time.Now()}
	f.containers[s.ID] = c
	f.started = append(f.started, Started{s.ID, time.Now()})
	if code, ok := exitCommand(s.OCI.Process.Args); ok {
		f.end(c, code, false)
	}
	return c.PID, nil
}

// exitCommand understands the arguments "exit N": a program that ends at once.
func exitCommand(args []string) (code int, ok bool) {
	n, _ := fmt.Sscanf(strings.Join(args, " "), "exit %d", &code)
	return code, n == 1
}

// Wait implements runtime.Runtime.
func (f *Runtime) Wait(ctx context.Context, id string) (runtime.Exit, error) {
	f.mu.Lock()
	c := f.containers[id]
	f.mu.Unlock()
	if c == nil || c.State == runtime.Empty {
		return runtime.Exit{}, runtime.ErrNotFound
	}
	select {
	case <-ctx.Done():
		return runtime.Exit{}, ctx.Err()
	case <-c.ended:
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return c.Container.Exit, nil
}

// Signal implements runtime.Runtime.
func (f *Runtime) Signal(_ context.Context, id string, sig syscall.Signal) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.containers[id]
	if c == nil || c.State != runtime.Running {
		return runtime.ErrNotFound
	}
	if sig == syscall.SIGKILL || !f.IgnoreTerm {
		f.end(c, 128+int(sig), false)
	}
	return nil
}

// Settle implements runtime.Runtime.
func (f *Runtime) Settle(_ context.Context, id string, labels map[string]string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.containers[id]
	if c == nil {
		return runtime.ErrNotFound
	}
	if c.State == runtime.Running {
		return errors.New("it runs")
	}
	c.State = runtime.Empty
	maps.Copy(c.Labels, labels)
	return nil
}

// Remove implements runtime.Runtime.
func (f *Runtime) Remove(_ context.Context, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.containers[id]; c != nil && c.State == runtime.Running {
		f.end(c, 137, false)
	}
	delete(f.containers, id)
	return nil
}

// List implements runtime.Runtime.
func (f *Runtime) List(_ context.Context, label string) ([]runtime.Container, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []runtime.Container
	for _, id := range slices.Sorted(maps.Keys(f.containers)) {
		c := f.containers[id].Container
		if _, ok := c.Labels[label]; ok {
			c.Labels = maps.Clone(c.Labels)
			out = append(out, c)
		}
	}
	return out, nil
}

// Refs implements runtime.Images.
func (f *Runtime) Refs(context.Context) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.images)), nil
}

// Delete implements runtime.Images.
func (f *Runtime) Delete(_ context.Context, ref string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.images, ref)
	return nil
}

// Watch implements runtime.Images.
func (f *Runtime) Watch(ctx context.Context, changed func()) {
	f.mu.Lock()
	f.changed = append(f.changed, changed)
	f.mu.Unlock()
	changed()
	<-ctx.Done()
}
