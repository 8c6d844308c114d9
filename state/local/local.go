// Package local keeps a state in a file of this machine, mode 0600.
package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/stowage-iac/stowage/state"
)

// Backend keeps the state at a path. Beside it lie path.journal (during an
// operation), path.lock (while locked) and path.backups/ with the last versions.
type Backend struct{ path string }

var _ state.Backend = (*Backend)(nil)

// New makes a backend for the state at path. A symbolic link is followed, so
// that it stays one.
func New(path string) *Backend {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	return &Backend{path: path}
}

// Location is the path.
func (b *Backend) Location() string { return b.path }

// Previous is the directory of the earlier versions.
func (b *Backend) Previous() string { return b.path + ".backups" }

func (b *Backend) journal() string { return b.path + ".journal" }
func (b *Backend) lock() string    { return b.path + ".lock" }

// Read reads the snapshot and the journal.
func (b *Backend) Read(context.Context) (state.Stored, error) {
	snapshot, err := readFile(b.path)
	if err != nil {
		return state.Stored{}, err
	}
	journal, err := readFile(b.journal())
	return state.Stored{Snapshot: snapshot, Journal: journal}, err
}

// readFile returns nil when there is none, and never more than the limit allows.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if info.Size() > state.MaxSize {
		return nil, fmt.Errorf("%w: %s has %d bytes, more than the limit of %d", state.ErrDamaged, path, info.Size(), state.MaxSize)
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if data == nil && err == nil {
		data = []byte{}
	}
	return data, err
}

// serial is that of the stored snapshot, 0 when there is none.
func (b *Backend) serial() (uint64, error) {
	f, err := os.Open(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	line, err := bufio.NewReader(f).ReadBytes('\n')
	if err != nil {
		return 0, fmt.Errorf("%w: %s has no header", state.ErrDamaged, b.path)
	}
	return state.SnapshotSerial(line)
}

// syncDir makes a rename or a removal in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// writeSynced writes path anew, mode 0600, and flushes it.
func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Chmod(0o600); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}
