// Package runtime is what an agent needs of a container runtime: few verbs on
// containers that are named by ID and found again by their labels. Package
// containerd is the real one, package fake an in-memory one; both pass the
// suite in package conformance.
package runtime

import (
	"context"
	"errors"
	"syscall"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Errors that callers tell apart with errors.Is.
var (
	ErrImageMissing = errors.New("image is not on this node")
	ErrNotFound     = errors.New("no such container")
	// ErrUnavailable is a runtime that went away in the middle of a call; the
	// call may or may not have taken effect.
	ErrUnavailable = errors.New("the container runtime does not answer")
)

// State of a container.
type State string

// The states. A container without a process is Empty: half made, or settled.
const (
	Empty   State = "empty"
	Created State = "created"
	Running State = "running"
	Exited  State = "exited"
)

// Exit is how a container's process ended.
type Exit struct {
	Code int // 128 + signal number after a signal
	At   time.Time
	OOM  bool // the kernel killed a process in it for lack of memory
}

// Container is what the runtime knows of one.
type Container struct {
	ID     string
	Labels map[string]string
	State  State
	PID    int
	Exit   Exit // when Exited
	// CreatedAt is when its record was made.
	CreatedAt time.Time
}

// Spec is a container to start.
type Spec struct {
	ID     string
	Image  string
	Labels map[string]string
	OCI    *specs.Spec
	Log    string // file to which stdout and stderr are appended
}

// Image is what an image says about running it.
type Image struct {
	Config        ocispec.ImageConfig
	Passwd, Group []byte // /etc/passwd and /etc/group of its file system; nil when absent
}

// Runtime runs containers. Calls wait while the runtime is away, for as long as
// their context allows. All are safe for concurrent use.
type Runtime interface {
	// Image returns what is needed to run ref, or ErrImageMissing.
	Image(ctx context.Context, ref string) (Image, error)
	// Start makes a container with a fresh root file system and starts it. After
	// an error nothing of it remains, unless the error is ErrUnavailable.
	Start(ctx context.Context, s Spec) (pid int, err error)
	// Wait returns when the container's process has ended, at once if it has. It
	// outlives restarts of the runtime. ErrNotFound when there is no process.
	Wait(ctx context.Context, id string) (Exit, error)
	// Signal signals the container's first process; ErrNotFound when it has ended. A
	// process that cannot hear SIGTERM gets SIGKILL instead.
	Signal(ctx context.Context, id string, sig syscall.Signal) error
	// Settle frees what an exited container still holds but keeps its record,
	// with these labels added.
	Settle(ctx context.Context, id string, labels map[string]string) error
	// Remove kills the container if it runs and removes all of it. Removing what
	// does not exist is no error.
	Remove(ctx context.Context, id string) error
	// List returns the containers that have label.
	List(ctx context.Context, label string) ([]Container, error)
}

// Images is the store of a runtime's images.
type Images interface {
	// Refs returns the names of all images, sorted.
	Refs(ctx context.Context) ([]string, error)
	// Delete removes an image by name; its content goes when nothing needs it.
	Delete(ctx context.Context, ref string) error
	// Watch calls changed after every change of the store, until ctx ends.
	Watch(ctx context.Context, changed func())
}
