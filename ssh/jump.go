package ssh

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// jumps are the jump hosts in use: many nodes behind one bastion share one
// connection to it, since a login for each would run into its MaxStartups.
var jumps = jumpTable{open: map[string]*sharedJump{}}

type jumpTable struct {
	mu   sync.Mutex
	open map[string]*sharedJump
}

// sharedJump is a connection to a jump host that counts its users.
type sharedJump struct {
	key   string
	ready chan struct{} // closed when link or err is set
	link  *link
	err   error
	users int
}

// use connects to the jump host or joins the connection that is there.
func (t *jumpTable) use(ctx context.Context, h hop, o Options) (*sharedJump, error) {
	for {
		j, mine := t.claim(jumpKey(h))
		if mine {
			j.link, j.err = connect(ctx, h, o)
			if j.err == nil {
				go j.link.warm()
			}
			close(j.ready)
		}
		select {
		case <-j.ready:
		case <-ctx.Done():
			j.release()
			return nil, fmt.Errorf("%s: connect to %s: %w", h.node, h.address(), context.Cause(ctx))
		}
		if j.err == nil && !j.link.dead() {
			return j, nil
		}
		t.forget(j)
		j.release()
		if j.err != nil && (mine || !endedByContext(j.err)) {
			return nil, j.err
		}
		// The connection has died since, or the one who made it gave up: try again.
	}
}

func endedByContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func (t *jumpTable) claim(key string) (j *sharedJump, mine bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	j = t.open[key]
	if j != nil && j.finished() && (j.err != nil || j.link.dead()) {
		j = nil
	}
	if j == nil {
		j, mine = &sharedJump{key: key, ready: make(chan struct{})}, true
		t.open[key] = j
	}
	j.users++
	return j, mine
}

func (t *jumpTable) forget(j *sharedJump) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open[j.key] == j {
		delete(t.open, j.key)
	}
}

func (j *sharedJump) finished() bool {
	select {
	case <-j.ready:
		return true
	default:
		return false
	}
}

// release gives the connection back; the last user closes it.
func (j *sharedJump) release() {
	jumps.mu.Lock()
	defer jumps.mu.Unlock()
	if j.users--; j.users > 0 {
		return
	}
	if jumps.open[j.key] == j {
		delete(jumps.open, j.key)
	}
	if j.finished() && j.link != nil {
		j.link.close(nil)
	}
}

// jumpKey tells apart connections that may not be shared.
func jumpKey(h hop) string {
	parts := []string{h.String(), h.keyName, h.agentSocket, fmt.Sprint(h.acceptNew, h.identitiesOnly)}
	parts = append(parts, h.identities...)
	parts = append(parts, h.knownHosts...)
	for _, j := range h.jumps {
		parts = append(parts, jumpKey(j))
	}
	return strings.Join(parts, "\x00")
}
