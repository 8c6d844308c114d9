package keyed

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/stowage-iac/stowage/state"
)

const (
	headKey       = "head"
	headFormat    = 1
	snapshotsPath = "snapshot/"
	journalsPath  = "journal/"
)

// head says what is valid.
type head struct {
	Format  int       `json:"format"`
	Epoch   string    `json:"epoch"`  // of the lock: every holder writes its own
	Writes  uint64    `json:"writes"` // no two heads are alike: a late duplicate of a request finds nothing to match
	Current *version  `json:"current,omitempty"`
	Earlier []version `json:"earlier,omitempty"` // newest first
	Journal string    `json:"journal,omitempty"` // its name
}

// version is a snapshot.
type version struct {
	state.Version
	Name   string `json:"name"`
	Pieces int    `json:"pieces"`
}

func (v version) path() string { return snapshotsPath + v.Name + "/" }

func journalPath(name string) string { return journalsPath + name + "/" }

// readHead returns the head and its revision; "" when there is none yet.
func (b *Backend) readHead(ctx context.Context) (h head, revision string, err error) {
	o, err := b.store.Get(ctx, headKey)
	if errors.Is(err, ErrAbsent) {
		return head{}, "", nil
	}
	if err != nil {
		return head{}, "", err
	}
	if err := json.Unmarshal(o.Data, &h); err != nil {
		return head{}, "", fmt.Errorf("%w: its head is not what stowage writes: %v", state.ErrDamaged, err)
	}
	if h.Format > headFormat {
		return head{}, "", fmt.Errorf("%w: its layout is %d, this version reads up to %d; upgrade stowage", state.ErrNewer, h.Format, headFormat)
	}
	return h, o.Revision, nil
}

// writeHead makes h the head if the present one has the revision.
func (b *Backend) writeHead(ctx context.Context, h *head, revision string) (string, error) {
	h.Format = headFormat
	h.Writes++
	data, err := json.Marshal(h)
	if err != nil {
		return "", err
	}
	return b.put(ctx, headKey, data, revision)
}

func randomName() string { return rand.Text()[:16] }
