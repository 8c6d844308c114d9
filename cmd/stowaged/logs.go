package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// maxLog is the size at which a log becomes NAME.log.1, replacing the one before.
const maxLog = 10 << 20

// boundLogs keeps the logs of supervised processes small. Their writers append
// to an open file, so it is copied and truncated.
func boundLogs(ctx context.Context, dir string, log *slog.Logger) {
	for {
		files, _ := filepath.Glob(filepath.Join(dir, "*.log"))
		for _, file := range files {
			if err := bound(file, maxLog); err != nil {
				log.Warn("a log could not be bounded", "file", file, "error", err)
			}
		}
		select {
		case <-time.After(10 * time.Second):
		case <-ctx.Done():
			return
		}
	}
}

func bound(file string, limit int64) error {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() <= limit {
		return err
	}
	old, err := os.OpenFile(file+".1", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer old.Close()
	if _, err := io.Copy(old, f); err != nil {
		return err
	}
	return f.Truncate(0)
}
