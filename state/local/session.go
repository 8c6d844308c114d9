package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/internal/crash"
)

// session is a held lock.
type session struct {
	b *Backend
	l *lockFile
}

// Replace writes next beside the state and renames it over it.
func (s *session) Replace(_ context.Context, base uint64, next []byte) error {
	have, err := s.b.serial()
	if err != nil {
		return err
	}
	if have != base {
		return fmt.Errorf("%s: %w: its serial is %d, expected was %d; plan again", s.b.path, state.ErrConflict, have, base)
	}
	temp := s.b.path + ".new" // one name: what a crash leaves is overwritten by the next write
	crash.Point()
	if err := writeSynced(temp, next); err != nil {
		return err
	}
	crash.Point()
	if have > 0 {
		if err := s.b.keep(have); err != nil {
			return fmt.Errorf("keep the present version: %w", err)
		}
	}
	crash.Point()
	if err := os.Rename(temp, s.b.path); err != nil {
		return err
	}
	crash.Point()
	return syncDir(filepath.Dir(s.b.path))
}

// keep gives the present snapshot a second name among the earlier versions.
func (b *Backend) keep(serial uint64) error {
	dir := b.Previous()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	name := b.version(serial)
	err := os.Link(b.path, name)
	if errors.Is(err, fs.ErrExist) { // of a write that a crash cut off, or before an older version was put back
		if err = os.Remove(name); err == nil {
			err = os.Link(b.path, name)
		}
	}
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var versions []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".json") {
			versions = append(versions, e.Name())
		}
	}
	slices.Sort(versions)
	for len(versions) > state.KeepVersions {
		if err := os.Remove(filepath.Join(dir, versions[0])); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		versions = versions[1:]
	}
	return syncDir(dir)
}

// Rewrite writes next beside the state and renames it over the earlier version.
func (s *session) Rewrite(_ context.Context, serial uint64, next []byte) error {
	name := s.b.version(serial)
	if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return s.b.noVersion(serial)
	}
	crash.Point()
	if next == nil {
		if err := os.Remove(name); err != nil {
			return err
		}
	} else {
		temp := s.b.path + ".new"
		if err := writeSynced(temp, next); err != nil {
			return err
		}
		if err := os.Rename(temp, name); err != nil {
			return err
		}
	}
	crash.Point()
	return syncDir(s.b.Previous())
}

// StartJournal writes the journal's beginning beside it and renames it into place.
func (s *session) StartJournal(_ context.Context, head []byte) (state.Log, error) {
	path := s.b.journal()
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("%s exists already", path)
	}
	temp := path + ".new"
	crash.Point()
	if err := writeSynced(temp, head); err != nil {
		return nil, err
	}
	crash.Written(bytes.Count(head, []byte("\n")))
	if err := os.Rename(temp, path); err != nil {
		return nil, err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	crash.Flushed(bytes.Count(head, []byte("\n")))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, err
	}
	return &log{f: f, size: int64(len(head))}, nil
}

// DropJournal removes it.
func (s *session) DropJournal(context.Context) error {
	crash.Point()
	err := os.Remove(s.b.journal())
	crash.Point()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(s.b.path))
}

// Unlock gives the lock back.
func (s *session) Unlock() error { return s.l.release() }

// log is a journal being written.
type log struct {
	f    *os.File
	size int64 // bytes that are whole records
}

// Append writes p and flushes it. A part of it that a full disk took is cut off again.
func (l *log) Append(p []byte) error {
	if _, err := l.f.Write(p); err != nil {
		if cut := l.f.Truncate(l.size); cut != nil {
			return fmt.Errorf("%w (and the torn record stays: %v)", err, cut)
		}
		return err
	}
	crash.Written(bytes.Count(p, []byte("\n")))
	if err := l.f.Sync(); err != nil {
		return err
	}
	l.size += int64(len(p))
	crash.Flushed(bytes.Count(p, []byte("\n")))
	return nil
}

// Close closes the file.
func (l *log) Close() error { return l.f.Close() }
