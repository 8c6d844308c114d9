package containerd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/errdefs"

	"github.com/stowage-iac/stowage/agent/runtime"
	"github.com/stowage-iac/stowage/api"
)

// Purge removes everything of ours from the daemon: containers, snapshots,
// images, leases and, when nothing of others is in it, the namespace.
func (r *Runtime) Purge(ctx context.Context) error {
	ctx = r.ns(ctx)
	list, err := r.List(ctx, api.LabelPod)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range list {
		errs = append(errs, r.Remove(ctx, c.ID))
	}
	errs = append(errs, r.reap(ctx, 0, r.recorded))
	errs = append(errs, r.removeSnapshots(ctx), r.removeLeases(ctx), r.removeImages(ctx))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return r.removeNamespace(ctx)
}

// recorded is whether the daemon has a record of a container: somebody else's, by now.
func (r *Runtime) recorded(id string) (bool, error) {
	_, err := r.c.ContainerService().Get(r.ns(context.Background()), id)
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	return true, classify(err)
}

// removeSnapshots removes the roots of containers whose records are gone already.
func (r *Runtime) removeSnapshots(ctx context.Context) error {
	sn := r.c.SnapshotService(snapshotter)
	var keys []string
	err := sn.Walk(ctx, func(_ context.Context, i snapshots.Info) error {
		if i.Labels[api.LabelContainer] != "" || strings.HasPrefix(i.Name, "stowage-users-") {
			keys = append(keys, i.Name)
		}
		return nil
	})
	errs := []error{ignoreNotFound(err)}
	for _, k := range keys {
		errs = append(errs, ignoreNotFound(sn.Remove(ctx, k)))
	}
	return errors.Join(errs...)
}

func (r *Runtime) removeLeases(ctx context.Context) error {
	ls := r.c.LeasesService()
	list, err := ls.List(ctx)
	errs := []error{ignoreNotFound(err)}
	for _, l := range list {
		errs = append(errs, ignoreNotFound(ls.Delete(ctx, l)))
	}
	return errors.Join(errs...)
}

// removeImages removes all images of the namespace; the last deletion waits for
// the collector, so that their blobs and layers are gone too.
func (r *Runtime) removeImages(ctx context.Context) error {
	is := r.c.ImageService()
	list, err := is.List(ctx)
	if err != nil {
		return ignoreNotFound(err)
	}
	var errs []error
	for i, img := range list {
		var opts []images.DeleteOpt
		if i == len(list)-1 {
			opts = append(opts, images.SynchronousDelete())
		}
		errs = append(errs, ignoreNotFound(is.Delete(ctx, img.Name, opts...)))
	}
	return errors.Join(errs...)
}

// removeNamespace waits for the collector by a lease of its own, then deletes
// the namespace. One that is not empty holds something of others and stays.
func (r *Runtime) removeNamespace(ctx context.Context) error {
	names, err := r.c.NamespaceService().List(ctx)
	if err != nil {
		return classify(err)
	}
	for _, n := range names {
		if n != r.o.Namespace {
			continue
		}
		ls := r.c.LeasesService()
		l, err := ls.Create(ctx, leases.WithRandomID())
		if err != nil {
			return classify(err)
		}
		if err := ls.Delete(ctx, l, leases.SynchronousDelete); err != nil {
			return classify(err)
		}
		if err := r.c.NamespaceService().Delete(ctx, n); err != nil && !errdefs.IsNotFound(err) && !errdefs.IsFailedPrecondition(err) {
			return fmt.Errorf("delete namespace %s: %w", n, err)
		}
	}
	return nil
}

func ignoreNotFound(err error) error {
	if err = classify(err); errors.Is(err, runtime.ErrNotFound) {
		return nil
	}
	return err
}
