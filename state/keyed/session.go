package keyed

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/stowage-iac/stowage/state"
)

// Replace writes the snapshot's pieces, and then the head that makes them valid.
func (s *session) Replace(ctx context.Context, base uint64, next []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cause := context.Cause(s.ctx); cause != nil {
		return cause
	}
	var have uint64
	if s.head.Current != nil {
		have = s.head.Current.Serial
	}
	if have != base {
		return fmt.Errorf("%s: %w: its serial is %d, expected was %d; plan again", s.b.o.Location, state.ErrConflict, have, base)
	}
	about, err := state.SnapshotVersion(next, int64(len(next)))
	if err != nil {
		return err
	}
	v, err := s.write(ctx, about, next)
	if err != nil {
		return err
	}
	h := s.head
	if h.Current != nil {
		h.Earlier = append([]version{*h.Current}, h.Earlier...)
		h.Earlier = h.Earlier[:min(len(h.Earlier), state.KeepVersions)]
	}
	h.Current = &v
	if err := s.change(ctx, h); err != nil {
		return err
	}
	s.sweep(ctx, snapshotsPath, append(pathsOf(h.Earlier), v.path()))
	return nil
}

// write writes the pieces of a snapshot, which no head names yet. s.mu is held.
func (s *session) write(ctx context.Context, about state.Version, data []byte) (version, error) {
	v := version{Version: about, Name: fmt.Sprintf("%012d-%s", about.Serial, randomName())}
	for piece := range slices.Chunk(data, s.b.o.Limit) {
		if _, err := s.b.put(ctx, fmt.Sprintf("%s%06d", v.path(), v.Pieces), piece, ""); err != nil {
			return v, s.explain(err)
		}
		v.Pieces++
	}
	return v, nil
}

// Rewrite writes the pieces under a new name, and then the head that names them.
func (s *session) Rewrite(ctx context.Context, serial uint64, next []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cause := context.Cause(s.ctx); cause != nil {
		return cause
	}
	h := s.head
	h.Earlier = slices.Clone(h.Earlier)
	i := slices.IndexFunc(h.Earlier, func(v version) bool { return v.Serial == serial })
	if i < 0 {
		return s.b.noVersion(serial)
	}
	if next == nil {
		h.Earlier = slices.Delete(h.Earlier, i, i+1)
	} else {
		about, err := state.SnapshotVersion(next, int64(len(next)))
		if err == nil {
			h.Earlier[i], err = s.write(ctx, about, next)
		}
		if err != nil {
			return err
		}
	}
	if err := s.change(ctx, h); err != nil {
		return err
	}
	keep := pathsOf(h.Earlier)
	if h.Current != nil {
		keep = append(keep, h.Current.path())
	}
	s.sweep(ctx, snapshotsPath, keep)
	return nil
}

func pathsOf(versions []version) (paths []string) {
	for _, v := range versions {
		paths = append(paths, v.path())
	}
	return paths
}

// change writes the head. s.mu is held.
func (s *session) change(ctx context.Context, h head) error {
	revision, err := s.b.writeHead(ctx, &h, s.revision)
	if err != nil {
		return s.explain(err)
	}
	s.head, s.revision = h, revision
	return nil
}

// sweep removes what lies below path and in none of the folders keep. It may
// fail: what is left is found by the next.
func (s *session) sweep(ctx context.Context, path string, keep []string) {
	keys, err := s.b.store.Keys(ctx, path)
	if err != nil {
		return
	}
	s.b.remove(ctx, slices.DeleteFunc(keys, func(key string) bool {
		return slices.ContainsFunc(keep, func(p string) bool { return strings.HasPrefix(key, p) })
	}))
}

// StartJournal writes the first batch, and then the head that names the journal.
func (s *session) StartJournal(ctx context.Context, first []byte) (state.Log, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cause := context.Cause(s.ctx); cause != nil {
		return nil, cause
	}
	if s.head.Journal != "" {
		return nil, fmt.Errorf("%s has a journal already", s.b.o.Location)
	}
	l := &log{s: s, name: randomName()}
	if err := l.append(ctx, first); err != nil {
		return nil, err
	}
	h := s.head
	h.Journal = l.name
	if err := s.change(ctx, h); err != nil {
		return nil, err
	}
	return l, nil
}

// DropJournal removes the journal from the head, and then its batches.
func (s *session) DropJournal(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cause := context.Cause(s.ctx); cause != nil {
		return cause
	}
	if s.head.Journal == "" {
		return nil
	}
	h := s.head
	h.Journal = ""
	if err := s.change(ctx, h); err != nil {
		return err
	}
	s.sweep(ctx, journalsPath, nil)
	return nil
}

// log is a journal being written.
type log struct {
	s    *session
	name string
	next int // number of the next batch
}

func batchKey(name string, n int) string { return fmt.Sprintf("%s%08d", journalPath(name), n) }

// Append adds a batch. What is cut off by a crash is a torn end, which replay leaves out.
func (l *log) Append(p []byte) error { return l.append(l.s.ctx, p) }

func (l *log) append(ctx context.Context, p []byte) error {
	for piece := range slices.Chunk(p, l.s.b.o.Limit) {
		if _, err := l.s.b.put(ctx, batchKey(l.name, l.next), piece, ""); err != nil {
			return l.s.explain(err)
		}
		l.next++
	}
	return nil
}

// Close has nothing to close.
func (l *log) Close() error { return nil }
