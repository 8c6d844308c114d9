package keyed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/internal/crash"
)

// Options of New.
type Options struct {
	Location string // of the state, for messages: s3://bucket/key
	Previous string // where earlier versions are, for messages
	// Limit is the largest object that is written, bytes.
	Limit int
	// Stale says how a lock comes free whose holder died, for messages; "" when at once.
	Stale string
	// Retry is the first pause between two attempts at a held lock, and after an
	// error of the network; it doubles up to 1 s. Default 100 ms.
	Retry time.Duration
}

// Backend is a state in a store.
type Backend struct {
	store Store
	o     Options
}

var _ state.Backend = (*Backend)(nil)

// New makes a backend of a store; nothing is read yet.
func New(s Store, o Options) *Backend {
	if o.Retry == 0 {
		o.Retry = 100 * time.Millisecond
	}
	return &Backend{store: s, o: o}
}

// Location names the state.
func (b *Backend) Location() string { return b.o.Location }

// Close ends the store's connections, if it has any.
func (b *Backend) Close() error {
	if c, ok := b.store.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Previous says where earlier versions are.
func (b *Backend) Previous() string { return b.o.Previous }

// readAttempts bounds how often a read starts again because a writer was faster.
const readAttempts = 8

// Read reads the snapshot and the journal that one head names.
func (b *Backend) Read(ctx context.Context) (state.Stored, error) {
	for attempt := 1; ; attempt++ {
		h, revision, err := b.readHead(ctx)
		if err != nil {
			return state.Stored{}, err
		}
		stored, err := b.read(ctx, h)
		if err == nil {
			// What was read is of this head if it is still the head.
			_, now, err := b.readHead(ctx)
			if err != nil || now == revision {
				return stored, err
			}
		} else if !errors.Is(err, state.ErrDamaged) || attempt == readAttempts {
			return state.Stored{}, err
		}
		if attempt == readAttempts {
			return state.Stored{}, fmt.Errorf("%s is written all the time; try again", b.o.Location)
		}
	}
}

func (b *Backend) read(ctx context.Context, h head) (stored state.Stored, err error) {
	if h.Current != nil {
		if stored.Snapshot, err = b.readSnapshot(ctx, *h.Current); err != nil {
			return state.Stored{}, err
		}
	}
	if h.Journal != "" {
		batches, err := b.store.All(ctx, journalPath(h.Journal))
		if err != nil {
			return state.Stored{}, err
		}
		stored.Journal = []byte{}
		for n, o := range batches {
			if o.Key != batchKey(h.Journal, n) {
				return state.Stored{}, fmt.Errorf("%w: batch %d of its journal is missing", state.ErrDamaged, n)
			}
			if string(o.Data) != sealed {
				stored.Journal = append(stored.Journal, o.Data...)
			}
		}
		if len(batches) == 0 {
			return state.Stored{}, fmt.Errorf("%w: its journal is missing", state.ErrDamaged)
		}
	}
	return stored, nil
}

func (b *Backend) readSnapshot(ctx context.Context, v version) ([]byte, error) {
	if v.Size > state.MaxSize {
		return nil, fmt.Errorf("%w: it has %d bytes, more than the limit of %d", state.ErrDamaged, v.Size, state.MaxSize)
	}
	pieces, err := b.store.All(ctx, v.path())
	if err != nil {
		return nil, err
	}
	if len(pieces) != v.Pieces {
		return nil, fmt.Errorf("%w: %d of the %d pieces of serial %d are there", state.ErrDamaged, len(pieces), v.Pieces, v.Serial)
	}
	if len(pieces) == 1 && int64(len(pieces[0].Data)) == v.Size {
		return pieces[0].Data, nil
	}
	data := make([]byte, 0, v.Size)
	for n := range pieces {
		data = append(data, pieces[n].Data...)
		pieces[n].Data = nil
	}
	if int64(len(data)) != v.Size {
		return nil, fmt.Errorf("%w: serial %d has %d bytes, %d were written", state.ErrDamaged, v.Serial, len(data), v.Size)
	}
	return data, nil
}

// Versions lists the earlier versions.
func (b *Backend) Versions(ctx context.Context) ([]state.Version, error) {
	h, _, err := b.readHead(ctx)
	var all []state.Version
	for _, v := range h.Earlier {
		all = append(all, v.Version)
	}
	return all, err
}

// Version reads an earlier version.
func (b *Backend) Version(ctx context.Context, serial uint64) ([]byte, error) {
	for attempt := 1; ; attempt++ {
		h, _, err := b.readHead(ctx)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(h.Earlier, func(v version) bool { return v.Serial == serial })
		if i < 0 {
			return nil, b.noVersion(serial)
		}
		data, err := b.readSnapshot(ctx, h.Earlier[i])
		if !errors.Is(err, state.ErrDamaged) || attempt == readAttempts {
			return data, err
		}
		// It was rewritten between the head and its pieces: the next head names others.
	}
}

func (b *Backend) noVersion(serial uint64) error {
	return fmt.Errorf("%w: %s has none of serial %d", state.ErrNoVersion, b.o.Previous, serial)
}

// putAttempts bounds how often a write is tried whose answer did not come.
const putAttempts = 4

// put is Store.Put, tried again when its answer did not come: it then looks
// whether the first attempt was done after all. data is unique to this write.
func (b *Backend) put(ctx context.Context, key string, data []byte, revision string) (string, error) {
	pause := b.o.Retry
	for attempt := 1; ; attempt++ {
		crash.Point()
		now, err := b.store.Put(ctx, key, data, revision)
		crash.Point()
		if err == nil {
			return now, nil
		}
		changed := errors.Is(err, ErrChanged)
		if changed && attempt == 1 || attempt == putAttempts || ctx.Err() != nil {
			return "", err
		}
		if o, getErr := b.store.Get(ctx, key); getErr == nil && bytes.Equal(o.Data, data) {
			return o.Revision, nil
		}
		if changed {
			return "", err
		}
		if wait(ctx, pause) != nil {
			return "", err
		}
		pause = min(2*pause, time.Second)
	}
}

// remove is Store.Delete; what it leaves is swept up later, so that its error does not matter.
func (b *Backend) remove(ctx context.Context, keys []string) {
	if len(keys) == 0 {
		return
	}
	crash.Point()
	b.store.Delete(ctx, keys)
	crash.Point()
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

func decodeInfo(text []byte) (info state.LockInfo) {
	json.Unmarshal(text, &info) // what somebody else wrote has no name
	return info
}
