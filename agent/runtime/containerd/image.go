package containerd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	client "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stowage-iac/stowage/agent/runtime"
)

// image is what is known of an image that is here.
type image struct {
	runtime.Image
	record images.Image
	chain  string // of its unpacked file system
}

// imageCache keeps what was read of images, by the digest they have now.
type imageCache struct {
	mu   sync.Mutex
	have map[digest.Digest]*imageEntry
}

type imageEntry struct {
	mu   sync.Mutex // held while reading, so that ten pods of an image read it once
	done bool
	img  image
}

func (c *imageCache) entry(d digest.Digest) *imageEntry {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.have == nil {
		c.have = map[digest.Digest]*imageEntry{}
	}
	if c.have[d] == nil {
		c.have[d] = &imageEntry{}
	}
	return c.have[d]
}

// Image implements runtime.Runtime.
func (r *Runtime) Image(ctx context.Context, ref string) (runtime.Image, error) {
	img, err := r.image(r.ns(ctx), ref)
	return img.Image, err
}

func (r *Runtime) image(ctx context.Context, ref string) (image, error) {
	record, err := r.c.ImageService().Get(ctx, ref)
	if errdefs.IsNotFound(err) {
		return image{}, fmt.Errorf("%s: %w", ref, runtime.ErrImageMissing)
	}
	if err != nil {
		return image{}, classify(err)
	}
	e := r.images.entry(record.Target.Digest)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done {
		return e.img, nil
	}
	img, err := r.readImage(ctx, record)
	if err != nil {
		return image{}, fmt.Errorf("image %s: %w", ref, err)
	}
	e.img, e.done = img, true
	return img, nil
}

func (r *Runtime) readImage(ctx context.Context, record images.Image) (image, error) {
	cs := r.c.ContentStore()
	desc, err := record.Config(ctx, cs, platforms.Default())
	if errdefs.IsNotFound(err) {
		return image{}, fmt.Errorf("it is not complete, or not for this machine (%s): %w: %w", platforms.DefaultString(), runtime.ErrImageMissing, err)
	}
	if err != nil {
		return image{}, classify(err)
	}
	blob, err := content.ReadBlob(ctx, cs, desc)
	if err != nil {
		return image{}, classify(err)
	}
	var config ocispec.Image
	if err := json.Unmarshal(blob, &config); err != nil {
		return image{}, fmt.Errorf("its configuration is damaged: %w", err)
	}
	img := image{record: record, chain: identity.ChainID(config.RootFS.DiffIDs).String()}
	img.Config = config.Config
	if img.Passwd, img.Group, err = r.readUsers(ctx, img); err != nil {
		return image{}, err
	}
	return img, nil
}

// readUsers mounts the image for a moment, read-only, to read who exists in it.
func (r *Runtime) readUsers(ctx context.Context, img image) (passwd, group []byte, err error) {
	sn := r.c.SnapshotService(snapshotter)
	key := "stowage-users-" + img.record.Target.Digest.Encoded()
	_ = sn.Remove(ctx, key) // left by a crash
	view := func() ([]mount.Mount, error) { return sn.View(ctx, key, img.chain, snapshots.WithLabels(nil)) }
	mounts, err := view()
	if errdefs.IsNotFound(err) {
		if err := r.unpack(ctx, img); err != nil {
			return nil, nil, err
		}
		mounts, err = view()
	}
	if err != nil {
		return nil, nil, classify(err)
	}
	defer sn.Remove(context.WithoutCancel(ctx), key)
	if err := os.MkdirAll(r.o.Scratch, 0o700); err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp(r.o.Scratch, "users-")
	if err != nil {
		return nil, nil, err
	}
	defer os.Remove(dir)
	if err := mount.All(mounts, dir); err != nil {
		return nil, nil, fmt.Errorf("mount it: %w", err)
	}
	defer mount.UnmountAll(dir, 0)
	root, err := os.OpenRoot(dir) // links in the image cannot lead out of it
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	passwd, err = readIn(root, "etc/passwd")
	if err != nil {
		return nil, nil, err
	}
	group, err = readIn(root, "etc/group")
	return passwd, group, err
}

// readIn reads a file of at most 1 MiB; what is no regular file within the root counts as absent.
func readIn(root *os.Root, name string) ([]byte, error) {
	f, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, nil
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, 1<<20))
}

// unpack extracts the image's layers.
func (r *Runtime) unpack(ctx context.Context, img image) error {
	err := client.NewImage(r.c, img.record).Unpack(ctx, snapshotter)
	if errdefs.IsNotFound(err) {
		return fmt.Errorf("%w: its layers are not complete: %w", runtime.ErrImageMissing, err)
	}
	if err != nil && !errdefs.IsAlreadyExists(err) {
		return classify(fmt.Errorf("unpack %s: %w", img.record.Name, err))
	}
	return nil
}

// Refs implements runtime.Images.
func (r *Runtime) Refs(ctx context.Context) ([]string, error) {
	list, err := r.c.ImageService().List(r.ns(ctx))
	if err != nil {
		return nil, classify(err)
	}
	refs := make([]string, len(list))
	for i, img := range list {
		refs[i] = img.Name
	}
	return refs, nil
}

// Delete implements runtime.Images.
func (r *Runtime) Delete(ctx context.Context, ref string) error {
	err := r.c.ImageService().Delete(r.ns(ctx), ref)
	if errdefs.IsNotFound(err) {
		return nil
	}
	return classify(err)
}

// Watch implements runtime.Images.
func (r *Runtime) Watch(ctx context.Context, changed func()) {
	for ctx.Err() == nil {
		sub, cancel := context.WithCancel(r.ns(ctx))
		events, errs := r.c.Subscribe(sub, fmt.Sprintf("namespace==%s,topic~=^/images/", r.o.Namespace))
		changed() // what happened before the subscription
		for open := true; open; {
			select {
			case <-events:
				changed()
			case <-errs:
				open = false
			}
		}
		cancel()
		select { // the daemon went away; the next subscription waits for it
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}
