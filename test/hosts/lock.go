package hosts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

var errLocked = errors.New("locked by another process")

// fileLock is a lock on a file: held by this process until release, and given
// back by the kernel when the process dies in whatever way.
type fileLock struct{ file *os.File }

// tryLock takes the lock or returns errLocked.
func tryLock(path string) (*fileLock, error) {
	for {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the directory went with the last lab
		}
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			file.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, errLocked
			}
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		// The last holder may have removed the file between our open and our
		// lock; then the lock is on a file that nobody else will find.
		held, err1 := file.Stat()
		named, err2 := os.Stat(path)
		if err1 == nil && err2 == nil && os.SameFile(held, named) {
			return &fileLock{file}, nil
		}
		file.Close()
	}
}

// waitLock takes the lock as soon as it is free.
func waitLock(ctx context.Context, path string) (*fileLock, error) {
	for {
		lock, err := tryLock(path)
		if !errors.Is(err, errLocked) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the lock %s: %w", path, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (l *fileLock) release() { l.file.Close() }

// remove releases the lock and takes its file away, and the directory when
// it was the last in it.
func (l *fileLock) remove() {
	os.Remove(l.file.Name())
	os.Remove(filepath.Dir(l.file.Name()))
	l.file.Close()
}

// releaseOrRemove releases the machine's lock and takes its file away when no
// lab is left.
func (l *fileLock) releaseOrRemove() {
	if exists(labsDir) {
		l.release()
	} else {
		l.remove()
	}
}

// lockMachine guards what labs share: the list of labs and the machine's
// settings. It is held for moments only.
func lockMachine(ctx context.Context) (*fileLock, error) {
	return waitLock(ctx, filepath.Join(runDir, "machine.lock"))
}
