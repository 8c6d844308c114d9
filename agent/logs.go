package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

const (
	logSize     = 10 << 20 // bytes at which a log is rotated
	logFiles    = 5        // the current one included
	logInterval = 2 * time.Second
)

// rotateLogs keeps every container's log within its bounds.
func (a *Agent) rotateLogs(ctx context.Context) {
	for pause(ctx, logInterval) {
		logs, _ := filepath.Glob(filepath.Join(a.o.DataDir, "logs", "*", "*", "*.log"))
		for _, path := range logs {
			if err := rotate(path, logSize, logFiles); err != nil {
				a.log.Warn("a log cannot be rotated", "log", path, "error", err)
			}
		}
	}
}

// rotate copies a log that has grown beyond size to path.1, after moving
// path.1 to path.2 and so on, and empties it. The writer, which appends, keeps
// its file: no signal, no reopening. Of a log that has grown much more, the
// last size bytes are kept, from the start of a line. What is written between
// the copy and the truncation is lost.
func rotate(path string, size int64, files int) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || st.Size() <= size {
		return err
	}
	old := func(i int) string { return fmt.Sprintf("%s.%d", path, i) }
	for i := files - 2; i >= 1; i-- {
		if err := os.Rename(old(i), old(i+1)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if over := st.Size() - size; over > size/10 {
		if err := seekLine(f, over); err != nil {
			return err
		}
	}
	to, err := os.OpenFile(old(1), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, f)
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}
	return f.Truncate(0)
}

// seekLine goes to the first line that starts at or behind offset.
func seekLine(f *os.File, offset int64) error {
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	b := make([]byte, 64<<10)
	n, err := f.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for i, c := range b[:n] {
		if c == '\n' {
			offset += int64(i) + 1
			break
		}
	}
	_, err = f.Seek(offset, io.SeekStart)
	return err
}
