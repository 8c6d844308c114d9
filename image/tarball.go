package image

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// keepLayouts is how long an unpacked tarball stays after its last use.
const keepLayouts = 30 * 24 * time.Hour

// fromTarball reads a docker or OCI tarball, perhaps gzipped, by way of an image
// layout in the cache: named by the tarball's content, made once.
func fromTarball(ctx context.Context, c *cache, from, file string) (*Image, error) {
	sum, err := c.fileSum(file)
	if err != nil {
		return nil, fmt.Errorf("from %q: %w", from, err)
	}
	dir := filepath.Join(c.dir, "layouts", sum)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := c.unpackTarball(ctx, file, dir); err != nil {
			return nil, fmt.Errorf("from %q: %w", from, err)
		}
	} else if err != nil {
		return nil, err
	}
	now := time.Now()
	os.Chtimes(dir, now, now) // only its age in the cache
	return fromLayout(from, dir)
}

// fileSum is the SHA-256 of a file, remembered as long as the file is the same.
func (c *cache) fileSum(file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	f := newFingerprint("tarball", file)
	f.add("", info)
	key, trusted := f.key(time.Now())
	var sum string
	if trusted && c.recall(key, &sum) {
		return sum, nil
	}
	r, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	sum = hex.EncodeToString(h.Sum(nil))
	if trusted {
		return sum, c.remember(key, sum)
	}
	return sum, nil
}

// unpackTarball makes the layout dir of a tarball, whole or not at all.
func (c *cache) unpackTarball(ctx context.Context, file, dir string) error {
	c.dropOldLayouts()
	temp, err := os.MkdirTemp(filepath.Join(c.dir, "tmp"), "layout-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	isOCI, err := extractOCI(ctx, file, temp)
	if err != nil {
		return err
	}
	if !isOCI {
		if err := convertDocker(file, temp); err != nil {
			return err
		}
	}
	if err := os.Rename(temp, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		if _, statErr := os.Stat(dir); statErr != nil { // else another process was faster
			return err
		}
	}
	return nil
}

func (c *cache) dropOldLayouts() {
	all, _ := filepath.Glob(filepath.Join(c.dir, "layouts", "*"))
	for _, dir := range all {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > keepLayouts {
			os.RemoveAll(dir)
		}
	}
}

var layoutMember = regexp.MustCompile(`^(oci-layout|index\.json|blobs/sha256/[0-9a-f]{64})$`)

// extractOCI unpacks an OCI tarball; false when it is none.
func extractOCI(ctx context.Context, file, dir string) (bool, error) {
	r, err := openTar(file)
	if err != nil {
		return false, err
	}
	defer r.Close()
	found := false
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if err == io.EOF {
			return found, nil
		}
		if err != nil {
			return false, fmt.Errorf("it is not a tarball of an image: %w", err)
		}
		if err := context.Cause(ctx); err != nil {
			return false, err
		}
		name := path.Clean(h.Name)
		if h.Typeflag != tar.TypeReg || !layoutMember.MatchString(name) {
			continue
		}
		found = found || name == "index.json"
		if err := writeMember(filepath.Join(dir, filepath.FromSlash(name)), t); err != nil {
			return false, err
		}
	}
}

func writeMember(name string, r io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// convertDocker turns what `docker save` writes into a layout.
func convertDocker(file, dir string) error {
	if err := os.RemoveAll(filepath.Join(dir, "blobs")); err != nil {
		return err
	}
	img, err := tarball.Image(func() (io.ReadCloser, error) { return openTar(file) }, nil)
	if err != nil {
		return fmt.Errorf("it is neither an OCI nor a docker tarball of one image: %w", err)
	}
	l, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	return l.AppendImage(img)
}

// openTar opens a tarball, gzipped or not.
func openTar(file string) (io.ReadCloser, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	b := bufio.NewReaderSize(f, 1<<20)
	magic, _ := b.Peek(2)
	if string(magic) != "\x1f\x8b" {
		return tarFile{b, f}, nil
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		f.Close()
		return nil, err
	}
	return tarFile{z, f}, nil
}

type tarFile struct {
	io.Reader
	io.Closer
}
