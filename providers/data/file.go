package data

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// MaxBytes is the most that a source reads of one file: what is read is held in
// memory and goes into saved plans.
const MaxBytes = 100 << 20

// Locate makes a path of an argument one for the operating system: relative ones
// are relative to dir, ~/ is the home directory.
func Locate(dir, path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// ErrDirectory is the error of ReadFile for a directory.
var ErrDirectory = errors.New("it is a directory")

// ReadFile reads a regular file of at most limit bytes. Errors say what is wrong
// and leave the path to the caller.
func ReadFile(ctx context.Context, path string, limit int64) ([]byte, fs.FileInfo, error) {
	f, info, err := Open(path)
	if err != nil {
		return nil, info, err
	}
	defer f.Close()
	if info.Size() > limit {
		return nil, info, tooLarge(limit)
	}
	b, err := io.ReadAll(io.LimitReader(ContextReader(ctx, f), limit+1))
	switch {
	case err != nil:
		return nil, info, Plain(err)
	case int64(len(b)) > limit:
		return nil, info, tooLarge(limit)
	}
	return b, info, nil
}

func tooLarge(limit int64) error {
	return fmt.Errorf("it has more than %d MiB, and what is read is held in memory and kept in saved plans", limit>>20)
}

// Open opens a regular file; a pipe or a device, which could keep the run waiting
// for ever, is refused. info is returned as far as it is known.
func Open(path string) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, Plain(err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		err = Plain(err)
	case info.IsDir():
		err = ErrDirectory
	case !info.Mode().IsRegular():
		err = errors.New("it is not a regular file")
	default:
		return f, info, nil
	}
	f.Close()
	return nil, info, err
}

// Plain is an error without the path that the message names already.
func Plain(err error) error {
	var pe *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("there is no such file")
	case errors.Is(err, fs.ErrPermission):
		return errors.New("the user who runs stowage may not read it")
	case errors.As(err, &pe):
		return pe.Err
	}
	return err
}

// ContextReader is a reader that ends with a context, between two reads.
func ContextReader(ctx context.Context, r io.Reader) io.Reader { return contextReader{ctx, r} }

type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
