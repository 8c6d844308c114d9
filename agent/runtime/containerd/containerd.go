// Package containerd runs containers on a containerd daemon, version 1.6 or
// later, through its services: one snapshot, one record and one task per
// container, all under the container's ID.
//
// It uses the services and not the client's convenience calls, which take a
// lease and several look-ups per container: starting one is four writes here.
package containerd

import (
	"context"
	"fmt"
	"strings"
	"time"

	client "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/dialer"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/stowage-iac/stowage/agent/runtime"
)

const (
	snapshotter = "overlayfs"
	shim        = "io.containerd.runc.v2"
)

// Options name the daemon and what in it is ours.
type Options struct {
	Socket    string
	Namespace string
	// Scratch is a directory for short-lived read-only mounts of images.
	Scratch string
	// CgroupMount is where the cgroup file systems are; default /sys/fs/cgroup.
	CgroupMount string
}

// Runtime is a runtime.Runtime and runtime.Images on containerd.
type Runtime struct {
	o      Options
	c      *client.Client
	conn   *grpc.ClientConn
	images imageCache
	paths  cgroupPaths
}

var (
	_ runtime.Runtime = (*Runtime)(nil)
	_ runtime.Images  = (*Runtime)(nil)
)

// New makes a Runtime. The daemon need not be up: calls wait for it.
func New(o Options) (*Runtime, error) {
	if o.CgroupMount == "" {
		o.CgroupMount = "/sys/fs/cgroup"
	}
	// After a restart of the daemon the connection is back within half a second.
	retry := backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.5, Jitter: 0.1, MaxDelay: 500 * time.Millisecond}
	conn, err := grpc.NewClient("passthrough:///"+strings.TrimPrefix(dialer.DialAddress(o.Socket), "passthrough:///"),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(dialer.ContextDialer),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: retry, MinConnectTimeout: time.Second}),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true), grpc.MaxCallRecvMsgSize(64<<20)),
	)
	if err != nil {
		return nil, fmt.Errorf("containerd at %s: %w", o.Socket, err)
	}
	c, err := client.NewWithConn(conn)
	if err != nil {
		return nil, err
	}
	return &Runtime{o: o, c: c, conn: conn}, nil
}

// Close ends the connection.
func (r *Runtime) Close() error { return r.conn.Close() }

// Ready is nil while the daemon answers, else a sentence for a person.
func (r *Runtime) Ready() error {
	switch s := r.conn.GetState(); s {
	case connectivity.Ready:
		return nil
	case connectivity.Idle:
		r.conn.Connect()
		fallthrough
	default:
		return fmt.Errorf("containerd does not answer at %s", r.o.Socket)
	}
}

// Version returns the daemon's version.
func (r *Runtime) Version(ctx context.Context) (string, error) {
	v, err := r.c.Version(r.ns(ctx))
	if err != nil {
		return "", err
	}
	return v.Version, nil
}

func (r *Runtime) ns(ctx context.Context) context.Context {
	return namespaces.WithNamespace(ctx, r.o.Namespace)
}

// classify maps the daemon's errors to the ones that callers know.
func classify(err error) error {
	if err == nil {
		return nil
	}
	native := errgrpc.ToNative(err)
	switch {
	case errdefs.IsUnavailable(native):
		return fmt.Errorf("%w: %w", runtime.ErrUnavailable, err)
	case errdefs.IsNotFound(native):
		return fmt.Errorf("%w: %w", runtime.ErrNotFound, err)
	}
	return native
}
