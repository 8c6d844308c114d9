package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/internal/crash"
)

const (
	// retryEvery is the pause between two attempts at a held lock.
	retryEvery = 50 * time.Millisecond
	// probeGrace is how long Lock tries even without a wait: Holder and a holder's
	// end take the lock for an instant, and that is not being locked.
	probeGrace = 150 * time.Millisecond
)

// lockFile is a held flock. The kernel drops it with the process.
type lockFile struct {
	f    *os.File
	path string
	mu   sync.Mutex
	done bool
}

// Lock takes the lock; see state.Backend.
func (b *Backend) Lock(ctx context.Context, info state.LockInfo, wait time.Duration) (state.Session, error) {
	if err := os.MkdirAll(filepath.Dir(b.path), 0o755); err != nil {
		return nil, fmt.Errorf("the state %s: %w", b.path, err)
	}
	deadline := time.Now().Add(max(wait, probeGrace))
	for {
		l, err := tryLock(b.lock(), info)
		if err != nil {
			return nil, fmt.Errorf("lock the state %s: %w", b.path, err)
		}
		if l != nil {
			return &session{b: b, l: l}, nil
		}
		if !time.Now().Before(deadline) {
			holder, _, err := b.Holder(ctx)
			if err != nil {
				return nil, err
			}
			return nil, &state.LockedError{Location: b.path, Holder: holder}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the lock of the state %s: %w", b.path, context.Cause(ctx))
		case <-time.After(retryEvery):
		}
	}
}

// tryLock returns nil without an error where somebody else holds the lock.
func tryLock(path string, info state.LockInfo) (*lockFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	got, err := flock(f, syscall.LOCK_EX)
	if err == nil && got {
		// The holder removes the file at its end: the name must still be this file's.
		got = sameFile(f, path)
	}
	if err != nil || !got {
		f.Close()
		return nil, err
	}
	text, err := json.Marshal(info)
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(append(text, '\n'), 0)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	crash.Point()
	return &lockFile{f: f, path: path}, nil
}

// release removes the file while it is still locked, and then unlocks it.
func (l *lockFile) release() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done {
		return nil
	}
	l.done = true
	crash.Point()
	err := os.Remove(l.path)
	crash.Point()
	if closeErr := l.f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// Holder tries a shared lock for an instant to tell a living holder from the
// file that a killed one left.
func (b *Backend) Holder(context.Context) (state.LockInfo, bool, error) {
	f, err := os.Open(b.lock())
	if errors.Is(err, fs.ErrNotExist) {
		return state.LockInfo{}, false, nil
	}
	if err != nil {
		return state.LockInfo{}, false, err
	}
	defer f.Close()
	if got, err := flock(f, syscall.LOCK_SH); err != nil || got {
		return state.LockInfo{}, false, err
	}
	var info state.LockInfo
	text, err := io.ReadAll(io.LimitReader(f, 1<<16))
	if err != nil {
		return info, true, err
	}
	if json.Unmarshal(text, &info) != nil {
		return state.LockInfo{}, true, nil // being written just now
	}
	return info, true, nil
}

func flock(f *os.File, how int) (bool, error) {
	for {
		switch err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB); err {
		case nil:
			return true, nil
		case syscall.EINTR:
		case syscall.EWOULDBLOCK:
			return false, nil
		default:
			return false, err
		}
	}
}

func sameFile(f *os.File, path string) bool {
	have, err1 := f.Stat()
	want, err2 := os.Stat(path)
	return err1 == nil && err2 == nil && os.SameFile(have, want)
}
