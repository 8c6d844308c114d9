package image

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	content "github.com/containerd/containerd/api/services/content/v1"
	diff "github.com/containerd/containerd/api/services/diff/v1"
	images "github.com/containerd/containerd/api/services/images/v1"
	introspection "github.com/containerd/containerd/api/services/introspection/v1"
	leases "github.com/containerd/containerd/api/services/leases/v1"
	namespaces "github.com/containerd/containerd/api/services/namespaces/v1"
	snapshots "github.com/containerd/containerd/api/services/snapshots/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/stowage-iac/stowage/api"
)

const (
	snapshotter = "overlayfs"
	// callTimeout bounds the calls that only look something up or write a record.
	callTimeout = 60 * time.Second
	// closeTimeout is how long the end of a connection is waited for.
	closeTimeout = time.Second
)

// Dialer connects to a socket of a host, e.g. ssh.Host.Dial of api.ContainerdSock.
type Dialer func(ctx context.Context) (net.Conn, error)

// Host is where images go.
type Host struct {
	Containerd Dialer
	// Agent is its stowaged, which takes large layers in faster than containerd
	// does; nil where there is none. It need not answer.
	Agent Dialer
}

// daemon is a host's containerd: its services one by one, since a pipelined
// write needs the content service's own stream, and the client package would
// bring all of a container runtime's client into the CLI.
type daemon struct {
	conn          *grpc.ClientConn
	content       content.ContentClient
	diff          diff.DiffClient
	images        images.ImagesClient
	introspection introspection.IntrospectionClient
	leases        leases.LeasesClient
	namespaces    namespaces.NamespacesClient
	snapshots     snapshots.SnapshotsClient
	intake        *intake // nil without a stowaged
}

func connect(host Host) (*daemon, error) {
	conn, err := grpc.NewClient("passthrough:///containerd",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return host.Containerd(ctx) }),
		grpc.WithWriteBufferSize(1<<20), grpc.WithReadBufferSize(128<<10),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16<<20)))
	if err != nil {
		return nil, err
	}
	return &daemon{conn, content.NewContentClient(conn), diff.NewDiffClient(conn), images.NewImagesClient(conn),
		introspection.NewIntrospectionClient(conn), leases.NewLeasesClient(conn), namespaces.NewNamespacesClient(conn),
		snapshots.NewSnapshotsClient(conn), newIntake(host.Agent)}, nil
}

// close ends the connection. Through a tunnel whose other end is gone that can
// block until the tunnel itself is given up, which is its owner's to do: then it
// goes on behind the caller's back.
func (d *daemon) close() {
	closed := make(chan struct{})
	go func() {
		d.intake.close()
		d.conn.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(closeTimeout):
	}
}

// in addresses a namespace of containerd; lease, when not "", keeps what is made or touched.
func in(ctx context.Context, namespace, lease string) context.Context {
	ctx = metadata.AppendToOutgoingContext(ctx, "containerd-namespace", namespace)
	if lease != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "containerd-lease", lease)
	}
	return ctx
}

// ours is in, for the namespace of everything of Stowage.
func ours(ctx context.Context, lease string) context.Context {
	return in(ctx, api.ContainerdNamespace, lease)
}

func is(err error, code codes.Code) bool { return err != nil && status.Code(err) == code }

// failed says what containerd was doing; a lost connection reads as such.
func failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	if s, ok := status.FromError(err); ok {
		switch s.Code() {
		case codes.Canceled:
			return fmt.Errorf("%s: %w", doing, context.Canceled)
		case codes.DeadlineExceeded:
			return fmt.Errorf("%s: containerd does not answer: %w", doing, context.DeadlineExceeded)
		case codes.Unavailable:
			return fmt.Errorf("%s: containerd cannot be reached: %w", doing, errors.New(s.Message()))
		case codes.Unimplemented:
			return fmt.Errorf("%s: containerd is too old or lacks a plugin: %w", doing, errors.New(s.Message()))
		}
		return fmt.Errorf("%s: containerd: %w", doing, errors.New(s.Message()))
	}
	return fmt.Errorf("%s: %w", doing, err)
}
