package image

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	content "github.com/containerd/containerd/api/services/content/v1"
	images "github.com/containerd/containerd/api/services/images/v1"
	leases "github.com/containerd/containerd/api/services/leases/v1"
	types "github.com/containerd/containerd/api/types"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

const (
	// pushes is how many blobs are sent at once over one connection; two of them if
	// they are large: that fills the connection, and leaves later layers to be sent
	// while earlier ones are unpacked.
	pushes = 4
	// large is the size of a layer from which its bytes, not the round trips, take the time.
	large = 8 << 20
	// leaseTime is how long what a killed push has sent is kept for the next one.
	leaseTime = 24 * time.Hour
)

// PushOptions of Push.
type PushOptions struct {
	Platform string // of the host, e.g. linux/amd64
	// Labels of the image record, e.g. api.LabelCluster.
	Labels map[string]string
	// Progress is told of the bytes sent so far and the bytes to send; calls do not overlap. May be nil.
	Progress func(sent, total int64)
	// ContentOnly sends what is missing and stops there: no snapshots, no image
	// record. A lease keeps the content until a whole Push takes it over (see
	// takeLease for how long).
	ContentOnly bool
}

// Pushed is what Push did.
type Pushed struct {
	Sent  int64 // bytes of content sent
	Blobs int   // blobs that were not there
}

// Push brings the image into the host's containerd: what is missing there is
// sent, layers are unpacked, and the image record is made last. Interrupted at
// any instant, the next Push goes on where it stopped; what it left is kept for
// a day.
func Push(ctx context.Context, host Host, img *Image, o PushOptions) (Pushed, error) {
	v, err := img.variant(o.Platform)
	if err != nil {
		return Pushed{}, err
	}
	d, err := connect(host)
	if err != nil {
		return Pushed{}, err
	}
	defer d.close()
	p := &push{daemon: d, img: img, variant: v, o: o}
	err = p.run(ctx)
	return Pushed{Sent: p.sent.Load(), Blobs: len(p.missing)}, err
}

// push is one image on its way.
type push struct {
	*daemon
	img     *Image
	variant *variant
	o       PushOptions
	lease   string

	missing  map[v1.Hash]int64 // bytes to send, by what is not there
	total    int64
	sent     atomic.Int64
	progress sync.Mutex
}

func (p *push) run(ctx context.Context) error {
	all := p.img.blobs(p.variant)
	var err error
	if p.missing, err = p.lacking(ctx, all); err != nil {
		return err
	}
	for _, size := range p.missing {
		p.total += size
	}
	if err := p.takeLease(ctx); err != nil {
		return err
	}
	if err := p.bring(ctx); err != nil || p.o.ContentOnly {
		return err
	}
	if err := p.label(ctx); err != nil {
		return err
	}
	if err := p.record(ctx); err != nil {
		return err
	}
	_, err = p.leases.Delete(ours(ctx, ""), &leases.DeleteRequest{ID: p.lease})
	if is(err, codes.NotFound) {
		return nil
	}
	return failed("end the lease", err)
}

func (p *push) takeLease(ctx context.Context) error {
	id := make([]byte, 12)
	rand.Read(id)
	p.lease = "stowage-push-" + hex.EncodeToString(id)
	_, err := p.leases.Create(ours(ctx, ""), &leases.CreateRequest{ID: p.lease,
		Labels: map[string]string{"containerd.io/gc.expire": time.Now().Add(leaseTime).UTC().Format(time.RFC3339)}})
	return failed("take a lease", err)
}

// bring sends layers and configuration side by side, unpacks each layer as soon
// as it and those below are there, and sends the manifests last.
func (p *push) bring(ctx context.Context) error {
	g, group := errgroup.WithContext(ctx)  // group ends with Wait
	slots := semaphore.NewWeighted(pushes) // first come, first served
	arrived := make([]chan struct{}, len(p.variant.layers))
	done := map[v1.Hash]chan struct{}{} // the same layer twice is sent once
	for n, l := range p.variant.layers {
		if done[l.desc.Digest] == nil {
			done[l.desc.Digest] = make(chan struct{})
		}
		arrived[n] = done[l.desc.Digest]
	}
	sending := map[v1.Hash]bool{}
	// start sends b as soon as there is a slot, and closes there at its end.
	start := func(b blob, labels map[string]string, there chan struct{}) error {
		if sending[b.desc.Digest] {
			return nil
		}
		sending[b.desc.Digest] = true
		weight := int64(1)
		if b.desc.Size >= large {
			weight = pushes / 2
		}
		if err := slots.Acquire(group, weight); err != nil {
			return err
		}
		g.Go(func() error {
			defer slots.Release(weight)
			if _, missing := p.missing[b.desc.Digest]; missing {
				if err := p.takeIn(group, b, p.count); err != nil {
					return err
				}
			}
			if err := p.send(group, p.lease, b, labels, p.count); err != nil {
				return err
			}
			close(there)
			return nil
		})
		return nil
	}
	g.Go(func() error {
		// In order, so that the lowest layer is unpacked while the next is sent.
		for n, l := range p.variant.layers {
			labels := map[string]string{"containerd.io/uncompressed": p.variant.file.RootFS.DiffIDs[n].String()}
			if err := start(l, labels, arrived[n]); err != nil {
				return err
			}
		}
		return start(p.variant.config, nil, make(chan struct{}))
	})
	if !p.o.ContentOnly {
		g.Go(func() error { return p.unpack(group, arrived) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, b := range p.manifests() {
		if err := p.send(ctx, p.lease, b.blob, b.labels, p.count); err != nil {
			return err
		}
	}
	return nil
}

// count adds to what was sent and tells of it.
func (p *push) count(n int64) {
	sent := p.sent.Add(n)
	if p.o.Progress == nil {
		return
	}
	p.progress.Lock()
	defer p.progress.Unlock()
	p.o.Progress(min(max(sent, p.sent.Load()), max(p.total, sent)), max(p.total, sent))
}

// labelled is content with the labels that keep what it refers to from being collected.
type labelled struct {
	blob
	labels map[string]string
}

// manifests are the manifest and, where there is one, the index above it.
func (p *push) manifests() []labelled {
	v := p.variant
	refs := map[string]string{"containerd.io/gc.ref.content.config": v.config.desc.Digest.String()}
	for n, l := range v.layers {
		refs[fmt.Sprintf("containerd.io/gc.ref.content.l.%d", n)] = l.desc.Digest.String()
	}
	out := []labelled{{v.manifest, refs}}
	if p.img.root.desc.Digest != v.manifest.desc.Digest {
		out = append(out, labelled{p.img.root, map[string]string{
			"containerd.io/gc.ref.content.m.0": v.manifest.desc.Digest.String()}})
	}
	return out
}

// label sets the references also on content that was there before, from
// whichever tool; the configuration keeps the unpacked layers.
func (p *push) label(ctx context.Context) error {
	config := labelled{p.variant.config, map[string]string{}}
	if chain := chainIDs(p.variant.file.RootFS.DiffIDs); len(chain) > 0 {
		config.labels["containerd.io/gc.ref.snapshot."+snapshotter] = chain[len(chain)-1]
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, l := range append(p.manifests(), config) {
		if len(l.labels) == 0 {
			continue
		}
		g.Go(func() error {
			var paths []string
			for _, key := range slices.Sorted(maps.Keys(l.labels)) {
				paths = append(paths, "labels."+key)
			}
			_, err := p.content.Update(ours(ctx, p.lease), &content.UpdateRequest{
				Info:       &content.Info{Digest: l.desc.Digest.String(), Labels: l.labels},
				UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
			return failed("label "+l.desc.Digest.String(), err)
		})
	}
	return g.Wait()
}

// record makes the image record, or brings it up to date.
func (p *push) record(ctx context.Context) error {
	root := p.img.root.desc
	record := &images.Image{Name: p.img.Ref, Labels: p.o.Labels,
		Target: &types.Descriptor{MediaType: string(root.MediaType), Digest: root.Digest.String(), Size: root.Size}}
	_, err := p.images.Create(ours(ctx, p.lease), &images.CreateImageRequest{Image: record})
	if is(err, codes.AlreadyExists) {
		_, err = p.images.Update(ours(ctx, p.lease), &images.UpdateImageRequest{Image: record})
	}
	return failed("record the image "+p.img.Ref, err)
}

// shortDigest is for keys and messages.
func shortDigest(d string) string {
	_, hex, _ := strings.Cut(d, ":")
	return hex[:min(12, len(hex))]
}
