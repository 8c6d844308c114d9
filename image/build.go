package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Build makes an image. The same content gives the same digest on every machine.
// Layers are cached by content; files that have not changed since the last time
// (by size, times and inode) are not read again.
func Build(ctx context.Context, spec Spec) (*Image, error) {
	i, err := build(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", spec.Name, err)
	}
	return i, nil
}

func build(ctx context.Context, spec Spec) (*Image, error) {
	name, err := localRef(spec.Name)
	if err != nil {
		return nil, err
	}
	platforms, err := spec.platforms()
	if err != nil {
		return nil, err
	}
	c, err := openCache(spec.CacheDir)
	if err != nil {
		return nil, err
	}
	base, err := spec.base(ctx, c)
	if err != nil {
		return nil, err
	}
	variants := map[string]func() (*variant, error){}
	var built []*variant
	for _, p := range platforms {
		v, err := spec.variant(ctx, c, base, p)
		if err != nil {
			return nil, err
		}
		built = append(built, v)
		variants[v.platform] = func() (*variant, error) { return v, nil }
	}
	if len(built) == 1 {
		return newImage(name, nil, variants)
	}
	index, err := indexOf(built)
	if err != nil {
		return nil, err
	}
	return newImage(name, &index, variants)
}

// variant builds the image for one platform. base is nil for scratch.
func (s *Spec) variant(ctx context.Context, c *cache, base *Image, p v1.Platform) (*variant, error) {
	v := &variant{platform: platformName(&p), file: &v1.ConfigFile{RootFS: v1.RootFS{Type: "layers"}}}
	manifestType, configType := types.OCIManifestSchema1, types.OCIConfigJSON
	if base != nil {
		b, err := base.variant(v.platform)
		if err != nil {
			return nil, fmt.Errorf("from %s: %w", s.From, err)
		}
		v.file, v.layers = b.file.DeepCopy(), slices.Clone(b.layers)
		if b.manifest.desc.MediaType == types.DockerManifestSchema2 {
			manifestType, configType = types.DockerManifestSchema2, types.DockerConfigJSON
		}
	}
	for n, cp := range s.Copies {
		if cp.Platform != "" && cp.Platform != v.platform {
			continue
		}
		if err := s.addLayer(ctx, c, v, cp, base == nil && len(v.layers) == 0, manifestType); err != nil {
			return nil, fmt.Errorf("copy %q (number %d): %w", cp.Source, n+1, err)
		}
	}
	s.configure(v.file, p)
	return v, v.seal(manifestType, configType)
}

func (s *Spec) addLayer(ctx context.Context, c *cache, v *variant, cp Copy, onScratch bool, manifest types.MediaType) error {
	if cp.Source == "" {
		return errors.New("it names no source")
	}
	source := cp.Source
	if !filepath.IsAbs(source) {
		source = filepath.Join(s.BaseDir, source)
	}
	source, err := filepath.Abs(source)
	if err != nil {
		return err
	}
	b := &layerBuilder{cache: c, copy: cp, source: source, onScratch: onScratch}
	layer, err := b.build(ctx)
	if err != nil {
		return err
	}
	v.layers = append(v.layers, b.blob(layer, manifest))
	v.file.RootFS.DiffIDs = append(v.file.RootFS.DiffIDs, layer.DiffID)
	v.file.History = append(v.file.History, v1.History{CreatedBy: "stowage: copy to " + cp.To})
	return nil
}

// configure lays the spec's settings over the base's. As with an image builder,
// a new entrypoint drops the base's command.
func (s *Spec) configure(f *v1.ConfigFile, p v1.Platform) {
	f.OS, f.Architecture, f.Variant = p.OS, p.Architecture, p.Variant
	f.Created = v1.Time{}
	c := &f.Config
	if s.Entrypoint != nil {
		c.Entrypoint, c.Cmd = s.Entrypoint, nil
	}
	if s.Command != nil {
		c.Cmd = s.Command
	}
	if s.User != "" {
		c.User = s.User
	}
	if s.WorkDir != "" {
		c.WorkingDir = s.WorkDir
	}
	c.Env = mergeEnv(c.Env, s.Env)
	if len(s.Labels) > 0 {
		labels := map[string]string{}
		maps.Copy(labels, c.Labels)
		maps.Copy(labels, s.Labels)
		c.Labels = labels
	}
}

// mergeEnv replaces variables of the same name in place and adds the others.
func mergeEnv(base, add []string) []string {
	out := slices.Clone(base)
	for _, e := range add {
		name, _, _ := strings.Cut(e, "=")
		n := slices.IndexFunc(out, func(o string) bool { return strings.HasPrefix(o, name+"=") })
		if n < 0 {
			out = append(out, e)
		} else {
			out[n] = e
		}
	}
	return out
}

// seal encodes configuration and manifest.
func (v *variant) seal(manifestType, configType types.MediaType) error {
	config, err := json.Marshal(v.file)
	if err != nil {
		return err
	}
	v.config = dataBlob(configType, config)
	m := v1.Manifest{SchemaVersion: 2, MediaType: manifestType, Config: v.config.desc, Layers: []v1.Descriptor{}}
	for _, l := range v.layers {
		m.Layers = append(m.Layers, l.desc)
	}
	manifest, err := json.Marshal(m)
	if err != nil {
		return err
	}
	v.manifest = dataBlob(manifestType, manifest)
	return nil
}

// indexOf names the variants, in the order of their platforms.
func indexOf(variants []*variant) (blob, error) {
	slices.SortFunc(variants, func(a, b *variant) int { return strings.Compare(a.platform, b.platform) })
	m := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	for _, v := range variants {
		d := v.manifest.desc
		d.Platform = v.file.Platform()
		m.Manifests = append(m.Manifests, d)
	}
	data, err := json.Marshal(m)
	if err != nil {
		return blob{}, err
	}
	return dataBlob(types.OCIImageIndex, data), nil
}
