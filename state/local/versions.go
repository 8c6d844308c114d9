package local

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/stowage-iac/stowage/state"
)

// Versions lists the earlier versions, newest first.
func (b *Backend) Versions(context.Context) ([]state.Version, error) {
	entries, err := os.ReadDir(b.Previous())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []state.Version
	for _, e := range entries {
		var serial uint64
		if n, err := fmt.Sscanf(e.Name(), "%d.json", &serial); n != 1 || err != nil {
			continue
		}
		v, err := describe(filepath.Join(b.Previous(), e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // a writer dropped it meanwhile
		}
		if err != nil {
			return nil, err
		}
		v.Serial = serial
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b state.Version) int { return cmp.Compare(b.Serial, a.Serial) })
	return all, nil
}

// describe reads the first line of a snapshot.
func describe(path string) (state.Version, error) {
	f, err := os.Open(path)
	if err != nil {
		return state.Version{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return state.Version{}, err
	}
	line, err := bufio.NewReader(f).ReadBytes('\n')
	if err != nil {
		return state.Version{}, fmt.Errorf("%w: %s has no header", state.ErrDamaged, path)
	}
	v, err := state.SnapshotVersion(line, info.Size())
	if err == nil && v.Written.IsZero() {
		v.Written = info.ModTime()
	}
	return v, err
}

// Version reads an earlier version.
func (b *Backend) Version(_ context.Context, serial uint64) ([]byte, error) {
	data, err := readFile(b.version(serial))
	if data == nil && err == nil {
		err = b.noVersion(serial)
	}
	return data, err
}

func (b *Backend) noVersion(serial uint64) error {
	return fmt.Errorf("%w: %s has none of serial %d", state.ErrNoVersion, b.Previous(), serial)
}

func (b *Backend) version(serial uint64) string {
	return filepath.Join(b.Previous(), fmt.Sprintf("%012d.json", serial))
}

// Break has nothing to break: the kernel drops the lock with its holder.
func (b *Backend) Break(ctx context.Context, id string) error {
	holder, held, err := b.Holder(ctx)
	switch {
	case err != nil:
		return err
	case !held:
		return fmt.Errorf("the state %s is %w", b.path, state.ErrNotLocked)
	case holder.ID != id:
		return &state.LockedError{Location: b.path, Holder: holder}
	}
	return fmt.Errorf("the lock of the state %s is the kernel's, and %w: process %d of %s; end that process, and the lock is gone",
		b.path, state.ErrAlive, holder.PID, holder.Who)
}
