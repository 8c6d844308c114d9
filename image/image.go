// Package image makes OCI images without a Dockerfile, finds out what a host
// lacks of them, and pushes just that into the host's containerd over an SSH
// tunnel: no registry needed.
package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Sentinels, for errors.Is.
var (
	ErrNotFound     = errors.New("no such image")
	ErrUnauthorized = errors.New("the registry refuses access")
	ErrUnreachable  = errors.New("the registry cannot be reached")
	ErrPlatform     = errors.New("the image is not for this platform")
)

// Image is an image of one or several platforms. Its digest is known; its layers
// are read when they are pushed. Safe for concurrent use.
type Image struct {
	// Ref names it in containerd: stowage.local/web@sha256:… or docker.io/library/nginx@sha256:…
	Ref string
	// Digest of the manifest, or of the index when it has several platforms: sha256:…
	Digest string
	// Platforms, sorted: linux/amd64, linux/arm64.
	Platforms []string

	root     blob // the index, or the manifest of the only variant
	variants map[string]func() (*variant, error)
}

// Layer describes a layer as it is sent.
type Layer struct {
	Digest string // sha256:…, of the compressed bytes
	Size   int64  // compressed
}

// variant is the image for one platform.
type variant struct {
	platform string
	manifest blob
	config   blob
	file     *v1.ConfigFile
	layers   []blob // lowest first; file.RootFS.DiffIDs go with them
}

// blob is content: data when it is small, else open reads it.
type blob struct {
	desc v1.Descriptor
	data []byte
	open func(context.Context) (io.ReadCloser, error)
}

// Size is the compressed size of what a host of the platform needs: manifests, config and layers.
func (i *Image) Size(platform string) (int64, error) {
	v, err := i.variant(platform)
	if err != nil {
		return 0, err
	}
	var size int64
	for _, b := range i.blobs(v) {
		size += b.desc.Size
	}
	return size, nil
}

// Layers of a platform, lowest first.
func (i *Image) Layers(platform string) ([]Layer, error) {
	v, err := i.variant(platform)
	if err != nil {
		return nil, err
	}
	layers := make([]Layer, len(v.layers))
	for n, l := range v.layers {
		layers[n] = Layer{l.desc.Digest.String(), l.desc.Size}
	}
	return layers, nil
}

// Config is the image's configuration for a platform. It is not to be changed.
func (i *Image) Config(platform string) (*v1.ConfigFile, error) {
	v, err := i.variant(platform)
	if err != nil {
		return nil, err
	}
	return v.file, nil
}

// blobs are what a host of the variant's platform needs, each once: layers first, the root last.
func (i *Image) blobs(v *variant) []blob {
	all := append(slices.Clone(v.layers), v.config, v.manifest, i.root)
	seen := map[v1.Hash]bool{}
	return slices.DeleteFunc(all, func(b blob) bool {
		twice := seen[b.desc.Digest]
		seen[b.desc.Digest] = true
		return twice
	})
}

// variant picks the platform: linux/arm also takes linux/arm/v7.
func (i *Image) variant(platform string) (*variant, error) {
	if load := i.variants[platform]; load != nil {
		return load()
	}
	for n := len(i.Platforms) - 1; n >= 0; n-- {
		if p := i.Platforms[n]; strings.HasPrefix(p, platform+"/") {
			return i.variants[p]()
		}
	}
	return nil, fmt.Errorf("%s: %w: %s; it is for %s", i.Ref, ErrPlatform, platform, strings.Join(i.Platforms, ", "))
}

// newImage assembles an image of variants; index is nil for a single one.
func newImage(name string, index *blob, variants map[string]func() (*variant, error)) (*Image, error) {
	i := &Image{variants: variants}
	for p := range variants {
		i.Platforms = append(i.Platforms, p)
	}
	slices.Sort(i.Platforms)
	if index != nil {
		i.root = *index
	} else {
		v, err := variants[i.Platforms[0]]()
		if err != nil {
			return nil, err
		}
		i.root = v.manifest
	}
	i.Digest = i.root.desc.Digest.String()
	i.Ref = name + "@" + i.Digest
	return i, nil
}

// variantOf reads a variant's manifest and configuration; its layers stay where they are.
func variantOf(img v1.Image) (*variant, error) {
	raw, err := img.RawManifest()
	if err != nil {
		return nil, err
	}
	m, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	mediaType, err := img.MediaType()
	if err != nil {
		return nil, err
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	v := &variant{file: file, manifest: dataBlob(mediaType, raw), config: blob{desc: m.Config, data: config}}
	v.platform = platformName(file.Platform())
	if len(m.Layers) != len(file.RootFS.DiffIDs) {
		return nil, fmt.Errorf("its manifest has %d layers, its configuration %d: it is damaged, or not an image that runs", len(m.Layers), len(file.RootFS.DiffIDs))
	}
	for _, d := range m.Layers {
		v.layers = append(v.layers, blob{desc: d, open: func(context.Context) (io.ReadCloser, error) {
			l, err := img.LayerByDigest(d.Digest)
			if err != nil {
				return nil, err
			}
			return l.Compressed()
		}})
	}
	return v, nil
}

// dataBlob describes bytes in memory.
func dataBlob(mediaType types.MediaType, data []byte) blob {
	h, size, err := v1.SHA256(strings.NewReader(string(data)))
	if err != nil { // memory does not fail
		panic(err)
	}
	return blob{desc: v1.Descriptor{MediaType: mediaType, Digest: h, Size: size}, data: data}
}

// reader reads a blob from offset on.
func (b *blob) reader(ctx context.Context, offset int64) (io.ReadCloser, error) {
	if b.data != nil {
		return io.NopCloser(strings.NewReader(string(b.data[offset:]))), nil
	}
	r, err := b.open(ctx)
	if err != nil {
		return nil, err
	}
	if s, ok := r.(io.Seeker); ok {
		_, err = s.Seek(offset, io.SeekStart)
	} else {
		_, err = io.CopyN(io.Discard, r, offset)
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// platformName is os/architecture, with the variant where it matters.
func platformName(p *v1.Platform) string {
	if p == nil {
		return ""
	}
	name := p.OS + "/" + p.Architecture
	if p.Variant != "" && !(p.Architecture == "arm64" && p.Variant == "v8") && !(p.Architecture == "amd64" && p.Variant == "v1") {
		name += "/" + p.Variant
	}
	return name
}

// imageOf makes an Image of an index or of a single image from elsewhere.
// Variants of an index are read when they are asked for; wrap explains what
// fails then.
func imageOf(name string, idx v1.ImageIndex, wrap func(error) error) (*Image, error) {
	raw, err := idx.RawManifest()
	if err != nil {
		return nil, err
	}
	m, err := idx.IndexManifest()
	if err != nil {
		return nil, err
	}
	mediaType, err := idx.MediaType()
	if err != nil {
		return nil, err
	}
	variants := map[string]func() (*variant, error){}
	for _, d := range m.Manifests {
		if !d.MediaType.IsImage() || d.Platform != nil && d.Platform.OS == "unknown" { // attestations
			continue
		}
		load := sync.OnceValues(func() (*variant, error) {
			img, err := idx.Image(d.Digest)
			if err != nil {
				return nil, wrap(err)
			}
			v, err := variantOf(img)
			return v, wrap(err)
		})
		platform := platformName(d.Platform)
		if platform == "" {
			v, err := load()
			if err != nil {
				return nil, err
			}
			platform = v.platform
		}
		if variants[platform] == nil { // the first, as container runtimes do
			variants[platform] = load
		}
	}
	if len(variants) == 0 {
		return nil, fmt.Errorf("%s: its index names no image that runs", name)
	}
	root := dataBlob(mediaType, raw)
	return newImage(name, &root, variants)
}

// singleImage makes an Image of one for a single platform.
func singleImage(name string, img v1.Image) (*Image, error) {
	v, err := variantOf(img)
	if err != nil {
		return nil, err
	}
	return newImage(name, nil, map[string]func() (*variant, error){v.platform: func() (*variant, error) { return v, nil }})
}
