package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// base finds what an image builds on; nil is scratch.
func (s *Spec) base(ctx context.Context, c *cache) (*Image, error) {
	if s.From == "" || s.From == "scratch" {
		return nil, nil
	}
	path := s.From
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.BaseDir, path)
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return fromLayout(s.From, path)
	case err == nil:
		return fromTarball(ctx, c, s.From, path)
	case looksLocal(s.From):
		return nil, fmt.Errorf("from %q: %w", s.From, err)
	}
	i, err := Resolve(ctx, s.From)
	if err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	return i, nil
}

// looksLocal: what was meant as a path is not looked for in a registry.
func looksLocal(from string) bool {
	return strings.HasPrefix(from, ".") || strings.HasPrefix(from, "/") || strings.HasSuffix(from, ".tar") ||
		strings.HasSuffix(from, ".tar.gz") || strings.HasSuffix(from, ".tgz")
}

// fromLayout reads an OCI image layout.
func fromLayout(from, dir string) (*Image, error) {
	idx, err := layout.ImageIndexFromPath(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("from %q: the directory is not an OCI image layout (it has no index.json)", from)
	}
	wrap := func(err error) error {
		if err == nil {
			return nil
		}
		return fmt.Errorf("from %q: %w", from, err)
	}
	if err != nil {
		return nil, wrap(err)
	}
	m, err := idx.IndexManifest()
	if err != nil {
		return nil, wrap(err)
	}
	// Most tools write an index within the layout's own for several platforms.
	if len(m.Manifests) == 1 && m.Manifests[0].MediaType.IsIndex() {
		if idx, err = idx.ImageIndex(m.Manifests[0].Digest); err != nil {
			return nil, wrap(err)
		}
	}
	i, err := imageOf(filepath.Base(dir), idx, wrap)
	if err != nil {
		return nil, wrap(err)
	}
	return i, nil
}
