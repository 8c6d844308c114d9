// Package intake takes the bytes of images in on containerd's behalf: it writes
// them beside containerd's content, checks their digest, and moves them into the
// content store, where containerd adopts them without a copy. That costs the host
// a fraction of what containerd's own interface costs it.
//
// What has arrived of a blob is its part: a file of our own. Only whole and checked
// content gets a name that containerd knows, so that a crash at any instant leaves
// a part, or a blob that is right.
package intake

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Rest is how long a part stays after its last byte: as long as the lease of a push.
const Rest = 24 * time.Hour

// Intake of one containerd, of which there may be one only. Safe for concurrent use.
type Intake struct {
	root func(context.Context) (string, error)

	mu   sync.Mutex
	busy map[string]chan struct{} // by name of the part; closed when it is free again
	came map[string]arrival       // by name, since the start: containerd may not know of them yet
}

// arrival is a blob that was taken in whole.
type arrival struct {
	size int64
	at   time.Time
}

// New makes an Intake. root finds the directory of containerd's content store, or
// says why containerd would not adopt what is put there.
func New(root func(context.Context) (string, error)) *Intake {
	return &Intake{root: root, busy: map[string]chan struct{}{}, came: map[string]arrival{}}
}

// dir holds the parts. It is in the store, so that a part is moved by a rename.
func dir(root string) string { return filepath.Join(root, "stowage") }

// blob is the place of a blob in the store.
func blob(root, name string) string { return filepath.Join(root, "blobs", "sha256", name) }

// Parts maps digests to how many bytes of theirs have arrived: all of them, of a blob
// that containerd has only to adopt.
func (i *Intake) Parts(ctx context.Context) (map[string]int64, error) {
	root, err := i.root(ctx)
	if err != nil {
		return nil, err
	}
	parts, err := list(root)
	sizes := map[string]int64{}
	for _, p := range parts {
		sizes[prefix+p.Name()] = p.Size()
	}
	for name, size := range i.whole(root, time.Now()) {
		sizes[prefix+name] = size
	}
	return sizes, err
}

// whole maps the names of the blobs that were taken in lately, and are still in the
// store, to their sizes.
func (i *Intake) whole(root string, now time.Time) map[string]int64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	sizes := map[string]int64{}
	for name, a := range i.came {
		if _, err := os.Stat(blob(root, name)); err != nil || now.Sub(a.at) >= Rest {
			delete(i.came, name)
			continue
		}
		sizes[name] = a.size
	}
	return sizes
}

// Sweep removes the parts that have rested, and those of blobs that got into the
// store on another way.
func (i *Intake) Sweep(ctx context.Context, now time.Time) error {
	root, err := i.root(ctx)
	if err != nil {
		return err
	}
	i.whole(root, now) // forgets
	parts, err := list(root)
	for _, p := range parts {
		_, missing := os.Stat(blob(root, p.Name()))
		if missing == nil || now.Sub(p.ModTime()) >= Rest {
			err = errors.Join(err, i.drop(ctx, root, p))
		}
	}
	return err
}

// drop removes a part unless something was added to it meanwhile.
func (i *Intake) drop(ctx context.Context, root string, old fs.FileInfo) error {
	release, err := i.hold(ctx, old.Name())
	if err != nil {
		return err
	}
	defer release()
	path := filepath.Join(dir(root), old.Name())
	if now, err := os.Stat(path); err != nil || now.ModTime() != old.ModTime() {
		return nil
	}
	return os.Remove(path)
}

func list(root string) ([]fs.FileInfo, error) {
	entries, err := os.ReadDir(dir(root))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	var parts []fs.FileInfo
	for _, e := range entries {
		if p, err := e.Info(); err == nil { // else it was moved into the store meanwhile
			parts = append(parts, p)
		}
	}
	return parts, err
}

// hold waits until nobody else works on the part of that name.
func (i *Intake) hold(ctx context.Context, name string) (release func(), err error) {
	for {
		i.mu.Lock()
		other, taken := i.busy[name]
		if !taken {
			free := make(chan struct{})
			i.busy[name] = free
			i.mu.Unlock()
			return func() {
				i.mu.Lock()
				delete(i.busy, name)
				i.mu.Unlock()
				close(free)
			}, nil
		}
		i.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Remove removes all parts from the store. No Intake may be at work there.
func Remove(root string) error { return os.RemoveAll(dir(root)) }
