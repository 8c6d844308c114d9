package image

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
)

// layerGzipLevel: level 1 keeps up with a fast link and costs about a tenth in
// size against the default; another level, or another compressor, gives every
// built image another digest.
const layerGzipLevel = gzip.BestSpeed

// worthwhile is the part of the plain size that a compressed layer may have at
// most: what does not shrink is sent plain, and unpacked without decompressing.
const worthwhile = 0.95

// builtLayer is a layer that was made of files.
type builtLayer struct {
	Digest v1.Hash `json:"digest"` // as it is sent
	Size   int64   `json:"size"`   // as it is sent
	DiffID v1.Hash `json:"diff_id"`
}

// plain: the layer is sent uncompressed.
func (l builtLayer) plain() bool { return l.Digest == l.DiffID }

// layerBuilder makes one layer.
type layerBuilder struct {
	cache  *cache
	copy   Copy
	source string
	// onScratch: nothing is below the layer, so that directories are always its
	// own. On a base, plain directories are left to what is there: an entry for
	// bin would replace a base's link from /bin to /usr/bin.
	onScratch bool
}

// build makes the layer, or knows it from the last time.
func (b *layerBuilder) build(ctx context.Context) (builtLayer, error) {
	entries, err := b.copy.collect(b.source)
	if err != nil {
		return builtLayer{}, err
	}
	looked := time.Now()
	key, trusted := b.fingerprint(entries).key(looked)
	var known builtLayer
	if trusted && b.cache.recall(key, &known) {
		return known, nil
	}
	layer, err := b.write(ctx, entries)
	if err != nil {
		return builtLayer{}, err
	}
	if trusted {
		return layer, b.rememberIfUnchanged(key, looked, layer)
	}
	return layer, nil
}

func (b *layerBuilder) fingerprint(entries []entry) *fingerprint {
	f := newFingerprint(b.source, b.copy.To, b.copy.Owner, b.copy.Mode, b.onScratch)
	for _, e := range entries {
		f.add(e.name+"\x00"+e.link, e.info)
	}
	return f
}

// rememberIfUnchanged trusts the result only if the files are still what they were before they were read.
func (b *layerBuilder) rememberIfUnchanged(key string, looked time.Time, layer builtLayer) error {
	entries, err := b.copy.collect(b.source)
	if err != nil {
		return err
	}
	if again, trusted := b.fingerprint(entries).key(looked); trusted && again == key {
		return b.cache.remember(key, layer)
	}
	return nil
}

// write makes the layer's bytes and keeps them in the cache.
func (b *layerBuilder) write(ctx context.Context, entries []entry) (layer builtLayer, err error) {
	f, err := b.cache.temp()
	if err != nil {
		return layer, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	plainSize, err := b.compress(ctx, f, entries, &layer)
	if err == nil && float64(layer.Size) > worthwhile*float64(plainSize) {
		err = b.store(ctx, f, entries, &layer)
	}
	if err != nil {
		return layer, err
	}
	if err := f.Close(); err != nil {
		return layer, err
	}
	return layer, b.cache.keep(f.Name(), layer.Digest)
}

func (b *layerBuilder) compress(ctx context.Context, f io.Writer, entries []entry, layer *builtLayer) (plainSize int64, err error) {
	out := &digester{w: f, hash: sha256.New()}
	buffered := bufio.NewWriterSize(out, 1<<20)
	z, err := gzip.NewWriterLevel(buffered, layerGzipLevel)
	if err != nil {
		return 0, err
	}
	plain := &digester{w: z, hash: sha256.New()}
	if err := b.tar(ctx, plain, entries); err != nil {
		return 0, err
	}
	if err := errors.Join(z.Close(), buffered.Flush()); err != nil {
		return 0, err
	}
	*layer = builtLayer{Digest: out.sum(), Size: out.size, DiffID: plain.sum()}
	return plain.size, nil
}

// store writes the layer over again without compression.
func (b *layerBuilder) store(ctx context.Context, f *os.File, entries []entry, layer *builtLayer) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	out := &digester{w: f, hash: sha256.New()}
	buffered := bufio.NewWriterSize(out, 1<<20)
	if err := b.tar(ctx, buffered, entries); err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	if out.sum() != layer.DiffID {
		return errors.New("the files changed while they were read: try again")
	}
	*layer = builtLayer{Digest: layer.DiffID, Size: out.size, DiffID: layer.DiffID}
	return nil
}

// digester hashes and counts what passes through.
type digester struct {
	w    io.Writer
	hash hash.Hash
	size int64
}

func (d *digester) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	d.hash.Write(p[:n])
	d.size += int64(n)
	return n, err
}

func (d *digester) sum() v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(d.hash.Sum(nil))}
}

// tar writes the entries with everything left out that differs between machines.
func (b *layerBuilder) tar(ctx context.Context, w io.Writer, entries []entry) error {
	t := tar.NewWriter(w)
	for n, e := range entries {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		header, err := b.header(e)
		if err != nil {
			return err
		}
		if e.info.IsDir() && b.leftToBase(header, entries[n+1:]) {
			continue
		}
		if err := t.WriteHeader(header); err != nil {
			return fmt.Errorf("%s: %w", e.path, err)
		}
		if header.Typeflag == tar.TypeReg {
			if err := copyFile(t, e); err != nil {
				return err
			}
		}
	}
	return t.Close()
}

func copyFile(t *tar.Writer, e entry) error {
	f, err := os.Open(e.path)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := io.Copy(t, f)
	if errors.Is(err, tar.ErrWriteTooLong) || err == nil && n != e.info.Size() {
		return fmt.Errorf("%s changed while it was read: try again", e.path)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", e.path, err)
	}
	return nil
}

func (b *layerBuilder) header(e entry) (*tar.Header, error) {
	uid, gid, err := b.copy.owner()
	if err != nil {
		return nil, err
	}
	mode, set, err := b.copy.mode()
	if err != nil {
		return nil, err
	}
	h := &tar.Header{Name: e.name, Uid: uid, Gid: gid, ModTime: time.Unix(0, 0), Typeflag: tar.TypeReg, Size: e.info.Size(), Mode: 0o644}
	switch {
	case e.info.Mode()&fs.ModeSymlink != 0:
		h.Typeflag, h.Linkname, h.Size, h.Mode = tar.TypeSymlink, filepath.ToSlash(e.link), 0, 0o777
		return h, nil
	case e.info.IsDir():
		h.Typeflag, h.Name, h.Size, h.Mode = tar.TypeDir, e.name+"/", 0, 0o755
		if set {
			h.Mode = mode | mode>>2&0o111
		}
		return h, nil
	case e.info.Mode().Perm()&0o111 != 0:
		h.Mode = 0o755
	}
	if set {
		h.Mode = mode
	}
	return h, nil
}

// leftToBase: a directory with the default owner and mode and something in it needs no entry on a base.
func (b *layerBuilder) leftToBase(h *tar.Header, rest []entry) bool {
	inside := len(rest) > 0 && len(rest[0].name) > len(h.Name) && rest[0].name[:len(h.Name)] == h.Name
	return !b.onScratch && inside && h.Mode == 0o755 && h.Uid == 0 && h.Gid == 0
}

// blob describes the layer for a manifest of OCI's or Docker's kind.
func (b *layerBuilder) blob(l builtLayer, manifest types.MediaType) blob {
	docker := manifest == types.DockerManifestSchema2
	mediaType := types.OCILayer
	switch {
	case l.plain() && docker:
		mediaType = types.DockerUncompressedLayer
	case l.plain():
		mediaType = types.OCIUncompressedLayer
	case docker:
		mediaType = types.DockerLayer
	}
	again := func(ctx context.Context) (v1.Hash, error) {
		entries, err := b.copy.collect(b.source)
		if err != nil {
			return v1.Hash{}, err
		}
		layer, err := b.write(ctx, entries)
		return layer.Digest, err
	}
	return blob{desc: v1.Descriptor{MediaType: mediaType, Digest: l.Digest, Size: l.Size}, open: b.cache.opener(l.Digest, again)}
}
