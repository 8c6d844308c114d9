package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const (
	// cacheLimit is the size above which the least recently used content goes.
	cacheLimit = 5 << 30
	// cacheGrace protects what a running command may be about to read.
	cacheGrace = time.Hour
)

// cache keeps layers by content, and what is known of the files that they were
// made of, in the user's cache directory. Everything in it can be made again.
type cache struct{ dir string }

// openCache uses dir, or the user's cache directory when dir is "".
func openCache(dir string) (*cache, error) {
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil { // no home: the files of this user in the temporary directory
			base = filepath.Join(os.TempDir(), fmt.Sprintf("stowage-cache-%d", os.Getuid()))
		}
		dir = filepath.Join(base, "stowage", "images")
	}
	for _, sub := range []string{"blobs", "memo", "layouts", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("the cache of image layers: %w", err)
		}
	}
	return &cache{dir}, nil
}

func (c *cache) blob(h v1.Hash) string { return filepath.Join(c.dir, "blobs", h.Hex) }

// open opens content, and marks it as used.
func (c *cache) open(h v1.Hash) (*os.File, error) {
	f, err := os.Open(c.blob(h))
	if err == nil {
		now := time.Now()
		os.Chtimes(f.Name(), now, now) // only the order of eviction depends on it
	}
	return f, err
}

// temp makes a file that keep gives its name.
func (c *cache) temp() (*os.File, error) { return os.CreateTemp(filepath.Join(c.dir, "tmp"), "blob-*") }

// keep moves a temporary file to its content's name.
func (c *cache) keep(temp string, h v1.Hash) error {
	if err := os.Rename(temp, c.blob(h)); err != nil {
		return err
	}
	return c.evict(cacheLimit)
}

// evict removes the least recently used content until limit bytes are left.
func (c *cache) evict(limit int64) error {
	entries, err := os.ReadDir(filepath.Join(c.dir, "blobs"))
	if err != nil {
		return err
	}
	var files []fs.FileInfo
	var size int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			files = append(files, info)
			size += info.Size()
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, f := range files {
		if size <= limit || time.Since(f.ModTime()) < cacheGrace {
			break
		}
		if err := os.Remove(filepath.Join(c.dir, "blobs", f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		size -= f.Size()
	}
	return nil
}

// recall reads what was remembered under a key; false when there is nothing usable.
func (c *cache) recall(key string, v any) bool {
	data, err := os.ReadFile(filepath.Join(c.dir, "memo", key))
	return err == nil && json.Unmarshal(data, v) == nil
}

// remember writes it, whole or not at all.
func (c *cache) remember(key string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := c.temp()
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(c.dir, "memo", key))
}

// opener reads content from the cache, made again if it was evicted.
func (c *cache) opener(h v1.Hash, again func(context.Context) (v1.Hash, error)) func(context.Context) (io.ReadCloser, error) {
	return func(ctx context.Context) (io.ReadCloser, error) {
		f, err := c.open(h)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		got, err := again(ctx)
		if err != nil {
			return nil, err
		}
		if got != h {
			return nil, fmt.Errorf("the files were changed since the plan was made (the layer is %s now, was %s): plan again", got, h)
		}
		return c.open(h)
	}
}
