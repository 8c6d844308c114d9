package image

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	content "github.com/containerd/containerd/api/services/content/v1"
	introspection "github.com/containerd/containerd/api/services/introspection/v1"
	namespaces "github.com/containerd/containerd/api/services/namespaces/v1"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"

	"github.com/stowage-iac/stowage/api"
)

// lookups is how many questions are under way at once: they cost a round trip each.
const lookups = 32

// Missing tells for each image how many bytes the host's containerd lacks: what
// Push would send if the images were pushed one after the other. What an
// interrupted push has brought there already is not counted. Content of other
// namespaces counts as there where containerd shares it (its default).
func Missing(ctx context.Context, host Host, platform string, images ...*Image) ([]int64, error) {
	d, err := connect(host)
	if err != nil {
		return nil, err
	}
	defer d.close()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var all []blob
	per := make([][]blob, len(images))
	for n, i := range images {
		v, err := i.variant(platform)
		if err != nil {
			return nil, err
		}
		per[n] = i.blobs(v)
		all = append(all, per[n]...)
	}
	lacking, err := d.lacking(ctx, all)
	if err != nil {
		return nil, err
	}
	out := make([]int64, len(images))
	for n, blobs := range per {
		for _, b := range blobs {
			out[n] += lacking[b.desc.Digest]
			delete(lacking, b.desc.Digest) // the first image brings it
		}
	}
	return out, nil
}

// lacking maps the digests that are not there to the bytes that have to be sent.
func (d *daemon) lacking(ctx context.Context, blobs []blob) (map[v1.Hash]int64, error) {
	missing, err := d.absent(ctx, []string{api.ContainerdNamespace}, blobs)
	if err != nil || len(missing) == 0 {
		return missing, err
	}
	others, err := d.sharing(ctx)
	if err != nil {
		return nil, err
	}
	if len(others) > 0 {
		var still []blob
		for _, b := range blobs {
			if _, ok := missing[b.desc.Digest]; ok {
				still = append(still, b)
			}
		}
		if missing, err = d.absent(ctx, others, still); err != nil {
			return nil, err
		}
	}
	if len(missing) == 0 {
		return missing, nil
	}
	return missing, d.begun(ctx, blobs, missing)
}

// begun takes what interrupted pushes have brought from what is missing: to
// containerd, or else to stowaged, in the order in which takeIn has them.
func (d *daemon) begun(ctx context.Context, blobs []blob, missing map[v1.Hash]int64) error {
	ingests, err := d.content.ListStatuses(ours(ctx, ""), &content.ListStatusesRequest{})
	if err != nil {
		return failed("look for interrupted pushes", err)
	}
	offsets := map[string]int64{}
	for _, i := range ingests.Statuses {
		offsets[i.Ref] = i.Offset
	}
	var parts map[string]int64
	if slices.ContainsFunc(blobs, func(b blob) bool { return missing[b.desc.Digest] >= large }) {
		parts, _ = d.intake.parts(ctx) // without an answer nothing is taken in there
	}
	for _, b := range blobs {
		if _, ok := missing[b.desc.Digest]; !ok {
			continue
		}
		offset := offsets[ingestRef(b.desc)]
		if offset == 0 && b.desc.Size >= large {
			offset = parts[b.desc.Digest.String()]
		}
		if offset <= b.desc.Size {
			missing[b.desc.Digest] = b.desc.Size - offset
		}
	}
	return nil
}

// absent maps those that are in none of the namespaces to their size.
func (d *daemon) absent(ctx context.Context, spaces []string, blobs []blob) (map[v1.Hash]int64, error) {
	missing := map[v1.Hash]int64{}
	asked := map[v1.Hash]bool{}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(lookups)
	for _, b := range blobs {
		if asked[b.desc.Digest] {
			continue
		}
		asked[b.desc.Digest] = true
		g.Go(func() error {
			for _, space := range spaces {
				_, err := d.content.Info(in(ctx, space, ""), &content.InfoRequest{Digest: b.desc.Digest.String()})
				if err == nil {
					return nil
				}
				if !is(err, codes.NotFound) {
					return failed("look for content", err)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			missing[b.desc.Digest] = b.desc.Size
			return nil
		})
	}
	return missing, g.Wait()
}

// sharing lists the other namespaces whose content a push can take over without
// sending it: none where containerd isolates them.
func (d *daemon) sharing(ctx context.Context) ([]string, error) {
	plugins, err := d.introspection.Plugins(ctx, &introspection.PluginsRequest{Filters: []string{"type==io.containerd.metadata.v1"}})
	if err != nil {
		return nil, failed("ask for the plugins", err)
	}
	for _, p := range plugins.Plugins {
		if p.Exports["policy"] != "shared" {
			return nil, nil
		}
	}
	list, err := d.namespaces.List(ctx, &namespaces.ListNamespacesRequest{})
	if err != nil {
		return nil, failed("list the namespaces", err)
	}
	var others []string
	for _, n := range list.Namespaces {
		if n.Name != api.ContainerdNamespace {
			others = append(others, n.Name)
		}
	}
	return others, nil
}

// ingestRef names a blob's partial content, as containerd's own pulls do.
func ingestRef(d v1.Descriptor) string {
	kind := "layer-"
	switch {
	case d.MediaType.IsIndex():
		kind = "index-"
	case d.MediaType.IsImage():
		kind = "manifest-"
	case d.MediaType.IsConfig():
		kind = "config-"
	}
	return kind + d.Digest.String()
}

// isEOF: the other side of a stream has ended it; its reason is in the next receive.
func isEOF(err error) bool { return errors.Is(err, io.EOF) }
