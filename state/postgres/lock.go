package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stowage-iac/stowage/state/keyed"
)

const (
	lockKey = "lock"
	// beat is how often a holder looks whether its connection lives, and patience how long it waits for the answer.
	beat     = 5 * time.Second
	patience = 20 * time.Second
)

// session are the settings of a lock's connection: the server notices a holder
// whose machine is gone.
const session = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4; SET statement_timeout = 0"

// number is the advisory lock's: $1 is its name.
const number = "hashtextextended($1, 0)"

func (s *store) lockName() param { return text("stowage " + s.table + " " + s.o.Name) }

// held is an advisory lock with the connection that it lives on.
type held struct {
	s    *store
	conn *pgconn.PgConn
	lost chan struct{}
	stop chan struct{}
	done sync.WaitGroup
}

// Acquire takes the advisory lock and writes beside it who has it.
func (s *store) Acquire(ctx context.Context, info []byte) (_ keyed.Held, err error) {
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	conn, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			conn.Close(context.WithoutCancel(ctx))
		}
	}()
	if _, err := conn.Exec(ctx, session).ReadAll(); err != nil {
		return nil, s.explain(ctx, err)
	}
	rows, err := exec(ctx, conn, "SELECT pg_try_advisory_lock("+number+")", s.lockName())
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	if string(rows[0][0]) != "t" {
		return nil, keyed.ErrHeld
	}
	_, err = exec(ctx, conn, "INSERT INTO "+s.table+" (state, key, data, revision) VALUES ($1, $2, $3, pg_backend_pid())"+
		" ON CONFLICT (state, key) DO UPDATE SET data = excluded.data, revision = excluded.revision", text(s.o.Name), text(lockKey), param{data: info})
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	h := &held{s: s, conn: conn, lost: make(chan struct{}), stop: make(chan struct{})}
	h.done.Go(h.watch)
	return h, nil
}

// watch looks whether the connection lives.
func (h *held) watch() {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case <-h.stop:
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		_, err := exec(ctx, h.conn, "SELECT 1")
		cancel()
		if err != nil {
			close(h.lost)
			return
		}
	}
}

// Lost is closed when the connection broke, and the lock with it.
func (h *held) Lost() <-chan struct{} { return h.lost }

// Release ends the connection, and the lock with it.
func (h *held) Release(ctx context.Context) error {
	close(h.stop)
	h.done.Wait()
	_, err := exec(ctx, h.conn, "SELECT pg_advisory_unlock("+number+")", h.s.lockName())
	h.conn.Close(ctx)
	if err != nil && !h.conn.IsClosed() {
		return h.s.explain(ctx, err)
	}
	return nil // a connection that is gone took the lock along
}

// holder finds the process of the server that has the lock, and what is written beside it.
func (s *store) holder(ctx context.Context) (pid string, info []byte, held bool, err error) {
	rows, err := s.query(ctx, "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"+
		" AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"+
		" AND (classid::bigint << 32 | objid::bigint) = "+number, s.lockName())
	if err != nil || len(rows) == 0 {
		return "", nil, false, err
	}
	pid = string(rows[0][0])
	o, err := s.Get(ctx, lockKey)
	if errors.Is(err, keyed.ErrAbsent) || err == nil && o.Revision != pid {
		return pid, nil, true, nil // it has not written its name yet
	}
	return pid, o.Data, true, err
}

// Holder tells who holds the lock: the connection lives.
func (s *store) Holder(ctx context.Context) ([]byte, bool, error) {
	_, info, held, err := s.holder(ctx)
	return info, held, err
}

// Break ends the holder's connection on the server.
func (s *store) Break(ctx context.Context, info []byte) error {
	pid, now, held, err := s.holder(ctx)
	if err != nil {
		return err
	}
	if !held || !bytes.Equal(info, now) {
		return keyed.ErrChanged
	}
	if _, err := s.query(ctx, "SELECT pg_terminate_backend($1)", text(pid)); err != nil {
		return fmt.Errorf("end the holder's connection, process %s of the server: %w", pid, err)
	}
	for {
		if now, _, held, err := s.holder(ctx); err != nil || !held || now != pid {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
