package containerd

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/errdefs"
	"github.com/containerd/typeurl/v2"
	"golang.org/x/sync/errgroup"

	"github.com/stowage-iac/stowage/agent/runtime"
	"github.com/stowage-iac/stowage/api"
)

// Start implements runtime.Runtime.
func (r *Runtime) Start(ctx context.Context, s runtime.Spec) (int, error) {
	ctx = r.ns(ctx)
	img, err := r.image(ctx, s.Image)
	if err != nil {
		return 0, err
	}
	if err := os.MkdirAll(filepath.Dir(s.Log), 0o750); err != nil {
		return 0, err
	}
	pid, err := r.start(ctx, s, img)
	if err != nil && !errors.Is(err, runtime.ErrUnavailable) {
		// Also when ctx has ended: what is half made must not stay.
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if rerr := r.Remove(clean, s.ID); rerr != nil {
			err = errors.Join(err, fmt.Errorf("and it could not be cleaned up: %w", rerr))
		}
	}
	return pid, err
}

func (r *Runtime) start(ctx context.Context, s runtime.Spec, img image) (int, error) {
	mounts, err := r.makeRecords(ctx, s, img)
	if err != nil {
		return 0, err
	}
	r.paths.put(s.ID, s.OCI.Linux.CgroupsPath)
	log := (&url.URL{Scheme: "file", Path: s.Log}).String()
	t := r.c.TaskService()
	if _, err := t.Create(ctx, &tasks.CreateTaskRequest{ContainerID: s.ID, Rootfs: mount.ToProto(mounts), Stdout: log, Stderr: log}); err != nil {
		return 0, startError(err)
	}
	started, err := t.Start(ctx, &tasks.StartRequest{ContainerID: s.ID})
	if err != nil {
		return 0, startError(err)
	}
	return int(started.Pid), nil
}

// makeRecords prepares the root file system and the container's record at once.
func (r *Runtime) makeRecords(ctx context.Context, s runtime.Spec, img image) ([]mount.Mount, error) {
	spec, err := typeurl.MarshalAny(s.OCI)
	if err != nil {
		return nil, fmt.Errorf("specification of %s: %w", s.ID, err)
	}
	var mounts []mount.Mount
	both, bctx := errgroup.WithContext(ctx)
	both.Go(func() (err error) {
		mounts, err = r.prepare(bctx, s.ID, img)
		return err
	})
	both.Go(func() error {
		_, err := r.c.ContainerService().Create(bctx, containers.Container{
			ID: s.ID, Labels: s.Labels, Image: s.Image, Spec: spec, Snapshotter: snapshotter, SnapshotKey: s.ID,
			Runtime: containers.RuntimeInfo{Name: shim},
		})
		if err != nil {
			return classify(fmt.Errorf("record of container %s: %w", s.ID, err))
		}
		return nil
	})
	return mounts, both.Wait()
}

// prepare makes the writable snapshot of an image, unpacking the image first if
// nobody has yet. The label keeps the snapshot from the collector until Remove.
func (r *Runtime) prepare(ctx context.Context, key string, img image) ([]mount.Mount, error) {
	labels := snapshots.WithLabels(map[string]string{"containerd.io/gc.root": time.Now().UTC().Format(time.RFC3339), api.LabelContainer: key})
	sn := r.c.SnapshotService(snapshotter)
	mounts, err := sn.Prepare(ctx, key, img.chain, labels)
	if errdefs.IsNotFound(err) {
		if err := r.unpack(ctx, img); err != nil {
			return nil, err
		}
		mounts, err = sn.Prepare(ctx, key, img.chain, labels)
	}
	if err != nil {
		return nil, classify(fmt.Errorf("root file system of %s: %w", key, err))
	}
	return mounts, nil
}

// startError reduces runc's report to what a person needs.
func startError(err error) error {
	cause := classify(err)
	if errors.Is(cause, runtime.ErrUnavailable) {
		return cause
	}
	text := cause.Error()
	for _, noise := range []string{"failed to create task for container: ", "failed to create shim task: ", "failed to create shim: ",
		"OCI runtime create failed: ", "OCI runtime start failed: ", "runc create failed: ", "container_linux.go:", ": unknown"} {
		text = strings.ReplaceAll(text, noise, "")
	}
	return errors.New(strings.TrimSpace(text))
}
