package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/stowage-iac/stowage/ssh"
	"github.com/stowage-iac/stowage/state"
)

// find tells on which side the state is: once in a process, unless it moves it itself.
func (b *Backend) find(ctx context.Context) (side, error) {
	b.mu.Lock()
	at, known := b.at, b.known
	b.mu.Unlock()
	if known {
		return at, nil
	}
	at, err := b.look(ctx)
	if err == nil {
		b.set(at)
	}
	return at, err
}

func (b *Backend) set(at side) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at, b.known = at, true
}

// look decides by the table in the package's comment.
func (b *Backend) look(ctx context.Context) (side, error) {
	file, err := b.here.Read(ctx)
	if err != nil {
		return inFile, err
	}
	mine, err := state.HeaderOf(file.Snapshot)
	if err != nil {
		return inFile, err
	}
	live := file.Journal != nil || file.Snapshot != nil && mine.Moved == ""
	serves, err := b.serves(ctx)
	switch {
	case err != nil && live:
		return inFile, nil // whoever can change it cannot reach the cluster either
	case err != nil:
		return inFile, fmt.Errorf("the state %s cannot be reached: %w", b.location, err)
	case !serves && !live && file.Snapshot != nil:
		return inFile, fmt.Errorf("%w: it was moved into the cluster by %s, and no manager serves there any more. If the cluster is lost, put the newest of %s "+
			"in the place of %s and apply", state.ErrDamaged, mine.By, b.here.Previous(), b.here.Location())
	case !serves:
		return inFile, nil
	case !live:
		return inCluster, nil
	}
	stored, err := b.there.Read(ctx)
	if err != nil {
		return inFile, err
	}
	theirs, err := state.HeaderOf(stored.Snapshot)
	switch {
	case err != nil:
		return inFile, err
	case stored.Snapshot == nil || theirs.Moved != "":
		return inFile, nil
	case file.Snapshot != nil && theirs.Lineage != mine.Lineage:
		return inFile, fmt.Errorf("%w: the cluster's is %s, that of %s is %s; move the one away that does not belong here", state.ErrForeign, theirs.Lineage, b.here.Location(), mine.Lineage)
	case file.Journal != nil || theirs.Serial < mine.Serial:
		return inFile, nil
	}
	return inCluster, nil
}

// serves reports whether a manager answers. An error says that it is not known.
func (b *Backend) serves(ctx context.Context) (bool, error) {
	within, cancel := context.WithTimeout(ctx, b.o.Patience)
	defer cancel()
	err := b.client.Healthy(within)
	if err != nil && !errors.Is(err, ssh.ErrNoSocket) { // it may be starting
		err = b.client.WaitHealthy(within)
	}
	switch {
	case err == nil:
		return true, nil
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case errors.Is(err, ssh.ErrNoSocket):
		return false, nil
	}
	return false, err
}
